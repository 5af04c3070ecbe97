"""Firepower's connections as eNcore writes them: which way their bytes go, their times, and what is no flow."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.sources.registry import detect, format_of
from tests.pipeline.sources.lines import ends, only, read, read_lines

PAIRS = (
    'rec_type=71 event_sec=1795161661 app_proto=IMAPS client_app="x src_bytes=9" connection_id=60183 url="" '
    "first_pkt_sec=1795161600 src_ip=10.1.0.11 src_port=50001 src_bytes=420 src_pkts=6 instance_id=4 "
    "last_pkt_sec=1795161660 ip_proto=TCP dest_ip=198.51.100.25 dest_port=993 dest_bytes=5420 dest_pkts=8 "
    'fw_rule_action=Allow rec_type_simple=RNA rec_type_desc="Connection Statistics" sensor=fp1'
)
HEADED = (
    "<13>Nov 20 08:01:01 enc CEF:0|Cisco|Firepower|6.0|RNA:1003:1|CONNECTION STATISTICS|3|act=Allow app=IMAPS "
    "bytesIn=5420 bytesOut=420 cs1=Policy A cs1Label=fwPolicy dpt=993 dst=198.51.100.25 dvchost=fp1 dvcpid=4 "
    "end=1795161660000 externalId=60183 proto=TCP rt=1795161600000 spt=50001 src=10.1.0.11 start=1795161600000"
)
LINES = {"encore": PAIRS, "encore_cef": HEADED}


EVENT = {
    "EventType": "ConnectionEvent", "FirstPacketSecond": 1_795_161_600, "LastPacketSecond": 1_795_161_660,
    "DeviceUUID": "fp1", "InstanceID": 4, "ConnectionID": 60_183, "AC_RuleAction": "Allow", "InitiatorIP": "10.1.0.11",
    "ResponderIP": "198.51.100.25", "InitiatorPort": 50_001, "ResponderPort": 993, "Protocol": "tcp",
    "IngressInterface": "inside", "Application": "IMAPS", "InitiatorPackets": 6, "ResponderPackets": 8,
    "InitiatorBytes": 420, "ResponderBytes": 5_420, "NAT_InitiatorIP": "203.0.113.9",
    "NAT_ResponderIP": "198.51.100.25",
}  # fmt: skip
LINES["encore_json"] = json.dumps(EVENT)


@pytest.mark.parametrize("name", LINES)
def test_what_the_responder_sent_are_bytes_in(name: str) -> None:
    assert detect(f"{LINES[name]}\n".encode(), "auto", "x") == name
    assert format_of(name) == "asa"
    row = only(read(name, LINES[name]))
    assert ends(row) == ("10.1.0.11", 50_001, "198.51.100.25", 993)
    assert (row["other_bytes_in"], row["other_bytes_out"], row["transport"], row["app"]) == (5_420, 420, "tcp", "imaps")
    assert (row["start_time"].isoformat(), row["duration"]) == ("2026-11-20T08:00:00+00:00", 60_000_000)
    assert (row["accounting"], row["dvc"], row["uid"][:11]) == ("cumulative", "fp1", "fp1/4/60183")


def test_events_in_json_know_the_ends_after_translation_and_how_long_they_lasted() -> None:
    row = only(read("encore_json", LINES["encore_json"]))
    assert (row["src_translated_ip"], row["dest_translated_ip"], row["packets_in"]) == ("203.0.113.9", None, 8)
    lasted = {k: v for k, v in EVENT.items() if k != "LastPacketSecond"} | {"ConnectionDuration": 60}
    assert only(read("encore_json", json.dumps(lasted))) == row


def test_in_json_too_all_but_connections_that_were_let_through_are_no_flows() -> None:
    bare = {k: v for k, v in EVENT.items() if not k.endswith("Bytes")}
    others = ({"EventType": "IntrusionEvent"}, {"AC_RuleAction": "Block with reset"})
    parsed = read("encore_json", *(json.dumps(EVENT | more) for more in others), json.dumps(bare))
    assert (parsed.account.flows, parsed.account.ignored) == (0, 3)
    assert dict(parsed.account.warnings) == {"blocked": 1, "no_counters": 1}


def test_a_blank_before_the_version_of_a_header_changes_nothing() -> None:
    blank = HEADED.replace("CEF:0", "CEF: 0")
    assert detect(f"{blank}\n".encode(), "auto", "x") == "encore_cef"
    assert only(read("encore_cef", blank)) == only(read("encore_cef", HEADED))


def test_pairs_that_a_collector_parted_by_semicolons_are_read() -> None:
    begin, _, pairs = HEADED.rpartition("|3|")
    parted = re.sub(" (?=[A-Za-z0-9]+=)", ";", pairs).replace("start=1795161600000", "start=1795161600000 ")
    line = f"{begin}|3|{parted};reason=N/A;suser={{'a': 0, 'b': 'No; none'}};Request=https://www.example.com/?a=1;b=2"
    assert detect(f"{line}\n".encode(), "auto", "x") == "encore_cef"
    assert only(read("encore_cef", line)) == only(read("encore_cef", HEADED))
    assert read("encore_cef", line.replace("act=Allow", "act=Block")).account.warnings == {"blocked": 1}
    valued = HEADED.replace("cs1=Policy A", "cs1=a;b=7;c=9")
    assert only(read("encore_cef", valued)) == only(read("encore_cef", HEADED))


@pytest.mark.parametrize(("kind", "lost"), [("rec_type=400", 0), ("rec_type=71", 1), ("", 1)])
def test_a_line_that_was_cut_in_a_quote_is_set_aside_unless_it_is_of_another_kind(kind: str, lost: int) -> None:
    parsed = read("encore", PAIRS.replace("rec_type=71", kind) + ' url="/mail rec_type=400')
    assert (parsed.account.ignored, parsed.account.quarantined.total()) == (1 - lost, lost)


def test_addresses_of_ipv6_have_keys_of_their_own_in_cef() -> None:
    line = HEADED.replace(" src=10.1.0.11", " c6a2=2001:db8::1").replace(" dst=198.51.100.25", " c6a3=2001:db8::25")
    assert ends(only(read("encore_cef", line))) == ("2001:db8::1", 50_001, "2001:db8::25", 993)


@pytest.mark.parametrize("name", ["encore", "encore_cef"])
def test_all_but_connections_that_were_let_through_are_no_flows(name: str) -> None:
    line = LINES[name]
    other = line.replace("rec_type=71", "rec_type=400").replace("RNA:1003:1", "[1:2]")
    blocked = line.replace("action=Allow", 'action="Block with reset"').replace("act=Allow", "act=Block with reset")
    bare = line.replace("bytes=", "x=").replace("bytesIn=", "x=").replace("bytesOut=", "y=")
    parsed = read(name, other, blocked, bare, f"{line} dest_bytes=1 bytesIn=1", "junk")
    assert parsed.rows.is_empty()
    assert dict(parsed.account.warnings) == {"blocked": 1, "no_counters": 1}
    assert parsed.rejects["source_line"].to_list() == [4, 5]


@given(st.lists(st.one_of(st.binary(max_size=60), st.sampled_from([PAIRS, HEADED, PAIRS[:99], HEADED[:99]]))))
def test_no_bytes_crash_the_reader_and_every_line_is_accounted_for(lines: list[str | bytes]) -> None:
    for name in LINES:
        assert read_lines(name, lines).account.balanced

"""Barracuda's sessions that were removed: which way their bytes go, their times, and what is no flow."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.sources.registry import detect
from tests.examples import examples
from tests.pipeline.sources.lines import ends, only, read, read_lines

PAIRS = (
    "type=FWD|proto=TCP|srcIF=eth1|srcIP=10.1.0.11|srcPort=50001|srcMAC=00:00:5e:00:53:01|dstIP=198.51.100.25|"
    "dstPort=993|dstService=imaps|dstIF=eth0|rule=LAN-2-DMZ/<App>:All|info=Session Idle Timeout|srcNAT=203.0.113.9|"
    "dstNAT=198.51.100.25|duration=10500|count=1|receivedBytes=5420|sentBytes=420|receivedPackets=8|sentPackets=6|"
    "user=|protocol=|application=|target=|content=|urlcat="
)
PLACED = "|".join(pair.partition("=")[2] for pair in PAIRS.split("|"))
REMOVED = f"<14>2026-11-20T09:00:10+01:00 fw1 fw1/box_Firewall_Activity:  Info     fw1 Remove: {PAIRS}"


@pytest.mark.parametrize(
    ("line", "host"),
    [
        (REMOVED, "fw1"),
        (REMOVED.replace(PAIRS, PLACED), "fw1"),
        (f"<14>Nov 20 2026 09:00:10 fw1 fw1/box_Firewall_Activity:  Info     fw1 Remove: {PAIRS}", "fw1"),
        (f"2026 11 20 09:00:10 Info     +01:00 Remove: {PAIRS}", None),
    ],
)
def test_what_came_back_are_bytes_in(line: str, host: str | None) -> None:
    assert detect(f"{line}\n".encode(), "auto", "x") == "barracuda"
    row = only(read("barracuda", line, zone="Europe/Berlin"))
    assert ends(row) == ("10.1.0.11", 50_001, "198.51.100.25", 993)
    assert (row["other_bytes_in"], row["other_bytes_out"], row["packets_in"], row["packets_out"]) == (5_420, 420, 8, 6)
    assert (row["start_time"].isoformat(), row["duration"]) == ("2026-11-20T07:59:59.500000+00:00", 10_500_000)
    assert (row["transport"], row["src_translated_ip"]) == ("tcp", "203.0.113.9")
    if host is not None:
        assert row["dvc"] == host


def test_a_header_without_a_year_is_of_the_newest_and_says_so() -> None:
    untold = REMOVED.replace("2026-11-20T09:00:10+01:00", "Nov 20 09:00:10")
    assert dict(read("barracuda", untold, REMOVED).account.warnings) == {"year_assumed": 1}


def test_a_message_without_its_header_has_the_time_and_the_host_of_its_envelope() -> None:
    bare = f"fw1/box_Firewall_Activity:  Info     fw1 Remove: {PAIRS}"
    line = json.dumps({"@timestamp": "2026-11-20T08:00:10Z", "host": "fw1", "message": bare})
    assert detect(f"{line}\n".encode(), "auto", "x") == "barracuda@message"
    row = only(read("barracuda@message", line, zone="Europe/Berlin"))
    assert (row["start_time"].isoformat(), row["dvc"]) == ("2026-11-20T07:59:59.500000+00:00", "fw1")


def test_values_alone_are_known_where_the_name_of_the_program_stands_elsewhere() -> None:
    lines = ["TimeGenerated [UTC],SyslogMessage,ProcessName"]
    lines += [f"2026-11-20T08:00:10Z,{kind}: {PLACED},box_Firewall_Activity" for kind in ("Allow", "Remove")]
    encoding = "barracuda@csv:syslogmessage"
    assert detect("\n".join([*lines, ""]).encode(), "auto", "x") == encoding
    parsed = read(encoding, *lines)
    assert only(parsed)["start_time"].isoformat() == "2026-11-20T07:59:59.500000+00:00"
    assert dict(parsed.account.warnings) == {"begin": 1}
    assert detect(f"Remove: {PLACED}\n".encode(), "auto", "x") == "barracuda"


def test_what_did_not_end_was_refused_or_cannot_be_believed_is_no_flow() -> None:
    begun, seen, refused = (REMOVED.replace("Remove:", f"{kind}:") for kind in ("Allow", "Detect", "Block"))
    bare = REMOVED.replace("receivedBytes=5420|sentBytes=420|", "")
    audit = f"<14>Nov 20 09:00:10 fw1 fw1/box_Firewall_audit:  Info     fw1 1795161610|Remove:|{PLACED}"
    parsed = read("barracuda", begun, seen, refused, bare, audit, f"{REMOVED}|sentBytes=9", "junk")
    assert parsed.rows.is_empty()
    assert dict(parsed.account.warnings) == {"begin": 2, "blocked": 1, "no_counters": 1}
    assert parsed.rejects.select("source_line", "reason").rows() == [(n, "bad_line") for n in (6, 7)]


@settings(max_examples=examples(10))
@given(st.lists(st.one_of(st.binary(max_size=60), st.sampled_from([REMOVED, REMOVED[:150], REMOVED.replace("=", "")]))))
def test_no_bytes_crash_the_reader_and_every_line_is_accounted_for(lines: list[str | bytes]) -> None:
    assert read_lines("barracuda", lines).account.balanced


STREAMED = {
    "version": 1, "timestamp": 1_795_161_610, "action": "End", "duration": 10_500, "src_iface": "eth1",
    "src_ip": "10.1.0.11", "src_port": 50_001, "src_mac": "00:00:5e:00:53:01", "dst_iface": "eth0",
    "dst_ip": "198.51.100.25", "dst_port": 993, "fw_rule": "LAN-2-DMZ", "app_rule": "<App>:All", "fw_info": 2007,
    "src_ip_nat": "203.0.113.9", "dst_ip_nat": "198.51.100.25", "fwd_bytes": 420, "rev_bytes": 5_420, "fwd_packets": 6,
    "rev_packets": 8, "ip_proto": 6, "protos": ["IMAPS"], "apps": [],
}  # fmt: skip


@pytest.mark.parametrize("around", ["", "@message", "@{message}"])
def test_what_firewall_insights_streams_means_the_same(around: str) -> None:
    inner = json.dumps(STREAMED) if around == "@message" else STREAMED
    record = {"message": inner, "product": "ngfw", "sn": "4f94", "type": "ngfw-act"} if around else STREAMED
    line = json.dumps(record)
    assert detect(f"{line}\n".encode(), "auto", "x") == f"barracuda_json{around}"
    row = only(read(f"barracuda_json{around}", line, zone="Asia/Tokyo"))
    plain = only(read("barracuda", REMOVED, zone="Europe/Berlin"))
    differing = {"app", "dvc", "vendor_product", "source_line", "dest_translated_ip"}
    assert {k: v for k, v in row.items() if k not in differing} == {
        k: v for k, v in plain.items() if k not in differing
    }


def test_of_the_stream_only_sessions_that_ended_are_flows() -> None:
    bare = {k: v for k, v in STREAMED.items() if not k.endswith("_bytes")}
    others = [STREAMED | {"action": action} for action in ("Begin", "Block", "AppBlock")]
    parsed = read("barracuda_json", *(json.dumps(record) for record in (*others, bare, {"type": "ngfw-threat"})))
    assert (parsed.account.flows, parsed.account.ignored) == (0, 5)
    assert dict(parsed.account.warnings) == {"begin": 1, "blocked": 2, "no_counters": 1}

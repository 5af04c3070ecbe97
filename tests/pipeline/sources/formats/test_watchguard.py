"""WatchGuard's connections that ended: which way their bytes go, their times, and what is no flow."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.sources.registry import detect
from tests.examples import examples
from tests.pipeline.sources.lines import ends, only, read, read_blocks, read_lines

ENDED = (
    '<142>Nov 20 09:00:10 fb1 FVE1 (2026-11-20T08:00:10) firewall[10]: msg_id="3000-0151" Allow 1-Trusted 0-External '
    'tcp 10.1.0.11 198.51.100.25 50001 993 src_ip_nat="203.0.113.9" duration="10" sent_bytes="420" rcvd_bytes="5420" '
    "(IMAP-00)"
)
PROXIED = ENDED.replace("firewall[10]", "https-proxy[20]").replace("3000-0151", "3000-0176")


LEEF = (
    "<142>Nov 20 2026 09:00:10 fb1 LEEF:1.0|WatchGuard|XTM|12.10.B1|30000151|host_name=FB\tserial=1\tpolicy=IMAP-00\t"
    "disp=Allow\tin_if=Any Trusted\tout_if=0-External\tgeo_dst=GBR\tsrc=10.1.0.11\tsrcPort=50001\t"
    "srcPostNAT=203.0.113.9\tdst=198.51.100.25\tdstPort=993\tproto=tcp\tduration=10 seconds\tsent_pkts=6\t"
    "rcvd_pkts=8\tsent_bytes=420\trcvd_bytes=5420\t"
)


@pytest.mark.parametrize("line", [LEEF, LEEF.replace("\t", "#011"), LEEF.replace("\t", " ")])
def test_leef_tells_the_same_by_its_keys(line: str) -> None:
    assert detect(f"{line}\n".encode(), "auto", "x") == "watchguard"
    row = only(read("watchguard", line, zone="Europe/Berlin"))
    assert ends(row) == ("10.1.0.11", 50_001, "198.51.100.25", 993)
    assert (row["other_bytes_in"], row["other_bytes_out"], row["packets_in"]) == (5_420, 420, 8)
    assert (row["start_time"].isoformat(), row["duration"]) == ("2026-11-20T08:00:00+00:00", 10_000_000)
    assert (row["dvc"], row["src_translated_ip"], row["transport"]) == ("fb1", "203.0.113.9", "tcp")
    account = read("watchguard", line.replace("=Allow", "=Deny"), line.replace("duration=", "elapsed_time=")).account
    assert (account.flows, account.ignored) == (0, 2)
    twice, torn = line.replace("sent_bytes", "rcvd_bytes=1\tsent_bytes"), line.replace("src=", "sorc=")
    assert dict(read("watchguard", twice, torn).account.quarantined) == {"bad_line": 2}


@pytest.mark.parametrize(
    ("told", "starts"),
    [
        ("Nov 20 2026 10:00:10 +0200", 8),
        ("Nov 20 2026 09:00:10", 8),
        ("Nov 20 2026 08:00:10 GMT", 8),
        ("Nov 20 2026 10:00:10 GMT+2", 8),
    ],
)
def test_the_time_that_leef_has_by_a_key_is_the_device_s(told: str, starts: int) -> None:
    """As Fireware writes it: without a syslog header it was none, and with one that header's clock counted."""
    line = LEEF.replace("host_name=FB\t", f"devTimeFormat=MMM dd yyyy HH:mm:ss Z\tdevTime={told}\t")
    for message in (line, line.partition("fb1 ")[2], line.replace("09:00:10 fb1", "17:30:00 fb1")):
        row = only(read("watchguard", message, zone="Europe/Berlin"))
        assert (row["start_time"].hour, row["start_time"].second) == (starts, 0)


@pytest.mark.parametrize("line", [ENDED, PROXIED, ENDED.replace("1-Trusted", "Any Trusted")])
def test_what_came_back_are_bytes_in_and_the_time_is_of_utc(line: str) -> None:
    assert detect(f"{line}\n".encode(), "auto", "x") == "watchguard"
    row = only(read("watchguard", line, zone="Europe/Berlin"))
    assert ends(row) == ("10.1.0.11", 50_001, "198.51.100.25", 993)
    assert (row["other_bytes_in"], row["other_bytes_out"], row["transport"]) == (5_420, 420, "tcp")
    assert (row["start_time"].isoformat(), row["duration"]) == ("2026-11-20T08:00:00+00:00", 10_000_000)
    assert (row["dvc"], row["src_translated_ip"]) == ("fb1", "203.0.113.9")


@pytest.mark.parametrize("before", ["<142>Nov 20 2026 09:00:10 fb1 ", "<142>Nov 20 2026 09:00:10 fb1 FVE1 ",
                                    "2026-11-20T09:00:10+01:00 fb1 "])  # fmt: skip
def test_a_device_that_writes_no_time_of_its_own_has_that_of_the_header(before: str) -> None:
    line = before + ENDED.partition("(2026-11-20T08:00:10) ")[2]
    assert detect(f"{line}\n".encode(), "auto", "x") == "watchguard"
    row = only(read("watchguard", line, zone="Europe/Berlin"))
    assert (row["start_time"].isoformat(), row["dvc"]) == ("2026-11-20T08:00:00+00:00", "fb1")


def test_a_header_without_a_year_is_of_the_newest_and_says_so() -> None:
    untold = ENDED.replace("(2026-11-20T08:00:10) ", "")
    assert dict(read("watchguard", untold, ENDED).account.warnings) == {"year_assumed": 1}


def test_a_message_without_its_header_has_the_time_and_the_host_of_its_envelope() -> None:
    bare = ENDED[ENDED.index("msg_id") :]
    line = json.dumps({"@timestamp": "2026-11-20T08:00:10Z", "host": "fb1", "program": "firewall", "message": bare})
    assert detect(f"{line}\n".encode(), "auto", "x") == "watchguard@message"
    row = only(read("watchguard@message", line, zone="Europe/Berlin"))
    assert (row["start_time"].isoformat(), row["dvc"]) == ("2026-11-20T08:00:00+00:00", "fb1")
    stamped = line.replace("msg_id", "(2026-11-20T07:30:10) firewall: msg_id", 1)
    assert only(read("watchguard@message", stamped))["start_time"].isoformat() == "2026-11-20T07:30:00+00:00"


def test_packets_are_told_by_newer_releases() -> None:
    row = only(read("watchguard", ENDED.replace(' sent_bytes="420"', ' sent_pkts="6" rcvd_pkts="8" sent_bytes="420"')))
    assert (row["packets_out"], row["packets_in"], row["other_bytes_in"]) == (6, 8, 5_420)
    assert only(read("watchguard", ENDED))["packets_in"] is None


def test_ipv6_ends_are_read() -> None:
    row = only(read("watchguard", ENDED.replace("10.1.0.11", "2001:db8::11").replace("198.51.100.25", "2001:db8::25")))
    assert ends(row) == ("2001:db8::11", 50_001, "2001:db8::25", 993)


def test_packets_requests_and_refused_connections_are_no_flows_and_torn_ones_are_set_aside() -> None:
    packet = ENDED.replace('duration="10" sent_bytes="420" rcvd_bytes="5420" ', "").replace("0151", "0148")
    request = ENDED.replace('duration="10"', 'elapsed_time="0.5 sec(s)"').replace("3000-0151", "1AFF-0024")
    denied = ENDED.replace("Allow", "Deny")
    torn, twice = ENDED.replace(" 198.51.100.25", ""), ENDED.replace("(IMAP", 'rcvd_bytes="9" (IMAP')
    parsed = read("watchguard", packet, request, denied, "<13>Nov 20 08:00:10 host cron: x", torn, twice, "junk")
    assert (parsed.account.flows, parsed.account.ignored) == (0, 4)
    assert dict(parsed.account.warnings) == {"blocked": 1}
    assert dict(parsed.account.quarantined) == {"bad_line": 3}


@settings(max_examples=examples(10))
@given(st.lists(st.sampled_from([ENDED, PROXIED, ENDED[:200], ENDED.replace("10.1.0.11", "10.1"), "", '"']),
                max_size=6), st.integers(0, 6))  # fmt: skip
def test_no_lines_break_the_reader_and_blocks_read_as_the_whole(lines: list[str], at: int) -> None:
    whole, parts = read_lines("watchguard", lines), read_blocks("watchguard", [lines[:at], lines[at:]])
    assert whole.account == parts.account
    assert whole.account.balanced

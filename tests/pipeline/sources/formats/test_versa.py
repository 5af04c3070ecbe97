"""Versa's flow logs: which way their bytes go, when a session began, and that each session counts once."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.counting.once import count_once
from pipeline.sources.registry import detect
from tests.examples import examples
from tests.pipeline.sources.lines import ends, only, read, read_blocks, read_lines

ENDED = (
    "2026-11-20T08:01:30+0000 flowMonLog, applianceName=Branch1, tenantName=Tenant1, flowId=1107309510, "
    "flowCookie=1795161660, flowStartMilliseconds=327266164, flowEndMilliseconds=327296164, sentOctets=420, "
    "sentPackets=6, recvdOctets=5420, recvdPackets=8, vsnId=0, applianceId=1, tenantId=2, appRisk=2, appIdStr=imaps, "
    "appFamily=, urlCategory=, rule=DEFAULT-RULE, localSiteName=Branch1, fwdEgrAccCktName=WAN1:WAN2, "
    "sourceIPv4Address=10.1.0.11, destinationIPv4Address=198.51.100.25, sourceTransportPort=50001, "
    "destinationTransportPort=993, protocolIdentifier=6, fromUser=Unknown"
)
ACCESS = ENDED.replace("flowMonLog", "accessLog").replace("vsnId=0", "eventType=end, action=allow, vsnId=0")
BANDWIDTH = (
    "2026-11-20T08:05:00+0000 bwMonLog, applianceName=Branch1, tenantName=Tenant1, generateTime=1795161900, "
    "sentOctets=91453, recvdOctets=77728, sessCnt=0, duration=300000, siteName=Branch1"
)


@pytest.mark.parametrize("line", [ENDED, ACCESS, f"<134>Nov 20 09:01:30 relay {ENDED}", ENDED.replace("+0000", "Z")])
def test_what_was_received_are_bytes_in(line: str) -> None:
    assert detect(f"{line}\n".encode(), "auto", "x") == "versa"
    row = only(read("versa", line, zone="Europe/Berlin"))
    assert ends(row) == ("10.1.0.11", 50_001, "198.51.100.25", 993)
    assert (row["other_bytes_in"], row["other_bytes_out"], row["packets_in"]) == (5_420, 420, 8)
    assert (row["start_time"].isoformat(), row["duration"]) == ("2026-11-20T08:01:00+00:00", 30_000_000)
    assert (row["log_time"].isoformat(), row["transport"], row["app"]) == ("2026-11-20T08:01:30+00:00", "tcp", "imaps")
    assert row["dvc"] == "Branch1"


def test_without_a_cookie_a_session_began_its_duration_before_it_was_logged() -> None:
    row = only(read("versa", ENDED.replace("flowCookie=1795161660, ", "")))
    assert row["start_time"].isoformat() == "2026-11-20T08:01:00+00:00"


def test_ends_of_ipv6_are_read() -> None:
    line = ENDED.replace("IPv4Address=10.1.0.11", "IPv6Address=2001:db8::11")
    line = line.replace("IPv4Address=198.51.100.25", "IPv6Address=2001:db8::25")
    assert ends(only(read("versa", line))) == ("2001:db8::11", 50_001, "2001:db8::25", 993)


def test_what_both_logs_tell_of_one_session_counts_once() -> None:
    rows = read("versa", ENDED, ACCESS.replace("=5420", "=5400")).rows
    rows = rows.with_columns(source=rows["dvc"], source_file=rows["dvc"])
    flows, dropped = count_once(rows)
    assert (flows["other_bytes_in"].to_list(), dropped.interim) == ([5_420], 1)


def test_what_is_no_session_or_cannot_be_believed_is_no_flow() -> None:
    denied = ACCESS.replace("=allow", "=deny")
    begun, bare = ACCESS.replace("=end", "=start"), ENDED.replace("Octets=", "Nothing=")
    short, twice = ENDED[: ENDED.index(", sourceTransportPort")], f"{ENDED}, sentOctets=9"
    parsed = read("versa", denied, begun, bare, BANDWIDTH, short, twice, "junk")
    assert parsed.rows.is_empty()
    assert (parsed.account.ignored, dict(parsed.account.quarantined)) == (4, {"bad_line": 3})
    assert dict(parsed.account.warnings) == {"begin": 1, "blocked": 1, "no_counters": 1}


@settings(max_examples=examples(20))
@given(st.lists(st.one_of(st.binary(max_size=60), st.sampled_from([ENDED, ENDED[:350], ACCESS]))), st.integers(0, 6))
def test_no_bytes_crash_the_reader_and_blocks_read_as_the_whole(lines: list[str | bytes], at: int) -> None:
    whole, parts = read_lines("versa", lines), read_blocks("versa", [lines[:at], lines[at:]])
    assert whole.account == parts.account
    assert whole.account.balanced

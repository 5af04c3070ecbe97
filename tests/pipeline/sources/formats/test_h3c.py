"""H3C's flow logs: which way their bytes go, their times, sessions that go on, and what is no flow."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.sources.registry import detect
from tests.examples import examples
from tests.pipeline.sources.lines import ends, only, read, read_lines

VALUES = (
    "Protocol(1001)=TCP;Application(1002)=imaps;SrcIPAddr(1003)=10.1.0.11;SrcPort(1004)=50001;"
    "NatSrcIPAddr(1005)=203.0.113.9;NatSrcPort(1006)=2048;DstIPAddr(1007)=198.51.100.25;DstPort(1008)=993;"
    "NatDstIPAddr(1009)=198.51.100.25;NatDstPort(1010)=993;InitPktCount(1044)=6;InitByteCount(1046)=420;"
    "RplyPktCount(1045)=8;RplyByteCount(1047)=5420;RcvVPNInstance(1042)=;SndVPNInstance(1043)=;"
    "BeginTime_e(1013)=11202026080000;EndTime_e(1014)=11202026080100;Event(1048)=(1)Normal over;"
)
ENDED = f"<190>Nov 20 16:01:00 2026 fw1 %%10SESSION/6/SESSION_IPV4_FLOW:{VALUES}"


@pytest.mark.parametrize(
    "line",
    [
        ENDED,
        ENDED.replace("FLOW:", "FLOW: ").replace(";", "; "),
        f"<190>Nov 20 16:01:00 2026 fw1 %%10 VsysId:1 nat/6/NAT_FLOW: {VALUES} VlanID(1175)=--; RuleId(1249)=0.",
        ENDED.replace("<190>", "Nov 20 08:01:01 fw1 "),
    ],
)
def test_what_came_back_are_bytes_in(line: str) -> None:
    """Times are of UTC, whatever clock the header shows."""
    assert detect(f"{line}\n".encode(), "auto", "x") == "h3c"
    row = only(read("h3c", line, zone="Asia/Shanghai"))
    assert ends(row) == ("10.1.0.11", 50_001, "198.51.100.25", 993)
    assert (row["other_bytes_in"], row["other_bytes_out"], row["packets_in"], row["packets_out"]) == (5_420, 420, 8, 6)
    assert (row["start_time"].isoformat(), row["duration"]) == ("2026-11-20T08:00:00+00:00", 60_000_000)
    assert (row["transport"], row["src_translated_ip"], row["dvc"]) == ("tcp", "203.0.113.9", "fw1")


def test_ends_of_ipv6_have_keys_of_their_own() -> None:
    line = ENDED.replace("SrcIPAddr(1003)=10.1.0.11", "SrcIPv6Addr(1036)=2001:db8::11")
    line = line.replace("DstIPAddr(1007)=198.51.100.25", "DstIPv6Addr(1037)=2001:db8::25")
    assert ends(only(read("h3c", line))) == ("2001:db8::11", 50_001, "2001:db8::25", 993)


def test_what_is_told_of_a_session_that_goes_on_counts_since_its_beginning() -> None:
    active = ENDED.replace("(1)Normal over", "(6)Active data flow timeout")
    assert read("h3c", active, ENDED).rows["accounting"].to_list() == ["cumulative", "final"]


def test_what_did_not_end_or_cannot_be_believed_is_no_flow() -> None:
    begun = ENDED.replace("(1)Normal over", "(8)Session created").replace("=11202026080100", "=")
    bare = ENDED.replace("InitByteCount(1046)=420;", "").replace("RplyByteCount(1047)=5420;", "")
    other = "<190>Nov 20 16:01:00 2026 fw1 %%10SHELL/6/SHELL_CMD: -Line=vty1; Command is display version"
    parsed = read("h3c", begun, bare, other, f"{ENDED}RplyByteCount(1047)=9;", "junk")
    assert parsed.rows.is_empty()
    assert dict(parsed.account.warnings) == {"begin": 1, "no_counters": 1}
    assert parsed.rejects.select("source_line", "reason").rows() == [(n, "bad_line") for n in (4, 5)]


@settings(max_examples=examples(10))
@given(st.lists(st.one_of(st.binary(max_size=60), st.sampled_from([ENDED, ENDED[:250], ENDED.replace("=", "=;")]))))
def test_no_bytes_crash_the_reader_and_every_line_is_accounted_for(lines: list[str | bytes]) -> None:
    assert read_lines("h3c", lines).account.balanced


def test_a_message_of_which_only_the_values_are_left_is_read() -> None:
    row = only(read("h3c", VALUES))
    assert (row["transport"], row["other_bytes_in"]) == ("tcp", 5_420)

"""Hillstone's sessions: which way their bytes go, their times, and what is no flow."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.sources.registry import detect
from tests.examples import examples
from tests.pipeline.sources.lines import ends, only, read, read_blocks, read_lines

HEAD = "<190>Nov 20 09:01:00 1404(root) 44243624 Traffic@"
SESSION = "FLOW: SESSION: 10.1.0.11:50001->198.51.100.25:993(TCP), "
ENDED = (
    f"{HEAD}{SESSION}application IMAPS, interface ethernet0/1, vr trust-vr, policy 1, user -@-, host -, "
    "send packets 6,send bytes 420,receive packets 8,receive bytes 5420,start time 2026-11-20 09:00:00,"
    "close time 2026-11-20 09:01:00,session end,TCP FIN"
)


@pytest.mark.parametrize(
    "line",
    [
        ENDED,
        ENDED.replace(",s", ", s").replace(",r", ", r").replace(",close", ". close").replace(",session", ". session"),
        ENDED.replace("host -, ", "host - mac 0000.0000.0000, "),
        ENDED.replace("<190>Nov 20 09:01:00 1404(root) 44243624 ", ""),
    ],
)
def test_what_came_back_are_bytes_in(line: str) -> None:
    assert detect(f"{line}\n".encode(), "auto", "x") == "hillstone"
    row = only(read("hillstone", line, zone="Europe/Berlin"))
    assert ends(row) == ("10.1.0.11", 50_001, "198.51.100.25", 993)
    assert (row["other_bytes_in"], row["other_bytes_out"], row["packets_in"]) == (5_420, 420, 8)
    assert (row["start_time"].isoformat(), row["duration"]) == ("2026-11-20T08:00:00+00:00", 60_000_000)
    assert (row["transport"], row["app"]) == ("tcp", "imaps")


def test_ends_of_ipv6_are_read() -> None:
    line = ENDED.replace("10.1.0.11:", "2001:db8::11:").replace("198.51.100.25:", "[2001:db8::25]:")
    assert ends(only(read("hillstone", line))) == ("2001:db8::11", 50_001, "2001:db8::25", 993)


def test_what_did_not_end_or_cannot_be_believed_is_no_flow() -> None:
    begun, denied = f"{HEAD}{SESSION}policy 1, session start", f"{HEAD}{SESSION}policy 16, user -@-, policy deny"
    moved = f"{HEAD}FLOW: NAT: 10.1.0.11:50001->198.51.100.25:993(TCP), dnat to 192.0.2.5:993, vr trust-vr"
    bare = ENDED.replace("send bytes 420,", "").replace("receive bytes 5420,", "")
    torn = ENDED.replace("198.51.100.25:993", "198.51")
    short, twice = ENDED[: ENDED.index("close")], f"{ENDED}, send bytes 9"
    parsed = read("hillstone", begun, denied, moved, bare, torn, short, twice, "junk")
    assert parsed.rows.is_empty()
    assert (parsed.account.ignored, dict(parsed.account.quarantined)) == (4, {"bad_line": 4})
    assert dict(parsed.account.warnings) == {"begin": 1, "blocked": 1, "no_counters": 1}


@settings(max_examples=examples(20))
@given(st.lists(st.one_of(st.binary(max_size=60), st.sampled_from([ENDED, ENDED[:150], HEAD]))), st.integers(0, 6))
def test_no_bytes_crash_the_reader_and_blocks_read_as_the_whole(lines: list[str | bytes], at: int) -> None:
    whole, parts = read_lines("hillstone", lines), read_blocks("hillstone", [lines[:at], lines[at:]])
    assert whole.account == parts.account
    assert whole.account.balanced

"""SonicWall's connections: which way their bytes go, their times, and what is no flow."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.sources.registry import detect
from tests.examples import examples
from tests.pipeline.sources.lines import ends, only, read, read_blocks, read_lines

PAIRS = (
    'id=firewall sn=0017C5000000 time="2026-11-20 08:00:10 UTC" fw=203.0.113.1 pri=6 c=1024 m=537 '
    'msg="Connection Closed" app=49175 n=316 src=10.1.0.11:50001:X0 dst=198.51.100.25:993:X1:mail.example.com '
    "proto=tcp/imaps sent=420 rcvd=5420 spkt=6 rpkt=8 cdur=10000 natSrc=203.0.113.9:1777"
)
CLOSED = f"<134>{PAIRS}"


@pytest.mark.parametrize("before", ["", "<134>", "<134>Nov 20 08:00:11 fw1 ", "Nov 20 08:00:11 10.0.0.1 ", "<134>  "])
def test_what_came_back_are_bytes_in(before: str) -> None:
    assert detect(f"{before}{PAIRS}\n".encode(), "auto", "x") == "sonicwall"
    row = only(read("sonicwall", before + PAIRS))
    assert ends(row) == ("10.1.0.11", 50_001, "198.51.100.25", 993)
    assert (row["other_bytes_in"], row["other_bytes_out"]) == (5_420, 420)
    assert (row["packets_in"], row["packets_out"], row["transport"], row["app"]) == (8, 6, "tcp", "imaps")
    assert (row["start_time"].isoformat(), row["duration"]) == ("2026-11-20T08:00:00+00:00", 10_000_000)
    assert (row["dvc"], row["src_translated_ip"]) == ("0017C5000000", "203.0.113.9")


@pytest.mark.parametrize(
    "keys",
    [
        "srcV6=2001:db8::11 src=:50001:X0-V514 dstV6=2001:db8::25 dst=:993:X1",
        "src=:50001:X0:PC srcV6=2001:db8::11 dst=:993:X1:mail.example.com dstV6=2001:db8::25",
        "src=:50001 srcV6=2001:db8::11 dst=:993 dstV6=2001:db8::25",
    ],
)
def test_ipv6_ends_stand_in_keys_of_their_own(keys: str) -> None:
    line = CLOSED.replace("src=10.1.0.11:50001:X0 dst=198.51.100.25:993:X1:mail.example.com", keys)
    assert ends(only(read("sonicwall", line))) == ("2001:db8::11", 50_001, "2001:db8::25", 993)
    twice = read("sonicwall", f"{line} dstV6=2001:db8::9")
    assert dict(twice.account.quarantined) == {"bad_line": 1}


def test_a_time_that_names_no_zone_is_of_the_sources() -> None:
    row = only(read("sonicwall", CLOSED.replace(" UTC", ""), zone="Europe/Berlin"))
    assert row["start_time"].isoformat() == "2026-11-20T07:00:00+00:00"


def test_opened_silent_and_other_messages_are_no_flows_and_forged_ones_are_set_aside() -> None:
    opened = CLOSED.replace("m=537", "m=98")
    silent = CLOSED.replace("sent=420 rcvd=5420 ", "")
    other = CLOSED.replace("m=537", "m=36")
    twice, torn = f"{CLOSED} rcvd=9", CLOSED.replace('UTC"', "UTC", 1)
    parsed = read("sonicwall", opened, silent, other, "<13>Nov 20 08:00:10 host cron: x", twice, torn, "junk")
    assert (parsed.account.flows, parsed.account.ignored) == (0, 4)
    assert dict(parsed.account.warnings) == {"begin": 1, "no_counters": 1}
    assert dict(parsed.account.quarantined) == {"bad_line": 3}


@pytest.mark.parametrize(("kind", "lost"), [("m=97", 0), ("m=537", 1), ("", 1)])
def test_a_line_that_was_cut_in_a_quote_is_set_aside_unless_it_is_of_another_kind(kind: str, lost: int) -> None:
    parsed = read("sonicwall", CLOSED.replace("m=537", kind) + ' Category="Web m=97')
    assert (parsed.account.ignored, parsed.account.quarantined.total()) == (1 - lost, lost)


def test_what_quotes_hold_is_no_field() -> None:
    assert only(read("sonicwall", f'{CLOSED} usr="x rcvd=9"'))["other_bytes_in"] == 5_420


@settings(max_examples=examples(10))
@given(st.lists(st.sampled_from([CLOSED, CLOSED[:150], CLOSED.replace("src=", "src=x"), "", '"', "id= m=537"]),
                max_size=6), st.integers(0, 6))  # fmt: skip
def test_no_lines_break_the_reader_and_blocks_read_as_the_whole(lines: list[str], at: int) -> None:
    whole, parts = read_lines("sonicwall", lines), read_blocks("sonicwall", [lines[:at], lines[at:]])
    assert whole.account == parts.account
    assert whole.account.balanced

"""Stormshield's connections: which way their bytes go, their times, and what is no flow."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.sources.registry import detect
from tests.examples import examples
from tests.pipeline.sources.lines import ends, only, read, read_blocks, read_lines

LINE = (
    'id=firewall time="2026-11-20 08:00:10" fw="fw1" tz=+0000 startime="2026-11-20 08:00:00" pri=5 ipproto=tcp '
    'dstifname="out" proto=imaps src=10.1.0.11 srcport=50001 srcname=h1 dst=198.51.100.25 dstport=993 dstname=mx '
    "modsrc=203.0.113.9 modsrcport=123 origdst=198.51.100.25 sent=420 rcvd=5420 duration=10.00 action=pass "
    'logtype="connection"'
)


@pytest.mark.parametrize("before", ["", "<13>Nov 20 08:00:11 fw1 ", "<13>1 2026-11-20T08:00:11Z fw1 asqd - - - \ufeff"])
def test_what_came_back_are_bytes_in(before: str) -> None:
    assert detect(f"{before}{LINE}\n".encode(), "auto", "x") == "stormshield"
    row = only(read("stormshield", before + LINE))
    assert ends(row) == ("10.1.0.11", 50_001, "198.51.100.25", 993)
    assert (row["other_bytes_in"], row["other_bytes_out"], row["transport"], row["app"]) == (5_420, 420, "tcp", "imaps")
    assert (row["start_time"].isoformat(), row["duration"]) == ("2026-11-20T08:00:00+00:00", 10_000_000)
    assert (row["dvc"], row["src_translated_ip"], row["dest_translated_ip"]) == ("fw1", "203.0.113.9", None)


def test_a_line_whose_first_word_a_relay_took_for_the_tag_is_read() -> None:
    cut = LINE.removeprefix("id=firewall ")
    assert detect(f"{cut}\n".encode(), "auto", "x") == "stormshield"
    assert only(read("stormshield", cut))["other_bytes_in"] == 5_420


def test_times_are_of_the_offset_that_the_device_names_else_of_the_source_s_zone() -> None:
    ahead = LINE.replace("+0000", "+0530")
    assert only(read("stormshield", ahead))["start_time"].isoformat() == "2026-11-20T02:30:00+00:00"
    unbegun = re.sub('startime="[^"]*"', 'startime=""', LINE)
    assert only(read("stormshield", unbegun))["start_time"].isoformat() == "2026-11-20T08:00:00+00:00"
    bare = LINE.replace("tz=+0000 ", "")
    assert (
        only(read("stormshield", bare, zone="Europe/Berlin"))["start_time"].isoformat() == "2026-11-20T07:00:00+00:00"
    )


def test_all_but_connections_that_were_let_through_are_no_flows() -> None:
    plugin, rule = LINE.replace("connection", "plugin"), LINE.replace('"connection"', '"filter"')
    parsed = read("stormshield", plugin, rule, LINE.replace("=pass", "=block"), LINE.replace("sent=420 rcvd=5420 ", ""),
                  LINE + " rcvd=9", LINE[:-1], "junk")  # fmt: skip
    assert parsed.rows["other_bytes_in"].to_list() == [5_420]
    assert dict(parsed.account.warnings) == {"blocked": 1, "no_counters": 1}
    assert (parsed.account.ignored, dict(parsed.account.quarantined)) == (3, {"bad_line": 3})


@settings(max_examples=examples(10))
@given(st.lists(st.sampled_from([LINE, LINE[:150], LINE.replace("src=", "src=x"), "", '"', "id=firewall"]), max_size=6),
       st.integers(0, 6))  # fmt: skip
def test_no_lines_break_the_reader_and_blocks_read_as_the_whole(lines: list[str], at: int) -> None:
    whole, parts = read_lines("stormshield", lines), read_blocks("stormshield", [lines[:at], lines[at:]])
    assert whole.account == parts.account
    assert whole.account.balanced

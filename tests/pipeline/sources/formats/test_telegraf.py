"""Telegraf's netflow input: one direction a record, whose start is its receipt less how long it lasted."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.sources.registry import detect
from tests.examples import examples
from tests.pipeline.sources.forms_read import read, read_document, rows
from tests.pipeline.sources.lines import read as read_text
from tests.pipeline.sources.lines import read_blocks, read_lines

CLIENT, SERVER = "10.1.0.11", "198.51.100.25"
ENDS = ("src_ip", "src_port", "dest_ip", "dest_port", "transport")
TOLD = (*ENDS, "ip_bytes_in", "ip_bytes_out", "duration", "accounting", "dvc")
THERE = (CLIENT, 50_001, SERVER, 993, "tcp", None, 420, 30_000_000, "delta", "192.0.2.1")
BACK = (CLIENT, 50_001, SERVER, 993, "tcp", 5_420, None, 30_000_000, "delta", "192.0.2.1")


def record(src: str, sport: int, dst: str, dport: int, count: int) -> dict[str, Any]:
    fields = {"src": src, "src_port": sport, "dst": dst, "dst_port": dport, "protocol": "tcp", "in_bytes": count,
              "in_packets": 6, "first_switched": 327_266_164, "last_switched": 327_296_164}  # fmt: skip
    tags = {"host": "t", "source": "192.0.2.1", "version": "NetFlowV5"}
    return {"fields": fields, "name": "netflow", "tags": tags, "timestamp": 1_795_161_690}


def line(src: str, sport: int, dst: str, dport: int, count: int) -> str:
    return (
        f'netflow,host=t,source=192.0.2.1,version=NetFlowV5 src="{src}",src_port={sport}u,dst="{dst}",'
        f'dst_port={dport}u,protocol="tcp",in_bytes={count}u,in_packets=6u,first_switched=327266164u,'
        "last_switched=327296164u 1795161690000000000"
    )


ONE = (CLIENT, 50_001, SERVER, 993, 420)
OTHER = (SERVER, 993, CLIENT, 50_001, 5_420)
POINT = line(*ONE)


def test_each_record_tells_one_direction() -> None:
    assert detect(json.dumps(record(*ONE)).encode(), "auto", "x") == "telegraf"
    assert detect(f"{POINT}\n".encode(), "auto", "x") == "telegraf_lines"
    for parsed in (read("telegraf", record(*ONE), record(*OTHER)), read("telegraf_lines", POINT, line(*OTHER))):
        assert rows(parsed, *TOLD) == [THERE, BACK]
        assert parsed.rows["start_time"][0].isoformat() == "2026-11-20T08:01:00+00:00"
        assert parsed.rows["log_time"][0].isoformat() == "2026-11-20T08:01:30+00:00"


def test_a_batch_of_records_is_opened() -> None:
    data = json.dumps({"metrics": [record(*ONE), record(*OTHER)]}).encode()
    assert detect(data, "auto", "x") == "telegraf"
    assert rows(read_document("telegraf", data), *TOLD) == [THERE, BACK]


def test_a_clock_that_began_anew_tells_no_duration() -> None:
    parsed = read_text("telegraf_lines", POINT.replace("last_switched=327296164u", "last_switched=1u"))
    assert rows(parsed, "duration") == [(None,)]
    assert parsed.rows["start_time"][0].isoformat() == "2026-11-20T08:01:30+00:00"


def test_flags_in_letters_tell_who_began() -> None:
    there = line(SERVER, 40_000, CLIENT, 50_001, 9).replace("in_packets", 'tcp_flags="......S.",in_packets')
    assert rows(read_text("telegraf_lines", there), *ENDS[:4], "orientation") == [
        (SERVER, 40_000, CLIENT, 50_001, "syn")
    ]


def test_what_is_no_flow_or_no_point_counts_nothing() -> None:
    cpu, bare = "cpu,host=t usage=1.5 1795161690000000000", POINT.replace("in_bytes=420u,", "")
    parsed = read_text("telegraf_lines", cpu, bare, POINT[:-30], f"{POINT}{POINT}", "junk")
    assert parsed.rows.is_empty()
    assert dict(parsed.account.warnings) == {"no_counters": 1}
    assert (parsed.account.ignored, dict(parsed.account.quarantined)) == (2, {"bad_line": 3})


@pytest.mark.parametrize("cut", range(1, len(POINT), 7))
def test_a_point_cut_in_its_middle_lends_its_ends_to_no_other(cut: int) -> None:
    whole = line("10.1.77.77", 50_001, SERVER, 993, 9_111)
    parsed = read_text("telegraf_lines", POINT[:cut] + whole)
    assert parsed.rows["src_ip"].to_list() in ([], ["10.1.77.77"])


@settings(max_examples=examples(20))
@given(st.lists(st.one_of(st.binary(max_size=60), st.sampled_from([POINT, POINT[:90]]))), st.integers(0, 6))
def test_no_bytes_crash_the_reader_and_blocks_read_as_the_whole(lines: list[str | bytes], at: int) -> None:
    whole, parts = read_lines("telegraf_lines", lines), read_blocks("telegraf_lines", [lines[:at], lines[at:]])
    assert whole.account == parts.account
    assert whole.account.balanced

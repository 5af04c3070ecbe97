"""vFlow's datagrams: elements under their names, records numbered, times by the header's clock, what is no record."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.sources.registry import detect
from tests.examples import examples
from tests.pipeline.sources.forms_read import rows
from tests.pipeline.sources.lines import only, read, read_blocks, read_lines

CLIENT = {8: "10.1.0.11", 12: "198.51.100.25", 7: 50_001, 11: 993, 4: 6, 6: "0x02", 1: 420, 2: 6}
SERVER = {8: "198.51.100.25", 12: "10.1.0.11", 7: 993, 11: 50_001, 4: 6, 6: "0x12", 1: "0x0000152c", 2: 8}
TIMES = {152: 1_795_161_600_250, 153: 1_795_161_610_250}


def datagram(*records: Any, **header: int) -> str:
    sets = [[{"I": i, "V": v} for i, v in r.items()] if isinstance(r, dict) else r for r in records]
    told = {"Version": 10, "ExportTime": 1_795_161_660, "DomainID": 1} | header
    return json.dumps({"AgentID": "192.0.2.1", "Header": told, "DataSets": sets or None})


def test_records_of_a_datagram_are_those_of_either_direction() -> None:
    line = datagram(CLIENT | TIMES, SERVER | TIMES)
    assert detect(f"{line}\n".encode(), "auto", "x") == "vflow"
    parsed = read("vflow", line, line)
    told = rows(parsed, "source_line", "src_ip", "dest_port", "ip_bytes_in", "ip_bytes_out", "orientation")
    assert told == [
        (1, "10.1.0.11", 993, None, 420, "syn"),
        (2, "10.1.0.11", 993, 5_420, None, "port_rule"),
        (3, "10.1.0.11", 993, None, 420, "syn"),
        (4, "10.1.0.11", 993, 5_420, None, "port_rule"),
    ]
    assert parsed.account.lines == 4
    assert parsed.rows["dvc"].unique().to_list() == ["192.0.2.1"]
    assert {t.isoformat() for t in parsed.rows["start_time"]} == {"2026-11-20T08:00:00.250000+00:00"}


def test_nsel_counts_since_the_last_update_and_in_the_end_since_the_beginning() -> None:
    """Created, updated, deleted, denied, as an ASA exports them; other firewalls number deltas of one direction so."""
    ends = {k: v for k, v in CLIENT.items() if k not in (1, 2, 6)} | {148: 7, 152: TIMES[152]}
    counts = [{}, {231: 60, 232: 3_000}, {231: 81, 232: 6_207}, {231: 0, 232: 0}]
    nsel = [ends | {233: event} | c for event, c in zip((1, 5, 2, 3), counts, strict=True)]
    parsed = read("vflow", datagram(*nsel, SERVER | TIMES | {233: 5}))
    told = rows(parsed, "ip_bytes_in", "ip_bytes_out", "accounting", "uid")
    assert told == [(3_000, 60, "update", "7"), (6_207, 81, "final", "7"), (5_420, None, "delta", None)]
    assert dict(parsed.account.warnings) == {"blocked": 1, "no_counters": 1}


def test_times_since_the_exporter_s_start_are_turned_by_the_header() -> None:
    line = datagram(SERVER | {22: 300_000, 21: 310_000}, Version=9, UNIXSecs=1_795_161_660, SysUpTime=360_000)
    row = only(read("vflow", line.replace('"ExportTime": 1795161660, ', "")))
    assert (row["start_time"].isoformat(), row["duration"]) == ("2026-11-20T08:00:00+00:00", 10_000_000)


def test_counters_on_the_way_out_and_of_the_other_direction_are_told_apart() -> None:
    out = {k: v for k, v in SERVER.items() if k != 1} | TIMES | {23: 5_420}
    assert only(read("vflow", datagram(out)))["ip_bytes_in"] == 5_420
    both = [{"I": i, "V": v} for i, v in (CLIENT | TIMES).items()]
    both += [{"I": 1, "E": 29_305, "V": 5_420}, {"I": 1, "E": 9, "V": 7}]
    row = only(read("vflow", datagram(both)))
    assert (row["ip_bytes_in"], row["ip_bytes_out"]) == (5_420, 420)


def test_templates_are_comments_and_what_is_no_datagram_is_set_aside() -> None:
    parsed = read("vflow", datagram(), "junk", datagram(CLIENT | TIMES), "[]", datagram([{"V": 1}]))
    assert (parsed.account.comments, parsed.rows.height) == (1, 1)
    assert dict(parsed.account.quarantined) == {"bad_json": 3}


@settings(max_examples=examples(10))
@given(st.lists(st.sampled_from([datagram(CLIENT | TIMES, SERVER | TIMES), datagram(), "x", "", datagram([{"I": 1}])]),
                max_size=6), st.integers(0, 6))  # fmt: skip
def test_blocks_read_as_the_whole(lines: list[str], at: int) -> None:
    whole, parts = read_lines("vflow", lines), read_blocks("vflow", [lines[:at], lines[at:]])
    assert whole.account == parts.account
    assert whole.account.balanced

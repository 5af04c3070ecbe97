"""Tables whose rows are records of a format that is JSON elsewhere, each field a column: read as those records."""

import csv
import io
import json
from typing import Any

import pytest

from pipeline.errors import SourceError
from pipeline.sources.registry import detect
from pipeline.sources.wrappings import csv_envelope
from tests.pipeline.sources.lines import read, read_blocks, read_lines

SURICATA: dict[str, Any] = {
    "event_type": "flow", "timestamp": "2026-11-20T08:00:10+0000", "flow_id": 7, "src_ip": "10.1.0.11",
    "src_port": 50_001, "dest_ip": "10.9.0.25", "dest_port": 993, "proto": "TCP", "flow.bytes_toserver": 420,
    "flow.bytes_toclient": 5_420, "flow.start": "2026-11-20T08:00:00+0000",
}  # fmt: skip
GOFLOW: dict[str, Any] = {
    "type": "IPFIX", "time_received_ns": 1_795_161_612_000_000_000, "time_flow_start_ns": 1_795_161_600_000_000_000,
    "time_flow_end_ns": 1_795_161_610_000_000_000, "sampler_address": "192.0.2.1", "src_addr": "10.9.0.25",
    "dst_addr": "10.1.0.11", "src_port": 993, "dst_port": 50_001, "proto": "TCP", "bytes": 5_420, "packets": 5,
}  # fmt: skip
OCSF: dict[str, Any] = {
    "class_uid": 4001, "activity_id": 2, "time": 1_795_161_610_000, "start_time": 1_795_161_600_000,
    "end_time": 1_795_161_610_000, "src_endpoint": {"ip": "10.1.0.11", "port": 50_001},
    "dst_endpoint": {"ip": "10.9.0.25", "port": 993}, "connection_info": {"protocol_num": 6},
    "traffic": {"bytes_in": 5_420, "bytes_out": 420},
}  # fmt: skip
VECTRA: dict[str, Any] = {
    "metadata_type": "metadata_isession", "uid": "C1", "conn_state": "SF", "id.orig_h": "10.1.0.11",
    "id.orig_p": 50_001, "id.resp_h": "10.9.0.25", "id.resp_p": 993, "orig_ip_bytes": 420, "resp_ip_bytes": 5_420,
    "duration": 86_400_000, "session_start_time": 1_795_161_600_000, "ts": 1_795_248_000_000,
}  # fmt: skip
RECORDS = {"suricata": SURICATA, "goflow2": GOFLOW, "ocsf": OCSF, "vectra": VECTRA}


def table(*records: dict[str, Any], delimiter: str = ",") -> list[str]:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n", delimiter=delimiter)
    writer.writerow(records[0])
    writer.writerows([json.dumps(v) if isinstance(v, dict) else v for v in r.values()] for r in records)
    return out.getvalue().removesuffix("\n").split("\n")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", RECORDS)
def test_a_row_is_read_as_the_record_whose_fields_are_its_cells(encoding: str, delimiter: str) -> None:
    record = RECORDS[encoding]
    lines = table(record, record | {"uid": "C2", "flow_id": 8}, delimiter=delimiter)[:2]
    found = f"{encoding}@csv:*"
    assert detect("\n".join(lines).encode(), "auto", "x") == found
    parsed = read_lines(found, lines)
    columns = ("src_ip", "dest_ip", "dest_port", "ip_bytes_in", "other_bytes_in", "start_time", "duration", "dvc")
    assert parsed.rows.select(columns).equals(read(encoding, json.dumps(record)).rows.select(columns))
    assert parsed.rows["start_time"][0].isoformat() == "2026-11-20T08:00:00+00:00"
    assert (parsed.account.lines, parsed.account.comments, parsed.account.flows) == (2, 1, 1)


def test_an_alert_s_counters_in_a_table_are_never_counted() -> None:
    parsed = read_lines("suricata@csv:*", table(SURICATA, SURICATA | {"event_type": "alert"}))
    assert (parsed.account.flows, parsed.account.ignored) == (1, 1)


def test_rows_are_read_on_in_later_blocks_and_broken_ones_set_aside() -> None:
    lines = table(SURICATA, SURICATA | {"flow_id": 8}, SURICATA | {"flow_id": 9}, delimiter=";")
    parsed = read_blocks("suricata@csv:*", [lines[:2], lines[2:3], [lines[3] + ";more"], [lines[0], "", lines[3]]])
    assert parsed.rows["source_line"].to_list() == [2, 3, 7]
    assert dict(parsed.account.quarantined) == {"bad_json": 1}
    assert (parsed.account.comments, parsed.account.ignored) == (3, 0)  # Two headers and a blank line.
    assert parsed.account.balanced


def test_an_empty_cell_is_a_field_that_the_record_lacks() -> None:
    lines = table(GOFLOW | {"src_as": ""}, GOFLOW | {"src_as": "", "bytes": ""})
    texts = csv_envelope.Rows().take(lines)
    assert ["src_as" in text for text in texts[1:]] == [False, False]
    assert ["bytes" in json.loads(text) for text in texts[1:]] == [True, False]


def test_columns_that_share_their_name_hold_no_lines() -> None:
    """The name alone tells in which column they are."""
    assert csv_envelope.others_of("a,b,A,c@d,message,,e") == ["b", "e"]


def test_vectra_s_tables_are_no_zeek_s_whose_ts_is_a_start() -> None:
    assert detect("\n".join(table(VECTRA)).encode(), "zeek", "x") == "vectra@csv:*"
    sentinel = {f"{name}_{'d' if isinstance(v, int) else 's'}".replace(".", "_"): v for name, v in VECTRA.items()}
    assert detect("\n".join(table(sentinel)).encode(), "auto", "x") == "vectra@csv:*"


def test_a_table_of_nothing_known_is_still_refused_with_a_mapping() -> None:
    lines = ["when,from_ip,to_ip,down,up", "2026-11-20T08:00:00Z,10.1.0.11,10.9.0.25,5420,420"]
    with pytest.raises(SourceError, match="no known format"):
        detect("\n".join(lines).encode(), "auto", "x")

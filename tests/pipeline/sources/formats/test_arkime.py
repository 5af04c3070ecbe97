"""Arkime's sessions: which way their bytes go, their spellings, and the answers that hold them."""

import json
from typing import Any

import polars as pl
import pytest

from pipeline.counting.once import count_once
from pipeline.sources.registry import detect
from pipeline.sources.wrappings.documents import is_document
from tests.pipeline.sources.forms_read import read_document
from tests.pipeline.sources.lines import ends, only, read

CLIENT, SERVER, START = "10.1.0.11", "10.9.0.25", 1_795_161_600_250
NESTED: dict[str, Any] = {
    "firstPacket": START,
    "lastPacket": START + 1_500,
    "length": 1_500,
    "ipProtocol": 6,
    "node": "capture1",
    "protocol": ["tcp", "tls"],
    "source": {"ip": CLIENT, "port": 50_001, "bytes": 504, "packets": 6},
    "destination": {"ip": SERVER, "port": 993, "bytes": 5_532, "packets": 8},
    "client": {"bytes": 100},
    "server": {"bytes": 5_000},
    "network": {"bytes": 6_036, "packets": 14},
    "totDataBytes": 5_100,
}
DOTTED: dict[str, Any] = {
    **{k: NESTED[k] for k in ("firstPacket", "lastPacket", "ipProtocol", "node")},
    **{f"{end}.{k}": v for end in ("source", "destination") for k, v in NESTED[end].items()},
}
OLD = {
    **{k: NESTED[k] for k in ("firstPacket", "lastPacket", "ipProtocol", "node")},
    **{f"src{k.capitalize()}": v for k, v in NESTED["source"].items()},
    **{f"dst{k.capitalize()}": v for k, v in NESTED["destination"].items()},
    **{"srcDataBytes": 100, "dstDataBytes": 5_000},
}
STORED = {"_index": "arkime_sessions3-261120", "_id": "x", "_source": NESTED}


@pytest.mark.parametrize("record", [NESTED, DOTTED, OLD, STORED, NESTED | {"firstPacket": str(START)}])
def test_what_the_destination_sent_are_bytes_in(record: dict[str, Any]) -> None:
    line = json.dumps(record)
    assert detect(line.encode(), "auto", "x") == "arkime"
    row = only(read("arkime", line))
    assert ends(row) == (CLIENT, 50_001, SERVER, 993)
    assert (row["other_bytes_in"], row["other_bytes_out"], row["other_layer"]) == (5_532, 504, "l2")
    assert (row["packets_in"], row["packets_out"], row["transport"], row["dvc"]) == (8, 6, "tcp", "capture1")
    assert (row["start_time"].isoformat(timespec="milliseconds"), row["duration"]) == (
        "2026-11-20T08:00:00.250+00:00",
        1_500_000,
    )
    assert row["accounting"] == "delta"


def test_the_answer_of_its_api_is_opened() -> None:
    answer = json.dumps({"recordsTotal": 9, "recordsFiltered": 2, "data": [DOTTED, NESTED]}).encode()
    assert is_document(answer)
    assert detect(answer, "auto", "x") == "arkime"
    assert read_document("arkime", answer).account.flows == 2


def test_a_list_named_data_in_a_record_is_no_answer() -> None:
    assert not is_document(json.dumps({"ts": 1, "data": [{"a": 1}]}).encode() + b"\n{}")


def test_a_session_without_counters_is_counted_as_such() -> None:
    bare = {k: v for k, v in DOTTED.items() if not k.endswith(".bytes")}
    parsed = read("arkime", json.dumps(bare), json.dumps({"firstPacket": 1}), "{", "null")
    assert (parsed.account.ignored, parsed.account.warnings["no_counters"]) == (2, 1)
    assert dict(parsed.account.quarantined) == {"bad_json": 2}


ZEEK: dict[str, Any] = NESTED | {
    "source": {"ip": CLIENT, "port": 50_001, "bytes": 420, "packets": 6},
    "destination": {"ip": SERVER, "port": 993, "bytes": 5_420, "packets": 8},
    "event": {"provider": "zeek", "dataset": "conn", "id": ["Cab1"]},
    "zeek": {"uid": "Cab1", "conn": {"conn_state": "SF"}},
}
"""What Malcolm makes of a connection of Zeek's beside Arkime's session of it."""


def test_zeek_s_connections_that_malcolm_keeps_are_another_sensor_s() -> None:
    session = NESTED | {"event": {"provider": "arkime", "dataset": "session"}}
    rows = read("arkime", *(json.dumps(r) for r in (session, ZEEK))).rows.sort("source_line").to_dicts()
    assert [(r["dvc"], r["accounting"], r["other_bytes_in"]) for r in rows] == [
        ("capture1", "delta", 5_532),
        ("capture1 zeek", "final", 5_420),
    ]
    counted, dropped = count_once(read("arkime", *(json.dumps(r) for r in (session, ZEEK))).rows.with_columns(**FILE))
    assert (counted["other_bytes_in"].to_list(), dropped.other_sensors) == ([5_532], 1)


FILE = {"source": pl.lit("x"), "source_file": pl.lit("x.json")}


def test_a_long_connection_s_reports_give_way_to_its_end() -> None:
    so_far = ZEEK | {"destination": ZEEK["destination"] | {"bytes": 2_000}, "length": 500, "lastPacket": START + 500}
    so_far |= {"zeek": {"uid": "Cab1", "conn": {"long": "true"}}}
    parsed = read("arkime", json.dumps(so_far), json.dumps(ZEEK))
    counted, dropped = count_once(parsed.rows.with_columns(**FILE))
    assert (counted["other_bytes_in"].to_list(), dropped.interim) == ([5_420], 1)


@pytest.mark.parametrize(("provider", "dataset"), [("zeek", "files"), ("zeek", "http"), ("suricata", "alert")])
def test_what_malcolm_keeps_of_the_same_flows_is_not_counted(provider: str, dataset: str) -> None:
    parsed = read("arkime", json.dumps(ZEEK | {"event": {"provider": provider, "dataset": dataset}}))
    assert (parsed.account.ignored, parsed.account.flows, dict(parsed.account.warnings)) == (1, 0, {})

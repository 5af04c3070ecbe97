"""Arkime's sessions: which way their bytes go, their spellings, and the answers that hold them."""

import json
from typing import Any

import pytest

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

"""Parquet logs land, are replaced, refused and identified as text logs are; numbered records survive growth."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline.insight.identify import identify
from tests.oracle.zeek import SERVER
from tests.pipeline.landings import D1, FLAT, NOON, NOW, World, settings

START = int(NOON.timestamp())
BACK: dict[str, Any] = {
    **{"version": 2, "interface_id": "eni-1", "srcaddr": SERVER, "dstaddr": "198.51.100.7", "srcport": 993},
    **{"dstport": 50_000, "protocol": 6, "packets": 3, "bytes": 5_900, "start": START, "end": START + 60},
    **{"action": "ACCEPT", "log_status": "OK"},
}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, settings(FLAT))


def table(path: Path, *changes: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pl.DataFrame([BACK | c for c in changes]).write_parquet(path)


def test_a_parquet_log_lands_as_a_text_log_does(world: World) -> None:
    table(world.root / "logs" / "a.parquet", {}, {"dstport": 50_001, "bytes": 100}, {"action": "REJECT"})
    assert not world.land().problems
    assert world.received() == [100, 5_900]
    entry = world.entry("a.parquet")
    assert (entry.encoding, entry.account.flows, entry.account.ignored, entry.account.lines) == ("vpc_parquet", 2, 1, 3)


def test_a_parquet_log_that_changes_is_read_anew(world: World) -> None:
    path = world.root / "logs" / "a.parquet"
    table(path, {})
    world.land()
    table(path, {}, {"dstport": 50_001, "bytes": 7})
    world.land()
    assert world.received() == [7, 5_900]


def test_a_row_that_cannot_be_right_is_set_aside_alone(world: World) -> None:
    table(world.root / "logs" / "a.parquet", {}, {"srcaddr": "not an address"})
    world.land()
    assert world.received() == [5_900]
    assert world.quarantine() == [("logs/a.parquet", 2, "bad_address")]


def test_a_damaged_parquet_log_is_a_file_that_failed(world: World) -> None:
    path = world.root / "logs" / "a.parquet"
    table(path, {})
    path.write_bytes(path.read_bytes()[:-9])
    (problem,) = world.land().problems
    assert "a.parquet" in problem.message
    assert world.entry("a.parquet").state == "failed"


def test_identify_tells_what_a_parquet_log_holds(tmp_path: Path) -> None:
    table(tmp_path / "a.parquet", {})
    found = identify(tmp_path / "a.parquet", NOW).as_dict()
    assert (found["format"], found["encoding"], found["flows"], found["bytes_in"]) == ("vpc", "vpc_parquet", 1, 5_900)
    assert (found["lines"], found["error"]) == (1, None)


def envelope(*ports: int | str) -> bytes:
    events = [
        {"message": f"2 1 eni-1 {SERVER} 198.51.100.7 993 {p} 6 3 10 {START} {START + 60} ACCEPT OK"} for p in ports
    ]
    return json.dumps({"messageType": "DATA_MESSAGE", "logEvents": events}).encode() + b"\n"


def test_records_that_are_numbered_across_a_file_keep_their_rejects_when_it_grows(world: World) -> None:
    world.put("cw.json", envelope(50_000, "x", 50_001) + envelope(50_002, "y"))
    world.land()
    world.put("cw.json", envelope(50_000, "x", 50_001) + envelope(50_002, "y") + envelope(50_003, "z"))
    world.land(D1, D1 + dt.timedelta(days=1))
    assert world.received() == [10, 10, 10, 10]
    assert [(line, reason) for _, line, reason in world.quarantine()] == [(n, "missing_fields") for n in (3, 5, 7)]

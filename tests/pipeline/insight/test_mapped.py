"""A mapping is held against the beginnings of the files it is for."""

import json
from pathlib import Path

import polars as pl
import pytest

from pipeline.insight.mapped import lacking
from pipeline.mapping import ColumnMapping
from pipeline.sources.base import ReadOptions
from pipeline.sources.watch import Watch

FIELDS = {"src_ip": "client", "dest_ip": "server", "start_time": "at.began", "bytes_in": "down", "duration": "lasted"}
ROW = {"client": "10.1.0.11", "server": "192.0.2.25", "at": {"began": 1_795_132_800}, "down": 5_900, "lasted": 1}


def fault(kind: str, tmp_path: Path, row: dict[str, object], **changes: str) -> str | None:
    mapping = ColumnMapping(tuple((FIELDS | changes).items()))
    options = ReadOptions(Watch(None), 4_000_000_000_000_000, mapping=mapping)
    path, head = tmp_path / "a", b""
    if kind == "table_parquet":
        pl.DataFrame([row]).write_parquet(path)
    elif kind == "table_json":
        head = (json.dumps(row) + "\n").encode() * 3
    else:
        flat = {k: v for k, v in row.items() if k != "at"} | {"at.began": "2026-11-20"}
        head = (",".join(flat) + "\n" + ",".join(map(str, flat.values())) + "\n").encode()
    return lacking(path, "a", kind, head, options)


@pytest.mark.parametrize("kind", ["table_csv", "table_json", "table_parquet"])
def test_a_column_that_is_spelled_wrongly_is_named(tmp_path: Path, kind: str) -> None:
    assert fault(kind, tmp_path, ROW) is None
    told = fault(kind, tmp_path, ROW, bytes_in="dwn")
    assert told is not None
    assert "dwn" in told
    assert told.endswith("Correct the source's fields.")


def test_records_of_json_may_lack_what_a_flow_does_not_need_and_others_may_lie_between(tmp_path: Path) -> None:
    assert fault("table_json", tmp_path, {k: v for k, v in ROW.items() if k != "lasted"}) is None
    assert fault("table_json", tmp_path, {"level": "info", "message": "started"}) is None
    told = fault("table_json", tmp_path, {k: v for k, v in ROW.items() if k not in ("down", "at")})
    assert (
        told == "a: none of its first records has at.began (start_time), down (bytes_in). Correct the source's fields."
    )


def test_keys_of_json_in_another_case_are_named(tmp_path: Path) -> None:
    row: dict[str, object] = {"Client": "10.1.0.11", "SERVER": "192.0.2.25", "At": {"began": 1}, "Down": 5_900}
    assert fault("table_json", tmp_path, row) == (
        "a: its records have Client for client, SERVER for server, At.began for at.began, Down for down, and keys of "
        "JSON are read as they are written. Correct the source's fields."
    )


def test_sources_without_a_mapping_are_left_alone(tmp_path: Path) -> None:
    options = ReadOptions(Watch(None), 4_000_000_000_000_000)
    assert lacking(tmp_path / "none", "a", "zeek_tsv", b"x", options) is None

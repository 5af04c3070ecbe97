"""Odd tables of the user's own: times in two columns, numbers in other units, a direction beside one count of bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from pipeline.errors import SourceError
from pipeline.settings import SourceSettings
from pipeline.sources.base import Block, Parsed, ReadOptions, merge
from pipeline.sources.registry import READERS
from pipeline.sources.table_rows import table_reader
from pipeline.sources.watch import Watch
from tests.pipeline.sources.lines import LATEST, only

CLIENT, SERVER = "10.1.0.11", "192.0.2.25"
SPLIT: dict[str, Any] = {
    "src_ip": "c",
    "dest_ip": "s",
    "start_time": ["day", "at"],
    "bytes_in": "in",
    "bytes_out": "out",
}
WHOLE = SPLIT | {"start_time": "day", "duration": "took"}
WAYS: dict[str, Any] = {
    "src_ip": "local", "src_port": "lp", "dest_ip": "remote", "dest_port": "rp", "start_time": "at", "sent": "n",
    "direction": "way",
}  # fmt: skip
ROW: dict[str, Any] = {"c": CLIENT, "s": SERVER, "day": "2026-11-20", "at": "08:00:00", "in": 5900, "out": 600}


def chosen(**source: Any) -> SourceSettings:
    return SourceSettings.model_validate({"name": "t", "path": "x", "format": "table", **source})


def options(source: SourceSettings) -> ReadOptions:
    return ReadOptions(Watch(None), LATEST, mapping=source.mapping, timezone=source.timezone)


def read_all(rows: list[dict[str, Any]], folder: Path, **source: Any) -> list[Parsed]:
    """The same rows as CSV, as JSON and as Parquet."""
    how = options(chosen(**source))
    lines = [",".join(rows[0]), *(",".join("" if v is None else str(v) for v in r.values()) for r in rows)]
    texts = {"table_csv": lines, "table_json": [json.dumps(r) for r in rows]}
    found = []
    for encoding, text in texts.items():
        reader = READERS[encoding](how)
        block = Block("".join(f"{line}\n" for line in text).encode(), 1, len(text))
        found.append(merge([reader.read(block), reader.finish()]))
    path = folder / "x.parquet"
    pl.DataFrame(rows).write_parquet(path)
    return [*found, merge(list(table_reader("table_parquet", how).read_table(path)))]


@pytest.mark.parametrize(
    ("day", "at", "source", "utc"),
    [
        ("2026-11-20", "08:00:00", {}, "2026-11-20T08:00:00+00:00"),
        ("2026-11-20T00:00:00", "08:00:00.250", {}, "2026-11-20T08:00:00.250000+00:00"),
        ("20.11.2026", "08:00:00", {"timezone": "Europe/Berlin"}, "2026-11-20T07:00:00+00:00"),
        ("11/20/2026", "8:00 AM", {"time_format": "%m/%d/%Y %I:%M %p"}, "2026-11-20T08:00:00+00:00"),
        ("2026-11-20", "08:00:00+02:00", {}, "2026-11-20T06:00:00+00:00"),
    ],
)
def test_a_day_and_a_time_of_day_are_a_time(day: str, at: str, source: dict[str, str], utc: str) -> None:
    how = options(chosen(fields=SPLIT, **source))
    row = ROW | {"day": day, "at": at}
    for encoding, lines in (("table_csv", [row.keys(), row.values()]), ("table_json", None)):
        text = json.dumps(row) if lines is None else "\n".join(",".join(map(str, cells)) for cells in lines)
        found = only(READERS[encoding](how).read(Block(f"{text}\n".encode(), 1)))
        assert (found["start_time"].isoformat(), found["other_bytes_in"]) == (utc, 5_900)


def test_half_a_time_is_none_and_parquet_has_whole_ones(tmp_path: Path) -> None:
    how = options(chosen(fields=SPLIT))
    text = "c,s,day,at,in,out\n" + f"{CLIENT},{SERVER},2026-11-20,,1,1\n{CLIENT},{SERVER},,08:00:00,1,1\n"
    assert dict(READERS["table_csv"](how).read(Block(text.encode(), 1)).account.quarantined) == {"untimed": 2}
    pl.DataFrame([ROW]).write_parquet(tmp_path / "x.parquet")
    with pytest.raises(SourceError, match=r"not parted as with at\.") as caught:
        list(table_reader("table_parquet", how).read_table(tmp_path / "x.parquet"))
    assert "in one column, or as CSV" in str(caught.value.remedy)


@pytest.mark.parametrize(
    ("unit", "told", "counted"),
    [
        *(("kB", 5.9, 5_900), ("kB", 5, 5_000), ("KiB", 5, 5_120), ("MB", 0.0059, 5_900), ("bit", 47_200, 5_900)),
        *(("MiB", 2, 2_097_152), ("GB", 3, 3_000_000_000), ("B", 5_900, 5_900), ("GiB", 1, 1 << 30)),
    ],
)
def test_counts_of_another_unit_are_bytes(tmp_path: Path, unit: str, told: float, counted: int) -> None:
    row = ROW | {"day": "2026-11-20 08:00:00", "in": told, "took": 60_000}
    for parsed in read_all([row], tmp_path, fields=WHOLE, units={"bytes_in": unit, "duration": "ms"}):
        found = only(parsed)
        assert (found["other_bytes_in"], found["other_bytes_out"]) == (counted, 600)
        assert found["duration"] == 60_000_000


@pytest.mark.parametrize(
    ("unit", "took"), [("s", 60), ("ms", 60_000), ("us", 60e6), ("ns", 60_000_000_000), ("min", 1)]
)
def test_durations_of_another_unit_are_seconds(tmp_path: Path, unit: str, took: float) -> None:
    row = ROW | {"day": "2026-11-20 08:00:00", "took": took}
    for parsed in read_all([row], tmp_path, fields=WHOLE, units={"duration": unit}):
        assert only(parsed)["duration"] == 60_000_000


@pytest.mark.parametrize(
    ("told", "reason"),
    [(9_000_000_000_000_000, "implausible_bytes"), (10**13, "implausible_bytes"), (-5, "negative_bytes")],
)
def test_what_cannot_be_right_in_bytes_is_set_aside(tmp_path: Path, told: int, reason: str) -> None:
    row = ROW | {"day": "2026-11-20 08:00:00", "in": told, "took": 1}
    for parsed in read_all([row], tmp_path, fields=WHOLE, units={"bytes_in": "kB"}):
        assert dict(parsed.account.quarantined) == {reason: 1}


@pytest.mark.parametrize("told", ["5.900", "5 kB", "many"])
def test_a_count_that_may_mean_several_is_set_aside(told: str) -> None:
    how = options(chosen(fields=WHOLE, units={"bytes_in": "kB"}))
    text = f"c,s,day,in,out,took\n{CLIENT},{SERVER},2026-11-20 08:00:00,{told},600,1\n"
    assert dict(READERS["table_csv"](how).read(Block(text.encode(), 1)).account.quarantined) == {"bad_number": 1}


@pytest.mark.parametrize(
    ("inward", "outward"), [("in", "out"), ("Inbound", "OUTBOUND"), ("rx", "tx"), ("download", "up")]
)
def test_bytes_that_came_in_are_those_of_the_other_end(tmp_path: Path, inward: str, outward: str) -> None:
    row = {"local": CLIENT, "lp": 50_001, "remote": SERVER, "rp": 993, "at": 1_795_161_600}
    rows = [row | {"way": inward, "n": 5_900}, row | {"way": outward, "n": 600}]
    for parsed in read_all(rows, tmp_path, fields=WAYS):
        told = ("src_ip", "dest_ip", "dest_port", "other_bytes_in", "other_bytes_out")
        assert sorted(parsed.rows.select(told).rows(), key=str) == [
            (CLIENT, SERVER, 993, 5_900, None),
            (CLIENT, SERVER, 993, None, 600),
        ]


@pytest.mark.parametrize("way", ["sideways", "0", None])
def test_an_unknown_direction_is_set_aside(tmp_path: Path, way: str | None) -> None:
    row = {"local": CLIENT, "lp": 50_001, "remote": SERVER, "rp": 993, "at": 1_795_161_600, "way": way, "n": 1}
    for parsed in read_all([row], tmp_path, fields=WAYS):
        assert dict(parsed.account.quarantined) == {"bad_address": 1}
        assert parsed.rejects["detail"][0] == f"src=direction {way or 'none'}"


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ({"fields": SPLIT | {"bytes_in": ["a", "b"]}}, "has a list for bytes_in"),
        ({"fields": SPLIT | {"start_time": ["a"]}}, "a list of two columns"),
        ({"fields": WHOLE | {"direction": "x"}}, "has a direction without sent"),
        ({"fields": WHOLE, "units": {"duration": "kB"}}, "has kB for duration; allowed are s, ms, us, ns, min"),
        ({"fields": WHOLE, "units": {"bytes_in": "ms"}}, "has ms for bytes_in; allowed are B, bit, kB"),
        ({"fields": WHOLE, "units": {"src_ip": "B"}}, "has src_ip; only duration and counts of bytes"),
        ({"fields": WHOLE, "units": {"sent": "B"}}, "units has sent, which fields does not name"),
        ({"fields": WHOLE | {"x": "y"}}, "allowed are start_time.*, dvc, direction"),
    ],
)
def test_a_mapping_that_cannot_be_is_refused(source: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        chosen(**source)

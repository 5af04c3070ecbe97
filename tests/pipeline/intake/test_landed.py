"""Landed rows as stored: what a file leaves out is given back, and files of an earlier form are read alike."""

import datetime as dt
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from pipeline.errors import StorageError
from pipeline.intake import landed
from pipeline.intake.landed import scan_landed, write_landed
from pipeline.sources.base import RAW
from pipeline.storage import Storage

NOON = dt.datetime(2026, 10, 1, 12, tzinfo=dt.UTC)
NAME = "landing/core/a.parquet"


def rows(**columns: list[object]) -> pl.DataFrame:
    """Rows of RAW with these columns; nothing is known of the others."""
    height = len(next(iter(columns.values())))
    given_rows = pl.DataFrame({"source_line": range(1, height + 1)} | columns)
    absent = [pl.lit(None).alias(c) for c in RAW if c not in given_rows.columns]
    return given_rows.with_columns(absent).select(RAW.names()).cast(RAW)


def stored(folder: Path, frame: pl.DataFrame) -> Path:
    write_landed(Storage(folder), NAME, frame, 8)
    return folder / NAME


texts = st.sampled_from([None, "", "tcp", "udp", "é", "\\N", "null"])
totals = st.sampled_from([None, 0, 7, 2**62])


@given(table=st.lists(st.tuples(texts, texts, totals), min_size=1, max_size=5))
def test_rows_come_back_as_they_were(table: list[tuple[str | None, str | None, int | None]]) -> None:
    transport, dvc, total = (list(c) for c in zip(*table, strict=True))
    frame = rows(transport=transport, dvc=dvc, total_bytes=total, src_ip=["192.0.2.1"] * len(table))
    with TemporaryDirectory() as folder:
        assert_frame_equal(scan_landed(stored(Path(folder), frame)).select(RAW.names()).collect(), frame)


@pytest.mark.parametrize("small", [0, 1 << 20])
def test_rows_of_many_files_are_those_of_each_with_what_is_told_of_it(
    tmp_path: Path, small: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landed, "_SMALL", small)
    kinds = {"transport": ["tcp", "tcp"]}, {"transport": ["udp", None]}, {"dvc": ["s1", "s1"]}, {"transport": ["", ""]}
    files, frames = [], []
    for number, kind in enumerate(kinds * 2):
        frame = rows(src_ip=["192.0.2.1", f"192.0.2.{number}"], **kind)
        files.append((stored(tmp_path / f"é [{number}]%20", frame), {"source": "core", "source_file": f"{number}"}))
        frames.append(frame.with_columns(source=pl.lit("core"), source_file=pl.lit(f"{number}")))
    found = [f.select(frames[0].columns) for f in landed.scan_files(files)]
    assert len(found) == (len(files) if small == 0 else 3)
    assert_frame_equal(pl.concat(found).collect().sort("source_file"), pl.concat(frames), check_row_order=False)


def test_a_column_of_one_text_or_of_nothing_takes_no_room_in_the_rows(tmp_path: Path) -> None:
    frame = rows(transport=["tcp", "tcp"], src_ip=["192.0.2.1", "192.0.2.2"], total_bytes=[7, 7], dvc=["", None])
    kept = ["source_line", "src_ip", "total_bytes", "dvc"]
    assert sorted(pl.read_parquet_schema(stored(tmp_path, frame))) == sorted(kept)


def test_a_time_that_all_rows_share_still_tells_which_row_groups_a_day_needs(tmp_path: Path) -> None:
    assert "start_time" in pl.read_parquet_schema(stored(tmp_path, rows(start_time=[NOON, NOON])))


def test_files_with_all_columns_as_they_were_written_before_read_the_same(tmp_path: Path) -> None:
    frame = rows(transport=["tcp", "tcp"], src_ip=["192.0.2.1", "192.0.2.2"])
    Storage(tmp_path).write_parquet("old.parquet", frame, {"code": 8})
    assert_frame_equal(scan_landed(tmp_path / "old.parquet").collect(), frame)


def test_a_file_that_is_none_of_ours_is_told(tmp_path: Path) -> None:
    rows(src_ip=["192.0.2.1"]).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(StorageError, match=r"a\.parquet.*not written by nilometer"):
        scan_landed(tmp_path / "a.parquet")

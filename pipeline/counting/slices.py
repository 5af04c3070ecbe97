"""A large day in parts that each fit in memory, so that no session is torn apart by the cut.

Rows are parted by their ends into buckets on disk; what each bucket gives is parted again by time, and handed out in
order. How records are counted belongs to `pipeline.counting.once`.
"""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import polars as pl

from pipeline.disk import files_below, writing
from pipeline.leftovers import temporary_suffix

Cut = tuple[dt.datetime, dt.datetime]
Work = Callable[[pl.DataFrame], pl.DataFrame]


def cuts(times: pl.Series, rows: int, first: dt.datetime, end: dt.datetime) -> list[Cut]:
    """Stretches from first to end, each with about `rows` of the times (more only where many are equal).

    They begin with whole milliseconds, to which some copies of records cut their times.
    """
    inner = times.sort().gather_every(rows, rows).dt.truncate("1ms").to_list()
    return list(pairwise(sorted({first, *(t for t in inner if first < t < end), end})))


def by_ends(
    raw: pl.LazyFrame,
    buckets: int,
    work: Work,
    stretches: Sequence[Cut],
    folder: Path,
) -> Iterator[pl.DataFrame]:
    """What work makes of the rows, stretch by stretch in time; work sees all rows of the same two ends at once."""
    with tempfile.TemporaryDirectory(prefix=".", suffix=temporary_suffix(), dir=folder) as name:
        place = Path(name)
        _part(raw, buckets, place)
        for bucket in sorted(p for p in place.iterdir() if p.name.startswith("_bucket=")):
            made = work(pl.scan_ipc(sorted(files_below(bucket)), glob=False).collect())
            _write_by_stretch(made, stretches, place, bucket.name)
        for n in range(len(stretches)):
            if files := sorted(p for p in place.iterdir() if p.name.startswith(_prefix(n))):
                yield pl.scan_ipc(files, glob=False).collect()


def _write_by_stretch(rows: pl.DataFrame, stretches: Sequence[Cut], place: Path, name: str) -> None:
    """A file for each stretch that has some of the rows."""
    for n, (first, end) in enumerate(stretches):
        part = rows.filter((pl.col("start_time") >= first) & (pl.col("start_time") < end))
        if part.height:
            with writing(place):
                part.write_ipc(place / f"{_prefix(n)}{name}.ipc")


def _prefix(stretch: int) -> str:
    return f"{stretch:05d}-"


def _part(raw: pl.LazyFrame, buckets: int, place: Path) -> None:
    ends = [pl.col(c).hash() for c in ("src_ip", "dest_ip", "src_port", "dest_port")]
    bucket = (ends[0] + ends[1] + ends[2] + ends[3]) % buckets
    with writing(place):
        raw.with_columns(_bucket=bucket).sink_ipc(pl.PartitionBy(place, key="_bucket", include_key=False), mkdir=True)

"""Finds sensors whose clocks are whole half hours apart, as where a time zone was forgotten: their flows count twice.

They are found by flows that two sensors report alike, with the same ends and ports, at such a distance. What comes
again within a minute is counted once by `pipeline.counting`; a sensor's clock against its own past is the business of
`data_quality`.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import Any

import polars as pl

from pipeline.counting.records import KEY

_ENDS = [c for c in KEY if c != "transport"]  # Which not every log tells.
MAX_PAIRS = 8
"""Pairs of sensors that are kept of a day."""
_STEP = dt.timedelta(minutes=30)
"""Zones differ by half hours, but for Nepal's and the Chatham Islands'."""
_SLACK = dt.timedelta(minutes=1)
"""Clocks in one zone may differ by so much."""
_CHANCE = 2 * _SLACK / _STEP
"""How often two unrelated flows lie at such a distance."""


class ClocksApart:
    """Counts flows that two sensors report alike at different times, by sensors and by how far apart."""

    def __init__(self) -> None:
        self._alike: Counter[tuple[str, str]] = Counter()
        self._apart: Counter[tuple[str, str, int]] = Counter()

    def take(self, flows: pl.DataFrame) -> None:
        """Add conformed FLOWS of the day; all of the same ends are there."""
        pairs = told_alike(flows)
        for a, b, minutes, alike, apart in pairs.iter_rows():
            self._alike[min(a, b), max(a, b)] += alike
            if apart:
                self._apart[a, b, minutes] += apart

    def facts(self) -> dict[str, Any]:
        """Plain data: how many flows are reported again, beyond chance, and by which sensors, the later one second."""
        hits: Counter[tuple[str, str]] = Counter()
        for (a, b, _), n in self._apart.items():
            hits[min(a, b), max(a, b)] += n
        beyond = {pair: round((n - _CHANCE * self._alike[pair]) / (1 - _CHANCE)) for pair, n in hits.items()}
        at = [
            [a, b, minutes, n] for (a, b, minutes), n in self._apart.most_common() if beyond[min(a, b), max(a, b)] > 0
        ]
        return {"flows": sum(n for n in beyond.values() if n > 0), "at": at[:MAX_PAIRS]}


def told_alike(flows: pl.DataFrame) -> pl.DataFrame:
    """Flows that follow one of another sensor with the same ends, alike in size and duration, more than a minute later.

    Returns: earlier sensor, later sensor, minutes apart in half hours, how many such flows, and how many of them lie
    within a minute of these half hours.
    """
    schema = pl.Schema(
        {"a": pl.String(), "b": pl.String(), "minutes": pl.Int64(), "n": pl.Int64(), "apart": pl.Int64()}
    )
    if flows.select(pl.struct("source", "dvc").n_unique()).item() < 2:
        return schema.to_frame()
    whole = flows.filter(pl.all_horizontal(pl.col(c).is_not_null() for c in ("src_port", "dest_port", "start_time")))
    sensor = pl.when(pl.col("source") == pl.col("dvc")).then("dvc").otherwise(pl.format("{}/{}", "source", "dvc"))
    size = pl.coalesce(pl.col("bytes_in") + pl.col("bytes_out"), "bytes", "bytes_in", "bytes_out").cast(pl.Float64)
    same = (
        whole.filter(pl.struct(_ENDS).is_duplicated())
        .select(*_ENDS, "start_time", b=sensor, size=size, lasted=pl.col("duration").dt.total_seconds().fill_null(0))
        .sort(*_ENDS, "start_time", "b")
    )
    before = {f"_{c}": pl.col(c).shift().over(_ENDS) for c in ("start_time", "b", "size", "lasted")}
    later = pl.col("start_time") - pl.col("_start_time")
    steps = (later.dt.total_seconds() / _STEP.total_seconds()).round().cast(pl.Int64)
    longest = pl.max_horizontal("lasted", "_lasted")
    alike = (
        (pl.col("b") != pl.col("_b"))
        & (later > _SLACK)
        & (pl.max_horizontal("size", "_size") <= 2 * pl.min_horizontal("size", "_size"))
        & ((pl.col("lasted") - pl.col("_lasted")).abs() <= pl.max_horizontal(60, 0.1 * longest))
    )
    off = (later.dt.total_seconds() - steps * int(_STEP.total_seconds())).abs() <= _SLACK.total_seconds()
    found = same.with_columns(**before).filter(alike & (pl.col("size") > 0))
    return (
        found.select("b", a="_b", minutes=steps * int(_STEP.total_seconds() / 60), off=off & (steps > 0))
        .group_by("a", "b", "minutes")
        .agg(n=pl.len().cast(pl.Int64), apart=pl.col("off").sum().cast(pl.Int64))
        .select(schema.names())
        .sort("a", "b", "minutes")
    )

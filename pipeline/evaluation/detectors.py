"""Methods side by side: each tells, for each client-day, how many false alerts a day a threshold there would give.

That expectation comes from the past alone, so a budget is a threshold and all methods are compared at equal cost.
The twin of the seed is the same statistic over the bytes of its own side; over a world's single series it is the seed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

import numpy as np
import polars as pl

from pipeline.days import day_range
from pipeline.evaluation import scores
from pipeline.evaluation.context import Context
from pipeline.evaluation.grid import CALIBRATION_DAYS, Grid, expected_alerts

EXPECTED = pl.Schema({"day": pl.Date, "src_ip": pl.String, "channel": pl.String, "expected": pl.Float64})
"""E, false alerts a day per 10,000 active clients, by client-day and channel; rows without a score may be left out."""
SINGLE = "single"
"""The channel of methods that have but one."""
NATIVE = 3.0
"""The seed's own threshold."""
_LEAST_HISTORY = 10
"""Days of a world that are never scored: with fewer before it, a day's scores would spoil the calibration."""


class Expect(Protocol):
    """(daily, context, days) -> rows of EXPECTED; daily are all rows of the world, of which later ones do not count."""

    def __call__(self, daily: pl.DataFrame, context: Context, days: Sequence[dt.date]) -> pl.DataFrame:
        """E for the clients of the days."""


@dataclass(frozen=True)
class Detector:
    """A method under judgement.

    Attributes:
        name: what results call it.
        expect: its E.
        shares: each channel's part of the budget; a channel alerts where E is at most budget x share.
        fold_days: channels in which an alert within so many days after another one of the client is no new one.
        native: has a threshold of its own and no budget; it alerts where E is 0.
    """

    name: str
    expect: Expect
    shares: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({SINGLE: 1.0}))
    fold_days: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    native: bool = False


def scored(method: str) -> Detector:
    """The detector of a score, calibrated on the 28 days before each day."""

    def expect(daily: pl.DataFrame, context: Context, days: Sequence[dt.date]) -> pl.DataFrame:
        grid = Grid.of(daily)
        values = scores.scores(grid.volume, method, grid.index(with_calibration(grid.days[0], days)))
        rare = expected_alerts(values, ~np.isnan(grid.volume), grid.mask(context.explained), grid.index(days))
        return single(grid.rows(days, rare, "expected"))

    return Detector(method, expect)


def native_seed() -> Detector:
    """The seed as it ships: it alerts beyond 3 standard deviations of both, whatever that costs."""

    def expect(daily: pl.DataFrame, context: Context, days: Sequence[dt.date]) -> pl.DataFrame:
        grid = Grid.of(daily)
        values = scores.scores(grid.volume, "seed", grid.index(days))
        rows = grid.rows(days, values, "score").filter(pl.col("score") > NATIVE)
        return single(rows.select("day", "src_ip", expected=pl.lit(0.0)))

    return Detector("seed_native", expect, native=True)


def single(rows: pl.DataFrame) -> pl.DataFrame:
    """day, src_ip, expected as rows of EXPECTED, of a method with one channel."""
    return rows.select("day", "src_ip", pl.lit(SINGLE).alias("channel"), "expected")


def with_calibration(start: dt.date, days: Iterable[dt.date], calibration: int = CALIBRATION_DAYS) -> list[dt.date]:
    """The days to score so that the given ones can be calibrated: they and those before, not the world's very first.

    Args:
        start: the world's first day.
        days: the days to calibrate, without gaps.
        calibration: so many days before each say how rare its scores are.
    """
    first, last = min(days), max(days)
    return day_range(max(first - dt.timedelta(days=calibration), start + dt.timedelta(days=_LEAST_HISTORY)), last)

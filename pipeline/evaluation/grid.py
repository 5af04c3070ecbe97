"""Client-days as a matrix, and how rare each score is among the scores of the days before.

One row a day and one column a client, so that a window is a contiguous slice and sums go day by day: neither later days
nor other clients change what is known of a client. Memory is 8 bytes a cell and matrix.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.days import day_range
from pipeline.detections.budget import PER

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
"""Rates are a day per so many active clients."""
CALIBRATION_DAYS = 28
_LIKE = 1e-9
"""Scores that differ by less, in parts of themselves, are equal but for rounding: equal days in another order."""


@dataclass(frozen=True)
class Grid:
    """The daily rows: `volume` in bytes (days x clients), NaN where there is no row."""

    days: list[dt.date]
    clients: pl.Series
    volume: Floats

    @classmethod
    def of(cls, daily: pl.DataFrame) -> Grid:
        """The matrix of day, src_ip, bytes_in; calendar days without any row are there too."""
        first, last = daily["day"].min(), daily["day"].max()
        assert isinstance(first, dt.date)
        assert isinstance(last, dt.date)
        clients = daily["src_ip"].unique().sort()
        volume = np.full(((last - first).days + 1, clients.len()), np.nan)
        volume[cls._cells(daily, first, clients)] = daily["bytes_in"].to_numpy()
        return cls(day_range(first, last), clients, volume)

    @staticmethod
    def _cells(rows: pl.DataFrame, first: dt.date, clients: pl.Series) -> tuple[npt.NDArray[np.int64], ...]:
        when = (rows["day"] - first).dt.total_days().to_numpy()
        return when, clients.search_sorted(rows["src_ip"]).cast(pl.Int64).to_numpy()

    def mask(self, rows: pl.DataFrame) -> Bools:
        """Which cells the rows (day, src_ip) are; rows elsewhere count for nothing."""
        known = rows.filter(
            pl.col("day").is_between(self.days[0], self.days[-1]) & pl.col("src_ip").is_in(self.clients.implode())
        )
        found = np.zeros(self.volume.shape, dtype=bool)
        found[self._cells(known, self.days[0], self.clients)] = True
        return found

    def index(self, days: Iterable[dt.date]) -> Iterator[int]:
        """The rows of the given days, in order."""
        wanted = set(days)
        return (i for i, day in enumerate(self.days) if day in wanted)

    def rows(self, days: Iterable[dt.date], values: Floats, name: str) -> pl.DataFrame:
        """day, src_ip and the value, a row for every cell of the days that is not NaN."""
        frames = []
        for i in self.index(days):
            there = np.flatnonzero(~np.isnan(values[i]))
            told = {"src_ip": self.clients.gather(there), name: values[i, there]}
            frames.append(pl.DataFrame(told).select(pl.lit(self.days[i]).alias("day"), "src_ip", name))
        return pl.concat(frames) if frames else pl.DataFrame(schema={"day": pl.Date, "src_ip": pl.String, name: float})


def expected_alerts(scores: Floats, active: Bools, aside: Bools, days: Iterable[int]) -> Floats:
    """How many false alerts a day per 10,000 active clients a threshold at each score had given before.

    E = 1e4 x (scores of the 28 days before that are at least as high) / (client-days with traffic of those days).

    Args:
        scores: days x clients; NaN where there is none, infinite where nothing is higher. Of equal pasts they may
            differ in their last digits, which makes neither rarer.
        active: cells with traffic.
        aside: explained cells: they would not have alerted, so their scores do not count.
        days: the rows to tell it for.

    Returns:
        E by cell, NaN elsewhere and on days without any score before them.
    """
    found = np.full_like(scores, np.nan)
    for day in days:
        past = slice(max(day - CALIBRATION_DAYS, 0), day)
        known = np.sort(scores[past][~np.isnan(scores[past]) & ~aside[past]])
        if not known.size:
            continue  # nothing to compare with: no telling
        clients = int(active[past].sum())
        finite = np.isfinite(scores[day])
        limits = np.subtract(scores[day], _LIKE * np.abs(scores[day]), out=scores[day].copy(), where=finite)
        at_least = known.size - np.searchsorted(known, limits, side="left")
        found[day] = np.where(np.isnan(scores[day]), np.nan, PER * at_least / clients)
    return found

"""Which day owns a record's bytes: the day of its start, of its end, or each day its share of the time.

One rule holds for a whole site, so that daily sums add up to the total whatever the rule. Which records count is
decided in `pipeline.counting.once`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from pipeline import clocks
from pipeline.days import day_bounds_utc

Rule = Literal["start", "end", "spread"]
"""Which day a record belongs to: that of its start, of its end, or each day's share."""


def end_time() -> pl.Expr:
    """Expression: the end of a raw record; its start where the duration is unknown."""
    return pl.col("start_time") + pl.duration(microseconds=pl.col("duration").fill_null(0), time_unit="us")


@dataclass(frozen=True)
class Attribution:
    """One day's part of records: by which rule, and from when (inclusive) to when (exclusive) the day lasts."""

    first: dt.datetime
    end: dt.datetime
    rule: Rule = "start"

    @classmethod
    def of(cls, day: dt.date, timezone: str, rule: Rule = "start") -> Attribution:
        """The attribution of a site day."""
        return cls(*day_bounds_utc(day, timezone), rule)

    def holds(self) -> pl.Expr:
        """Expression: whether the record, or a share of it, belongs to the day."""
        start, end = pl.col("start_time"), end_time()
        starts_here = (start >= self.first) & (start < self.end)
        if self.rule == "start":
            return starts_here
        if self.rule == "end":
            return (end >= self.first) & (end < self.end)
        # A day that the zone left out has no length, and so no share of anything.
        return starts_here | ((start < self.first) & (end > self.first) & (self.first < self.end))

    def cut(self, records: pl.DataFrame, counts: Sequence[str]) -> pl.DataFrame:
        """Records of the day as they count in it; none starts before the day.

        A share is floor(c b / d) - floor(c a / d) of a count c over the duration d, from offset a to b, so that the
        shares of all days add up to c exactly.
        """
        if self.rule == "start":
            return records
        start = pl.max_horizontal("start_time", pl.lit(self.first).cast(pl.Datetime("us", "UTC")))
        if self.rule == "end":
            return records.with_columns(start_time=start)
        length = pl.col("duration").fill_null(0)
        offsets = [
            (pl.lit(t).cast(pl.Datetime("us", "UTC")) - pl.col("start_time")).dt.total_microseconds().clip(0, length)
            for t in (self.first, self.end)
        ]
        shares = [
            pl.when(length > 0)
            .then(_share(c, offsets[1], length) - _share(c, offsets[0], length))
            .otherwise(pl.col(c))
            .cast(pl.Int64)
            .alias(c)
            for c in counts
        ]
        here = pl.when(pl.col("duration").is_not_null()).then(offsets[1] - offsets[0]).alias("duration")
        return records.with_columns(*shares, here, start.alias("start_time"))


def _share(count: str, offset: pl.Expr, length: pl.Expr) -> pl.Expr:
    whole = pl.max_horizontal(length, pl.lit(1)).cast(pl.Int128)
    return pl.col(count).cast(pl.Int128) * offset.cast(pl.Int128) // whole


def days_held(records: pl.DataFrame, timezone: str, rule: str) -> dict[str, int]:
    """How many of the records belong, wholly or with a share, to each site day."""
    start, end = (clocks.shown(c, timezone).dt.date() for c in (pl.col("start_time"), end_time()))
    if rule == "spread":
        days = records.select(day=pl.date_ranges(start, end)).explode("day")
    else:
        days = records.select(day=end if rule == "end" else start)
    counts = days.drop_nulls().group_by("day").len()
    return {day.isoformat(): n for day, n in counts.sort("day").iter_rows()}

"""Slow thefts: the last days of a client together, against the days before them.

Each day counts for two deviations at most: what tells a slow theft is that most days are larger, not that some are very
large. Single days are judged by the other channels.
"""

from __future__ import annotations

import datetime as dt

import polars as pl

_LEAST, _MOST = -3.0, 2.0
RECENT = 10
"""Days that are judged together."""
_LEAST_BASE, _LEAST_RECENT = 6, 3
_DEPENDENCE = 1.6
"""Sum of variances of days in a row that correlate by .3 from day to day, beside independent ones."""


def recent_days(rows: pl.DataFrame, clients: pl.DataFrame, day: dt.date) -> pl.DataFrame:
    """One row a client with recent days.

    Args:
        rows: adjusted rows; past marks those of the days before the recent ones, aside those that are explained.
        clients: their histories with expectations.
        day: the day judged, the last recent one.

    Returns:
        client, recent_days, base_days, slow_others (the sum of deviations without the day's own), slow_mean,
        slow_scale, slow_shift: what slow_score needs beside the day's volume.
    """
    today = pl.col("day") == day
    known = rows.filter((pl.col("day") > day - dt.timedelta(days=RECENT)) & ~pl.col("aside"))
    return (
        known.join(clients.select("client", "n", "m", "own_scale"), on="client", maintain_order="left")
        .with_columns(z=_deviation(pl.col("level"), pl.col("m"), pl.col("own_scale")))
        .group_by("client", maintain_order=True)
        .agg(
            slow_others=pl.col("z").filter(~today).sum(),
            recent_days=pl.len().cast(pl.Int64),
            base_days=pl.col("n").first(),
            slow_mean=pl.col("m").first(),
            slow_scale=pl.col("own_scale").first(),
            slow_shift=pl.col("shift").filter(today).first(),
        )
    )


def _deviation(level: pl.Expr, mean: pl.Expr, scale: pl.Expr) -> pl.Expr:
    """A day's distance from the days before, bounded."""
    return ((level - mean) / scale).clip(_LEAST, _MOST)


def slow_score(log_volume: pl.Expr) -> pl.Expr:
    """The sum of the recent days' deviations in standard deviations of such a sum, with a volume of the day judged.

    Null with too few days, and for an explained day.
    """
    r, b = pl.col("recent_days"), pl.col("base_days")
    own = _deviation(log_volume - pl.col("slow_shift"), pl.col("slow_mean"), pl.col("slow_scale"))
    enough = (b >= _LEAST_BASE) & (r >= _LEAST_RECENT)
    return pl.when(enough).then((pl.col("slow_others") + own) / (_DEPENDENCE * r + r * r / b).sqrt())


def slow_level(score: pl.Expr) -> pl.Expr:
    """The inverse of slow_score: the log volume of the day at which the sum of deviations has the score."""
    r, b = pl.col("recent_days"), pl.col("base_days")
    own = score * (_DEPENDENCE * r + r * r / b).sqrt() - pl.col("slow_others")
    return own * pl.col("slow_scale") + pl.col("slow_mean") + pl.col("slow_shift")

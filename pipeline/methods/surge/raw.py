"""Raw scores: how unusual each client's day is by each channel, from the daily rows of the window alone.

Nothing is carried from day to day, so days can be made in any order. How rare a score is, and whether it alerts, is
told by the calibration.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

import polars as pl

from pipeline.detections.budget import Params
from pipeline.methods.surge.centre import expectations, histories, surprise, with_priors
from pipeline.methods.surge.effects import FLOOR_BYTES, adjusted, log_volume
from pipeline.methods.surge.slow import RECENT, recent_days, slow_score

NEW_DAYS = 4
"""A client with fewer past days is new."""
FIRST_DAY = pl.col("n") == 0
_QUIET = 0.5
"""A day with less than this part of the usual number of clients is quiet: a weekend, a holiday."""
_OPTIONAL = ("group", "role", "explained_by")
RAW_SCHEMA = pl.Schema(
    {
        "day": pl.Date,
        "client": pl.String,
        "group": pl.String,
        "role": pl.String,
        "explained_by": pl.String,
        "bytes": pl.Int64,
        "quiet": pl.Boolean,
        "n": pl.Int64,
        "first_seen": pl.Date,
        "last_similar": pl.Date,
        "usual": pl.Float64,
        "own_avg": pl.Float64,
        "own_p50": pl.Float64,
        "own_p95": pl.Float64,
        "own_max": pl.Int64,
        "group_p50": pl.Float64,
        "day_effect": pl.Float64,
        "follows": pl.Float64,
        "shift": pl.Float64,
        "expected": pl.Float64,
        "excess": pl.Float64,
        "ratio": pl.Float64,
        "t": pl.Float64,
        "nu": pl.Float64,
        "surprise": pl.Float64,
        "slow": pl.Float64,
        "new": pl.Float64,
        "centre": pl.Float64,
        "scale": pl.Float64,
        "recent_days": pl.Int64,
        "base_days": pl.Int64,
        "slow_others": pl.Float64,
        "slow_mean": pl.Float64,
        "slow_scale": pl.Float64,
        "slow_shift": pl.Float64,
    }
)


def raw_scores(
    daily: pl.DataFrame, days: Iterable[dt.date], params: Params, *, off: bool | None = None
) -> pl.DataFrame:
    """One row a (day, client) with traffic on the day, by day and client: columns RAW_SCHEMA.

    Args:
        daily: day, client, bytes (null: unknown), and optionally group, role, explained_by: all days needed, which are
            a day's window and the 10 days before it. Days left out of it are days not known. Equal rows count once.
            A client's group and role are those of its last row up to the day scored.
        days: the days to score.
        params: the window.
        off: whether a calendar calls the days off (quiet) or not; None: the number of clients tells.
    """
    rows = prepared(daily)
    frames = [_score_day(rows, day, params, off) for day in sorted(set(days))]
    return pl.concat([pl.DataFrame(schema=RAW_SCHEMA), *frames])


def prepared(daily: pl.DataFrame) -> pl.DataFrame:
    """The known rows once, in a fixed order, with every optional column."""
    absent = [pl.lit(None, pl.String).alias(c) for c in _OPTIONAL if c not in daily.columns]
    rows = daily.with_columns(absent).select("day", "client", "bytes", *(pl.col(c).cast(pl.String) for c in _OPTIONAL))
    return (
        rows.filter(pl.col("bytes").is_not_null() & pl.col("client").is_not_null())
        .with_columns(y=log_volume("bytes"), aside=pl.col("explained_by").is_not_null())
        .unique()
        .sort("day", "client")
    )


def _score_day(rows: pl.DataFrame, day: dt.date, params: Params, off: bool | None) -> pl.DataFrame:
    span = rows.filter(pl.col("day").is_between(day - dt.timedelta(days=params.window + RECENT), day))
    # Who has moved to another group is compared with those who are there now.
    span = span.with_columns(pl.col("group", "role").last().over("client"))
    window = span.filter(pl.col("day") >= day - dt.timedelta(days=params.window))
    today = window.filter(pl.col("day") == day)
    if today.is_empty():
        return pl.DataFrame(schema=RAW_SCHEMA)
    today = _expected(_past(window, day), day)
    for facts in (_recent(span, day, params), _own_past(window, day)):
        today = today.join(facts, on="client", how="left", maintain_order="left")
    today = with_scores(today).with_columns(
        quiet=pl.lit(_is_quiet(window, day) if off is None else off), group_p50=pl.col("bytes").median().over("group")
    )
    return today.select(pl.col(c).cast(t) for c, t in RAW_SCHEMA.items())


def with_scores(today: pl.DataFrame) -> pl.DataFrame:
    """The rows with all that follows from a day's volume: excess, ratio, t, surprise, slow and new."""
    y, excess = log_volume("bytes"), pl.col("bytes") - pl.col("expected")
    today = today.with_columns(t=(y - pl.col("shift") - pl.col("centre")) / pl.col("scale"), excess=excess)
    return today.with_columns(surprise(today["t"], today["nu"]).alias("surprise")).with_columns(
        ratio=(pl.col("bytes") + FLOOR_BYTES) / (pl.col("expected") + FLOOR_BYTES),
        slow=slow_score(y),
        # On a first day only the fleet tells what is much; a little past tells more than the size does.
        new=pl.when(FIRST_DAY).then(pl.col("excess").clip(1).log()).when(pl.col("n") < NEW_DAYS).then("surprise"),
    )


def _past(rows: pl.DataFrame, before: dt.date) -> pl.DataFrame:
    """The adjusted rows; days before the given one are the past, except explained ones."""
    return adjusted(rows.with_columns(past=(pl.col("day") < before) & ~pl.col("aside")))


def _expected(rows: pl.DataFrame, day: dt.date) -> pl.DataFrame:
    """The day's rows with what was to be expected of them."""
    clients = expectations(with_priors(histories(rows))).drop("role", "group", "usual")
    today = rows.filter(pl.col("day") == day).join(clients, on="client", maintain_order="left")
    return today.with_columns(expected=((pl.col("centre") + pl.col("shift")).exp() - FLOOR_BYTES).clip(0))


def _recent(span: pl.DataFrame, day: dt.date, params: Params) -> pl.DataFrame:
    """What the slow channel needs: its base is the window before the recent days."""
    first = day - dt.timedelta(days=RECENT - 1)
    rows = _past(span.filter(pl.col("day") >= first - dt.timedelta(days=params.window)), first)
    return recent_days(rows, expectations(with_priors(histories(rows))), day)


def _own_past(window: pl.DataFrame, day: dt.date) -> pl.DataFrame:
    """What an analyst wants to see of a client's past in the window."""
    past, x = window.filter(pl.col("day") < day), pl.col("bytes")
    now = window.filter(pl.col("day") == day).select("client", now="bytes")
    similar = pl.col("day").filter(x * 2 >= pl.col("now")).max()
    return (
        past.join(now, on="client", maintain_order="left")
        .group_by("client", maintain_order=True)
        .agg(
            own_avg=x.mean(),
            own_p50=x.median(),
            own_p95=x.quantile(0.95, "linear"),
            own_max=x.max(),
            first_seen=pl.col("day").min(),
            last_similar=similar,
        )
    )


def _is_quiet(window: pl.DataFrame, day: dt.date) -> bool:
    """Whether far fewer clients than usual were there: how weekends and holidays show without a calendar."""
    counts = window.group_by("day").len()
    usual = counts.filter(pl.col("day") < day)["len"].median()
    now = counts.filter(pl.col("day") == day)["len"].item()
    return bool(isinstance(usual, float) and now < _QUIET * usual)

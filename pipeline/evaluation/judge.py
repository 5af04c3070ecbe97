"""One world, one method, its budgets: which thefts it found, when, and how many false alerts it cost.

An event is a theft; it is found by an alert on one of its rows. Any other alert is false, a lookalike's too, unless it
is explained: then nobody is alerted, of a theft neither. Adding up worlds is done in `pipeline.evaluation.report`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import numpy as np
import polars as pl

from pipeline.days import day_range
from pipeline.evaluation.context import Context
from pipeline.evaluation.detectors import EXPECTED, Detector
from pipeline.evaluation.labelled import LabelledWorld

BUDGETS = (1.0, 5.0, 20.0)
_KEY = ["day", "src_ip"]
FOUND = pl.Schema(
    {
        "method": pl.String,
        "budget": pl.Float64,
        "basket": pl.String,
        "attack_id": pl.String,
        "detected": pl.Boolean,
        "days_to_detect": pl.Int64,
    }
)
"""One row a theft, method and budget (null: its own threshold); working days from the first day to the first alert."""
COST = pl.Schema({"method": pl.String, "budget": pl.Float64, "false_alerts": pl.Int64, "client_days": pl.Int64})
"""One row a method and budget: client-days with a false alert, and client-days with traffic that were judged."""


def judge(
    world: LabelledWorld, detector: Detector, context: Context, budgets: Sequence[float] = BUDGETS
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows of FOUND and of COST of one world."""
    last = world.daily["day"].max()
    assert isinstance(last, dt.date)
    lead = max(detector.fold_days.values(), default=0)
    days = day_range(world.first_judged - dt.timedelta(days=lead), last)
    told = detector.expect(world.daily, context, days).select(EXPECTED.names())
    levels: Sequence[float | None] = [None] if detector.native else budgets
    found, cost = [], []
    for budget in levels:
        rows = alerts(told, detector, budget or 0.0).filter(pl.col("day") >= world.first_judged)
        rows = rows.join(context.explained, on=_KEY, how="anti")
        names = [pl.lit(detector.name).alias("method"), pl.lit(budget, pl.Float64).alias("budget")]
        found.append(_thefts(world, rows).select(*names, *FOUND.names()[2:]))
        cost.append(_cost(world, rows).select(*names, *COST.names()[2:]))
    return pl.concat(found), pl.concat(cost)


def alerts(told: pl.DataFrame, detector: Detector, budget: float) -> pl.DataFrame:
    """Day and src_ip of the new alerts at a budget, one row a client-day whatever its channels."""
    limits = {channel: budget * share for channel, share in detector.shares.items()}
    limit = pl.col("channel").replace_strict(limits, default=None, return_dtype=pl.Float64)
    rows = told.filter(pl.col("expected") <= limit).sort("src_ip", "channel", "day")
    since = pl.col("day").diff().over("src_ip", "channel").dt.total_days()
    fold = pl.col("channel").replace_strict(dict(detector.fold_days), default=0, return_dtype=pl.Int64)
    fresh = since.is_null() | (since > fold)
    return rows.filter(fresh).select(_KEY).unique().sort(_KEY)


def _thefts(world: LabelledWorld, rows: pl.DataFrame) -> pl.DataFrame:
    """One row a theft that begins after the warm-up."""
    thefts = world.labels.filter(pl.col("attack_id").is_not_null())
    hits = thefts.join(rows, on=_KEY, how="semi").group_by("attack_id").agg(hit=pl.col("day").min())
    events = thefts.group_by("attack_id").agg(pl.col("basket").first(), first=pl.col("day").min())
    events = events.filter(pl.col("first") >= world.first_judged).join(hits, on="attack_id", how="left")
    events = events.sort("attack_id").with_columns(detected=pl.col("hit").is_not_null())
    return events.with_columns(days_to_detect=_working_days(events["first"], events["hit"]))


def _working_days(first: pl.Series, hit: pl.Series) -> pl.Series:
    """Mondays to Fridays from the first day up to, not including, the day of the alert; null without one."""
    until = pl.select(pl.coalesce(hit, first)).to_series()
    days = np.busday_count(first.to_numpy(), until.to_numpy())
    return pl.select(pl.when(hit.is_not_null()).then(pl.Series(days, dtype=pl.Int64))).to_series()


def _cost(world: LabelledWorld, rows: pl.DataFrame) -> pl.DataFrame:
    thefts = world.labels.filter(pl.col("attack_id").is_not_null())
    false = rows.join(thefts, on=_KEY, how="anti").height
    judged = world.daily.filter(pl.col("day") >= world.first_judged).height
    return pl.DataFrame(
        {"false_alerts": [false], "client_days": [judged]},
        schema_overrides={c: COST[c] for c in ("false_alerts", "client_days")},
    )

"""Figures over worlds: recall with its interval, what the alerts cost, precision, and the forms they are given out in.

A recall is a share of 0..1, a rate false alerts a day per 10,000 active clients. Judging one world is done elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from scipy.stats import chi2

from pipeline.detections.budget import PER
from pipeline.evaluation.judge import COST, FOUND

THEFTS_A_DAY = 1 / 7
"""Per 10,000 clients, the prevalence at which precision is told: one a week."""
_Z = 1.959963984540054
"""95 % of a normal distribution lie within so many standard deviations."""
_BY = ["method", "budget"]
RESULTS = pl.Schema(
    {
        "method": pl.String,
        "budget": pl.Float64,
        "basket": pl.String,
        "events": pl.Int64,
        "detected": pl.Int64,
        "recall": pl.Float64,
        "low": pl.Float64,
        "high": pl.Float64,
        "days_to_detect": pl.Float64,
        "precision": pl.Float64,
    }
)
"""By method, budget (null: the method's own threshold) and basket; days_to_detect is the mean of the detected ones."""
FALSE_ALERTS = pl.Schema(
    {
        "method": pl.String,
        "budget": pl.Float64,
        "per_day_per_10k": pl.Float64,
        "per_day_low": pl.Float64,
        "per_day_high": pl.Float64,
        "false_alerts": pl.Int64,
        "client_days": pl.Int64,
        "realised": pl.Float64,
        "worlds": pl.Int64,
        "within": pl.Float64,
    }
)
"""By method and budget; per_day_low and per_day_high: the 95 % interval of the rate; realised: of the budget; within:
share of worlds that realise half to twice the budget."""


@dataclass(frozen=True)
class Report:
    """What evaluations come to: `results` (RESULTS), `false_alerts` (FALSE_ALERTS), each in the order of methods."""

    results: pl.DataFrame
    false_alerts: pl.DataFrame

    def as_dict(self) -> dict[str, list[dict[str, Any]]]:
        """The form of `nilometer evaluate --json`."""
        results = self.results.drop("precision").to_dicts()
        return {"results": results, "false_alerts": self.false_alerts.select(*_BY, "per_day_per_10k").to_dicts()}

    def flat(self) -> pl.DataFrame:
        """One table of all: results with what their alerts cost, which is told without a theft, too."""
        rows = self.false_alerts.join(self.results, on=_BY, how="left", nulls_equal=True, maintain_order="left_right")
        return rows.select(*RESULTS, *(c for c in FALSE_ALERTS if c not in _BY))


def report(found: Sequence[pl.DataFrame], cost: Sequence[pl.DataFrame]) -> Report:
    """The figures of worlds: a frame of FOUND and one of COST each."""
    thefts = pl.concat([pl.DataFrame(schema=FOUND), *found])
    costs = pl.concat([pl.DataFrame(schema=COST), *cost])
    false_alerts = _false_alerts(costs)
    counts = thefts.group_by(*_BY, "basket").agg(
        events=pl.len().cast(pl.Int64),
        detected=pl.col("detected").sum().cast(pl.Int64),
        days_to_detect=pl.col("days_to_detect").mean(),
    )
    counts = counts.with_columns(wilson(pl.col("detected"), pl.col("events")))
    counts = counts.join(false_alerts, on=_BY, how="left", nulls_equal=True).with_columns(precision=precision())
    order = costs["method"].unique(maintain_order=True).to_list()
    return Report(
        _ordered(counts, order, "basket").select(RESULTS.names()), _ordered(false_alerts, order).select(*FALSE_ALERTS)
    )


def wilson(detected: pl.Expr, events: pl.Expr) -> list[pl.Expr]:
    """recall, and low and high of its 95 % interval (Wilson 1927): shares of 0..1, null without events."""
    n, share = events.cast(pl.Float64), detected / events
    width = _Z * (share * (1 - share) / n + _Z * _Z / (4 * n * n)).sqrt()
    middle, scale = share + _Z * _Z / (2 * n), 1 + _Z * _Z / n
    low = pl.when(detected > 0).then((middle - width) / scale).otherwise(0.0)
    high = pl.when(detected < events).then((middle + width) / scale).otherwise(1.0)
    parts = {"recall": share, "low": low, "high": high}
    return [pl.when(events > 0).then(e).alias(name) for name, e in parts.items()]


def precision_at(recall: float, rate: float) -> float:
    """The share of thefts among the alerts, were there one theft a week per 10,000 clients; the rate is above 0."""
    return THEFTS_A_DAY * recall / (THEFTS_A_DAY * recall + rate)


def precision() -> pl.Expr:
    """The same of each row; null without a false alert: none among few client-days is no proof of none ever."""
    true, rate = THEFTS_A_DAY * pl.col("recall"), pl.col("per_day_per_10k")
    return pl.when(rate > 0).then(true / (true + rate))


def poisson(count: int) -> tuple[float, float]:
    """The 95 % interval of the mean that a count was drawn with (Garwood 1936): as if alerts fell independently."""
    low = float(chi2.ppf(0.025, 2 * count)) / 2 if count else 0.0
    return low, float(chi2.ppf(0.975, 2 * count + 2)) / 2


def _false_alerts(costs: pl.DataFrame) -> pl.DataFrame:
    rate = PER * pl.col("false_alerts") / pl.col("client_days")
    within = rate.is_between(pl.col("budget") / 2, pl.col("budget") * 2)
    sums = costs.group_by(_BY).agg(
        pl.col("false_alerts", "client_days").sum(),
        worlds=pl.len().cast(pl.Int64),
        within=pl.when(pl.col("budget").first().is_not_null()).then(within.mean()),
    )
    counts, clients = sums["false_alerts"].to_list(), PER / pl.col("client_days")
    bounds = pl.DataFrame([poisson(n) for n in counts], schema=["low", "high"], orient="row")
    told = sums.hstack(bounds).with_columns(
        per_day_per_10k=pl.col("false_alerts") * clients,
        per_day_low=pl.col("low") * clients,
        per_day_high=pl.col("high") * clients,
    )
    return told.with_columns(realised=pl.col("per_day_per_10k") / pl.col("budget"))


def _ordered(rows: pl.DataFrame, methods: list[str], *then: str) -> pl.DataFrame:
    place = pl.col("method").replace_strict({m: i for i, m in enumerate(methods)}, return_dtype=pl.Int64)
    return rows.sort(place, "budget", *then) if rows.height else rows

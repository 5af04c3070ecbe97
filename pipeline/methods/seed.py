"""The seed detection, exactly: fleet and own gate, all strict, for every client of the day.

Today is inside the fleet's statistics and outside the client's own, as in the original search; that it masks itself is
part of it. Better methods are other modules. R-numbers are the rules of the seed's specification (docs/detection.md).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import polars as pl

from pipeline import exact
from pipeline.detections.model import Rule
from pipeline.errors import Location, RuleError
from pipeline.schemas import ANOMALY_SCORES

NULL_CLIENT = "null"
STAGE_VERSION = 2
_NEAR = 1e-12
_INT64_MAX = 2**63 - 1
_WINDOW = ("window_days", "window_days_present", "window_complete")


@dataclass(frozen=True)
class Sums:
    """Exact power sums of known values."""

    n: int
    total: int
    squares: int

    def plus(self, other: Sums) -> Sums:
        """Both together."""
        return Sums(self.n + other.n, self.total + other.total, self.squares + other.squares)


def score(today: pl.DataFrame, baseline: pl.DataFrame, rule: Rule, day: dt.date) -> pl.DataFrame:
    """Rows of ANOMALY_SCORES: one a client of the day.

    Args:
        today: DAILY_TRAFFIC rows of the day.
        baseline: TRAFFIC_BASELINE rows of the day.
        rule: the rule.
        day: the day judged.

    Raises:
        RuleError: the baseline was made without this rule's series; no verdict could be told from a quiet day.
    """
    now = today.filter(pl.col("measure") == rule.measure.id)
    past = baseline.filter((pl.col("measure") == rule.measure.id) & (pl.col("lookback_days") == rule.lookback_days))
    if rule.null_client == "drop":
        now = now.filter(pl.col("client").is_not_null())
    if now.is_empty():
        return ANOMALY_SCORES.empty()
    if past.is_empty():
        raise RuleError(
            f"rule {rule.id} has no baseline of {rule.lookback_days} days for its series.",
            where=Location(day=day.isoformat()),
            remedy=f"Make it again: nilometer run --day {day}.",
        )
    rows = _fleet_gate(_beside_own_past(now, past, rule), _fleet(now, past, rule), rule)
    return ANOMALY_SCORES.conform(_verdicts(_own_gate(rows, rule), rule, day))


def _fleet(now: pl.DataFrame, past: pl.DataFrame, rule: Rule) -> Sums:
    """R7: all known values of the window, today's included."""
    counted = pl.col("scope") == "fleet"
    if rule.null_client == "literal":
        counted |= pl.col("client").is_null()
    fleet = Sums(now["bytes"].count(), *exact.join_limbs(*now.select(exact.power_sums()).row(0)))
    for n, total, squares in past.filter(counted).select("n_past_values", "sum_bytes", "sum_squares").iter_rows():
        fleet = fleet.plus(Sums(n, int(total), int(squares)))
    return fleet


def _beside_own_past(now: pl.DataFrame, past: pl.DataFrame, rule: Rule) -> pl.DataFrame:
    """Each client of the day with its own past (R9): n, mean, deviation and the exact sums."""
    deviation = pl.col("stdev_bytes")
    if rule.stdev_of_one == "zero":
        deviation = pl.when(pl.col("n_past_values") == 1).then(0.0).otherwise(deviation)
    own = past.filter(pl.col("scope") == "client").select(
        "client",
        "n_past_rows",
        "n_past_values",
        "sum_bytes",
        "sum_squares",
        per_source_avg_bytes="avg_bytes",
        per_source_stdev_bytes=deviation,
    )
    window = [pl.lit(past[c][0], past.schema[c]).alias(c) for c in _WINDOW]
    return (
        now.select("client", "bytes")
        .join(own, on="client", how="left", nulls_equal=True)
        .with_columns(
            *window,
            n=pl.col("n_past_rows").fill_null(0) + 1,
            n_past_values=pl.col("n_past_values").fill_null(0),
        )
    )


def _fleet_gate(rows: pl.DataFrame, fleet: Sums, rule: Rule) -> pl.DataFrame:
    """R7, R10: one whole number is the gate of all clients."""
    zero = rule.stdev_of_one == "zero"
    deviation = 0.0 if zero and fleet.n == 1 else exact.stdev(fleet.n, fleet.total, fleet.squares)
    limit = exact.gate(fleet.n, fleet.total, fleet.squares, rule.threshold, stdev_of_one_is_zero=zero)
    above = pl.lit(None, pl.Boolean) if limit is None else pl.col("bytes") > min(limit, _INT64_MAX)
    return rows.with_columns(
        fleet_n=pl.lit(fleet.n, pl.Int64),
        avg_bytes=pl.lit(exact.mean(fleet.n, fleet.total), pl.Float64),
        stdev_bytes=pl.lit(deviation, pl.Float64),
        gate_fleet=above,
    ).with_columns(_distance("fleet_n", pl.lit(fleet.total, pl.Int128), "stdev_bytes").alias("from_fleet"))


def _own_gate(rows: pl.DataFrame, rule: Rule) -> pl.DataFrame:
    """R9, R10: floats decide where they clearly can, Python's integers near the gate.

    `from_own` is within 2^-49 of the true distance: d is exact, so nothing cancels, and what is left is the deviation's
    2^-51, two roundings to Float64, a product and a division. Only distances within 1e-12 of the threshold are decided
    again. The signs of d and of the deviation are exact, so flat clients need no second look.
    """
    k, distance, deviation = float(rule.threshold), pl.col("from_own"), pl.col("per_source_stdev_bytes")
    total = pl.col("sum_bytes").cast(pl.Int128)
    rows = rows.with_columns(from_own=_distance("n_past_values", total, "per_source_stdev_bytes"))
    ahead = _ahead("n_past_values", total) > 0
    rows = rows.with_columns(
        near=ahead & ((distance - k).abs() <= _NEAR * k),
        gate_client=pl.when(deviation.is_not_null() & ahead.is_not_null()).then(
            ahead & ((deviation == 0) | (distance > k).fill_null(False))
        ),
    )
    near = rows.filter("near").select("client", "bytes", "n_past_values", "sum_bytes", "sum_squares")
    if near.is_empty():
        return rows
    zero = rule.stdev_of_one == "zero"
    decided = [
        exact.exceeds(x, n, int(total), int(squares), rule.threshold, stdev_of_one_is_zero=zero)
        for _, x, n, total, squares in near.iter_rows()
    ]
    again = near.select("client", decided=pl.Series(decided, dtype=pl.Boolean))
    rows = rows.join(again, on="client", how="left", nulls_equal=True)
    return rows.with_columns(gate_client=pl.coalesce("decided", "gate_client"))


def _ahead(n: str, total: pl.Expr) -> pl.Expr:
    """How far the value lies above the mean, times n: n x - total, a whole number below 2^127."""
    return pl.col("bytes").cast(pl.Int128) * pl.col(n) - total


def _distance(n: str, total: pl.Expr, deviation: str) -> pl.Expr:
    """Signed distance from the mean in deviations; null when the deviation is 0 or unknown (R11)."""
    return pl.when(pl.col(deviation) > 0).then(_ahead(n, total).cast(pl.Float64) / (pl.col(n) * pl.col(deviation)))


def _verdicts(rows: pl.DataFrame, rule: Rule, day: dt.date) -> pl.DataFrame:
    enough = pl.col("n") >= rule.minimum_data_samples
    alert = enough & pl.col("gate_fleet").fill_null(False) & pl.col("gate_client").fill_null(False)
    return rows.with_columns(
        day=pl.lit(day),
        rule_id=pl.lit(rule.id),
        measure=pl.lit(rule.measure.id),
        client=pl.col("client").fill_null(NULL_CLIENT),
        num_standard_deviations_away_from_server_average=exact.round_half_up(pl.col("from_fleet").abs()),
        num_standard_deviations_away_from_client_average=exact.round_half_up(pl.col("from_own").abs()),
        gate_samples=enough,
        state=pl.when(alert)
        .then(pl.lit("alert"))
        .when(pl.col("n_past_values") == 0)
        .then(pl.lit("no_history"))
        .when(enough)
        .then(pl.lit("normal"))
        .otherwise(pl.lit("learning")),
    )

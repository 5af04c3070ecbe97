"""The seed detection, exactly, and its siblings: fleet and own gate, all strict, for every client of the day.

Today is inside the fleet's statistics and outside the client's own, as in the original search; that it masks itself is
part of it. A rule may change who is asked, fill silent days, and set a floor; other methods are other modules.
R-numbers are the rules of the seed's specification (docs/detection.md).
"""

from __future__ import annotations

import datetime as dt

import polars as pl

from pipeline import exact
from pipeline.detections.model import Rule
from pipeline.errors import Location, RuleError
from pipeline.methods.others import beside_others
from pipeline.methods.surroundings import Surroundings
from pipeline.schemas import ANOMALY_SCORES

NULL_CLIENT = "null"
STAGE_VERSION = 2
_NEAR = 1e-12
_WIDE_END = 1 << 126
_WINDOW = ("window_days", "window_days_present", "window_complete")


def score(
    today: pl.DataFrame, baseline: pl.DataFrame, rule: Rule, day: dt.date, around: Surroundings | None = None
) -> pl.DataFrame:
    """Rows of ANOMALY_SCORES: one a client of the day.

    Args:
        today: DAILY_TRAFFIC rows of the day.
        baseline: TRAFFIC_BASELINE rows of the day.
        rule: the rule.
        day: the day judged.
        around: the site's groups and the days read, for rules that ask for them.

    Raises:
        RuleError: the baseline was made without this rule's series; no verdict could be told from a quiet day.
    """
    now, past = judged_rows(today, baseline, rule, day)
    if now.is_empty():
        return ANOMALY_SCORES.empty()
    around = around or Surroundings()
    rows = beside_own_past(now, past, rule, around)
    if rule.stdev_of_one == "zero":
        one = pl.col("n_past_values") == 1
        deviation = pl.when(one).then(0.0).otherwise(pl.col("per_source_stdev_bytes"))
        rows = rows.with_columns(per_source_stdev_bytes=deviation)
    rows = beside_others(rows, past, rule, around.groups)
    rows = rows.with_columns(_distance("fleet_n", pl.col("fleet_total"), "stdev_bytes").alias("from_fleet"))
    return ANOMALY_SCORES.conform(_verdicts(_own_gate(rows, rule), rule, day))


def judged_rows(
    today: pl.DataFrame, baseline: pl.DataFrame, rule: Rule, day: dt.date
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows of the day that the rule judges, and those of the baseline that it judges them by.

    Raises:
        RuleError: there are clients to judge, and the baseline was made without this rule's series.
    """
    now = today.filter(pl.col("measure") == rule.measure.id)
    past = baseline.filter((pl.col("measure") == rule.measure.id) & (pl.col("lookback_days") == rule.lookback_days))
    if rule.null_client == "drop":
        now = now.filter(pl.col("client").is_not_null())
    if past.is_empty() and not now.is_empty():
        raise RuleError(
            f"rule {rule.id} has no baseline of {rule.lookback_days} days for its series.",
            where=Location(day=day.isoformat()),
            remedy=f"Make it again: nilometer run --day {day}.",
        )
    return now, past


def beside_own_past(now: pl.DataFrame, past: pl.DataFrame, rule: Rule, around: Surroundings) -> pl.DataFrame:
    """Each client of the day with its own past (R9): n, mean, deviation and the exact sums, silent days filled in."""
    own = past.filter(pl.col("scope") == "client").select(
        "client",
        "n_past_rows",
        "n_past_values",
        "sum_bytes",
        "sum_squares",
        per_source_avg_bytes="avg_bytes",
        per_source_stdev_bytes="stdev_bytes",
    )
    window = [pl.lit(past[c][0], past.schema[c]).alias(c) for c in _WINDOW]
    rows = (
        now.select("client", "bytes")
        .join(own, on="client", how="left", nulls_equal=True)
        .with_columns(
            *window,
            n=pl.col("n_past_rows").fill_null(0) + 1,
            n_past_values=pl.col("n_past_values").fill_null(0),
        )
    )
    if rule.fill == "none":
        return rows
    day = past["day"][0]
    first = day - dt.timedelta(days=rule.lookback_days)
    return _filled(rows, sum(first <= d < day for d in around.told_days(rule.measure.id)))


def _filled(rows: pl.DataFrame, days: int) -> pl.DataFrame:
    """The rows with the client's missing days counted as 0: the sums stay, the counts grow.

    Machine integers where n x squares, and so total^2, surely stay below 2^126, as in the baseline, else Python's.
    """
    missing = (pl.lit(days, pl.Int64) - (pl.col("n") - 1)).clip(0)
    rows = rows.with_columns(
        n=pl.col("n") + missing,
        n_past_values=pl.col("n_past_values") + missing,
        sum_bytes=pl.col("sum_bytes").fill_null("0"),
        sum_squares=pl.col("sum_squares").fill_null("0"),
    )
    n, (total, squares) = (
        pl.col("n_past_values"),
        (pl.col(c).cast(pl.Int128, strict=False) for c in ("sum_bytes", "sum_squares")),
    )
    fits = (squares < pl.lit(_WIDE_END, pl.Int128) // n.clip(1)).fill_null(False)
    spread = (n * squares - total * total).cast(pl.Float64)
    rows = rows.with_columns(
        fits=fits,
        per_source_avg_bytes=pl.when(fits & (n > 0)).then(total.cast(pl.Float64) / n),
        per_source_stdev_bytes=pl.when(fits & (n > 1)).then((spread / (n * (n - 1))).sqrt()),
    )
    return rows.drop("fits") if rows["fits"].all() else _filled_huge(rows).drop("fits")


def _filled_huge(rows: pl.DataFrame) -> pl.DataFrame:
    huge = rows.filter(~pl.col("fits")).select("client", "n_past_values", "sum_bytes", "sum_squares")
    known = [(c, n, int(total), int(squares)) for c, n, total, squares in huge.iter_rows()]
    schema = {"client": pl.String, "exact_avg": pl.Float64, "exact_stdev": pl.Float64}
    again = [(c, exact.mean(n, total), exact.stdev(n, total, squares)) for c, n, total, squares in known]
    rows = rows.join(pl.DataFrame(again, schema=schema, orient="row"), on="client", how="left", nulls_equal=True)
    return rows.with_columns(
        per_source_avg_bytes=pl.coalesce("exact_avg", "per_source_avg_bytes"),
        per_source_stdev_bytes=pl.coalesce("exact_stdev", "per_source_stdev_bytes"),
    ).drop("exact_avg", "exact_stdev")


def _own_gate(rows: pl.DataFrame, rule: Rule) -> pl.DataFrame:
    """R9, R10: floats decide where they clearly can, Python's integers near the gate.

    `from_own` is within 2^-49 of the true distance: d is exact, so nothing cancels, and what is left is the deviation's
    2^-51, two roundings to Float64, a product and a division. Only distances within 1e-12 of the threshold are decided
    again. The signs of d and of the deviation are exact, so flat clients need no second look.
    """
    k, distance, deviation = float(rule.own_threshold), pl.col("from_own"), pl.col("per_source_stdev_bytes")
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
        exact.exceeds(x, n, int(total), int(squares), rule.own_threshold, stdev_of_one_is_zero=zero)
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
    asked = [c for c, wanted in (("gate_fleet", rule.asks_others), ("gate_client", rule.asks_own)) if wanted]
    passed = pl.all_horizontal(enough, *(pl.col(c).fill_null(False) for c in asked))
    alert = passed & (pl.col("bytes") >= rule.floor).fill_null(False)
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

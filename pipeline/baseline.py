"""Window statistics of the past, per client and for the whole fleet, from daily traffic.

A baseline covers days before its day only, and says how much of its window was there. Today's part is added by the
methods.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from typing import Any

import polars as pl

from pipeline import exact
from pipeline.days import window_days
from pipeline.detections.model import Measure
from pipeline.schemas import TRAFFIC_BASELINE

STAGE_VERSION = 1


def build_baseline(
    history: pl.LazyFrame,
    day: dt.date,
    series: Sequence[tuple[Measure, int]],
    *,
    start: dt.date,
    present: Collection[dt.date],
) -> pl.DataFrame:
    """Rows of TRAFFIC_BASELINE for one day.

    Args:
        history: stored rows of DAILY_TRAFFIC of at least the longest window.
        day: the day the baseline is for; its rows are not looked at.
        series: (measure, lookback days) pairs.
        start: the site's first day; no window reaches before it.
        present: days of daily traffic that are stored.
    """
    frames = [_one(history, day, m, lookback, start, present) for m, lookback in series]
    return TRAFFIC_BASELINE.conform(pl.concat(frames)) if frames else TRAFFIC_BASELINE.empty()


def _one(
    history: pl.LazyFrame, day: dt.date, measure: Measure, lookback: int, start: dt.date, present: Collection[dt.date]
) -> pl.DataFrame:
    window = window_days(day, lookback, start)
    seen = sum(d in set(present) for d in window)
    past = history.filter(
        (pl.col("measure") == measure.id)
        & (pl.col("day") < day)
        & (pl.col("day") >= day - dt.timedelta(days=lookback))
        & (pl.col("day") >= start)
    )
    limbs = (
        past.group_by("client")
        .agg(
            n_past_rows=pl.len().cast(pl.Int64),
            n_past_values=pl.col("bytes").count().cast(pl.Int64),
            **{e.meta.output_name(): e for e in exact.power_sums()},
        )
        .sort("client", nulls_last=True)
        .collect()
    )
    rows = [
        _row(
            "client",
            r["client"],
            r["n_past_rows"],
            r["n_past_values"],
            *exact.join_limbs(r["h"], r["l"], r["hh"], r["hl"], r["ll"]),
        )
        for r in limbs.iter_rows(named=True)
    ]
    named = [r for r in rows if r["client"] is not None]
    # The fleet row leaves out flows without a client; a rule that keeps them adds that client's row (R5).
    rows.append(
        _row(
            "fleet",
            None,
            sum(int(r["n_past_rows"]) for r in named),
            sum(int(r["n_past_values"]) for r in named),
            sum(int(r["sum_bytes"]) for r in named),
            sum(int(r["sum_squares"]) for r in named),
        )
    )
    return (
        pl.DataFrame(
            rows,
            infer_schema_length=None,
            schema_overrides={"client": pl.String, "avg_bytes": pl.Float64, "stdev_bytes": pl.Float64},
        )
        .with_columns(
            day=pl.lit(day),
            measure=pl.lit(measure.id),
            lookback_days=pl.lit(lookback, pl.Int64),
            window_days=pl.lit(len(window), pl.Int64),
            window_days_present=pl.lit(seen, pl.Int64),
            window_complete=pl.lit(seen == len(window)),
        )
        .select(TRAFFIC_BASELINE.schema.names())
    )


def _row(scope: str, client: str | None, rows: int, values: int, total: int, squares: int) -> dict[str, Any]:
    return {
        "scope": scope,
        "client": client,
        "n_past_rows": rows,
        "n_past_values": values,
        "avg_bytes": exact.mean(values, total),
        "stdev_bytes": exact.stdev(values, total, squares),
        "sum_bytes": str(total),
        "sum_squares": str(squares),
    }

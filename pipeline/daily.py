"""From a day's flows to one row a measure and client: the series that the rules judge.

Unknown byte counts stay unknown, blocked flows stay outside, and a day without traffic has no row. Windows and
verdicts do not belong here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import polars as pl

from pipeline.detections.model import Measure
from pipeline.schemas import DAILY_TRAFFIC

STAGE_VERSION = 1
_INT64_MAX = 2**63 - 1


def measured(flows: pl.LazyFrame, measure: Measure) -> pl.LazyFrame:
    """The flows that count for a measure (R3: any of several categories)."""
    category = pl.col(f"{measure.category_side}_category")
    return flows.filter(
        category.list.contains(measure.category).fill_null(False) & pl.col("action").ne_missing("blocked")
    )


def known_sum(field: str) -> pl.Expr:
    """Aggregation: the sum of what is known, null when nothing is (R6), the largest Int64 when it is larger."""
    value = pl.col(field)
    total = value.cast(pl.Int128).sum().clip(upper_bound=_INT64_MAX)
    return pl.when(value.count() > 0).then(total).cast(pl.Int64)


def build_daily(flows: pl.LazyFrame | pl.DataFrame, measures: Sequence[Measure], day: dt.date) -> pl.DataFrame:
    """Rows of DAILY_TRAFFIC from the FLOWS rows of one day.

    Sums are exact; one that passes 64 bits stays at the largest value instead of wrapping.
    """
    frames = [_series(flows.lazy(), m, day) for m in measures]
    if not frames:
        return DAILY_TRAFFIC.empty()
    return DAILY_TRAFFIC.conform(pl.concat(frames).collect(engine="streaming"))


def _series(flows: pl.LazyFrame, measure: Measure, day: dt.date) -> pl.LazyFrame:
    value = pl.col(measure.field)
    server = "dest_ip" if measure.subject == "src_ip" else "src_ip"
    return (
        measured(flows, measure)
        .group_by(client=pl.col(measure.subject))
        .agg(
            bytes=known_sum(measure.field),
            flows=pl.len().cast(pl.Int64),
            flows_unknown=value.null_count().cast(pl.Int64),
            servers=pl.col(server).n_unique().cast(pl.Int64),
            first_start=pl.col("start_time").min(),
            last_start=pl.col("start_time").max(),
        )
        .with_columns(day=pl.lit(day), measure=pl.lit(measure.id))
        .select(DAILY_TRAFFIC.schema.names())
    )


def measure_totals(flows: pl.LazyFrame | pl.DataFrame, measures: Sequence[Measure]) -> dict[str, int]:
    """For each measure the exact sum of its field over the flows that count: what the daily rows must add up to."""
    totals = {}
    for measure in measures:
        picked = measured(flows.lazy(), measure).select(pl.col(measure.field).cast(pl.Int128).sum())
        totals[measure.id] = int(picked.collect().item() or 0)
    return totals

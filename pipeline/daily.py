"""From a day's flows to one row a measure and client: the series that the rules judge.

A series sums bytes, or counts flows, other ends or ports. What is unknown stays unknown, blocked flows stay outside,
and a day without traffic has no row. Windows and verdicts do not belong here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import polars as pl

from pipeline.detections.model import Measure
from pipeline.exact import INT64_MAX
from pipeline.schemas import DAILY_TRAFFIC

STAGE_VERSION = 1


def measured(flows: pl.LazyFrame, measure: Measure) -> pl.LazyFrame:
    """The flows that count for a measure."""
    return flows.filter(counts_for(measure))


def counts_for(measure: Measure) -> pl.Expr:
    """Whether a flow counts for a measure (R3: any of several categories); what a filter asks for must be known."""
    category = pl.col(f"{measure.category_side}_category")
    counts = category.list.contains(measure.category).fill_null(False) & pl.col("action").ne_missing("blocked")
    if measure.dest_port:
        counts &= pl.col("dest_port").is_in(measure.dest_port).fill_null(False)
    if measure.transport:
        counts &= pl.col("transport").is_in(measure.transport).fill_null(False)
    if measure.app:
        # Zeek names several services of one connection, parted by commas.
        names = pl.col("app").str.to_lowercase().str.split(",").list.eval(pl.element().str.strip_chars())
        counts &= pl.any_horizontal(*(names.list.contains(a) for a in measure.app)).fill_null(False)
    return counts


def known_sum(value: str | pl.Expr) -> pl.Expr:
    """Aggregation: the sum of what is known, null when nothing is (R6), the largest Int64 when it is larger."""
    value = pl.col(value) if isinstance(value, str) else value
    total = value.cast(pl.Int128).sum().clip(upper_bound=INT64_MAX)
    return pl.when(value.count() > 0).then(total).cast(pl.Int64)


def flow_bytes(measure: Measure) -> pl.Expr:
    """A flow's bytes in the measure's direction (Int64), or in both (Int128); unknown when a direction is.

    Where the log has only a total, that is both.
    """
    if measure.field in ("bytes_in", "bytes_out"):
        return pl.col(measure.field)
    both = pl.col("bytes_in").cast(pl.Int128) + pl.col("bytes_out").cast(pl.Int128)
    return pl.coalesce(both, pl.col("bytes").cast(pl.Int128))


def _values(measure: Measure) -> tuple[pl.Expr, pl.Expr]:
    """Aggregations of the measure's value, and of how many flows' part in it is unknown."""
    if measure.field == "flows":
        return pl.len().cast(pl.Int64), pl.lit(0, pl.Int64)
    if measure.summed:
        return known_sum(flow_bytes(measure)), flow_bytes(measure).null_count().cast(pl.Int64)
    counted = pl.col(measure.peer if measure.field == "peers" else "dest_port")
    distinct = pl.when(counted.count() > 0).then(counted.drop_nulls().n_unique())
    return distinct.cast(pl.Int64), counted.null_count().cast(pl.Int64)


def build_daily(flows: pl.LazyFrame | pl.DataFrame, measures: Sequence[Measure], day: dt.date) -> pl.DataFrame:
    """Rows of DAILY_TRAFFIC from the FLOWS rows of one day.

    Sums are exact; one that passes 64 bits stays at the largest value instead of wrapping.
    """
    frames = [_series(flows.lazy(), m, day) for m in measures]
    if not frames:
        return DAILY_TRAFFIC.empty()
    return DAILY_TRAFFIC.conform(pl.concat(frames).collect(engine="streaming"))


def _series(flows: pl.LazyFrame, measure: Measure, day: dt.date) -> pl.LazyFrame:
    value, unknown = _values(measure)
    peer = pl.col(measure.peer).cast(pl.Categorical).to_physical()  # Distinct numbers cost less than distinct texts.
    return (
        measured(flows, measure)
        .group_by(client=pl.col(measure.subject))
        .agg(
            bytes=value,
            flows=pl.len().cast(pl.Int64),
            flows_unknown=unknown,
            servers=peer.n_unique().cast(pl.Int64),
            first_start=pl.col("start_time").min(),
            last_start=pl.col("start_time").max(),
        )
        .with_columns(day=pl.lit(day), measure=pl.lit(measure.id))
        .select(DAILY_TRAFFIC.schema.names())
    )


def conserved(measure: Measure) -> str:
    """The column of DAILY_TRAFFIC that adds up over clients: the value, or the flows behind a distinct count."""
    return "bytes" if measure.summed else "flows"


def measure_totals(flows: pl.LazyFrame | pl.DataFrame, measures: Sequence[Measure]) -> dict[str, int]:
    """For each measure the exact sum over the flows that count: what its conserved column must add up to."""
    totals = dict[str, pl.Expr]()
    for measure in measures:
        counts = counts_for(measure)
        bytes_summed = measure.summed and measure.field != "flows"
        totals[measure.id] = flow_bytes(measure).cast(pl.Int128).filter(counts).sum() if bytes_summed else counts.sum()
    if not totals:
        return {}  # Nothing selected is no row.
    found = flows.lazy().select(**totals).collect(engine="streaming").row(0, named=True)
    return {name: int(total or 0) for name, total in found.items()}

"""Puts times of exporters right that count them in 32 bits of milliseconds since they were started.

NetFlow 5 and 9 tell a flow's times by such an uptime (RFC 3954), which begins anew after 49.7 days. Where it did so
between a flow and its record, or long before where the exporter does not notice, collectors date the flow whole rounds
too early or too late. How many is told by the record's own time and by the flow's end; no other distance is touched.
"""

from __future__ import annotations

from itertools import chain

import polars as pl

from pipeline.sources import zeek_columns as conn
from pipeline.sources.instants import epoch_us

ROUND_US = 2**32 * 1_000
_NEAR_US = 3_600_000_000
"""How near two times come to whole rounds where the clock is to blame: longer than exporters hold a flow back."""
_LEAST_US = 40 * 86_400_000_000
"""A block whose times lie closer together has none that is a round away."""
_TIMES = ("ts", "end", "write_ts")
_DAY = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
WENT_ROUND = "went_round"
"""The column that marks records whose times were put right."""
WARNING = "clock_went_round"
"""What such records are counted as."""


def put_right(fields: pl.DataFrame, zone: str, *, ends_wrap: bool = False) -> pl.DataFrame:
    """Records with their start and end in the right round, marked where that is another one.

    Args:
        fields: with ts, end, write_ts and duration, typed or as text.
        zone: of times as text without one.
        ends_wrap: whether the collector counts in 32 bits, too: an end that the exporter's clock had not yet reached
            when it wrote the record, as of a line card whose clock is ahead, is then a round too early. Elsewhere a
            start that is a round later than its end is the wrong one.
    """
    if not _far_apart(fields, zone):
        return fields.with_columns(pl.lit(value=False).alias(WENT_ROUND))
    told = fields.select(
        pl.when(_instant(fields, c, zone) > conn.EARLIEST_US).then(_instant(fields, c, zone)).alias(c) for c in _TIMES
    ).with_columns(lasted=pl.lit(fields["duration"].cast(pl.Float64, strict=False) * 1e6))
    after = pl.when(pl.col("ts") > pl.col("end")).then("ts") if ends_wrap else None
    told = told.with_columns(end_by=_rounds(pl.coalesce("write_ts", after) - pl.col("end")))
    ended = pl.col("end") + pl.col("end_by") * ROUND_US
    told = told.with_columns(
        ts_by=_rounds(pl.coalesce(ended, "write_ts") - pl.col("ts")), longer=_rounds(pl.col("lasted"))
    )
    # Without an end, and without a record's time, how long the flow lasted tells that it began a round too early.
    alone = pl.col("end").is_null() & pl.col("write_ts").is_null()
    told = told.with_columns(ts_by=pl.when(alone).then("longer").otherwise("ts_by"))
    shorter = told.select(((pl.col("lasted") - pl.col("longer") * ROUND_US) / 1e6).alias("s"), "longer")
    kept = fields.schema["duration"]
    return fields.with_columns(
        _moved(fields, told, "ts"),
        _moved(fields, told, "end"),
        pl.when(pl.lit(shorter["longer"]) != 0)
        .then(pl.lit(shorter["s"].cast(kept)))
        .otherwise("duration")
        .alias("duration"),
        told.select(((pl.col("ts_by") != 0) | (pl.col("end_by") != 0)).alias(WENT_ROUND)).to_series(),
    )


def _instant(fields: pl.DataFrame, column: str, zone: str) -> pl.Expr:
    return pl.col(column) if fields.schema[column] == pl.Int64 else epoch_us(column, zone)


def _far_apart(fields: pl.DataFrame, zone: str) -> bool:
    """Whether any two times of the records, or a duration, are far enough from each other."""
    lasted = fields["duration"].cast(pl.Float64, strict=False).max()
    if isinstance(lasted, float) and lasted * 1e6 > _LEAST_US:
        return True
    text = [c for c in _TIMES if fields.schema[c] == pl.String]
    ends = [_ends(pl.col(c).cast(pl.Int64)) for c in _TIMES if c not in text]
    told = [_told(fields, c, zone).select(*_named(_ends(pl.col("t")))).row(0) for c in text]
    known = [t for row in (fields.select(*_named(*ends)).row(0), *told) for t in row if t is not None]
    return bool(known) and max(known) - min(known) > _LEAST_US


def _ends(times: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    """The first and last of times that can be."""
    able = times.filter(times > conn.EARLIEST_US)
    return able.min(), able.max()


def _named(*ends: tuple[pl.Expr, pl.Expr]) -> list[pl.Expr]:
    return [end.alias(str(i)) for i, end in enumerate(chain.from_iterable(ends))] or [pl.lit(None)]


def _told(fields: pl.DataFrame, column: str, zone: str) -> pl.DataFrame:
    """The times `t` of a column of text; the days alone where all have them."""
    days = fields[column].drop_nulls().str.head(10).unique()
    if days.str.contains(_DAY).all():
        return days.str.to_date(strict=False).cast(pl.Datetime("us")).dt.epoch("us").to_frame("t")
    return fields.select(epoch_us(column, zone).alias("t"))


def _rounds(apart: pl.Expr) -> pl.Expr:
    """How many whole rounds a distance is; 0 where it is none of them, or unknown."""
    whole = (apart / ROUND_US).round()
    near = (apart - whole * ROUND_US).abs() < _NEAR_US
    return pl.when(near & whole.is_finite()).then(whole).cast(pl.Int64, strict=False).fill_null(0)


def _moved(fields: pl.DataFrame, told: pl.DataFrame, column: str) -> pl.Expr:
    """A time in its right round; as text it is one of UTC."""
    right = told.select(pl.col(column) + pl.col(f"{column}_by") * ROUND_US).to_series()
    if fields.schema[column] == pl.String:
        right = pl.from_epoch(right, time_unit="us").dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")
    there = (told[f"{column}_by"] != 0) & right.is_not_null()
    return pl.when(pl.lit(there)).then(pl.lit(right)).otherwise(column).alias(column)

"""Corrects records that give the time at which a session was logged, its end, for its start: by how long it lasted."""

from __future__ import annotations

import polars as pl

from pipeline.sources import instants

ZONED = r"(?:Z|[+-]\d\d:?\d\d|^\d[\d.]*)$"
"""A time that tells its zone, or needs none."""


def epoch_us(fields: pl.DataFrame, column: str) -> pl.Expr:
    """Epoch microseconds of a time, those without a zone as if they were of UTC."""
    return pl.col(column) if fields.schema[column] == pl.Int64 else instants.epoch_us(column, "UTC")


def put_back(fields: pl.DataFrame, late: pl.Expr, lasted: pl.Expr) -> pl.DataFrame:
    """Records with their start before the time that they tell, and no other end.

    Args:
        fields: records whose ts is a time, as text or in epoch microseconds.
        late: which were logged when they ended.
        lasted: how long, in microseconds.
    """
    start = epoch_us(fields, "ts") - lasted.cast(pl.Int64, strict=False)
    if fields.schema["ts"] != pl.Int64:
        plain = pl.from_epoch(start, time_unit="us").dt.strftime("%Y-%m-%dT%H:%M:%S%.6f")
        start = pl.when(pl.col("ts").str.contains(ZONED)).then(start.cast(pl.String)).otherwise(plain)
    late = (late & (lasted > 0)).fill_null(value=False)
    return fields.with_columns(
        ts=pl.when(late & start.is_not_null()).then(start).otherwise("ts"),
        end=pl.when(~late).then("end"),
    )

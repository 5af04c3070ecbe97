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
        start = pl.when(pl.col("ts").str.contains(ZONED)).then(instants.as_text(start)).otherwise(plain)
    late = (late & (lasted > 0)).fill_null(value=False)
    return fields.with_columns(
        ts=pl.when(late & start.is_not_null()).then(start).otherwise("ts"),
        end=pl.when(~late).then("end"),
    )


MINUTE_US = 60_000_000
"""How often exporters tell of a session that goes on, as Antrea's and QRadar's do."""


def own_stretch(fields: pl.DataFrame, part: pl.Expr, whole: str) -> pl.DataFrame:
    """Records of stretches that all tell when their session began, with their own: the minute before their end.

    Such exporters (Antrea's flow aggregator) tell bytes since the last record beside those since the beginning, and
    make a record a minute.

    Args:
        fields: records whose ts and end are times, as text or in epoch microseconds.
        part: the bytes since the last record.
        whole: the column of those since the session's beginning.
    """
    if whole not in fields.columns or fields[whole].null_count() == fields.height:
        return fields
    counted, so_far = (c.cast(pl.Float64, strict=False) for c in (part, pl.col(whole)))
    began, ended = epoch_us(fields, "ts"), epoch_us(fields, "end") - MINUTE_US
    late = ((counted < so_far) & (ended > began)).fill_null(value=False)
    own = ended if fields.schema["ts"] == pl.Int64 else instants.as_text(ended)
    return fields.with_columns(ts=pl.when(late).then(own).otherwise("ts"))

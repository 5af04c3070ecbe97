"""The fast path of a conn.log: stretches of lines as typed columns, where every value of them is plainly what it is.

Where any is not, nothing is said: the reference path in `zeek_columns` then gives the same rows, and each other line
its reason.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from pipeline.schemas import MAX_FLOW_BYTES
from pipeline.sources import zeek_columns as zeek
from pipeline.sources.base import ReadOptions
from pipeline.sources.zeek_header import ZeekHeader

_FLOATS = ("ts", "write_ts", "duration")
_INTS = (*zeek.COUNTERS, "src_port", "dest_port")
_TEXTS = ("uid", "proto", "service", "conn_state", "system", "path", "vlan")


def clean(data: bytes, numbers: pl.Series, header: ZeekHeader, options: ReadOptions) -> pl.DataFrame | None:
    """The lines, which have these numbers, with typed columns; None when any is not plainly clean.

    Times are seconds, and texts as they stand, until `tidied`.
    """
    names = header.names()
    if len(header.separator.encode()) != 1 or not header.sufficient:
        return None
    width = len(header.fields or [])
    schema = {_column(i): _type(names.get(i)) for i in range(width)}
    last = _column(width - 1)
    schema[last] = pl.String()
    try:
        # All columns are read: of a projection, Polars lets extra fields go without a word.
        frame = pl.read_csv(
            data,
            has_header=False,
            separator=header.separator,
            quote_char=None,
            schema=schema,
            empty_string_is_null=False,
            null_values={_column(i): header.unset or "-" for i in names if schema[_column(i)] != pl.String},
        )
    except pl.exceptions.PolarsError:
        return None
    if frame.height != len(numbers) or frame.select((pl.col(last).fill_null("") == "").any()).item():
        return None
    named = frame.select(pl.col(_column(i)).alias(n) for i, n in names.items())
    typed = _with_last(named.with_columns(numbers.alias("source_line")), header.unset)
    if typed is None:
        return None
    options.watch.learn(pl.concat([typed["src"], typed["dest"]]))
    return None if _doubted(typed, options) else typed


def _with_last(frame: pl.DataFrame, unset: str) -> pl.DataFrame | None:
    """All columns of TYPED, the last one of the file among them, which was read as text to notice short lines."""
    text = {c for c in frame.columns if frame.schema[c] == pl.String and c in (*_FLOATS, *_INTS)}
    try:
        frame = frame.with_columns(
            pl.when(pl.col(c) != unset).then(pl.col(c)).cast(_type(c)).alias(c) for c in sorted(text)
        )
    except pl.exceptions.PolarsError:
        return None
    return frame.with_columns(pl.lit(None, zeek.TYPED[c]).alias(c) for c in zeek.TYPED if c not in frame.columns)


def _doubted(frame: pl.DataFrame, options: ReadOptions) -> bool:
    """Whether a line has anything that the reference path would reject."""
    ts = pl.col("ts")
    faults = [
        ts.is_null().any() | ~ts.is_between(zeek.EARLIEST_US / 1e6, options.latest_us / 1e6).all(),
        ~pl.col("duration").is_finite().all(),
    ]
    faults += [(pl.col(c) < 0).any() for c in zeek.COUNTERS]
    faults += [(pl.col(c) > MAX_FLOW_BYTES).any() for c in ("orig_ip_bytes", "resp_ip_bytes")]
    faults += [~pl.col(c).is_between(0, 65_535).all() for c in ("src_port", "dest_port")]
    faults += [~pl.col("write_ts").cast(pl.Float64).is_between(0, 1e11).all()]
    faults += [options.watch.is_invalid(c).any() for c in ("src", "dest")]
    return bool(frame.select(pl.any_horizontal(f.fill_null(False) for f in faults)).item(0, 0))


def tidied(frame: pl.DataFrame, marks: Sequence[str]) -> pl.DataFrame:
    """Rows of a clean stretch as TYPED."""
    times = [micros(pl.col(c)).alias(c) for c in ("ts", "write_ts")]
    texts = [pl.when(~pl.col(c).is_in(marks)).then(pl.col(c)).alias(c) for c in _TEXTS]
    return frame.select(zeek.TYPED.names()).with_columns(*times, *texts)


def micros(seconds: pl.Expr) -> pl.Expr:
    """Epoch seconds as microseconds."""
    return (seconds.cast(pl.Float64) * 1e6).round().cast(pl.Int64)


def _type(name: str | None) -> pl.DataType:
    if name in _FLOATS:
        return pl.Float64()
    return pl.Int64() if name in _INTS else pl.String()


def _column(position: int) -> str:
    """The name that Polars gives a column of a file without a header it knows."""
    return f"column_{position + 1}"

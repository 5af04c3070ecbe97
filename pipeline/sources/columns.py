"""Columns of a table of any type as the fields of a form: as text, which is what forms are judged by, or typed.

The text of a value is what a log would have written, so that both ways come to the same flows; the typed way is taken
where the types allow it. Which fields a form has belongs to the forms, reading files to `tables`.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl
from polars.datatypes import DataTypeClass

from pipeline import clocks
from pipeline.sources import instants
from pipeline.sources import zeek_columns as conn

TIMES = ("ts", "end", "write_ts")
COUNTS = (*conn.COUNTERS, "src_port", "dest_port", "sent")
REALS = ("duration",)
ADDRESSES = ("src", "dest", "src_nat", "dest_nat", "received_by")
_PLAIN_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?P<between>[T ])[0-9:]{8}(?:\.(?P<fraction>[0-9]{1,9}))?(?P<zone>Z|\+00:?00|)"
)
_SAFE = (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32)
"""Types of which every value is an Int64."""


@dataclass(frozen=True)
class Found:
    """A column, or a value inside one: where it is, and its type."""

    path: tuple[str, ...]
    dtype: pl.DataType
    address: bool = False
    """Whether its values are addresses, of which binary ones may be packed, and whole numbers stand for IPv4."""
    utc: bool = False
    """Whether times without a zone are of UTC, by the file's own word."""

    @property
    def expr(self) -> pl.Expr:
        """The values."""
        expr = pl.col(self.path[0])
        for step in self.path[1:]:
            expr = expr.struct.field(step)
        return expr


def all_paths(schema: Mapping[str, pl.DataType]) -> Iterator[Found]:
    """Every column, and every field of columns that hold structs."""
    for name, dtype in schema.items():
        yield Found((name,), dtype)
        if isinstance(dtype, pl.Struct):
            inner = all_paths({f.name: f.dtype for f in dtype.fields})  # type: ignore[misc]
            yield from (Found((name, *f.path), f.dtype) for f in inner)


def locate(schema: Mapping[str, pl.DataType], fields: Mapping[str, Sequence[str]]) -> dict[str, list[Found]]:
    """For each field the columns that have one of its spellings, in their order; upper case is as good as lower."""
    by_name = dict[str, Found]()
    for found in all_paths(schema):
        by_name.setdefault(".".join(found.path).lower(), found)
    named = {ours: [s.lower().removesuffix("[]") for s in spelled] for ours, spelled in fields.items()}
    located = {ours: [by_name[s] for s in spelled if s in by_name] for ours, spelled in named.items()}
    return {
        ours: [replace(f, address=ours in ADDRESSES) for f in dict.fromkeys(found)] for ours, found in located.items()
    }


# As text


def text_of(found: Found) -> pl.Expr:
    """Values as a log would write them; those that stand for none are null."""
    if found.address and found.dtype.is_integer():
        return _dotted(found.expr)
    text = _binary_text(found) if found.dtype == pl.Binary else _worded(found.expr, found.dtype, utc=found.utc)
    if found.dtype != pl.String and not isinstance(found.dtype, pl.Categorical | pl.Enum):
        return text
    return pl.when(~text.is_in(conn.UNSET)).then(text)


def _worded(values: pl.Expr, dtype: pl.DataType, *, utc: bool = False) -> pl.Expr:
    """Values of a type as text; utc: whether times without a zone are of UTC."""
    if isinstance(dtype, pl.Datetime):
        zoned = dtype.time_zone is not None
        values = _told_times(values, dtype)
        values = values.dt.convert_time_zone("UTC") if zoned else values
        return values.dt.to_string("%Y-%m-%dT%H:%M:%S%.9f" + ("Z" if zoned or utc else ""))
    if dtype == pl.Date:
        return _told_days(values).dt.to_string("%Y-%m-%dT00:00:00")
    if isinstance(dtype, pl.Duration):
        return (values.dt.total_nanoseconds().cast(pl.Float64) / 1e9).cast(pl.String)
    if dtype.is_nested() or dtype.is_object():
        return _nested_text(values, dtype)
    text = values if dtype == pl.String else values.cast(pl.String, strict=False)
    if dtype.is_float():
        return pl.coalesce(conn.whole_number(values.cast(pl.Float64)).cast(pl.String), text)
    return text.str.replace(r"\.0+$", "") if dtype.is_decimal() else text


def _told_days(values: pl.Expr) -> pl.Expr:
    """Dates of which there is a text; null of those in years that nobody writes, which Polars cannot print."""
    return pl.when(values.is_between(dt.date.min, dt.date.max)).then(values)


def _told_times(values: pl.Expr, dtype: pl.Datetime) -> pl.Expr:
    """The same of times; nanoseconds reach no further than 2262."""
    if dtype.time_unit == "ns":
        return values
    first, last = (-62_135_596_800, 253_402_300_799)  # 0001-01-01 and the end of 9999.
    times = 1_000 if dtype.time_unit == "ms" else 1_000_000
    return pl.when(values.to_physical().is_between(first * times, last * times)).then(values)


def with_times_as_text(rows: pl.DataFrame, utc: Collection[tuple[str, ...]] = ()) -> pl.DataFrame:
    """Rows whose times, days and durations, at any depth, are as a log would write them.

    Args:
        rows: some of a file's.
        utc: the paths of columns whose times are of UTC, though they have no zone.
    """
    timed = {n: _timeless(pl.col(n), d, (n,), utc) for n, d in rows.schema.items() if _tells_time(d)}
    return rows.with_columns(**timed) if timed else rows


def _timeless(
    values: pl.Expr, dtype: pl.DataType | DataTypeClass, path: tuple[str, ...], utc: Collection[tuple[str, ...]]
) -> pl.Expr:
    """Values whose times and durations are as a log would write them; a day alone stands beside its time."""
    if dtype == pl.Date:
        return _told_days(values).cast(pl.String)
    if isinstance(dtype, pl.DataType) and dtype.is_temporal():
        return _worded(values, dtype, utc=path in utc)
    if isinstance(dtype, pl.Struct):
        inner = (_timeless(values.struct.field(f.name), f.dtype, (*path, f.name), utc) for f in dtype.fields)
        named = (value.alias(f.name) for value, f in zip(inner, dtype.fields, strict=True))
        return pl.when(values.is_not_null()).then(pl.struct(named))
    if isinstance(dtype, pl.List):
        return values.list.eval(_timeless(pl.element(), dtype.inner, path, utc))
    return values


def _tells_time(dtype: pl.DataType | DataTypeClass) -> bool:
    """Whether a time, a day or a duration is anywhere in a type."""
    if isinstance(dtype, pl.Struct):
        return any(_tells_time(f.dtype) for f in dtype.fields)
    return _tells_time(dtype.inner) if isinstance(dtype, pl.List) else dtype.is_temporal()


def _dotted(numbers: pl.Expr) -> pl.Expr:
    """IPv4 addresses that are whole numbers, as ClickHouse exports them; negative ones are of 32 bits with a sign."""
    number = numbers.cast(pl.Int64, strict=False)
    number = pl.when(number.is_between(-(2**31), 2**32 - 1)).then(number % 2**32)
    dotted = pl.concat_str([(number // 256**i % 256).cast(pl.String) for i in (3, 2, 1, 0)], separator=".")
    return pl.coalesce(dotted, numbers.cast(pl.String))


def _binary_text(found: Found) -> pl.Expr:
    def told(values: pl.Series) -> pl.Series:
        kinds = values.unique()
        texts = [_told(value, address=found.address) for value in kinds.to_list()]
        return values.replace_strict(kinds, pl.Series(texts, dtype=pl.String), return_dtype=pl.String)

    return found.expr.map_batches(told, pl.String)


def _told(value: bytes | None, *, address: bool) -> str | None:
    """Bytes as the text that they are, as the address of 4 or 16 bytes that they pack, or as hexadecimal digits."""
    if value is None:
        return None
    try:
        text = value.decode()
        if address and len(value) in (4, 16):
            ipaddress.ip_address(text)
    except ValueError:
        return str(ipaddress.ip_address(value)) if address and len(value) in (4, 16) else value.hex()
    return text


def _nested_text(values: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Objects and lists as JSON; a list of one value, or of one again and again, is that; nested lists tell nothing."""
    if isinstance(dtype, pl.Struct):
        return values.struct.json_encode()
    if isinstance(dtype, pl.List) and isinstance(dtype.inner, pl.DataType) and not dtype.inner.is_nested():
        mark = '"' if dtype.inner == pl.String else ""
        joined = values.cast(pl.List(pl.String), strict=False).list.join(f"{mark}, {mark}")
        several = pl.format(f"[{mark}{{}}{mark}]", joined)
        one = _worded(values.list.first(), dtype.inner)
        return pl.when(values.list.n_unique() == 1).then(one).otherwise(several)
    return pl.lit(None, pl.String)


def as_text(frame: pl.DataFrame, located: Mapping[str, Sequence[Found]]) -> pl.DataFrame:
    """A batch as text fields; the first column with a value wins."""
    picked = {
        ours: pl.coalesce([text_of(f) for f in found]) if found else pl.lit(None, pl.String)
        for ours, found in located.items()
    }
    return frame.select("source_line", raw=pl.lit(None, pl.String), **picked)


_WHOLE_UP_TO: Mapping[pl.DataType, int] = {pl.Float32(): 2**24, pl.Float16(): 2**11}
"""Floats of few bits hold every whole number below this, and of those above only some."""


def rounded(frame: pl.DataFrame, located: Mapping[str, Sequence[Found]]) -> dict[str, int]:
    """Rows whose bytes or times are floats of so few bits that they are rounded, by the warning's name."""
    counters = (*conn.BYTE_COUNTERS, "sent", "total")
    warnings = {"rounded_bytes": _coarse(frame, located, counters), "rounded_times": _coarse(frame, located, TIMES)}
    return {name: n for name, n in warnings.items() if n}


def _coarse(frame: pl.DataFrame, located: Mapping[str, Sequence[Found]], fields: Sequence[str]) -> int:
    coarse = [f for ours in fields for f in located.get(ours, ()) if f.dtype in _WHOLE_UP_TO]
    large = [(f.expr.abs() >= _WHOLE_UP_TO[f.dtype]) & f.expr.is_finite() for f in coarse]
    return int(frame.select(pl.any_horizontal(large).fill_null(value=False).sum()).item()) if large else 0


# Typed


@dataclass(frozen=True)
class Typed:
    """The expressions that make typed fields; `odd` marks values that do not fit, where that can be."""

    fields: dict[str, pl.Expr]
    odd: pl.Expr | None

    def judged(self, idle: Collection[str]) -> dict[str, pl.Expr]:
        """The same with `odd`, but nothing of the fields that decide nothing."""
        odd = {} if self.odd is None else {"odd": self.odd}
        return {n: pl.lit(None, _type_of(n)) if n in idle else made for n, made in self.fields.items()} | odd


def typed(located: Mapping[str, Sequence[Found]], zone: str) -> Typed | None:
    """How the fields are typed; None when a column has a type that must be read by its text."""
    fields, odd = dict[str, pl.Expr](), list[pl.Expr]()
    for ours, found in located.items():
        made = [_typed_one(ours, f, zone) for f in found]
        if any(m is None for m in made):
            return None
        known = [m for m in made if m is not None]
        fields[ours] = pl.coalesce(known) if known else pl.lit(None, _type_of(ours))
        if ours in (*COUNTS, *REALS):
            unsafe = [(f, m) for f, m in zip(found, known, strict=True) if f.dtype not in _SAFE]
            odd += [text_of(f).is_not_null() & m.is_null() for f, m in unsafe]
    for ours in (*TIMES, *COUNTS, *REALS):
        fields.setdefault(ours, pl.lit(None, _type_of(ours)))
    return Typed(fields, pl.any_horizontal(odd) if odd else None)


def _type_of(ours: str) -> pl.DataType:
    if ours in REALS:
        return pl.Float64()
    return pl.Int64() if ours in (*TIMES, *COUNTS) else pl.String()


def _typed_one(ours: str, found: Found, zone: str) -> pl.Expr | None:
    if ours in TIMES:
        return _time(found, zone)
    if ours in COUNTS:
        return _count(found)
    if ours in REALS:
        return _real(found)
    return text_of(found)


def _time(found: Found, zone: str) -> pl.Expr | None:
    values, dtype = found.expr, found.dtype
    if isinstance(dtype, pl.Datetime):
        values = _told_times(values, dtype).dt.cast_time_unit("us")
        values = values if dtype.time_zone is not None else clocks.instants(values, "UTC" if found.utc else zone)
        return values.dt.epoch("us")
    if dtype in _SAFE:
        return instants.scaled_us(values.cast(pl.Float64), values.cast(pl.Int64))
    if dtype == pl.Float64:
        return instants.scaled_us(values, pl.lit(None, pl.Int64))
    return None


def _count(found: Found) -> pl.Expr | None:
    if found.dtype in _SAFE:
        return found.expr.cast(pl.Int64)
    if found.dtype == pl.UInt64:
        return found.expr.cast(pl.Int64, strict=False)
    if found.dtype == pl.Float64:
        return conn.whole_number(found.expr)
    if found.dtype == pl.String:
        return text_of(found).cast(pl.Int64, strict=False)
    return pl.lit(None, pl.Int64) if found.dtype == pl.Null else None


def _real(found: Found) -> pl.Expr | None:
    if isinstance(found.dtype, pl.Duration):
        return found.expr.dt.total_nanoseconds().cast(pl.Float64) / 1e9
    if found.dtype in _SAFE or found.dtype == pl.Float64:
        return found.expr.cast(pl.Float64)
    return pl.lit(None, pl.Float64) if found.dtype == pl.Null else None


# Text that is typed


def typed_text(fields: pl.DataFrame, zone: str) -> pl.DataFrame:
    """Fields of text, or of numbers already, as typed ones, with `odd` where a value does not fit its type.

    Absence is null in both. Times that are told in words stay text but for the start.
    """
    made, asked, schema = dict[str, pl.Expr](), list[str](), fields.schema
    for ours in (*TIMES, *COUNTS, *REALS):
        if (dtype := schema.get(ours)) is None:
            made[ours] = pl.lit(None, _type_of(ours))
            continue
        if dtype != pl.String:
            made[ours] = _of_number(ours, dtype)
            continue
        told = ours in TIMES and not _is_number(fields[ours])
        if told and ours != "ts":
            continue  # Nobody is judged by it: it is read of the records that are kept.
        made[ours] = told_time(fields, ours, zone) if told else _number(ours)
        if not told or ours == "ts":
            asked.append(ours)
    typed, odd = fields.with_columns(**made), pl.repeat(False, fields.height, eager=True)
    for ours in asked:
        if typed[ours].null_count() > fields[ours].null_count():
            odd |= fields[ours].is_not_null() & typed[ours].is_null()
    return typed.with_columns(odd=odd)


def told_time(fields: pl.DataFrame, ours: str, zone: str) -> pl.Expr:
    """Epoch microseconds of ISO times; those in UTC that are all written like the first are read by their digits."""
    first = fields[ours].drop_nulls().head(1)
    found = _PLAIN_TIME.fullmatch(first[0]) if len(first) else None
    if found is None or not (found["zone"] or zone == "UTC"):
        return instants.epoch_us(ours, zone)
    between, digits, told = found["between"], len(found["fraction"] or ""), re.escape(found["zone"])
    fraction = rf"\.[0-9]{{{digits}}}" if digits else ""
    alike = rf"^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}{between}(?:[01][0-9]|2[0-3]):[0-9]{{2}}:[0-9]{{2}}{fraction}{told}$"
    text = pl.col(ours)
    if not fields.select(text.str.contains(alike).all()).item():
        return instants.epoch_us(ours, zone)
    whole = text.str.head(19).str.to_datetime(f"%Y-%m-%d{between}%H:%M:%S", time_unit="us", strict=False)
    micros = text.str.slice(20, min(digits, 6)).cast(pl.Int64) * 10 ** (6 - min(digits, 6)) if digits else pl.lit(0)
    return whole.dt.epoch("us") + micros


def _of_number(ours: str, dtype: pl.DataType) -> pl.Expr:
    """A field that is numbers already."""
    values = pl.col(ours)
    if ours not in TIMES:
        return values.cast(_type_of(ours))
    whole = values if dtype == pl.Int64 else pl.lit(None, pl.Int64)
    return instants.scaled_us(values.cast(pl.Float64), whole)


def _is_number(values: pl.Series) -> bool:
    """Whether the first value is a number, as the others then are."""
    first = values.drop_nulls().head(1)
    return first.str.strip_chars().cast(pl.Float64, strict=False).null_count() == 0


def _number(ours: str) -> pl.Expr:
    text = pl.col(ours)
    if ours in TIMES:
        return instants.number_us(text)
    return text.cast(_type_of(ours), strict=False)

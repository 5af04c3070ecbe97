"""JSON lines as text columns: one object a line, fields named by dotted paths, nested or written with dots.

Polars decodes clean blocks and Python any other, to the same text; a line that is not one JSON object is set aside
alone. Which fields a format has, and what they mean, belongs to the formats.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import polars as pl

from pipeline.sources.base import cut, rejects_frame

Fields = Mapping[str, Sequence[str]]
"""Our name of a field -> its spellings, the first with a value wins; a dot goes into an object."""

_SURROGATE = r"\\u[dD][89a-fA-F]"
"""Polars takes half of a surrogate pair for a NUL."""


def decode(lines: pl.DataFrame, fields: Fields, reason: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Lines (source_line, raw) as one text column a field, and the lines that are not one JSON object as REJECTS."""
    found = _decode_block(lines["raw"], fields)
    if found is None:
        return _decode_each(lines, fields, reason)
    return pl.concat([lines, found], how="horizontal"), rejects_frame(*(pl.Series([], dtype=pl.String),) * 4)


def _spellings(fields: Fields) -> list[str]:
    return [s for spellings in fields.values() for s in spellings]


def _struct(spellings: Sequence[str]) -> pl.Struct:
    """The objects that hold the spellings, every value as text."""
    tree: dict[str, Any] = {}
    for spelling in spellings:
        at, (*path, name) = tree, spelling.split(".")
        for step in path:
            at = at.setdefault(step, {})
        at[name] = None
        if path:
            tree[spelling] = None
    return _as_struct(tree)


def _as_struct(tree: Mapping[str, Any]) -> pl.Struct:
    return pl.Struct({k: pl.String() if v is None else _as_struct(v) for k, v in tree.items()})


def _decode_block(raw: pl.Series, fields: Fields) -> pl.DataFrame | None:
    """All lines at once; None when any is not plainly an object of plain values."""
    if not (raw.str.starts_with("{") & raw.str.ends_with("}")).all() or raw.str.contains(_SURROGATE).any():
        return None
    try:
        decoded = raw.str.json_decode(_struct(_spellings(fields)))
    except pl.exceptions.PolarsError:
        return None
    if decoded.null_count() or len(decoded) != len(raw):
        return None
    frame = decoded.struct.unnest()
    return frame.select(pl.coalesce([_at(s) for s in spellings]).alias(name) for name, spellings in fields.items())


def _at(spelling: str) -> pl.Expr:
    first, *path = spelling.split(".")
    nested = pl.col(first)
    for step in path:
        nested = nested.struct.field(step)
    return pl.coalesce(nested, pl.col(spelling)) if path else nested


def _decode_each(lines: pl.DataFrame, fields: Fields, reason: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The careful path: every line by itself, values as the text that the fast path would give."""
    good: dict[str, list[Any]] = {name: [] for name in ("source_line", "raw", *fields)}
    bad: list[tuple[int, str, str]] = []
    for line, raw in lines.select("source_line", "raw").iter_rows():
        try:
            values = read_object(raw, fields)
        except (ValueError, RecursionError) as error:
            bad.append((line, cut(str(error)), raw))
            continue
        for name, value in {"source_line": line, "raw": raw, **values}.items():
            good[name].append(value)
    frame = pl.DataFrame(good, schema={"source_line": pl.Int64, "raw": pl.String, **dict.fromkeys(fields, pl.String)})
    numbers, details, raws = (list(column) for column in zip(*bad, strict=True)) if bad else ([], [], [])
    return frame, rejects_frame(
        pl.Series(numbers, dtype=pl.Int64),
        pl.Series([reason] * len(bad), dtype=pl.String),
        pl.Series(details, dtype=pl.String),
        pl.Series(raws, dtype=pl.String),
    )


def read_object(raw: str, fields: Fields) -> dict[str, str | None]:
    """One line's fields as text; raises ValueError when it is not one JSON object."""
    record = json.loads(raw, object_pairs_hook=first_wins, parse_constant=_refuse, parse_float=_real, parse_int=_whole)
    if not isinstance(record, dict):
        raise ValueError("not an object")
    return {
        name: next((v for s in spellings if (v := as_text(_walk(record, s))) is not None), None)
        for name, spellings in fields.items()
    }


def _walk(record: dict[str, Any], spelling: str) -> Any:
    """The value at a dotted path, or under the dotted name itself."""
    at: Any = record
    for step in spelling.split("."):
        at = at.get(step) if isinstance(at, dict) else None
    return record.get(spelling) if at is None else at


def first_wins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of a key given twice the first value counts."""
    return dict(reversed(pairs))


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _real(text: str) -> str:
    """A number as Polars writes it: never with an exponent, whole numbers without a point."""
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"{text} is too large a number")
    return f"{Decimal(repr(value)):f}".removesuffix(".0")


def _whole(text: str) -> str:
    """An integer as it stands."""
    return str(int(text))


def as_text(value: Any) -> str | None:
    """A JSON value as text; lists and objects stay JSON, so that they are refused as numbers, not as a line."""
    if isinstance(value, str):
        value.encode()  # Half a surrogate pair is no text: a ValueError.
        return value
    return None if value is None else json.dumps(value)

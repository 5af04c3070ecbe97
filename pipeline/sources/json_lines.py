"""JSON lines as columns: one object a line, fields named by dotted paths, nested, written with dots, or partly both.

Plain lines are decoded to the fields in use alone, odd ones by Python's own decoder, to the same values; a line that is
not one JSON object is set aside alone. Which fields a format has, and what they mean, belongs to the formats.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from operator import attrgetter
from typing import Any

import msgspec
import polars as pl

from pipeline.sources.base import LINES, REJECTS, cut, rejected
from pipeline.sources.columns import COUNTS, REALS, TIMES

Fields = Mapping[str, Sequence[str]]
"""Our name of a field -> its spellings, the first with a value wins; a dot goes into an object.

A spelling that ends in [] may hold a list of texts: one is taken as it is, of several their JSON. Anywhere else a list
of one value, or of one again and again, is that value."""

_LIST = "[]"
_NUMBERS = (*COUNTS, *REALS, *TIMES)
_EXACT = 2.0**53
"""From here on floats lack digits that their text has."""
_LONG = 400
"""Digits of an integer that Python is not asked to read."""
_FLAT = r"\{[^{}]*\}"
_OBJECT = rf"\{{(?:[^{{}}]|{_FLAT})*\}}"
"""An object with objects in it."""
_FAULTS = (msgspec.MsgspecError, ValueError, RecursionError)


def decode(
    lines: pl.DataFrame, fields: Fields, reason: str, *, numbers: bool = False
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Lines (source_line, raw) as one column a field, and the lines that are not one JSON object as REJECTS.

    Columns are text; with numbers, a counter or time is a number where all its values are.
    """
    found = _decode_block(lines["raw"], fields, numbers)
    if found is None:
        return _decode_some(lines, fields, reason)
    return pl.concat([lines, found], how="horizontal"), pl.DataFrame(schema=REJECTS)


def _decode_block(raw: pl.Series, fields: Fields, numbers: bool) -> pl.DataFrame | None:
    """All lines at once; None when any needs care."""
    shape = _shape_of(raw, fields)
    try:
        return shape.frame(list(map(shape.decoder.decode, raw.to_list())), numbers)
    except _FAULTS:
        return None


def _decode_some(lines: pl.DataFrame, fields: Fields, reason: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Lines of which some need care."""
    shape, rows, plain = _shape_of(lines["raw"], fields), [], []
    for text in lines["raw"]:
        try:
            rows.append(shape.decoder.decode(text))
            plain.append(True)
        except _FAULTS:
            plain.append(False)
    try:
        found = shape.frame(rows, numbers=False)
    except _FAULTS:
        return _decode_each(lines, fields, reason)
    mask = pl.Series(plain, dtype=pl.Boolean)
    careful, broken = _decode_each(lines.filter(~mask), fields, reason)
    found = pl.concat([lines.filter(mask), found], how="horizontal")
    careful = careful.join(lines.drop("raw"), on="source_line", how="left", maintain_order="left")
    return pl.concat([found, careful.select(found.columns)]).sort("source_line"), broken


def _shape_of(raw: pl.Series, fields: Fields) -> _Shape:
    """How lines with these fields are decoded; keys that are written with dots are looked for where there are any."""
    starts = sorted({f'"{step}.' for spellings in fields.values() for s in spellings for step in s.split(".")[:-1]})
    dotted = bool(starts) and bool(raw.str.contains_any(starts).any())
    return _shape(tuple((n, tuple(s)) for n, s in fields.items()), dotted)


def unfolded(lines: pl.DataFrame, inside: Sequence[str], own: str = r"^$") -> pl.DataFrame:
    """Lines with the object at the first of the JSON paths that lies there in raw's place, where others put it inside.

    own tells by what stands before the path's name that it is no wrapper's.
    """
    names = "|".join(sorted({path.split(".")[1] for path in inside}))
    around = rf'^(\{{(?:[^{{]|{_OBJECT})*)"(?:{names})"\s*:\s*[{{"]'
    if not lines["raw"].str.contains(around).any():
        return lines
    wrapped = ~pl.col("raw").str.extract(around).str.contains(own)
    found = [pl.col("raw").str.json_path_match(path) for path in inside]
    first = pl.coalesce(pl.when(f.str.starts_with("{")).then(f) for f in found)
    return lines.with_columns(pl.when(wrapped).then(pl.coalesce(first, "raw")).otherwise("raw").alias("raw"))


# Plain lines


@dataclass(frozen=True)
class _Node:
    """An object: its type, an instance of nothing, and by key the name of its attribute and the object there."""

    type: Any
    empty: Any
    keys: Mapping[str, tuple[str, _Node | None]]


@dataclass(frozen=True)
class _Shape:
    """How lines are decoded to certain fields."""

    fields: Fields
    root: _Node
    decoder: msgspec.json.Decoder[Any]
    numeric: frozenset[str]
    """Spellings of numbers alone, so that they cannot hold true or false."""

    def frame(self, rows: list[Any], numbers: bool) -> pl.DataFrame:
        """Decoded lines as one column a field; raises ValueError where a value needs care."""
        found = _Found(self, {(): rows}, len(rows))
        return pl.DataFrame({name: found.column(name, s, numbers) for name, s in self.fields.items()})


@lru_cache(maxsize=64)
def _shape(fields: tuple[tuple[str, tuple[str, ...]], ...], dotted: bool) -> _Shape:
    spelled = [(name, s) for name, spellings in fields for s in spellings]
    others = {s for name, s in spelled if name not in _NUMBERS}
    numeric = frozenset(s for _, s in spelled if s not in others)
    tree: dict[str, Any] = {}
    for nested in (True, False) if dotted else (True,):
        for _, spelling in spelled:
            kind = _LIST if spelling.endswith(_LIST) else "number" if spelling in numeric else "text"
            for way in ways(spelling)[:1] if nested else ways(spelling)[1:]:
                _plant(tree, way, kind)
    root = _node(tree)
    return _Shape(dict(fields), root, msgspec.json.Decoder(root.type), numeric)


def ways(spelling: str) -> list[tuple[str, ...]]:
    """The keys that lead to a value, as writers split a dotted name: nested, in two parts, and as one name."""
    steps = spelling.removesuffix(_LIST).split(".")
    halves = [(".".join(steps[:i]), ".".join(steps[i:])) for i in range(1, len(steps))]
    return list(dict.fromkeys([tuple(steps), *halves, (".".join(steps),)]))


def _plant(tree: dict[str, Any], way: Sequence[str], kind: str) -> None:
    """Add a way to what is decoded, where no other has a value in its path."""
    at, (*path, name) = tree, way
    for step in path:
        at = at.setdefault(step, {})
        if not isinstance(at, dict):
            return
    if not isinstance(at.get(name), dict):
        at[name] = kind


_PLAIN = str | int | float | bool | None
_LEAVES: Mapping[str, Any] = {"text": _PLAIN, "number": str | int | float | None, _LIST: list[str] | _PLAIN}


def _node(tree: Mapping[str, Any]) -> _Node:
    fields, keys = list[tuple[str, Any, Any]](), dict[str, tuple[str, _Node | None]]()
    for i, (key, inner) in enumerate(tree.items()):
        child = _node(inner) if isinstance(inner, dict) else None
        kind = child.type | None if child is not None else _LEAVES[inner]
        empty = None if child is None else child.empty
        fields.append((f"f{i}", kind, msgspec.field(default=empty, name=key)))
        keys[key] = f"f{i}", child
    made = msgspec.defstruct("Object", fields, frozen=True, eq=False, gc=False)
    return _Node(made, made(), keys)


@dataclass
class _Found:
    """Decoded lines, and the objects in them by their paths."""

    shape: _Shape
    objects: dict[tuple[str, ...], list[Any] | None]
    height: int

    def column(self, name: str, spellings: Sequence[str], numbers: bool) -> pl.Series:
        """The values of a field: of its spellings the first that has one."""
        parts = list[pl.Series]()
        for spelling in spellings:
            for values in self._values(spelling):
                parts.append(_series(name, values, numbers=numbers and spelling in self.shape.numeric))
                if not parts[-1].has_nulls():
                    break
            else:
                continue
            break
        if not parts:
            return pl.Series(name, [None], dtype=pl.String).new_from_index(0, self.height)
        if len({p.dtype for p in parts}) > 1:
            parts = [p if p.dtype == pl.String else _as_text(p) for p in parts]
        whole = parts[0]
        for part in parts[1:]:
            whole = whole.zip_with(whole.is_not_null(), part)
        return whole

    def _values(self, spelling: str) -> Iterable[list[Any]]:
        """The values at each way to a field; without those that are all absent."""
        for *path, key in ways(spelling):
            node = self._node(at := tuple(path))
            objects = self._objects(at) if node is not None and key in node.keys else None
            if node is not None and objects is not None and node.keys[key][1] is None:
                values = list(map(attrgetter(node.keys[key][0]), objects))
                if values.count(None) < self.height:
                    yield values

    def _node(self, path: tuple[str, ...]) -> _Node | None:
        node: _Node | None = self.shape.root
        for step in path:
            node = node.keys[step][1] if node is not None and step in node.keys else None
        return node

    def _objects(self, path: tuple[str, ...]) -> list[Any] | None:
        """The objects at a path, an empty one where there is none; None where there are none at all."""
        if path not in self.objects:
            self.objects[path] = self._find(path)
        return self.objects[path]

    def _find(self, path: tuple[str, ...]) -> list[Any] | None:
        above, outer = self._node(path[:-1]), self._objects(path[:-1])
        if above is None or outer is None:
            return None
        attribute, node = above.keys[path[-1]]
        assert node is not None
        inner = list(map(attrgetter(attribute), outer))
        if inner.count(node.empty) == len(inner):
            return None
        return [node.empty if o is None else o for o in inner] if None in inner else inner


def _series(name: str, values: list[Any], numbers: bool) -> pl.Series:
    """Values as numbers where all are and that is wanted, else as text."""
    if numbers:
        try:
            return pl.Series(name, values, dtype=pl.Int64, strict=True)
        except (TypeError, OverflowError, pl.exceptions.PolarsError):
            pass
    if numbers and name not in COUNTS and all(v is None or isinstance(v, float | int) for v in values):
        real = pl.Series(name, [v if v is None else float(v) for v in values], dtype=pl.Float64)
        if (real.abs() < _EXACT).all():
            return real
    kinds = set(map(type, values)) - {type(None)}
    if kinds == {int}:
        try:
            return pl.Series(name, values, dtype=pl.Int64, strict=True).cast(pl.String)
        except (TypeError, OverflowError):
            pass
    known = dict[Any, str | None]()
    texts = values if kinds == {str} else [_text(v, known) for v in values]
    return pl.Series(name, texts, dtype=pl.String, strict=True)


def _text(value: Any, known: dict[Any, str | None]) -> str | None:
    """A decoded value as text, lists as JSON; those known are not made again."""
    if isinstance(value, list):
        key = tuple(value)
        if key not in known:
            known[key] = value[0] if len(value) == 1 else json.dumps(value)
        return known[key]
    if isinstance(value, float):
        return _digits(value)
    if value is None or isinstance(value, str):
        return value
    return ("false", "true")[value] if isinstance(value, bool) else str(value)


def _as_text(numbers: pl.Series) -> pl.Series:
    """Numbers as the text that they were."""
    if numbers.dtype != pl.Float64:
        return numbers.cast(pl.String)
    return pl.Series(numbers.name, [None if v is None else _digits(v) for v in numbers], dtype=pl.String)


def as_texts(frame: pl.DataFrame) -> pl.DataFrame:
    """A frame of fields whose numbers are text."""
    found = [s for s in frame if s.dtype.is_numeric() and s.name in _NUMBERS]
    return frame.with_columns(_as_text(s) for s in found)


# Lines that need care


def _decode_each(lines: pl.DataFrame, fields: Fields, reason: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The careful path: every line by itself, values as the text that the fast path would give."""
    good: dict[str, list[Any]] = {name: [] for name in ("source_line", "raw", *fields)}
    bad: list[tuple[int, str, str]] = []
    for line, raw in lines.select("source_line", "raw").iter_rows():
        try:
            values = read_object(raw, fields)
        except (ValueError, RecursionError) as error:
            bad.append((line, raw, cut(str(error))))
            continue
        for name, value in {"source_line": line, "raw": raw, **values}.items():
            good[name].append(value)
    frame = pl.DataFrame(good, schema={**LINES, **dict.fromkeys(fields, pl.String)})
    return frame, rejected(pl.DataFrame(bad, schema={**LINES, "detail": pl.String}, orient="row"), reason, "detail")


def read_object(raw: str, fields: Fields) -> dict[str, str | None]:
    """One line's fields as text; raises ValueError when it is not one JSON object."""
    # An element of an array that was written one a line ends in a comma.
    record = json.loads(raw.removesuffix(","), parse_constant=_Huge, parse_float=_real, parse_int=_whole)
    if not isinstance(record, dict):
        raise ValueError("not an object")
    return {
        name: next((v for s in spellings if (v := as_text(_walk(record, s))) is not None), None)
        for name, spellings in fields.items()
    }


def _walk(record: dict[str, Any], spelling: str) -> Any:
    """The value at the first way to a field that has one."""
    at: Any = None
    for way in ways(spelling):
        at = record
        for step in way:
            at = at.get(step) if isinstance(at, dict) else None
        if at is not None:
            break
    return _single(at, spelling) if isinstance(at, list) else at


def _single(values: list[Any], spelling: str) -> Any:
    """What a list says: fields of Elasticsearch and Splunk may be lists, of one value or of one again and again."""
    if spelling.endswith(_LIST):
        return values[0] if len(values) == 1 else values
    first = values[0] if values else None
    plain = first is not None and not isinstance(first, dict | list)
    return first if plain and all(v == first for v in values) else values


class _Huge(str):
    """A number beyond what a float holds, or none (NaN); only where it is used does it spoil its line."""

    __slots__ = ()


def _real(text: str) -> str:
    """A number without an exponent, whole ones without a point."""
    value = float(text)
    return _Huge(text) if value in (float("inf"), float("-inf")) else _digits(value)


def _digits(value: float) -> str:
    return f"{Decimal(repr(value)):f}".removesuffix(".0")


def _whole(text: str) -> str:
    """An integer as it stands."""
    return text if len(text) > _LONG else str(int(text))


def as_text(value: Any) -> str | None:
    """A JSON value as text; lists and objects stay JSON, so that they are refused as numbers, not as a line."""
    if isinstance(value, _Huge):
        raise ValueError(f"{value} is no number to count with")
    if isinstance(value, str):
        value.encode()  # Half a surrogate pair is no text: a ValueError.
        return value
    return None if value is None else json.dumps(value)

"""Which fields the records of a file have, and of what kind, told from its header or its first records.

The answer is for noticing that a source has changed, never for reading it: names are those of the file, and what they
mean belongs to the formats. A file whose records name no fields, such as lines of prose, has none.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from pipeline.sources.base import HEAD_BYTES, begins_as_json

RECORDS = 40
"""Records that are looked at."""
MAX_FIELDS, MAX_NAME, MAX_DEPTH = 200, 64, 5
STATED = 1_000
"""What a header counts for: so many records that all have its fields."""
_SURE, _LEAST = 0.9, 3
"""The share of a field's values that must be of one kind, and how many there must be, to tell its kind."""
_ABSENT = ("", "-", "(empty)")
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}|(?=[0-9a-fA-F:.]+\Z)(?:.*::|(?:[^:]*:){7}).*")
_PAIR = re.compile(r'(?:^|[ ,>])([A-Za-z_][\w.-]*)=("[^"]*"|[^ ,"]*)')
_ZEEK = {"time": "time", "interval": "number", "addr": "address", "bool": "flag", "count": "number", "int": "number"}
_ZEEK |= {"double": "number", "port": "number", "string": "text", "enum": "text", "subnet": "text"}


@dataclass(frozen=True)
class Layout:
    """The fields of a file's records."""

    records: int = 0
    """Records looked at; STATED where a header names the fields of all."""
    fields: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    """Name -> (kind, or empty where none is sure; records that have it)."""

    def as_list(self) -> list[Any]:
        """Plain data for the ledger."""
        return [self.records, {name: list(told) for name, told in self.fields.items()}] if self.fields else []

    @classmethod
    def from_list(cls, data: Sequence[Any]) -> Layout:
        """The inverse of as_list."""
        return cls(int(data[0]), {n: (str(k), int(c)) for n, (k, c) in data[1].items()}) if data else cls()


def layout_of(head: bytes, state: Mapping[str, Any]) -> Layout:
    """The layout of a file of lines.

    Args:
        head: its first bytes; a last line that may be cut is not looked at.
        state: what its reader remembers behind it: the header in force, where there is one.
    """
    text = head[:HEAD_BYTES].decode("utf-8", errors="replace")
    lines = text.splitlines() if len(head) < HEAD_BYTES else text.splitlines()[:-1]
    if (names := state.get("fields")) is not None:
        return _zeek(lines, list(names), str(state.get("separator", "\t")))
    if (names := state.get("columns") or (state.get("cells") or {}).get("columns")) is not None:
        return _delimited(lines, list(names))
    if begins_as_json(head):
        return _of_records([dict(_flat(r)) for r in _objects(lines, text)])
    pairs = [dict(_PAIR.findall(line)) for line in lines[:RECORDS]]
    return _of_records([{k: v.strip('"') for k, v in p.items()} for p in pairs if len(p) >= _LEAST])


def layout_of_columns(schema: Mapping[str, pl.DataType]) -> Layout:
    """The layout of a file of columns, nested ones by their dotted paths."""
    return _stated(dict(_columns(schema, 1)))


def _columns(schema: Mapping[str, pl.DataType], depth: int) -> Iterator[tuple[str, str]]:
    for name, kind in schema.items():
        if isinstance(kind, pl.Struct) and depth < MAX_DEPTH:
            inner = {f.name: pl.Field(f.name, f.dtype).dtype for f in kind.fields}
            yield from ((f"{name}.{n}", k) for n, k in _columns(inner, depth + 1))  # type: ignore[arg-type]
        else:
            yield name, _kind_of_type(kind)


def _kind_of_type(kind: pl.DataType) -> str:
    if kind.is_numeric():
        return "number"
    if kind.is_temporal():
        return "time"
    if kind.is_nested():
        return "list"
    return "flag" if kind == pl.Boolean else "text" if kind in (pl.String, pl.Categorical) else ""


def _stated(kinds: Mapping[str, str]) -> Layout:
    """A layout that a header states; names are cut, and so is their number."""
    return Layout(STATED, {n[:MAX_NAME]: (k, STATED) for n, k in list(kinds.items())[:MAX_FIELDS]})


def _zeek(lines: Sequence[str], names: list[str], separator: str) -> Layout:
    """The header in force; of kinds, what its own `#types` says."""
    typed = dict.fromkeys(names, "")
    for at, line in enumerate(lines):
        if line.startswith("#types") and at and lines[at - 1].split(separator)[1:] == names:
            kinds = line.split(separator)[1:]
            typed |= {n: _ZEEK.get(k, "list" if "[" in k else "") for n, k in zip(names, kinds, strict=False)}
    return _stated(typed)


def _delimited(lines: Sequence[str], names: list[str]) -> Layout:
    """The columns in force, and their kinds by the lines below the header, where it is among the lines."""
    wanted = [n.lower() for n in names]
    for at, line in enumerate(lines):
        for delimiter in ",\t;| ":
            cells = [c.strip(' \t"\ufeff').lower() for c in line.split(delimiter)]
            if len(cells) > 1 and cells == wanted:
                rows = csv.reader(lines[at + 1 : at + 1 + RECORDS], delimiter=delimiter)
                columns = zip(*_whole(rows, len(wanted)), strict=True)
                kinds = [_sure(Counter(filter(None, map(_kind, values)))) for values in columns]
                return _stated(dict(zip(wanted, kinds or [""] * len(wanted), strict=True)))
    return _stated(dict.fromkeys(wanted, ""))


def _whole(rows: Iterator[list[str]], width: int) -> Iterator[list[str]]:
    """The rows with as many cells as asked for, up to the first that is no CSV."""
    try:
        yield from (row for row in rows if len(row) == width)
    except csv.Error:
        return


def _objects(lines: Sequence[str], text: str) -> Iterator[dict[str, Any]]:
    """The first JSON objects: one a line, or those at the beginning of an array."""
    decoder, found, at = json.JSONDecoder(), 0, 0
    texts: Iterable[str] = lines
    if text.lstrip().startswith("["):
        texts, at = [text.lstrip()], 1
    for one in texts:
        while found < RECORDS:
            try:
                value, end = decoder.raw_decode(one, at + len(one[at:]) - len(one[at:].lstrip(" \t\r\n,")))
            except (ValueError, RecursionError):
                break
            if isinstance(value, dict):
                found += 1
                yield value
            if at == 0:
                break
            at = end


def _flat(record: Mapping[str, Any], prefix: str = "", depth: int = 1) -> Iterator[tuple[str, Any]]:
    """A record's values by their dotted paths."""
    for name, value in record.items():
        if isinstance(value, dict) and depth < MAX_DEPTH:
            yield from _flat(value, f"{prefix}{name}.", depth + 1)
        else:
            yield f"{prefix}{name}"[:MAX_NAME], value


def _of_records(records: Sequence[Mapping[str, Any]]) -> Layout:
    counts: Counter[str] = Counter()
    kinds: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for record in records:
        counts.update(record.keys())
        for name, value in record.items():
            if kind := _kind(value):
                kinds[name][kind] += 1
    return Layout(len(records), {n: (_sure(kinds.get(n)), c) for n, c in counts.most_common(MAX_FIELDS)})


def _sure(kinds: Counter[str] | None) -> str:
    """The kind of nearly all of enough values."""
    if not kinds or kinds.total() < _LEAST:
        return ""
    kind, count = kinds.most_common(1)[0]
    return kind if count >= _SURE * kinds.total() else ""


def _kind(value: Any) -> str:
    """number, time, address, flag, list or text; empty for no value."""
    if isinstance(value, str):
        if value in _ABSENT:
            return ""
        if _NUMBER.fullmatch(value):
            return "number"
        return "time" if _TIME.match(value) else "address" if _ADDRESS.fullmatch(value) else "text"
    if isinstance(value, bool):
        return "flag"
    if isinstance(value, int | float):
        return "number"
    return "list" if isinstance(value, list | dict) else ""

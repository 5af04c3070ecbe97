"""What a Parquet file's own footer says of its columns that Polars does not tell: which times are instants in UTC.

INT96, which Spark writes unless it is told otherwise, has no field for it: Spark, Hive, Trino and Impala mean UTC. So
does a TIMESTAMP_MILLIS or TIMESTAMP_MICROS without the newer annotation, by the format's own rules. Polars has both as
times without a zone. Sources: parquet.thrift, LogicalTypes.md, and Thrift's compact protocol. Reading values is no
business of this module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

_INT96, _IN_UTC = 3, (9, 10)
"""The physical type, and the older annotations of times in milliseconds and microseconds."""
_TYPE, _NAME, _CHILDREN, _ANNOTATION, _LOGICAL = 1, 4, 5, 6, 10
_SCHEMA = 2
_STOP, _TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _STRUCT = 0, 1, 2, 3, 7, 8, 9, 10, 12
_WHOLE = (4, 5, 6)
"""Whole numbers of 16, 32 and 64 bits; a footer has no maps (11)."""
_MOST_NESTED = 64


def in_utc(path: Path) -> frozenset[tuple[str, ...]]:
    """The paths of columns that hold instants in UTC; none where the footer cannot be read, as Polars then says."""
    try:
        with path.open("rb") as handle:
            handle.seek(-8, 2)
            size = int.from_bytes(handle.read(4), "little")
            handle.seek(-8 - size, 2)
            footer = handle.read(size)
        elements = _Compact(footer).fields().get(_SCHEMA)
        return frozenset(_times(iter(elements))) if elements else frozenset()
    except (OSError, LookupError, ValueError, TypeError, AttributeError, RuntimeError, StopIteration):
        return frozenset()


def _times(elements: Iterator[dict[int, Any]]) -> Iterator[tuple[str, ...]]:
    """The schema is a tree whose elements follow each other depth first; the first one is its nameless root."""
    root = next(elements)
    for _ in range(root.get(_CHILDREN, 0)):
        yield from _below(elements, ())


def _below(elements: Iterator[dict[int, Any]], within: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    element = next(elements)
    path = (*within, element[_NAME].decode())
    for _ in range(element.get(_CHILDREN, 0)):
        yield from _below(elements, path)
    old = element.get(_ANNOTATION) in _IN_UTC and _LOGICAL not in element
    if not element.get(_CHILDREN) and (element.get(_TYPE) == _INT96 or old):
        yield path


class _Compact:
    """Thrift's compact protocol, as far as a footer goes: a struct as a dict of its fields by their numbers."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def fields(self, depth: int = 0) -> dict[int, Any]:
        """The struct that begins here; of a footer only what comes before the row groups is looked at."""
        found, number = dict[int, Any](), 0
        while (head := self._byte()) != _STOP:
            number = number + (head >> 4) if head >> 4 else self._signed()
            found[number] = self._value(head & 15, depth + 1)
            if depth == 0 and number >= _SCHEMA:
                break
        return found

    def _value(self, kind: int, depth: int) -> Any:
        if depth > _MOST_NESTED:
            raise ValueError("nested too deep")
        plain: dict[int, Callable[[], Any]] = {
            _TRUE: lambda: True,
            _FALSE: lambda: False,
            _BYTE: self._byte,
            _DOUBLE: lambda: self._bytes(8),
            _BINARY: lambda: self._bytes(self._unsigned()),
            _LIST: lambda: self._list(depth),
            _SET: lambda: self._list(depth),
            _STRUCT: lambda: self.fields(depth),
            **dict.fromkeys(_WHOLE, self._signed),
        }
        return plain[kind]()

    def _list(self, depth: int) -> list[Any]:
        head = self._byte()
        size = head >> 4 if head >> 4 < 15 else self._unsigned()
        if size > len(self._data):
            raise ValueError("longer than the footer")
        return [self._value(head & 15, depth + 1) for _ in range(size)]

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _bytes(self, size: int) -> bytes:
        self._at += size
        if self._at > len(self._data):
            raise ValueError("cut")
        return self._data[self._at - size : self._at]

    def _unsigned(self) -> int:
        value, shift = 0, 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7

    def _signed(self) -> int:
        value = self._unsigned()
        return (value >> 1) ^ -(value & 1)

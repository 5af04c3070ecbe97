"""What a value of one of Avro's schemas is, read from its binary encoding: plain values that JSON can have.

Source: the Apache Avro specification 1.12. Every schema becomes one function, made once; what it is given is trusted
in nothing: lengths and counts must lie within the bytes that are there. Files and blocks belong to `avro`.
"""

from __future__ import annotations

import datetime as dt
import decimal
import struct
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from pipeline.sources.texts import packed

Decode = Callable[[bytes, int], tuple[Any, int]]
"""Reads a value at a place; gives it, and the place behind it."""

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_BEYOND = "a value beyond its block"
_LONGEST_NAME = 300
_DIGITS = 100
"""Digits that a decimal may have, and places behind its point: more than any count of bytes."""
_PRIMITIVE = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")


class Broken(ValueError):
    """Bytes that are not what the schema says, or a schema that is none."""


def long_at(data: bytes, at: int) -> tuple[int, int]:
    """A whole number at a place: seven bits a byte, the smallest first, the sign in the lowest one."""
    if (byte := data[at]) < 0x80:  # Most lengths and choices are.
        return (byte >> 1) ^ -(byte & 1), at + 1
    number = shift = 0
    while (byte := data[at]) & 0x80:
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if shift > 63:
            raise Broken("a number without an end")
    number |= byte << shift
    return (number >> 1) ^ -(number & 1), at + 1


def decoder_of(schema: Any, *, raw: bool = False) -> Decode:
    """What reads values of a schema, as JSON tells it.

    Args:
        schema: the name of a type, a list of them (a union), or an object.
        raw: whether bytes stay bytes.

    Raises:
        Broken: it is no schema, or names a type that it does not define.
    """
    return _Schemas(raw).of(schema, "")


class _Schemas:
    """The decoders of one schema, with its named types."""

    def __init__(self, raw: bool) -> None:
        self._named, self._raw = dict[str, Decode](), raw

    def of(self, schema: Any, space: str) -> Decode:
        """The decoder of a schema that stands within a namespace."""
        if isinstance(schema, list):
            return _union([self.of(branch, space) for branch in schema])
        if isinstance(schema, str):
            return self._primitive(schema) if schema in _PRIMITIVE else self._reference(schema, space)
        if not isinstance(schema, dict) or "type" not in schema:
            raise Broken("it has no type")
        kind = schema["type"]
        if not isinstance(kind, str) or kind not in ("record", "error", "enum", "fixed", "array", "map"):
            return _logical(self.of(kind, space), schema)
        if kind == "array":
            return _array(self.of(schema["items"], space))
        if kind == "map":
            return _map(self.of(schema["values"], space))
        return self._defined(kind, schema, space)

    def _primitive(self, kind: str) -> Decode:
        if kind == "bytes":
            return _bytes if self._raw else _as_text(_bytes)
        return _READ[kind]

    def _reference(self, name: str, space: str) -> Decode:
        """A type that is named before its definition ends, as a list's next element is."""
        full = name if "." in name or not space else f"{space}.{name}"
        if full not in self._named and name not in self._named:
            raise Broken(f"it does not define {name}")
        found = full if full in self._named else name
        if (defined := self._named[found]) is not _undefined:
            return defined

        def decode(data: bytes, at: int) -> tuple[Any, int]:
            value: tuple[Any, int] = self._named[found](data, at)  # Asked for when it is defined.
            return value

        return decode

    def _defined(self, kind: str, schema: dict[str, Any], space: str) -> Decode:
        """A named type: a record, an enum or bytes of a fixed length."""
        name, given = str(schema["name"]), schema.get("namespace", space)
        full = name if "." in name or not given else f"{given}.{name}"
        inner = full.rpartition(".")[0]
        if kind == "enum":
            decode = _enum(list(map(_named, schema["symbols"])))
        elif kind == "fixed":
            decode = _logical(_fixed(int(schema["size"]), raw=schema.get("logicalType") in _FIXED), schema)
        else:
            self._named[full] = _undefined
            decode = _record([(_named(f["name"]), self.of(f["type"], inner)) for f in schema["fields"]])
        self._named[full] = decode
        return decode


def _named(name: Any) -> str:
    """A field's or an enum's name, which values are given by as often as there are bytes."""
    if not isinstance(name, str) or len(name) > _LONGEST_NAME:
        raise Broken(f"it has a name that is none, or of more than {_LONGEST_NAME} characters")
    return name


def _undefined(_data: bytes, _at: int) -> tuple[Any, int]:
    raise Broken("a type is used before it is defined")


def _nothing(_data: bytes, at: int) -> tuple[None, int]:
    """Null, the one value that has no bytes: all others have some, so that a file's size bounds how many there are."""
    return None, at


def _boolean(data: bytes, at: int) -> tuple[bool, int]:
    return data[at] != 0, at + 1


def _real(pattern: str) -> Decode:
    read = struct.Struct(pattern)

    def decode(data: bytes, at: int) -> tuple[float, int]:
        return read.unpack(_slice(data, at, read.size))[0], at + read.size

    return decode


def _slice(data: bytes, at: int, size: int) -> bytes:
    if size < 0 or at + size > len(data):
        raise Broken(_BEYOND)
    return data[at : at + size]


def _bytes(data: bytes, at: int) -> tuple[bytes, int]:
    size, at = long_at(data, at)
    return _slice(data, at, size), at + size


def _string(data: bytes, at: int) -> tuple[str, int]:
    size, at = long_at(data, at)
    end = at + size
    if size < 0 or end > len(data):
        raise Broken(_BEYOND)
    return data[at:end].decode("utf-8", "replace"), end


_READ: dict[str, Decode] = {
    "null": _nothing,
    "boolean": _boolean,
    "int": long_at,
    "long": long_at,
    "float": _real("<f"),
    "double": _real("<d"),
    "string": _string,
}


def _as_text(decode: Decode) -> Decode:
    def text(data: bytes, at: int) -> tuple[str, int]:
        value, at = decode(data, at)
        return _text(value), at

    return text


def _text(value: bytes) -> str:
    text = packed.told(value)
    return packed.in_base64(value) if text is None else text


def _fixed(size: int, *, raw: bool) -> Decode:
    """Bytes of a length: raw, an address or any others."""
    if size <= 0:
        raise Broken(f"it has a type of {size} bytes")

    def decode(data: bytes, at: int) -> tuple[Any, int]:
        value = _slice(data, at, size)
        if not raw and size in packed.SIZES:
            return packed.address(value), at + size
        return value if raw else _text(value), at + size

    return decode


def _enum(symbols: Sequence[str]) -> Decode:
    def decode(data: bytes, at: int) -> tuple[str, int]:
        index, at = long_at(data, at)
        return _chosen(symbols, index), at

    return decode


def _chosen(values: Sequence[Any], index: int) -> Any:
    if not 0 <= index < len(values):
        raise Broken("a choice that the schema does not have")
    return values[index]


def _union(branches: Sequence[Decode]) -> Decode:
    def decode(data: bytes, at: int) -> tuple[Any, int]:
        index, at = long_at(data, at)
        value: tuple[Any, int] = _chosen(branches, index)(data, at)
        return value

    return decode


def _record(fields: Sequence[tuple[str, Decode]]) -> Decode:
    """An object; what is null is left out, as it tells nothing, and so is a record that can have nothing else."""
    fields = [(name, read) for name, read in fields if read is not _nothing]
    if not fields:
        return _nothing

    def decode(data: bytes, at: int) -> tuple[dict[str, Any], int]:
        found = dict[str, Any]()
        for name, read in fields:
            value, at = read(data, at)
            if value is not None:
                found[name] = value
        return found, at

    return decode


def _count(data: bytes, at: int) -> tuple[int, int]:
    """How many elements come next; 0 at the end."""
    count, at = long_at(data, at)
    if count < 0:
        count, at = -count, long_at(data, at)[1]
    if count > len(data) - at:
        raise Broken("more elements than bytes")
    return count, at


def _array(element: Decode) -> Decode:
    if element is _nothing:
        raise Broken("it has a list of nothing")

    def decode(data: bytes, at: int) -> tuple[list[Any], int]:
        found = list[Any]()
        while (more := _count(data, at))[0]:
            at = more[1]
            for _ in range(more[0]):
                value, at = element(data, at)
                found.append(value)
        return found, more[1]

    return decode


def _map(element: Decode) -> Decode:
    def decode(data: bytes, at: int) -> tuple[dict[str, Any], int]:
        found = dict[str, Any]()
        while (more := _count(data, at))[0]:
            at = more[1]
            for _ in range(more[0]):
                name, at = _string(data, at)
                value, at = element(data, at)
                if value is not None:
                    found[name] = value
        return found, more[1]

    return decode


# What values of plain types stand for

_FIXED = ("decimal", "duration", "uuid")
"""Logical types of bytes of a fixed length."""


def _logical(decode: Decode, schema: dict[str, Any]) -> Decode:
    """The decoder of a type that a logical one gives a meaning; one that is unknown or wrong leaves it as it is."""
    kind, base = schema.get("logicalType"), schema["type"]
    if kind == "decimal" and base in ("bytes", "fixed"):
        scale = schema.get("scale", 0)
        known = isinstance(scale, int) and 0 <= scale <= _DIGITS
        return _mapped(_bytes if base == "bytes" else decode, partial(_decimal, scale=scale if known else None))
    if kind in _FIXED and base == "fixed":  # A duration, or a UUID: nothing of a flow.
        return _mapped(decode, bytes.hex)
    shown = _SHOWN.get(kind) if isinstance(kind, str) and base in ("int", "long") else None
    return decode if shown is None else _mapped(decode, shown)


def _mapped(decode: Decode, shown: Callable[[Any], Any]) -> Decode:
    def mapped(data: bytes, at: int) -> tuple[Any, int]:
        value, at = decode(data, at)
        return shown(value), at

    return mapped


def _decimal(value: bytes, scale: int | None) -> Any:
    """A number; the digits of its bytes where its scale is none, or it is beyond all numbers of a flow."""
    if scale is None or len(value) > _DIGITS * 2 // 5:
        return value.hex()
    number = int.from_bytes(value, "big", signed=True)
    return number if scale == 0 else str(decimal.Decimal(number).scaleb(-scale, decimal.Context(prec=_DIGITS)))


def _instant(unit: int, zone: str) -> Callable[[int], Any]:
    """A time of so many units a second as ISO 8601; one beyond the years that are written stays a number."""

    def shown(value: int) -> Any:
        seconds, rest = divmod(value, unit)
        try:
            whole = _EPOCH + dt.timedelta(seconds=seconds)
        except OverflowError:
            return value
        digits = f".{rest * (1_000_000_000 // unit):09d}" if rest else ""
        return f"{whole:%Y-%m-%dT%H:%M:%S}{digits}{zone}" if whole.year >= 1000 else value

    return shown


def _clock(unit: int) -> Callable[[int], str]:
    def shown(value: int) -> str:
        seconds, rest = divmod(value, unit)
        hours, seconds = divmod(seconds, 3600)
        return f"{hours:02d}:{seconds // 60:02d}:{seconds % 60:02d}.{rest * (1_000_000 // unit):06d}"

    return shown


def _day(value: int) -> Any:
    try:
        return (_EPOCH + dt.timedelta(days=value)).date().isoformat()
    except OverflowError:
        return value


_SHOWN: dict[str, Callable[[int], Any]] = {
    "date": _day,
    "time-millis": _clock(1_000),
    "time-micros": _clock(1_000_000),
    **{f"timestamp-{name}": _instant(unit, "Z") for name, unit in (("millis", 10**3), ("micros", 10**6))},
    **{f"local-timestamp-{name}": _instant(unit, "") for name, unit in (("millis", 10**3), ("micros", 10**6))},
    "timestamp-nanos": _instant(10**9, "Z"),
    "local-timestamp-nanos": _instant(10**9, ""),
}

"""Rows of structs as Athena (Presto, Trino) writes them into a cell of CSV: `{port=993, ip=192.0.2.1, tags=[a, b]}`.

Nothing in that text is quoted, so that a value goes on to the next name at its depth or to the bracket that closes it;
a text in which that tells a name twice, or brackets do not fit, is none. Where such cells lie belongs to the wrappings.
"""

from __future__ import annotations

import re
from typing import Any

_NAME = re.compile(r"([A-Za-z_]\w*)=")
_NEXT = re.compile(r", (?=[A-Za-z_]\w*=)|[{}\[\]]")
_ELEMENT = re.compile(r", |[{}\[\]]")
_CLOSES = {"{": "}", "[": "]"}
_DEEPEST = 20


class _NoStruct(ValueError):
    """The text is none."""


def struct(text: str) -> dict[str, Any] | None:
    """The values of a struct by their names, those that are null left out; None where the text is none."""
    text = text.strip()
    try:
        value, end = _value(text, 0, 0)
    except _NoStruct:
        return None
    return value if isinstance(value, dict) and value and end == len(text) else None


def _value(text: str, at: int, depth: int) -> tuple[Any, int]:
    """A struct or list that begins there, and the place behind it."""
    if depth > _DEEPEST or text[at : at + 1] not in ("{", "["):
        raise _NoStruct
    if text[at] == "{":
        return _struct(text, at + 1, depth)
    found = list[Any]()
    at += 1
    while not text.startswith("]", at):
        value, at = _one(text, at, _ELEMENT, depth)
        found.append(value)
        at = _past(text, at, "]")
    return found, at + 1


def _struct(text: str, at: int, depth: int) -> tuple[dict[str, Any], int]:
    found = dict[str, Any]()
    while not text.startswith("}", at):
        if (name := _NAME.match(text, at)) is None or name[1] in found:
            raise _NoStruct
        found[name[1]], at = _one(text, name.end(), _NEXT, depth)
        at = _past(text, at, "}")
    return {name: value for name, value in found.items() if value is not None}, at + 1


def _one(text: str, at: int, ends: re.Pattern[str], depth: int) -> tuple[Any, int]:
    """One value: a struct, a list, or the text up to what ends it."""
    if text[at : at + 1] in _CLOSES:
        return _value(text, at, depth + 1)
    if (end := ends.search(text, at)) is None or end[0] in _CLOSES:
        raise _NoStruct
    value = text[at : end.start()]
    return None if value == "null" else value, end.start()


def _past(text: str, at: int, closes: str) -> int:
    """Where the next value begins, or the bracket that closes what this one is in."""
    if text.startswith(", ", at):
        return at + 2
    if not text.startswith(closes, at):
        raise _NoStruct
    return at

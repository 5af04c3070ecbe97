"""Cuts a line of JSON into literal text and slots: its keys and their nesting are literal, its values are slots.

Only objects of plain values, and lists of those, are cut. Strings may hold simple escapes, and nothing that a decoder
could refuse. What is made of the parts is decided in `templates`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from pipeline.sources.glances.templates import Parts, Slot, names_of

_STRING = r'"(?:[^"\\\x00-\x1f]|\\["\\/bfnrt])*"'
_NUMBER = r"-?(?:0|[1-9][0-9]{0,18})(?:\.[0-9]{1,18})?(?:[eE][-+]?[0-9]{1,2})?"
_GIVEN = rf"(?:{_STRING}|{_NUMBER}|true|false)"
_SCALAR = rf"(?:{_STRING}|{_NUMBER}|true|false|null)"
_LIST = rf"\[(?:{_SCALAR}(?:, ?{_SCALAR})*)?\]"
_AT_LIST, _AT_SCALAR, _BLANKS = re.compile(_LIST), re.compile(_SCALAR), re.compile("[ \t]*")
_IN_LIST = "[]"
"""The path of what lies in a list of objects, where nothing is read."""
_KEY = re.compile(r'"([^"\\\x00-\x1f]*)"[ \t]*:[ \t]*')


class _Odd(Exception):
    """A line that is not cut."""


class JsonParts:
    """How lines with certain fields are cut."""

    def __init__(self, fields: Mapping[str, Sequence[str]], refused: Collection[str] = ()) -> None:
        """Args: refused are keys of lines that are not what they seem, such as those that wrap a record."""
        self.refused = frozenset(refused)
        self.names = names_of(fields)

    def __call__(self, line: str) -> Parts | None:
        """The parts of a line; None when it is not cut."""
        walk = _Walk(line, self)
        try:
            walk.value("")
        except (_Odd, RecursionError):
            return None
        if walk.at != len(line) or not line.startswith("{") or any(n > 1 for n in walk.paths.values()):
            return None
        return walk.parts


class _Walk:
    """One line being cut."""

    def __init__(self, line: str, how: JsonParts) -> None:
        self.line, self.how, self.at = line, how, 0
        self.parts = list[str | Slot]()
        self.paths = Counter[str]()

    def value(self, path: str) -> None:
        """Any value, and the blanks behind it."""
        begins = self.line[self.at : self.at + 1]
        if begins == "{":
            self._members(path)
        elif begins == "[":
            self._list(path)
        else:
            self._scalar(path)
        self._fixed(_BLANKS)

    def _fixed(self, pattern: re.Pattern[str]) -> str:
        """Take literal text."""
        found = pattern.match(self.line, self.at)
        if found is None:
            raise _Odd
        self.parts.append(found[0])
        self.at = found.end()
        return found[0]

    def _mark(self, marks: str) -> str:
        if (mark := self.line[self.at : self.at + 1]) not in marks or not mark:
            raise _Odd
        self.parts.append(mark)
        self.at += 1
        return mark + self._fixed(_BLANKS)

    def _members(self, path: str) -> None:
        self._mark("{")
        inside, keys = self.at, set[str]()
        while self.line[self.at : self.at + 1] != "}":
            if self.at != inside:
                self._mark(",")
            whole = self._fixed(_KEY)
            key = whole[1 : whole.index('"', 1)]
            if key in keys or key in self.how.refused:
                raise _Odd
            keys.add(key)
            below = key if not path else _IN_LIST if path == _IN_LIST else f"{path}.{key}"
            self.paths[below] += below in self.how.names
            self.value(below)
        self._mark("}")

    def _list(self, path: str) -> None:
        used = path in self.how.names
        if found := _AT_LIST.match(self.line, self.at):
            # Of a list that is read no more is known than what it is here.
            self.parts.append(Slot(frozenset((_IN_LIST,) if used else ()), found[0], ("", ""), _LIST))
            self.at = found.end()
            return
        if used:
            raise _Odd
        self._mark("[")
        self.value(_IN_LIST)
        while self._mark(",]").startswith(","):
            self.value(_IN_LIST)

    def _scalar(self, path: str) -> None:
        if (found := _AT_SCALAR.match(self.line, self.at)) is None:
            raise _Odd
        text, self.at = found[0], found.end()
        names, rank = self.how.names.get(path, (frozenset(), 0))
        if names and text == "null":
            self.parts.append(text)
            return
        quote = '"' if text.startswith('"') else ""
        bare = text[1:-1] if quote else text
        self.parts.append(Slot(names, bare, (quote, quote), _GIVEN if names else _SCALAR, rank))

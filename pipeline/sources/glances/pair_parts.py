"""Cuts a line of named values into literal text and slots: names are literal, values are slots.

Pairs stand between bars or blanks (name=value), or in brackets (name:"value"; as in Check Point's logs). What stands
before the first pair is a header, of which nothing is read: its numbers may differ from line to line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from pipeline.sources.glances.templates import Parts, Slot, names_of

_CONTROL = r"\x00-\x1f\x7f-\x9f\u2028\u2029"
_BAR = re.compile(r"(?P<before>[^|=\[\"\\]* )?(?P<name>[\w.-]+)(?P<mark>=)(?P<value>[^|\"\\\[]*)(?P<after>)")
_QUOTED = re.compile(
    r'(?P<before>(?:[^|="\[\\]* )?\[)?(?P<name> ?[\w.-]+)(?P<mark>::?|=)"(?P<value>[^";|\\\[\]]*)"(?P<after>\]?)'
)
_BAR_VALUE = rf'[^|"\\\[{_CONTROL}]*'
_BLANK = re.compile(r'(?P<before>[^="\\ |]*[>:])?(?P<name>\w+)(?P<mark>=)"?(?P<value>[^"=\\ ,|]*)"?(?P<after>)')
_BLANK_VALUE = rf'(?:"[^"=\\ ,|{_CONTROL}]*"|[^"=\\ ,|{_CONTROL}]*)'
_INSIDE = rf'";|\\\[\]{_CONTROL}'
_QUOTED_VALUE = rf'"(?:[^{_INSIDE}]*[^:= {_INSIDE}])?"'
"""A value that does not end as a name does."""


class PairParts:
    """How lines with certain fields are cut."""

    def __init__(self, fields: Mapping[str, Sequence[str]], separator: str) -> None:
        """Args: fields by the names of their values, in any case; a bar, a semicolon or a blank parts the pairs."""
        self._names = {name.lower(): found for name, found in names_of(fields).items()}
        self._separator, self._quoted = separator, separator == ";"
        self._pair = {"|": _BAR, ";": _QUOTED, " ": _BLANK}[separator]
        self._free = {"|": _BAR_VALUE, ";": _QUOTED_VALUE, " ": _BLANK_VALUE}[separator]

    def __call__(self, line: str) -> Parts | None:
        """The parts of a line; None when it is not cut."""
        parts, seen = list[str | Slot](), set[str]()
        cells = line.split(self._separator)
        for at, cell in enumerate(cells):
            pair = self._pair.fullmatch(cell)
            if pair is None or pair["name"].strip().lower() in seen or (pair["before"] and at):
                return None
            if self._quoted and (not pair["before"], pair["after"]) != (at > 0, "]" * (at == len(cells) - 1)):
                return None
            seen.add(pair["name"].strip().lower())
            parts += [self._separator] if at else []
            parts += [*_header(pair["before"] or ""), pair["name"] + pair["mark"], self._value(pair), pair["after"]]
        return parts

    def _value(self, pair: re.Match[str]) -> Slot:
        names, rank = self._names.get(pair["name"].strip().lower(), (frozenset[str](), 0))
        quotes = pair[0][pair.end("mark") : pair.start("value")], pair[0][pair.end("value") : pair.start("after")]
        return Slot(names, pair["value"], (quotes[0], quotes[1]), self._free, rank)


def _header(text: str) -> list[str | Slot]:
    """A header whose numbers are slots."""
    pieces = re.split(r"(\d+)", text)
    return [Slot(frozenset(), p, ("", ""), "[0-9]+") if at % 2 else p for at, p in enumerate(pieces)]

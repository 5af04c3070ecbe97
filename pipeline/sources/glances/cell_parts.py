"""Cuts a line of delimited text into literal text and slots: its cells are slots, by the columns in force.

Only lines with as many cells as there are columns are cut, with bare cells or quoted ones without quotes inside. The
parts go to `templates`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from pipeline.sources.glances.templates import Parts, Slot, names_of

_CONTROL = r"\x00-\x1f\x7f-\x9f\u2028\u2029"


class CellParts:
    """How lines under certain columns are cut."""

    def __init__(
        self,
        fields: Mapping[str, Sequence[str]],
        columns: Sequence[str],
        delimiter: str,
        *,
        quoted: bool,
        trailing: bool,
    ) -> None:
        """Args: as in `delimited.Layout`; columns in lower case, those in use once each."""
        names = names_of(fields)
        self._names = [names.get(column, (frozenset(), 0)) for column in columns]
        self._delimiter, self._quoted, self._trailing = delimiter, quoted, trailing
        inner = rf'[^{re.escape(delimiter)}"{_CONTROL}]{"+" if delimiter == " " else "*"}'  # Several blanks are one.
        # Where blanks delimit they are taken off at the ends of a line, and so is an export's time before it.
        ends = rf'[^"\s:{_CONTROL}]+' if delimiter in " \t" else inner
        either = [rf'(?:{p}|"{inner}")' if quoted else p for p in (ends, inner)]
        self._end, self._inner = either

    def __call__(self, line: str) -> Parts | None:
        """The parts of a line; None when it is not cut."""
        cells, width = line.split(self._delimiter), len(self._names)
        spare = cells[width:]
        if len(cells) < width or (spare and not (self._trailing and spare == [""])):
            return None
        parts = list[str | Slot]()
        for at, (cell, (names, rank)) in enumerate(zip(cells, self._names, strict=False)):
            parts += [self._delimiter] if at else []
            free = self._inner if 0 < at < len(cells) - 1 else self._end
            parts.append(self._slot(cell, names, rank, free))
        return [*parts, self._delimiter] if spare else parts

    def _slot(self, cell: str, names: frozenset[str], rank: int, free: str) -> Slot:
        if self._quoted and len(cell) > 1 and cell[0] == cell[-1] == '"':
            return Slot(names, cell[1:-1], ('"', '"'), free, rank)
        bare = cell.strip(" ")
        left, right = cell[: len(cell) - len(cell.lstrip(" "))], cell[len(cell.rstrip(" ")) :]
        return Slot(names, bare, (left, right), free, rank)

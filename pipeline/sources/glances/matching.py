"""Which lines match a template: they are cut into cells, and these compared place by place.

That is done in pieces that the processor's cache holds: of a whole block, a line has left it again when its next cell
is asked. Where templates come from, and what becomes of lines that match, is in `sight`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import polars as pl

from pipeline.sources.glances.templates import Template

PIECE_BYTES = 1 << 21
"""Bytes of the lines that are matched at once."""
_REMEMBERED = 30
"""Patterns that Polars keeps in mind, less two; of more, each is made anew whenever it is asked."""
_MANY = 0.25
"""The share of cells unlike the one seen from which on matching all of them costs no more."""
_SECONDS = 10
"""Digits of an epoch in seconds."""


@dataclass(frozen=True)
class Match:
    """Lines that match a template."""

    rows: pl.Series
    """Their numbers."""
    counts: pl.DataFrame
    """The counters that were asked for, Int64."""
    ends: Sequence[tuple[str | int, int]]
    """The first and the last start, as they sort, and the numbers of their lines."""


class Piece:
    """Some lines, cut into cells."""

    def __init__(self, cells: pl.Series, first: int) -> None:
        """Args: cells are a list a line, first the number of the first line."""
        self.cells, self.first = cells, first
        self._widths = cells.list.len()

    def of(self, template: Template, told: pl.Series) -> tuple[pl.Series, Cells] | None:
        """(numbers, cells) of the lines that have as many as the template, but for those that are told already."""
        wanted = (self._widths == len(template.cells)) & ~told.slice(self.first, len(self.cells))
        if not wanted.any():
            return None
        cells = self.cells if wanted.all() else self.cells.filter(wanted)
        return wanted.arg_true() + self.first, Cells(cells.explode(), template)


def pieces(raw: pl.Series, separator: str) -> list[Piece]:
    """Lines in pieces."""
    size = max(1, len(raw) * PIECE_BYTES // max(1, int(raw.str.len_bytes().sum())))
    return [Piece(raw.slice(at, size).str.split(separator), at) for at in range(0, len(raw), size)]


def matches(
    parts: Sequence[Piece], told: pl.Series, template: Template, counts: Sequence[str], sound: pl.Expr | None
) -> list[Match]:
    """The lines of each piece that match a template.

    Args:
        parts: all lines.
        told: which of them are told already, and not asked.
        template: what they are compared with.
        counts: counters that are asked for.
        sound: what these must be like, or else their line does not match.
    """
    found, left = list[Match](), list(parts)
    while left:
        if (of := left.pop(0).of(template, told)) is None:
            continue
        rows, cells = of
        if (match := cells.match(rows, counts, sound)) is not None:
            found.append(match)
        if cells.patterns > _REMEMBERED and left:
            left = [Piece(pl.concat([p.cells for p in left]), left[0].first)]
    return found


class Cells:
    """The cells of lines that have as many as a template, by their places."""

    def __init__(self, flat: pl.Series, template: Template) -> None:
        """Args: flat are the cells of all lines, one behind the other."""
        self._template = template
        self._places = flat.alias("cell").to_frame().select_seq(_apart(len(template.cells)))
        self.patterns = 0
        """How many were asked."""

    def plain(self) -> pl.Series:
        """Which lines match: those that have all that stands fast, and of these all others."""
        told = _all(self._places)
        for texts, cell in zip(self._places, self._template.cells, strict=True):
            if cell.fixed:
                told &= texts == cell.seen
        if told.all():
            return self._fitting(self._places)
        return told.scatter(told.arg_true(), self._fitting(_only(self._places, told)))

    def _fitting(self, places: pl.DataFrame) -> pl.Series:
        """Which lines match in all that does not stand fast; a cell that is the one seen does."""
        fits, many = _all(places), list[pl.Expr]()
        for texts, cell in zip(places, self._template.cells, strict=True):
            odd = None if cell.seen is None else texts != cell.seen
            if cell.fixed or (odd is not None and not odd.any()):
                continue
            self.patterns += 1
            if odd is None or int(odd.sum()) > _MANY * len(odd):
                many.append(_pattern(texts.name, cell.pattern))
            else:
                few = texts.filter(odd).to_frame().select_seq(_pattern(texts.name, cell.pattern)).to_series()
                fits &= (~odd).scatter(odd.arg_true(), few)
        for fit in places.select_seq(many) if many else ():
            fits &= fit
        return fits

    def match(self, rows: pl.Series, counts: Sequence[str], sound: pl.Expr | None) -> Match | None:
        """The lines that match, None where there is none; rows are the numbers of all, for the rest see `matches`."""
        plain = self.plain()
        rows, places = rows.filter(plain), _only(self._places, plain)
        numbers = places.select_seq(self._count(name) for name in counts) if len(rows) else pl.DataFrame()
        if sound is not None and len(rows):
            fits = numbers.select(sound.fill_null(value=False)).to_series()
            rows, places, numbers = rows.filter(fits), _only(places, fits), numbers.filter(fits)
        return Match(rows, numbers, self._ends(rows, places)) if len(rows) else None

    def _count(self, name: str) -> pl.Expr:
        """A counter; null where lines have none."""
        for place, cell in enumerate(self._template.cells):
            if name in cell.counts:
                text, pattern = pl.col(str(place)), cell.counts[name]
                return (text.str.extract(pattern) if pattern else text).cast(pl.Int64).alias(name)
        return pl.repeat(None, pl.len(), dtype=pl.Int64).alias(name)

    def _ends(self, rows: pl.Series, places: pl.DataFrame) -> list[tuple[str | int, int]]:
        """The first and the last of lines by their starts."""
        cells = self._template.cells
        at, cell = next((i, c) for i, c in enumerate(cells) if c.start)
        texts = places[str(at)]
        lasting = next((i for i, c in enumerate(cells) if c.lasted), None)
        # Texts that differ in one value alone, and not in its length, sort as it does.
        alike = lasting is None and cell.single and texts.str.len_bytes().n_unique() == 1
        starts = texts if alike else texts.str.extract(cell.start)
        if lasting is not None:
            lasted = places[str(lasting)].str.extract(cells[lasting].lasted).cast(pl.Int64)
            starts = starts.cast(pl.Int64) - lasted * 10 ** (len(starts[0]) - _SECONDS)
        found = [i for i in (starts.arg_min(), starts.arg_max()) if i is not None]
        told = starts.gather(found).str.extract(cell.start) if alike else starts.gather(found)
        return list(zip(told.to_list(), rows.gather(found).to_list(), strict=True))


def ends(found: Sequence[Match]) -> list[int]:
    """The numbers of the lines with the first and the last start of all."""
    told = [end for match in found for end in match.ends]
    return [min(told)[1], max(told)[1]] if told else []


def _all(places: pl.DataFrame) -> pl.Series:
    return pl.Series([True]).new_from_index(0, places.height)


def _only(places: pl.DataFrame, wanted: pl.Series) -> pl.DataFrame:
    """The wanted lines; column by column, which costs less than asking the frame."""
    return places if wanted.all() else pl.DataFrame([texts.filter(wanted) for texts in places])


# Made once: for a piece, making them costs as much as what they do.


@lru_cache(maxsize=64)
def _apart(width: int) -> list[pl.Expr]:
    """The cells of lines of so many by their places."""
    return [pl.col("cell").gather_every(width, at).alias(str(at)) for at in range(width)]


@lru_cache(maxsize=1024)
def _pattern(column: str, pattern: str) -> pl.Expr:
    return pl.col(column).str.contains(f"^(?:{pattern})$")

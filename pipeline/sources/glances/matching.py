"""Finds the lines that match a template: they are cut into cells, which are compared place by place.

Lines are taken in pieces that fit into the processor's cache: of a whole block, a line would have left the cache again
before its next cell is compared. Where templates come from, and what becomes of lines that match, is in `sight`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce
from operator import and_

import polars as pl

from pipeline.sources.glances.templates import Cell, Template

PIECE_BYTES = 1 << 21
"""Bytes of the lines that are matched at once."""
_REMEMBERED = 30
"""Patterns that Polars keeps in mind, less two; of more, each is made anew whenever it is asked."""
_MANY = 0.25
"""The share of cells unlike the one seen from which on matching all of them costs no more."""
_SECONDS = 10
"""Digits of an epoch in seconds."""
End = tuple[str | int, int]
"""A start, as they sort, and the number of its line."""


@dataclass(frozen=True)
class Match:
    """Lines that match a template."""

    rows: pl.Series
    """Their numbers."""
    counts: pl.DataFrame
    """The counters that were asked for, Int64."""
    ends: Sequence[End]
    """Those of the first and the last start."""


class Piece:
    """Some lines, cut into cells."""

    def __init__(self, cells: pl.Series, first: int) -> None:
        """Args: cells are a list a line, first the number of the first line."""
        self.cells, self.first = cells, first
        self._widths = cells.list.len()

    def of(self, template: Template, told: pl.Series, varied: set[str]) -> tuple[pl.Series, Cells] | None:
        """(numbers, cells) of the lines with as many cells as the template, except those recognised already."""
        wanted = (self._widths == len(template.cells)) & ~told.slice(self.first, len(self.cells))
        if not wanted.any():
            return None
        cells = self.cells if wanted.all() else self.cells.filter(wanted)
        return wanted.arg_true() + self.first, Cells(cells.explode(), template, varied)


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
    found, left, varied = list[Match](), list(parts), set[str]()
    while left:
        if (of := left.pop(0).of(template, told, varied)) is None:
            continue
        rows, cells = of
        if (match := cells.match(rows, counts, sound)) is not None:
            found.append(match)
        if cells.patterns > _REMEMBERED and left:
            left = [Piece(pl.concat([p.cells for p in left]), left[0].first)]
    return found


class Cells:
    """The cells of lines that have as many as a template, by their places."""

    def __init__(self, flat: pl.Series, template: Template, varied: set[str] | None = None) -> None:
        """Args: flat are the cells of all lines, one behind the other; varied the places found to be unlike the seen.

        varied is added to; these places are matched at once.
        """
        self._template = template
        self._varied = set[str]() if varied is None else varied
        self._places = flat.alias("cell").to_frame().select_seq(_apart(len(template.cells)))
        self.patterns = 0
        """How many were asked."""

    def plain(self) -> pl.Series:
        """Which lines match: first by all literal cells, then by the others."""
        fixed = [_is(at, c.seen) for at, c in self._numbered() if c.fixed and c.seen is not None]
        told = _all_of(self._places, fixed)
        if told.all():
            return self._fitting(self._places)
        return told.scatter(told.arg_true(), self._fitting(_only(self._places, told)))

    def _numbered(self) -> Sequence[tuple[str, Cell]]:
        return [(str(at), cell) for at, cell in enumerate(self._template.cells)]

    def _fitting(self, places: pl.DataFrame) -> pl.Series:
        """Which lines match in the cells that are not literal; a cell equal to the one seen matches."""
        few, many, loose = list[pl.Series](), list[pl.Expr](), [n for n in self._numbered() if not n[1].fixed]
        alike = [_is(at, c.seen) for at, c in loose if c.seen is not None and at not in self._varied]
        same = {seen.name: seen for seen in places.select_seq(alike)} if alike else {}
        for at, cell in loose:
            seen = same.get(at)
            odd = None if seen is None else len(seen) - int(seen.sum())
            if odd == 0:
                continue
            self.patterns += 1
            if seen is None or odd is None or odd > _MANY * len(seen):
                self._varied.add(at)
                many.append(_pattern(at, cell.pattern))
            else:
                texts = places[at].filter(~seen).to_frame().select_seq(_pattern(at, cell.pattern)).to_series()
                few.append(seen.scatter((~seen).arg_true(), texts))
        return reduce(and_, few, _all_of(places, many))

    def match(self, rows: pl.Series, counts: Sequence[str], sound: pl.Expr | None) -> Match | None:
        """The lines that match, None where there is none; rows are the numbers of all, for the rest see `matches`."""
        plain = self.plain()
        asked = [at for at, c in self._numbered() if c.start or c.lasted or not c.counts.keys().isdisjoint(counts)]
        rows, places = rows.filter(plain), _only(self._places, plain, asked)
        numbers = places.select_seq(self._count(name) for name in counts) if len(rows) and counts else pl.DataFrame()
        if sound is not None and len(rows):
            fits = numbers.select(sound.fill_null(value=False)).to_series()
            rows, places, numbers = rows.filter(fits), _only(places, fits), numbers.filter(fits)
        return Match(rows, numbers, self._ends(rows, places)) if len(rows) else None

    def _count(self, name: str) -> pl.Expr:
        """A counter; null where lines have none."""
        for at, cell in self._numbered():
            if name in cell.counts:
                return _inside(pl.col(at), cell, cell.counts[name]).cast(pl.Int64).alias(name)
        return pl.repeat(None, pl.len(), dtype=pl.Int64).alias(name)

    def _ends(self, rows: pl.Series, places: pl.DataFrame) -> list[End]:
        """The first and the last of lines by their starts."""
        at, cell = next((i, c) for i, c in self._numbered() if c.start)
        lasting = next((n for n in self._numbered() if n[1].lasted), None)
        if lasting is None:
            return ends_of(places[at], rows, cell)
        start = _inside(pl.col(at), cell, cell.start).alias("start")
        lasted = _inside(pl.col(lasting[0]), lasting[1], lasting[1].lasted).cast(pl.Int64)
        told = places.select_seq(start, lasted.alias("lasted"))
        starts = told["start"].cast(pl.Int64) - told["lasted"] * 10 ** (len(told["start"][0]) - _SECONDS)
        return _outermost(starts, rows)


def ends_of(texts: pl.Series, rows: pl.Series, cell: Cell) -> list[End]:
    """The first and the last of lines by what stands in the cell of their starts; rows are their numbers."""
    # Texts that differ in one value alone, and not in its length, sort as it does.
    if not (cell.single and texts.str.len_bytes().n_unique() == 1):
        return _outermost(texts.str.extract(cell.start), rows)
    found = _outermost(texts, rows)
    return list(zip(pl.Series([t for t, _ in found]).str.extract(cell.start), (row for _, row in found), strict=True))


def _outermost(starts: pl.Series, rows: pl.Series) -> list[End]:
    found = [i for i in (starts.arg_min(), starts.arg_max()) if i is not None]
    return list(zip(starts.gather(found).to_list(), rows.gather(found).to_list(), strict=True))


def ends(found: Sequence[Match]) -> list[int]:
    """The numbers of the lines with the first and the last start of all."""
    told = [end for match in found for end in match.ends]
    return [min(told)[1], max(told)[1]] if told else []


def _all_of(places: pl.DataFrame, conditions: Sequence[pl.Expr]) -> pl.Series:
    """Which lines meet all conditions, each of another place."""
    every = pl.Series([True]).new_from_index(0, places.height)
    return reduce(and_, places.select_seq(conditions), every) if conditions else every


def _only(places: pl.DataFrame, wanted: pl.Series, asked: Collection[str] | None = None) -> pl.DataFrame:
    """The wanted lines, in the places asked for; column by column, which costs less than asking the frame."""
    if wanted.all():
        return places
    return pl.DataFrame([texts.filter(wanted) for texts in places if asked is None or texts.name in asked])


def _inside(texts: pl.Expr, cell: Cell, pattern: str) -> pl.Expr:
    """A value in cells that match, by its pattern, or as what is left without the literal text around it."""
    if cell.around is None:
        return texts.str.extract(pattern) if pattern else texts
    before, after = cell.around
    texts = texts.str.strip_prefix(before) if before else texts
    return texts.str.strip_suffix(after) if after else texts


# Made once: for a piece, making them costs as much as what they do.


@lru_cache(maxsize=64)
def _apart(width: int) -> list[pl.Expr]:
    """The cells of lines by their places; all lines have the same number of cells."""
    return [pl.col("cell").gather_every(width, at).alias(str(at)) for at in range(width)]


@lru_cache(maxsize=1024)
def _pattern(column: str, pattern: str) -> pl.Expr:
    return pl.col(column).str.contains(f"^(?:{pattern})$")


@lru_cache(maxsize=1024)
def _is(column: str, text: str) -> pl.Expr:
    return pl.col(column) == pl.lit(text)

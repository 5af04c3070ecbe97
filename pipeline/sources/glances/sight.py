"""Lines told at a glance by what a log has shown: templates of its own lines that are flows of nobody watched.

A line becomes a template when the careful reader, asked of it alone, counts it among others, says nothing else of it
and remembers nothing. All lines that match are then counted so without being read, but for those with the first and the
last start, which the careful reader judges with the rest: its word holds for all times between them. How lines are cut
is the formats' business, what templates look like that of `templates`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from pipeline.sources.base import Account, Parsed
from pipeline.sources.glances import glance
from pipeline.sources.glances.templates import Cell, Maker, Parts, Template

MAX_TEMPLATES = 12
_SECONDS = 10
"""Digits of an epoch in seconds."""
_SAMPLE = 60
"""Lines that are looked at to find templates."""
_RARE = 0.02
"""The share of the sample below which a template is not worth its price."""
_FEW = 0.05
"""The share of lines told that is not worth matching them, where no more templates are looked for."""
_UNKNOWN = 0.3
"""The share of lines not told that is worth another look for templates."""


@dataclass(frozen=True)
class Cut:
    """How a format cuts lines into parts now."""

    parts: Callable[[str], Parts | None]
    free: frozenset[str] = frozenset()
    """Fields that decide nothing about flows of nobody watched."""
    separator: str = ","
    key: object = None
    """What the cut depends on, such as the columns in force."""
    never: str = ""
    """What lines that only seem to be plain hold."""
    spans: Callable[[pl.Series], bool] | None = None
    """Whether any of some lines may belong to one record with other lines."""
    times: frozenset[str] = frozenset()
    """Fields that decide nothing about such flows either as long as they hold a time."""
    counts: tuple[str, ...] = ()
    """Counters that are asked of lines that are not read."""
    sound: pl.Expr | None = None
    """Whether nothing more than others is to be said of such counters (Int64, null where a line has none)."""


@dataclass(frozen=True)
class Told:
    """What a glance told: which lines, and which of them must be read for the span of their times."""

    plain: pl.Series
    ends: list[int]
    local: bool
    """Whether times name no zone."""
    counts: pl.DataFrame
    """Of all plain lines: which of the lines (`at`), and the counters that were asked for."""

    @cached_property
    def unread(self) -> pl.Series:
        """Which lines need not be read."""
        return self.plain.clone().scatter(self.ends, values=False)

    @property
    def count(self) -> int:
        """How many lines need not be read."""
        return int(self.unread.sum())


class Sight:
    """The templates that a log has shown so far."""

    least_lines = 4_000
    """Lines below which reading all with care costs less than learning."""
    looks = 4
    """How often templates are looked for."""

    def __init__(self, cut: Cut, networks: Sequence[str], read: Callable[[str], Parsed | None]) -> None:
        """Args: read is the careful reader of one line, None where it remembers something of it."""
        self.cut, self._read = cut, read
        addresses = glance.unwatched_by_family(networks)
        self._maker = None if addresses is None else Maker(cut.separator, cut.free, addresses, cut.times)
        self._templates, self._refused = list[Template](), set[Template]()
        self._looks, self._fails = self.looks, 0

    def tell(self, raw: pl.Series) -> Told | None:
        """What can be told of lines; None when nothing can."""
        if self._maker is None or len(raw) < self.least_lines or not (self._templates or self._looks):
            return None
        told = self._match(raw)
        unknown = raw if told is None else raw.filter(~told.plain)
        if self._looks and len(unknown) > _UNKNOWN * len(raw) and self._learn(unknown):
            told = self._match(raw)
        if not self._looks and (told is None or told.count < _FEW * len(raw)):
            self._templates = []
        return told

    def fail(self) -> None:
        """Take it that what was told did not hold: from the second time on nothing is told any more."""
        self._fails += 1
        if self._fails > 1:
            self._templates, self._looks = [], 0

    def _learn(self, raw: pl.Series) -> bool:
        """Look for templates in lines that none matches; whether there are new ones."""
        assert self._maker is not None
        self._looks -= 1
        found = dict[Template, list[str]]()
        sample = raw.gather_every(max(1, len(raw) // _SAMPLE)).to_list()
        for line in sample:
            parts = self.cut.parts(line)
            template = None if parts is None else self._maker.template(parts)
            if template is not None and template not in self._refused:
                found.setdefault(template, []).append(line)
        before = len(self._templates)
        for template, lines in sorted(found.items(), key=lambda f: -len(f[1])):
            if len(self._templates) < MAX_TEMPLATES and len(lines) >= _RARE * len(sample):
                held = self._held(template, lines)
                self._refused.add(template) if held is None else self._templates.append(held)
        return len(self._templates) > before

    def _held(self, template: Template, lines: list[str]) -> Template | None:
        """The template with a line of nobody watched, where that is read as one that is only counted."""
        cut = pl.Series(lines, dtype=pl.String).str.split(self.cut.separator)
        plain = _Cells(cut.explode(), template).plain()
        at = plain.arg_max()
        if at is None or not plain[at]:
            return None
        cells = cut[at].to_list()
        spans = [self._counted(self.cut.separator.join(c)) for c in (cells, template.another_time(cells))]
        return template.with_seen(cells) if None not in spans and spans[0] != spans[1] else None

    def _counted(self, line: str) -> tuple[int, int] | None:
        """The span of a line that is only counted; None for any other."""
        read = self._read(line)
        if read is None or read.rows.height or read.rejects.height or (read.others is not None and read.others.height):
            return None
        return read.span if read.account == Account(lines=1, others=1) else None

    def _match(self, raw: pl.Series) -> Told | None:
        """Which lines match a template, with the first and last of each."""
        cut = raw.str.split(self.cut.separator)
        width, rows = cut.list.len(), pl.int_range(len(raw), eager=True)
        ends, counts = list[int](), list[pl.DataFrame]()
        plain = pl.repeat(False, len(raw), eager=True)
        for template in self._templates:
            wanted = (width == len(template.cells)) & ~plain
            if not wanted.any():
                continue
            found = _Cells((cut if wanted.all() else cut.filter(wanted)).explode(), template)
            at = rows.filter(wanted).filter(found.plain(self.cut.sound, self.cut.counts))
            if not at.is_empty():
                plain = plain.scatter(at, values=True)
                ends += [at[i] for i in found.ends()]
                counts.append(found.counts.select(pl.lit(at).alias("at"), *self.cut.counts))
        if not ends or (self.cut.never and raw.str.contains(self.cut.never, literal=True).any()):
            return None
        if self.cut.spans is not None and self.cut.spans(raw.filter(~plain)):
            return None
        return Told(plain, ends, any(t.local for t in self._templates), pl.concat(counts))


class _Cells:
    """Cells of lines with as many as a template has, by their places."""

    def __init__(self, flat: pl.Series, template: Template) -> None:
        self._template, self._width = template, len(template.cells)
        self._flat = flat
        self._rows = pl.Series(dtype=pl.UInt32)
        self.counts = pl.DataFrame()
        """Of the lines that match, the counters that were asked for."""
        self._lasting = any(cell.lasted for cell in template.cells)

    def plain(self, sound: pl.Expr | None = None, counts: Sequence[str] = ()) -> pl.Series:
        """Which lines match: those that have all that stands fast, and of these all others, with sound counters."""
        cells = self._template.cells
        told = pl.Series([True]).new_from_index(0, len(self._flat) // self._width)
        for i, cell in enumerate(cells):
            if cell.fixed:
                told &= self._at(i) == cell.seen
        rows = told.arg_true()
        for i, cell in enumerate(cells):
            if not cell.fixed and len(rows):
                texts = self._at(i) if len(rows) == len(told) else self._at(i).gather(rows)
                fits = _fit(texts, cell)
                if not fits.all():
                    rows = rows.filter(fits)
        self.counts = pl.DataFrame([self._count(name, rows) for name in counts])
        if sound is not None and len(rows):
            fits = self.counts.select(sound.fill_null(value=False)).to_series()
            rows, self.counts = rows.filter(fits), self.counts.filter(fits)
        self._rows = rows
        return pl.repeat(False, len(told), eager=True).scatter(rows, values=True)

    def ends(self) -> list[int]:
        """Among the lines that match the first and the last by their starts."""
        starts, lasted = self._told("start"), self._told("lasted")
        if lasted is not None and starts is not None:
            starts = starts.cast(pl.Int64) - lasted.cast(pl.Int64) * 10 ** (len(starts[0]) - _SECONDS)
        return [at for at in (starts.arg_min(), starts.arg_max()) if at is not None] if starts is not None else []

    def _told(self, kind: str) -> pl.Series | None:
        """What the cell that tells a start, or a duration, tells."""
        patterns = [getattr(cell, kind) for cell in self._template.cells]
        place = next((i for i, pattern in enumerate(patterns) if pattern), None)
        if place is None:
            return None
        texts = self._at(place).gather(self._rows)
        # Texts that differ in one value alone, and not in its length, sort as it does.
        alike = kind == "start" and self._template.cells[place].single and texts.str.len_bytes().n_unique() == 1
        return texts if alike and not self._lasting else texts.str.extract(patterns[place])

    def _count(self, name: str, rows: pl.Series) -> pl.Series:
        """A counter of some of the lines."""
        place = next((i for i, cell in enumerate(self._template.cells) if name in cell.counts), None)
        if place is None:
            return pl.repeat(None, len(rows), dtype=pl.Int64, eager=True).alias(name)
        texts, pattern = self._at(place).gather(rows), self._template.cells[place].counts[name]
        return (texts.str.extract(pattern) if pattern else texts).cast(pl.Int64).alias(name)

    def _at(self, place: int) -> pl.Series:
        return self._flat.gather_every(self._width, place)


def _fit(texts: pl.Series, cell: Cell) -> pl.Series:
    """Which texts match a cell; the one that was seen does."""
    pattern = f"^(?:{cell.pattern})$"
    if cell.seen is None:
        return texts.str.contains(pattern)
    odd = texts != cell.seen
    if 2 * int(odd.sum()) > len(texts):
        return texts.str.contains(pattern)
    at = odd.arg_true()
    return (~odd).scatter(at, texts.gather(at).str.contains(pattern)) if len(at) else ~odd

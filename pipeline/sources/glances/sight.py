"""Learns from a log's own lines what unwatched flows look like in it, and counts all lines alike without parsing them.

A line becomes a template when the careful reader, given it alone, counts it among others, says nothing else of it and
remembers nothing. All lines that match are then counted in the same way without being read, except those with the first
and the last start: the careful reader judges these with the rest, and what it says holds for all times between. How
lines are cut belongs to the formats, how templates are made to `templates`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from pipeline.sources.base import Account, Parsed
from pipeline.sources.glances import glance, matching, whole
from pipeline.sources.glances.templates import Maker, Parts, Template

MAX_TEMPLATES = 12
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
    whole: bool = False
    """Whether no value holds the separator, whatever a line is, and the start is a value of its own."""
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
    """What templates recognised: which lines, and which of them must be read for the span of their times."""

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

    def __init__(self, cut: Cut, networks: Sequence[str], read: Callable[[list[str]], Parsed | None]) -> None:
        """Args: read is the careful reader of a few lines, None where it remembers something of them."""
        self.cut, self._networks, self._read = cut, networks, read
        self._templates, self._refused = list[Template](), set[Template]()
        self._looks, self._fails = self.looks, 0

    @cached_property
    def _maker(self) -> Maker | None:
        """What makes templates, asked for only where there are enough lines; None where it would be too large."""
        addresses = glance.unwatched_by_family(self._networks)
        return None if addresses is None else Maker(self.cut.separator, self.cut.free, addresses, self.cut.times)

    def tell(self, raw: pl.Series) -> Told | None:
        """What templates recognise among lines; None when nothing."""
        if len(raw) < self.least_lines or not (self._templates or self._looks) or self._maker is None:
            return None
        told = self._match(raw)
        unknown = raw if told is None else raw.filter(~told.plain)
        if self._looks and len(unknown) > _UNKNOWN * len(raw) and self._learn(unknown):
            told = self._match(raw)
        if not self._looks and (told is None or told.count < _FEW * len(raw)):
            self._templates = []
        return told

    def fail(self) -> None:
        """Note that what was recognised did not hold: after the second time templates are used no more."""
        self._fails += 1
        if self._fails > 1:
            self._templates, self._looks = [], 0

    def _learn(self, raw: pl.Series) -> bool:
        """Look for templates in lines that none matches; whether there are new ones."""
        assert self._maker is not None
        self._looks -= 1
        found = dict[object, tuple[Parts, list[str]]]()
        sample = raw.gather_every(max(1, len(raw) // _SAMPLE)).to_list()
        for line in sample:
            if (parts := self.cut.parts(line)) is not None:
                found.setdefault(self._maker.kind(parts), (parts, []))[1].append(line)
        before = len(self._templates)
        for parts, lines in sorted(found.values(), key=lambda f: -len(f[1])):
            if len(self._templates) < MAX_TEMPLATES and len(lines) >= _RARE * len(sample):
                template = self._maker.template(parts)
                if template is None or template in self._refused:
                    continue
                held = self._held(template, lines)
                self._refused.add(template) if held is None else self._templates.append(held)
        return len(self._templates) > before

    def _held(self, template: Template, lines: list[str]) -> Template | None:
        """The template with one of its lines, where the careful reader only counts that line."""
        cut = pl.Series(lines, dtype=pl.String).str.split(self.cut.separator)
        plain = matching.Cells(cut.explode(), template).plain()
        at = plain.arg_max()
        if at is None or not plain[at]:
            return None
        cells = cut[at].to_list()
        span = self._counted([self.cut.separator.join(c) for c in (cells, template.another_time(cells))])
        return template.with_seen(cells) if span is not None and span[0] != span[1] else None

    def _counted(self, lines: list[str]) -> tuple[int, int] | None:
        """The span of lines that are only counted, and of no mail port; None where any is not."""
        read = self._read(lines)
        if read is None or read.account != Account(lines=len(lines), others=len(lines)):
            return None
        return read.span if read.others is None or read.others.is_empty() else None

    def _match(self, raw: pl.Series) -> Told | None:
        """Which lines match a template, with the first and last of each."""
        pieces = list[matching.Piece]()
        ends, counts = list[int](), list[pl.DataFrame]()
        plain = pl.repeat(False, len(raw), eager=True)
        for template in self._templates:
            if self.cut.whole and not self.cut.counts:
                found = whole.matches(raw, plain, template, self.cut.separator)
            else:
                pieces = pieces or matching.pieces(raw, self.cut.separator)
                found = matching.matches(pieces, plain, template, self.cut.counts, self.cut.sound)
            if found:
                plain = plain.scatter(pl.concat([m.rows for m in found]), values=True)
                ends += matching.ends(found)
                counts += [m.counts.select(m.rows.alias("at"), *self.cut.counts) for m in found]
        if not ends or (self.cut.never and raw.str.contains(self.cut.never, literal=True).any()):
            return None
        if self.cut.spans is not None and self.cut.spans(raw.filter(~plain)):
            return None
        return Told(plain, ends, any(t.local for t in self._templates), pl.concat(counts))

"""Lines told at a glance by what a log has shown: templates of its own lines that are flows of nobody watched.

A line becomes a template when the careful reader, asked of it alone, counts it among others, says nothing else of it and
remembers nothing. All lines that match are then counted so without being read, but for those with the first and the
last start, which the careful reader judges with the rest: its word holds for all times between them. How lines are cut
is the formats' business, what templates look like that of `templates`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl

from pipeline.sources import glance
from pipeline.sources.base import Account, Parsed
from pipeline.sources.templates import Maker, Parts, Template

MAX_TEMPLATES = 12
_SAMPLE = 120
"""Lines that are looked at to find templates."""
_RARE = 0.02
"""The share of the sample below which a template is not worth its price."""
_UNKNOWN = 0.3
"""The share of lines not told that is worth another look for templates."""


@dataclass(frozen=True)
class Cut:
    """How a format cuts lines into parts now."""

    parts: Callable[[str], Parts | None]
    free: frozenset[str] = frozenset()
    """Fields that decide nothing about flows of nobody watched."""
    key: object = None
    """What the cut depends on, such as the columns in force."""
    never: str = ""
    """What lines that only seem to be plain hold."""


@dataclass(frozen=True)
class Told:
    """What a glance told: which lines, and which of them must be read for the span of their times."""

    plain: pl.Series
    ends: list[int]
    local: bool
    """Whether times name no zone."""

    @property
    def count(self) -> int:
        """How many lines need not be read."""
        return int(self.plain.sum()) - len(set(self.ends))


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
        self._maker = None if addresses is None else Maker(cut.free, addresses)
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
                (self._templates.append if self._holds(template, lines) else self._refused.add)(template)
        return len(self._templates) > before

    def _holds(self, template: Template, lines: list[str]) -> bool:
        """Whether a line of nobody watched that matches is read as one that is only counted."""
        texts = pl.Series(lines, dtype=pl.String)
        plain = texts.filter(texts.str.contains(f"^(?:{template.lines})$"))
        read = self._read(plain[0]) if len(plain) else None
        if read is None or read.rows.height or read.rejects.height or (read.others is not None and read.others.height):
            return False
        return read.account == Account(lines=1, others=1) and read.span is not None

    def _match(self, raw: pl.Series) -> Told | None:
        """Which lines match a template, with the first and last of each way in which times are written."""
        by_start = dict[str, list[Template]]()
        for template in self._templates:
            by_start.setdefault(template.start, []).append(template)
        rows, plain, ends = pl.int_range(len(raw), eager=True), pl.repeat(False, len(raw), eager=True), list[int]()
        for start, templates in by_start.items():
            left = raw if not ends else raw.filter(~plain)
            matches = left.str.contains(f"^(?:{'|'.join(t.lines for t in templates)})$")
            at = (rows if not ends else rows.filter(~plain)).filter(matches)
            if at.is_empty():
                continue
            starts = left.filter(matches).str.extract(start)
            ends += [at[found] for found in (starts.arg_min(), starts.arg_max()) if found is not None]
            plain = plain | matches if len(at) and left is raw else plain.scatter(at, True)
        if not ends or (self.cut.never and raw.str.contains(self.cut.never, literal=True).any()):
            return None
        return Told(plain, ends, any(t.local for t in self._templates))

"""Templates of lines, made from one line of a log: what all such lines share, and what may stand in the other places.

A line is cut into literal text and slots by its format (`json_parts`, `cell_parts`, `pair_parts`). What a slot may hold
follows from its field: a start in the form seen, an unwatched address, ports other than mail's, sound numbers; for a
field that decides nothing any plain value, for every other field the very text that was seen. Which lines become
templates, and what is done with them, is in `sight`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pipeline.counting.direction import MAIL_PORTS
from pipeline.sources import zeek_columns as conn
from pipeline.sources.glances import glance

ENDS = frozenset(("src", "dest", "srcaddr", "dstaddr", "pkt_srcaddr", "pkt_dstaddr"))
PORTS = frozenset(("src_port", "dest_port", "port"))
COUNTS = frozenset((*conn.COUNTERS, "sent", "total", "src_bytes", "dest_bytes"))
COUNTS |= frozenset(f"{way}_{what}" for way in ("in", "out") for what in ("bytes", "packets"))
LASTED = "lasted"
"""The name of whole seconds that lie between a flow's start and the time that is told in its place."""
_COUNT = "(?:0|[1-9][0-9]{0,14})"
"""Below the largest believed number of bytes, as JSON writes it."""
_REAL = rf"{_COUNT}(?:\.[0-9]{{1,9}})?"
_PORT = f"(?:{glance.numbers_but(MAIL_PORTS, 65_535)})"
_ADDRESS = re.compile(r"\d+(?:\.\d+){3}|[0-9a-f]*:[0-9a-f:]+")
_ISO = re.compile(r"\d{4}([-/.])\d\d\1\d\d([T ])\d\d:\d\d:\d\d(\.\d{1,9})?(| ?Z| UTC|[+-]\d\d:?\d\d)")
_EPOCH = re.compile(r"[1-9]\d{9}(?:\.\d{1,9})?|[1-9]\d{12}|[1-9]\d{15}|[1-8]\d{18}")


@dataclass(frozen=True)
class Slot:
    """A value in a line."""

    names: frozenset[str]
    """Our fields that may take it."""
    text: str
    """The value, without quotes."""
    quotes: tuple[str, str]
    """What encloses it: quotes, or blanks, of which there may be any number."""
    free: str
    """A pattern of whatever may stand there, what encloses it included, where it decides nothing."""
    rank: int = 0
    """Of several starts the least one counts."""


Parts = Sequence[str | Slot]


@dataclass(frozen=True)
class Cell:
    """What stands between two separators of a line."""

    pattern: str
    """Of the whole cell."""
    seen: str | None = field(compare=False)
    """A cell that matches."""
    start: str = ""
    """A pattern whose group is the start, whose texts sort as the times do."""
    lasted: str = ""
    """A pattern whose group is the seconds between the start and the time that is told in its place."""
    fixed: bool = False
    """Whether only the very text that was seen will do."""
    counts: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Counter -> a pattern whose group is its value; empty where the value is the whole cell."""
    single: bool = False
    """Whether all but one value in it stands fast."""
    around: tuple[str, str] | None = None
    """The texts before and behind its only value, where that is a number or a start and they stand fast."""


@dataclass(frozen=True)
class Template:
    """The cells of lines that are alike."""

    cells: tuple[Cell, ...]
    local: bool
    """Whether the start names no zone."""

    def another_time(self, cells: Sequence[str]) -> list[str]:
        """The cells of a line that matches with another start: the fourth digit of an epoch or of a year is another."""
        at, cell = next((i, c) for i, c in enumerate(self.cells) if c.start)
        found = re.match(cell.start, cells[at])
        assert found is not None
        digit = found.start(1) + 3
        other = str(int(cells[at][digit]) - 1) if cells[at][digit] != "0" else "1"
        return [*cells[:at], cells[at][:digit] + other + cells[at][digit + 1 :], *cells[at + 1 :]]

    def with_seen(self, cells: Sequence[str | None]) -> Template:
        """The template with the cells of a line that matches."""
        return replace(self, cells=tuple(replace(c, seen=s) for c, s in zip(self.cells, cells, strict=True)))


@dataclass(frozen=True)
class Maker:
    """What templates are made with."""

    separator: str
    free: Collection[str]
    """Fields that decide nothing about flows of nobody watched."""
    addresses: tuple[str, str]
    """Patterns of IPv4 and IPv6 addresses outside the watched networks."""
    times: Collection[str] = ()
    """Fields that decide nothing either as long as they hold a time."""

    def kind(self, parts: Parts) -> tuple[object, ...]:
        """A key that lines of one template share, made in a tenth of the time that a template takes."""
        return tuple(p if isinstance(p, str) else self._kind(p) for p in parts)

    def _kind(self, slot: Slot) -> object:
        if self.separator in slot.text:
            return slot.text, slot.quotes
        names = slot.names - {"ts"} - frozenset(self.free)
        like: object = "" if not names or LASTED in slot.names else self._inner(names, slot.text)
        like = _time(slot.text) if "ts" in slot.names else like
        blank = tuple(" " if q and not q.strip(" ") else q for q in slot.quotes) if slot.names else ()
        return slot.names, blank, slot.text if like is None else like

    def template(self, parts: Parts) -> Template | None:
        """The template of a line; None when it has no start, or one that holds the separator."""
        starts = [p for p in parts if isinstance(p, Slot) and "ts" in p.names]
        start = min(starts, key=lambda s: s.rank, default=None)
        if start is None or sum(s.rank == start.rank for s in starts) > 1 or (form := _time(start.text)) is None:
            return None
        core, zone = form
        lasted = next((p for p in parts if isinstance(p, Slot) and LASTED in p.names), None)
        if lasted is not None and not (re.fullmatch("[0-9]{1,8}", lasted.text) and start.text.isdecimal()):
            return None
        cells = list[Cell]()
        for group in self._between(parts):
            texts = [p if isinstance(p, str) else p.text.join(p.quotes) for p in group]
            patterns = [self._pattern(p, start, core + zone) for p in group]
            fixed = all(p == re.escape(t) for p, t in zip(patterns, texts, strict=True))
            found = Cell(
                "".join(patterns),
                "".join(texts) if fixed else None,
                start=_found(patterns, group, start, core),
                lasted=_found(patterns, group, lasted, "[0-9]+"),
                fixed=fixed,
                counts=_counts(patterns, group),
                single=sum(isinstance(p, Slot) for p in group) == 1,
                around=_around(patterns, group, (start, lasted)),
            )
            cells.append(found)
        local = not zone and _EPOCH.fullmatch(start.text) is None
        return Template(tuple(cells), local) if any(c.start for c in cells) else None

    def _between(self, parts: Parts) -> Sequence[list[str | Slot]]:
        """The parts by cells; a value that holds a separator is taken as it stands."""
        groups = list[list[str | Slot]]([[]])
        for part in parts:
            if isinstance(part, Slot) and self.separator not in part.text:
                groups[-1].append(part)
                continue
            first, *others = (part if isinstance(part, str) else part.text.join(part.quotes)).split(self.separator)
            groups[-1].append(first)
            groups += [[text] for text in others]
        return groups

    def _pattern(self, part: str | Slot, start: Slot, time: str) -> str:
        """The pattern of what may stand in a part's place, given that of starts."""
        if isinstance(part, str):
            return re.escape(part)
        quotes = [" *" if q and not q.strip(" ") else re.escape(q) for q in part.quotes]
        if part is start:
            return time.join(quotes)
        if LASTED in part.names:
            return "[0-9]{1,8}".join(quotes)
        names = part.names - {"ts"} - frozenset(self.free)
        if not names:
            return part.free
        inner = self._inner(names, part.text)
        return (re.escape(part.text) if inner is None else f"(?:{inner})").join(quotes)

    def _inner(self, names: frozenset[str], text: str) -> str | None:
        """The pattern of a value that is judged; None where only the value that was seen will do."""
        if names <= ENDS and _ADDRESS.fullmatch(text):
            return self.addresses[":" in text] or None
        if names <= frozenset(self.times) and (form := _time(text)) is not None:
            return "".join(form)
        kinds = ((PORTS, _PORT, "[0-9]+"), (COUNTS, _COUNT, _COUNT), (frozenset(("duration",)), _REAL, _REAL))
        return next((p for fields, p, like in kinds if names <= fields and re.fullmatch(like, text)), None)


def _found(patterns: Sequence[str], group: Sequence[str | Slot], slot: Slot | None, inner: str) -> str:
    """A pattern whose group is what stands in a slot of a cell; empty where that is in another."""
    at = next((i for i, p in enumerate(group) if p is slot), None)
    if slot is None or at is None:
        return ""
    return f"^{''.join(patterns[:at])}[ {re.escape(slot.quotes[0])}]*({inner})"


def _around(
    patterns: Sequence[str], group: Sequence[str | Slot], times: Collection[Slot | None]
) -> tuple[str, str] | None:
    """What stands around the only value of a cell; None where that may be other than a counter or one of the times."""
    slots = [(i, p) for i, p in enumerate(group) if isinstance(p, Slot)]
    if len(slots) != 1 or any(q and not q.strip(" ") for q in slots[0][1].quotes):
        return None
    at, slot = slots[0]
    if not any(slot is t for t in times) and patterns[at] != f"(?:{_COUNT})".join(map(re.escape, slot.quotes)):
        return None
    before, after = ("".join(p for p in part if isinstance(p, str)) for part in (group[:at], group[at + 1 :]))
    return before + slot.quotes[0], slot.quotes[1] + after


def _counts(patterns: Sequence[str], group: Sequence[str | Slot]) -> dict[str, str]:
    """The counters that stand in a cell, by the patterns that find them."""
    slots = [p for p in group if isinstance(p, Slot) and len(p.names) == 1 and p.names <= COUNTS]
    bare = all(p.quotes == ("", "") if isinstance(p, Slot) else not p for p in group)
    return {next(iter(p.names)): "" if bare else _found(patterns, group, p, _COUNT) for p in slots}


def _time(text: str) -> tuple[str, str] | None:
    """(pattern of times written like one, of what stands behind them); None when the writing is not known."""
    if _EPOCH.fullmatch(text):
        whole, point, _ = text.partition(".")
        first = "[1-8]" if len(whole) == 19 else "[1-9]"
        return f"{first}[0-9]{{{len(whole) - 1}}}" + (r"\.[0-9]{1,9}" if point else ""), ""
    if (found := _ISO.fullmatch(text)) is None:
        return None
    between, mark, fraction, zone = found.groups()
    apart = re.escape(between)
    months = {31: "(?:0[13578]|1[02])", 30: "(?:0[469]|11)", 28: "02"}
    days = {31: "(?:0[1-9]|[12][0-9]|3[01])", 30: "(?:0[1-9]|[12][0-9]|30)", 28: "(?:0[1-9]|1[0-9]|2[0-8])"}
    dates = "|".join(f"{months[n]}{apart}{days[n]}" for n in months)
    clock = "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]" + (r"\.[0-9]{1,9}" if fraction else "")
    return f"20[0-9]{{2}}{apart}(?:{dates}){mark}{clock}", re.escape(zone)


def names_of(spellings: Mapping[str, Sequence[str]]) -> dict[str, tuple[frozenset[str], int]]:
    """Spelling -> (our fields that may take its value, how many spellings of the start come before it)."""
    found = dict[str, set[str]]()
    for ours, spelled in spellings.items():
        for spelling in spelled:
            found.setdefault(spelling.removesuffix("[]"), set()).add(ours)
    ranks = list(spellings.get("ts", ()))
    return {s: (frozenset(names), ranks.index(s) if s in ranks else 0) for s, names in found.items()}

"""A picture of a client's days, as SVG: a bar a day, the day in flood last, and the limits that it passed.

Drawn by hand as there are only bars, lines and words. Where the days come from is decided by the caller.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from pipeline.alerts import amount
from pipeline.days import runs_of_days
from pipeline.exports.markup import tag, text

_WIDTH, _HEIGHT = 640, 170
_LEFT, _TOP, _RIGHT, _BOTTOM = 64, 12, 8, 22
_LEAST = 1.5
"""Traffic is seen, however little it is beside the flood."""
_THIN, _FLOOD_THIN = 0.7, 2.0
"""And each bar, however many days there are."""
COLOURS = ("#0072b2", "#009e73", "#cc79a7")
"""Of lines; Okabe and Ito's, which colour-blind readers can tell apart."""
_USUAL, _FLOOD, _INK, _GRID = "#8aa4bf", "#d55e00", "#767676", "#9a9a9a"


@dataclass(frozen=True)
class Line:
    """A value across the picture."""

    name: str
    value: float


@dataclass(frozen=True)
class _Frame:
    """Where days and values are on the paper."""

    first: dt.date
    days: int
    top: float

    @property
    def step(self) -> float:
        return (_WIDTH - _LEFT - _RIGHT) / self.days

    def x(self, day: dt.date) -> float:
        return _LEFT + (day - self.first).days * self.step

    def y(self, value: float) -> float:
        return _TOP + (1 - value / self.top) * (_HEIGHT - _TOP - _BOTTOM)


def bars(
    past: Sequence[tuple[dt.date, int | None]],
    first: dt.date,
    day: dt.date,
    lines: Sequence[Line],
    field: str,
    gaps: Collection[dt.date] = (),
) -> str:
    """The picture of the days from first to day; days without traffic are left empty, those not stored are shaded.

    Args:
        past: (day, value) of days with traffic; others than the picture's are left out.
        first: the first day of the window.
        day: the day in flood.
        lines: what to draw across it, in their colours' order.
        field: what is counted, for the words.
        gaps: days of which nothing is known.
    """
    shown = [(d, v) for d, v in past if first <= d <= day]
    known = [v for _, v in shown if v is not None]
    frame = _Frame(first, (day - first).days + 1, max(1.0, *known, *(line.value for line in lines)))
    parts = [*_axes(frame, day, field), *(_gap(frame, *ends) for ends in runs_of_days(sorted(gaps)))]
    parts += [_bar(frame, d, v, d == day, field) for d, v in shown]
    parts += [_line(frame, line.value, COLOURS[i % len(COLOURS)]) for i, line in enumerate(lines)]
    size = {"viewBox": f"0 0 {_WIDTH} {_HEIGHT}", "role": "img", "font_size": 11}
    return tag("svg", tag("title", text(_title(shown, day, field))), *parts, **size)


def _title(shown: Sequence[tuple[dt.date, int | None]], day: dt.date, field: str) -> str:
    before = [v for d, v in shown if d != day and v is not None]
    most = f"at most {amount(max(before), field)} on a day before" if before else "no day before"
    flood = next((v for d, v in shown if d == day and v is not None), None)
    return f"{'unknown' if flood is None else amount(flood, field)} on {day}, {most}"


def _axes(frame: _Frame, day: dt.date, field: str) -> Iterator[str]:
    for value in (0.0, frame.top / 2, frame.top):
        y = frame.y(value)
        yield f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="{_GRID}" opacity=".4"/>'
        words = text(amount(value, field).removesuffix(" other ends"))
        yield f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" fill="{_INK}">{words}</text>'
    ends = [(_LEFT, "start", frame.first)] if frame.days > 1 else []
    for x, anchor, which in [*ends, (_WIDTH - _RIGHT, "end", day)]:
        yield f'<text x="{x}" y="{_HEIGHT - 6}" text-anchor="{anchor}" fill="{_INK}">{which}</text>'


def _gap(frame: _Frame, first: dt.date, last: dt.date) -> str:
    """A shade over days of which nothing is known."""
    told = tag("title", text(f"nothing is stored of {first}" + (f" to {last}" if last > first else "")))
    ends, high = (frame.x(first), frame.x(last) + frame.step), frame.y(0) - _TOP
    place = f'x1="{ends[0]:.2f}" x2="{ends[1]:.2f}" y1="{_TOP + high / 2}" y2="{_TOP + high / 2}"'
    return f'<line {place} stroke="{_GRID}" stroke-width="{high}" opacity=".2">{told}</line>'


def _bar(frame: _Frame, day: dt.date, value: int | None, flood: bool, field: str) -> str:
    """A bar, or a ring where a day's value is unknown, with its words for who points at it."""
    colour, gap = _FLOOD if flood else _USUAL, min(1.0, frame.step / 5)
    told = tag("title", text(f"{day}: {'unknown' if value is None else amount(value, field)}"))
    wide = max(frame.step - 2 * gap, _FLOOD_THIN if flood else _THIN)
    x = min(frame.x(day) + gap, _WIDTH - _RIGHT - wide)
    if value is None:
        at = f'cx="{x + wide / 2:.2f}" cy="{frame.y(0) - 4:.1f}" r="{min(3, wide / 2):.2f}"'
        return f'<circle {at} fill="none" stroke="{colour}">{told}</circle>'
    high = frame.y(0) - frame.y(value)
    high = max(high, _LEAST) if value else 0.0
    return (
        f'<rect x="{x:.2f}" y="{frame.y(0) - high:.2f}" width="{wide:.2f}" height="{high:.2f}" fill="{colour}">'
        f"{told}</rect>"
    )


def _line(frame: _Frame, value: float, colour: str) -> str:
    y = f'y1="{frame.y(value):.1f}" y2="{frame.y(value):.1f}"'
    return (
        f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" {y} stroke="{colour}" stroke-width="1.5" stroke-dasharray="6 4"/>'
    )

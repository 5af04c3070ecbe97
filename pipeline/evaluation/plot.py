"""A picture of recall against false alerts for each basket, as SVG: one line a method, one point a budget.

Written by hand as there are only lines, dots and words; figures come from the report.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import polars as pl

from pipeline.evaluation.report import Report
from pipeline.exports.markup import text

_WIDTH, _HEIGHT, _COLUMNS = 300, 220, 3
_LEFT, _TOP, _RIGHT, _BOTTOM = 44, 30, 12, 36
_COLOURS = ("#d55e00", "#999999", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Okabe and Ito's, which colour-blind readers can tell apart."""
_LEGEND_LINE = 18
_DECADES_WITH_STEPS = 2.5


def svg(report: Report) -> str:
    """The picture of an evaluation."""
    return picture(report.flat())


def picture(rows: pl.DataFrame, across: str = "false alerts a day per 10,000 clients") -> str:
    """The whole picture; its size follows from the numbers of baskets and methods.

    Args:
        rows: basket (a panel), method (a line), per_day_per_10k (across, logarithmic), recall (up), low and high.
        across: what per_day_per_10k is called.
    """
    rows = rows.filter(pl.col("per_day_per_10k").is_not_null() & pl.col("recall").is_not_null())
    baskets, methods = (rows[c].unique(maintain_order=True).to_list() for c in ("basket", "method"))
    lines = -(-len(baskets) // _COLUMNS)
    high = lines * _HEIGHT + _LEGEND_LINE * (len(methods) + 1)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH * _COLUMNS}" height="{high}" '
        'font-family="sans-serif" font-size="11"><rect width="100%" height="100%" fill="white"/>'
    ]
    span = _Span.of(rows["per_day_per_10k"])
    for i, basket in enumerate(baskets):
        place = f"translate({i % _COLUMNS * _WIDTH},{i // _COLUMNS * _HEIGHT})"
        parts += [f'<g transform="{place}">', *_axes(basket, span, across)]
        parts += _lines(rows.filter(pl.col("basket") == basket), methods, span)
        parts.append("</g>")
    parts += [_legend(i, name, lines * _HEIGHT) for i, name in enumerate(methods)]
    return "\n".join([*parts, "</svg>\n"])


class _Span:
    """The rates of the picture, on a logarithmic scale; nothing is drawn below a tenth of the lowest budget."""

    LEAST = 0.1

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = math.log10(low), max(math.log10(high), math.log10(low) + 1)

    @classmethod
    def of(cls, rates: pl.Series) -> _Span:
        known = rates.clip(cls.LEAST)
        low, high = known.min(), known.max()
        return cls(float(low), float(high)) if isinstance(low, float) and isinstance(high, float) else cls(0.1, 10)

    def x(self, rate: float) -> float:
        part = (math.log10(max(rate, self.LEAST)) - self.low) / (self.high - self.low)
        return _LEFT + part * (_WIDTH - _LEFT - _RIGHT)

    def ticks(self) -> Iterator[float]:
        powers = range(math.floor(self.low), math.ceil(self.high) + 1)
        room_for = (1, 2, 5) if self.high - self.low < _DECADES_WITH_STEPS else (1,)
        steps = (m * 10.0**p for p in powers for m in room_for)
        return (s for s in steps if self.low - 1e-9 <= math.log10(s) <= self.high + 1e-9)


def _y(recall: float) -> float:
    return _TOP + (1 - recall) * (_HEIGHT - _TOP - _BOTTOM)


def _axes(basket: str, span: _Span, across: str) -> Iterator[str]:
    yield f'<text x="{_LEFT}" y="18" font-weight="bold">{text(basket)}</text>'
    for share in (0, 0.25, 0.5, 0.75, 1):
        y = _y(share)
        yield f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#dddddd"/>'
        yield f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{share:.0%}</text>'
    for rate in span.ticks():
        yield f'<text x="{span.x(rate):.1f}" y="{_HEIGHT - _BOTTOM + 14}" text-anchor="middle">{rate:g}</text>'
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    yield f'<text x="{middle}" y="{_HEIGHT - 8}" text-anchor="middle">{text(across)}</text>'


def _lines(rows: pl.DataFrame, methods: list[str], span: _Span) -> Iterator[str]:
    for i, method in enumerate(methods):
        colour = _COLOURS[i % len(_COLOURS)]
        own = rows.filter(pl.col("method") == method).sort("per_day_per_10k")
        points = [(span.x(r["per_day_per_10k"]), r) for r in own.iter_rows(named=True)]
        if not points:
            continue
        path = " ".join(f"{x:.1f},{_y(r['recall']):.1f}" for x, r in points)
        yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
        for x, r in points:
            low, high = _y(r["low"]), _y(r["high"])
            yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}" stroke="{colour}" opacity=".4"/>'
            yield f'<circle cx="{x:.1f}" cy="{_y(r["recall"]):.1f}" r="2.5" fill="{colour}"/>'


def _legend(i: int, name: str, top: int) -> str:
    y, colour = top + _LEGEND_LINE * (i + 1), _COLOURS[i % len(_COLOURS)]
    box = f'<rect x="{_LEFT}" y="{y - 8}" width="10" height="8" fill="{colour}"/>'
    return f'{box}<text x="{_LEFT + 16}" y="{y}">{text(name)}</text>'

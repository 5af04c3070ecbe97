"""Finds the lines that match a template by one pattern each, where no value of a line holds the separator.

Of delimited text that costs a third of what comparing cells does. Of JSON, whose keys are most of a line, comparing
them is cheaper, and is in `matching`. Lines are cut only where their starts cannot be found by place.
"""

from __future__ import annotations

import re
from functools import lru_cache

import polars as pl

from pipeline.sources.glances import matching
from pipeline.sources.glances.templates import Cell, Template


def matches(raw: pl.Series, told: pl.Series, template: Template, separator: str) -> list[matching.Match]:
    """The lines that match a template; nothing where there is none.

    Args:
        raw: all lines.
        told: which of them are told already, and not asked.
        template: what they are compared with; its start is in one cell.
        separator: what stands between cells.
    """
    asked = (~told).arg_true() if told.any() else None
    lines = raw if asked is None else raw.gather(asked)
    plain = lines.str.contains(_pattern(template, separator))
    rows = plain.arg_true() if asked is None else asked.filter(plain)
    if rows.is_empty():
        return []
    at = next(i for i, cell in enumerate(template.cells) if cell.start)
    starts = _cells(lines.filter(plain), template, at, separator)
    return [matching.Match(rows, pl.DataFrame(), matching.ends_of(starts, rows, template.cells[at]))]


@lru_cache(maxsize=64)
def _pattern(template: Template, separator: str, first: int = 0) -> str:
    """The pattern of lines, or of what stands behind the cells before the first."""
    cells = re.escape(separator).join(cell.pattern for cell in template.cells[first:])
    return f"{re.escape(separator) if first else '^'}{cells}$"


def _cells(lines: pl.Series, template: Template, at: int, separator: str) -> pl.Series:
    """What stands in one of the cells of lines that match."""
    found = _by_place(lines, template.cells[at], template, at, separator)
    return lines.str.split(separator).list.get(at) if found is None else found


def _by_place(lines: pl.Series, cell: Cell, template: Template, at: int, separator: str) -> pl.Series | None:
    """The same where all are as long as the one seen; None where they are not, or where it is the last."""
    if cell.seen is None or at == len(template.cells) - 1:
        return None
    width, before = len(cell.seen), len(separator) if at else 0
    if at and int(lines.str.len_bytes().sum()) != int(lines.str.len_chars().sum()):
        return None  # Places are told in bytes, and cut in characters.
    start = pl.col("line").str.find(_pattern(template, separator, at)) if at else pl.lit(0)
    texts = lines.alias("line").to_frame().select(pl.col("line").str.slice(start, before + width + len(separator)))
    found = texts.to_series().str.slice(before)
    return found.str.head(width) if found.str.ends_with(separator).all() else None

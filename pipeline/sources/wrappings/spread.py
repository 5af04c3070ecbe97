"""JSON over several lines among records of one line each, as where a tool's output was appended to a log.

Of lines that are no records by themselves those are put together that are one object, whatever its arrays' brackets
stand around; each object counts as its first line, and its other lines as comments. Which lines are offered, and what
the objects mean, belongs to the readers.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from itertools import pairwise

import polars as pl

from pipeline.sources.base import STRAYS

REASONS = ("bad_json", "incomplete_last_line")
"""Why such lines are set aside, each by itself."""
_LINES = (20, 400, 8_000, 160_000)
"""How many lines are looked at for the end of an object, one after the other; no object has more than the last."""
_BEGINS = re.compile(r"^\s*(?:\{|\[\s*(?:\{|$))")
_BETWEEN = re.compile(r"[\s,\[\]]*")
_DECODER = json.JSONDecoder()


@dataclass
class Spread:
    """What lines are together."""

    objects: dict[int, str] = field(default_factory=dict)
    """First line -> the object, as one line."""
    spent: list[int] = field(default_factory=list)
    """Lines that hold the rest of an object, or brackets alone."""
    open: list[int] = field(default_factory=list)
    """Lines of an object that the last of them does not end."""


def may_be(lines: pl.DataFrame) -> bool:
    """Whether any of the lines (STRAYS) may begin such an object, or end one that is in an array."""
    return bool(lines["raw"].str.contains(r"^\s*(?:\{\s*$|\[\s*(?:\{|$)|\{.*\}\s*\]\s*$)").any())


def put_together(lines: pl.DataFrame) -> Spread:
    """The objects that lines (STRAYS, in order) are."""
    found = Spread()
    numbers, texts = lines["source_line"].to_list(), lines["raw"].to_list()
    ends = [i for i, (a, b) in enumerate(pairwise(numbers), 1) if b != a + 1]
    for first, last in pairwise([0, *ends, len(numbers)]):
        _take_run(found, numbers[first:last], texts[first:last])
    if found.open and found.open[-1] != numbers[-1]:
        found.open = []
    return found


def _take_run(found: Spread, numbers: list[int], texts: list[str]) -> None:
    """Lines that stand below each other."""
    at, found.open = 0, []
    while at < len(texts):
        if not _BETWEEN.sub("", texts[at], count=1):
            found.spent.append(numbers[at])
            at += 1
            continue
        end = _object_from(texts, at) if _BEGINS.match(texts[at]) else None
        if end is None:
            at += 1
            continue
        last, text = end
        if text is None:
            found.open = numbers[at:]
            return
        found.objects[numbers[at]] = text
        found.spent += numbers[at + 1 : last + 1]
        at = last + 1


def _object_from(texts: list[str], at: int) -> tuple[int, str | None] | None:
    """(the line with which an object ends that begins there, the object); None for it where the last does not end it.

    None where no object begins, or something else stands behind it in its last line.
    """
    found: tuple[int, str | None] | None = None
    for most in _LINES:
        some = texts[at : at + most]
        found = _ended("\n".join(some))
        if found is None or found[1] is not None or at + most >= len(texts):
            break
    return None if found is None or found[0] == _LINES[-1] - 1 else (at + found[0], found[1])


def _ended(text: str) -> tuple[int, str | None] | None:
    """The same of a text, from its first line on."""
    begin = _BETWEEN.match(text)
    start = begin.end() if begin else 0
    if not text.startswith("{", start):
        return None
    try:
        value, end = _DECODER.raw_decode(text, start)
    except json.JSONDecodeError as error:
        cut = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string")
        return (text.count("\n"), None) if cut else None
    except (ValueError, RecursionError):
        return None
    rest, _, _ = text[end:].partition("\n")
    if _BETWEEN.sub("", rest, count=1) or not isinstance(value, dict):
        return None
    return text.count("\n", 0, end), json.dumps(value, separators=(",", ":"))


def among(lines: pl.DataFrame | None) -> pl.DataFrame:
    """Those of some strays that are no JSON by themselves."""
    if lines is None:
        return pl.DataFrame(schema=STRAYS)
    return lines.filter(pl.col("reason").is_in(REASONS)).sort("source_line")

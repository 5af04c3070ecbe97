"""What the command line prints: tables for people, JSON lines for scripts, and nothing that a terminal would obey.

Results go to stdout, all else to stderr. What is printed is decided in the commands.
"""

from __future__ import annotations

import datetime as dt
import io
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from assets.reporting import journal
from pipeline.days import days_in_a_row
from pipeline.exports.jsonl import known

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_SHORT = 24
"""Cells up to this width never fold: days, addresses, ids and numbers are to be copied."""
_ENDLESS = 10_000
_STYLES = {
    "done": "green",
    "verified": "green",
    "accepted": "green",
    "ok": "green",
    "FAILED": "bold red",
    "failed": "bold red",
    "alert": "bold red",
    "stale": "yellow",
    "unverified": "yellow",
    "partial": "yellow",
    "no_data": "yellow",
    "missing": "dim",
}


def plain(value: object) -> str:
    """A value as text without control or direction characters, which data may hold and a terminal would obey."""
    return _CONTROL.sub(lambda m: f"\\x{ord(m[0]):02x}", "" if value is None else str(value))


def one_line(value: object) -> str:
    """The same on one line, so that data cannot forge another."""
    return plain(value).replace("\n", "\\n").replace("\t", " ")


def say(text: str) -> None:
    """One line of a result."""
    sys.stdout.write(plain(text) + "\n")


def warn(text: str) -> None:
    """One line that is not a result."""
    if journal.as_json():
        journal.write("error" if text.startswith("error:") else "warning", "message", message=plain(text))
        return
    sys.stderr.write(plain(text) + "\n")


def warn_days(told: Mapping[dt.date, str]) -> None:
    """What is to be said of days that are no result: one line for days in a row of which the same is said."""
    for days, text in days_in_a_row(told):
        warn(one_line(f"{days}: {text}"))


def raw(text: str) -> None:
    """A result in a format of its own, as it is: in UTF-8, which JSON asks for, whatever the terminal speaks."""
    parts([text])


def parts(texts: Iterable[str]) -> None:
    """The same of a result that is too large to be held as a whole: each part is written as it comes."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    for text in texts:
        sys.stdout.write(text)


def json_lines(rows: Iterable[Mapping[str, Any]]) -> None:
    """One JSON object a line; a number that JSON has no word for is null, as in alerts."""
    parts(json.dumps(known(row), default=str, allow_nan=False) + "\n" for row in rows)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[str] = ()) -> None:
    """A table as wide as it needs to be; on a terminal long cells fold, or each value has a line where none fits."""
    cells = [[plain(v) for v in row] for row in rows]
    columns, right = ([one_line(name) for name in names] for names in (columns, right))
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else _ENDLESS, highlight=False)
    heads = columns
    needs = _needs(heads, cells)
    if not console.is_terminal and _is_plain(needs, heads, cells):
        parts(_padded([heads, *cells], needs, [name in right for name in columns]))
        return
    if _least(needs) > console.width:
        heads = [re.sub(r"(?<=[_ ])", "\n", name) for name in columns]
        needs = _needs(heads, cells)
    if cells and _least(needs) > console.width:
        _one_by_one(console, columns, cells)
        return
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for name, head, need in zip(columns, heads, needs, strict=True):
        fixed = need <= _SHORT or console.width == _ENDLESS
        shown.add_column(Text(head), justify="right" if name in right else "left", overflow="fold", no_wrap=fixed)
    for row in cells:
        shown.add_row(*(Text(c, style=_STYLES.get(c, "")) for c in row))
    if sys.stdout.isatty():
        console.print(shown)
        return
    with console.capture() as lines:
        console.print(shown)
    # One long cell would else make every line as long: a page of blanks for whoever folds lines.
    sys.stdout.write(re.sub(r" +$", "", lines.get(), flags=re.MULTILINE))


def _needs(heads: Sequence[str], cells: Sequence[Sequence[str]]) -> list[int]:
    """How wide each column would be."""
    return [
        max(cell_len(line) for text in texts for line in text.split("\n")) for texts in zip(heads, *cells, strict=True)
    ]


def _least(needs: Sequence[int]) -> int:
    """How wide a table must be at least, when its long cells fold."""
    return sum(min(need, _SHORT) for need in needs) + 2 * len(needs)


def _is_plain(needs: Sequence[int], heads: Sequence[str], cells: Sequence[Sequence[str]]) -> bool:
    """Whether each row is one line of cells side by side, for which nothing need be laid out."""
    fits = all(needs) and sum(needs) + 2 * len(needs) <= _ENDLESS
    return fits and all(cell.isprintable() and not cell.endswith(" ") for row in (heads, *cells) for cell in row)


def _padded(rows: Iterable[Sequence[str]], needs: Sequence[int], right: Sequence[bool]) -> Iterator[str]:
    """Rows of such a table; rich takes a millisecond of each, and there may be many thousands."""
    for row in rows:
        blanks = [" " * (need - cell_len(cell)) for cell, need in zip(row, needs, strict=True)]
        told = (b + c if to_right else c + b for c, b, to_right in zip(row, blanks, right, strict=True))
        yield "  ".join(told).rstrip(" ") + "\n"


def _one_by_one(console: Console, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Each row as lines of a name and a value, for a terminal that no row fits."""
    width = max(map(len, columns)) + 2
    for row in rows:
        for name, cell in zip(columns, row, strict=True):
            line = Text(name.ljust(width), style="bold") + Text(cell, style=_STYLES.get(cell, ""))
            console.print(line, soft_wrap=True)
        console.print()

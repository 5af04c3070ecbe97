"""What the command line prints: tables for people, JSON lines for scripts, and nothing that a terminal would obey.

Results go to stdout, all else to stderr. What is printed is decided in the commands.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_STYLES = {
    "done": "green",
    "verified": "green",
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


def say(text: str) -> None:
    """One line of a result."""
    sys.stdout.write(plain(text) + "\n")


def warn(text: str) -> None:
    """One line that is not a result."""
    sys.stderr.write(plain(text) + "\n")


def raw(text: str) -> None:
    """A result in a format of its own, as it is."""
    sys.stdout.write(text)


def json_lines(rows: Iterable[Mapping[str, Any]]) -> None:
    """One JSON object a line."""
    for row in rows:
        sys.stdout.write(json.dumps(row, default=str) + "\n")


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[str] = ()) -> None:
    """A table: as wide as the terminal, or as wide as it needs to be elsewhere."""
    on_terminal = sys.stdout.isatty()
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        shown.add_column(name, justify="right" if name in right else "left", overflow="fold", no_wrap=not on_terminal)
    for row in rows:
        cells = [plain(v) for v in row]
        shown.add_row(*(Text(c, style=_STYLES.get(c, "")) for c in cells))
    Console(file=sys.stdout, width=None if on_terminal else 10_000, highlight=False).print(shown)

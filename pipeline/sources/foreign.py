"""Lines of another format among those that a format ignores: a relay's file may hold the logs of several vendors.

One reader reads a file, and lines of other programs are none of its business; those of another flow log are, as their
bytes would be missing without a word. They are told by the marks of the formats that are lines behind syslog headers.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from pipeline.sources.declared import Form

_LOOKED_AT = 200
"""Lines of a block that are looked at: enough to notice, as those of a device come again and again."""
WARNING = "lines_of_"
"""How the warnings' names begin; the format's name follows."""


def told(form: Form, ignored: pl.Series) -> dict[str, int]:
    """How many of the ignored lines that were looked at have the marks of another format, by the warning's name."""
    found = Counter[str]()
    for line in ignored.head(_LOOKED_AT).drop_nulls().to_list():
        text = line.encode(errors="replace")
        if form.marks.search(text) is None:
            found.update(f"{WARNING}{f.format}" for f in _others(form.format) if f.marks.search(text))
    return dict(found)


@cache
def _others(name: str) -> list[Form]:
    """Forms of single lines that only their format has, and CEF of any device, but for those of the named one."""
    from pipeline.sources.forms import FORMS  # noqa: PLC0415 - forms are made of readers

    known = [f for f in FORMS.values() if f.ends_lines and not f.json and f.format != name]
    return [f for f in known if f.strong or f.format == "cef"]

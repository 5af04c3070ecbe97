"""Lines of another format among those that a format ignores: a relay's file may hold the logs of several vendors.

One reader reads a file, and lines of other programs are none of its business; those of another flow log are, as their
bytes would be missing without a word. They are told by the marks of the formats that are lines behind syslog headers;
among records of JSON, which a collector may write to one file too, by what records of flows alone have.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from pipeline.sources.declared import Form

_LOOKED_AT = 200
"""Lines of a block that are looked at: enough to notice, as those of a device come again and again."""
WARNING = "lines_of_"
"""How the warnings' names begin; the format's name follows."""
_KNOWN = list["Form"]()
_RECORDS = {
    "zeek": (rb'"conn_state"\s*:', rb'"(?:id[._])?orig_h"\s*:'),
    "suricata": (rb'"event_type"\s*:\s*"(?:flow|netflow)"',),
    "ocsf": (rb'"class_uid"\s*:\s*"?4001\b',),
    "gcp": (rb'"jsonPayload"\s*:', rb'"bytes_sent"\s*:'),
    "vpc": (rb'"srcaddr"\s*:', rb'"dstaddr"\s*:'),
    "nfdump": (rb'"type"\s*:\s*"FLOW"', rb'"src[46]_addr"\s*:'),
    "fortinet": (rb'"type"\s*:\s*"traffic"', rb'"sentbyte"\s*:'),
    "paloalto": (rb'"LogType"\s*:\s*"TRAFFIC"',),
}
"""Formats of JSON -> what records of a flow have, all of it, and none of another log or format."""
_PATTERNS = {name: tuple(map(re.compile, patterns)) for name, patterns in _RECORDS.items()}


def counts(form: Form, ignored: pl.Series) -> dict[str, int]:
    """How many of the ignored lines that were looked at have the marks of another format, by the warning's name."""
    found = Counter[str]()
    for line in ignored.head(_LOOKED_AT).drop_nulls().to_list():
        text = line.encode(errors="replace")
        if text.startswith(b"{"):
            named = [n for n, patterns in _PATTERNS.items() if all(p.search(text) for p in patterns)]
            found.update(f"{WARNING}{n}" for n in named if form.format not in named)
        elif form.ends_lines and form.marks.search(text) is None:
            found.update(f"{WARNING}{f.format}" for f in _KNOWN if f.format != form.format and f.marks.search(text))
    return dict(found)


def know(forms: Iterable[Form]) -> None:
    """Take note of the forms there are: those of single lines that only their format has, and CEF, are looked for."""
    _KNOWN.extend(f for f in forms if f.ends_lines and not f.json and (f.strong or f.format == "cef"))

"""JSON lines: one alert a line, everything that is known of it, evidence as an object.

What a line of JSON may hold is decided here for every format that is made of such lines.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

_UNSAFE = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What some readers take for a line's end, a terminal obeys, or UTF-8 does not know. JSON has it in strings only."""


def json_line(row: Mapping[str, Any]) -> str:
    """One object on one line, whatever its reader splits lines at; a number that JSON has no word for is null."""
    try:
        text = json.dumps(row, ensure_ascii=False, allow_nan=False)
    except ValueError:  # Going through every value beforehand takes longer than all else of a line.
        text = json.dumps(known(row), ensure_ascii=False, allow_nan=False)
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n"


def known(value: Any) -> Any:
    """A value in which numbers that are none (NaN), or without end, are null."""
    if isinstance(value, Mapping):
        return {k: known(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [known(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _evidence(text: str | None) -> Any:
    """The evidence as an object, or as it is where it is no JSON."""
    try:
        return None if text is None else json.loads(text)
    except ValueError:
        return text


def json_lines(alerts: pl.DataFrame, timezone: str) -> str:
    """The rows of ALERTS as JSON lines, in their order."""
    zone, lines = ZoneInfo(timezone), []
    for row in alerts.iter_rows(named=True):
        row["_time"] = row["_time"].astimezone(zone).isoformat()
        row["day"] = row["day"].isoformat()
        row["evidence"] = _evidence(row["evidence"])
        lines.append(json_line(row))
    return "".join(lines)

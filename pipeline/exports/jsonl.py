"""JSON lines: one alert a line, everything that is known of it, evidence as an object.

What a line of JSON may hold is decided here for every format that is made of such lines.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

_UNSAFE = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What some readers take for a line's end, a terminal obeys, or UTF-8 does not know. JSON has it in strings only."""


def json_line(row: Mapping[str, Any]) -> str:
    """One object on one line, whatever its reader splits lines at."""
    text = json.dumps(row, ensure_ascii=False)
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n"


def json_lines(alerts: pl.DataFrame, timezone: str) -> str:
    """The rows of ALERTS as JSON lines, in their order."""
    zone, lines = ZoneInfo(timezone), []
    for row in alerts.iter_rows(named=True):
        row["_time"] = row["_time"].astimezone(zone).isoformat()
        row["day"] = row["day"].isoformat()
        row["evidence"] = json.loads(row["evidence"])
        lines.append(json_line(row))
    return "".join(lines)

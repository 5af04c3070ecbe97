"""JSON lines: one alert a line, everything that is known of it, evidence as an object."""

from __future__ import annotations

import json
from zoneinfo import ZoneInfo

import polars as pl


def json_lines(alerts: pl.DataFrame, timezone: str) -> str:
    """The rows of ALERTS as JSON lines, in their order."""
    zone, lines = ZoneInfo(timezone), []
    for row in alerts.iter_rows(named=True):
        row["_time"] = row["_time"].astimezone(zone).isoformat()
        row["day"] = row["day"].isoformat()
        row["evidence"] = json.loads(row["evidence"])
        lines.append(json.dumps(row, ensure_ascii=False))
    return "".join(f"{line}\n" for line in lines)

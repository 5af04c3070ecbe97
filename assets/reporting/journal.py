"""Logs for machines: one JSON object a line on stderr, when NILOMETER_LOG_FORMAT is json.

Every line has time, level and event; where they are known also run_id, day, stage, rows, seconds and what else the
event is about. People get progress bars and sentences instead, from `assets.reporting.progress` and
`assets.reporting.screen`.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import sys

ENV_FORMAT = "NILOMETER_LOG_FORMAT"
FORMATS = ("text", "json")


def as_json() -> bool:
    """Whether logs are for machines."""
    return os.environ.get(ENV_FORMAT, "").lower() == "json"


def line(level: str, event: str, when: dt.datetime | None = None, /, **facts: object) -> str:
    """One event as a line without its end; facts that are None are left out."""
    when = when or dt.datetime.now(dt.UTC)
    head = {"time": when.isoformat(timespec="milliseconds"), "level": level, "event": event}
    return json.dumps(head | {k: v for k, v in facts.items() if v is not None}, default=str)


def write(level: str, event: str, **facts: object) -> None:
    """Log an event, if logs are for machines."""
    if as_json():
        sys.stderr.write(line(level, event, **facts) + "\n")

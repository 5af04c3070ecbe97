"""Dagster's own messages in the form of `assets.reporting.journal`, for runs that the daemon launches.

It takes the place of Dagster's console logger when logs are for machines; nothing is logged here by itself.
"""

from __future__ import annotations

import datetime as dt
import logging
from typing import Any

import dagster as dg

from assets.reporting import journal

LOGGED: dict[str, Any] = {"loggers": {"console": {"config": {"log_level": "INFO"}}}}
"""Run configuration that has a run use the logger: Dagster takes its own where none is configured."""


class _Lines(logging.Formatter):
    """A record of Dagster's as one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        meta = getattr(record, "dagster_meta", None) or {}
        event = meta.get("dagster_event")
        return journal.line(
            record.levelname.lower(),
            event.event_type_value.lower() if event is not None else "message",
            dt.datetime.fromtimestamp(record.created, dt.UTC),
            run_id=meta.get("run_id"),
            stage=meta.get("step_key"),
            message=meta.get("orig_message") or record.getMessage(),
        )


@dg.logger(
    {
        "log_level": dg.Field(str, is_required=False, default_value="INFO"),
        "name": dg.Field(str, is_required=False, default_value="dagster"),
    }
)
def json_lines(context: dg.InitLoggerContext) -> logging.Logger:
    """One JSON object a line on stderr."""
    logger = logging.Logger(context.logger_config["name"], context.logger_config["log_level"].upper())
    handler = logging.StreamHandler()
    handler.setFormatter(_Lines())
    logger.addHandler(handler)
    return logger

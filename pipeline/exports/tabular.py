"""CSV: a header always, empty for null, times with the zone's offset, and no cell that a spreadsheet would run.

RFC 4180 quoting; a text cell that begins like a formula is marked as text by an apostrophe (OWASP, CSV injection).
"""

from __future__ import annotations

import polars as pl

from pipeline.alerts import seed_table, zoned_times
from pipeline.detections.model import Rule

_FORMULA = r"^[=+\-@\t\r]"


def csv_text(frame: pl.DataFrame) -> str:
    """Any flat frame as CSV."""
    texts = [c for c, t in frame.schema.items() if t == pl.String]
    lists = [pl.col(c).list.join(" ") for c, t in frame.schema.items() if isinstance(t, pl.List)]
    marked = [
        pl.when(pl.col(c).str.contains(_FORMULA)).then(pl.lit("'") + pl.col(c)).otherwise(pl.col(c)).alias(c)
        for c in texts
    ]
    return frame.with_columns(marked + lists).write_csv()


def alerts_csv(alerts: pl.DataFrame, timezone: str) -> str:
    """Alerts of any rules with all their columns; _time is ISO with the zone's offset, as everywhere."""
    return csv_text(alerts.with_columns(zoned_times(alerts, timezone)))


def seed_csv(alerts: pl.DataFrame, rule: Rule, timezone: str) -> str:
    """The alerts of one rule in exactly the seed's columns (R13)."""
    return csv_text(seed_table(alerts, rule, timezone))

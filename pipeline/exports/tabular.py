"""CSV: a header always, empty for null, times with the zone's offset, and no cell that a spreadsheet would run.

RFC 4180 quoting; a text cell that begins like a formula is marked as text by an apostrophe (OWASP, CSV injection).
"""

from __future__ import annotations

import polars as pl

from pipeline.alerts import seed_table, zoned_times
from pipeline.detections.model import Rule

_FORMULA = r"^[=+\-@\t\r\n\x{ff1d}\x{ff0b}\x{ff0d}\x{ff20}]"
"""The last four are the first four as wide as a Chinese or Japanese letter."""


def csv_text(frame: pl.DataFrame, *, header: bool = True) -> str:
    """Any flat frame as CSV; without the header for the rows that follow others."""
    texts = [pl.col(c) for c, t in frame.schema.items() if t == pl.String]
    texts += [pl.col(c).list.join(" ") for c, t in frame.schema.items() if isinstance(t, pl.List)]
    return frame.with_columns(
        pl.when(text.str.contains(_FORMULA)).then(pl.lit("'") + text).otherwise(text).name.keep() for text in texts
    ).write_csv(include_header=header)


def alerts_csv(alerts: pl.DataFrame, timezone: str, *, header: bool = True) -> str:
    """Alerts of any rules with all their columns; _time is ISO with the zone's offset, as everywhere."""
    return csv_text(alerts.with_columns(zoned_times(alerts, timezone)), header=header)


def seed_csv(alerts: pl.DataFrame, rule: Rule, timezone: str, *, header: bool = True) -> str:
    """The alerts of one rule in exactly the seed's columns (R13)."""
    return csv_text(seed_table(alerts, rule, timezone), header=header)

"""The days of clients as a rule knew them: what is drawn and listed beside a verdict.

Stored tables are read as they are; nothing is judged or filled here, and days without traffic are not among them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection

import polars as pl

from pipeline.days import window_days
from pipeline.detections.model import Rule
from pipeline.methods.seed import NULL_CLIENT
from pipeline.schemas import DAILY_TRAFFIC, SURGE_SCORES, Table
from pipeline.site import Site

Past = tuple[tuple[dt.date, int | None], ...]
"""(day, value) in order; a value may be unknown."""


def table_of(rule: Rule) -> Table:
    """The stored table that the days of a rule's clients are read from."""
    return SURGE_SCORES if rule.method == "surge" else DAILY_TRAFFIC


def pasts(site: Site, day: dt.date, rule: Rule, clients: Collection[str]) -> dict[str, Past]:
    """The window of each client with any day in it, the day judged last, in one reading for all of them.

    Under surge an asset has the days of whatever addresses it had then.
    """
    days = [*window_days(day, rule.lookback_days, site.settings.start_date), day]
    if rule.method == "surge":
        rows = site.storage.scan(table_of(rule), days, earlier=True).filter(pl.col("rule_id") == rule.id)
    else:
        rows = site.storage.scan(table_of(rule), days).filter(pl.col("measure") == rule.measure.id)
        if rule.null_client == "literal":
            rows = rows.with_columns(pl.col("client").fill_null(NULL_CLIENT))
    wanted = pl.Series(clients, dtype=pl.String)
    mine = rows.filter(pl.col("client").is_in(wanted.implode())).select("client", "day", "bytes").collect()
    parts = mine.sort("day").partition_by("client", as_dict=True, include_key=False)
    return {str(client): tuple(part.iter_rows()) for (client,), part in parts.items()}

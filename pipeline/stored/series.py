"""Which series the daily traffic of stored days was made for, and what never can be told of a day any more.

A rule that is switched on after a day's flows were pruned has a series there that nobody counted: that no row is of it
says nothing then, and is no day without traffic. How series are counted belongs to `pipeline.daily`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping

import polars as pl

from pipeline.detections.loader import BUILT_IN
from pipeline.schemas import DAILY_TRAFFIC
from pipeline.site import Site
from pipeline.storage import DayRecord, digest

Untold = Mapping[str, frozenset[dt.date]]
"""Series -> stored days that were made without it and have no flows any more."""


def series_digest(site: Site) -> str:
    """Hash of the series of the rules in force."""
    return digest(*sorted(m.id for m in site.measures))


def series_lacking(site: Site, record: DayRecord, wanted: Iterable[str], *, surely: bool) -> set[str]:
    """Of the wanted series those that a stored day of daily traffic was not made for.

    A day of an earlier version does not say what it was made for, only what it has rows of. Of the built-in rules that
    are on unless a site says otherwise it may well have none: surely it lacks only others.
    """
    if record.inputs.get("measures") == series_digest(site):
        return set(wanted) - {m.id for m in site.measures}
    if (told := record.facts.get("series")) is not None:
        return set(wanted) - set(told)
    rows = site.storage.scan(DAILY_TRAFFIC, [record.day]).select(pl.col("measure").unique())
    lacking = set(wanted) - set(rows.collect().to_series())
    if surely:
        on = (r for path, r in site.known_rules.items() if r.enabled and path.parent == BUILT_IN)
        lacking -= {m.id for r in on for m in r.measures}
    return lacking


def told_by(untold: Untold) -> str:
    """Hash of what is not told; empty where all is."""
    return digest(*(f"{name}/{d}" for name, days in untold.items() for d in sorted(days))) if untold else ""


def untold_days(site: Site, days: Iterable[dt.date]) -> Untold:
    """For each series of the rules in force that any of the stored days can tell nothing of: these days."""
    mine = {m.id for m in site.measures}
    gone = site.storage.pruned_days("flows", among=set(days))
    records = (site.storage.record("daily_traffic", d) for d in gone if site.storage.has("daily_traffic", d))
    found: dict[str, set[dt.date]] = {}
    for record in (r for r in records if r is not None):
        for series in series_lacking(site, record, mine, surely=True):
            found.setdefault(series, set()).add(record.day)
    return {series: frozenset(lost) for series, lost in sorted(found.items())}

"""Which series the daily traffic of stored days was made for, and what never can be told of a day any more.

A rule that is switched on after a day's flows were pruned has a series there that nobody counted: that no row is of it
says nothing then, and is no day without traffic. How series are counted belongs to `pipeline.daily`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import combinations

import polars as pl

from pipeline.detections.loader import BUILT_IN
from pipeline.schemas import DAILY_TRAFFIC
from pipeline.site import Site
from pipeline.storage import DayRecord, digest

Untold = Mapping[str, frozenset[dt.date]]
"""Series -> stored days that were made without it and have no flows any more."""

_MOST_OTHERS = 12
"""Of so many series all choices are tried, which are some thousands."""


def series_digest(site: Site) -> str:
    """Hash of the series of the rules in force."""
    return digest(*sorted(m.id for m in site.measures))


def windows_digest(site: Site) -> str:
    """The same of the series and their windows."""
    return digest(*sorted(f"{m.id}/{n}" for m, n in site.series))


def series_lacking(site: Site, record: DayRecord, wanted: Iterable[str], *, surely: bool) -> set[str]:
    """Of the wanted series those that a stored day of daily traffic was not made for.

    A day of an earlier version names only the hash of what it was made for, beside what it has rows of: the hash is
    that of some of the series that a site knows, unless a rule was changed or removed since. Where it is of none, what
    has no rows may have been counted all the same; surely, that is not said of built-in rules that are on unless a
    site says otherwise.
    """
    made_for = record.inputs.get("measures", "")
    if made_for == series_digest(site):
        return set(wanted) - {m.id for m in site.measures}
    if (told := record.facts.get("series")) is not None:
        return set(wanted) - set(told)
    scan = site.storage.scan(DAILY_TRAFFIC, [record.day]).select(pl.col("measure").unique())
    shown = frozenset(scan.collect().to_series())
    known = frozenset(m.id for r in site.known_rules.values() for m in r.measures)
    if (made := _hashed(made_for, shown, known - shown)) is not None:
        return set(wanted) - made
    lacking = set(wanted) - shown
    if surely:
        on = (r for path, r in site.known_rules.items() if r.enabled and path.parent == BUILT_IN)
        lacking -= {m.id for r in on for m in r.measures}
    return lacking


@lru_cache(maxsize=1_024)
def _hashed(made_for: str, shown: frozenset[str], others: frozenset[str]) -> frozenset[str] | None:
    """The series that a hash is of: those that are shown, and some of the others; None where it is of none such."""
    for n in range(len(others) + 1 if len(others) <= _MOST_OTHERS else 0):
        for some in combinations(sorted(others), n):
            if digest(*sorted(shown.union(some))) == made_for:
                return shown.union(some)
    return None


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

"""Whether the kept results of a day's checks are of the data that is stored now, told from footers.

A run that dies between making a table and judging it leaves results of older data, or none. Judging such days again
belongs to `data_quality.checks` and the runs.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from pathlib import Path

from data_quality.results import is_pruned, result_name
from data_quality.specs import CheckSpec, specs_of
from pipeline.errors import StorageError
from pipeline.site import Site
from pipeline.storage import read_footer
from pipeline.stored.pruned import kept_quality, lost_input
from pipeline.stored.stages import failure_before


def unjudged(site: Site, day: dt.date) -> list[CheckSpec]:
    """The checks whose kept result is not of the stored day: of other data, or never made; none of failed days.

    What cannot be judged again, as something was pruned, is left out. A result of an earlier version does not say what
    it judged, and counts as of the stored day.
    """
    marks = _marks(site, day)
    specs = [s for s in specs_of(site) if marks[s.table]]
    results = site.storage.objects.fetch([result_name(day, s.name) for s in specs])
    return _fit(site, day, [s for s, path in zip(specs, results, strict=True) if not _of(path, marks[s.table])])


def judgeable(site: Site, day: dt.date, names: Collection[str]) -> list[CheckSpec]:
    """Those of the named checks that can be run on the day as it is stored."""
    if not names:
        return []
    marks = _marks(site, day)
    return _fit(site, day, [s for s in specs_of(site) if s.name in names and marks[s.table]])


def _fit(site: Site, day: dt.date, specs: Sequence[CheckSpec]) -> list[CheckSpec]:
    """Without those for which something was pruned."""
    if not specs or kept_quality(site, day) is not None:
        return []
    return [s for s in specs if not lost_input(site, s.table, day)]


def _marks(site: Site, day: dt.date) -> dict[str, str]:
    return {table: _mark(site, table, day) for table in dict.fromkeys(s.table for s in specs_of(site))}


def names_unjudged(site: Site, day: dt.date) -> Sequence[str]:
    """As unjudged, by the checks' names."""
    return [s.name for s in unjudged(site, day)]


def _mark(site: Site, table: str, day: dt.date) -> str:
    """What a result of the stored table would say that it judged; empty where there is nothing to judge."""
    try:
        record = site.storage.record(table, day)
    except StorageError:
        return ""  # The day is stale for that.
    if record is None or is_pruned(site, table, day) or failure_before(site, day, table, own=True) is not None:
        return ""
    return record.mark


def _of(result: Path | None, mark: str) -> bool:
    if result is None:
        return False
    try:
        return bool(read_footer(result).get("judged", mark) == mark)
    except StorageError:
        return False

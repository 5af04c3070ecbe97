"""What pruned days mean for the stages: a day whose inputs were deleted on purpose is kept as it was made.

It is neither stale nor made again from what is left, as that would change its verdict; what was never made and cannot
be any more is an error that says why. What is pruned, and when, is decided in `pipeline.stored.prune`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from pipeline.days import window_days
from pipeline.errors import Location, StorageError
from pipeline.intake.landing import Landing
from pipeline.schemas import QUALITIES
from pipeline.site import Site
from pipeline.storage import DayRecord

QUALITY = "pruned/quality"


def kept_day(site: Site, stage: str, day: dt.date, landing: Landing | None = None) -> DayRecord | None:
    """The record of a day that can no longer be made; None when it can be.

    Raises:
        StorageError: it cannot be made, and never was.
    """
    lost = lost_input(site, stage, day, landing)
    if not lost:
        return None
    record = site.storage.record(stage, day)
    if record is None:
        raise StorageError(
            f"{stage} cannot be made: {lost}.",
            where=Location(day=day.isoformat()),
            remedy=f"Where the logs are still there: nilometer run --day {day} --reread.",
        )
    return record


def lost_input(site: Site, stage: str, day: dt.date, landing: Landing | None = None) -> str:
    """What a stage needs for a day and was pruned, in words; empty when nothing is missing.

    The day's flows are no such need of the alerts: without them only the evidence is shorter.
    """
    if stage == "flows":
        return "" if landing is None else _lost_rows(site, landing, day)
    start = site.settings.start_date
    needs: dict[str, list[tuple[str, Iterable[dt.date]]]] = {
        "daily_traffic": [("flows", [day])],
        "traffic_baseline": [("daily_traffic", window_days(day, site.longest_lookback, start))],
        "anomaly_scores": [("daily_traffic", [day]), ("traffic_baseline", [day])],
        "surge_scores": [("daily_traffic", [*window_days(day, site.surge_window, start), day])],
        "alerts": [("anomaly_scores", [day]), ("surge_scores", window_days(day, site.surge_days, start))],
    }
    for table, days in needs[stage]:
        if gone := set(days) & set(site.storage.pruned_days(table)):
            return f"{table} of {min(gone)} was pruned"
    return ""


def _lost_rows(site: Site, landing: Landing, day: dt.date) -> str:
    entries = landing.ledger.feeding(day)
    made_from = landing.ledger.made_from(day, site.settings.counting.attribute)
    if any(p.pruned for _, parts in made_from for p in parts):
        return "the landed rows of its logs were pruned"
    record = None if site.storage.has("flows", day) else site.storage.record("flows", day)
    if record is not None and record.pruned and sum(e.account.lines for e in entries) < record.facts.get("lines", 0):
        return "its flows were pruned, and not all of its logs are known any more"
    return ""


def kept_quality(site: Site, day: dt.date) -> str | None:
    """The quality of a day whose results of checks were pruned; None when they were not, unverified when it is lost."""
    try:
        kept = site.storage.read_text(f"{QUALITY}/day={day}.txt")
    except ValueError:
        return "unverified"
    return kept if kept is None or kept in QUALITIES else "unverified"

"""What pruned days mean for the stages: a day whose inputs were deleted on purpose is kept as it was made.

It is neither stale nor made again from what is left, as that would change its verdict; what was never made and cannot
be any more is an error that says why. What is pruned, and when, is decided in `pipeline.stored.prune`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping

from pipeline.days import window_days
from pipeline.errors import Location, StorageError
from pipeline.intake.landing import Landing
from pipeline.schemas import QUALITIES, TRAFFIC_BASELINE
from pipeline.site import Site
from pipeline.storage import DayRecord

QUALITY = "pruned/quality"
_OF_THE_DAY = {
    "daily_traffic": ["flows"],
    "anomaly_scores": ["daily_traffic", "traffic_baseline"],
    "surge_scores": ["daily_traffic"],
    "alerts": ["anomaly_scores"],
}
"""What a stage needs of the day itself."""


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

    The day's flows are no such need of the alerts: without them only the evidence is shorter. Nor are those days of a
    window that were gone when the day was made, or are gone when it is made first (of a baseline, where others are
    left): a rule may look further back than days were kept, and how much of its window is there is told.
    """
    if stage == "flows":
        return "" if landing is None else _lost_rows(site, landing, day)
    for table in _OF_THE_DAY.get(stage, ()):
        if day in site.storage.pruned_days(table):
            return f"{table} of {day} was pruned"
    if stage == "anomaly_scores" and (kept := lost_input(site, "traffic_baseline", day)):
        return "" if _holds_windows(site, day) else kept
    windows = {
        "traffic_baseline": ("daily_traffic", site.longest_lookback),
        "surge_scores": ("daily_traffic", site.surge_window),
        "alerts": ("surge_scores", site.surge_days),
    }
    if stage not in windows:
        return ""
    table, lookback = windows[stage]
    window = window_days(day, lookback, site.settings.start_date)
    if not (gone := {day, *window} & set(site.storage.pruned_days(table))):
        return ""
    made_from = made_inputs(site, stage, day)
    if made_from is not None:
        lost = {d for d in gone if f"{table}/{d}" in made_from}
    elif stage == "traffic_baseline" and not any(site.storage.has(table, d) for d in window):
        lost = gone
    else:
        lost = gone & {day}
    return f"{table} of {min(lost)} was pruned" if lost else ""


def _holds_windows(site: Site, day: dt.date) -> bool:
    """Whether a stored baseline has the windows of all rules in force, whatever there were when it was made."""
    stored = site.storage.scan(TRAFFIC_BASELINE, [day]).select("measure", "lookback_days").unique()
    return {(m.id, n) for m, n in site.series} <= set(stored.collect().iter_rows())


def made_inputs(site: Site, stage: str, day: dt.date) -> Mapping[str, str] | None:
    """What the stored day was made from; None where it never was, or does not say."""
    try:
        record = site.storage.record(stage, day)
    except StorageError:
        return None
    return None if record is None else record.inputs


def window_inputs(site: Site, stage: str, day: dt.date, table: str, days: Iterable[dt.date]) -> dict[str, str]:
    """By TABLE/DAY the fingerprints of the days of a window that a stage is made from; of pruned ones those it was."""
    records = {f"{table}/{d}": r for d in days if (r := site.storage.record(table, d)) is not None}
    made_from = (made_inputs(site, stage, day) or {}) if any(r.pruned for r in records.values()) else {}
    return {name: r.fingerprint for name, r in records.items() if not r.pruned or name in made_from}


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

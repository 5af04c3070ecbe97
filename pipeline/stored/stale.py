"""What a site's stored days need to be up to date: windows to fill, days to make again, in which order.

The command line and the sensor ask here. States and their reasons are told by `pipeline.stored.status`; they do the
running.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.days import day_range, runs_of_days, window_days
from pipeline.intake.landing import Landing
from pipeline.site import Site
from pipeline.storage import digest
from pipeline.stored.status import DayStatus, QualityOf, days_status

FILLED = ("flows", "daily_traffic")
"""The tables that a window's day needs."""


@dataclass(frozen=True)
class Todo:
    """Days with a signature of what they wait for: the same as long as nothing changes."""

    fill: Mapping[dt.date, str] = field(default_factory=dict)
    """Days that only lie in others' windows and have no flows or daily traffic yet."""
    score: Mapping[dt.date, str] = field(default_factory=dict)
    """Days that lack the surge scores which calibrate later ones."""
    make: Mapping[dt.date, str] = field(default_factory=dict)
    """Stale and failed days, and days left out between scored ones."""


def scored_span(site: Site, last: dt.date, asked: Sequence[dt.date] = ()) -> list[dt.date]:
    """From the first to the last day that was scored, failed or asked for: none before the start or after last."""
    tried = [*_tried(site), *asked]
    return day_range(max(min(tried), site.settings.start_date), min(max(tried), last)) if tried else []


def _tried(site: Site) -> list[dt.date]:
    return site.storage.days("alerts") + site.storage.failed_days()


def left_out(site: Site, day: dt.date, longest: int) -> list[dt.date]:
    """The day, and those before it that nobody made since the last one that was scored or failed.

    Where these are many, the day alone: nobody may have wanted them.
    """
    if not (tried := [d for d in _tried(site) if d < day]):
        return [day]
    days = day_range(max(tried) + dt.timedelta(days=1), day)
    return days if len(days) <= longest else [day]


def owed(site: Site, asked: Iterable[dt.date], last: dt.date) -> list[dt.date]:
    """Days that were asked for in vain: nothing shows that they were made, or that they failed."""
    if not (days := {d for d in asked if site.settings.start_date <= d <= last}):
        return []
    newest = max(_tried(site), default=dt.date.min)
    return sorted(d for d in days if d > newest)


def kept_span(site: Site, last: dt.date) -> list[dt.date]:
    """The scored span and the days before it that its windows need."""
    span = scored_span(site, last)
    return [*window_days(span[0], site.history_days, site.settings.start_date), *span] if span else []


def lacking(site: Site, span: Sequence[dt.date]) -> list[dt.date]:
    """Days in the windows of scored days that were never looked at, and did not fail."""
    return _before(site, span, site.history_days, FILLED)


def uncalibrated(site: Site, span: Sequence[dt.date]) -> list[dt.date]:
    """Days in the windows of scored days that lack surge scores, did not fail, and have their traffic still."""
    return with_traffic(site, _before(site, span, site.surge_days, ("surge_scores",))) if site.surge_days else []


def with_traffic(site: Site, days: Sequence[dt.date]) -> list[dt.date]:
    """The days but those whose daily traffic was pruned: where they have no scores, nobody can make them any more."""
    gone = set(site.storage.pruned_days("daily_traffic")) if days else set()
    return [d for d in days if d not in gone]


def _before(site: Site, span: Sequence[dt.date], lookback: int, tables: Sequence[str]) -> list[dt.date]:
    """Days outside the span, in the windows of its scored days, that lack a table."""
    storage = site.storage
    scored = set(span) & set(storage.days("alerts"))
    needed = {d for day in scored for d in window_days(day, lookback, site.settings.start_date)}
    outside = needed - set(storage.failed_days()) - set(span)
    have = {t: set(storage.days(t)) for t in tables}
    return sorted(d for d in outside if any(d not in have[t] and storage.record(t, d) is None for t in tables))


def todo(site: Site, landing: Landing, quality_of: QualityOf, last: dt.date, asked: Sequence[dt.date] = ()) -> Todo:
    """What the stored days, and those asked for, need now, from what is stored and landed alone: no log is seen."""
    span = scored_span(site, last, asked)
    if fill := lacking(site, span):
        return Todo(fill={d: digest("fill") for d in fill})
    if score := uncalibrated(site, span):
        return Todo(score={d: digest("score") for d in score})
    found = days_status(site, landing, span, quality_of, logs=False)
    return Todo(make={s.day: signature(s) for s in found if s.state != "done"})


def signature(status: DayStatus) -> str:
    """Hash of what a day would be made from now; it changes when the day might come out differently."""
    return digest(*(f"{name}={t.wanted}" for name, t in sorted(status.tables.items())), status.wanted)


def ranges(days: Sequence[dt.date], longest: int) -> Iterator[list[dt.date]]:
    """Stretches of days without gaps, in order, each of at most `longest` days."""
    for first, last in runs_of_days(list(days)):
        whole = day_range(first, last)
        yield from (whole[i : i + longest] for i in range(0, len(whole), longest))

"""What a site's stored days need to be up to date: windows to fill, days to make again, in which order.

The command line and the sensor ask here. States and their reasons are told by `pipeline.stored.status`; they do the
running.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.days import day_range, window_days
from pipeline.intake.landing import Landing
from pipeline.site import Site
from pipeline.storage import digest
from pipeline.stored.status import DayStatus, QualityOf, days_status, flows_wanted

FILLED = ("flows", "daily_traffic")
"""The tables that a window's day needs."""
GivenUp = Callable[[dt.date, str], bool]


@dataclass(frozen=True)
class Todo:
    """Days with a signature of what they wait for: the same as long as nothing changes."""

    fill: Mapping[dt.date, str] = field(default_factory=dict)
    """Days that only lie in others' windows and have no flows or daily traffic yet."""
    score: Mapping[dt.date, str] = field(default_factory=dict)
    """Days that lack the surge scores which calibrate later ones."""
    make: Mapping[dt.date, str] = field(default_factory=dict)
    """Stale and failed days, and days left out between scored ones."""
    left: Mapping[dt.date, str] = field(default_factory=dict)
    """Days to fill or score that were given up, and keep no other day waiting."""


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


def todo(
    site: Site,
    landing: Landing,
    quality_of: QualityOf,
    last: dt.date,
    asked: Sequence[dt.date] = (),
    given_up: GivenUp = lambda _day, _signature: False,
) -> Todo:
    """What the stored days, and those asked for, need now, from what is stored and landed alone: no log is seen.

    Args:
        site: the site.
        landing: what was read of its logs.
        quality_of: tells a stored day's quality.
        last: the last day that has ended.
        asked: days to look at beside those that were tried.
        given_up: whether a day with such a signature was asked for in vain so often that others are to go on.
    """
    span = scored_span(site, last, asked)
    fill = {d: digest("fill", flows_wanted(site, landing, d)) for d in lacking(site, span)}
    lack = uncalibrated(site, span) if all(given_up(*known) for known in fill.items()) else []
    score = {d: digest("score") for d in lack if d not in fill}
    left = {d: s for d, s in (fill | score).items() if given_up(d, s)}
    if len(left) < len(fill | score):
        rest = {d: s for d, s in (score or fill).items() if d not in left}
        return Todo(score=rest, left=left) if score else Todo(fill=rest, left=left)
    found = days_status(site, landing, span, quality_of, logs=False)
    return Todo(make={s.day: signature(s) for s in found if s.state != "done"}, left=left)


def signature(status: DayStatus) -> str:
    """Hash of what a day would be made from now; it changes when the day might come out differently."""
    return digest(*(f"{name}={t.wanted}" for name, t in sorted(status.tables.items())), status.wanted)


def ranges(days: Sequence[dt.date], longest: int, alone: Collection[dt.date] = frozenset()) -> Iterator[list[dt.date]]:
    """Stretches of days without gaps, in order, each of at most `longest` days, or of one that is to be alone."""
    stretch = list[dt.date]()
    for day in days:
        follows = bool(stretch) and day == stretch[-1] + dt.timedelta(days=1) and len(stretch) < longest
        if not follows or day in alone or stretch[-1] in alone:
            yield from [stretch] if stretch else []
            stretch = []
        stretch.append(day)
    yield from [stretch] if stretch else []

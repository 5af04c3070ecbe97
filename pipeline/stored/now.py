"""A site as of this moment: what was read of its logs, and the last day that has ended.

Everything that looks at a site begins here, so that looking needs no runs and none of their libraries. What is found is
told by `pipeline.stored.status`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from pipeline.days import today
from pipeline.errors import ConfigError, StorageError
from pipeline.intake.landing import Landing
from pipeline.site import Site


def open_landing(site: Site) -> Landing:
    """The site's landing as of now."""
    return Landing(site.root, site.storage, site.settings, dt.datetime.now(dt.UTC))


def can_be_made(site: Site, day: dt.date) -> bool:
    """Whether the day is a partition of the site, and over."""
    return site.settings.start_date <= day <= last_ended_day(site)


def check_days(site: Site, days: Sequence[dt.date]) -> None:
    """Raise ConfigError for days, in order, that are no partition of the site, or are not over."""
    start, end = site.settings.start_date, last_ended_day(site)
    if not days:
        raise ConfigError(
            "there is no day to run: the first day lies after the last.", remedy="Ask for a last day that is later."
        )
    if days[0] < start:
        raise ConfigError(
            f"{days[0]} lies before the site's start_date {start}.", remedy="Ask for later days, or change start_date."
        )
    if days[-1] > end:
        raise ConfigError(
            f"{days[-1]} has not ended yet; the last day that has is {end} ({site.settings.timezone}).",
            remedy="Ask for days that have ended; the hourly preview judges the day in progress.",
        )


def how_to_make(site: Site, day: dt.date) -> str:
    """What is to be done about a day that is not stored, or why nothing can be."""
    start, last = site.settings.start_date, last_ended_day(site)
    if day < start:
        return f"it lies before the site's start_date {start}"
    if day > last:
        return f"it has not ended yet; the last day that has is {last} ({site.settings.timezone})"
    return f"run it: nilometer run --day {day}"


def unscored(site: Site, day: dt.date) -> str:
    """What is to be said of a day without stored alerts: that nobody judged it, or that its verdict was pruned."""
    record = site.storage.record("alerts", day)
    if record is None:
        return f"not scored; {how_to_make(site, day)}"
    return (
        f"its alerts were pruned on {record.pruned}; nilometer alerts --changes --day {day} tells what they were. To "
        f"have them again, {how_to_make(site, day)}"
    )


def nothing_scored(site: Site) -> StorageError:
    """The error where no scores are stored: of a new site, or of one whose scores were all pruned."""
    how = "Run one: nilometer run --day YYYY-MM-DD"
    if site.storage.pruned_days("anomaly_scores"):
        return StorageError("the scores of all days were pruned.", remedy=how)
    return StorageError("no day is scored yet.", remedy=how)


def ended(site: Site, table: str) -> list[dt.date]:
    """The stored days of a table that are over, in order: a clock that was ahead has left others behind."""
    last = last_ended_day(site)
    return [d for d in site.storage.days(table) if d <= last]


def ahead(site: Site, day: dt.date) -> str | None:
    """What is to be said of a stored day that is not over; None of one that is."""
    if day <= last_ended_day(site):
        return None
    return (
        f"{how_to_make(site, day)}: the clock was ahead when it was stored, or is behind now. If it was ahead, delete "
        f"what is stored of the day: all files and folders below {site.settings.storage} that begin with day={day}"
    )


def known_days(site: Site, days: Sequence[dt.date], stored: Sequence[dt.date]) -> list[dt.date]:
    """The days that are over, and others that are stored all the same; where there are neither, all of them."""
    last, there = last_ended_day(site), set(stored)
    return [d for d in days if d <= last or d in there] or list(days)


def last_ended_day(site: Site) -> dt.date:
    """Yesterday, in the site's zone."""
    return today(site.settings.timezone) - dt.timedelta(days=1)

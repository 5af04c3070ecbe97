"""A site as of this moment: what was read of its logs, and the last day that has ended.

Everything that looks at a site begins here, so that looking needs no runs and none of their libraries. What is found is
told by `pipeline.status`.
"""

from __future__ import annotations

import datetime as dt

from pipeline.days import today
from pipeline.landing import Landing
from pipeline.site import Site


def open_landing(site: Site) -> Landing:
    """The site's landing as of now."""
    return Landing(site.root, site.storage, site.settings, dt.datetime.now(dt.UTC))


def can_be_made(site: Site, day: dt.date) -> bool:
    """Whether the day is a partition of the site, and over."""
    return site.settings.start_date <= day <= last_ended_day(site)


def how_to_make(site: Site, day: dt.date) -> str:
    """What is to be done about a day that is not stored, or why nothing can be."""
    start, last = site.settings.start_date, last_ended_day(site)
    if day < start:
        return f"it lies before the site's start_date {start}"
    if day > last:
        return f"it has not ended yet; the last day that has is {last} ({site.settings.timezone})"
    return f"run it: nilometer run --day {day}"


def last_ended_day(site: Site) -> dt.date:
    """Yesterday, in the site's zone."""
    return today(site.settings.timezone) - dt.timedelta(days=1)

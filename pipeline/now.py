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


def last_ended_day(site: Site) -> dt.date:
    """Yesterday, in the site's zone."""
    return today(site.settings.timezone) - dt.timedelta(days=1)

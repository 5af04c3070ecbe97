"""Today so far: the day in progress judged as the seed would have judged it at this moment, in a table of its own.

Nothing of it enters the history; the day is made properly once it has ended.
"""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import polars as pl

from pipeline.daily import build_daily
from pipeline.flows import build_flows
from pipeline.intake.landing import Landing
from pipeline.locks import site_lock
from pipeline.methods.surroundings import Surroundings
from pipeline.schemas import PREVIEW
from pipeline.site import Site
from pipeline.storage import DayRecord
from pipeline.stored.series import untold_days
from pipeline.stored.stages import days_read, judged, past_of


def make_preview(site: Site, now: dt.datetime) -> DayRecord:
    """Judge the day that `now` lies in, from what its logs hold by now."""
    day = now.astimezone(ZoneInfo(site.settings.timezone)).date()
    with site_lock(site.storage, wait=True):
        landing = Landing(site.root, site.storage, site.settings, now)
        landing.land([day])
        flows = build_flows(landing, site.settings, site.inventory, day)
    today = build_daily(flows.collect(), site.measures, day)
    past, present = past_of(site, day)
    around = Surroundings(days_read(site, present), site.groups, untold_days(site, present))
    frame = judged(site, day, today, past, around)
    alerts = frame.filter(pl.col("state") == "alert").height
    with site_lock(site.storage, wait=True):
        return site.storage.write_day(PREVIEW, day, frame, inputs=flows.inputs, facts={"alerts": alerts})

"""Today so far: the day in progress judged as the seed would have judged it at this moment, in a table of its own.

Nothing of it enters the history; the day is made properly once it has ended.
"""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import polars as pl

from pipeline.baseline import build_baseline
from pipeline.daily import build_daily
from pipeline.days import window_days
from pipeline.flows import build_flows
from pipeline.intake.landing import Landing
from pipeline.locks import site_lock
from pipeline.methods import METHODS
from pipeline.methods.surroundings import Surroundings
from pipeline.schemas import ANOMALY_SCORES, DAILY_TRAFFIC, PREVIEW
from pipeline.site import Site
from pipeline.storage import DayRecord
from pipeline.stored.stages import days_read


def make_preview(site: Site, now: dt.datetime) -> DayRecord:
    """Judge the day that `now` lies in, from what its logs hold by now."""
    day = now.astimezone(ZoneInfo(site.settings.timezone)).date()
    with site_lock(site.storage, wait=True):
        landing = Landing(site.root, site.storage, site.settings, now)
        landing.land([day])
        flows = build_flows(landing, site.settings, site.inventory, day)
    today = build_daily(flows.collect(), site.measures, day)
    window = window_days(day, site.longest_lookback, site.settings.start_date)
    present = [d for d in window if site.storage.has("daily_traffic", d)]
    past = build_baseline(
        site.storage.scan(DAILY_TRAFFIC, present), day, site.series, start=site.settings.start_date, present=present
    )
    around = Surroundings(days_read(site, present), site.groups)
    frames = [METHODS[r.method](today, past, r, day, around) for r in site.rules_of("seed")]
    frame = pl.concat(frames) if frames else ANOMALY_SCORES.empty()
    alerts = frame.filter(pl.col("state") == "alert").height
    with site_lock(site.storage, wait=True):
        return site.storage.write_day(PREVIEW, day, frame, inputs=flows.inputs, facts={"alerts": alerts})

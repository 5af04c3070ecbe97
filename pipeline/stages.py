"""The five stages on stored days: each makes one day of one table from what is stored before it.

This is what the Dagster assets wrap. It knows storage and fingerprints; how a table is computed is in the stage's own
module.
"""

from __future__ import annotations

import datetime as dt

import polars as pl

from pipeline import alerts, baseline, daily
from pipeline.days import window_days
from pipeline.errors import NilometerError
from pipeline.flows import build_flows
from pipeline.inventory import Inventory
from pipeline.landing import Landing
from pipeline.methods import METHODS, seed
from pipeline.schemas import ALERTS, ANOMALY_SCORES, DAILY_TRAFFIC, FLOWS, STATES, TRAFFIC_BASELINE
from pipeline.site import Site
from pipeline.storage import DayRecord, digest

STAGES = ("flows", "daily_traffic", "traffic_baseline", "anomaly_scores", "alerts")


def failure_before(site: Site, day: dt.date, stage: str, *, own: bool) -> list[str] | None:
    """Why a day failed at an earlier stage (or, with own, at this one); None when it did not."""
    failure = site.storage.failure(day)
    if failure is None or failure[0] not in STAGES:
        return None
    return failure[1] if STAGES.index(failure[0]) < STAGES.index(stage) + own else None


def _need(site: Site, table: str, day: dt.date) -> DayRecord:
    record = site.storage.record(table, day)
    if record is None:
        raise NilometerError(f"{table} of {day} is not stored.", remedy=f"Run it: nilometer run --day {day}.")
    return record


def make_flows(site: Site, landing: Landing, day: dt.date) -> DayRecord:
    """Flows of a day from the landed files; raises SourceError when one of its files could not be read."""
    made = build_flows(landing, site.settings, Inventory(site.settings.inventory), day)
    return site.storage.write_slices(FLOWS, day, made.slices, inputs=made.inputs, facts=made.facts)


def daily_inputs(site: Site, day: dt.date) -> dict[str, str]:
    """What a day's daily_traffic is made from."""
    measures = digest(*sorted(m.id for m in site.measures))
    return {"flows": _need(site, "flows", day).fingerprint, "measures": measures, "stage": str(daily.STAGE_VERSION)}


def make_daily(site: Site, day: dt.date) -> DayRecord:
    """Daily traffic of a day from its flows."""
    inputs = daily_inputs(site, day)
    frame = daily.build_daily(site.storage.scan(FLOWS, [day]), site.measures, day)
    facts = {"clients": frame["client"].n_unique(), "flows": int(frame["flows"].sum())}
    return site.storage.write_day(DAILY_TRAFFIC, day, frame, inputs=inputs, facts=facts)


def baseline_inputs(site: Site, day: dt.date) -> dict[str, str]:
    """The fingerprint of every window day that is stored, and how many should be."""
    window = window_days(day, site.longest_lookback, site.settings.start_date)
    found = {
        f"daily_traffic/{d}": r.fingerprint
        for d in window
        if (r := site.storage.record("daily_traffic", d)) is not None
    }
    series = digest(*sorted(f"{m.id}/{n}" for m, n in site.series))
    return found | {"series": series, "start": str(site.settings.start_date), "stage": str(baseline.STAGE_VERSION)}


def make_baseline(site: Site, day: dt.date) -> DayRecord:
    """The baseline of a day from the daily traffic of its window."""
    inputs = baseline_inputs(site, day)
    window = window_days(day, site.longest_lookback, site.settings.start_date)
    present = [d for d in window if site.storage.has("daily_traffic", d)]
    frame = baseline.build_baseline(
        site.storage.scan(DAILY_TRAFFIC, present), day, site.series, start=site.settings.start_date, present=present
    )
    facts = {"window_days": len(window), "window_days_present": len(present)}
    return site.storage.write_day(TRAFFIC_BASELINE, day, frame, inputs=inputs, facts=facts)


def score_inputs(site: Site, day: dt.date) -> dict[str, str]:
    """What a day's scores are made from."""
    return {
        "daily_traffic": _need(site, "daily_traffic", day).fingerprint,
        "traffic_baseline": _need(site, "traffic_baseline", day).fingerprint,
        "rules": digest(*(r.fingerprint for r in site.rules)),
        "stage": str(seed.STAGE_VERSION),
    }


def make_scores(site: Site, day: dt.date) -> DayRecord:
    """Scores of every client of a day under every rule."""
    inputs = score_inputs(site, day)
    today = site.storage.read_day(DAILY_TRAFFIC, day)
    past = site.storage.read_day(TRAFFIC_BASELINE, day)
    frames = [METHODS[r.method](today, past, r, day) for r in site.rules]
    frame = pl.concat(frames) if frames else ANOMALY_SCORES.empty()
    facts = {state: frame.filter(pl.col("state") == state).height for state in STATES}
    return site.storage.write_day(ANOMALY_SCORES, day, frame, inputs=inputs, facts=facts)


def alert_inputs(site: Site, day: dt.date, quality: str) -> dict[str, str]:
    """What a day's alerts are made from."""
    return {
        "anomaly_scores": _need(site, "anomaly_scores", day).fingerprint,
        "flows": _need(site, "flows", day).fingerprint,
        "quality": quality,
        "texts": digest(*(f"{r.id}/{r.version}/{r.title}" for r in site.rules)),
        "stage": str(alerts.STAGE_VERSION),
    }


def make_alerts(site: Site, day: dt.date, quality: str) -> DayRecord:
    """Alerts of a day, with the day's quality in each."""
    inputs = alert_inputs(site, day, quality)
    frame = alerts.build_alerts(
        site.storage.read_day(ANOMALY_SCORES, day),
        site.rules,
        site.storage.scan(FLOWS, [day]),
        day,
        site.settings.timezone,
        quality,
    )
    return site.storage.write_day(ALERTS, day, frame, inputs=inputs, facts={"quality": quality})

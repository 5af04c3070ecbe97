"""A site of whole days made without Dagster, for tests of checks: its tables, and every check run on them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from data_quality.checks import run_checks
from data_quality.results import CheckOutcome, day_quality
from data_quality.specs import CheckSpec, specs_of
from pipeline.intake.landing import Landing
from pipeline.site import Site
from pipeline.stored.stages import make_baseline, make_daily, make_flows, make_scores, publish_alerts

NOW = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)


def make(site: Site, days: Sequence[dt.date]) -> None:
    """Make all tables of the days, as a run does, with the checks between."""
    count(site, days)
    for day in days:
        make_baseline(site, day)
        make_scores(site, day)
        judge(site, day, ("flows", "daily_traffic"))
        publish_alerts(site, day, day_quality(site, day))


def count(site: Site, days: Sequence[dt.date]) -> None:
    """Make what the days' windows need: their logs read, their flows and daily traffic."""
    landing = Landing(site.root, site.storage.root, site.settings, NOW)
    landing.land(days)
    for day in days:
        make_flows(site, landing, day)
        make_daily(site, day)


def judge(site: Site, day: dt.date, tables: Sequence[str] | None = None) -> None:
    """Run the checks of some tables, or all."""
    for spec in specs_of(site):
        if tables is None or spec.table in tables:
            run_check(spec, site, day)


def run_check(spec: CheckSpec, site: Site, day: dt.date) -> CheckOutcome:
    """Judge one stored day by one check."""
    return run_checks(spec, site, [day])[day]

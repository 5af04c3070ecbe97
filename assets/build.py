"""Everything Dagster needs to know of one site: assets, checks, jobs and schedules, put together.

Tests and the command line build definitions for a site of their own here; `assets.definitions` does it for the site
that is found.
"""

from __future__ import annotations

import warnings

import dagster as dg

from assets import (
    alerts,
    baseline,
    checks,
    context,
    daily,
    detection_quality,
    flows,
    notices,
    power,
    scores,
    sensors,
    surge,
)
from assets.processes import alive
from assets.reporting import journal
from assets.reporting.dagster_log import json_lines
from assets.schedules import daily_job, daily_schedule, hourly_schedule, preview_job
from pipeline.site import Site


def build_defs(site: Site) -> dg.Definitions:
    """The definitions of one site."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        warnings.simplefilter("ignore", dg.PreviewWarning)
        surges = (surge,) if site.rules_of("surge") else ()
        known = context.specs(site) if surges else []
        chain = [m.build(site) for m in (flows, daily, baseline, scores, *surges, alerts)]
        partitions = chain[0].partitions_def
        assert partitions is not None
        found = dg.with_source_code_references([*chain, power.build(site), detection_quality.build(site)])
        return dg.Definitions(
            assets=[flows.flow_logs(site), *known, *found],
            asset_checks=checks.build(site, partitions),
            jobs=[
                daily_job(site, chain),
                preview_job(site),
                power.job(site),
                detection_quality.weekly_job(site),
                sensors.landing_job(site),
                checks.job(site),
            ],
            sensors=[
                sensors.logs_sensor(site),
                sensors.stale_sensor(site),
                sensors.checks_sensor(site),
                *notices.sensors(site),
            ],
            schedules=[
                daily_schedule(site),
                hourly_schedule(site),
                power.schedule(site),
                detection_quality.weekly_schedule(site),
            ],
            executor=alive.executor(site),
            loggers={"console": json_lines} if journal.as_json() else None,
        )

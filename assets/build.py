"""Everything Dagster needs to know of one site: assets, checks, jobs and schedules, put together.

Tests and the command line build definitions for a site of their own here; `assets.definitions` does it for the site
that is found.
"""

from __future__ import annotations

import warnings

import dagster as dg

from assets import alerts, baseline, checks, daily, flows, scores
from assets.schedules import daily_job, daily_schedule, hourly_schedule, preview_job
from pipeline.site import Site


def build_defs(site: Site) -> dg.Definitions:
    """The definitions of one site."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        warnings.simplefilter("ignore", dg.PreviewWarning)
        chain = [m.build(site) for m in (flows, daily, baseline, scores, alerts)]
        partitions = chain[0].partitions_def
        assert partitions is not None
        found = dg.with_source_code_references(chain)
        return dg.Definitions(
            assets=[flows.flow_logs(site), *found],
            asset_checks=checks.build(site, partitions),
            jobs=[daily_job(), preview_job(site)],
            schedules=[daily_schedule(site), hourly_schedule(site)],
            executor=dg.in_process_executor,
        )

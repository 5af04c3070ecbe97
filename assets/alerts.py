"""The `alerts` asset: hosts in flood, with evidence; the last step, which fails the run by the name of its bad days.

It runs its own checks: those of a step after it would be skipped with it, and good days would have no result.
"""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import dagster as dg

from assets import bad_days, checks
from assets.days import chain_asset, days_of, partitions_of, run_days, surge_scores
from assets.reporting.metadata import alerts_of, changes_of
from data_quality.results import day_quality
from pipeline.locks import site_lock
from pipeline.schemas import ALERTS
from pipeline.site import Site
from pipeline.storage import DayRecord
from pipeline.stored import verdicts
from pipeline.stored.stages import publish_alerts


def build(site: Site) -> dg.AssetsDefinition:
    """The asset for one site."""
    specs = checks.specs_of(site, ALERTS.name)
    known = [checks.asset_check_spec(site, s, partitions_of(site)) for s in specs]

    @chain_asset(site, ALERTS, "gold", ["anomaly_scores", "flows", *surge_scores(site)], known, fresh=True)
    def alerts(context: dg.AssetExecutionContext) -> Iterator[dg.Output[None]]:
        changes: dict[dt.date, list[verdicts.Change]] = {}
        days = days_of(context, site)

        def make(day: dt.date) -> DayRecord:
            record, changes[day] = publish_alerts(site, day, day_quality(site, day))
            return record

        def describe(day: dt.date) -> dict[str, Any]:
            return alerts_of(site, day) | changes_of(changes.get(day, []))

        with site_lock(site.storage, wait=True):
            verdicts.recover(site.storage)
            verdicts.open_days(site.storage, days)
            done = run_days(context, site, "alerts", make, describe)
            verdicts.close_days(site.storage)
        checks.judge(context, site, specs, days)
        bad_days.fail_if_last(context, site, days, ALERTS.name)
        yield done
        for spec in specs:
            yield dg.Output(None, output_name=f"{ALERTS.name}_{spec.name}")

    return alerts

"""The `power_map` asset: who is protected from which theft, told each day of the last day that is scored.

It reads the daily chain and is no part of it: a day is done without it. The numbers are made in `pipeline.power`.
"""

import datetime as dt
from typing import Any

import dagster as dg
import polars as pl
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from assets.metadata import GROUP, table
from pipeline.alerts import human
from pipeline.locks import site_lock
from pipeline.power import POWER_MAP, coverage, power_map
from pipeline.site import Site

NAME = POWER_MAP.name
JOB = "nilometer_power_map"
_BAR = 20


def build(site: Site) -> dg.AssetsDefinition:
    """The asset for one site."""
    surge = ["surge_scores"] if site.rules_of("surge") else []

    @dg.asset(
        name=NAME,
        deps=["anomaly_scores", *surge],
        group_name=GROUP,
        kinds={"polars", "parquet"},
        owners=list(site.settings.owners),
        tags={"attack/T1114": "", "attack/T1114.002": ""},
        description=f"{POWER_MAP.description} Of the last day that is scored.",
    )
    def power(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        scored = site.storage.days("anomaly_scores")
        if not scored:
            context.log.info("no day is scored yet")
            return dg.MaterializeResult(metadata={"dagster/row_count": 0})
        return dg.MaterializeResult(metadata=_make(site, scored[-1]))

    return power


def _make(site: Site, day: dt.date) -> dict[str, Any]:
    """Store the map of a day; what is shown of it."""
    found = power_map(site, day, site.rules)
    scores = site.storage.record("anomaly_scores", day)
    inputs = {"anomaly_scores": scores.fingerprint} if scores else {}
    with site_lock(site.storage.root, wait=True):
        record = site.storage.write_day(POWER_MAP, day, found, inputs=inputs)
    can = found["extra"].count()
    return {
        "dagster/row_count": record.rows,
        "day": day.isoformat(),
        "clients that can alert": can,
        "protected by size of theft": dg.MetadataValue.md(_plot(coverage(found))),
    }


def _plot(covered: pl.DataFrame) -> str:
    """Coverage as bars, a line a size of theft."""
    rules = covered["rule_id"].unique(maintain_order=True).to_list()
    cells = {(r["rule_id"], r["theft_bytes"]): r["protected"] for r in covered.iter_rows(named=True)}
    rows = [[human(x), *(_bar(cells[r, x]) for r in rules)] for x in covered["theft_bytes"].unique().sort()]
    return table(["theft", *rules], rows)


def _bar(share: float) -> str:
    full = round(share * _BAR)
    return "█" * full + "░" * (_BAR - full) + f" {share:.0%}"


def job() -> UnresolvedAssetJobDefinition:
    """The asset alone."""
    return dg.define_asset_job(
        JOB,
        selection=dg.AssetSelection.assets(NAME),
        description="Tells who is protected from which theft.",
        executor_def=dg.in_process_executor,
    )


def schedule(site: Site) -> dg.ScheduleDefinition:
    """An hour after the day's work begins, in the site's zone."""
    when = site.settings.schedule
    return dg.ScheduleDefinition(
        name=NAME,
        job_name=JOB,
        cron_schedule=f"{when.minute} {(when.hour + 1) % 24} * * *",
        execution_timezone=site.settings.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )

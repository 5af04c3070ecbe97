"""The `power_map` asset: who is protected from which theft, told each day of the last day that is scored.

It reads the daily chain and is no part of it: a day is done without it. The numbers are made in
`pipeline.trials.power`.
"""

import datetime as dt
from typing import Any

import dagster as dg
import polars as pl
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from assets.days import surge_scores, table_metadata
from assets.reporting.metadata import GROUP, TECHNIQUES, table
from assets.schedules import asset_job, running_schedule
from pipeline.alerts import human
from pipeline.locks import site_lock
from pipeline.schemas import POWER_MAP, SURGE_SCORES
from pipeline.site import Site
from pipeline.stored.now import ended
from pipeline.trials.power import power_inputs, power_map, protected, windowless

NAME = POWER_MAP.name
JOB = "nilometer_power_map"
_TELLS = "Tells which theft would be seen at whom, on the last day that is scored."
_BAR = 20


def build(site: Site) -> dg.AssetsDefinition:
    """The asset for one site."""

    @dg.asset(
        name=NAME,
        deps=["anomaly_scores", *surge_scores(site)],
        # It has no days, but `dagster asset materialize` takes no range for a selection with an asset that lacks this.
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name=GROUP,
        kinds={"polars", "parquet"},
        owners=list(site.settings.owners),
        tags=TECHNIQUES,
        metadata=table_metadata(POWER_MAP, site),
        description=f"{POWER_MAP.description} Of the last day that is scored. Its schedule makes it an hour after the "
        "daily one; materialise it to have it now.",
    )
    def power(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        scored = ended(site, "anomaly_scores")
        if not scored:
            context.log.info("no day is scored yet")
            return dg.MaterializeResult(metadata={"dagster/row_count": 0})
        return dg.MaterializeResult(metadata=_make(site, scored[-1]))

    return power


def _make(site: Site, day: dt.date) -> dict[str, Any]:
    """Store the map of a day; what is shown of it, rules under which nobody had traffic by name."""
    lacking = windowless(site, day, site.rules)
    inputs, found = power_inputs(site, day), power_map(site, day, [r for r in site.rules if r.id not in lacking])
    with site_lock(site.storage, wait=True):
        record = site.storage.write_day(POWER_MAP, day, found, inputs=inputs)
    can = _clients(site, day, found.filter(pl.col("extra").is_not_null())["client"])
    silent = [r.id for r in site.rules if r.id not in found["rule_id"]]
    return {
        "dagster/row_count": record.rows,
        "day": day.isoformat(),
        "clients that can alert": can,
        "fingerprint": record.fingerprint,
        "rules without clients": ", ".join(silent) or "none",
        "protected by size of theft": dg.MetadataValue.md(_plot(protected(found, site.rules))),
    }


def _clients(site: Site, day: dt.date, names: pl.Series) -> int:
    """How many clients these are: what a rule knows by its address, another may know by the asset that had it."""
    assets = site.storage.scan(SURGE_SCORES, [day]).select("addresses", "client").explode("addresses").drop_nulls()
    return names.replace(dict(assets.unique("addresses").collect().iter_rows())).n_unique()


def _plot(covered: pl.DataFrame) -> str:
    """Coverage as bars, a line a size of theft."""
    rules = covered["rule_id"].unique(maintain_order=True).to_list()
    cells = {(r["rule_id"], r["theft_bytes"]): r["protected"] for r in covered.iter_rows(named=True)}
    rows = [[human(x), *(_bar(cells[r, x]) for r in rules)] for x in covered["theft_bytes"].unique().sort()]
    return table(["theft", *rules], rows)


def _bar(share: float) -> str:
    full = round(share * _BAR)
    return "█" * full + "░" * (_BAR - full) + f" {share:.0%}"


def job(site: Site) -> UnresolvedAssetJobDefinition:
    """The asset alone."""
    return asset_job(site, JOB, NAME, _TELLS)


def schedule(site: Site) -> dg.ScheduleDefinition:
    """An hour after the day's work begins."""
    when = site.settings.schedule
    return running_schedule(site, NAME, JOB, f"{when.minute} {(when.hour + 1) % 24} * * *", _TELLS)

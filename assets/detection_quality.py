"""The `detection_quality` asset: how well the methods find thefts in labelled worlds, stored and shown each week.

It depends on no log of the site, only on the code, so it is no part of the daily chain. Judging is done in
`pipeline.evaluation`.
"""

from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from pydantic import Field

from assets.reporting.metadata import GROUP, TECHNIQUES, table
from assets.schedules import asset_job, running_schedule
from pipeline.locks import site_lock
from pipeline.site import Site
from pipeline.wording import counted

if TYPE_CHECKING:
    from pipeline.evaluation.report import Report

NAME = "detection_quality"
JOB = "nilometer_detection_quality"
_TELLS = "Judges how well each method finds planted thefts in simulated worlds."
SHOWN_BUDGET = 20.0


class Worlds(dg.Config):
    """The worlds to judge on; other seeds are other worlds."""

    worlds: int = Field(default=5, ge=1, description="Number of worlds.")
    seed: int = Field(default=100, ge=0, description="Seed of the first world.")
    clients: int = Field(default=1_500, ge=1, le=100_000, description="Clients of a world.")
    days: int = Field(default=75, ge=46, le=3_660, description="Days of a world, of which 45 warm up.")
    explained: float = Field(default=0.8, ge=0, le=1, description="Share of the lookalikes that the site knows of.")


STORED = f"{NAME}/figures.parquet"
"""Where the figures lie in the site's storage: one file, the newest figures."""


def build(site: Site) -> dg.AssetsDefinition:
    """The asset for one site."""

    @dg.asset(
        name=NAME,
        group_name=GROUP,
        kinds={"polars", "parquet"},
        owners=list(site.settings.owners),
        tags=TECHNIQUES,
        description="Recall, false alerts and time to detect of every method on simulated, labelled worlds; nothing of "
        "the site's own logs. Its schedule makes it on Sundays; materialised by hand, it takes minutes. The table has "
        "a column a kind of theft (docs/evaluation.md), with the range that 95 of 100 such samples hold in brackets: "
        "of few planted thefts it says little.",
    )
    def detection_quality(context: dg.AssetExecutionContext, config: Worlds) -> dg.MaterializeResult[None]:
        report = _judged(config)
        with site_lock(site.storage, wait=True):
            _store(site, report, config.model_dump())
        context.log.info(f"{report.results.height} figures of {config.worlds} worlds")
        return dg.MaterializeResult(metadata=_shown(report, config))

    return detection_quality


def _judged(config: Worlds) -> "Report":
    # Numbers are imported when they are needed: loading the definitions stays quick.
    from pipeline.evaluation.run import base_settings, judge_worlds, tasks  # noqa: PLC0415

    base = base_settings(config.clients, config.days)
    return judge_worlds(tasks(range(config.seed, config.seed + config.worlds), base, config.explained), processes=1)


def _store(site: Site, report: "Report", facts: dict[str, Any]) -> None:
    site.storage.write_parquet(STORED, report.flat(), {"table": NAME, "facts": facts})


def _shown(report: "Report", config: Worlds) -> dict[str, Any]:
    """The figures at the largest budget as a table, and what they were told from; all of them are in the file."""
    baskets = sorted(report.results["basket"].unique())
    cells = {(r["method"], r["budget"], r["basket"]): r for r in report.results.iter_rows(named=True)}
    events = dict(report.results.group_by("basket").agg(pl.col("events").max()).iter_rows())
    rows: list[list[object]] = [["thefts planted", "", *(f"{events[b]:,}" for b in baskets)]]
    for cost in report.false_alerts.iter_rows(named=True):
        if cost["budget"] in (SHOWN_BUDGET, None):
            own = [cells.get((cost["method"], cost["budget"], b)) for b in baskets]
            recall = [f"{r['recall']:.0%} ({r['low']:.0%} to {r['high']:.0%})" if r else "-" for r in own]
            rows.append([cost["method"], f"{cost['per_day_per_10k']:.1f}", *recall])
    columns = ["method", "false alerts a day per 10,000 clients", *baskets]
    return {
        "dagster/row_count": report.results.height,
        "worlds": f"{counted(config.worlds, 'world')} of {config.clients:,} clients and {config.days} days, seeds from "
        f"{config.seed}; the site knows of {config.explained:.0%} of the lookalikes",
        f"recall at a budget of {SHOWN_BUDGET:g}": dg.MetadataValue.md(table(columns, rows)),
    }


def weekly_job(site: Site) -> UnresolvedAssetJobDefinition:
    """The asset alone."""
    return asset_job(site, JOB, NAME, _TELLS)


def weekly_schedule(site: Site) -> dg.ScheduleDefinition:
    """Sundays, before the day's work."""
    return running_schedule(site, NAME, JOB, "30 1 * * 0", _TELLS)

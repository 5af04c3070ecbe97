"""The `flows` asset: flow logs in, canonical flows of watched servers out, and the logs themselves as its source.

How logs are read is in `pipeline.intake`; a run that only reads them is in `assets.sensors`.
"""

import datetime as dt

import dagster as dg

from assets.days import RETRY, chain_asset, days_of, final, land, run_days
from assets.processes import alive
from assets.reporting.metadata import GROUP, table
from pipeline.insight.holdings import holdings
from pipeline.intake.lander import landed_name
from pipeline.intake.landing import Landing
from pipeline.intake.ledger import Ledger
from pipeline.locks import site_lock
from pipeline.schemas import FLOWS
from pipeline.site import Site
from pipeline.storage import DayRecord
from pipeline.stored.stages import make_flows

FLOW_LOGS = "flow_logs"
_SUMS = ("files", "failed", "lines", "flows", "set_aside")
"""Numbers that Dagster draws over the runs."""


def flow_logs(site: Site) -> dg.AssetSpec:
    """The files themselves, so that lineage starts at them."""
    paths = (
        "\n".join(f"- `{s.name}`: `{s.path}` ({s.format})" for s in site.settings.sources) or "No source is configured."
    )
    return dg.AssetSpec(
        FLOW_LOGS,
        group_name=GROUP,
        kinds={"file"},
        owners=list(site.settings.owners),
        description=f"Flow logs as the sensors wrote them. Metadata tells what was read of them so far, once in the "
        f"files' life: `flows` are all that they hold, whomever they touch. They are read and never made, so that "
        f"Dagster calls them never materialized.\n\n{paths}",
    )


def observation(site: Site, ledger: Ledger) -> dg.AssetObservation:
    """What has been read of the files so far, so that the beginning of the lineage does not look as if nothing were."""
    found = holdings([s.name for s in site.settings.sources], ledger.entries.values())
    rows = [[h.source, h.files, h.failed, f"{h.flows:,}", f"{h.set_aside:,}", h.first_day, h.last_day] for h in found]
    columns = ("source", "files read", "files not read", "flows", "lines set aside", "first day", "last day")
    shown = {name: dg.MetadataValue.int(sum(getattr(h, name) for h in found)) for name in _SUMS}
    return dg.AssetObservation(FLOW_LOGS, metadata=shown | {"sources": dg.MetadataValue.md(table(columns, rows))})


def build(site: Site) -> dg.AssetsDefinition:
    """The asset for one site."""

    @chain_asset(site, FLOWS, "bronze", [FLOW_LOGS], retry=RETRY, fresh=True)
    def flows(context: dg.AssetExecutionContext) -> dg.Output[None]:
        alive.hold(site, context.run.run_id)
        days = days_of(context, site)
        with final(context.run), site_lock(site.storage, wait=True):
            site.storage.remove_leftovers()
            landing = Landing(site.root, site.storage, site.settings, dt.datetime.now(dt.UTC))
            landed = land(site, landing, days)
            for problem in landed.problems:
                context.log.warning(problem.message)
            context.log_event(observation(site, landing.ledger))

            def make(day: dt.date) -> DayRecord:
                return make_flows(site, landing, day)

            def reads(day: dt.date) -> list[str]:
                made_from = landing.ledger.made_from(day, site.settings.counting.attribute)
                return [landed_name(file) for _, parts in made_from for p in parts for file in p.files]

            return run_days(context, site, "flows", make, reads=reads, landing=landing)

    return flows

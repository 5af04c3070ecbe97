"""The `flows` asset: flow logs in, canonical flows of watched servers out. How logs are read is in `pipeline`."""

import datetime as dt

import dagster as dg

from assets.days import RETRY, chain_asset, days_of, final, land, run_days
from assets.processes import alive
from assets.reporting.metadata import GROUP
from pipeline.intake.landing import Landing
from pipeline.locks import site_lock
from pipeline.schemas import FLOWS
from pipeline.site import Site
from pipeline.storage import DayRecord
from pipeline.stored.stages import make_flows


def flow_logs(site: Site) -> dg.AssetSpec:
    """The files themselves, so that lineage starts at them."""
    paths = (
        "\n".join(f"- `{s.name}`: `{s.path}` ({s.format})" for s in site.settings.sources) or "No source is configured."
    )
    return dg.AssetSpec(
        "flow_logs",
        group_name=GROUP,
        kinds={"file"},
        owners=list(site.settings.owners),
        description=f"Flow logs as the sensors wrote them.\n\n{paths}",
    )


def build(site: Site) -> dg.AssetsDefinition:
    """The asset for one site."""

    @chain_asset(site, FLOWS, "bronze", ["flow_logs"], retry=RETRY, fresh=True)
    def flows(context: dg.AssetExecutionContext) -> dg.Output[None]:
        alive.hold(site, context.run.run_id)
        days = days_of(context, site)
        with final(), site_lock(site.storage.workspace, wait=True):
            site.storage.remove_leftovers()
            landing = Landing(site.root, site.storage, site.settings, dt.datetime.now(dt.UTC))
            landed = land(site, landing, days)
            for problem in landed.problems:
                context.log.warning(problem.message)

            def make(day: dt.date) -> DayRecord:
                return make_flows(site, landing, day)

            def reads(day: dt.date) -> list[str]:
                made_from = landing.ledger.made_from(day, site.settings.counting.attribute)
                return [f"landing/{name}" for _, parts in made_from for p in parts for name in p.files]

            return run_days(context, site, "flows", make, reads=reads, landing=landing)

    return flows

"""The `flows` asset: flow logs in, canonical flows of watched servers out. How logs are read is in `pipeline`."""

import datetime as dt

import dagster as dg

from assets.days import chain_asset, run_days
from assets.metadata import GROUP
from assets.progress import report
from pipeline.days import parse_day
from pipeline.landing import Landing
from pipeline.locks import site_lock
from pipeline.schemas import FLOWS
from pipeline.site import Site
from pipeline.stages import make_flows


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

    @chain_asset(site, FLOWS, "bronze", ["flow_logs"])
    def flows(context: dg.AssetExecutionContext) -> dg.Output[None]:
        with site_lock(site.storage.root, wait=True):
            site.storage.remove_leftovers()
            landing = Landing(site.root, site.storage.root, site.settings, dt.datetime.now(dt.UTC))
            landed = landing.land([parse_day(k) for k in context.partition_keys], report)
            for problem in landed.problems:
                context.log.warning(problem.message)
            return run_days(context, site, "flows", lambda day: make_flows(site, landing, day))

    return flows

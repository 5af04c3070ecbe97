"""The `traffic_baseline` asset: what was normal in the window before the day."""

from functools import partial

import dagster as dg

from assets.days import chain_asset, run_days
from assets.reporting.days_told import normal_of
from pipeline.schemas import TRAFFIC_BASELINE
from pipeline.site import Site
from pipeline.stored.stages import make_baseline


def build(site: Site) -> dg.AssetsDefinition:
    """The asset for one site."""

    @chain_asset(site, TRAFFIC_BASELINE, "silver", ["daily_traffic"])
    def traffic_baseline(context: dg.AssetExecutionContext) -> dg.Output[None]:
        return run_days(
            context, site, "traffic_baseline", lambda day: make_baseline(site, day), partial(normal_of, site)
        )

    return traffic_baseline

"""The `daily_traffic` asset: bytes a client received from mail servers on a day, one row a measure and client."""

from functools import partial

import dagster as dg

from assets.days import chain_asset, run_days
from assets.reporting.days_told import traffic_of
from pipeline.schemas import DAILY_TRAFFIC
from pipeline.site import Site
from pipeline.stored.stages import make_daily


def build(site: Site) -> dg.AssetsDefinition:
    """The asset for one site."""

    @chain_asset(site, DAILY_TRAFFIC, "silver", ["flows"])
    def daily_traffic(context: dg.AssetExecutionContext) -> dg.Output[None]:
        return run_days(context, site, "daily_traffic", lambda day: make_daily(site, day), partial(traffic_of, site))

    return daily_traffic

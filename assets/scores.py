"""The `anomaly_scores` asset: every client of the day judged under every rule."""

import dagster as dg

from assets.days import chain_asset, run_days
from pipeline.schemas import ANOMALY_SCORES
from pipeline.site import Site
from pipeline.stored.stages import make_scores


def build(site: Site) -> dg.AssetsDefinition:
    """The asset for one site."""

    @chain_asset(site, ANOMALY_SCORES, "gold", ["daily_traffic", "traffic_baseline"])
    def anomaly_scores(context: dg.AssetExecutionContext) -> dg.Output[None]:
        return run_days(context, site, "anomaly_scores", lambda day: make_scores(site, day))

    return anomaly_scores

"""The `anomaly_scores` asset: every client of the day judged under every rule."""

from functools import partial

import dagster as dg

from assets.days import chain_asset, run_days
from assets.reporting.days_told import verdicts_of
from pipeline.schemas import ANOMALY_SCORES
from pipeline.site import Site
from pipeline.stored.stages import make_scores


def build(site: Site) -> dg.AssetsDefinition:
    """The asset for one site."""

    @chain_asset(site, ANOMALY_SCORES, "gold", ["daily_traffic", "traffic_baseline"])
    def anomaly_scores(context: dg.AssetExecutionContext) -> dg.Output[None]:
        return run_days(context, site, "anomaly_scores", lambda day: make_scores(site, day), partial(verdicts_of, site))

    return anomaly_scores

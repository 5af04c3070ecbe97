"""The `surge_scores` asset: how unusual every client's day is by the surge method; there with a rule of that method."""

import dagster as dg

from assets.context import asset_name, observe
from assets.days import chain_asset, run_days
from data_quality.results import day_quality
from pipeline.schemas import SURGE_SCORES
from pipeline.site import Site
from pipeline.stored.stages import make_surge
from pipeline.surge.days import remembering


def build(site: Site) -> dg.AssetsDefinition:
    """The asset for one site."""

    @chain_asset(site, SURGE_SCORES, "silver", ["daily_traffic", *(asset_name(n) for n in site.settings.context.files)])
    def surge_scores(context: dg.AssetExecutionContext) -> dg.Output[None]:
        observe(context, site)
        # The checks that decide it have run: they are waited for.
        quality_of = remembering(day_quality)
        return run_days(context, site, "surge_scores", lambda day: make_surge(site, day, quality_of))

    return surge_scores

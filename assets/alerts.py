"""The `alerts` asset: hosts in flood, with evidence; the last step, which fails the run by the name of its bad days."""

import dagster as dg

from assets.days import chain_asset, run_days, surge_scores
from assets.metadata import alerts_of
from data_quality.checks import day_quality
from pipeline.days import parse_day
from pipeline.schemas import ALERTS
from pipeline.site import Site
from pipeline.stages import make_alerts


def build(site: Site) -> dg.AssetsDefinition:
    """The asset for one site."""

    @chain_asset(site, ALERTS, "gold", ["anomaly_scores", "flows", *surge_scores(site)])
    def alerts(context: dg.AssetExecutionContext) -> dg.Output[None]:
        done = run_days(
            context,
            site,
            "alerts",
            lambda day: make_alerts(site, day, day_quality(site, day)),
            lambda day: alerts_of(site, day),
        )
        failures = {k: f for k in context.partition_keys if (f := site.storage.failure(parse_day(k))) is not None}
        if failures:
            named = "; ".join(f"{day} ({stage}): {reasons[0]}" for day, (stage, reasons) in failures.items())
            raise dg.Failure(
                f"{len(failures)} of {len(context.partition_keys)} days failed: {named}", allow_retries=False
            )
        return done

    return alerts

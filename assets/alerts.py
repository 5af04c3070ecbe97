"""The `alerts` asset: hosts in flood, with evidence; the last step, which fails the run by the name of its bad days.

It runs its own checks: those of a step after it would be skipped with it, and good days would have no result.
"""

from collections.abc import Iterator

import dagster as dg

from assets import checks
from assets.days import chain_asset, partitions_of, run_days
from assets.metadata import alerts_of
from data_quality.checks import day_quality
from pipeline.days import parse_day
from pipeline.schemas import ALERTS
from pipeline.site import Site
from pipeline.stages import make_alerts


def build(site: Site) -> dg.AssetsDefinition:
    """The asset for one site."""
    surge = ["surge_scores"] if site.rules_of("surge") else []
    specs = checks.specs_of(ALERTS.name)
    known = [checks.asset_check_spec(s, partitions_of(site)) for s in specs]

    @chain_asset(site, ALERTS, "gold", ["anomaly_scores", "flows", *surge], known)
    def alerts(context: dg.AssetExecutionContext) -> Iterator[dg.Output[None]]:
        done = run_days(
            context,
            site,
            "alerts",
            lambda day: make_alerts(site, day, day_quality(site, day)),
            lambda day: alerts_of(site, day),
        )
        checks.judge(context, site, specs)
        failures = {k: f for k in context.partition_keys if (f := site.storage.failure(parse_day(k))) is not None}
        if failures:
            named = "; ".join(f"{day} ({stage}): {reasons[0]}" for day, (stage, reasons) in failures.items())
            raise dg.Failure(
                f"{len(failures)} of {len(context.partition_keys)} days failed: {named}", allow_retries=False
            )
        yield done
        for spec in specs:
            yield dg.Output(None, output_name=f"{ALERTS.name}_{spec.name}")

    return alerts

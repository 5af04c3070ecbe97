"""Dagster's view of the data-quality checks: one result a check and day, in single runs and in range runs.

What is checked is in `data_quality`. Blocking checks are waited for, but a failed one marks its day unverified and does
not stop the scoring: a verdict must not be hidden by one bad line.
"""

from collections import defaultdict
from collections.abc import Iterator

import dagster as dg

from assets import metadata
from data_quality.checks import CheckOutcome, CheckSpec, check_specs, run_checks
from pipeline.days import parse_day
from pipeline.locks import site_lock
from pipeline.site import Site


def build(site: Site, partitions: dg.PartitionsDefinition) -> list[dg.AssetChecksDefinition]:
    """One check step an asset."""
    by_table: dict[str, list[CheckSpec]] = defaultdict(list)
    for spec in check_specs():
        by_table[spec.table].append(spec)
    return [_step(site, table, specs, partitions) for table, specs in by_table.items()]


def _step(
    site: Site, table: str, specs: list[CheckSpec], partitions: dg.PartitionsDefinition
) -> dg.AssetChecksDefinition:
    known = {s.name: s for s in specs}
    asset_specs = [
        dg.AssetCheckSpec(
            s.name, asset=table, blocking=s.blocking, description=s.description, partitions_def=partitions
        )
        for s in specs
    ]

    @dg.multi_asset_check(name=f"{table}_checks", specs=asset_specs, can_subset=True)
    def checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.Output[None]]:
        op_context = context.op_execution_context
        for key in context.selected_asset_check_keys:
            spec = known[key.name]
            with site_lock(site.storage.root, wait=True):
                outcomes = run_checks(spec, site, [parse_day(key) for key in op_context.partition_keys])
            for day, outcome in outcomes.items():
                # log_event takes evaluations too, and unlike runless events they may come again for the same day.
                op_context.log_event(_evaluation(spec, day.isoformat(), outcome))  # type: ignore[arg-type]
            yield dg.Output(None, output_name=f"{table}_{spec.name}")

    return checks


def _evaluation(spec: CheckSpec, day: str, outcome: CheckOutcome) -> dg.AssetCheckEvaluation:
    bad = [o for o in outcome.outcomes if not o["passed"]]
    grave = "error" in {o.get("severity", spec.severity) for o in bad or [{}]}
    severity = dg.AssetCheckSeverity.ERROR if grave else dg.AssetCheckSeverity.WARN
    failed = [o["expectation"] for o in bad]
    columns = ["expectation", "observed", "limit", "result", "remedy"]
    rows = [
        [o["expectation"], o["observed"], o["limit"], "ok" if o["passed"] else "FAILED", o["remedy"]]
        for o in outcome.outcomes
    ]
    numbers = {k: float(v) for k, v in outcome.observed.items() if v is not None}
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(spec.table),
        check_name=spec.name,
        passed=outcome.passed,
        partition=day,
        severity=severity,
        description=f"failed: {', '.join(failed)}" if failed else None,
        metadata={"expectations": dg.MetadataValue.md(metadata.table(columns, rows)), **numbers},
    )

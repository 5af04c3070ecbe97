"""Dagster's view of the data-quality checks: one result a check and day, in single runs and in range runs.

What is checked is in `data_quality`. Blocking checks are waited for, but a failed one marks its day unverified and does
not stop the scoring: a verdict must not be hidden by one bad line.
"""

import datetime as dt
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData as Made,
)
from dagster._core.instance.utils import RUNLESS_RUN_ID
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus as RecordStatus
from dagster._core.storage.asset_check_execution_record import AssetCheckPartitionInfo
from pydantic import Field

from assets import bad_days
from assets.days import days_of, surge_scores
from assets.processes import alive
from assets.processes.history import newest
from assets.processes.instances import POOL
from assets.processes.kept_open import kept_open
from assets.processes.run_tags import site_tags
from assets.reporting import journal, metadata
from assets.reporting.progress import CHECKS, steps
from data_quality.checks import run_all
from data_quality.judged import judgeable, unjudged
from data_quality.results import CheckOutcome
from data_quality.specs import CheckSpec
from data_quality.specs import specs_of as all_specs
from pipeline.days import parse_day
from pipeline.locks import site_lock
from pipeline.schemas import ALERTS
from pipeline.site import Site
from pipeline.stored import stale
from pipeline.stored.now import last_ended_day

LAST = ALERTS.name
JOB = "nilometer_checks"


def build(site: Site, partitions: dg.PartitionsDefinition) -> list[dg.AssetChecksDefinition]:
    """One check step an asset; the last asset of the chain, which fails by the name of bad days, runs its own."""
    tables = dict.fromkeys(s.table for s in all_specs(site) if s.table != LAST)
    return [_step(site, table, specs_of(site, table), partitions) for table in tables]


def specs_of(site: Site, table: str) -> list[CheckSpec]:
    """The checks of an asset: those that ship, and the site's own."""
    return [s for s in all_specs(site) if s.table == table]


def _step(
    site: Site, table: str, specs: list[CheckSpec], partitions: dg.PartitionsDefinition
) -> dg.AssetChecksDefinition:
    known = {s.name: s for s in specs}
    asset_specs = [asset_check_spec(site, s, partitions) for s in specs]

    @dg.multi_asset_check(name=f"{table}_checks", specs=asset_specs, can_subset=True)
    def checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.Output[None]]:
        op_context = context.op_execution_context
        wanted = [known[key.name] for key in sorted(context.selected_asset_check_keys)]
        days = days_of(op_context, site)
        judge(op_context, site, wanted, days)
        bad_days.fail_if_last(op_context, site, days, f"{table}_checks")
        for spec in wanted:
            yield dg.Output(None, output_name=f"{table}_{spec.name}")

    return checks


def asset_check_spec(site: Site, spec: CheckSpec, partitions: dg.PartitionsDefinition) -> dg.AssetCheckSpec:
    """What Dagster knows of a check before it ran."""
    # Of rules of method surge, the canary needs the day's scores.
    later = {"canary_found": surge_scores(site)}
    return dg.AssetCheckSpec(
        spec.name,
        asset=spec.table,
        additional_deps=later.get(spec.name),
        blocking=spec.blocking,
        description=spec.description,
        partitions_def=partitions,
    )


class Days(dg.Config):
    """Which days to look at."""

    days: list[str] = Field(default_factory=list, description="YYYY-MM-DD each; none: all days that are kept.")


def _days(asked: Sequence[str]) -> list[dt.date]:
    """The days of a run's configuration, which people write in the launchpad too."""
    found = []
    for text in asked:
        try:
            found.append(parse_day(text))
        except ValueError:
            told = f"config days: {text!r} is not a day of the form YYYY-MM-DD. Launch the job again with such days."
            raise dg.Failure(told, allow_retries=False) from None
    return found


def job(site: Site) -> dg.JobDefinition:
    """Judges days again whose checks are of other data than is stored; makes no day."""

    @dg.op(name="judge_again", pool=POOL)
    def judge_again(context: dg.OpExecutionContext, config: Days) -> None:
        with site_lock(site.storage, wait=True):
            days = _days(config.days) or stale.kept_span(site, last_ended_day(site))
            found = wanting(site, context.instance, days)
            for specs, alike in groupby(found, found.__getitem__):
                judge(context, site, specs, list(alike))
        rest = "the results of the others are of what is stored, or nothing is stored"
        context.log.info(f"checks of {len(found)} of {len(days)} days were run; {rest}")

    @dg.job(
        name=JOB,
        description="Runs checks again whose results are missing, of other data or not shown by Dagster; makes no day.",
        tags=site_tags(site),
    )
    def nilometer_checks() -> None:
        judge_again()

    return nilometer_checks


def wanting(site: Site, instance: dg.DagsterInstance, days: Sequence[dt.date]) -> dict[dt.date, list[CheckSpec]]:
    """The days with checks whose results are of other data than is stored, missing, or not shown by Dagster."""
    found, hidden = {}, _hidden(site, instance, days)
    for day in days:
        names = {s.name for s in (*unjudged(site, day), *judgeable(site, day, hidden.get(day.isoformat(), ())))}
        if specs := [s for s in all_specs(site) if s.name in names]:
            found[day] = specs
    return found


def _hidden(site: Site, instance: dg.DagsterInstance, days: Sequence[dt.date]) -> dict[str, set[str]]:
    """Day -> its checks whose results Dagster does not show, although they are kept.

    Of a run that planned checks and never did them, as it was cancelled or died, it forgets what was found before, and
    of one that made a day again without its checks it takes no earlier result. A run that has not ended may do them
    yet, and one of another site, whose assets have the same names, says nothing of this one's days.
    """
    keys = [dg.AssetCheckKey(dg.AssetKey(s.table), s.name) for s in all_specs(site)]
    asked = [day.isoformat() for day in days]
    told = instance.event_log_storage.get_asset_check_partition_info(keys, partition_keys=asked)
    causes = {(t.check_key.name, t.partition_key): t.latest_planned_run_id for t in told if _is_skipped(t)}
    causes |= _made_without(instance, [t for t in told if not t.is_current and not _is_skipped(t)])
    runs = _runs(instance, sorted(set(causes.values())))
    spare = {r.run_id for r in runs if not r.is_finished or not alive.is_of(site, r)}
    found = dict[str, set[str]]()
    for (name, day), run in causes.items():
        if day is not None and run not in spare:
            found.setdefault(day, set()).add(name)
    return found


def _is_skipped(told: AssetCheckPartitionInfo) -> bool:
    return told.latest_execution_status == RecordStatus.PLANNED


def _made_without(
    instance: dg.DagsterInstance, told: Sequence[AssetCheckPartitionInfo]
) -> dict[tuple[str, str | None], str]:
    """(check, day) -> the run that made the day again after the check; none where Dagster's history was pruned."""
    keys = {t.check_key.asset_key for t in told}
    of_table = {k: [t for t in told if t.check_key.asset_key == k] for k in keys}
    found = dict[tuple[str, str | None], str]()
    for key, mine in of_table.items():
        days = {t.partition_key for t in mine if t.partition_key is not None}
        runs = {r.partition_key: r.run_id for r in newest(instance, key, days)}
        found |= {(t.check_key.name, d): runs[d] for t in mine if runs.get(d := t.partition_key, RUNLESS_RUN_ID)}
    return found


def _runs(instance: dg.DagsterInstance, ids: Sequence[str]) -> Sequence[dg.DagsterRun]:
    """Those of the runs that are not forgotten; without an id there would be all there ever were."""
    return instance.get_runs(dg.RunsFilter(run_ids=list(ids))) if ids else []


def config(days: Sequence[str]) -> dict[str, Any]:
    """What a run of the job is given to look at these days."""
    return {"ops": {"judge_again": {"config": {"days": list(days)}}}}


def judge(
    context: dg.OpExecutionContext | dg.AssetExecutionContext,
    site: Site,
    specs: Sequence[CheckSpec],
    days: Sequence[dt.date],
) -> None:
    """Run the checks on the days, and tell Dagster each day's result."""
    step = steps(f"{'+'.join(sorted({s.table for s in specs}))}{CHECKS}", 2 * len(specs), len(days))
    with site_lock(site.storage, wait=True):
        outcomes = run_all(specs, site, days, step)
    made = {table: _made(context.instance, table, days) for table in {s.table for s in specs}}
    with kept_open(context.instance):
        _tell(context, specs, outcomes, made, step)


def _tell(
    context: dg.OpExecutionContext | dg.AssetExecutionContext,
    specs: Sequence[CheckSpec],
    outcomes: Mapping[str, Mapping[dt.date, CheckOutcome]],
    made: Mapping[str, Mapping[str, Made]],
    step: Callable[[], None],
) -> None:
    for spec in specs:
        for day, outcome in outcomes[spec.name].items():
            step()
            if not outcome.passed:
                about = {"run_id": context.run.run_id, "day": day.isoformat(), "stage": spec.table}
                journal.write("warning", "check_failed", **about, check=spec.name)
            # log_event takes evaluations too, and unlike runless events they may come again for the same day.
            told = _evaluation(spec, day.isoformat(), outcome, made[spec.table].get(day.isoformat()))
            context.log_event(told)  # type: ignore[arg-type]


def _made(instance: dg.DagsterInstance, table: str, days: Sequence[dt.date]) -> dict[str, Made]:
    """Day -> its materialisation; without it Dagster counts a result as of none, and calls the day unchecked."""
    records = newest(instance, dg.AssetKey(table), {day.isoformat() for day in days})
    told = ((r.partition_key, Made(storage_id=r.storage_id, run_id=r.run_id, timestamp=r.timestamp)) for r in records)
    return {day: made for day, made in told if day is not None}


def _evaluation(spec: CheckSpec, day: str, outcome: CheckOutcome, made: Made | None) -> dg.AssetCheckEvaluation:
    bad = [o for o in outcome.outcomes if not o["passed"]]
    grave = "error" in {o.get("severity", spec.severity) for o in bad or [{}]}
    severity = dg.AssetCheckSeverity.ERROR if grave else dg.AssetCheckSeverity.WARN
    failed = [o["expectation"] for o in bad]
    columns = ["expectation", "meaning", "observed", "limit", "result", "unexpected", "rows", "remedy"]
    rows = [_row(o) for o in sorted(outcome.outcomes, key=lambda o: bool(o["passed"]))]  # Those that failed come first.
    told = {k: float(v) for k, v in outcome.observed.items() if isinstance(v, int | float)}
    numbers = {k: _rounded(v) for k, v in told.items() if math.isfinite(v)}  # GraphQL has no other numbers.
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(spec.table),
        check_name=spec.name,
        passed=outcome.passed,
        partition=day,
        target_materialization_data=made,
        severity=severity,
        description=f"failed: {', '.join(failed)}" if failed else None,
        metadata={
            "expectations": dg.MetadataValue.md(metadata.table(columns, rows)),
            **numbers,
            "fingerprint": outcome.fingerprint,  # As the materialization that was judged says it.
        },
    )


def _rounded(number: float) -> float:
    """A number without what its calculation left in the last digits: 8 for 7.999999999999998."""
    return number if number.is_integer() else float(f"{number:.12g}")


def _row(outcome: Mapping[str, Any]) -> list[object]:
    """One expectation as cells; rows from the data are shown only where they are at fault."""
    rows = "; ".join(", ".join(f"{k} {v}" for k, v in row.items()) for row in json.loads(outcome.get("sample") or "[]"))
    result = "ok" if outcome["passed"] else "FAILED"
    told = (outcome.get(k) for k in ("expectation", "meaning", "observed", "limit"))
    return [*told, result, outcome.get("unexpected"), rows, None if outcome["passed"] else outcome["remedy"]]

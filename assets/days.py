"""Running a stage over the days of a run: a good day gets its own event, a bad day is marked and stops no other.

This is the one place that knows how Dagster is told of single days in a range run. What a stage does is in
`pipeline.stored.stages`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, cast

import dagster as dg
import polars as pl
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value

from assets import bad_days
from assets.processes import alive
from assets.processes.instances import POOL
from assets.processes.kept_open import kept_open
from assets.processes.run_tags import by_command
from assets.processes.stopping import INTERRUPTS, Stopped
from assets.reporting import journal
from assets.reporting.about import about
from assets.reporting.costs import Meter, Total, bytes_of
from assets.reporting.metadata import GROUP, TECHNIQUES
from assets.reporting.metrics import publish
from assets.reporting.progress import report
from data_quality.results import day_quality
from pipeline.days import day_range, parse_day, window_days
from pipeline.disk import fault_message, limit_met, may_pass
from pipeline.errors import NilometerError
from pipeline.intake.landing import Landing, LandingReport
from pipeline.locks import site_lock
from pipeline.schemas import ALERTS, Table
from pipeline.settings import ScheduleSettings
from pipeline.site import Site
from pipeline.storage import DAMAGE, DayRecord
from pipeline.stored.now import check_days
from pipeline.stored.stages import failure_before
from pipeline.stored.status import up_to_date
from pipeline.surge.days import remembering

# An output with this entry in its metadata is passed on without an event for every partition of the run, so that bad
# days are not shown as made. Dagster has no public way for it; tests count the events exactly.
NO_EVENT = {"__source_asset_observation__": True}

REFRESH_TAG = "nilometer/refresh"
"""With the value "stale" a run makes only tables that would come out differently."""
PARTITION = "dagster/partition"
RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
FRESH_HOURS = 3
RETRY = dg.RetryPolicy(max_retries=2, delay=30, backoff=dg.Backoff.EXPONENTIAL)
"""For faults of the machine that may pass; `final` ends a step at once for any other."""


_COUNTED_BY_NAME = ("quarantined_by_reason", "warnings")
"""Facts of flows that are shown as text: what `pipeline.sources.named` says of lines and records."""

Describe = Callable[[dt.date], dict[str, Any]]
Reads = Callable[[dt.date], Iterable[str]]
Kept = Callable[[str, dt.date], DayRecord | None]
"""(stage, day) -> what is stored, where it need not be made again."""
_kept: list[Kept] = []


@contextmanager
def passing_over(kept: Kept) -> Iterator[None]:
    """Within this context, a day that `kept` has a record for is reported and not made: a run that died had made it."""
    _kept.append(kept)
    try:
        yield
    finally:
        _kept.remove(kept)


def days_of(context: dg.AssetExecutionContext | dg.OpExecutionContext, site: Site) -> list[dt.date]:
    """The days of a run, in order; Dagster launches whatever day it is asked for, and runs without one.

    Raises:
        Failure: the run has no day, or one that is no partition of the site, or that has not ended.
    """
    tags = context.run.tags
    ends = [tags.get(PARTITION) or tags.get(end) for end in (RANGE_START, RANGE_END)]
    if None in ends:
        told = "This run names no day. Launch it for a partition, or for a range of them."
        raise dg.Failure(told, allow_retries=False)
    try:
        first, last = (parse_day(end or "") for end in ends)
        check_days(site, days := day_range(first, last))
    except (NilometerError, ValueError) as error:
        raise dg.Failure(str(error), allow_retries=False) from None
    return days


def land(site: Site, landing: Landing, days: Sequence[dt.date], *, reread: bool = False) -> LandingReport:
    """Read new and changed logs that may hold the days, and report what was read."""
    total, meter = Total("landing"), Meter()
    landed = landing.land(days, report, reread=reread)
    total.days, total.cost = len(days), meter.cost(landed.bytes_read)
    if landed.landed or landed.problems:
        journal.write("info", "landed", stage="landing", files=landed.landed, **total.cost.as_dict())
        publish(site, total)
    for problem in landed.problems:
        journal.write("warning", "log_not_read", stage="landing", message=problem.message)
    return landed


def run_days(
    context: dg.AssetExecutionContext,
    site: Site,
    stage: str,
    make: Callable[[dt.date], DayRecord],
    describe: Describe | None = None,
    reads: Reads | None = None,
    landing: Landing | None = None,
) -> dg.Output[None]:
    """Make every day of the run; days that an earlier stage could not make are passed over.

    A run that refreshes, and one that tries again, leaves days alone whose table is what it would be now.

    Args:
        context: of the step.
        site: the site.
        stage: the table to make.
        make: makes one day of it.
        describe: what to show of a day beside its row count.
        reads: names stored files that a day is made from and that its record does not name.
        landing: of stage flows, what was read.

    Raises:
        DaysFailed: days could not be made, and no later step would say so.
        OSError: a day could not be made for a fault of the machine, and the step may be tried again.
    """
    alive.hold(site, context.run.run_id)
    days = days_of(context, site)
    again = context.run.tags.get(REFRESH_TAG) == "stale" or context.retry_number > 0
    quality_of, passing, total = remembering(day_quality), list[OSError](), Total(stage)
    red = _shown_as_failed(context, site, stage) if again else frozenset()
    with site_lock(site.storage, wait=True), kept_open(context.instance):
        for index, day in enumerate(days, 1):
            known = again and up_to_date(site, landing, stage, day, quality_of)
            if not known and failure_before(site, day, stage, own=False) is None:
                fault = _run_day(context, site, day, make, total, describe=describe, reads=reads)
                if isinstance(fault, OSError) and _is_worth_a_wait(context.run, fault):
                    passing.append(fault)
            elif known and day.isoformat() in red:
                _say_again(context, site, stage, day, describe)
            report(stage, index, len(days))
    publish(site, total)
    policy = context.op_execution_context.op_def.retry_policy
    if passing and policy is not None and context.retry_number < policy.max_retries:
        raise passing[0]
    if stage != ALERTS.name:  # Which judges its days before it ends.
        bad_days.fail_if_last(context, site, days, stage)
    return dg.Output(None, metadata=NO_EVENT)


def _run_day(
    context: dg.AssetExecutionContext,
    site: Site,
    day: dt.date,
    make: Callable[[dt.date], DayRecord],
    total: Total,
    *,
    describe: Describe | None,
    reads: Reads | None,
) -> BaseException | None:
    """Make one day; what went wrong is marked, and returned."""
    key, stage, meter = day.isoformat(), total.stage, Meter()
    which = {"run_id": context.run.run_id, "day": key, "stage": stage}
    try:
        record = next((r for kept in _kept if (r := kept(stage, day)) is not None), None) or make(day)
    except (Exception, pl.exceptions.PanicException) as error:  # A panic is no Exception, and would end the whole run.
        reason = _reason(site, day, error)
        site.storage.mark_failed(day, stage, [reason])
        context.log.error(f"{stage} of {key} failed: {reason}")
        total.add(meter.cost(), None)
        journal.write("error", "stage_failed", **which, message=reason)
        return error
    if failure_before(site, day, stage, own=True) is not None:
        site.storage.clear_failed(day)
    if record.pruned:
        gone = f"{stage} of {key} was pruned on {record.pruned} and is not made again"
        context.log.warning(gone)
        journal.write("info", "stage_pruned", **which, message=gone)
        return None
    cost = meter.cost(*bytes_of(site, record, reads(day) if reads else ()))
    total.add(cost, record)
    journal.write("info", "stage_done", **which, rows=record.rows, **cost.as_dict())
    shown = _metadata(record, describe(day) if describe else {}) | cost.as_dict()
    context.log_event(dg.AssetMaterialization(stage, partition=key, metadata=shown))
    return None


def _shown_as_failed(context: dg.AssetExecutionContext, site: Site, stage: str) -> frozenset[str]:
    """The stage's partitions that the UI holds for failed: a failed run was to make them, and none has since."""
    days = partitions_of(site)
    known = get_and_update_asset_status_cache_value(context.instance, dg.AssetKey(stage), days)
    return frozenset(known.deserialize_failed_partition_subsets(days).get_partition_keys() if known else ())


def _say_again(
    context: dg.AssetExecutionContext, site: Site, stage: str, day: dt.date, describe: Describe | None
) -> None:
    """Tell of a day that is stored as it would be now, as a run that failed did not come to it."""
    if (record := site.storage.record(stage, day)) is not None:
        shown = _metadata(record, describe(day) if describe else {})
        context.log_event(dg.AssetMaterialization(stage, partition=day.isoformat(), metadata=shown))


def _is_worth_a_wait(run: dg.DagsterRun, fault: OSError) -> bool:
    """Whether to try again: of a command, whose user looks on, only after faults that may pass by themselves."""
    return may_pass(fault) or not by_command(run.tags)


@contextmanager
def final(run: dg.DagsterRun) -> Iterator[None]:
    """Lets a retry policy try a step again after faults of the machine (OSError); other faults and stops end it."""
    try:
        yield
    except bad_days.DaysFailed:
        raise
    except OSError as error:
        if _is_worth_a_wait(run, error):
            raise
        raise dg.Failure(str(error), allow_retries=False) from error
    except INTERRUPTS as stop:
        raise Stopped("The step was stopped on request.", allow_retries=False) from stop
    except Exception as error:
        raise dg.Failure(f"{type(error).__name__}: {error}", allow_retries=False) from error


def _reason(site: Site, day: dt.date, error: BaseException) -> str:
    """Why a day failed; where a stored table did not read, which one."""
    if isinstance(error, NilometerError):
        return error.message
    if (fault := limit_met(error)) is not None:
        return fault.message
    window = window_days(day, site.history_days, site.settings.start_date)
    found = site.storage.first_damage([day, *window]) if isinstance(error, DAMAGE) else None
    return found.message if found is not None else fault_message(error) or f"{type(error).__name__}: {error}"


def _metadata(record: DayRecord, described: dict[str, Any]) -> dict[str, Any]:
    """What is shown of a stored day: what people look for first, then the numbers of its record."""
    facts = {k: v for k, v in record.facts.items() if isinstance(v, int | float | str)}
    for kind in _COUNTED_BY_NAME:
        if named := record.facts.get(kind):
            facts[kind] = ", ".join(f"{n:,} {name}" for name, n in named.items())
    known = {"dagster/partition_row_count": record.rows, **facts, "fingerprint": record.fingerprint}
    return {**described, **known, **described}


def table_metadata(table: Table, site: Site) -> dict[str, Any]:
    """Column schema with units, and where the table lives."""
    columns = [
        dg.TableColumn(
            c.name,
            str(c.dtype),
            description=f"{c.description} [{c.unit}]" if c.unit else c.description,
            constraints=dg.TableColumnConstraints(nullable=c.nullable),
        )
        for c in table.columns
    ]
    return {
        "dagster/column_schema": dg.TableSchema(columns),
        "dagster/table_name": table.name,
        "dagster/uri": f"{site.settings.storage}/{table.name}/",
    }


def surge_scores(site: Site) -> list[str]:
    """What an asset waits for that reads the surge method's scores: nothing on a site without such a rule."""
    return ["surge_scores"] if site.rules_of("surge") else []


@lru_cache(maxsize=8)
def _in_time(when: ScheduleSettings, timezone: str) -> dg.FreshnessPolicy:
    """Overdue where nothing was made between the hour of the daily schedule and FRESH_HOURS later.

    Made once: Dagster goes over a thousand of its hours to see that none follows sooner.
    """
    return dg.FreshnessPolicy.cron(
        deadline_cron=f"{when.minute} {(when.hour + FRESH_HOURS) % 24} * * *",
        lower_bound_delta=dt.timedelta(hours=FRESH_HOURS),
        timezone=timezone,
    )


Body = Callable[[dg.AssetExecutionContext], dg.Output[None] | Iterator[dg.Output[None]]]


def partitions_of(site: Site) -> dg.DailyPartitionsDefinition:
    """The days of a site."""
    return dg.DailyPartitionsDefinition(
        start_date=site.settings.start_date.isoformat(), timezone=site.settings.timezone
    )


def chain_asset(
    site: Site,
    table: Table,
    layer: str,
    deps: Sequence[str],
    checks: Sequence[dg.AssetCheckSpec] = (),
    *,
    retry: dg.RetryPolicy | None = None,
    fresh: bool = False,
) -> Callable[[Body], dg.AssetsDefinition]:
    """The decorator of every asset of the chain: what they all have in common.

    Args:
        site: the site.
        table: what the asset stores.
        layer: bronze, silver or gold.
        deps: the assets before it.
        checks: those that the asset runs itself.
        retry: of steps that faults of the machine may end.
        fresh: whether the UI calls the asset overdue when a day was not made in time.
    """
    return dg.asset(
        name=table.name,
        deps=list(deps),
        partitions_def=partitions_of(site),
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name=GROUP,
        kinds={"polars", "parquet", layer},
        owners=list(site.settings.owners),
        dagster_type=cast("dg.DagsterType", dg.Nothing),
        tags=TECHNIQUES,
        metadata=table_metadata(table, site),
        description=about(table),
        code_version="1",
        check_specs=list(checks),
        pool=POOL,
        retry_policy=retry,
        freshness_policy=_in_time(site.settings.schedule, site.settings.timezone) if fresh else None,
    )

"""Running a stage over the days of a run: a good day gets its own event, a bad day is marked and stops no other.

This is the one place that knows how Dagster is told of single days in a range run. What a stage does is in
`pipeline.stages`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import dagster as dg

from assets import alive
from assets.metadata import GROUP
from assets.progress import report
from data_quality.checks import day_quality
from pipeline.days import parse_day
from pipeline.errors import NilometerError
from pipeline.landing import Landing
from pipeline.locks import site_lock
from pipeline.schemas import Table
from pipeline.site import Site
from pipeline.stages import failure_before
from pipeline.status import up_to_date
from pipeline.storage import DayRecord
from pipeline.surge_days import remembering

# An output with this entry in its metadata is passed on without an event for every partition of the run, so that bad
# days are not shown as made. Dagster has no public way for it; tests count the events exactly.
NO_EVENT = {"__source_asset_observation__": True}

ORIGIN_TAG = "nilometer/origin"
REFRESH_TAG = "nilometer/refresh"
"""With the value "stale" a run makes only tables that would come out differently."""
RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
POOL = "nilometer"
"""Runs that write the site's tables; the site's instance lets one of them work at a time."""
FRESH_HOURS = 3
RETRY = dg.RetryPolicy(max_retries=2, delay=30, backoff=dg.Backoff.EXPONENTIAL)
"""For faults of the machine that may pass; `final` ends a step at once for any other."""


Describe = Callable[[dt.date], dict[str, Any]]


def run_days(
    context: dg.AssetExecutionContext,
    site: Site,
    stage: str,
    make: Callable[[dt.date], DayRecord],
    describe: Describe | None = None,
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
        landing: of stage flows, what was read.

    Raises:
        OSError: a day could not be made for a fault of the machine, and the step may be tried again.
    """
    alive.hold(site, context.run.run_id)
    again = context.run.tags.get(REFRESH_TAG) == "stale" or context.retry_number > 0
    quality_of, faults = remembering(day_quality), []
    with site_lock(site.storage.root, wait=True):
        for index, key in enumerate(context.partition_keys, 1):
            day = parse_day(key)
            known = again and up_to_date(site, landing, stage, day, quality_of)
            if not known and failure_before(site, day, stage, own=False) is None:
                fault = _run_day(context, site, stage, key, make, describe)
                faults += [fault] if isinstance(fault, OSError) else []
            report(stage, index, len(context.partition_keys))
    policy = context.op_execution_context.op_def.retry_policy
    if faults and policy is not None and context.retry_number < policy.max_retries:
        raise faults[0]
    return dg.Output(None, metadata=NO_EVENT)


def _run_day(
    context: dg.AssetExecutionContext,
    site: Site,
    stage: str,
    key: str,
    make: Callable[[dt.date], DayRecord],
    describe: Describe | None,
) -> Exception | None:
    """Make one day; what went wrong is marked, and returned."""
    day = parse_day(key)
    try:
        record = make(day)
    except Exception as error:
        reason = error.message if isinstance(error, NilometerError) else f"{type(error).__name__}: {error}"
        site.storage.mark_failed(day, stage, [reason])
        context.log.error(f"{stage} of {key} failed: {reason}")
        return error
    if failure_before(site, day, stage, own=True) is not None:
        site.storage.clear_failed(day)
    shown = _metadata(record) | (describe(day) if describe else {})
    context.log_event(dg.AssetMaterialization(stage, partition=key, metadata=shown))
    return None


@contextmanager
def final() -> Iterator[None]:
    """Lets a retry policy try again after faults of the machine (OSError) alone; any other fault ends the step."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        raise dg.Failure(f"{type(error).__name__}: {error}", allow_retries=False) from error


def _metadata(record: DayRecord) -> dict[str, Any]:
    facts = {k: v for k, v in record.facts.items() if isinstance(v, int | float | str)}
    return {"dagster/partition_row_count": record.rows, "fingerprint": record.fingerprint, **facts}


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


def _in_time(site: Site) -> dg.FreshnessPolicy:
    """Overdue where nothing was made between the hour of the daily schedule and FRESH_HOURS later."""
    when = site.settings.schedule
    return dg.FreshnessPolicy.cron(
        deadline_cron=f"{when.minute} {(when.hour + FRESH_HOURS) % 24} * * *",
        lower_bound_delta=dt.timedelta(hours=FRESH_HOURS),
        timezone=site.settings.timezone,
    )


Body = Callable[[dg.AssetExecutionContext], dg.Output[None]]


def chain_asset(
    site: Site,
    table: Table,
    layer: str,
    deps: Sequence[str],
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
        retry: of steps that faults of the machine may end.
        fresh: whether the UI calls the asset overdue when a day was not made in time.
    """
    partitions = dg.DailyPartitionsDefinition(
        start_date=site.settings.start_date.isoformat(), timezone=site.settings.timezone
    )
    return dg.asset(
        name=table.name,
        deps=list(deps),
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name=GROUP,
        kinds={"polars", "parquet", layer},
        owners=list(site.settings.owners),
        dagster_type=cast("dg.DagsterType", dg.Nothing),
        tags={"attack/T1114": "", "attack/T1114.002": ""},
        metadata=table_metadata(table, site),
        description=table.description,
        code_version="1",
        pool=POOL,
        retry_policy=retry,
        freshness_policy=_in_time(site) if fresh else None,
    )

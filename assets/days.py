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
import polars as pl

from assets.metadata import GROUP
from assets.progress import report
from pipeline.days import parse_day, window_days
from pipeline.errors import NilometerError
from pipeline.locks import site_lock
from pipeline.schemas import Table
from pipeline.site import Site
from pipeline.stages import failure_before
from pipeline.storage import DAMAGE, DayRecord

# An output with this entry in its metadata is passed on without an event for every partition of the run, so that bad
# days are not shown as made. Dagster has no public way for it; tests count the events exactly.
NO_EVENT = {"__source_asset_observation__": True}


Describe = Callable[[dt.date], dict[str, Any]]
Kept = Callable[[str, dt.date], DayRecord | None]
"""(stage, day) -> what is stored, where it need not be made again."""
_kept: list[Kept] = []


@contextmanager
def passing_over(kept: Kept) -> Iterator[None]:
    """Inside, days for which kept knows a record are told of and not made: a run that died had made them."""
    _kept.append(kept)
    try:
        yield
    finally:
        _kept.remove(kept)


def run_days(
    context: dg.AssetExecutionContext,
    site: Site,
    stage: str,
    make: Callable[[dt.date], DayRecord],
    describe: Describe | None = None,
) -> dg.Output[None]:
    """Make every day of the run; days that an earlier stage could not make are passed over.

    What describe says of a day is shown beside its row count.
    """
    with site_lock(site.storage.root, wait=True):
        for index, key in enumerate(context.partition_keys, 1):
            if failure_before(site, parse_day(key), stage, own=False) is None:
                _run_day(context, site, stage, key, make, describe)
            report(stage, index, len(context.partition_keys))
    return dg.Output(None, metadata=NO_EVENT)


def _run_day(
    context: dg.AssetExecutionContext,
    site: Site,
    stage: str,
    key: str,
    make: Callable[[dt.date], DayRecord],
    describe: Describe | None,
) -> None:
    day = parse_day(key)
    try:
        record = next((r for kept in _kept if (r := kept(stage, day)) is not None), None) or make(day)
    except (Exception, pl.exceptions.PanicException) as error:  # A panic is no Exception, and would end the whole run.
        reason = _reason(site, day, error)
        site.storage.mark_failed(day, stage, [reason])
        context.log.error(f"{stage} of {key} failed: {reason}")
        return
    if failure_before(site, day, stage, own=True) is not None:
        site.storage.clear_failed(day)
    shown = _metadata(record) | (describe(day) if describe else {})
    context.log_event(dg.AssetMaterialization(stage, partition=key, metadata=shown))


def _reason(site: Site, day: dt.date, error: BaseException) -> str:
    """Why a day failed; where a stored table did not read, which one."""
    if isinstance(error, NilometerError):
        return error.message
    window = window_days(day, site.history_days, site.settings.start_date)
    found = site.storage.first_damage([day, *window]) if isinstance(error, DAMAGE) else None
    return found.message if found is not None else f"{type(error).__name__}: {error}"


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


Body = Callable[[dg.AssetExecutionContext], dg.Output[None]]


def chain_asset(site: Site, table: Table, layer: str, deps: Sequence[str]) -> Callable[[Body], dg.AssetsDefinition]:
    """The decorator of every asset of the chain: what they all have in common."""
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
    )

"""Dagster's own history: old runs and their events go, what the UI knows of each partition stays.

A run is deleted with all its events. Of the events only the newest materialisation of each partition matters later:
where it is in a run that goes, it is recorded again without a run, at its own time. Results of checks have a table of
their own, which deleting a run leaves alone.
"""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
from dagster._core.instance.utils import RUNLESS_RUN_ID
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage

from pipeline.disk import exists

_ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
_AT_ONCE = 200
Progress = Callable[[str, int, int], None]
"""(what, done, of how many)."""


@dataclass
class Past:
    """The runs that would go."""

    keep: int
    runs: list[str] = field(default_factory=list)
    first: str | None = None
    last: str | None = None
    bytes: int = 0
    """Of their logs, where each run has a file of its own (sqlite); else 0."""
    others: int = 0
    """Runs as old that are not the site's, and stay."""

    def as_dict(self) -> dict[str, object]:
        """As the piles of tables are shown."""
        return {
            "table": "runs",
            "keep_days": self.keep,
            "days": len(self.runs),
            "first": self.first,
            "last": self.last,
            "files": len(self.runs),
            "bytes": self.bytes,
            "stays": {"they are of other sites or code locations of the instance": self.others} if self.others else {},
        }


def look(instance: dg.DagsterInstance, before: dt.datetime, keep: int, mine: Callable[[dg.DagsterRun], bool]) -> Past:
    """The ended runs that began before a time and are the site's, oldest first."""
    wanted = dg.RunsFilter(statuses=_ENDED, created_before=before)
    found = instance.get_run_records(wanted, ascending=True)
    records = [r for r in found if mine(r.dagster_run)]
    past = Past(keep, [r.dagster_run.run_id for r in records], others=len(found) - len(records))
    if records:
        past.first, past.last = (str(r.create_timestamp.date()) for r in (records[0], records[-1]))
    past.bytes = sum(p.stat().st_size for run in past.runs for p in _logs(instance, run))
    return past


def forget(instance: dg.DagsterInstance, past: Past, progress: Progress) -> None:
    """Delete the runs; stopped anywhere, a second time goes on."""
    doomed = set(past.runs)
    _keep_newest(instance, doomed)
    for number, run in enumerate(past.runs, 1):
        progress("runs", number, len(past.runs))
        if not instance.has_run(run):
            continue
        instance.event_log_storage.delete_events(run)  # Before the run, without which nobody would find them again.
        instance.delete_run(run)
        instance.compute_log_manager.delete_logs(prefix=[run])
        for path in _logs(instance, run):
            path.unlink(missing_ok=True)


def _keep_newest(instance: dg.DagsterInstance, doomed: set[str]) -> None:
    """Record anew what the doomed runs materialised last, oldest first, and then what is the asset's newest of all."""
    for key in instance.all_asset_keys():
        known = sorted(newest(instance, key), key=lambda r: r.storage_id)
        going = [r for r in known if r.run_id in doomed]
        # The asset's page shows what was recorded last.
        for record in [*going, *(known[-1:] if going and known[-1].run_id not in doomed else [])]:
            event = record.event_log_entry.dagster_event
            assert event is not None
            instance.report_dagster_event(event, RUNLESS_RUN_ID, timestamp=record.timestamp)


def newest(
    instance: dg.DagsterInstance, key: dg.AssetKey, partitions: set[str] | None = None
) -> Iterator[dg.EventLogRecord]:
    """The newest materialisation of each partition, or of those asked for; without partitions, the newest of all."""
    kind = dg.DagsterEventType.ASSET_MATERIALIZATION
    ids = list(instance.event_log_storage.get_latest_storage_id_by_partition(key, kind, partitions).values())
    if not ids and partitions is None:
        yield from instance.fetch_materializations(key, limit=1).records
    for start in range(0, len(ids), _AT_ONCE):
        wanted = dg.AssetRecordsFilter(asset_key=key, storage_ids=ids[start : start + _AT_ONCE])
        yield from instance.fetch_materializations(wanted, limit=_AT_ONCE).records


def _logs(instance: dg.DagsterInstance, run: str) -> list[Path]:
    """The sqlite files of one run's events."""
    storage = instance.event_log_storage
    if not isinstance(storage, SqliteEventLogStorage):
        return []
    whole = Path(storage.path_for_shard(run))
    return [p for p in (whole, *(whole.with_name(whole.name + end) for end in ("-wal", "-shm"))) if exists(p)]


def shrink(home: Path) -> None:
    """Give the space of deleted rows back to the disk, where the history lies in sqlite; PostgreSQL does so itself."""
    found = (home / name for name in ("history/runs.db", "history/runs/index.db", "schedules/schedules.db"))
    for path in found:
        if exists(path):
            with closing(sqlite3.connect(path, timeout=60)) as connection:
                connection.execute("VACUUM")

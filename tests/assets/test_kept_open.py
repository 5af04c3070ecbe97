"""Dagster's history in sqlite while a run holds it open: what others see of it, and what is left of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.events import AssetMaterializationPlannedData, DagsterEvent, DagsterEventType
from dagster._core.instance.runs.run_domain import RunDomain
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.sql import create_engine
from sqlalchemy.exc import DBAPIError

from assets.processes.daemon import plan_quickly
from assets.processes.kept_open import kept_open

RUN = "11111111-1111-4111-8111-111111111111"


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setattr(sqlite_event_log, "create_engine", create_engine)  # As it is outside of tests.
    with dg.DagsterInstance.local_temp(str(tmp_path)) as made:
        yield made


def planned(day: str) -> DagsterEvent:
    kind = DagsterEventType.ASSET_MATERIALIZATION_PLANNED.value
    return DagsterEvent(kind, "job", event_specific_data=AssetMaterializationPlannedData(dg.AssetKey("flows"), day))


def days(instance: dg.DagsterInstance, run: str = RUN) -> list[str | None]:
    return [log.dagster_event.partition for log in instance.all_logs(run) if log.dagster_event]


def storage(instance: dg.DagsterInstance) -> SqliteEventLogStorage:
    found = instance.event_log_storage
    assert isinstance(found, SqliteEventLogStorage)
    return found


def file_of(instance: dg.DagsterInstance, shard: str) -> Path:
    return Path(storage(instance).path_for_shard(shard))


def test_events_are_the_same_as_without_and_others_see_them_at_once(instance: dg.DagsterInstance) -> None:
    instance.report_dagster_event(planned("2026-01-01"), RUN)
    with dg.DagsterInstance.from_ref(instance.get_ref()) as other, kept_open(instance):
        instance.report_dagster_event(planned("2026-01-02"), RUN)
        assert days(instance) == days(other) == ["2026-01-01", "2026-01-02"]
        other.report_dagster_event(planned("2026-01-03"), RUN)
        assert days(instance) == ["2026-01-01", "2026-01-02", "2026-01-03"]
        assert other.get_materialized_partitions(dg.AssetKey("flows")) == set()
    instance.report_dagster_event(planned("2026-01-04"), RUN)
    assert days(instance) == [f"2026-01-0{n}" for n in range(1, 5)]


def test_a_file_is_opened_once_and_everything_is_in_it_at_the_end(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = list[str]()
    made = SqliteEventLogStorage._connect
    monkeypatch.setattr(SqliteEventLogStorage, "_connect", lambda s, shard: (opened.append(shard), made(s, shard))[1])
    with kept_open(instance):
        for n in range(1, 10):
            instance.report_dagster_event(planned(f"2026-01-0{n}"), RUN)
        assert sorted(opened) == sorted([RUN, "index"])
        assert file_of(instance, RUN).with_suffix(".db-wal").exists()
    assert not list(file_of(instance, RUN).parent.glob("*-wal"))
    assert len(days(instance)) == 9


def test_who_watches_a_run_hears_of_its_events_while_it_is_held_open(instance: dg.DagsterInstance) -> None:
    seen, heard = list[str | None](), threading.Event()

    def hear(entry: dg.EventLogEntry, _: str) -> None:
        seen.append(entry.dagster_event.partition if entry.dagster_event else None)
        heard.set()

    instance.report_dagster_event(planned("2026-01-01"), RUN)
    with dg.DagsterInstance.from_ref(instance.get_ref()) as other, kept_open(instance):
        instance.report_dagster_event(planned("2026-01-02"), RUN)  # What was carried over at the opening is no sign.
        other.event_log_storage.watch(RUN, None, hear)
        instance.report_dagster_event(planned("2026-01-03"), RUN)
        assert heard.wait(30)
        other.event_log_storage.end_watch(RUN, hear)
    assert seen == ["2026-01-01", "2026-01-02", "2026-01-03"]


def test_a_transaction_that_fails_leaves_nothing_and_the_file_open_for_the_next(instance: dg.DagsterInstance) -> None:
    with kept_open(instance):
        instance.report_dagster_event(planned("2026-01-01"), RUN)
        with pytest.raises(DBAPIError), storage(instance).run_connection(RUN) as connection:
            connection.exec_driver_sql("DELETE FROM event_logs")
            connection.exec_driver_sql("no sql")
        instance.report_dagster_event(planned("2026-01-02"), RUN)
    assert days(instance) == ["2026-01-01", "2026-01-02"]


def test_a_file_that_is_taken_away_meanwhile_is_made_again(instance: dg.DagsterInstance) -> None:
    with kept_open(instance):
        instance.report_dagster_event(planned("2026-01-01"), RUN)
        for left in file_of(instance, RUN).parent.glob(f"{RUN}.db*"):
            left.unlink()
        instance.report_dagster_event(planned("2026-01-02"), RUN)
    assert days(instance) == ["2026-01-02"]


def test_no_more_files_are_held_than_a_few(instance: dg.DagsterInstance) -> None:
    runs = [f"{n:08d}-1111-4111-8111-111111111111" for n in range(12)]
    with kept_open(instance):
        for run in [*runs, *runs]:
            instance.report_dagster_event(planned("2026-01-01"), run)
        assert len(list(file_of(instance, "index").parent.glob("*-wal"))) == 4
    assert [days(instance, run) for run in runs] == [["2026-01-01"] * 2] * 12


def test_several_threads_write_to_one_that_is_held_open(instance: dg.DagsterInstance) -> None:
    with kept_open(instance):
        writing = [
            threading.Thread(target=lambda n=n: instance.report_dagster_event(planned(f"2026-01-0{n}"), RUN))
            for n in range(1, 9)
        ]
        for thread in writing:
            thread.start()
        for thread in writing:
            thread.join()
    assert sorted(d or "" for d in days(instance)) == [f"2026-01-0{n}" for n in range(1, 9)]


def test_inside_of_another_block_and_in_other_storages_nothing_changes(instance: dg.DagsterInstance) -> None:
    with kept_open(instance):
        method = vars(storage(instance))["_connect"]
        with kept_open(instance):
            assert vars(storage(instance))["_connect"] is method
        instance.report_dagster_event(planned("2026-01-01"), RUN)
    assert "_connect" not in vars(storage(instance))
    with dg.DagsterInstance.ephemeral() as passing, kept_open(passing):
        assert "_connect" not in vars(passing.event_log_storage)


def test_a_daemon_of_the_ui_notes_down_what_a_run_is_to_make_in_a_file_that_is_open(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RunDomain, "_log_asset_planned_events", RunDomain._log_asset_planned_events)  # Put back later.
    daily = dg.DailyPartitionsDefinition("2026-01-01")

    @dg.asset(partitions_def=daily, backfill_policy=dg.BackfillPolicy.single_run())
    def flows() -> None: ...

    job = dg.Definitions(assets=[flows], jobs=[dg.define_asset_job("job")]).resolve_job_def("job")
    span = {"dagster/asset_partition_range_start": "2026-01-01", "dagster/asset_partition_range_end": "2026-01-09"}
    plan_quickly()
    opened = list[str]()
    made = SqliteEventLogStorage._connect
    monkeypatch.setattr(SqliteEventLogStorage, "_connect", lambda s, shard: (opened.append(shard), made(s, shard))[1])
    run = instance.create_run_for_job(job, tags=span, asset_selection=frozenset({flows.key}))
    assert days(instance, run.run_id) == [f"2026-01-0{n}" for n in range(1, 10)]
    assert opened.count("index") < 9

"""Runs of the daemon whose process is killed, at whatever point: they fail by themselves and nothing waits for them."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.events import AssetMaterializationPlannedData
from dagster._core.remote_origin import GrpcServerCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin

from assets.build import build_defs
from assets.processes import alive
from assets.processes.instances import open_instance
from assets.processes.run_tags import COMMAND, FOLDER, ORIGIN, SITE
from assets.runner import _Runner
from assets.schedules import JOB
from assets.sensors import Runs
from pipeline.site import Site
from tests.assets.test_sensors import Ticking
from tests.worlds import day, make_site

PROGRAM = """
import os, signal, sys
from pathlib import Path
from unittest.mock import patch
from dagster._core.execution.api import execute_run_iterator
from dagster._core.definitions.job_base import InMemoryJob
from assets.build import build_defs
from assets.processes.instances import open_instance
from assets.schedules import JOB
from pipeline.site import open_site

def kill(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

site = open_site(Path(sys.argv[1]))
job = build_defs(site).resolve_job_def(JOB)
with open_instance(site) as instance, patch(sys.argv[3], kill):
    run = instance.get_run_by_id(sys.argv[2])
    list(execute_run_iterator(InMemoryJob(job), run, instance))
"""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return make_site(tmp_path / "site", 1)


@pytest.fixture
def instance(site: Site) -> Iterator[dg.DagsterInstance]:
    with open_instance(site) as found:
        yield found


def launched(site: Site, instance: dg.DagsterInstance) -> str:
    job = build_defs(site).resolve_job_def(JOB)
    tags = {"dagster/partition": day(0).isoformat()}
    return instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTING, tags=tags).run_id


def status(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status


@pytest.mark.parametrize("where", ["assets.processes.alive._Holding.execute", "assets.flows.land"])
def test_a_run_that_is_killed_before_its_first_step_or_as_it_reads_logs_is_marked_failed(
    site: Site, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    run_id = launched(site, instance)
    program = [sys.executable, "-c", PROGRAM, str(site.root), run_id, where]
    assert subprocess.run(program, check=False, capture_output=True).returncode == -signal.SIGKILL
    assert status(instance, run_id) == dg.DagsterRunStatus.STARTED
    assert alive.bury(instance, site) == []  # It may be about to begin.
    monkeypatch.setattr(alive, "UNBEGUN_SECONDS", 0)
    monkeypatch.setattr(alive, "YOUNG_SECONDS", 0)
    assert Ticking(site, instance, "stale_days").tick() == ([], "No day is stale.")
    assert status(instance, run_id) == dg.DagsterRunStatus.FAILURE


def test_a_run_that_the_launcher_lost_is_marked_failed(
    site: Site, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = launched(site, instance)
    monkeypatch.setattr(alive, "UNBEGUN_SECONDS", 0)
    assert alive.bury(instance, site) == [run_id]


@pytest.mark.parametrize("locked", [True, False])
def test_a_run_that_died_before_the_clock_was_set_back_is_not_waited_for(
    site: Site, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, locked: bool
) -> None:
    run_id, later = launched(site, instance), time.time()
    if locked:
        (alive._folder(site) / f"{run_id}.lock").parent.mkdir(parents=True, exist_ok=True)
        (alive._folder(site) / f"{run_id}.lock").touch()
    monkeypatch.setattr("assets.processes.alive.time.time", lambda: later - 86_400)
    assert alive.bury(instance, site) == [run_id]


def test_a_run_without_a_lock_that_began_a_step_may_work_elsewhere(
    site: Site, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alive, "UNBEGUN_SECONDS", 0)
    run_id = launched(site, instance)
    begun = dg.DagsterEvent(dg.DagsterEventType.STEP_START.value, JOB, step_key="flows")
    instance.report_dagster_event(begun, run_id)
    assert alive.bury(instance, site) == []
    assert status(instance, run_id) == dg.DagsterRunStatus.STARTING


def test_a_run_of_the_daemon_holds_its_lock_from_the_start(site: Site) -> None:
    defs = build_defs(site)
    jobs = [j.executor_def for j in defs.resolve_all_job_defs()]
    assert len({id(e) for e in jobs}) == 1
    assert jobs[0] is not dg.in_process_executor


@pytest.mark.parametrize(("location", "ours"), [("north", True), ("south", False), (None, True)])
def test_what_was_launched_of_another_sites_location_is_that_sites_before_it_begins(
    site: Site, instance: dg.DagsterInstance, location: str | None, ours: bool
) -> None:
    server = GrpcServerCodeLocationOrigin("127.0.0.1", 4000, location_name="north")
    origin = RemoteJobOrigin(RemoteRepositoryOrigin(server, "__repository__"), alive.ASSET_JOB)
    chosen = frozenset({dg.AssetKey("flows")})
    run = dg.DagsterRun(
        alive.ASSET_JOB, status=dg.DagsterRunStatus.QUEUED, asset_selection=chosen, remote_job_origin=origin
    )
    instance.add_run(run)
    assert alive.is_of(site, run, location) is ours
    assert Runs(site, instance, location).busy([alive.ASSET_JOB]) is ours


@pytest.mark.parametrize(
    ("job", "asset", "tags", "ours"),
    [
        ("nilometer_landing", None, {}, True),
        ("__ASSET_JOB", "flows", {}, True),
        ("__ASSET_JOB", None, {}, False),  # Of everything in its location, whichever that is.
        ("__ASSET_JOB", "orders", {}, False),
        ("orders_daily", None, {}, False),
        ("nilometer_daily", None, {SITE: "another"}, False),
        ("platform", "orders", {SITE: "site"}, True),
        ("nilometer_daily", None, {SITE: "site", FOLDER: "/srv/another/site"}, False),
    ],
)
def test_a_run_of_another_location_of_the_instance_is_neither_waited_for_nor_ended(
    site: Site, instance: dg.DagsterInstance, job: str, asset: str | None, tags: dict[str, str], ours: bool
) -> None:
    chosen = frozenset({dg.AssetKey(asset)}) if asset else None
    run = dg.DagsterRun(job, status=dg.DagsterRunStatus.STARTING, tags=tags, asset_selection=chosen)
    instance.add_run(run)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(alive, "UNBEGUN_SECONDS", 0)
        assert alive.bury(instance, site) == ([run.run_id] if ours else [])


@pytest.mark.parametrize(
    ("home", "original", "dead"),
    [("site/dagster_home", "moved", True), ("site/dagster_home", "copied", True), ("shared", "moved", True),
     ("shared", "copied", False)],
)  # fmt: skip
def test_a_run_that_died_before_its_site_was_moved_or_copied_is_marked_failed(
    tmp_path: Path, site: Site, home: str, original: str, dead: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alive, "YOUNG_SECONDS", 0)
    former = tmp_path / "former"
    if original == "copied":
        make_site(former, 1)
    run = dg.DagsterRun(JOB, status=dg.DagsterRunStatus.STARTED, tags={SITE: "former", FOLDER: str(former)})
    lock = site.storage.workspace / "alive" / f"{run.run_id}.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    (tmp_path / home).mkdir(parents=True, exist_ok=True)
    with dg.DagsterInstance.local_temp(str(tmp_path / home)) as instance:
        instance.add_run(run)
        assert alive.bury(instance, site) == ([run.run_id] if dead else [])


def test_a_command_ends_no_run_of_a_command_at_another_site_of_the_same_name(
    site: Site, instance: dg.DagsterInstance
) -> None:
    tags = {ORIGIN: COMMAND, SITE: site.root.name}
    started = dg.DagsterRunStatus.STARTED
    runs = [dg.DagsterRun(JOB, status=started, tags=tags | more) for more in ({}, {FOLDER: "/srv/another/site"})]
    for run in runs:
        instance.add_run(run)
    _Runner(site, instance)
    assert [status(instance, run.run_id) for run in runs] == [dg.DagsterRunStatus.FAILURE, started]


def test_a_run_whose_creator_died_is_marked_failed_once_nothing_more_is_noted_down_of_it(
    site: Site, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = dg.DagsterRun(JOB)
    instance.add_run(run)
    begun = time.time()
    flows = AssetMaterializationPlannedData(dg.AssetKey("flows"), partition=day(0).isoformat())
    planned = dg.DagsterEvent.build_asset_materialization_planned_event(JOB, "flows", flows)
    instance.report_dagster_event(planned, run.run_id, timestamp=begun + 900)
    monkeypatch.setattr("assets.processes.alive.time.time", lambda: begun + 1_400)
    assert alive.bury(instance, site) == []  # Whoever creates it is still at it.
    monkeypatch.setattr("assets.processes.alive.time.time", lambda: begun + 1_600)
    assert alive.bury(instance, site) == [run.run_id]
    assert status(instance, run.run_id) == dg.DagsterRunStatus.FAILURE

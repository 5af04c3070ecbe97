"""The code location: one name wherever it is started, under which runs of the command line are found, too."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    ScheduleInstigatorData,
)

from assets.processes.code_server import CodeServer
from assets.processes.instances import ENV_HOME, history, open_instance
from assets.processes.location import NAME
from assets.runner import run_days
from pipeline.site import PROJECT, Site
from tests.worlds import day, make_site


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.delenv(ENV_HOME, raising=False)
    return make_site(tmp_path / "site", 2)


def test_the_location_has_one_name_however_it_is_started(site: Site, tmp_path: Path) -> None:
    CodeServer(site, tmp_path).write_workspace(tmp_path / "ui.yaml")
    files = [PROJECT / "workspace.yaml", PROJECT / "deploy" / "workspace.yaml", tmp_path / "ui.yaml"]
    loads = [entry for f in files for entry in yaml.safe_load(f.read_text(encoding="utf-8"))["load_from"]]
    assert [target["location_name"] for entry in loads for target in entry.values()] == [NAME] * 3


def test_runs_of_the_command_line_are_found_where_the_ui_looks_for_those_of_the_job(site: Site) -> None:
    run_days(site, [day(0), day(1)])
    with open_instance(site) as instance:
        (run,) = instance.get_runs(dg.RunsFilter(tags={".dagster/repository": f"__repository__@{NAME}"}))
        # The timeline asks for the origin itself.
        assert run.remote_job_origin is not None
        assert (run.remote_job_origin.job_name, run.remote_job_origin.location_name) == (run.job_name, NAME)
        # Nobody tries it again behind the back of whoever ran it.
        assert run.tags["dagster/max_retries"] == "0"
        assert "create_run_for_job" not in vars(instance)


def test_what_was_read_of_the_logs_is_an_observation_of_their_asset(site: Site) -> None:
    run_days(site, [day(0), day(1)])
    with open_instance(site) as instance:
        (record,) = instance.fetch_observations(dg.AssetKey("flow_logs"), limit=5).records
        shown = record.asset_observation.metadata  # type: ignore[union-attr]
    assert (shown["files"].value, shown["failed"].value) == (2, 0)
    assert f"{day(0)} | {day(1)} |" in str(shown["sources"].value)


def _state(location: str, name: str, status: InstigatorStatus) -> InstigatorState:
    repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(location), "__repository__")
    data = ScheduleInstigatorData("0 3 * * *", start_timestamp=None)
    return InstigatorState(RemoteInstigatorOrigin(repository, name), InstigatorType.SCHEDULE, status, data)


def test_what_was_switched_off_under_the_former_name_stays_so_once(site: Site) -> None:
    off, on = InstigatorStatus.STOPPED, InstigatorStatus.RUNNING
    with open_instance(site) as instance:
        for state in (_state("assets.definitions", "daily", off), _state("another", "weekly", on)):
            instance.add_instigator_state(state)
    with history(site) as instance:
        now = {(s.repository_selector.location_name, s.name): s.status for s in instance.all_instigator_state()}
        assert now == {("assets.definitions", "daily"): off, ("another", "weekly"): on, (NAME, "daily"): off}
        instance.update_instigator_state(_state(NAME, "daily", on))
    with history(site) as instance:
        assert {s.status for s in instance.all_instigator_state() if s.selector.location_name == NAME} == {on}

"""Runs as Dagster launches them for others: what is asked for is made as it should be, or told with what to do."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest
from dagster._core.execution.plan.objects import StepFailureData
from dagster_shared.error import SerializableErrorInfo

from assets.build import build_defs
from assets.days import PARTITION, RANGE_END, RANGE_START
from assets.processes import alive, run_tags
from assets.processes.instances import open_instance
from assets.processes.stopping import Stopped
from pipeline.days import today
from pipeline.site import Site
from pipeline.waits import waits
from tests.worlds import FIRST, day, log_path, make_site

NOW = "now"
"""Stands for the day on which the test itself runs, at midnight another one than when tests were collected."""
NO_DAY, TOO_EARLY, NOT_OVER = "names no day", "lies before the site's start_date", "has not ended yet"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return make_site(tmp_path_factory.mktemp("launches") / "site", 2)


@pytest.fixture(scope="module")
def instance(site: Site) -> Iterator[dg.DagsterInstance]:
    with open_instance(site) as found:
        yield found


@pytest.fixture(scope="module")
def job(site: Site) -> dg.JobDefinition:
    return build_defs(site).resolve_implicit_global_asset_job_def()


def failures(result: dg.ExecuteInProcessResult) -> dict[str | None, str]:
    """Step -> why it failed."""
    found = [(e.step_key, e.step_failure_data.error) for e in result.filter_events(lambda e: e.is_step_failure)]
    return {step: error.message if error else "" for step, error in found}


@pytest.mark.parametrize(
    ("asset", "tags", "told"),
    [
        ("flows", {}, NO_DAY),
        ("flows", {PARTITION: NOW}, NOT_OVER),
        ("flows", {PARTITION: "2026-09-30"}, TOO_EARLY),
        ("flows", {RANGE_START: day(1).isoformat(), RANGE_END: FIRST.isoformat()}, "there is no day to run"),
        ("daily_traffic", {RANGE_START: day(1).isoformat(), RANGE_END: NOW}, NOT_OVER),
        ("alerts", {PARTITION: "2099-01-01"}, NOT_OVER),
    ],
)
def test_a_run_of_days_that_cannot_be_made_says_so_and_stores_nothing(
    site: Site, instance: dg.DagsterInstance, job: dg.JobDefinition, asset: str, tags: dict[str, str], told: str
) -> None:
    tags = {name: today("UTC").isoformat() if value == NOW else value for name, value in tags.items()}
    chosen = [dg.AssetKey(asset)]
    result = job.execute_in_process(instance=instance, tags=tags, asset_selection=chosen, raise_on_error=False)
    assert told in failures(result)[asset]
    assert not list(site.storage.root.glob("*/day=*"))


@pytest.mark.parametrize(
    ("assets", "checks", "step"),
    [
        (["flows"], ["flows_valid"], "flows_checks"),
        (["flows", "daily_traffic"], [], "daily_traffic"),
        ([], ["flows_valid"], None),
    ],
)
def test_a_run_that_lacks_the_last_asset_fails_by_its_bad_days_too(
    site: Site, instance: dg.DagsterInstance, job: dg.JobDefinition, assets: list[str], checks: list[str], step: str
) -> None:
    log_path(site.root, FIRST).write_bytes(b"\x1f\x8b\x08\x00 this is no gzip")
    chosen = {dg.AssetCheckKey(dg.AssetKey(name.removesuffix("_valid")), name) for name in checks}
    subset = job.get_subset(asset_selection={dg.AssetKey(a) for a in assets}, asset_check_selection=chosen)
    tags = {RANGE_START: FIRST.isoformat(), RANGE_END: day(1).isoformat()}
    result = subset.execute_in_process(instance=instance, tags=tags, raise_on_error=False)
    assert set(failures(result)) == ({step} if step else set())
    assert all(f"1 of 2 days failed: {FIRST} (flows): " in told for told in failures(result).values())
    assert {e.partition for e in result.get_asset_materialization_events()} == ({day(1).isoformat()} if step else set())
    judged = instance.all_logs(result.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    assert len(judged) == 2 * len(checks)


def test_every_run_has_the_tags_of_its_site(site: Site, instance: dg.DagsterInstance) -> None:
    job = dg.reconstructable(_job_of_the_code_location)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NILOMETER_SITE", str(site.root))
        done = dg.execute_job(job, instance, run_config={}, raise_on_error=False)
    run = instance.get_run_by_id(done.run_id)
    assert run is not None
    assert run.tags.items() >= run_tags.site_tags(site).items()


def test_a_run_of_every_job_has_them_while_it_waits_in_the_queue_so_that_limits_hold(site: Site) -> None:
    jobs = {j.name: j.run_tags for j in build_defs(site).resolve_all_job_defs() if not j.name.startswith("__")}
    assert len(jobs) == 6
    for name, tags in jobs.items():
        assert tags.items() >= run_tags.site_tags(site).items(), name


def _job_of_the_code_location() -> dg.JobDefinition:
    from pipeline.site import find_site

    return build_defs(find_site()).resolve_job_def("nilometer_landing")


def test_a_run_that_is_terminated_begins_no_further_step(site: Site, instance: dg.DagsterInstance) -> None:
    logged: list[str] = []

    def steps(*_: object) -> Iterator[dg.DagsterEvent]:
        waits("for another run")
        told = StepFailureData(SerializableErrorInfo("told", [], Stopped.__name__), None)
        yield dg.DagsterEvent(dg.DagsterEventType.STEP_FAILURE.value, "job", event_specific_data=told)
        pytest.fail("a further step was begun")

    run = instance.create_run_for_job(build_defs(site).resolve_job_def("nilometer_landing"))
    context: Any = SimpleNamespace(
        run_id=run.run_id, dagster_run=run, instance=instance, log=SimpleNamespace(info=logged.append)
    )
    inner: Any = SimpleNamespace(execute=steps)
    plan: Any = None
    events = alive._Holding(site, inner).execute(context, plan)
    assert next(events).is_step_failure
    assert logged == ["for another run"]  # Whom a step waits for stands in the log of its run.
    with pytest.raises(dg.DagsterExecutionInterruptedError):
        next(events)
    alive.release(site, run.run_id)

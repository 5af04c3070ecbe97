"""Checks whose results are of other data than is stored: seen, told, and judged again without making a day."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path
from unittest.mock import Mock

import dagster as dg
import polars as pl
import pytest

from assets import checks
from assets.build import build_defs
from assets.days import RANGE_END, RANGE_START
from assets.processes.instances import open_instance
from assets.processes.run_tags import site_tags
from assets.runner import run_days, run_stale
from assets.schedules import JOB
from data_quality.checks import PROFILES
from data_quality.judged import names_unjudged
from data_quality.specs import check_specs
from pipeline.site import Site, open_site
from tests.assets.test_runs import events
from tests.assets.test_sensors import Ticking
from tests.calls import call, objects
from tests.worlds import day, make_site, usual, write_log

DAYS = [day(n) for n in range(3)]
LATE = DAYS[1]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site whose middle day was made again from a late log; what its checks said before lies beside it."""
    site = make_site(tmp_path_factory.mktemp("whole") / "site", len(DAYS))
    assert run_days(site, DAYS).good
    shutil.copytree(site.storage.root / "quality", site.root / "before")
    write_log(site.root, LATE, usual(1) | {"10.0.0.9": 77})
    assert run_stale(site).good
    return site.root


@pytest.fixture
def killed(whole: Path, tmp_path: Path) -> Site:
    """As a kill before the checks leaves it: the tables are new, the results old, and those of the alerts missing."""
    site = open_site(shutil.copytree(whole, tmp_path / "site"))
    results = site.storage.root / "quality" / f"day={LATE}"
    shutil.rmtree(results)
    shutil.copytree(site.root / "before" / f"day={LATE}", results)
    (results / "alerts_valid.parquet").unlink()
    return site


def results(site: Site) -> dict[str, bytes]:
    folder = site.storage.root / "quality"
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*.parquet")}


def evaluations(site: Site, check: str, table: str) -> dict[str | None, dg.AssetCheckEvaluation]:
    """The newest result of each day."""
    found: dict[str | None, dg.AssetCheckEvaluation] = {}
    key = dg.AssetCheckKey(dg.AssetKey(table), check)
    with open_instance(site) as instance:
        for record in instance.event_log_storage.get_asset_check_execution_history(key, limit=100):
            assert record.event is not None
            told = record.event.dagster_event
            if told is not None and told.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
                found.setdefault(record.partition, told.asset_check_evaluation_data)
    return found


def shown_fingerprints(site: Site) -> dict[tuple[str, str | None], object]:
    return {
        (s.name, of): e.metadata["fingerprint"].value
        for s in check_specs()
        for of, e in evaluations(site, s.name, s.table).items()
    }


def stored_fingerprints(site: Site) -> dict[tuple[str, str | None], object]:
    records = {(s.name, d): site.storage.record(s.table, d) for s in check_specs() for d in DAYS}
    return {(name, d.isoformat()): r.fingerprint for (name, d), r in records.items() if r is not None}


def test_every_result_shows_the_fingerprint_of_the_data_that_it_judged(whole: Path) -> None:
    site = open_site(whole)
    assert shown_fingerprints(site) == stored_fingerprints(site)
    assert [names_unjudged(site, d) for d in DAYS] == [[], [], []]


def test_status_names_checks_that_judged_other_data_and_those_that_never_ran(killed: Site) -> None:
    # Nothing is in flood: the alerts of the late day, none, are what they were.
    states = {s["day"]: s for s in objects(call("status", "--json", site=killed.root))}
    assert [states[d.isoformat()]["state"] for d in DAYS] == ["done", "stale", "done"]
    (reason,) = states[LATE.isoformat()]["reasons"]
    assert reason.startswith("checks: ")
    assert reason.endswith(" judged other data than is stored, never ran, or crashed")
    assert {"flows_valid", "daily_traffic_valid", "alerts_valid"} <= set(names_unjudged(killed, LATE))


def test_a_stale_run_judges_such_days_again_and_makes_none(killed: Site, whole: Path) -> None:
    made, wanted = events(killed, dg.DagsterEventType.ASSET_MATERIALIZATION), results(open_site(whole))
    assert results(killed) != wanted
    report = run_stale(killed)
    assert [d.day for d in report.days] == [LATE]
    assert report.good
    assert results(killed) == wanted
    assert events(killed, dg.DagsterEventType.ASSET_MATERIALIZATION) == made
    assert shown_fingerprints(killed) == stored_fingerprints(killed)


def test_a_run_of_a_later_day_judges_the_days_of_its_window(killed: Site, whole: Path) -> None:
    assert run_days(killed, [DAYS[2]]).good
    assert results(killed) == results(open_site(whole))


def test_the_sensor_asks_for_the_checks_of_such_days_and_then_there_is_rest(killed: Site, whole: Path) -> None:
    with open_instance(killed) as instance:
        sensor = Ticking(killed, instance, "unjudged_days")
        (request,), _ = sensor.tick()
        assert request.run_config == checks.config([LATE.isoformat()])
        assert Ticking(killed, instance, "stale_days").tick() == ([], "No day is stale.")
        job = build_defs(killed).resolve_job_def(checks.JOB)
        assert job.execute_in_process(instance=instance, run_config=request.run_config, tags=request.tags).success
        assert sensor.tick() == ([], "Every check is of what is stored.")
    assert results(killed) == results(open_site(whole))


def statuses(instance: dg.DagsterInstance, check: str, table: str) -> dict[str | None, str]:
    """What Dagster calls the last execution of a check, a day."""
    keys = [dg.AssetCheckKey(dg.AssetKey(table), check)]
    found = instance.event_log_storage.get_asset_check_partition_info(keys)
    return {f.partition_key: f.latest_execution_status.name for f in found if f.partition_key}


def test_checks_that_a_cancelled_run_never_did_are_not_left_as_skipped(whole: Path, tmp_path: Path) -> None:
    site = open_site(shutil.copytree(whole, tmp_path / "site"))
    shown = [("alerts_valid", "alerts"), ("flows_valid", "flows")]
    good, left = dict.fromkeys(map(str, DAYS), "SUCCEEDED"), dict.fromkeys(map(str, DAYS[:2]), "PLANNED")
    before = results(site)
    with open_instance(site) as instance:
        sensor, rests = Ticking(site, instance, "unjudged_days"), "Every check is of what is stored"
        assert sensor.tick() == ([], f"{rests}.")
        assert sensor.tick() == ([], f"{rests}; nothing changed since the last look.")
        job = build_defs(site).resolve_job_def(JOB)
        tags = {RANGE_START: str(DAYS[0]), RANGE_END: str(DAYS[1])}
        run = instance.create_run_for_job(job, tags={**job.run_tags, **tags})
        assert [statuses(instance, *s) for s in shown] == [good | left] * 2
        assert not sensor.tick()[0]
        instance.report_run_canceled(run)
        (request,), _ = sensor.tick()
        assert request.run_config == checks.config([str(d) for d in DAYS[:2]])
        judging = build_defs(site).resolve_job_def(checks.JOB)
        assert judging.execute_in_process(instance=instance, run_config=request.run_config, tags=request.tags).success
        assert [statuses(instance, *s) for s in shown] == [good] * 2
        assert sensor.tick() == ([], f"{rests}.")
        assert sensor.tick() == ([], f"{rests}; nothing changed since the last look.")
    assert results(site) == before


def test_checks_that_a_run_may_yet_do_or_that_are_of_another_site_are_left_alone(whole: Path, tmp_path: Path) -> None:
    site = open_site(shutil.copytree(whole, tmp_path / "site"))
    other = open_site(shutil.copytree(whole, tmp_path / "other"))
    days = DAYS[:2]
    with open_instance(site) as instance:
        assert not checks.wanting(site, instance, days)
        for of, left in ((other, []), (site, list(days))):
            job = build_defs(of).resolve_job_def(JOB)
            tags = {RANGE_START: str(days[0]), RANGE_END: str(days[1])}
            run = instance.create_run_for_job(job, tags={**job.run_tags, **tags})
            assert not checks.wanting(site, instance, days)
            instance.report_run_canceled(run)
            assert list(checks.wanting(site, instance, days)) == left
        instance.delete_run(run.run_id)
        assert list(checks.wanting(site, instance, days)) == list(days)


def behind(instance: dg.DagsterInstance, check: str, table: str) -> list[str | None]:
    """The days that Dagster calls unchecked: they were made since the check."""
    keys = [dg.AssetCheckKey(dg.AssetKey(table), check)]
    found = instance.event_log_storage.get_asset_check_partition_info(keys)
    return [f.partition_key for f in found if not f.is_current]


def test_checks_of_a_day_that_was_made_again_without_them_are_shown_again(whole: Path, tmp_path: Path) -> None:
    site = open_site(shutil.copytree(whole, tmp_path / "site"))
    before = results(site)
    with open_instance(site) as instance:
        sensor = Ticking(site, instance, "unjudged_days")
        assert not sensor.tick()[0]
        assets = [a for a in build_defs(site).assets or () if isinstance(a, dg.AssetsDefinition)]
        daily = next(a for a in assets if a.key == dg.AssetKey("daily_traffic"))
        chosen = dg.AssetSelection.assets(daily).without_checks()
        tags = site_tags(site)
        assert dg.materialize(
            assets, selection=chosen, partition_key=str(DAYS[1]), instance=instance, tags=tags
        ).success
        assert behind(instance, "daily_traffic_valid", "daily_traffic") == [str(DAYS[1])]
        (request,), _ = sensor.tick()
        assert request.run_config == checks.config([str(DAYS[1])])
        found = checks.wanting(site, instance, DAYS)
        assert {d: {s.table for s in specs} for d, specs in found.items()} == {DAYS[1]: {"daily_traffic"}}
        judging = build_defs(site).resolve_job_def(checks.JOB)
        assert judging.execute_in_process(instance=instance, run_config=request.run_config, tags=request.tags).success
        assert behind(instance, "daily_traffic_valid", "daily_traffic") == []
        assert not sensor.tick()[0]
    assert results(site) == before


def test_days_that_are_told_of_without_a_run_are_not_judged_for_it(whole: Path, tmp_path: Path) -> None:
    """As `prune` keeps the newest materialisations of runs that go."""
    site = open_site(shutil.copytree(whole, tmp_path / "site"))
    with open_instance(site) as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization("flows", partition=str(DAYS[0])))
        assert behind(instance, "flows_valid", "flows") == [str(DAYS[0])]
        assert not checks.wanting(site, instance, DAYS)


def test_a_result_that_does_not_read_is_made_again(killed: Site, whole: Path) -> None:
    (killed.storage.root / "quality" / f"day={DAYS[0]}" / "drift.parquet").write_bytes(b"PAR1 nothing PAR1")
    assert names_unjudged(killed, DAYS[0]) == ["drift"]
    run_stale(killed)
    assert results(killed) == results(open_site(whole))


def test_results_of_an_earlier_version_count_as_of_the_stored_day(killed: Site) -> None:
    for path in (killed.storage.root / "quality" / f"day={LATE}").iterdir():
        rows = pl.read_parquet(path, hive_partitioning=False)
        killed.storage.write_parquet(f"quality/day={LATE}/{path.name}", rows, {"check": path.stem})
    assert names_unjudged(killed, LATE) == ["alerts_valid"]


def test_a_pruned_day_is_not_judged_again(killed: Site) -> None:
    for table in {s.table for s in check_specs()}:
        killed.storage.prune_day(table, LATE, dt.date(2027, 1, 1))
    assert names_unjudged(killed, LATE) == []


def test_a_check_that_crashed_is_run_again_until_it_judges(whole: Path, tmp_path: Path) -> None:
    site = open_site(shutil.copytree(whole, tmp_path / "site"))
    right = results(site)
    spec = next(s for s in check_specs() if s.name == "flows_valid")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PROFILES, spec.name, Mock(side_effect=RuntimeError("no memory")))
        report = run_days(site, [LATE])
        assert [(d.state, d.quality) for d in report.days] == [("stale", "unverified")]
        assert "flows_valid judged other data than is stored, never ran, or crashed" in str(
            run_stale(site).days[0].reasons
        )
    assert run_stale(site).good
    assert results(site) == right
    assert run_stale(site).days == []

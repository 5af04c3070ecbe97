"""Runs on faulty ground: panics, full disks, damaged histories and results are told by name and stop no other day."""

import datetime as dt
import errno
import os
import shutil
import signal
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from click.testing import CliRunner

from assets import runner
from assets.cli import main
from assets.days import partitions_of
from assets.processes.instances import home, open_instance
from data_quality.results import day_quality, results_of
from pipeline import locks
from pipeline.errors import NilometerError
from pipeline.site import Site, open_site
from pipeline.stored import stages
from pipeline.stored.now import open_landing
from pipeline.stored.preview import make_preview
from tests.worlds import day, log_path, make_site

DAYS = [day(n) for n in range(2)]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = make_site(tmp_path_factory.mktemp("done") / "site", len(DAYS))
    assert runner.run_days(site, DAYS).good
    return site


@pytest.fixture
def site(done: Site, tmp_path: Path) -> Site:
    return open_site(Path(shutil.copytree(done.root, tmp_path / "site")))


def test_a_run_that_fails_outside_of_its_steps_is_a_problem_although_its_days_are_stored(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "~/.dagster")

    monkeypatch.setattr("dagster._core.execution.api.log_dagster_event", refused)
    report = runner.run_days(site, DAYS[:1])
    assert not report.good
    (problem,) = report.problems
    assert problem.startswith("the run failed: Permission denied: '~/.dagster'. Let this user read and write")


def test_a_panic_fails_its_day_and_no_other(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    make = stages.make_scores

    def panics(of: Site, when: dt.date) -> object:
        if when == DAYS[0]:
            raise pl.exceptions.PanicException("assertion failed")
        return make(of, when)

    monkeypatch.setattr("assets.scores.make_scores", panics)
    report = runner.run_days(site, DAYS)
    assert [d.state for d in report.days] == ["failed", "done"]
    assert "PanicException: assertion failed" in report.days[0].reasons[0]


def test_tables_that_a_failed_run_did_not_come_to_are_no_failures_once_their_day_is_mended(site: Site) -> None:
    def shown(table: str) -> str:
        with open_instance(site) as instance:
            found = instance.get_status_by_partition(dg.AssetKey(table), [key], partitions_of(site)) or {}
            return str(found[key])

    log, key = log_path(site.root, DAYS[1]), DAYS[1].isoformat()
    whole = log.read_bytes()
    log.write_bytes(b"\x1f\x8b broken")
    runner.run_days(site, [DAYS[1]])
    assert [shown(t) for t in ("flows", "alerts")] == ["AssetPartitionStatus.FAILED"] * 2
    log.write_bytes(whole)
    assert runner.run_stale(site).good
    assert [shown(t) for t in ("flows", "alerts")] == ["AssetPartitionStatus.MATERIALIZED"] * 2


def test_a_window_day_that_does_not_read_is_named_in_the_reason(site: Site) -> None:
    path = site.storage.path("daily_traffic", DAYS[0])
    data = bytearray(path.read_bytes())
    data[4:60] = b"\xff" * 56
    path.write_bytes(data)
    report = runner.run_days(site, [DAYS[1]])
    assert report.days[0].state == "failed"
    assert f"daily_traffic/day={DAYS[0]}" in report.days[0].reasons[0]
    runner.run_days(site, [DAYS[0]])
    assert runner.run_stale(site).good


@pytest.mark.parametrize("stage", ["flows", "alerts"])
def test_a_step_that_fails_by_itself_is_told_whichever_it_is(
    site: Site, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ValueError("this cannot be")

    monkeypatch.setattr(f"assets.{stage}.run_days", broken)
    report = runner.run_days(site, DAYS)
    assert any(p.startswith(f"step {stage} failed") and "this cannot be" in p for p in report.problems)


@pytest.mark.parametrize("stage", ["flows", "scores"])  # The first one is tried again where the machine failed.
def test_ctrl_c_ends_the_command_and_no_later_range_begins(
    site: Site, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    make, seen = getattr(stages, f"make_{stage}"), list[dt.date]()

    def stopped(*words: dt.date) -> object:
        seen.append(words[-1])
        os.kill(os.getpid(), signal.SIGINT)
        return make(*words)

    monkeypatch.setattr(f"assets.{stage}.make_{stage}", stopped)
    monkeypatch.setattr("assets.runner.runs_of_days", lambda days: [(d, d) for d in days])
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        runner.run_days(site, DAYS)
    signal.signal(signal.SIGTERM, before)
    assert seen == DAYS[:1]
    monkeypatch.undo()
    assert runner.run_days(site, DAYS).good


@pytest.mark.parametrize("fault", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_a_fault_of_the_disk_ends_the_command_with_a_message(
    done: Site, monkeypatch: pytest.MonkeyPatch, fault: int
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise OSError(fault, "what the system says", "data/run.lock")

    monkeypatch.setattr(runner, "run_days", broken)
    ran = CliRunner().invoke(main, ["--site", str(done.root), "run", "--day", str(DAYS[0])])
    assert ran.exit_code == 1
    assert "error: data/run.lock: what the system says. " in ran.stderr
    assert "same command again" in ran.stderr


def test_a_damaged_run_history_is_an_error_that_says_what_to_do(site: Site) -> None:
    for path in home(site).rglob("runs.db"):
        path.write_bytes(b"this is no database" * 500)
    with pytest.raises(NilometerError, match=r"dagster_home: .*cannot be used.*move the folder away"):
        runner.run_days(site, DAYS)


def test_alerts_of_a_day_that_does_not_read_name_its_file(site: Site) -> None:
    path = site.storage.path("alerts", DAYS[0])
    path.write_bytes(path.read_bytes()[:50])
    ran = CliRunner().invoke(main, ["--site", str(site.root), "alerts"])
    assert ran.exit_code == 1
    assert f"alerts/day={DAYS[0]}" in ran.stderr


def test_a_check_result_that_does_not_read_is_a_check_that_did_not_pass(site: Site) -> None:
    path = site.storage.root / "quality" / f"day={DAYS[0]}" / "flows_valid.parquet"
    path.write_bytes(b"PAR1")
    assert day_quality(site, DAYS[0]) == "unverified"
    bad = results_of(site, DAYS[0]).filter(~pl.col("passed") & pl.col("blocking"))
    assert bad.select("check", "expectation").rows() == [("flows_valid", "result_is_readable")]
    assert runner.run_stale(site).good
    assert day_quality(site, DAYS[0]) == "verified"


def test_a_flows_day_that_does_not_read_is_stale_and_not_without_data(site: Site) -> None:
    path = site.storage.path("flows", DAYS[0])
    path.write_bytes(path.read_bytes()[:50])
    (told,) = runner.days_status(site, open_landing(site), DAYS[:1], day_quality)
    assert (told.state, told.quality) == ("stale", "unverified")
    assert runner.run_stale(site).good


def test_the_next_run_clears_away_what_a_killed_one_left(site: Site) -> None:
    left = site.storage.path("flows", DAYS[0]).with_name(".part.parquet.99999999.tmp")
    left.write_bytes(b"PAR1")
    runner.run_days(site, DAYS[:1])
    assert not left.exists()


def test_every_table_is_written_under_the_sites_lock(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    held, write = list[bool](), type(site.storage).write_slices

    def watching(self: object, *rest: object, **named: object) -> object:
        held.append(site.storage.root / "run.lock" in locks._held)
        return write(self, *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(type(site.storage), "write_slices", watching)
    make_preview(site, dt.datetime.combine(DAYS[1], dt.time(13), dt.UTC))
    runner.run_days(site, DAYS[:1])
    assert held
    assert all(held)

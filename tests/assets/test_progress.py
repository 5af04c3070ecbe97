"""What a run tells on stderr while it works: each table it made, and all else only where it lasts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest

from assets.processes.location import recording
from assets.reporting import progress
from assets.reporting.progress import report, shown, steps
from pipeline.waits import waits
from tests.calls import call
from tests.worlds import CONFIG, make_site

RANGE = {"dagster/asset_partition_range_start": "2026-10-01", "dagster/asset_partition_range_end": "2026-10-03"}


def test_what_makes_no_table_is_told_of_only_where_it_lasts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with shown("run"):  # All of it within five seconds.
        report("planning", 1, 2)
        report("planning", 2, 2)
        report("flows", 2, 2)
    assert capsys.readouterr().err == "run: flows, 2 done\n"
    monkeypatch.setattr(progress, "EVERY_SECONDS", 0.0)
    with shown("run"):
        step = steps("flows_checks", rounds=3, days=2)
        for _ in range(3 * 2):
            step()
    assert capsys.readouterr().err == "run: flows_checks, 1 of 2\nrun: flows_checks, 2 done\n"


def test_a_step_that_lasts_gives_signs_of_life(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "SILENT_SECONDS", 0.1)
    told = ""

    def until(line: str) -> None:
        nonlocal told
        for _ in range(500):
            if line in (told := told + capsys.readouterr().err):
                return
            time.sleep(0.02)
        pytest.fail(told)

    with shown("run"):
        until("run: at work for 0 s\n")
        report("landing", 1, 3)
        until("run: landing, 1 of 3, at work for 0 s\n")
    time.sleep(0.2)
    assert capsys.readouterr().err.count("\n") <= 1  # None after the end.


def test_what_dagster_notes_down_before_the_first_stage_is_counted_day_by_day() -> None:
    days = dg.DailyPartitionsDefinition("2026-10-01", end_date="2026-10-05")

    @dg.asset(partitions_def=days, backfill_policy=dg.BackfillPolicy.single_run())
    def table() -> None: ...

    job = dg.Definitions(assets=[table], jobs=[dg.define_asset_job("all_days")]).resolve_job_def("all_days")
    planned: list[int] = []
    with dg.DagsterInstance.ephemeral() as instance:
        with recording(instance, job.name, lambda: planned.append(1)):
            assert job.execute_in_process(instance=instance, tags=RANGE).success
        assert len(planned) == 3
        assert not vars(instance).keys() & {"create_run_for_job", "report_dagster_event"}


def test_a_command_that_waits_says_for_whom_on_stderr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def slow(*_: object, **__: object) -> Iterator[None]:
        waits("another run has this site")
        yield

    monkeypatch.setattr("pipeline.locks.site_lock", slow)
    site = make_site(tmp_path / "site", 1, config=f"{CONFIG}\nretention: {{flows: 900d}}\n")
    found = call("prune", "--json", site=site.root)
    assert found.stderr.startswith("another run has this site\n")
    assert "another run" not in found.stdout

"""What a run tells on stderr while it works: each table it made, and all else only where it lasts."""

from __future__ import annotations

import dagster as dg
import pytest

from assets.processes.location import recording
from assets.reporting import progress
from assets.reporting.progress import report, shown, steps

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

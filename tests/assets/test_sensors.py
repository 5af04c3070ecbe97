"""Sensors: what they ask for, how often, and that their runs end where one run of the command line does."""

from __future__ import annotations

import datetime as dt
import errno
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets import sensors
from assets.build import build_defs
from assets.processes import alive
from assets.processes.instances import open_instance
from assets.processes.run_tags import DAYS as DAYS_TAG
from assets.runner import ORIGIN_TAG, run_days
from assets.schedules import JOB
from pipeline.intake import landing
from pipeline.schemas import ALERTS, ANOMALY_SCORES, DAILY_TRAFFIC, FLOWS, TRAFFIC_BASELINE
from pipeline.site import Site, open_site
from pipeline.stored import stale
from pipeline.stored.now import open_landing
from tests.worlds import CONFIG, SEED, day, log_path, make_site, usual, write_log

DAYS = 6
CHAIN = (FLOWS, DAILY_TRAFFIC, TRAFFIC_BASELINE, ANOMALY_SCORES, ALERTS)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = make_site(tmp_path_factory.mktemp("ran") / "site", DAYS)
    assert run_days(site, [day(n) for n in range(DAYS)]).good
    return site.root


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sensors, "QUIET_SECONDS", 0)


@pytest.fixture
def site(ran: Path, tmp_path: Path) -> Site:
    return open_site(shutil.copytree(ran, tmp_path / "site"))


@pytest.fixture
def instance(site: Site) -> Iterator[dg.DagsterInstance]:
    with open_instance(site) as found:
        yield found


class Ticking:
    """One sensor of a site, asked again and again with its own cursor."""

    def __init__(self, site: Site, instance: dg.DagsterInstance, name: str) -> None:
        self.site, self.instance, self.name, self.cursor = site, instance, name, ""

    def look(self) -> tuple[list[dg.RunRequest], str, str]:
        """(requests, why there is none, cursor), leaving the cursor as it is."""
        defs = build_defs(self.site)
        with dg.build_sensor_context(
            instance=self.instance, cursor=self.cursor or None, repository_def=defs.get_repository_def()
        ) as context:
            found = defs.resolve_sensor_def(self.name).evaluate_tick(context)
        return list(found.run_requests or []), found.skip_message or "", found.cursor or ""

    def tick(self) -> tuple[list[dg.RunRequest], str]:
        requests, why, self.cursor = self.look()
        return requests, why

    def carry_out(self, request: dg.RunRequest) -> None:
        job = build_defs(open_site(self.site.root)).resolve_job_def(
            sensors.LANDING_JOB if self.name == "new_logs" else JOB
        )
        chosen = {"asset_selection": list(request.asset_selection)} if request.asset_selection else {}
        job.execute_in_process(instance=self.instance, tags=dict(request.tags), raise_on_error=False, **chosen)


def asked(requests: list[dg.RunRequest]) -> list[tuple[str, str, list[str]]]:
    return [
        (r.tags[sensors.RANGE_START], r.tags[sensors.RANGE_END], [k.to_user_string() for k in r.asset_selection or ()])
        for r in requests
    ]


def span(first: int, last: int, *tables: str) -> tuple[str, str, list[str]]:
    return day(first).isoformat(), day(last).isoformat(), list(tables)


def test_a_late_log_is_read_once_then_its_stale_days_are_made_and_then_there_is_rest(
    site: Site, instance: dg.DagsterInstance
) -> None:
    logs, days = Ticking(site, instance, "new_logs"), Ticking(site, instance, "stale_days")
    assert logs.tick() == ([], "No log is new or changed.")
    assert days.tick() == ([], "No day is stale.")
    path = write_log(site.root, day(3), {"10.0.0.7": 77})
    path.rename(path.with_name("conn-late.log"))
    write_log(site.root, day(3), usual(3))
    assert days.tick()[0] == []
    assert (first := logs.look())[0][0].run_key == logs.look()[0][0].run_key
    assert "core/logs/2026-10-04/conn-late.log" in first[0][0].tags["nilometer/logs"]
    (request,), _ = logs.tick()
    logs.carry_out(request)
    assert logs.tick()[0] == []
    for wanted in (span(3, 3), span(4, 5)):
        (request,), _ = days.tick()
        assert asked([request]) == [wanted]
        days.carry_out(request)
    assert days.tick() == ([], "No day is stale.")


def test_new_logs_are_told_by_sizes_and_times_alone(
    site: Site, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = site.root / "nilometer.yaml"
    config.write_text(config.read_text(encoding="utf-8").replace("logs/{day}/conn*.log", "logs/**/*.log"))
    for number in range(50):
        log_path(site.root, day(0)).with_name(f"{number}.log").write_text("{}\n", encoding="utf-8")

    real = Path.open

    def opened(self: Path, *rest: Any, **named: Any) -> Any:
        assert self.suffix != ".log", "a log was opened"
        return real(self, *rest, **named)

    monkeypatch.setattr(Path, "open", opened)
    (request,), _ = Ticking(site, instance, "new_logs").tick()
    assert request.tags["nilometer/logs"].startswith("50: core/logs/2026-10-01/0.log")


def test_a_log_that_is_being_written_is_left_until_it_is_quiet(
    site: Site, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sensors, "QUIET_SECONDS", 300)
    logs = Ticking(site, instance, "new_logs")
    path = write_log(site.root, day(2), {"10.0.0.7": 77})
    assert logs.tick()[0] == []
    os.utime(path, (time.time() - 301,) * 2)
    assert len(logs.tick()[0]) == 1


def test_logs_that_stay_unread_are_asked_for_a_few_times_and_again_when_they_change(
    site: Site, instance: dg.DagsterInstance
) -> None:
    logs = Ticking(site, instance, "new_logs")
    write_log(site.root, day(2), {"10.0.0.7": 77})
    keys = [r.run_key for _ in range(sensors.MAX_TRIES + 2) for r in logs.tick()[0]]
    assert len(keys) == len(set(keys)) == sensors.MAX_TRIES
    write_log(site.root, day(2), {"10.0.0.7": 7_777})
    assert len(logs.tick()[0]) == 1


def test_a_backfill_without_its_window_is_completed_and_ends_as_one_run_does(tmp_path: Path) -> None:
    site, other = make_site(tmp_path / "ui", DAYS), make_site(tmp_path / "cli", DAYS)
    run_days(other, [day(4), day(5)])
    with open_instance(site) as instance:
        days = Ticking(site, instance, "stale_days")
        tags = {sensors.RANGE_START: day(4).isoformat(), sensors.RANGE_END: day(5).isoformat()}
        days.carry_out(dg.RunRequest(tags=tags))
        assert not site.storage.read_day(ANOMALY_SCORES, day(4))["window_complete"].any()
        record = site.storage.record("traffic_baseline", day(4))
        assert record is not None
        assert record.facts["window_days_missing"] == ", ".join(day(n).isoformat() for n in range(4))
        rounds = []
        while requests := days.tick()[0]:
            rounds.append(asked(requests))
            for request in requests:
                days.carry_out(request)
        assert rounds == [[span(0, 3, "flows", "daily_traffic")], [span(4, 5)]]
    for table in CHAIN:
        assert site.storage.days(table.name) == other.storage.days(table.name)
        for each in site.storage.days(table.name):
            assert site.storage.read_day(table, each).equals(other.storage.read_day(table, each)), (table.name, each)


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTED])
def test_nothing_is_asked_for_while_a_run_is_queued_or_at_work(
    site: Site, instance: dg.DagsterInstance, status: dg.DagsterRunStatus
) -> None:
    assert dg.DagsterRunStatus.QUEUED in sensors.UNFINISHED
    change_rule(site)
    run = instance.create_run_for_job(build_defs(site).resolve_job_def(JOB), status=status)
    days = Ticking(site, instance, "stale_days")
    requests, why = days.tick()
    assert requests == []
    assert "queued or at work" in why
    instance.delete_run(run.run_id)
    assert len(days.tick()[0]) == 1


def change_rule(site: Site) -> None:
    config = site.root / "nilometer.yaml"
    rule = f"rules: {{{SEED}: {{deviation_threshold: 2}}}}\n"
    config.write_text(config.read_text(encoding="utf-8") + rule, encoding="utf-8")


def test_a_changed_rule_is_noticed_without_a_restart_and_days_come_in_order_a_few_at_a_time(
    site: Site, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sensors, "MAX_DAYS", 2)
    monkeypatch.setattr(sensors, "MAX_RUNS", 2)
    change_rule(site)
    days = Ticking(site, instance, "stale_days")
    first, _ = days.tick()
    assert asked(first) == [span(0, 1), span(2, 3)]
    for request in first:
        days.carry_out(request)
    second, _ = days.tick()
    assert asked(second) == [span(4, 5)]
    assert len({r.run_key for r in [*first, *second]}) == 3
    assert all(r.tags[ORIGIN_TAG] == "sensor" for r in first)
    ends = [(r.tags[sensors.RANGE_START], r.tags[sensors.RANGE_END]) for r in first]
    assert [r.tags[DAYS_TAG] for r in first] == [f"{a} to {b}" for a, b in ends]


def _lost(site: Site) -> None:
    (site.root / "data/alerts" / f"day={day(2)}" / "part.parquet").unlink()


def _late(site: Site) -> None:
    path = write_log(site.root, day(3), {"10.0.0.7": 77})
    path.rename(path.with_name("conn-late.log"))
    write_log(site.root, day(3), usual(3))
    open_landing(open_site(site.root)).land([day(3)])


@pytest.mark.parametrize("change", [change_rule, _lost, _late])
def test_a_site_that_did_not_change_since_a_look_is_not_looked_at_again_for_a_while(
    site: Site, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, change: Callable[[Site], None]
) -> None:
    looks = []
    monkeypatch.setattr(sensors.stale, "todo", lambda *a, look=stale.todo: looks.append(a) or look(*a))
    days = Ticking(site, instance, "stale_days")
    assert days.tick() == ([], "No day is stale.")
    assert days.tick() == ([], "No day is stale; nothing changed since the last look.")
    assert len(looks) == 1
    change(site)
    assert [days.tick()[0] != [] for _ in range(2)] == [True, True]
    assert len(looks) == 3
    monkeypatch.setattr(sensors, "REST_SECONDS", 0)
    for number in range(2):
        days.tick()
        assert len(looks) == 4 + number


def test_checks_are_not_looked_at_again_until_something_changes(site: Site, instance: dg.DagsterInstance) -> None:
    checks = Ticking(site, instance, "unjudged_days")
    assert checks.tick() == ([], "Every check is of what is stored.")
    assert checks.tick() == ([], "Every check is of what is stored; nothing changed since the last look.")
    (site.root / "data/quality" / f"day={day(2)}" / "flows_valid.parquet").unlink()
    (request,), _ = checks.tick()
    assert request.tags[DAYS_TAG] == f"{day(2)} to {day(2)}"


@pytest.mark.parametrize("stored", [True, False])
def test_a_day_that_keeps_failing_is_left_until_its_log_changes(
    site: Site, instance: dg.DagsterInstance, stored: bool
) -> None:
    logs, days = Ticking(site, instance, "new_logs"), Ticking(site, instance, "stale_days")
    log_path(site.root, day(5)).write_bytes(b"\x1f\x8b broken")
    if not stored:  # Its first run failed: nothing of it was ever made.
        for folder in (site.root / "data").glob(f"*/day={day(5)}"):
            shutil.rmtree(folder)
        site.storage.mark_failed(day(5), "flows", ["broken"])

    def until_rest() -> int:
        count = 0
        for _ in range(2 * sensors.MAX_TRIES):
            for one in (logs, days):
                for request in one.tick()[0]:
                    count += one is days
                    one.carry_out(request)
        return count

    assert 1 <= until_rest() <= sensors.MAX_TRIES + 1
    assert site.storage.failure(day(5)) is not None
    assert until_rest() == 0
    write_log(site.root, day(5), usual(5))
    assert until_rest() == 1
    assert site.storage.failure(day(5)) is None


def test_the_run_of_a_killed_process_is_marked_failed_and_is_not_waited_for(
    site: Site, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alive, "YOUNG_SECONDS", 0)
    job = build_defs(site).resolve_job_def(JOB)
    dead, works = (instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED) for _ in range(2))
    (site.storage.workspace / "alive").mkdir(parents=True, exist_ok=True)
    (site.storage.workspace / "alive" / f"{dead.run_id}.lock").touch()
    alive.hold(site, works.run_id)
    assert alive.bury(instance, site) == [dead.run_id]
    assert alive.bury(instance, site) == []
    found = {r.run_id: r.status for r in instance.get_runs() if r.run_id in (dead.run_id, works.run_id)}
    assert found == {dead.run_id: dg.DagsterRunStatus.FAILURE, works.run_id: dg.DagsterRunStatus.STARTED}
    alive.release(site, works.run_id)


def test_a_site_without_days_asks_for_nothing(tmp_path: Path) -> None:
    site = make_site(tmp_path, 2)
    with open_instance(site) as instance:
        assert Ticking(site, instance, "new_logs").tick()[0] == []
        assert Ticking(site, instance, "stale_days").tick()[0] == []


def test_a_cursor_is_small_and_forgets_what_is_done(site: Site, instance: dg.DagsterInstance) -> None:
    change_rule(site)
    days = Ticking(site, instance, "stale_days")
    days.cursor = json.dumps({"count": 0, "tries": {}})
    (request,), _ = days.tick()
    assert set(json.loads(days.cursor)["tries"]) == {day(n).isoformat() for n in range(DAYS)}
    days.carry_out(request)
    days.tick()
    cursor = json.loads(days.cursor)
    assert (cursor["count"], cursor["tries"]) == (1, {})
    assert len(days.cursor) < 150


def test_cursors_of_an_earlier_version_are_gone_on_with(site: Site, instance: dg.DagsterInstance) -> None:
    days = Ticking(site, instance, "stale_days")
    days.cursor = json.dumps({"count": 7, "tries": {}})
    days.tick()
    assert json.loads(days.cursor)["count"] == 7


def test_a_cursor_that_somebody_else_has_set_is_begun_anew(site: Site, instance: dg.DagsterInstance) -> None:
    logs = Ticking(site, instance, "new_logs")
    for cursor in (
        "0",
        "latest",
        "[]",
        '{"count": 1}',
        '{"count": "x", "tries": {}}',
        '{"count": 1, "tries": {"a": 1}}',
    ):
        logs.cursor = cursor
        logs.tick()
        found = json.loads(logs.cursor)
        assert (found["count"] > 1, found["tries"]) == (True, {})


def test_after_its_cursor_was_reset_a_sensor_asks_by_keys_that_no_run_has_had(
    site: Site, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    change_rule(site)
    days = Ticking(site, instance, "stale_days")
    looks = range(3 * sensors.MAX_TRIES)
    keys = [r.run_key for _ in looks for r in days.tick()[0]]
    assert days.tick()[0] == []
    days.cursor = ""
    later = time.time() + 60
    monkeypatch.setattr(sensors.time, "time", lambda: later)
    again = [r.run_key for _ in looks for r in days.tick()[0]]
    assert len(again) == len(keys) >= sensors.MAX_TRIES
    assert len({*keys, *again}) == 2 * len(keys)


def test_faults_of_the_machine_are_tried_again_and_bad_data_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from assets import flows

    monkeypatch.setattr(flows, "RETRY", dg.RetryPolicy(max_retries=2, delay=0))
    site, calls, real = make_site(tmp_path, 3, config=CONFIG), [], flows.make_flows

    def shaky(of: Site, landed: landing.Landing, when: dt.date) -> object:
        calls.append(when)
        if when == day(1) and calls.count(day(1)) < 3:
            raise OSError(5, "Input/output error")
        return real(of, landed, when)

    monkeypatch.setattr(flows, "make_flows", shaky)
    log_path(site.root, day(2)).write_bytes(b"\x1f\x8b broken")
    report = run_days(site, [day(n) for n in range(3)])
    assert [s.state for s in report.days] == ["done", "done", "failed"]
    assert (calls.count(day(0)), calls.count(day(1))) == (1, 3)
    with open_instance(site) as instance:
        (run,) = instance.get_runs()
        events = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    made = [(e.dagster_event.asset_key.to_user_string(), e.dagster_event.partition) for e in events if e.dagster_event]
    assert made.count(("flows", day(0).isoformat())) == made.count(("flows", day(1).isoformat())) == 1


@pytest.mark.parametrize("where", ["make_flows", "land"])
def test_a_command_waits_for_no_disk_to_be_made_room_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    from assets import flows

    monkeypatch.setattr(flows, "RETRY", dg.RetryPolicy(max_retries=2, delay=0))
    site, calls = make_site(tmp_path, 1, config=CONFIG), list[str]()

    def full(*_: object) -> object:
        calls.append(where)
        raise OSError(errno.ENOSPC, "No space left on device", "part.parquet")

    monkeypatch.setattr(flows, where, full)
    report = run_days(site, [day(0)])
    assert calls == [where]
    assert "Make room" in str(report)


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED])
def test_a_day_whose_scheduled_run_died_before_it_began_is_asked_for_with_the_days_left_out(
    site: Site, instance: dg.DagsterInstance, status: dg.DagsterRunStatus
) -> None:
    """As where no code server answered: nothing tells of the day, and the schedule asks for each once."""
    for number in (DAYS, DAYS + 1):
        write_log(site.root, day(number), usual(number))
    days = Ticking(site, instance, "stale_days")
    assert days.tick() == ([], "No day is stale.")
    job = build_defs(site).resolve_job_def(JOB)
    tags = {"dagster/partition": day(DAYS + 1).isoformat(), "dagster/schedule_name": "daily"}
    instance.create_run_for_job(job, status=status, tags=tags)
    requests, _ = days.tick()
    if status is dg.DagsterRunStatus.CANCELED:  # Somebody wanted it so.
        assert requests == []
        return
    assert asked(requests) == [span(DAYS, DAYS + 1)]
    again = [found for _ in range(sensors.MAX_TRIES) for found in asked(days.tick()[0])]
    assert again == [span(n, n) for n in (DAYS, DAYS + 1)] * (sensors.MAX_TRIES - 1)
    days.carry_out(requests[0])
    assert site.storage.days("alerts")[-1] == day(DAYS + 1)
    assert days.tick() == ([], "No day is stale.")


@pytest.mark.parametrize(
    ("ago", "mark", "rests"),
    [(0, "a", True), (sensors.REST_SECONDS - 1, "a", True), (sensors.REST_SECONDS, "a", False), (-1, "a", False),
     (0, "b", False), (0, None, False)],
)  # fmt: skip
def test_a_look_rests_for_an_hour_while_nothing_changes_and_not_at_all_after_a_clock_was_set_back(
    ago: float, mark: str | None, rests: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = sensors._Asked(rest="a", since=1_000_000.0)
    monkeypatch.setattr(sensors.time, "time", lambda: 1_000_000.0 + ago)
    assert asked.rests(mark) is rests

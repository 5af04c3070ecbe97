"""Telling of failed runs: what is posted, to whom it may be posted, and that the address stays secret."""

from __future__ import annotations

import ipaddress
import json
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.run_status_sensor_definition import RunStatusSensorCursor
from dagster._core.definitions.sensor_definition import SensorExecutionData

from assets import notices, notify
from assets.days import RANGE_END, RANGE_START
from assets.notify import NotifyError, post
from assets.processes.run_tags import COMMAND, ORIGIN
from pipeline.settings import NotifySettings
from pipeline.site import Site
from tests.worlds import CONFIG, day, make_site

NAME = "NILOMETER_WEBHOOK"
HERE = NotifySettings(url_env=NAME, allow_loopback=True, timeout_seconds=2)


class Server(HTTPServer):
    """A webhook on this machine that keeps what it was told."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status, self.bodies, self.hangs, self.drips = 204, [], False, False  # type: ignore[var-annotated]

    @property
    def environment(self) -> dict[str, str]:
        return {NAME: f"http://127.0.0.1:{self.server_port}/hook?key=secret"}


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server: Any = self.server
        server.bodies.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
        for _ in range(15 if server.hangs or server.drips else 0):
            time.sleep(0.1)
            if server.drips:
                with suppress(OSError):
                    self.wfile.write(b"H")
        self.send_response(server.status)
        if server.status == 302:
            self.send_header("Location", f"http://127.0.0.1:{server.server_port}/elsewhere")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        return


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as found:
        thread = threading.Thread(target=found.serve_forever)
        thread.start()
        yield found
        found.shutdown()
        thread.join()


def fail(instance: dg.DagsterInstance, **tags: str) -> str:
    """Record a run that failed; its id."""
    run = instance.create_run_for_job(dg.JobDefinition(name="j", graph_def=dg.GraphDefinition(name="j")), tags=tags)
    instance.report_run_failed(run, "It failed.")
    return run.run_id


def look(site: Site, instance: dg.DagsterInstance, cursor: str | None) -> SensorExecutionData:
    """One look of the sensor, as the daemon has it done."""
    (sensor,) = notices.sensors(site)
    context = dg.build_sensor_context(instance=instance, cursor=cursor, last_sensor_start_time=1.0)
    return sensor.evaluate_tick(context)


@pytest.fixture(scope="module")
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as found:
        yield found


@pytest.fixture
def told_site(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setenv(NAME, server.environment[NAME])
    told = f"notify: {{url_env: {NAME}, allow_loopback: true, timeout_seconds: 1}}\n"
    return make_site(tmp_path / "site", 3, config=CONFIG + told)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What time it is."""
    now = [1_000_000.0]
    monkeypatch.setattr(notices, "time", SimpleNamespace(time=lambda: now[0], monotonic=time.monotonic))
    return now


def runs_told(server: Server) -> list[str]:
    return [body["run_id"] for _, body in server.bodies]


def test_a_failed_run_is_told_once_with_its_days_and_their_reasons(
    told_site: Site, server: Server, instance: dg.DagsterInstance
) -> None:
    site, span = told_site, {RANGE_START: str(day(0)), RANGE_END: str(day(2))}
    site.storage.mark_failed(day(1), "flows", ["conn.log is broken"])
    site.storage.mark_failed(day(3), "flows", ["of another run"])
    fail(instance)  # Before the first look, which begins with what comes.
    cursor = look(site, instance, None).cursor
    fail(instance, **span, **{ORIGIN: COMMAND})  # A command has told of its run by its exit code.
    runs = [fail(instance, **span), fail(instance, **{ORIGIN: COMMAND, "dagster/parent_run_id": "x"})]
    runs.append(fail(instance, **{RANGE_START: "0001-01-01", RANGE_END: "no day", "dagster/will_retry": "true"}))
    found = look(site, instance, cursor)
    assert [r.error for r in found.dagster_run_reactions or ()] == [None] * 3
    again = look(site, instance, found.cursor)
    assert runs_told(server) == runs
    assert again.skip_message == "No further run failed."
    path, told = server.bodies[0]
    assert path == "/hook?key=secret"
    assert [body["will_retry"] for _, body in server.bodies] == [False, False, True]
    assert (told["event"], told["site"], told["message"]) == ("run_failed", "site", "It failed.")
    assert (told["first_day"], told["last_day"]) == (str(day(0)), str(day(2)))
    assert told["failed_days"] == [{"day": str(day(1)), "stage": "flows", "reasons": ["conn.log is broken"]}]


def test_what_the_webhook_did_not_take_is_told_again_later_and_hinders_no_other(
    told_site: Site, server: Server, instance: dg.DagsterInstance, clock: list[float]
) -> None:
    cursor = look(told_site, instance, None).cursor
    first, second = fail(instance), fail(instance)
    server.status = 503
    down = look(told_site, instance, cursor)
    (reaction,) = down.dagster_run_reactions or ()
    assert reaction.error is not None
    assert "status 503" in reaction.error.message
    assert runs_told(server) == [first]
    server.status = 204
    clock[0] += 60  # It is not due yet.
    other = look(told_site, instance, down.cursor)
    assert runs_told(server) == [first, second]
    idle = look(told_site, instance, other.cursor)
    assert idle.skip_message == "No further run failed. 1 are told of again later."
    clock[0] += 61
    taken = look(told_site, instance, idle.cursor)
    assert runs_told(server) == [first, second, first]
    clock[0] += 100_000
    assert look(told_site, instance, taken.cursor).skip_message == "No further run failed."


def test_a_failure_is_given_up_after_a_day_without_an_answer(
    told_site: Site, server: Server, instance: dg.DagsterInstance, clock: list[float]
) -> None:
    server.status = 500
    begin = clock[0]
    cursor = look(told_site, instance, None).cursor
    fail(instance)
    while clock[0] < begin + 2 * 86_400:
        cursor = look(told_site, instance, cursor).cursor
        clock[0] += 3_600
    assert len(server.bodies) == notices.MAX_TRIES


@pytest.mark.parametrize("drips", [False, True])
def test_a_webhook_that_does_not_answer_in_time_is_told_once_and_ends_nothing(
    told_site: Site, server: Server, instance: dg.DagsterInstance, drips: bool
) -> None:
    server.hangs, server.drips = not drips, drips
    cursor = look(told_site, instance, None).cursor
    runs = [fail(instance), fail(instance)]
    began = time.monotonic()
    slow = look(told_site, instance, cursor)
    assert time.monotonic() - began < 3
    (reaction,) = slow.dagster_run_reactions or ()
    assert reaction.error is not None
    assert "not told again" in reaction.error.message
    server.hangs = server.drips = False
    look(told_site, instance, slow.cursor)
    assert runs_told(server) == runs


def test_a_look_by_hand_posts_nothing_and_the_cursor_of_dagsters_own_sensor_is_gone_on_with(
    told_site: Site, server: Server, instance: dg.DagsterInstance
) -> None:
    fail(instance)
    (record,) = instance.fetch_run_status_changes(dg.DagsterEventType.RUN_FAILURE, limit=1).records
    former = RunStatusSensorCursor(record.storage_id, record_timestamp="2026-10-01T00:00:00").to_json()
    run = fail(instance)
    (sensor,) = notices.sensors(told_site)
    by_hand = sensor.evaluate_tick(dg.build_sensor_context(instance=instance, cursor=former))
    assert "by hand" in (by_hand.skip_message or "")
    assert server.bodies == []
    look(told_site, instance, former)
    assert runs_told(server) == [run]


def test_without_a_webhook_there_is_no_sensor(tmp_path: Path) -> None:
    assert notices.sensors(make_site(tmp_path, 1)) == []


@pytest.mark.parametrize("status", [302, 404, 500])
def test_an_answer_without_success_is_a_fault_and_redirects_are_not_followed(server: Server, status: int) -> None:
    server.status = status
    with pytest.raises(NotifyError, match=f"status {status}"):
        post(HERE, server.environment, {"event": "test"})
    assert [path for path, _ in server.bodies] == ["/hook?key=secret"]


@pytest.mark.parametrize(
    ("url", "allowed", "message"),
    [
        ("", {}, "holds no https address"),
        ("ftp://example.com/", {}, "holds no https address"),
        ("https://user:word@example.com/", {}, "holds no https address"),
        ("https://192.0.2.1:99999/", {}, "holds no https address"),
        ("http://127.0.0.1/", {}, "this machine"),
        ("https://[::1]/", {}, "this machine"),
        ("https://[::ffff:127.0.0.1]/", {}, "this machine"),
        ("https://2130706433/", {}, "this machine"),
        ("https://10.0.0.1/", {}, "not public"),
        ("https://192.168.0.1/", {"allow_loopback": True}, "not public"),
        ("https://100.64.0.1/", {}, "not public"),
        ("https://[fd00::1]/", {}, "not public"),
        ("https://0.0.0.0/", {"allow_loopback": True}, "not public"),
        ("http://10.0.0.1/", {"allow_private": True}, "is not https"),
    ],
)
def test_addresses_that_are_not_allowed_are_refused_and_never_shown(
    url: str, allowed: dict[str, bool], message: str
) -> None:
    with pytest.raises(NotifyError, match=message) as caught:
        post(NotifySettings(url_env=NAME, **allowed), {NAME: url}, {})
    assert not url or url not in caught.value.message
    assert NAME in caught.value.message


def test_a_name_that_leads_to_a_private_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def lookup(*_: Any, **__: Any) -> list[Any]:
        public = str(ipaddress.ip_address(0x08080808))
        return [(2, 1, 6, "", (public, 443)), (2, 1, 6, "", ("10.0.0.1", 443))]

    monkeypatch.setattr(notify.socket, "getaddrinfo", lookup)
    with pytest.raises(NotifyError, match="not public"):
        post(NotifySettings(url_env=NAME), {NAME: "https://example.com/"}, {})


def test_a_host_that_takes_too_long_to_look_up_is_told_nothing(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.0, HERE.timeout_seconds])
    monkeypatch.setattr(notify, "time", SimpleNamespace(monotonic=lambda: next(times)))
    with pytest.raises(NotifyError, match="to look up") as caught:
        post(HERE, server.environment, {})
    assert not caught.value.may_be_taken
    assert server.bodies == []


def test_a_webhook_that_is_not_there_is_a_fault_without_its_address(server: Server) -> None:
    environment = {NAME: "http://127.0.0.1:9/secret"}
    with pytest.raises(NotifyError, match="could not be reached") as caught:
        post(HERE, environment, {})
    assert "secret" not in caught.value.message
    assert caught.value.__cause__ is None


def test_a_failure_waits_no_longer_than_it_may_after_a_clock_was_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what is due in more than four hours the clock was ahead when that was noted."""
    monkeypatch.setattr(notices.time, "time", lambda: 1_000_000.0)
    longest = notices.LONGEST_WAIT_SECONDS
    times = {"1": 999_999.0, "2": 1_000_000.0, "3": 1_000_001.0, "4": 1_000_000.0 + longest, "5": 1_000_001.0 + longest}
    told = notices._Told(waiting={number: (1, when) for number, when in times.items()})
    assert told.due() == [1, 2, 5]

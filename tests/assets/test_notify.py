"""Telling of failed runs: what is posted, to whom it may be posted, and that the address stays secret."""

from __future__ import annotations

import ipaddress
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets import notify
from assets.build import build_defs
from assets.notify import NotifyError, post
from assets.processes.instances import open_instance
from assets.processes.run_tags import ORIGIN
from assets.runner import run_days
from pipeline.settings import NotifySettings
from tests.worlds import CONFIG, day, log_path, make_site

NAME = "NILOMETER_WEBHOOK"
HERE = NotifySettings(url_env=NAME, allow_loopback=True, timeout_seconds=2)


class Server(HTTPServer):
    """A webhook on this machine that keeps what it was told."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status, self.bodies, self.headers = 204, [], []  # type: ignore[var-annotated]

    @property
    def environment(self) -> dict[str, str]:
        return {NAME: f"http://127.0.0.1:{self.server_port}/hook?key=secret"}


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server: Any = self.server
        server.bodies.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
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


def test_a_failed_run_is_told_with_its_days_and_their_reasons(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(NAME, server.environment[NAME])
    config = CONFIG + f"notify: {{url_env: {NAME}, allow_loopback: true}}\n"
    site = make_site(tmp_path / "site", 3, config=config)
    log_path(site.root, day(1)).write_bytes(b"\x1f\x8b broken")
    run_days(site, [day(n) for n in range(3)])
    sensor = build_defs(site).resolve_sensor_def("failed_runs")
    assert sensor.default_status == dg.DefaultSensorStatus.RUNNING
    with open_instance(site) as instance:
        (run,) = instance.get_runs()
        (event,) = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.RUN_FAILURE)
        assert event.dagster_event is not None
        others = [run.with_tags({**run.tags, **tags}) for tags in ({ORIGIN: "sensor"}, {"dagster/parent_run_id": "x"})]
        for number, told_of in enumerate([run, *others]):
            assert len(server.bodies) == max(number - 1, 0)  # A command has told of its run by its exit code.
            context = dg.build_run_status_sensor_context(
                sensor_name="failed_runs",
                dagster_event=event.dagster_event,
                dagster_instance=instance,
                dagster_run=told_of,
            ).for_run_failure()
            sensor(context)
    (path, told), again = server.bodies
    assert again == (path, told | {"known_at": again[1]["known_at"]})
    assert path == "/hook?key=secret"
    assert (told["event"], told["site"], told["run_id"]) == ("run_failed", "site", run.run_id)
    assert (told["first_day"], told["last_day"]) == (day(0).isoformat(), day(2).isoformat())
    assert [(d["day"], d["stage"]) for d in told["failed_days"]] == [(day(1).isoformat(), "flows")]
    assert "conn.log" in told["failed_days"][0]["reasons"][0]


def test_without_a_webhook_there_is_no_sensor(tmp_path: Path) -> None:
    assert notify.sensors(make_site(tmp_path, 1)) == []


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


def test_a_webhook_that_is_not_there_is_a_fault_without_its_address(server: Server) -> None:
    environment = {NAME: "http://127.0.0.1:9/secret"}
    with pytest.raises(NotifyError, match="could not be reached") as caught:
        post(HERE, environment, {})
    assert "secret" not in caught.value.message
    assert caught.value.__cause__ is None

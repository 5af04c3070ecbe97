"""The Dagster UI of one site: web server and daemon as two processes on 127.0.0.1, started and stopped together."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from assets import daemons, screen
from assets.instances import home, open_instance
from pipeline.errors import ConfigError, Location, NilometerError
from pipeline.locks import BusyError, lock
from pipeline.site import ENV_SITE, PROJECT, Site

HOST = "127.0.0.1"
_STOP_SECONDS = 15
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, a request to end, and a terminal that is closed."""
_START_SECONDS = 120


class _Stopped(Exception):
    """A signal asked for the end."""


def serve(site: Site, port: int) -> None:
    """Run the UI until SIGINT, SIGTERM or SIGHUP, then stop both processes.

    Raises:
        ConfigError: the port is in use.
        NilometerError: a process ended by itself, or the site has a UI or a daemon already.
    """
    _check_port(port)
    with open_instance(site):
        pass  # It can be.
    twice = BusyError(
        "another `nilometer ui` has this site open, with its daemon.",
        where=Location(file=str(home(site))),
        remedy="Use that one, or end it; two daemons would ask for every run twice.",
    )
    with lock(home(site) / "ui.lock", twice):
        if (other := daemons.looking(site)) is not None:
            raise BusyError(
                f"a daemon looks at this site already ({other}).",
                where=Location(file=str(daemons.note(site))),
                remedy="Open its web server, or end it; two daemons would ask for every run twice. One on another "
                f"machine counts as gone after {daemons.SILENT_SECONDS // 60} minutes of silence.",
            )
        _serve(site, port)


def _serve(site: Site, port: int) -> None:
    _log(site).write_bytes(b"")
    for number in _ENDING:
        signal.signal(number, _stop)
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for command in _commands(port):
            processes.append(_start(site, command))
        screen.warn(f"starting the Dagster UI of {site.root.name}, which logs to {_log(site)} ...")
        _wait_until_up(port, processes)
        screen.warn(f"The UI is at http://{HOST}:{port} and nowhere else. Ctrl-C stops it.")
        _watch(processes)
    except _Stopped:
        screen.warn("stopping ...")
    finally:
        _end(processes)


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise ConfigError(
                f"port {port} cannot be used ({error.strerror}).", remedy="Choose another: --port."
            ) from error


def _commands(port: int) -> list[list[str]]:
    target = ["-m", "assets.definitions"]
    web = ["dagster_webserver", "-h", HOST, "-p", str(port), "--log-level", "warning", *target]
    return [[sys.executable, "-m", "assets.leash", *words] for words in (web, ["dagster._daemon", "run", *target])]


def _log(site: Site) -> Path:
    return home(site) / "ui.log"


def _start(site: Site, command: Sequence[str]) -> subprocess.Popen[bytes]:
    """A process in a session of its own, so that Ctrl-C reaches it from here only, and once; it ends when we do."""
    environment = os.environ | {
        ENV_SITE: str(site.root),
        "DAGSTER_HOME": str(home(site)),
        "DAGSTER_DISABLE_TELEMETRY": "yes",
        "GX_ANALYTICS_ENABLED": "false",
    }
    with _log(site).open("ab") as log:
        return subprocess.Popen(  # noqa: S603 - our own words
            command,
            env=environment,
            cwd=PROJECT,
            stdout=log,
            stderr=log,
            stdin=subprocess.PIPE,
            start_new_session=True,
        )


def _wait_until_up(port: int, processes: Sequence[subprocess.Popen[bytes]]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        _check_alive(processes)
        try:
            with urllib.request.urlopen(f"http://{HOST}:{port}/server_info", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    raise NilometerError(f"the web server did not come up within {_START_SECONDS} seconds.")


def _watch(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    while True:
        _check_alive(processes)
        time.sleep(0.5)


def _check_alive(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        if process.poll() is not None:
            raise NilometerError(
                f"a process of the UI ended by itself (exit code {process.returncode}).",
                remedy="The end of dagster_home/ui.log says why.",
            )


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise _Stopped


def _end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Ask each process to end, wait, and end what is left of their sessions."""
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)
    for process in processes:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
    for process in processes:
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            screen.warn(f"process {process.pid} did not stop in time and is ended.")
        _end_session(process.pid)


def _end_session(leader: int) -> None:
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return

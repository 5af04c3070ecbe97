"""The Dagster UI of one site: code server, web server and daemon, on 127.0.0.1, started and stopped together."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import FrameType

from assets.processes import daemons
from assets.processes.code_server import CodeServer
from assets.processes.instances import history, home, is_shared, other_sites
from assets.reporting import screen
from pipeline.errors import BusyError, ConfigError, Location, NilometerError
from pipeline.locks import lock
from pipeline.site import ENV_SITE, PROJECT, Site

HOST = "127.0.0.1"
_STOP_SECONDS = 15
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, a request to end, and a terminal that is closed."""
_START_SECONDS = 120
_SEE_LOG = "The end of dagster_home/ui.log says why."
WORKSPACE = "ui-workspace.yaml"
"""Names the code server to web server and daemon."""


class _Stopped(Exception):
    """A signal asked for the end."""


def serve(site: Site, port: int) -> None:
    """Run the UI until SIGINT, SIGTERM or SIGHUP, then stop both processes.

    Raises:
        ConfigError: the port is in use.
        NilometerError: a process ended by itself, or the site has a UI or a daemon already.
    """
    _check_port(port)
    with history(site) as instance:  # It can be.
        others = other_sites(instance, site)
    with lock(home(site) / "ui.lock", _twice(site)):
        if (other := daemons.looking(site)) is not None:
            raise BusyError(
                f"a daemon looks at this site already ({other}).",
                where=Location(file=str(daemons.note(site))),
                remedy="Open its web server, or end it; two daemons would ask for every run twice. One that has ended "
                f"counts as gone with that process, or after {daemons.SILENT_SECONDS // 60} minutes of silence.",
            )
        if others:
            screen.warn(
                f"{home(site)} holds runs of other sites, too ({', '.join(others)}): their assets have the same names, "
                "so that the UI shows a day as made by whichever was last. Give each site a DAGSTER_HOME of its own."
            )
        _serve(site, port)


def _twice(site: Site) -> BusyError:
    """Why no second UI is started on an instance."""
    whose = "uses this DAGSTER_HOME" if is_shared() else "has this site open"
    own = " Another site needs a DAGSTER_HOME of its own." if is_shared() else ""
    return BusyError(
        f"another `nilometer ui` {whose}, with its daemon.",
        where=Location(file=str(home(site))),
        remedy=f"Use that one, or end it; two daemons would ask for every run twice.{own}",
    )


def _serve(site: Site, port: int) -> None:
    _log(site).write_bytes(b"")
    for number in _ENDING:
        signal.signal(number, _stop)
    processes: list[subprocess.Popen[bytes]] = []
    with tempfile.TemporaryDirectory(prefix="nilo-") as folder:
        try:
            code = CodeServer(site, Path(folder))
            code.write_workspace(workspace := home(site) / WORKSPACE)
            screen.warn(f"starting the Dagster UI of {site.root.name}, which logs to {_log(site)} ...")
            processes.append(_start(site, code.command()))
            _wait(code.answers, "the code server", processes)
            for words in _clients(port, workspace):
                processes.append(_start(site, words))
            _wait(partial(_is_up, port), "the web server", processes)
            screen.warn(f"The UI is at http://{HOST}:{port} and nowhere else. Ctrl-C stops it.")
            _watch(code, processes)
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


def _clients(port: int, workspace: Path) -> list[list[str]]:
    web = ["dagster_webserver", "-h", HOST, "-p", str(port), "--log-level", "warning", "-w", str(workspace)]
    return [web, ["assets.processes.daemon", "run", "-w", str(workspace)]]


def _log(site: Site) -> Path:
    return home(site) / "ui.log"


def _start(site: Site, words: Sequence[str]) -> subprocess.Popen[bytes]:
    """A module's process in a session of its own, so that Ctrl-C reaches it from here, once; it ends when we do."""
    environment = os.environ | {
        ENV_SITE: str(site.root),
        "DAGSTER_HOME": str(home(site)),
        "DAGSTER_DISABLE_TELEMETRY": "yes",
        "GX_ANALYTICS_ENABLED": "false",
    }
    with _log(site).open("ab") as log:
        return subprocess.Popen(  # noqa: S603 - our own words
            [sys.executable, "-m", "assets.processes.leash", *words],
            env=environment,
            cwd=PROJECT,
            stdout=log,
            stderr=log,
            stdin=subprocess.PIPE,
            start_new_session=True,
        )


def _wait(up: Callable[[], bool], what: str, processes: Sequence[subprocess.Popen[bytes]]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        _check_alive(processes)
        if up():
            return
        time.sleep(0.3)
    raise NilometerError(f"{what} did not come up within {_START_SECONDS} seconds.", remedy=_SEE_LOG)


def _is_up(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/server_info", timeout=5):
            return True
    except OSError:
        return False


def _watch(code: CodeServer, processes: Sequence[subprocess.Popen[bytes]]) -> None:
    while True:
        _check_alive(processes)
        code.look()
        time.sleep(0.5)


def _check_alive(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        if process.poll() is not None:
            raise NilometerError(
                f"a process of the UI ended by itself (exit code {process.returncode}).",
                remedy=_SEE_LOG,
            )


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise _Stopped


def _end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Ask those that use the code server to end, wait, and end what is left of all sessions, its runs among it."""
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)
    clients = processes[1:]
    for process in clients:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
    for process in clients:
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            screen.warn(f"process {process.pid} did not stop in time and is ended.")
    for process in processes:
        _end_session(process.pid)
        process.wait()


def _end_session(leader: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)

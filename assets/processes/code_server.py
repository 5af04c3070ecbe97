"""The one process that holds a site's definitions for the UI's web server and its daemon.

Without it each of the two would load them in a process of its own, and the daemon in a new one every minute. Dagster's
code server loads them in a child, which it replaces when asked to: who asks, and when, is decided here. How the
processes are started and ended is in `assets.commands.serve`.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import yaml
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._grpc.client import DagsterGrpcClient
from dagster._serdes import deserialize_value
from dagster_shared.error import SerializableErrorInfo

from assets.processes.location import NAME
from pipeline.errors import ConfigError, Location, NilometerError
from pipeline.site import PROJECT, Site, open_site
from pipeline.storage import digest

TARGET = "assets.definitions"
"""The module of the definitions."""
LOOK_SECONDS = 20
AGE_SECONDS = 3_600
"""Definitions so old are read anew: what a process gathers in weeks goes with it."""
RETRY_SECONDS = 60
"""Definitions that did not load for want of something else than a good configuration, such as room on a full disk."""
_RELOAD_SECONDS = 120
_LONGEST_SOCKET = 107
"""Bytes that Linux has room for."""


class CodeServer:
    """Where the code server listens, and when its definitions are to be read anew."""

    def __init__(self, site: Site, folder: Path) -> None:
        """A server whose socket lies in a folder that nobody else may enter: who reaches it may run code.

        Raises:
            ConfigError: the folder's name is too long for a socket.
        """
        self._site, self._socket = site, folder / "code"
        if len(os.fsencode(self._socket)) > _LONGEST_SOCKET:
            raise ConfigError(
                "the path of the folder for temporary files is too long for a socket.",
                where=Location(file=str(folder.parent)),
                remedy="Name another one, such as with TMPDIR=/tmp.",
            )
        self._client = DagsterGrpcClient(socket=str(self._socket))
        self._looked = self._read = time.monotonic()
        self._mark, self._silent = _mark(site), False

    def command(self) -> list[str]:
        """Module and words that start it."""
        return ["dagster", "code-server", "start", "--log-level", "warning", "-m", TARGET, "-s", str(self._socket)]

    def write_workspace(self, path: Path) -> None:
        """Write the file that tells web server and daemon of it."""
        server = {"socket": str(self._socket), "location_name": NAME}
        path.write_text(yaml.safe_dump({"load_from": [{"grpc_server": server}]}), encoding="utf-8")

    def answers(self) -> bool:
        """Whether it is up."""
        try:
            self._client.ping("")
        except DagsterUserCodeUnreachableError:
            return False
        return True

    def look(self) -> None:
        """From time to time: have definitions read anew that are outdated, missing, old, or of a dead process."""
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked, silent, mark = now, not self.answers(), _mark(self._site)
        gone = silent and self._silent
        self._silent = silent
        if mark != self._mark or gone or now - self._read > (RETRY_SECONDS if self._failed() else AGE_SECONDS):
            self._mark, self._read, self._silent = mark, now, False
            self._reload()

    def _failed(self) -> bool:
        """Whether a good configuration gave no definitions; a bad one is read again when it changes."""
        if self._silent:
            return False
        try:
            if not isinstance(deserialize_value(self._client.list_repositories()), SerializableErrorInfo):
                return False
            open_site(self._site.root, self._site.origin)
        except (NilometerError, OSError, DagsterUserCodeUnreachableError):
            return False
        return True

    def _reload(self) -> None:
        try:
            self._client.reload_code(_RELOAD_SECONDS)
        except DagsterUserCodeUnreachableError:
            return  # Its log says why; the next look tries again.


def _program() -> str:
    """Hash of names, sizes and times of the program's files: runs are of what lies there, and sensors are to be."""
    files = sorted(p for room in ("assets", "data_quality", "pipeline") for p in (PROJECT / room).rglob("*.*"))
    found = [(str(p), p.stat()) for p in files if p.suffix in (".py", ".yaml", ".json")]
    return digest(repr([(name, s.st_size, s.st_mtime_ns) for name, s in found]))


def _mark(site: Site) -> str:
    """Hash of all that definitions are made from, or of why they cannot be made."""
    try:
        now = open_site(site.root, site.origin)
        return digest(_program(), repr(now.settings), repr(now.known_rules))
    except (NilometerError, OSError) as error:
        return digest(str(error))

"""Which daemon looks at a site: the sensors put it down each time, so that a second one is noticed.

Two daemons would ask for every run twice, whether or not they share a Dagster instance; so a note lies in the site, not
in the instance. That only one run writes at a time is another matter, see `pipeline.locks`.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import dagster as dg
from dagster._core.storage.runs.sql_run_storage import SqlRunStorage

from pipeline.site import Site
from pipeline.stored.unchanged import ALIVE

SILENT_SECONDS = 300
"""A daemon that has not looked for so long is gone; on this machine one is gone with its process."""
REMEDY = (
    "End one of them; one that has ended counts as gone with that process, or after "
    f"{SILENT_SECONDS // 60} minutes of silence."
)
_OF_A_PARENT = "--heartbeat"
"""What Dagster starts a code server with that ends with the process which started it."""


@dataclass(frozen=True)
class Daemon:
    """A daemon, as it put itself down."""

    host: str
    process: int
    """The daemon's; where it asks a code server that runs by itself, that one's."""
    site: str
    """The site's folder: a copy of it has no daemon."""
    home: str
    """Its DAGSTER_HOME, which in another container may be another one of the same path."""
    history: str
    """What its run history calls itself."""
    seen: float
    """When it looked last, seconds since 1970."""

    @property
    def is_there(self) -> bool:
        """Whether it looked lately and, where that can be known, still has a process."""
        if abs(time.time() - self.seen) > SILENT_SECONDS:
            return False
        return self.host != platform.node() or _is_running(self.process)

    def __str__(self) -> str:
        return f"process {self.process} on {self.host}, DAGSTER_HOME {self.home}"


def put_down(site: Site, instance: dg.DagsterInstance) -> Daemon | None:
    """Put this daemon down as the one that looks at the site; another one that does already is returned instead.

    To be called where its definitions are. Not for a look that somebody tries by hand, in the UI or with `dagster
    sensor preview`.
    """
    known = looking(site)
    home, history = instance.root_directory, _history(instance)
    me = Daemon(platform.node(), _lasting(), str(site.root), home, history, time.time())
    # Daemons that ask the same code server are told apart by their instance.
    if known is not None and replace(known, seen=me.seen) != me:
        return known
    path = note(site)
    draft = path.with_suffix(f".{os.getpid()}")
    with suppress(OSError):  # A full or read-only disk is told of by runs.
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(json.dumps(asdict(me)), encoding="utf-8")
        draft.replace(path)
    return None


def looking(site: Site) -> Daemon | None:
    """The daemon that looks at the site, if there is one."""
    try:
        found = Daemon(**json.loads(note(site).read_text(encoding="utf-8")))
        return found if found.site == str(site.root) and found.is_there else None
    except (OSError, ValueError, TypeError):
        return None


def note(site: Site) -> Path:
    """Where a daemon is put down."""
    return site.storage.workspace / ALIVE / "daemon.json"


def _lasting() -> int:
    """The process that holds the definitions for as long as the daemon may ask.

    The daemon, and a code server that can reload, hold them in a child that they replace from time to time; `dagster
    api grpc` holds them itself, and its parent is a shell, systemd or nothing.
    """
    return os.getppid() if _OF_A_PARENT in sys.argv else os.getpid()


def _history(instance: dg.DagsterInstance) -> str:
    """The name that a run history was given as it was made."""
    storage = instance.run_storage
    return storage.get_run_storage_id() if isinstance(storage, SqlRunStorage) else ""


def _is_running(process: int) -> bool:
    try:
        with suppress(PermissionError):  # It is somebody else's.
            os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True

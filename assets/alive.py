"""Which runs still have a process: each holds an operating-system lock on a file of its own until it ends.

A process that is killed gives its lock back by dying, so that its run can be told from one that works. That only one
run writes at a time is another matter, see `pipeline.locks`.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg

from pipeline.site import Site

RUNNING = (dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING)
YOUNG_SECONDS = 60
"""A lock that nobody holds yet may be about to be taken."""
_held: dict[Path, int] = {}


def _folder(site: Site) -> Path:
    return site.storage.workspace / "alive"


def hold(site: Site, run_id: str) -> None:
    """Show that this process works on the run, until release or the process's end."""
    path = _folder(site) / f"{run_id}.lock"
    if path in _held:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o640)
    fcntl.flock(handle, fcntl.LOCK_EX)
    _held[path] = handle


def release(site: Site, run_id: str) -> None:
    """This process is done with the run."""
    path = _folder(site) / f"{run_id}.lock"
    if (handle := _held.pop(path, None)) is not None:
        path.unlink(missing_ok=True)
        os.close(handle)


def bury(instance: dg.DagsterInstance, site: Site) -> list[str]:
    """Mark runs whose process died as failed, as they would be waited for; the ids of these runs."""
    running = {r.run_id: r for r in instance.get_runs(dg.RunsFilter(statuses=list(RUNNING)))}
    dead = []
    for run_id in _orphans(site):
        if run_id in running:
            instance.report_run_failed(running[run_id], "The process of this run died before it ended.")
            dead.append(run_id)
    return dead


def _orphans(site: Site) -> Iterator[str]:
    """Runs whose lock nobody holds; their files go."""
    folder = _folder(site)
    for path in sorted(folder.glob("*.lock")) if folder.is_dir() else ():
        if path not in _held and _is_free(path):
            path.unlink(missing_ok=True)
            yield path.stem


def _is_free(path: Path) -> bool:
    try:
        young = time.time() - path.stat().st_mtime < YOUNG_SECONDS
        handle = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    if young:
        os.close(handle)
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    return True

"""One run a site at a time: an operating-system lock on a file, which a killed process gives back by dying.

Of tables in an object store, other machines are kept out besides, by the store's lease (`pipeline.objects.lease`).
Readers need no lock, as days are replaced atomically. Which work must hold it is decided by the callers.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import BusyError, Location
from pipeline.storage import Storage
from pipeline.waits import waits

_held: dict[Path, int] = {}


@contextmanager
def site_lock(storage: Storage, *, wait: bool) -> Iterator[None]:
    """Hold the lock of a site's tables; within one process it may be taken again.

    Raises:
        BusyError: another process holds it, here or on another machine, and wait is false.
        StorageError: the object store cannot be reached.
    """
    path = storage.workspace / "run.lock"
    if path in _held:
        yield
        return
    storage.workspace.mkdir(parents=True, exist_ok=True)
    busy = BusyError(
        "another run is at work on this site.",
        where=Location(file=str(path)),
        remedy="Wait for it to end; a run that has died gives the lock back by itself.",
    )
    with lock(path, None if wait else busy) as handle:
        _held[path] = handle
        try:
            with storage.objects.leased(wait=wait):
                yield
        finally:
            _held.pop(path, None)


@contextmanager
def lock(path: Path, busy: BusyError | None) -> Iterator[int]:
    """Hold the lock of a file, in a folder that is there; waits for it, or raises busy where that is given."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o640)
    try:
        try:
            if not _takes(handle):
                if busy is not None:
                    raise busy
                waits(f"{path}: another run is at work on this site; this one waits for it to end.")
                fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError as error:
            error.filename = str(path)
            raise
        yield handle
    finally:
        os.close(handle)


def _takes(handle: int) -> bool:
    """Whether the lock is ours now; else another process holds it."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

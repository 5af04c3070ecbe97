"""One run a site at a time: an operating-system lock on a file, which a killed process gives back by dying.

Readers need no lock, as days are replaced atomically. Which work must hold it is decided by the callers.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import Location, NilometerError

_held: dict[Path, int] = {}


class BusyError(NilometerError):
    """Another process is at work on the site."""


@contextmanager
def site_lock(root: Path, *, wait: bool) -> Iterator[None]:
    """Hold the lock of a storage folder; within one process it may be taken again.

    Raises:
        BusyError: another process holds it and wait is false.
    """
    path = root / "run.lock"
    if path in _held:
        yield
        return
    root.mkdir(parents=True, exist_ok=True)
    busy = BusyError(
        "another run is at work on this site.",
        where=Location(file=str(path)),
        remedy="Wait for it to end; a run that has died gives the lock back by itself.",
    )
    with lock(path, None if wait else busy) as handle:
        _held[path] = handle
        try:
            yield
        finally:
            _held.pop(path, None)


@contextmanager
def lock(path: Path, busy: BusyError | None) -> Iterator[int]:
    """Hold the lock of a file, in a folder that is there; waits for it, or raises busy where that is given."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o640)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if busy is None else fcntl.LOCK_NB))
        except BlockingIOError as error:
            assert busy is not None
            raise busy from error
        except OSError as error:
            error.filename = str(path)
            raise
        yield handle
    finally:
        os.close(handle)

"""The history that Dagster keeps in sqlite, held open while a run writes it.

Dagster opens its files anew for every event, and as their last user sqlite carries the event over and waits for the
disk before it closes them: a third of the time of a run over months. Held open, an event costs a sixth of the processor
and a tenth of the wait. When a run ends all it told is on the disk; should the power fail before, its last events may
be gone, never the file, and the tables say what was made. Other storages are left as they are.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME, SqliteEventLogStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from sqlalchemy import Connection, Engine, QueuePool, create_engine, event
from sqlalchemy.exc import DBAPIError

_MOST = 4
"""Files held open at once: the index of all runs, and those of the runs looked at last."""


@contextmanager
def kept_open(instance: dg.DagsterInstance) -> Iterator[None]:
    """Hold what the instance writes of its runs open until the end; inside of another such block nothing changes."""
    storage = instance.event_log_storage
    # Its kin keep their events elsewhere, and open them in ways of their own.
    if type(storage) is not SqliteEventLogStorage or "_connect" in vars(storage):
        yield
        return
    files = _Files(storage)
    vars(storage)["_connect"] = files.connect
    try:
        yield
    finally:
        vars(storage).pop("_connect", None)  # Another thread's block may have ended as this one began.
        files.close()


class _Files:
    """The open files of one storage, by the name of what they hold (`shard`): a run's id, or the index."""

    def __init__(self, storage: SqliteEventLogStorage) -> None:
        self._storage, self._opened = storage, OrderedDict[str, tuple[Engine, tuple[int, int]]]()
        self._first, self._lock = partial(SqliteEventLogStorage._connect, storage), storage._db_lock

    @contextmanager
    def connect(self, shard: str) -> Iterator[Connection]:
        """A transaction, as the storage's own method gives it."""
        if not self._is_open(shard):
            with self._first(shard):  # Which makes the file and its tables where they are not there yet.
                pass
        with self._lock:
            with self._engine(shard).connect() as connection, connection.begin():
                yield connection
            if shard != INDEX_SHARD_NAME:
                # Who watches a run in the UI is told of events by a change of its file, not of the log beside it.
                with suppress(OSError):  # What was written is no less written without.
                    os.utime(self._storage.path_for_shard(shard))

    def close(self) -> None:
        """Bring all onto the disk."""
        with self._lock:
            while self._opened:
                self._drop(next(iter(self._opened)))

    def _is_open(self, shard: str) -> bool:
        """Whether the file is held, and is still the one under its name."""
        with self._lock:
            if shard not in self._opened:
                return False
            if self._opened[shard][1] == self._identity(shard):
                return True
            self._drop(shard)
            self._storage._initialized_dbs.discard(shard)
            return False

    def _engine(self, shard: str) -> Engine:
        if shard not in self._opened:
            while len(self._opened) >= _MOST:
                self._drop(next(iter(self._opened)))
            self._opened[shard] = _opened(self._storage.conn_string_for_shard(shard)), self._identity(shard)
        self._opened.move_to_end(shard)
        return self._opened[shard][0]

    def _drop(self, shard: str) -> None:
        engine, _ = self._opened.pop(shard)
        # Who else has the file open carries over what this could not: nothing is lost by it.
        with suppress(DBAPIError), engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        engine.dispose()

    def _identity(self, shard: str) -> tuple[int, int]:
        try:
            found = Path(self._storage.path_for_shard(shard)).stat()
        except FileNotFoundError:
            return (0, 0)
        return found.st_dev, found.st_ino


def _opened(url: str) -> Engine:
    """An engine that keeps its one connection, whichever thread asks for it."""
    patience = {"timeout": SQLITE_BUSY_TIMEOUT_SECONDS, "check_same_thread": False}
    engine = create_engine(url, poolclass=QueuePool, pool_size=1, max_overflow=0, connect_args=patience)

    @event.listens_for(engine, "connect")
    def relax(connection: Any, _: object) -> None:
        # With a log ahead (WAL) the file stays whole; the disk is waited for when the log is carried over.
        connection.execute("PRAGMA synchronous=NORMAL").close()

    return engine

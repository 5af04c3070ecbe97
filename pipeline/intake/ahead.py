"""Reading logs into entries: here, or in other processes ahead of the landing, which asks for them one by one in order.

Which files are read, and what becomes of what was read, is decided in `landing` alone, so that the result is the same
whoever reads. A process that fails or is killed costs time only: the landing reads the file itself, and says what is
wrong with it.
"""

from __future__ import annotations

import datetime as dt
import pickle
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass

from pipeline.errors import SourceError
from pipeline.intake.asked import Asked
from pipeline.intake.found import FoundFile
from pipeline.intake.keeping import Keeping
from pipeline.intake.lander import FileLander, landed_name
from pipeline.intake.ledger import Entry, Ledger
from pipeline.intake.peek import reach
from pipeline.intake.quarantine import quarantine_name
from pipeline.intake.reading_options import options_for
from pipeline.objects import Objects
from pipeline.processes import worker_pool
from pipeline.settings import Settings, SourceSettings
from pipeline.sources.watch import Watch
from pipeline.storage import Storage

WORTH_BYTES = 64 << 20
"""Of less than so much to read, processes would take longer to begin than to read."""
_AHEAD = 2
"""Files read ahead for each process: while one is taken another is being read."""


@dataclass(frozen=True)
class Reading:
    """A file to be read, and the entry to read it into."""

    source: SourceSettings
    file: FoundFile
    entry: Entry
    old: Entry | None
    days: Sequence[dt.date] | None = None
    """Only a file that may hold one of these days is kept; None keeps it whatever it holds."""

    @property
    def key(self) -> tuple[str, str]:
        """Source and name."""
        return self.file.source, self.file.name


@dataclass(frozen=True)
class Read:
    """What became of a reading."""

    entry: Entry
    written: list[str]
    """Parquet files that were written, as parts name them."""
    unwanted: bool = False
    """Whether the file holds none of the days, so that nothing of it is to be kept."""
    error: SourceError | None = None


class FileReader:
    """Reads the files of a site."""

    def __init__(
        self, storage: Storage, settings: Settings, now: dt.datetime, watch: Callable[[SourceSettings], Watch]
    ) -> None:
        """A reader that begins at a time, and keeps what is watched in a source."""
        self._storage, self._settings, self._now, self._watch = storage, settings, now, watch

    def read(self, reading: Reading) -> Read:
        """Read a file into its entry."""
        source, days = reading.source, reading.days
        options = options_for(source, self._settings.limits, self._now, self._watch(source))
        wanted = None if days is None else (lambda span: Asked(days).may_be_in(reach(span, source)))
        lander = FileLander(self._storage, self._settings, source, reading.file, options, wanted)
        error = None
        try:
            lander.run(reading.entry, reading.old)
        except SourceError as fault:
            error = fault
        return Read(reading.entry, lander.written, lander.unwanted, error)


class Ahead:
    """What other processes read meanwhile; without any, nothing."""

    def __init__(self, objects: Objects, pool: ProcessPoolExecutor | None = None, room: int = 0) -> None:
        """Where what is read lies, a pool, and how many files may be read ahead."""
        self._objects, self._pool, self.room = objects, pool, room
        self._given: dict[tuple[str, str], tuple[bytes, Future[Read | None]]] = {}
        self._considered: set[tuple[str, str]] = set()

    def considers(self, file: FoundFile) -> bool:
        """Whether the file may be given: nobody asked before."""
        key = file.source, file.name
        if key in self._considered:
            return False
        self._considered.add(key)
        return True

    def give(self, reading: Reading) -> None:
        """Have a file read, as it is asked for now."""
        if self._pool is None:
            return
        told = pickle.dumps(reading)
        try:
            self._given[reading.key] = told, self._pool.submit(_read, told)
        except (OSError, BrokenProcessPool):  # No more processes are allowed, or one was killed.
            self._pool, self.room = None, 0

    def take(self, reading: Reading) -> Read | None:
        """What was read of the file, if it was given as it is asked for now; None where it is to be read here."""
        told, future = self._given.pop(reading.key, (b"", None))
        if future is None:
            return None
        try:
            found = future.result()
        except BrokenProcessPool:
            self._pool, self.room = None, 0
            return None
        if found is not None:
            self._objects.written_beside([*map(landed_name, found.written), quarantine_name(found.entry)])
        return found if pickle.loads(told) == reading else None  # noqa: S301 - our own bytes of a moment ago


@contextmanager
def reading_ahead(
    storage: Storage, settings: Settings, now: dt.datetime, files: Collection[FoundFile]
) -> Iterator[Ahead]:
    """Processes as the site has them (`landing_processes`), where they are worth their beginning."""
    processes = min(settings.landing_processes, len(files))
    if processes < 2 or sum(f.size for f in files) < WORTH_BYTES:
        yield Ahead(storage.objects)
        return
    with worker_pool(processes, _begin, (storage, settings, now)) as pool:
        yield Ahead(storage.objects, pool, processes * _AHEAD)


# In the other processes

_reader: FileReader | None = None


def _begin(storage: Storage, settings: Settings, now: dt.datetime) -> None:
    global _reader  # noqa: PLW0603 - what a process has learnt of addresses serves all of its files
    _reader = FileReader(storage, settings, now, Keeping(settings, Ledger()).watch)


def _read(told: bytes) -> Read | None:
    """Read a file; None where that failed in any way, which is told by who reads it again."""
    if _reader is None:
        return None
    try:
        found = _reader.read(pickle.loads(told))  # noqa: S301 - made by this program in the process that began this one
    except Exception:
        return None
    return None if found.error else found

"""Objects of a store that are fetched beside a landing, a few before it comes to them.

Of thousands of small objects most of the time is their way, one after the other. Which objects are read, and what
becomes of one that does not come, is decided in `landing`, which then fetches it itself. How one is fetched is known to
`pipeline.intake.remote`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path

from pipeline.intake.found import FoundFile, RemoteFile

AT_ONCE = 8
"""Objects on their way; twice as many may wait as copies."""
LARGE_BYTES = 64 << 20
"""An object so large fills the line by itself, and a disk with others like it."""


class Fetching:
    """What is on its way; without a pool, nothing."""

    def __init__(self, pool: ThreadPoolExecutor | None = None) -> None:
        """With a pool of threads."""
        self._pool = pool
        self._asked: dict[tuple[str, str], Future[None]] = {}

    def ask(self, files: Iterable[FoundFile]) -> None:
        """Have the first of the files fetched that are objects, each once."""
        if self._pool is None:
            return
        for file in islice(files, 2 * AT_ONCE):
            key = file.source, file.name
            if not isinstance(file.place, Path) and file.size < LARGE_BYTES and key not in self._asked:
                self._asked[key] = self._pool.submit(_fetch, file.place)

    def wait(self, file: FoundFile) -> None:
        """Wait for a file that is on its way; it is not fetched ahead again."""
        if (asked := self._asked.get((file.source, file.name))) is not None:
            asked.result()


def _fetch(place: RemoteFile) -> None:
    with suppress(Exception):  # Whatever it is, the landing meets it, too, and tells it.
        place.fetch()


@contextmanager
def fetching_ahead(files: Collection[FoundFile], *, wanted: bool) -> Iterator[Fetching]:
    """Threads that fetch, where that is wanted and several of the files are objects."""
    if not wanted or sum(not isinstance(f.place, Path) for f in files) < 2:
        yield Fetching()
        return
    pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="fetching")
    try:
        yield Fetching(pool)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)

"""An object store as the place of a site's bytes: one PUT replaces an object, one GET reads a whole version of it.

Parquet is read from local copies of whole versions, told apart by the store's own tag: readers that ask for ranges, as
Polars does by itself, get parts of two versions when an object is replaced meanwhile (docs/decisions/0008). What the
bytes mean is not known here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import Any

from pipeline.disk import writing
from pipeline.objects.base import Write
from pipeline.objects.bucket import Bucket, ChangedError
from pipeline.objects.copies import Copies
from pipeline.objects.known import Known, Listed
from pipeline.objects.lease import Lease
from pipeline.objects.stamp import Stamp, short_hash
from pipeline.objects.urls import ObjectUrl, Option

END_BYTES = 1 << 16
"""Read to find a footer; nearly all are smaller."""
PARQUET = b"PAR1"
"""How a Parquet file begins and ends; put before its end, that passes for a file of which only the rows are missing."""
WORKERS = 8


class CloudObjects:
    """The objects below one URL; copies of them are kept in a local folder."""

    def __init__(self, url: ObjectUrl, options: Mapping[str, Option], workspace: Path) -> None:
        self.workspace = workspace
        self._bucket = Bucket(url, options)
        self._copies = Copies(workspace / "copies")
        self._known = Known(self._bucket)
        self._lease = Lease(self._bucket, workspace / "lease")

    @contextmanager
    def leased(self, *, wait: bool) -> Iterator[None]:
        """Hold the store's lease; what was seen before it was taken is asked anew."""
        with self._lease.held(wait=wait):
            self._known.forget_all()
            yield

    def still(self) -> CloudObjects:
        """One listing of each folder tells what is there, however often it is asked."""
        view = copy(self)
        view._known = Listed(self._bucket)
        return view

    def where(self, name: str) -> str:
        """The object's URL."""
        return self._bucket.where(name)

    def exists(self, name: str) -> bool:
        """Whether the object is there."""
        return self._known.stamp(name) is not None

    def size(self, name: str) -> int:
        """Bytes of the object."""
        stamp = self._known.stamp(name)
        return stamp.size if stamp else 0

    def put(self, name: str, write: Write) -> None:
        """Write a local file, then send it; the file stays as the object's copy."""
        with self._copies.draft() as draft:
            with writing(draft):
                write(draft)
            self._lease.check()
            self._known.forget(name)
            sent = self._bucket.put(name, draft)
            if sent.etag:
                self._copies.keep(draft, self._copy(sent))
                self._known.note(name, sent)

    def read(self, name: str) -> bytes | None:
        """The object's bytes."""
        return self._bucket.get(name) if self._known.stamp(name) else None

    def fetch(self, names: Sequence[str]) -> list[Path | None]:
        """Copies of the objects as they are now; what is not held is fetched, several at once."""
        if len(names) < 2:
            return [self._fetch(n) for n in names]
        with ThreadPoolExecutor(min(WORKERS, len(names))) as pool:
            return list(pool.map(self._fetch, names))

    def _fetch(self, name: str) -> Path | None:
        stamp = self._known.stamp(name)
        if stamp is None:
            return None
        if (whole := self._held(stamp)) is not None:
            return whole
        with self._copies.draft() as draft:
            came = self._bucket.download(stamp, draft, exact=False)
            return self._copies.keep(draft, self._copy(came))

    def _copy(self, stamp: Stamp) -> Path:
        return self._copies.path(short_hash(self.where(stamp.key)), stamp.version)

    def _held(self, stamp: Stamp) -> Path | None:
        """The whole copy of a version, where there is one."""
        whole = self._copy(stamp)
        return whole if self._copies.held(whole, stamp.size) else None

    def end(self, name: str) -> Path | None:
        """The copy, where it is held; else one of the object's last bytes."""
        stamp = self._known.stamp(name)
        if stamp is None:
            return None
        if (whole := self._held(stamp)) is not None:
            return whole
        end = self._copies.path(short_hash(self.where(name)), f"{stamp.version}-end")
        if self._copies.held(end):
            return end
        try:
            with self._copies.draft() as draft:
                draft.write_bytes(PARQUET + self._last_bytes(stamp))
                return self._copies.keep(draft, end)
        except ChangedError:  # Replaced since it was asked for: a whole version comes at once.
            self._known.forget(name)
            return self._fetch(name)

    def _last_bytes(self, stamp: Stamp) -> bytes:
        tail = self._bucket.tail(stamp, END_BYTES)
        footer = int.from_bytes(tail[-8:-4], "little") + 8
        return self._bucket.tail(stamp, footer) if len(tail) < footer < stamp.size else tail

    def written_beside(self, names: Sequence[str]) -> None:
        """What is known of the objects is of before."""
        for name in names:
            self._known.forget(name)

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process has its own view of the store, and the lease of the run that it works for."""
        return CloudObjects, (self._bucket.url, self._bucket.options, self.workspace)

    def remove(self, name: str) -> None:
        """Delete the object."""
        self._lease.check()
        self._known.forget(name)
        self._bucket.delete(name)
        self._known.note(name, None)

    def names(self, folder: str) -> list[str]:
        """The objects right below a folder."""
        return [s.key for s in self._bucket.list(folder, deep=False)]

    def below(self, folder: str) -> list[str]:
        """The objects at any depth below a folder."""
        return [s.key for s in self._bucket.list(folder, deep=True)]

"""The few requests that are made of an object store, each on whole objects, with faults as StorageError.

Requests that fail for a while are tried again by obstore itself. Imported only where an object store is configured.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import obstore
from obstore.exceptions import BaseError

from pipeline.objects.base import check_name
from pipeline.objects.client import fault, open_store
from pipeline.objects.urls import ObjectUrl, Option

if TYPE_CHECKING:
    from obstore import GetOptions, ObjectMeta

T = TypeVar("T")
PART_BYTES = 8 << 20
"""Objects larger than this are sent in parts of this size, and appear when the last one is acknowledged."""
PIECE_BYTES = 1 << 20
_FAULTS = (BaseError, OSError, ValueError)
"""What obstore raises; a missing object is a FileNotFoundError."""


@dataclass(frozen=True)
class Stamp:
    """One version of an object, as the store tells of it."""

    key: str
    size: int
    mtime_ns: int
    etag: str

    @property
    def version(self) -> str:
        """What tells this version from another: a digest of the tag, or of the time where there is none."""
        return short_hash(self.etag or str(self.mtime_ns), str(self.size))


def short_hash(*texts: str) -> str:
    """128 bits of SHA-256, hex: a file name for any text."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:32]


def _stamp(meta: ObjectMeta) -> Stamp:
    time = meta["last_modified"]
    return Stamp(meta["path"], meta["size"], round(time.timestamp() * 1e6) * 1_000, meta["e_tag"] or "")


def _this(stamp: Stamp) -> GetOptions:
    """Ask for this version only."""
    return {"if_match": stamp.etag} if stamp.etag else {}


class Bucket:
    """The objects below one URL."""

    def __init__(self, url: ObjectUrl, options: Mapping[str, Option]) -> None:
        self.url = url
        self._store = open_store(url, options)

    def where(self, key: str) -> str:
        """An object's URL."""
        return self.url.joined(key)

    def _do(self, key: str, action: Callable[[], T]) -> T:
        try:
            return action()
        except _FAULTS as error:
            raise fault(error, self.url, self.where(key)) from None  # The cause may quote what is secret.

    def _ask(self, key: str, action: Callable[[], T]) -> T | None:
        def asked() -> T | None:
            try:
                return action()
            except FileNotFoundError:
                return None

        return self._do(key, asked)

    def head(self, key: str) -> Stamp | None:
        """The object's current version; None when there is no object."""
        found = self._ask(key, lambda: obstore.head(self._store, check_name(key)))
        return _stamp(found) if found else None

    def get(self, key: str) -> bytes | None:
        """All bytes of a small object."""
        return self._ask(key, lambda: obstore.get(self._store, check_name(key)).bytes().to_bytes())

    def tail(self, stamp: Stamp, size: int) -> bytes:
        """The last bytes of this very version."""
        first = max(0, stamp.size - size)
        asked: GetOptions = {**_this(stamp), "range": (first, stamp.size)}
        return self._do(stamp.key, lambda: obstore.get(self._store, stamp.key, options=asked).bytes().to_bytes())

    def download(self, stamp: Stamp, to: Path) -> None:
        """Write this very version into a file; raises StorageError when it is no longer there, or came short."""

        def fetch() -> None:
            got = obstore.get(self._store, stamp.key, options=_this(stamp))
            with to.open("wb") as out:
                for piece in got.stream(min_chunk_size=PIECE_BYTES):
                    out.write(piece)
            if to.stat().st_size != stamp.size:
                raise OSError(f"{to.stat().st_size:,} of {stamp.size:,} bytes came")

        self._do(stamp.key, fetch)

    def put(self, key: str, path: Path) -> Stamp:
        """Make a file's bytes the object, at once."""
        sent = self._do(key, lambda: obstore.put(self._store, check_name(key), path, chunk_size=PART_BYTES))
        return Stamp(key, path.stat().st_size, 0, sent["e_tag"] or "")

    def delete(self, key: str) -> None:
        """Delete an object, if it is there."""
        self._ask(key, lambda: obstore.delete(self._store, check_name(key)))

    def list(self, prefix: str, *, deep: bool) -> list[Stamp]:
        """The objects below a prefix, which ends at a '/': at any depth, or right below it only; in order."""

        def pages() -> list[ObjectMeta]:
            if deep:
                return [meta for page in obstore.list(self._store, prefix or None) for meta in page]
            return list(obstore.list_with_delimiter(self._store, prefix or None)["objects"])

        return sorted((_stamp(m) for m in self._do(prefix, pages)), key=lambda s: s.key)

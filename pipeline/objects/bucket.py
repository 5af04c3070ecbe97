"""The few requests that are made of an object store, each on whole objects, with faults as StorageError.

Requests that fail for a while are tried again by obstore itself. Imported only where an object store is configured.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, NotSupportedError, PreconditionError

from pipeline.errors import Location, StorageError
from pipeline.objects.base import check_name
from pipeline.objects.client import fault, open_store
from pipeline.objects.stamp import Stamp
from pipeline.objects.urls import ObjectUrl, Option

if TYPE_CHECKING:
    from obstore import GetOptions, ObjectMeta, PutResult

T = TypeVar("T")
PART_BYTES = 8 << 20
"""Objects larger than this are sent in parts of this size, and appear when the last one is acknowledged."""
PIECE_BYTES = 1 << 20
_UNKNOWN = "status code: 501"
"""How a store says, in obstore's words, that it knows no conditions."""
_NO_BUCKET = re.compile("NoSuchBucket|ContainerNotFound")
_FAULTS = (BaseError, OSError, ValueError)
"""What obstore raises; a missing object is a FileNotFoundError."""


def _stamp(meta: ObjectMeta) -> Stamp:
    time = meta["last_modified"]
    return Stamp(meta["path"], meta["size"], round(time.timestamp() * 1e6) * 1_000, meta["e_tag"] or "")


def _version(meta: ObjectMeta | PutResult) -> Version:
    found = {"e_tag": meta["e_tag"], "version": meta["version"]}
    return {name: value for name, value in found.items() if value is not None}


def _this(stamp: Stamp) -> GetOptions:
    """Ask for this version only."""
    return {"if_match": stamp.etag} if stamp.etag else {}


Version = Mapping[str, str]
"""What tells a version from all others to the store: the entity tag, and the store's own number where it has one."""


@dataclass(frozen=True)
class Versioned:
    """The bytes of a small object, and of which version they are."""

    data: bytes
    version: Version


class ChangedError(StorageError):
    """An object is not as it was when it was listed."""


class UnconditionalError(StorageError):
    """The store knows no conditions of a write."""


class Bucket:
    """The objects below one URL."""

    def __init__(self, url: ObjectUrl, options: Mapping[str, Option]) -> None:
        self.url = url
        self.options = dict(options)
        self._store = open_store(url, options)
        self._is_there = False

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process opens the store once, however often it is told of it."""
        return _opened, (self.url, tuple(self.options.items()))

    def where(self, key: str) -> str:
        """An object's URL."""
        return self.url.joined(key)

    def _do(self, key: str, action: Callable[[], T]) -> T:
        try:
            return action()
        except _FAULTS as error:
            raise fault(error, self.url, self.where(key)) from None  # The cause may quote what is secret.

    def _read(self, key: str, action: Callable[[], T]) -> T:
        def read() -> T:
            try:
                return action()
            except (PreconditionError, FileNotFoundError) as error:
                raise ChangedError(
                    "this object changed or went away while it was read.",
                    where=Location(file=self.where(key)),
                    remedy="Run again.",
                ) from error

        return self._do(key, read)

    def _ask(self, key: str, action: Callable[[], T]) -> T | None:
        def asked() -> T | None:
            try:
                return action()
            except FileNotFoundError as error:
                if _NO_BUCKET.search(str(error)):
                    raise
                return None

        return self._do(key, asked)

    def _seek(self, key: str, action: Callable[[], T]) -> T | None:
        """As ask; raises StorageError where the bucket is missing, which a store answers as it does of an object."""
        found = self._ask(key, action)
        if found is None and not self._is_there:
            self._do("", lambda: next(iter(obstore.list(self._store, chunk_size=1)), None))
        self._is_there = True
        return found

    def head(self, key: str) -> Stamp | None:
        """The object's current version; None when there is no object."""
        found = self._seek(key, lambda: obstore.head(self._store, check_name(key)))
        return _stamp(found) if found else None

    def get(self, key: str) -> bytes | None:
        """All bytes of a small object."""
        return self._seek(key, lambda: obstore.get(self._store, check_name(key)).bytes().to_bytes())

    def tail(self, stamp: Stamp, size: int) -> bytes:
        """The last bytes of this very version; raises ChangedError when it is no longer there."""
        first = max(0, stamp.size - size)
        asked: GetOptions = {**_this(stamp), "range": (first, stamp.size)}
        return self._read(stamp.key, lambda: obstore.get(self._store, stamp.key, options=asked).bytes().to_bytes())

    def download(self, stamp: Stamp, to: Path, *, exact: bool) -> Stamp:
        """Write a whole version into a file: this very one, or the one that is there by now, which is told.

        Raises:
            ChangedError: there is none any more, or exactly this one was asked for, and it is no longer there.
        """

        def fetch() -> Stamp:
            got = obstore.get(self._store, stamp.key, options=_this(stamp) if exact else None)
            with to.open("wb") as out:
                for piece in got.stream(min_chunk_size=PIECE_BYTES):
                    out.write(piece)
            came, whole = to.stat().st_size, _stamp(got.meta)
            if came != whole.size:
                raise OSError(f"{came:,} of {whole.size:,} bytes came")
            return replace(whole, key=stamp.key)

        return self._read(stamp.key, fetch)

    def put(self, key: str, path: Path) -> Stamp:
        """Make a file's bytes the object, at once."""
        sent = self._do(key, lambda: obstore.put(self._store, check_name(key), path, chunk_size=PART_BYTES))
        return Stamp(key, path.stat().st_size, 0, sent["e_tag"] or "")

    def versioned(self, key: str) -> Versioned | None:
        """All bytes of a small object, with its version; None when there is no object."""

        def get() -> Versioned:
            got = obstore.get(self._store, check_name(key))
            return Versioned(got.bytes().to_bytes(), _version(got.meta))

        return self._seek(key, get)

    def put_if(self, key: str, data: bytes, version: Version | None) -> Version | None:
        """Make these bytes the object if it is of this version, or is not there; the new version, None if it is not so.

        Raises:
            UnconditionalError: the store knows no conditions.
        """
        mode: Any = dict(version) if version is not None else "create"

        def put() -> Version | None:
            try:
                return _version(obstore.put(self._store, check_name(key), data, mode=mode))
            except (AlreadyExistsError, PreconditionError):
                return None
            except FileNotFoundError:
                if version is None:  # Not the object is missing, but the bucket.
                    raise
                return None
            except BaseError as error:
                if isinstance(error, NotSupportedError) or _UNKNOWN in str(error):
                    what = "this store knows no conditional writes."
                    raise UnconditionalError(what, where=Location(file=self.where(key))) from None
                raise

        return self._do(key, put)

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


@cache
def _opened(url: ObjectUrl, options: tuple[tuple[str, Option], ...]) -> Bucket:
    return Bucket(url, dict(options))

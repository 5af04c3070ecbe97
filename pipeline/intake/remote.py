"""The objects of a source in an object store: a prefix to list, a glob to match, and copies to read from.

An object is read as one whole version, the one that was listed, or not at all. How a file is read from its copy belongs
to `pipeline.sources`. Imported only for sources with a URL.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pipeline.errors import Location, SourceError, StorageError
from pipeline.globs import is_hidden, pattern_regex
from pipeline.intake.found import FoundFile, as_day
from pipeline.objects.bucket import Bucket
from pipeline.objects.copies import Copies
from pipeline.objects.stamp import Stamp, short_hash
from pipeline.objects.urls import ObjectUrl, split_glob
from pipeline.settings import SourceSettings


@dataclass(frozen=True)
class RemoteObject:
    """One version of an object, and where its copy lies; two of one source are told apart by the version alone."""

    bucket: Bucket = field(compare=False)
    stamp: Stamp
    copies: Copies = field(compare=False)

    @property
    def _copy(self) -> Path:
        return self.copies.path(short_hash(self.bucket.where(self.stamp.key)), self.stamp.version)

    def fetch(self) -> Path:
        """The whole version as a local file; raises SourceError when it changed since then, or did not come."""
        copy = self._copy
        if self.copies.held(copy, self.stamp.size):
            return copy
        if self.stamp.size > (room := self.copies.room()):
            raise SourceError(
                f"has {self.stamp.size:,} bytes, and there are {room:,} on this machine's disk for a copy of it.",
                where=Location(file=self.bucket.where(self.stamp.key)),
                remedy="Make room, or cut the file into smaller ones.",
            )
        try:
            with self.copies.draft() as draft:
                self.bucket.download(self.stamp, draft, exact=True)
                return self.copies.keep(draft, copy)
        except StorageError as error:
            raise SourceError(
                f"cannot be fetched as it was listed: {error.what}",
                where=error.where,
                remedy="Run its day again; an object that changed meanwhile is read as it is then.",
            ) from error

    def release(self) -> None:
        """Delete the copy."""
        self._copy.unlink(missing_ok=True)


def find_objects(cache: Path, source: SourceSettings) -> list[FoundFile]:
    """All objects of a source, ordered by name; their names are relative to the folder before the first wildcard.

    Raises:
        StorageError: the store cannot be listed.
    """
    url, pattern = split_glob(source.path)
    bucket = Bucket(ObjectUrl(url.store, url.bucket, "", url.account), source.storage_options)
    prefix = f"{url.key}/" if url.key else ""
    copies = Copies(cache / "sources")
    matches = pattern_regex(pattern).fullmatch
    found = []
    for stamp in bucket.list(prefix, deep="/" in pattern or "**" in pattern):
        name = stamp.key.removeprefix(prefix)
        if (match := matches(name)) and not is_hidden(name, pattern):
            day = as_day(match["day"]) if "day" in match.groupdict() else None
            place = RemoteObject(bucket, stamp, copies)
            found.append(FoundFile(source.name, place, name, stamp.size, stamp.mtime_ns, day, stamp.etag))
    return found

"""One file of a source as it was found, on a disk or in an object store, and the day its name states.

How files are looked for belongs to `pipeline.intake.files` and `pipeline.intake.remote`, what is in them to
`pipeline.sources`.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pipeline.disk import exists

_DAYS_IN_NAME = (
    re.compile(r"(?<!\d)(\d{4})([-_./]?)(\d\d)\2(\d\d)(?:[0-2]\d[0-5]\d(?:[0-5]\d)?)?(?!\d)"),
    re.compile(r"(?<![^/_])(?:y|year)=(\d{4})(/)(?:m|month)=(\d\d?)/(?:d|day)=(\d\d?)(?!\d)", re.IGNORECASE),
)
"""2026-11-01, 20261101 and with a time behind it (nfcapd), the folders 2026/11/01 and year=2026/month=11/day=01."""


class RemoteFile(Protocol):
    """An object that a file of a source is copied from."""

    def fetch(self) -> Path:
        """A local copy of the whole object; raises SourceError."""
        ...

    def release(self) -> None:
        """Delete the copy."""
        ...


@dataclass(frozen=True)
class FoundFile:
    """One file of a source: where it is, the name it has in tables, and the day its path states."""

    source: str
    place: Path | RemoteFile
    name: str
    size: int
    mtime_ns: int
    day: dt.date | None = None
    """The day of `{day}` in the source's path."""
    etag: str = ""
    """Of an object: the store's tag of this version."""
    changed_ns: int = 0
    """When the file was written or renamed last, or its rights or links changed, by the file system's own clock."""

    @property
    def path(self) -> Path:
        """The file, or the object's copy, which is fetched at its first use; raises SourceError when that fails."""
        return self.place if isinstance(self.place, Path) else self.place.fetch()

    @property
    def identity(self) -> tuple[int, int, str]:
        """What stays the same while the file is unchanged."""
        return self.size, self.mtime_ns, self.etag

    @property
    def is_gone(self) -> bool:
        """Whether the file is there no more, as it was renamed or deleted since it was listed."""
        return isinstance(self.place, Path) and not exists(self.place)

    def release(self) -> None:
        """Give up an object's copy, which is not needed any more."""
        if not isinstance(self.place, Path):
            self.place.release()

    @property
    def named_day(self) -> dt.date | None:
        """The day the path states, or else one that its name contains; only used to say which day a fault hurts."""
        if self.day is not None:
            return self.day
        for year, _, month, day in (match.groups() for form in _DAYS_IN_NAME for match in form.finditer(self.name)):
            if (found := as_day(f"{year}-{month:>02}-{day:>02}")) is not None:
                return found
        return None


def as_day(text: str) -> dt.date | None:
    """The day that a path states, or None where it is no day of the calendar."""
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return None

"""Which version of an object is current, without asking the store each time.

A run asks for the same objects again and again, and each question would cost a request. What this process writes itself
is known at once; what others write, after STEADY_SECONDS at the latest.
"""

from __future__ import annotations

import time

from pipeline.objects.bucket import Bucket
from pipeline.objects.stamp import Stamp

STEADY_SECONDS = 2.0
"""How long an object is believed to be as it was last seen."""


class Known:
    """Versions as they were last seen, one by one."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._seen: dict[str, tuple[float, Stamp | None]] = {}

    def stamp(self, name: str) -> Stamp | None:
        """The object's version; None when there is no object."""
        at, stamp = self._seen.get(name, (0.0, None))
        if at + STEADY_SECONDS < time.monotonic():
            stamp = self._bucket.head(name)
            self.note(name, stamp)
        return stamp

    def note(self, name: str, stamp: Stamp | None) -> None:
        """Take in what was just written or deleted."""
        self._seen[name] = (time.monotonic(), stamp)

    def forget(self, name: str) -> None:
        """Ask again next time."""
        self._seen.pop(name, None)

    def forget_all(self) -> None:
        """Ask again of every object, as others may have written since."""
        self._seen.clear()


class Listed(Known):
    """Versions at one moment: a folder is listed when it is first asked for, and not again."""

    def __init__(self, bucket: Bucket) -> None:
        super().__init__(bucket)
        self._folders: dict[str, dict[str, Stamp]] = {}

    def stamp(self, name: str) -> Stamp | None:
        """The object's version; None when there is no object."""
        if name in self._seen:
            return self._seen[name][1]
        folder = name.partition("/")[0]
        if folder not in self._folders:
            self._folders[folder] = {s.key: s for s in self._bucket.list(folder, deep=True)}
        return self._folders[folder].get(name)

    def forget(self, name: str) -> None:
        """Ask the store now, as the listing is out of date."""
        self.note(name, self._bucket.head(name))

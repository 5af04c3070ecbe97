"""Where a process of ours can be killed: every write has a point, told from its path, and phases within it.

This runs in child processes of the tests alone, which put it in the place of the product's one way of writing files.
"""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

REMOVED = " removed"
"""How the name of a point ends at which a file is deleted, which has the first and the last phase only."""
PHASES = ("before", "half", "written", "renamed")
"""Before anything is written; with half of the temporary; before the rename; after it, before the folder is synced."""
Write = Callable[[Path], Any]


def point_of(path: Path, root: Path) -> str:
    """The name of a write point: the table, or what else is kept below the storage's root."""
    first, *_ = path.relative_to(root).parts
    return "ledger" if path.name == "ledger.jsonl" else first


def die() -> None:
    """What kill -9, or the power, does."""
    os.kill(os.getpid(), signal.SIGKILL)


class Killer:
    """Stands in for `replace_atomically` and counts the writes of each point; at the asked one the process dies."""

    def __init__(self, root: Path, at: tuple[str, int, str] | None, *, in_place: bool = False) -> None:
        from pipeline import storage

        self.seen: Counter[str] = Counter()
        self._root, self._at, self._in_place = root, at, in_place
        self._replace, self._sync = storage.replace_atomically, storage.sync_folder
        self._remove = storage.Storage.remove

    def arm(self) -> None:
        """Take the place of the real functions, wherever they were imported to."""
        from pipeline import storage

        for module in [m for name, m in sys.modules.items() if name.partition(".")[0] == "pipeline"]:
            if getattr(module, "replace_atomically", None) is self._replace:
                module.replace_atomically = self.replace  # type: ignore[attr-defined]
        killer = self

        def remove(self: storage.Storage, name: str) -> None:
            killer._removed(name, lambda: killer._remove(self, name))

        storage.Storage.remove = remove  # type: ignore[method-assign]

    def disarm(self) -> None:
        """Put the real functions back."""
        from pipeline import storage

        for module in [m for name, m in sys.modules.items() if name.partition(".")[0] == "pipeline"]:
            if getattr(module, "replace_atomically", None) == self.replace:
                module.replace_atomically = self._replace  # type: ignore[attr-defined]
        storage.Storage.remove = self._remove  # type: ignore[method-assign]
        storage.sync_folder = self._sync

    def replace(self, path: Path, write: Write) -> None:
        """The product's function, with death in it."""
        from pipeline import storage

        point = point_of(path, self._root)
        self.seen[point] += 1
        phase = self._phase(point)
        if phase == "before":
            die()
        if phase == "renamed":
            storage.sync_folder = lambda _folder: die()
        if self._in_place:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._write(write, phase, path)
        else:
            self._replace(path, lambda temporary: self._write(write, phase, temporary))

    @staticmethod
    def _write(write: Write, phase: str | None, path: Path) -> None:
        write(path)
        if phase == "half":
            os.truncate(path, path.stat().st_size // 2)
        if phase in ("half", "written"):
            die()

    def _phase(self, point: str) -> str | None:
        """The phase to die in at this write, if it is the one."""
        return self._at[2] if self._at and self._at[:2] == (point, self.seen[point]) else None

    def _removed(self, name: str, remove: Callable[[], None]) -> None:
        point = f"{name.partition('/')[0]}{REMOVED}"
        self.seen[point] += 1
        phase = self._phase(point)
        if phase == "before":
            die()
        remove()
        if phase is not None:
            die()

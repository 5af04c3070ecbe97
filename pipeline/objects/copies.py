"""Local copies of objects, each of one version, in a folder that may be deleted at any time.

A copy appears under its name when it is whole. The folder is kept within bounds by giving up what was used longest ago.
Which version is current is decided by the callers.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.disk import give_mode

MAX_BYTES = 20 << 30
"""Bytes of copies that are kept, at most; less where that would be more than half of the disk's room."""
IN_USE_SECONDS = 3_600
"""A copy used so shortly ago may be being read, and stays."""
_DRAFT_SECONDS = 86_400
"""A draft so old was left behind by a process that died."""
_PRUNE_EVERY = 1 << 30


class Copies:
    """The copies in one folder."""

    def __init__(self, folder: Path, max_bytes: int = MAX_BYTES) -> None:
        self.folder, self._max_bytes = folder, max_bytes
        self._added = _PRUNE_EVERY

    def path(self, key: str, version: str) -> Path:
        """Where the copy of a version lies, or would; both are digests."""
        return self.folder / f"{key}-{version}"

    def held(self, path: Path, size: int | None = None) -> bool:
        """Whether the copy is there, with the size it must have, where that is known; it is then marked as used."""
        try:
            if path.stat().st_size != size and size is not None:
                return False
            os.utime(path)
        except OSError:
            return False
        return True

    def room(self) -> int:
        """Bytes that are free on the disk of the copies."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return shutil.disk_usage(self.folder).free

    @contextmanager
    def draft(self) -> Iterator[Path]:
        """A file to write to, which is gone afterwards unless it was kept."""
        self.folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".draft-", dir=self.folder)
        os.close(handle)
        draft = Path(name)
        try:
            yield draft
        finally:
            draft.unlink(missing_ok=True)

    def keep(self, draft: Path, path: Path) -> Path:
        """Make a draft the copy of a version."""
        give_mode(draft)
        self._added += draft.stat().st_size
        draft.replace(path)
        if self._added >= _PRUNE_EVERY:
            self._added = 0
            self.prune()
        return path

    def prune(self) -> None:
        """Give up copies, those used longest ago first, until the rest is within bounds."""
        files = []
        for path in self.folder.iterdir():
            try:
                info = path.stat()
            except FileNotFoundError:
                continue
            if not path.name.startswith(".draft-") or info.st_mtime < time.time() - _DRAFT_SECONDS:
                files.append((info.st_mtime, info.st_size, path))
        held = sum(size for _, size, _ in files)
        bound = min(self._max_bytes, (held + shutil.disk_usage(self.folder).free) // 2)
        for used, size, path in sorted(files):
            if held <= bound or used > time.time() - IN_USE_SECONDS:
                return
            path.unlink(missing_ok=True)
            held -= size

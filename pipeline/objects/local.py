"""A folder as the place of a site's bytes: names are paths, and files are replaced by renaming.

How a file is replaced and made durable is handed in, so that it is written once, in `pipeline.storage`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path

from pipeline.disk import exists, files_below, is_dir, is_file
from pipeline.objects.base import Write, check_name


class LocalObjects:
    """The files below one folder; names that begin with a dot are unfinished, and not seen."""

    def __init__(self, root: Path, replace: Callable[[Path, Write], None]) -> None:
        self.root = self.workspace = root
        self._replace = replace

    def path(self, name: str) -> Path:
        """Where the object lies."""
        return self.root / check_name(name)

    def where(self, name: str) -> str:
        """The file's path."""
        return str(self.root / name)

    def leased(self, *, wait: bool) -> AbstractContextManager[None]:
        """The lock of the folder keeps out every machine that sees it."""
        del wait
        return nullcontext()

    def still(self) -> LocalObjects:
        """The folder itself: to look again costs nothing."""
        return self

    def exists(self, name: str) -> bool:
        """Whether the file is there."""
        return exists(self.path(name))

    def size(self, name: str) -> int:
        """Bytes of the file."""
        try:
            return self.path(name).stat().st_size
        except FileNotFoundError:
            return 0

    def put(self, name: str, write: Write) -> None:
        """Write beside the file, then rename."""
        self._replace(self.path(name), write)

    def read(self, name: str) -> bytes | None:
        """The file's bytes."""
        try:
            return self.path(name).read_bytes()
        except FileNotFoundError:
            return None

    def fetch(self, names: Sequence[str]) -> list[Path | None]:
        """The files themselves."""
        paths = [self.path(n) for n in names]
        return [p if exists(p) else None for p in paths]

    def end(self, name: str) -> Path | None:
        """The file itself."""
        return self.fetch([name])[0]

    def written_beside(self, names: Sequence[str]) -> None:
        """Nothing is remembered of files."""

    def remove(self, name: str) -> None:
        """Delete the file, and the folder of a day that is left empty."""
        path = self.path(name)
        path.unlink(missing_ok=True)
        if path.parent.name.startswith("day="):
            with suppress(OSError):
                path.parent.rmdir()

    def names(self, folder: str) -> list[str]:
        """The files right below a folder."""
        place = self.path(folder)
        found = place.iterdir() if is_dir(place) else ()
        return sorted(f"{folder}/{p.name}" for p in found if is_file(p) and not p.name.startswith("."))

    def below(self, folder: str) -> list[str]:
        """The files at any depth below a folder."""
        found = (p for p in files_below(self.path(folder)) if not p.name.startswith("."))
        return sorted(p.relative_to(self.root).as_posix() for p in found)

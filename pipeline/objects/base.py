"""The interface that a place for a site's bytes has: whole objects in, whole objects out.

A reader sees an object as it was or as it is, never a mixture and never half of one; that is what every implementation
promises. Nothing here knows what is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from pipeline.errors import Location, StorageError

Write = Callable[[Path], Any]
"""Writes the new content to the path it is given."""


class Objects(Protocol):
    """A folder or an object store; every method may raise StorageError when it cannot be reached."""

    workspace: Path
    """A folder of this machine for locks and for what is on its way; with a folder as root, the root itself."""

    def leased(self, *, wait: bool) -> AbstractContextManager[None]:
        """Keep other machines from writing here, where they could; this one's lock is held already.

        Raises BusyError where another works here and wait is false.
        """
        ...

    def where(self, name: str) -> str:
        """The object's path or URL, for people."""
        ...

    def still(self) -> Objects:
        """The same place for a look at many objects, whose presence and versions are those of one moment."""
        ...

    def exists(self, name: str) -> bool:
        """Whether the object is there."""
        ...

    def size(self, name: str) -> int:
        """Bytes of an object; 0 when there is none."""
        ...

    def put(self, name: str, write: Write) -> None:
        """Replace an object, at once, by what write puts into a file."""
        ...

    def read(self, name: str) -> bytes | None:
        """The bytes of a small object, or None when there is none."""
        ...

    def fetch(self, names: Sequence[str]) -> list[Path | None]:
        """Local files with each whole object as it is now; None where there is none. They are not to be written to."""
        ...

    def end(self, name: str) -> Path | None:
        """A local file that a Parquet footer can be read from: it ends as the object does; None when there is none."""
        ...

    def written_beside(self, names: Sequence[str]) -> None:
        """Take in that another process of this run has written the objects."""
        ...

    def remove(self, name: str) -> None:
        """Delete an object; nothing happens when there is none."""
        ...

    def names(self, folder: str) -> list[str]:
        """The finished objects right below a folder, in order."""
        ...

    def below(self, folder: str) -> list[str]:
        """The finished objects at any depth below a folder, in order."""
        ...


def check_name(name: str) -> str:
    """The name, when it stays below its root; raises StorageError when it could lead elsewhere."""
    parts = name.split("/")
    if name.startswith("/") or "\x00" in name or any(p in ("", ".", "..") for p in parts):
        raise StorageError("this is no name below the storage's root.", where=Location(file=ascii(name)[1:-1]))
    return name

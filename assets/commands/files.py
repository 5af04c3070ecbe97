"""Where commands write results of their own: what cannot be written is told, and nobody else's folder is replaced.

What is written there is up to the commands; the tables of a site belong to `pipeline.storage`.
"""

from __future__ import annotations

from pathlib import Path

from pipeline.disk import is_dir, is_file
from pipeline.errors import ConfigError, Location
from pipeline.whole import holds_any, write_text_whole


def writable(path: Path | None) -> None:
    """Raises ConfigError for a file whose folder is not there: before the work, not after it."""
    if path and not is_dir(path.parent):
        raise ConfigError("there is no such folder.", where=Location(file=str(path.parent)), remedy="Make it first.")


def refuse_strange(folder: Path, mark: str, what: str) -> None:
    """Raises ConfigError for a folder with files that were not written by such a command, which leaves `mark` there."""
    if holds_any(folder) and not is_file(folder / mark):
        raise ConfigError(
            f"this folder is not empty and holds no {what}.",
            where=Location(file=str(folder)),
            remedy="Choose another folder.",
        )


def write_text(path: Path, text: str) -> None:
    """A result into a file; raises ConfigError when it cannot be written."""
    try:
        write_text_whole(path, text)
    except OSError as error:
        remedy = "Name a file that can be written."
        raise ConfigError(f"{error.strerror}.", where=Location(file=str(path)), remedy=remedy) from error

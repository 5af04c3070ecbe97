"""Files and folders that a command writes where its user named a place: each appears whole or not at all.

However a command ends - stopped, killed, on a full disk - what it left is what was there before, or the new whole, and
the same command can be run again. Rights are those that the user's umask gives. Tables of a site are written by
`pipeline.storage`, which makes them durable, too.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import polars as pl

from pipeline.disk import exists, is_dir, is_file, writing
from pipeline.leftovers import remove_leftovers_of, temporary_suffix

_DRAFT = ".nilometer"
"""How names of drafts begin: a short word, as a name of 255 bytes has no room for another."""


def is_draft(path: Path) -> bool:
    """Whether it is one of ours that was left by a process which was killed, or is being written."""
    return path.name.startswith(f"{_DRAFT}.") and path.name.endswith(".tmp")


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Call write(draft beside the path), then move the draft into place.

    Raises:
        OSError: it cannot be written; the path is its file's name, and what was there is there.
    """
    try:
        if _as_it_is(path):
            write(path)
        else:
            _replace(path, write)
    except OSError as error:
        error.filename, error.filename2 = str(path), None
        raise


def write_text_whole(path: Path, text: str) -> None:
    """The same of a text."""
    write_whole(path, lambda draft: draft.write_text(text, encoding="utf-8"))


def write_frames(frames: Mapping[str, pl.DataFrame], folder: Path, marks: Mapping[str, str] | None = None) -> None:
    """Write tables that belong together, each as folder/NAME.parquet, behind texts that say what they are.

    Earlier ones go first: should this be stopped, some are missing, and none is of another world.
    """
    folder.mkdir(parents=True, exist_ok=True)
    places = {folder / f"{name}.parquet": frame for name, frame in frames.items()}
    for path in places:
        discard(path)
    for name, text in (marks or {}).items():
        write_text_whole(folder / name, text)
    for path, frame in places.items():
        write_whole(path, partial(frame.write_parquet, compression="zstd", statistics=True))


def _as_it_is(path: Path) -> bool:
    """Whether it is no file of a folder that could be replaced: a pipe, a link to one, a file that is protected."""
    if path.is_symlink():
        return True
    return exists(path) and not (is_file(path) and os.access(path, os.W_OK) and os.access(path.parent, os.W_OK))


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    draft = _draft_beside(path)
    try:
        with writing(draft):
            write(draft)
            if exists(path):
                draft.chmod(path.stat().st_mode & 0o777)
            with draft.open("rb") as handle:
                os.fsync(handle.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _draft_beside(path: Path) -> Path:
    """The name of a draft; those of processes that were killed are cleared away."""
    remove_leftovers_of(p for p in path.parent.glob(f"{_DRAFT}.*.tmp"))
    return path.with_name(f"{_DRAFT}{temporary_suffix()}")


@contextmanager
def whole_folder(place: Path) -> Iterator[Path]:
    """A folder to be filled, which is then moved into place, where nothing may be."""
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = _draft_beside(place)
    draft.mkdir()
    try:
        with writing(draft):
            yield draft
        draft.rename(place)
    except OSError as error:
        error.filename, error.filename2 = str(place), None
        raise
    finally:
        _delete(draft)


def discard(place: Path) -> None:
    """Take a file or folder away at once, not part by part; nothing there is no fault."""
    if is_dir(place) and not place.is_symlink():
        aside = _draft_beside(place)
        place.rename(aside)
        _delete(aside)
    else:
        place.unlink(missing_ok=True)


def _delete(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)

"""Files and folders that a command writes where its user named a place: each appears whole or not at all.

However a command ends - stopped, killed, on a full disk - what it left is what was there before, or the new whole, and
the same command can be run again. Rights are those that the user's umask gives. Tables of a site are written by
`pipeline.storage`, which makes them durable, too.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import polars as pl

from pipeline.disk import exists, is_dir, writing

_DRAFT = ".nilometer"
"""How names of drafts begin: a short word, as a name of 255 bytes has no room for another."""


def is_draft(path: Path) -> bool:
    """Whether it is one of ours that was left by a process which was killed, or is being written."""
    return path.name.startswith(f"{_DRAFT}.") and path.name.endswith(".tmp")


def holds_any(folder: Path) -> bool:
    """Whether a folder is there that holds more than drafts.

    Raises:
        OSError: it cannot be listed, or is a file.
    """
    return exists(folder) and not all(map(is_draft, folder.iterdir()))


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
        _name(error, path)
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
    """Whether no other file may take its place: it is a pipe or link, has a second name, is protected or another's."""
    if path.is_symlink():
        return True
    if not exists(path):
        return False
    of_path = path.stat()
    ours = stat.S_ISREG(of_path.st_mode) and of_path.st_nlink == 1 and of_path.st_uid == os.geteuid()
    return not (ours and os.access(path, os.W_OK) and os.access(path.parent, os.W_OK))


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    draft = _draft_beside(path)
    with _held(draft, os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666)) as handle:
        try:
            if exists(path):  # Before a word is in it, which not everybody may read.
                draft.chmod(path.stat().st_mode & 0o777)
            with writing(draft):
                write(draft)
                os.fsync(handle)
            _take_place(draft, path)
        finally:
            draft.unlink(missing_ok=True)


def _take_place(draft: Path, path: Path) -> None:
    try:
        draft.replace(path)
    except OSError as error:
        _of_a_mount(error)
        shutil.copyfile(draft, path)


def _draft_beside(path: Path) -> Path:
    """The name of a draft that nobody can know before; those of processes that were killed are cleared away."""
    _clear(path.parent)
    return path.with_name(f"{_DRAFT}.d{secrets.token_hex(4)}.tmp")


@contextmanager
def _held(draft: Path, handle: int) -> Iterator[int]:
    """Let others see that the draft is being written, whatever container they are in."""
    try:
        with suppress(OSError):  # A file system without locks.
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield handle
    finally:
        os.close(handle)


def _clear(folder: Path) -> None:
    """Delete the drafts that nobody holds; what cannot be deleted, such as another user's, stays."""
    for draft in folder.glob(f"{_DRAFT}.*.tmp"):
        with suppress(OSError):
            handle = os.open(draft, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _delete(draft) if is_dir(draft) else draft.unlink()
            finally:
                os.close(handle)


@contextmanager
def whole_folder(place: Path) -> Iterator[Path]:
    """A folder to be filled, which is then moved into place, where nothing may be but an empty mount."""
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = _draft_beside(place)
    try:
        draft.mkdir()
        with _held(draft, os.open(draft, os.O_RDONLY)):
            with writing(draft):
                yield draft
            try:
                draft.rename(place)
            except OSError as error:
                _of_a_mount(error)
                for part in sorted(draft.iterdir()):
                    shutil.move(part, place / part.name)
    except OSError as error:
        _name(error, place)
        raise
    finally:
        _delete(draft)


def discard(place: Path) -> None:
    """Take a file or folder away at once, not part by part; nothing there is no fault, and a mount is emptied."""
    if not is_dir(place) or place.is_symlink():
        place.unlink(missing_ok=True)
        return
    aside = _draft_beside(place)
    try:
        place.rename(aside)
    except OSError as error:
        _of_a_mount(error)
        for part in place.iterdir():
            discard(part)
    _delete(aside)


def _name(error: OSError, place: Path) -> None:
    """Have an error of a draft tell of the place; a second name that is None would be printed as one."""
    error.filename = str(place)
    del error.filename2


def _of_a_mount(error: OSError) -> None:
    """Raise what is no word of a mount, such as a volume of a container, which no rename can move or replace."""
    if error.errno != errno.EBUSY:
        raise error


def _delete(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)

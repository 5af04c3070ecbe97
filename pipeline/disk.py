"""Faults of the operating system, of disks above all: what the system says of each, and what to do about it.

They keep their own type, OSError. What is raised on purpose is in `pipeline.errors`, what damaged files are called in
`pipeline.storage`.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import polars as pl

from pipeline.errors import LimitError

_ROOM = "Make room, then run the same command again: what is stored is whole."
_RIGHTS = "Let this user read and write the site's folders, then run the same command again: what is stored is whole."
_DISK = "Look after the disk, then run the same command again."
_OTHER = "A file is where a folder belongs, or a folder or link where a file does: move it away, then run it again."
_NAMES = "Choose a shorter one: a name may have 255 bytes here, and a whole path 4,095."
_LOCKS = "This file system has no locks (flock): keep the site on a disk of this machine, or mount it with them."
REMEDIES = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), _ROOM),
    **dict.fromkeys((errno.EROFS, errno.EACCES, errno.EPERM), _RIGHTS),
    **dict.fromkeys((errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN), _DISK),
    **dict.fromkeys((errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ELOOP), _OTHER),
    errno.ENAMETOOLONG: _NAMES,
    **dict.fromkeys((errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS), _LOCKS),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), "Allow more open files (ulimit -n), then run it again."),
    errno.EAGAIN: "Allow more processes and threads (ulimit -u, TasksMax=, a container's limit of pids), "
    "then run it again: what is stored is whole.",
}
"""What to do, by the system's number of the fault."""
FILE_MODE = 0o640
_PROBE_BYTES = 1 << 16
_ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.EBADF, errno.ELOOP}
"""Faults of looking at a path that mean: nothing is there."""
_NUMBER = re.compile(r"\[Errno (\d+)\] (.*)")
_LIMITS = {
    errno.EMFILE: "this process may open no more files",
    errno.ENFILE: "this machine may open no more files",
    errno.EAGAIN: "this process may start no more threads",
}
_NUMBER_OF_POLARS = re.compile(r"os error (\d+)|Os \{ code: (\d+)")
_NO_THREADS = ("can't start new thread", "LazyLock instance has previously been poisoned")
"""What Python says of it, and what Polars says whose threads could not be started before."""


def give_mode(path: Path) -> None:
    """Let the group read a file of ours, and others not; file systems that know no modes, such as FAT, refuse."""
    with suppress(PermissionError):
        path.chmod(FILE_MODE)


def sync_folder(folder: Path) -> None:
    """Make a new name in the folder survive a power cut, where the file system can: shares of Windows cannot."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
            raise
    finally:
        os.close(handle)


def exists(path: Path) -> bool:
    """Whether something is at the path; raises OSError where that cannot be told, as Path.exists does before 3.14.

    Later Pythons say no of a disk that does not answer, and what is stored there would seem never to have been made.
    """
    return bool(_mode(path))


def is_file(path: Path) -> bool:
    """Whether a regular file is at the path; raises OSError where that cannot be told."""
    return stat.S_ISREG(_mode(path))


def is_dir(path: Path) -> bool:
    """Whether a folder is at the path; raises OSError where that cannot be told."""
    return stat.S_ISDIR(_mode(path))


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode
    except OSError as error:
        if error.errno not in _ABSENT:
            raise
    except ValueError:
        pass  # A character that no name may hold.
    return 0


def files_below(folder: Path) -> Iterator[Path]:
    """The files at any depth below a folder, or none where it is not there.

    Raises:
        OSError: a folder cannot be listed; Path.rglob takes that for an empty one.
    """

    def refuse(error: OSError) -> None:
        if error.errno not in _ABSENT:
            raise error

    for place, _, names in os.walk(folder, onerror=refuse) if is_dir(folder) else ():
        yield from (p for name in names if is_file(p := Path(place, name)))


def seen(look: Callable[[], bool]) -> bool:
    """What a path's is_dir, is_file or exists says; no where this user may not look, of which older Pythons raise."""
    try:
        return look()
    except OSError:
        return False


def may_pass(error: OSError) -> bool:
    """Whether a fault may be gone in a minute; a full disk and missing rights wait for somebody to mend them."""
    return REMEDIES.get(error.errno or 0, _DISK) == _DISK


def fault_message(error: BaseException) -> str | None:
    """The fault in one line: where, what and what to do; None where it is none of the disk's."""
    if not isinstance(error, OSError) or error.errno not in REMEDIES:
        return None
    return f"{error.filename or 'storage'}: {error.strerror}. {REMEDIES[error.errno]}"


def tells_a_fault(text: str) -> bool:
    """Whether a kept message is of a fault of the machine, which somebody may have mended since; not of bad data."""
    return text.endswith(tuple(REMEDIES.values()))


def limit_met(error: BaseException) -> LimitError | None:
    """The fault, where it is that the system gives this process no more of something; None for any other."""
    number = error.errno if isinstance(error, OSError) else None
    if number is None and (found := _NUMBER_OF_POLARS.search(text := str(error))):
        number = int(found[1] or found[2])
    elif number is None and any(words in text for words in _NO_THREADS):
        number = errno.EAGAIN
    return LimitError(f"{_LIMITS[number]}.", remedy=REMEDIES[number]) if number in _LIMITS else None


def with_remedy(text: str) -> str:
    """What an error of another process or library says, with what to do where it quotes a fault of the disk."""
    if (fault := limit_met(Exception(text))) is not None:
        return fault.message
    found = _NUMBER.search(text)
    remedy = REMEDIES.get(int(found[1])) if found else None
    return f"{found[2]}. {remedy}" if found and remedy else text


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """Let faults of writing a file, or files in a folder, be told by the system's number and the place.

    Polars' own words for a full disk differ by the byte at which it is full, and Python names no file that is open.

    Raises:
        OSError: nothing more can be written there.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None:
            _find_out(place)
        elif error.filename is None:
            error.filename = str(place)
        raise
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        _find_out(place)
        raise


def _find_out(place: Path) -> None:
    """Meet again, with its number, what Polars told in words of its own."""
    _probe(place / f".probe.{os.getpid()}.tmp" if is_dir(place) else place)


def _probe(path: Path) -> None:
    """Write on at a file's end, which fails as it failed before."""
    try:
        with path.open("ab") as file:
            file.write(bytes(_PROBE_BYTES))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        error.filename = str(path)
        raise

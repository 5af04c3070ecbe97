"""nfcapd's binary flow files as CSV lines, by the installed `nfdump` program: a stream, as of a compressed file.

The program is run without a shell, in UTC, with numbers unscaled; anything it complains about is an error, since it
leaves out what it cannot read and still ends well. Recognising the files is by their magic number, never by name.
"""

from __future__ import annotations

import contextlib
import io
import os
import select
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import IO, cast

from pipeline.errors import Location, SourceError

MAGICS = (b"\x0c\xa5\x01\x00", b"\x0c\xa5\x02\x00", b"\xa5\x0c\x00\x01", b"\xa5\x0c\x00\x02")
"""0xA50C and the layout's version, 1 (nfdump 1.6) or 2 (1.7), as either kind of machine writes them."""
PROGRAM = "nfdump"
PATIENCE = 300.0
"""Seconds without a byte from the program after which it is given up."""
_TAGS = ("tsr", "ter", "pr", "sa", "da", "sp", "dp", "flg", "fwd", "ipkt", "ibyt", "opkt", "obyt", "ra", "dir")
_EVENTS = ("evt", "msec")
"""What a firewall's event was and when, which an nfdump that was built without NSEL does not know."""
_PLAIN = "fmt:" + ",".join(f"%{tag}" for tag in _TAGS)
_FORMAT = _PLAIN + "".join(f",%{tag}" for tag in _EVENTS)
_UNKNOWN_TAG = "Output format parse error"
_INSTALL = "Install nfdump (package nfdump), or export the file with `nfdump -r FILE -o csv`."


def is_nfcapd(head: bytes) -> bool:
    """Whether a file's first bytes are those of an nfcapd file."""
    return head.startswith(MAGICS)


def open_program(path: Path, patience: float = PATIENCE) -> IO[bytes]:
    """The file's records as CSV bytes with a header, one record a line.

    Raises:
        SourceError: here when the program is not installed; while reading when it fails, complains or stands still.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        raise SourceError(
            "is a binary file of nfcapd, and the program nfdump is not installed.",
            where=Location(file=str(path)),
            remedy=_INSTALL,
        )
    return cast("IO[bytes]", io.BufferedReader(_ProgramStream(program, path, patience), 1 << 18))


class _ProgramStream(io.RawIOBase):
    """What nfdump prints of one file; its end is only an end when nfdump ended well and silently."""

    def __init__(self, program: str, path: Path, patience: float) -> None:
        self._path, self._patience, self._program = path, patience, program
        self._head = ",".join((*_TAGS, *_EVENTS)).encode() + b"\n"
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the stream
        self._may_lack_events = True
        self._process = self._start(_FORMAT)

    def _start(self, columns: str) -> subprocess.Popen[bytes]:
        # An absolute path can never be taken for an option.
        command = [self._program, "-r", str(self._path.absolute()), "-q", "-N", "-6", "-o", columns]
        try:
            return subprocess.Popen(  # noqa: S603 - no shell, a fixed command and one path
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env={"TZ": "UTC", "LC_ALL": "C", "PATH": os.environ.get("PATH", os.defpath)},
                cwd="/",
            )
        except OSError as error:
            self._errors.close()
            raise self._fault(f"cannot be run: {error.strerror or error}") from error

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._head[: len(buffer)]
        self._head = self._head[len(data) :]
        if not data:
            data = self._printed(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _printed(self, size: int) -> bytes:
        """Some bytes that the program printed; none at its good end."""
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], self._patience)
        if not ready:
            raise self._fault(f"printed nothing for {self._patience:g} seconds")
        data = os.read(self._process.stdout.fileno(), size)
        if data:
            self._may_lack_events = False
        elif not self._ended():
            return self._printed(size)
        return data

    def _ended(self) -> bool:
        """Whether that was the good end; not when the program had to be started again, without events."""
        try:
            code = self._process.wait(self._patience)
        except subprocess.TimeoutExpired:
            raise self._fault("does not end") from None
        self._errors.seek(0)
        said = self._errors.read(4_096).decode("utf-8", errors="replace").strip()
        if self._may_lack_events and said.startswith(_UNKNOWN_TAG):
            self._may_lack_events = False
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._errors.seek(0)
            self._errors.truncate()
            self._process = self._start(_PLAIN + "," * len(_EVENTS))
            return False
        if code or said:
            raise self._fault(said.splitlines()[0][:200] if said else f"ended with code {code}")
        return True

    def _fault(self, what: str) -> SourceError:
        return SourceError(
            f"cannot be read by nfdump: {what}.",
            where=Location(file=str(self._path)),
            remedy="Replace the file with a whole copy; `nfdump -v FILE` checks it.",
        )

    def close(self) -> None:
        if not self.closed and hasattr(self, "_process"):
            if self._process.poll() is None:
                self._process.kill()
            self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()
            with contextlib.suppress(OSError):
                self._errors.close()
        super().close()

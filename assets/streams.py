"""The three standard streams of the `nilometer` command, whatever surrounds it: closed ones, full disks, any encoding.

Nothing heavy is imported here, as the command opens its streams before anything else.
"""

from __future__ import annotations

import io
import os
import sys
from typing import Any, TextIO

RESULTS = "standard output"
"""The name of the file in errors of writing results."""


class Stopped(BaseException):
    """Somebody asked for the end: Ctrl-C."""


class _Results(io.FileIO):
    """Standard output, whose faults are kept apart from those of the site's files, and raised once."""

    _broken = False

    def write(self, data: Any, /) -> int:
        if self._broken:
            return len(data)
        try:
            return super().write(data)
        except OSError as error:
            self._broken = True
            error.filename = RESULTS
            raise


class _Progress(io.FileIO):
    """Standard error, without which the work goes on: the exit code says what it came to."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError:
            return len(data)


def open_streams() -> None:
    """Give the process all three standard streams, and text on two of them that cannot fail for its characters.

    A closed one becomes the null device, or the next file that is opened, a database perhaps, would take its place and
    be written to.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # The lowest number that is free is this one.
    sys.stdout = _text(_Results(1, "w", closefd=False), sys.stdout)
    sys.stderr = _text(_Progress(2, "w", closefd=False), sys.stderr)


def _text(file: io.FileIO, former: TextIO | None) -> io.TextIOWrapper:
    encoding = former.encoding if former is not None else "utf-8"
    lines = file.isatty() or file.fileno() == 2
    return io.TextIOWrapper(io.BufferedWriter(file), encoding, "backslashreplace", line_buffering=lines)

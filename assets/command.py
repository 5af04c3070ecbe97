"""How the `nilometer` command begins and ends, whatever surrounds it: closed or full outputs, and Ctrl-C at any time.

It imports nothing heavy before it is ready for Ctrl-C. What the command does is in `assets.cli`.
"""

from __future__ import annotations

import gc
import io
import os
import signal
import sys
from typing import Any, TextIO

from assets import journal

RESULTS = "standard output"
"""The name of the file in errors of writing results."""
COLLECT_AFTER = (5_000, 10, 20)
"""How many objects more than before, and then rounds of the younger generation, make Python look for cycles."""
_STOPPED = "stopped. What is stored is whole: the same command may be run again."


class Stopped(BaseException):
    """Somebody asked for the end: Ctrl-C."""


class _Results(io.FileIO):
    """Standard output, whose faults are told from those of the site's files, once."""

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


def main() -> None:
    """Run the command; the exit codes are those of `assets.cli`, and Ctrl-C ends the process by its signal."""
    # Looking through what is imported again and again, half a million objects, takes a sixth of a run of one day.
    gc.set_threshold(*COLLECT_AFTER)
    try:
        open_streams()
        from assets.cli import main as commands  # noqa: PLC0415 - takes a second, and Ctrl-C may come

        commands()
    except (KeyboardInterrupt, Stopped):
        _end_by_signal()
    finally:
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # What is left to do is nothing that Ctrl-C could harm.


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


def _end_by_signal() -> None:
    """End as Ctrl-C ends a program, so that a shell's loop around the command ends too."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if journal.as_json():
        journal.write("warning", "message", message=_STOPPED)
    else:
        sys.stderr.write(f"{_STOPPED}\n")
    sys.stderr.flush()
    os.kill(os.getpid(), signal.SIGINT)

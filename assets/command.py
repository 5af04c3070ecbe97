"""How the `nilometer` command begins and ends, with Ctrl-C at any time.

It imports nothing heavy before it is ready for Ctrl-C. What the command does is in `assets.cli`.
"""

from __future__ import annotations

import gc
import os
import signal
import sys

from assets.reporting import journal
from assets.streams import Stopped, open_streams

COLLECT_AFTER = (5_000, 10, 20)
"""How many objects more than before, and then rounds of the younger generation, make Python look for cycles."""
_STOPPED = "stopped. What is stored is whole: the same command may be run again."


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


def _end_by_signal() -> None:
    """End as Ctrl-C ends a program, so that a shell's loop around the command ends too."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if journal.as_json():
        journal.write("warning", "message", message=_STOPPED)
    else:
        sys.stderr.write(f"{_STOPPED}\n")
    sys.stderr.flush()
    os.kill(os.getpid(), signal.SIGINT)

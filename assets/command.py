"""How the `nilometer` command begins and ends, with Ctrl-C or a request to end (SIGTERM) at any time.

It imports nothing heavy before it is ready for them. What the command does is in `assets.cli`.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

from assets.reporting import journal
from assets.streams import Stopped, open_streams

COLLECT_AFTER = (5_000, 10, 20)
"""How many objects more than before, and then rounds of the younger generation, make Python look for cycles."""
_STOPS = (signal.SIGINT, signal.SIGTERM)
_BY_SIGNAL = 128
"""What shells add to the number of the signal that ended a program."""
_STOPPED = (
    "stopped. What is stored is whole: the same command may be run again; of the days that a run began, "
    "`nilometer run --stale` makes only what is left."
)


def main() -> None:
    """Run the command; the exit codes are those of `assets.cli`, and a stop ends the process by its signal."""
    # Looking through what is imported again and again, half a million objects, takes a sixth of a run of one day.
    gc.set_threshold(*COLLECT_AFTER)
    former = {number: signal.getsignal(number) for number in _STOPS}
    asked: list[int] = []
    try:
        _listen(asked)
        open_streams()
        from assets.cli import main as commands  # noqa: PLC0415 - takes a second, and Ctrl-C may come

        commands()
    except (KeyboardInterrupt, Stopped):
        _end_by_signal(asked[-1] if asked else signal.SIGINT)
    finally:
        for number, handler in former.items():  # What is left to do is nothing that a stop could harm.
            ends = handler is signal.default_int_handler
            signal.signal(number, signal.SIG_DFL if ends or handler is None else handler)


def _listen(asked: list[int]) -> None:
    """Take a request to end as Ctrl-C, and note which it was: the first process of a container ends by no signal else.

    Both have one handler, as Dagster gives SIGTERM that of SIGINT. Ctrl-C means nobody where it was ignored before, as
    in the background.
    """
    deaf = signal.getsignal(signal.SIGINT) is signal.SIG_IGN

    def stop(number: int, _frame: FrameType | None) -> None:
        if not (deaf and number == signal.SIGINT):
            asked.append(number)
            raise KeyboardInterrupt

    for number in _STOPS:
        signal.signal(number, stop)


def _end_by_signal(number: int) -> NoReturn:
    """End as the signal ends a program, so that a shell's loop around the command ends too."""
    signal.signal(number, signal.SIG_DFL)
    if journal.as_json():
        journal.write("warning", "message", message=_STOPPED)
    else:
        sys.stderr.write(f"{_STOPPED}\n")
    sys.stderr.flush()
    os.kill(os.getpid(), number)
    raise SystemExit(_BY_SIGNAL + number)  # The first process of a container outlives it.

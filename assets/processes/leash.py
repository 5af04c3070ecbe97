"""A process of the UI that ends when the command that started it is gone, however that one ended.

The command holds the other end of this process's standard input and never writes to it: when it dies, by SIGKILL too,
the input ends. Which processes there are is decided in `assets.commands.serve`.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
import time

_STOP_SECONDS = 15


def main() -> None:
    """Run a module as `python -m` does: its name and its words are the command line's."""
    threading.Thread(target=_watch, daemon=True).start()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


def _watch() -> None:
    """Ask the process to end once its input does; after a while all of its session is ended."""
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(_STOP_SECONDS)
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    main()

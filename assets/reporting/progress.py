"""Progress on stderr: a bar on a terminal, elsewhere a plain line a stage, and every few seconds of a long one.

Where one step lasts, as the reading of one big log does, it is said that the work goes on.

The assets report each day here, whoever runs them; nothing is shown unless the command line asks for it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from assets.reporting import journal

EVERY_SECONDS = 5.0
SILENT_SECONDS = 30.0
"""After so long without a word it is said that the work goes on, as while one big log is read."""
PLANNING, CHECKS = "planning", "_checks"
"""What Dagster does before the first stage, and the end of the names of steps that check: what makes no table, and is
told of only where it lasts."""
_listeners: list[Callable[[str, int, int], None]] = []


def report(stage: str, done: int, total: int) -> None:
    """Say that so many of a stage's steps are done."""
    for listener in _listeners:
        listener(stage, done, total)


def steps(stage: str, rounds: int, days: int) -> Callable[[], None]:
    """What is to be called once a day and round of a stage that goes over the days in several; it reports days."""
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        if done % rounds == 0:
            report(stage, done // rounds, days)

    return step


@contextmanager
def shown(title: str) -> Iterator[None]:
    """Show what is reported inside."""
    if journal.as_json():  # Each stage and day logs itself.
        yield
        return
    show = _bars(title) if sys.stderr.isatty() else _lines(title)
    with show as listener:
        _listeners.append(listener)
        try:
            yield
        finally:
            _listeners.remove(listener)


@contextmanager
def _bars(title: str) -> Iterator[Callable[[str, int, int], None]]:
    named, times = TextColumn("{task.description}", markup=False), (TimeElapsedColumn(), TimeRemainingColumn())
    columns = (named, BarColumn(), MofNCompleteColumn(), *times)
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, object] = {}

        def listen(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(f"{title}: {stage}", total=total)
            bars.update(tasks[stage], completed=done, total=total)  # type: ignore[arg-type]

        yield listen


@contextmanager
def _lines(title: str) -> Iterator[Callable[[str, int, int], None]]:
    began = told = time.monotonic()
    lasting, last, ended = "", "", Event()

    def say(text: str) -> None:
        nonlocal told
        sys.stderr.write(f"{title}: {text}\n")
        sys.stderr.flush()
        told = time.monotonic()

    def listen(stage: str, done: int, total: int) -> None:
        nonlocal lasting, last
        last = f"{stage}, {done} of {total}, " if done < total else ""
        if done == total and (stage == lasting or not stage.endswith((PLANNING, CHECKS))):
            say(f"{stage}, {total} done")
        elif done < total and time.monotonic() - told >= EVERY_SECONDS:
            say(f"{stage}, {done} of {total}")
            lasting = stage

    def watch() -> None:
        while not ended.wait(max(0.01, told + SILENT_SECONDS - time.monotonic())):
            if (now := time.monotonic()) - told >= SILENT_SECONDS:
                say(f"{last}at work for {now - began:.0f} s")

    watching = Thread(target=watch, daemon=True, name="progress")
    watching.start()
    try:
        yield listen
    finally:
        ended.set()
        watching.join()

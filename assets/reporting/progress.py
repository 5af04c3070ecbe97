"""Progress on stderr: a bar on a terminal, elsewhere a plain line a stage, and every few seconds of a long one.

The assets report each day here, whoever runs them; nothing is shown unless the command line asks for it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from assets.reporting import journal

EVERY_SECONDS = 5.0
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
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, object] = {}

        def listen(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(f"{title}: {stage}", total=total)
            bars.update(tasks[stage], completed=done, total=total)  # type: ignore[arg-type]

        yield listen


@contextmanager
def _lines(title: str) -> Iterator[Callable[[str, int, int], None]]:
    told, lasting = time.monotonic(), ""

    def listen(stage: str, done: int, total: int) -> None:
        nonlocal told, lasting
        if done == total and (stage == lasting or not stage.endswith((PLANNING, CHECKS))):
            sys.stderr.write(f"{title}: {stage}, {total} done\n")
        elif done < total and time.monotonic() - told >= EVERY_SECONDS:
            sys.stderr.write(f"{title}: {stage}, {done} of {total}\n")
            lasting = stage
        else:
            return
        sys.stderr.flush()
        told = time.monotonic()

    yield listen

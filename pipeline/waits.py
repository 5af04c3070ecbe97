"""Who is told when this process waits for another one: whoever runs the work says it, and each waits in its own place.

A command tells its user, a step the log of its run; else a wait looks like a process that hangs. Nothing is printed
here, and how one waits is known where it is done: `pipeline.locks` and `pipeline.objects.lease`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Tell = Callable[[str], object]
_listeners: list[Tell] = []


@contextmanager
def telling(listener: Tell) -> Iterator[None]:
    """Inside, the listener is told of waits."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def waits(text: str) -> None:
    """Say whom this process begins to wait for."""
    if _listeners:
        _listeners[-1](text)

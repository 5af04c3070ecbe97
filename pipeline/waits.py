"""Passes on that this process waits for another, to whoever runs the work: else a wait looks like a hanging process.

A command tells its user, a step the log of its run. Nothing is printed here, and the waiting itself is done in
`pipeline.locks` and `pipeline.objects.lease`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Tell = Callable[[str], object]
_listeners: list[Tell] = []


@contextmanager
def telling(listener: Tell) -> Iterator[None]:
    """Within this context, the listener is told of waits."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def waits(text: str) -> None:
    """Say whom this process begins to wait for."""
    if _listeners:
        _listeners[-1](text)

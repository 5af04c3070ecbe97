"""What the checks of one validation share: a pass over a stored day is made once, however many checks ask for it.

Nothing is remembered beyond the validation, so that a changed day is read again by the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

_Found = TypeVar("_Found")
_MADE: ContextVar[dict[Hashable, Any] | None] = ContextVar("_MADE", default=None)


@contextmanager
def sharing() -> Iterator[None]:
    """What is asked for by `shared` in here is made once."""
    if _MADE.get() is not None:
        yield
        return
    token = _MADE.set({})
    try:
        yield
    finally:
        _MADE.reset(token)


def shared(key: Hashable, make: Callable[[], _Found]) -> _Found:
    """What make gives; from memory when it was made under this key in the same validation."""
    made = _MADE.get()
    if made is None:
        return make()
    if key not in made:
        made[key] = make()
    found: _Found = made[key]
    return found

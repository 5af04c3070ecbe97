"""How many examples a property is tried with: few at every change, many times as many where time is no matter.

Tests name the number for every day. `make test-slow` sets NILOMETER_EXAMPLES, by which all of them are multiplied.
"""

import os
from collections.abc import Iterable
from itertools import product

import pytest

TIMES = int(os.environ.get("NILOMETER_EXAMPLES", "1"))


def examples(every_day: int) -> int:
    """The number of examples to draw now."""
    return every_day * TIMES


def pairs(first: Iterable[object], second: Iterable[object]) -> list[object]:
    """All pairs as parameters of a test, every second one of them slow; each of both sides is in some of the others."""
    slow = pytest.mark.slow
    found = product(enumerate(first), enumerate(second))
    return [pytest.param(a, b, marks=[slow] if (i + j) % 2 else []) for (i, a), (j, b) in found]

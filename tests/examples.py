"""How many examples a property is tried with: few at every change, many times as many where time is no matter.

Tests name the number for every day. `make test-slow` sets NILOMETER_EXAMPLES, by which all of them are multiplied.
"""

import os

TIMES = int(os.environ.get("NILOMETER_EXAMPLES", "1"))


def examples(every_day: int) -> int:
    """The number of examples to draw now."""
    return every_day * TIMES

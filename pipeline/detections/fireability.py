"""Whether a rule can fire at all with its own numbers: the arithmetic that its gates impose before any data is seen.

How well it finds thefts in real traffic is another question, and not answered here.
"""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass

from pipeline.detections.model import Rule


@dataclass(frozen=True)
class Fireability:
    """What must be there before a rule can alert."""

    rule_id: str
    can_fire: bool
    explanation: str
    fleet_rows: int
    """Rows of all clients that the window must hold."""
    first_day: dt.date
    """The first day on which a client can have enough rows."""


def rows_to_exceed(rule: Rule) -> int:
    """Smallest N with (N-1)/sqrt(N) > k: the largest distance one of N rows can have from their own mean.

    The row judged is among the rows that mean and sample deviation are taken over (R7), so fewer rows can never pass.
    With k = p/q the bound is N > 1 + (p^2 + p sqrt(p^2 + 4 q^2)) / (2 q^2).
    """
    p, q = rule.threshold.numerator, rule.threshold.denominator
    return 2 + (p * p + math.isqrt(p * p * (p * p + 4 * q * q))) // (2 * q * q)


def days_needed(rule: Rule) -> int:
    """Days with traffic that a client needs, the one judged included: its own deviation must be known, too (R8)."""
    return max(rule.minimum_data_samples, 2 if rule.stdev_of_one == "zero" else 3)


def fireability(rule: Rule, start: dt.date) -> Fireability:
    """The rule's answer for a site that begins on start."""
    rows, days, needed = rows_to_exceed(rule), rule.lookback_days + 1, days_needed(rule)
    first = start + dt.timedelta(days=needed - 1)
    if needed > days:
        text = (
            f"never: it needs {needed} days of a client, and its window holds {days}; "
            "raise lookback_days or lower minimum_data_samples"
        )
        return Fireability(rule.id, False, text, rows, first)
    clients = -(-rows // days)
    text = (
        f"yes, from {first} on: a client needs {needed} days, and the window of {days} days needs "
        f"{rows} rows in all ({clients} {'client' if clients == 1 else 'clients'} seen every day)"
    )
    return Fireability(rule.id, True, text, rows, first)

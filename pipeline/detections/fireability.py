"""Whether a rule can fire at all with its own numbers: the arithmetic that its gates impose before any data is seen.

How well it finds thefts in real traffic is another question, and not answered here.
"""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass

from pipeline.detections.budget import CHANNELS
from pipeline.detections.model import Rule
from pipeline.wording import counted

_UNKNOWN, _LEAST_PAST = {"shot": 0, "slow": 9, "new": 0}, {"shot": 5, "slow": 6, "new": 5}
"""By channel the days before a day that are no past of it, and the past days without which it scores nobody."""
_LEAST_SCORED = 7
"""Past days on which clients were known at least half as well as on the best of them."""


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
    p, q = rule.fleet_threshold.numerator, rule.fleet_threshold.denominator
    return 2 + (p * p + math.isqrt(p * p * (p * p + 4 * q * q))) // (2 * q * q)


def days_needed(rule: Rule) -> int:
    """Days that a site needs, the one judged included: what a client is compared with must be known, too (R8).

    They are days with traffic, or with fill: zero days that were read.
    """
    return max(_days_of_a_client(rule), 2 if rule.asks_others and not rule.fleet_includes_day else 1)


def _days_of_a_client(rule: Rule) -> int:
    return max(rule.minimum_data_samples, _days_to_compare(rule))


def _days_to_compare(rule: Rule) -> int:
    known = 1 if rule.stdev_of_one == "zero" else 2
    return 1 + known if rule.asks_own else 1


def fireability(rule: Rule, start: dt.date) -> Fireability:
    """The rule's answer for a site that begins on start."""
    if rule.method == "surge":
        return _budget(rule, start)
    rows, days, needed = _rows(rule), rule.lookback_days + 1, days_needed(rule)
    first = start + dt.timedelta(days=needed - 1)
    if needed > days:
        # Only an unknown deviation asks for more days than every window holds.
        instead = "lower minimum_data_samples" if _days_to_compare(rule) <= days else "take stdev_of_one: zero"
        text = (
            f"never: it needs {needed} days of a client, and its window holds {days}; raise lookback_days or {instead}"
        )
        return Fireability(rule.id, False, text, rows, first)
    if text := _out_of_reach(rule):
        return Fireability(rule.id, False, f"never: {text}", rows, first)
    own = _days_of_a_client(rule)
    text = f"yes, from {first} on: a client needs {own} {'day' if own == 1 else 'days'}{_others(rule, rows)}"
    return Fireability(rule.id, True, text, rows, first)


def _out_of_reach(rule: Rule) -> str:
    """Why no value that a day can have alerts; empty where one can. Only ports are few enough to tell."""
    if rule.floor > rule.largest:
        return f"its floor is {rule.floor:,}, and a day has at most {counted(rule.largest, 'port')}; lower floor"
    if rule.largest == 1 and (rule.asks_others or rule.fill == "none"):
        # Whoever has a row has that one port: nobody is above anybody.
        return "its dest_port lets one port pass, so that every value is 1; let more pass, or count flows"
    return ""


def _rows(rule: Rule) -> int:
    """Rows of the fleet, or of the client's group, without which no row can pass."""
    if not rule.asks_others:
        return 0
    if rule.fleet_includes_day:
        return rows_to_exceed(rule)
    return 1 if rule.stdev_of_one == "zero" else 2


def _others(rule: Rule, rows: int) -> str:
    days = rule.lookback_days + rule.fleet_includes_day
    clients = -(-rows // days)
    seen = f"({clients} {'client' if clients == 1 else 'clients'} seen every day)"
    where = " of its group" if rule.by_group else " in all"
    window = f"window of {days} days" if rule.fleet_includes_day else f"window of the {days} days before it"
    return f", and the {window} needs {rows} {'row' if rows == 1 else 'rows'}{where} {seen}" if rows else ""


def _budget(rule: Rule, start: dt.date) -> Fireability:
    """Days of a client tell its spread, comparable ones how rare a score is: the first day, with a fleet seen daily."""
    spending = [c for c in CHANNELS if rule.surge.shares[c] > 0]
    able = [c for c in spending if rule.lookback_days >= _LEAST_PAST[c]]
    first = start + dt.timedelta(days=min((_first_judged(c, rule.lookback_days) for c in able), default=0))
    if not able:
        why = "no channel has a share of the budget; raise shares"
        if spending:
            least = min(_LEAST_PAST[c] for c in spending)
            holds = f"its window holds {rule.lookback_days}; raise lookback_days"
            why = f"it needs {least} past days of a client, and {holds}"
        return Fireability(rule.id, False, f"never: {why}", 0, first)
    rows = math.ceil(10_000 / max(rule.surge.limit(c) for c in able))
    text = (
        f"yes, from {first} on: surely once the {rule.surge.calibration} days before hold {rows} client-days, and "
        f"earlier by a tail fitted to 30; it spends {rule.budget:g} false alerts a day per 10,000 active clients"
    )
    return Fireability(rule.id, True, text, rows, first)


def _first_judged(channel: str, lookback: int) -> int:
    """Days after the site's first until enough comparable ones are past; a client's past grows up to the window."""
    known: list[int] = []
    while sum(2 * k >= known[-1] for k in known) < _LEAST_SCORED:
        known.append(min(_LEAST_PAST[channel] + len(known), lookback))
    return _UNKNOWN[channel] + _LEAST_PAST[channel] + len(known)

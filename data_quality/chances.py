"""How unusual a count is beside the days before: chances, which the suites put limits to.

A count is compared with days of its own kind (the same weekday, or a day off where the calendar tells) on a logarithmic
scale, by medians and median deviations, so that one odd day in the past widens nothing. What too little history cannot
tell is None. Nothing is judged here, and nothing read.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

PEERS = 3
"""Days of the same kind below which nothing is concluded."""
ALL_DAYS = 7
"""Past days after which something that was there on every one of them is known, whatever kinds of day they were."""
_FLOOR = 0.04
"""Least deviation of a logarithm: smaller ones are never told apart."""
_SMALL = (1.0, 1.196, 1.495, 1.363, 1.206, 1.2, 1.14, 1.129, 1.107)
"""By how much the median deviation of n values falls short (Croux and Rousseeuw 1992), for n below 9."""
_SILENT_ONCE, _SILENT_DAYS = 0.01, 10.0
"""What is thought of silence before any day was seen: once in a thousand days, with the weight of ten days."""
_MIXED = 0.05
"""Share of a day's flows that may fall into any hour."""

Kinds = Mapping[dt.date, Hashable]


@dataclass(frozen=True)
class Usual:
    """What is usual of a count on days of one kind: the centre and scale of ln(count / unit + 1/2)."""

    centre: float
    scale: float
    days: int
    unit: float = 1.0

    @property
    def count(self) -> float:
        """The count in the middle."""
        return max(0.0, (math.exp(self.centre) - 0.5) * self.unit)

    def distance(self, count: float) -> float:
        """How many scales a count lies above the centre."""
        return (_log(count, self.unit) - self.centre) / self.scale

    def fewer(self, count: float) -> float:
        """The chance of so small a count."""
        return student(self.distance(count))

    def more(self, count: float) -> float:
        """The chance of so large a count."""
        return student(-self.distance(count))


def student(t: float) -> float:
    """The chance of a value below t in Student's distribution with 8 degrees of freedom, in closed form."""
    u = 8 / (8 + t * t)
    inner = abs(t) / math.sqrt(8 + t * t) * (1 + u / 2 + 3 * u * u / 8 + 5 * u**3 / 16)
    tail = max((1 - inner) / 2, 1e-15)
    return tail if t < 0 else 1 - tail


def _log(count: float, unit: float) -> float:
    return math.log(count / unit + 0.5)


def peers_of(kind: Hashable, kinds: Kinds) -> list[dt.date]:
    """The past days of a kind, in order."""
    return sorted(d for d, k in kinds.items() if k == kind)


def usual(
    kind: Hashable, past: Mapping[dt.date, float], kinds: Kinds, *, unit: float = 1.0, noise: float | None = None
) -> Usual | None:
    """What is usual of a count on a kind of day; None with too few such days.

    The deviation is the largest of three: that of days of this kind, that of all days around the middle of their own
    kinds, and the least that so small a number can have.

    Args:
        kind: the kind of the day in question.
        past: the counts of the days before.
        kinds: the kind of each of these days.
        unit: what comes and goes together, such as the flows of one client; counts are measured in it.
        noise: least variance of the logarithm; None takes a quarter of that of independent units.
    """
    by_kind: dict[Hashable, list[float]] = {}
    for day in sorted(past):
        by_kind.setdefault(kinds[day], []).append(_log(past[day], unit))
    own = by_kind.get(kind, [])
    if len(own) < PEERS:
        return None
    centre = median(own)
    known = [values for values in by_kind.values() if len(values) >= PEERS]
    residuals = [abs(v - median(values)) for values in known for v in values]
    least = 0.25 / math.exp(centre) if noise is None else noise
    scale = max(
        _deviation([abs(v - centre) for v in own], len(own)),
        _deviation(residuals, min(len(values) for values in known)),
        math.sqrt(_FLOOR**2 + least),
    )
    return Usual(centre, scale * math.sqrt(1 + math.pi / 2 / len(own)), len(own), unit)


def _deviation(residuals: Sequence[float], size: int) -> float:
    return 1.4826 * median(residuals) * (_SMALL[size] if size < len(_SMALL) else size / (size - 0.8))


@dataclass(frozen=True)
class Silence:
    """Who is usually there, who of them was not, and the chance that so many are not."""

    chance: float | None
    """None when nobody is known well enough."""
    silent: tuple[Hashable, ...] = ()
    usual: int = 0


def silence(
    kind: Hashable,
    present: Collection[Hashable],
    past: Mapping[dt.date, Collection[Hashable]],
    kinds: Kinds,
) -> Silence:
    """Who of those usually there was silent.

    Usually there is who was there on all days of this kind but one at most (on all of three); before there are three of
    them, who was there on every one of at least seven past days. How often such a one is silent is learnt from the same
    days, beginning at once in a thousand days; the chance is that of so many at once, by the binomial distribution.
    """
    peers = [d for d in peers_of(kind, kinds) if d in past]
    spared = 1 if len(peers) > PEERS else 0
    if len(peers) < PEERS:
        peers, spared = sorted(past), 0
        if len(peers) < ALL_DAYS:
            return Silence(None)
    seen: dict[Hashable, int] = {}
    for day in peers:
        for name in past[day]:
            seen[name] = seen.get(name, 0) + 1
    usually = {name: n for name, n in seen.items() if n >= len(peers) - spared}
    if not usually:
        return Silence(None)
    silent = tuple(sorted((n for n in usually if n not in present), key=repr))
    days = len(usually) * len(peers)
    rate = (days - sum(usually.values()) + _SILENT_ONCE) / (days + _SILENT_DAYS + _SILENT_ONCE)
    return Silence(_at_least(len(silent), len(usually), rate), silent, len(usually))


def _at_least(found: int, of: int, rate: float) -> float:
    """The chance of at least so many of so many, each with this rate."""
    if found == 0:
        return 1.0
    logs = (
        math.lgamma(of + 1)
        - math.lgamma(k + 1)
        - math.lgamma(of - k + 1)
        + k * math.log(rate)
        + (of - k) * math.log1p(-rate)
        for k in range(found, of + 1)
    )
    return min(1.0, math.fsum(math.exp(v) for v in logs))


Hours = Sequence[int]
"""Counts by hour of the day."""


@dataclass(frozen=True)
class Hourly:
    """What is usual of each hour: its median over days of one kind, and how much counts vary beyond single events."""

    middle: tuple[float, ...]
    dispersion: float

    @classmethod
    def of(cls, past: Sequence[Hours]) -> Hourly | None:
        """From at least three days; the dispersion is the median of (count - middle)^2 / middle, in its own scale."""
        if len(past) < PEERS:
            return None
        middle = tuple(float(median(day[h] for day in past)) for h in range(24))
        odd = [(day[h] - m) ** 2 / m for day in past for h, m in enumerate(middle) if m > 0]
        spread = median(odd) / 0.455 * (_SMALL[len(past)] if len(past) < len(_SMALL) else 1.1) ** 2 if odd else 1.0
        return cls(middle, max(1.0, spread))

    def silent(self, today: Hours, hours: Sequence[int]) -> tuple[float, tuple[int, ...]]:
        """The chance of the most telling stretch of silent hours among those the day has, and the stretch.

        An hour counts for the events it usually has beyond their dispersion. A busy hour between idle ones is no part
        of a stretch: it is one job, which may not run.
        """
        best, telling, run = 0.0, (), []
        for hour in [*hours, None]:
            if hour is not None and today[hour] == 0 and self._among_busy(hour):
                run.append(hour)
                continue
            weight = sum(self.middle[h] for h in run) / self.dispersion
            if weight > best:
                best, telling = weight, tuple(run)
            run = []
        return min(1.0, len(hours) * math.exp(-best)), telling

    def _among_busy(self, hour: int) -> bool:
        beside = max(self.middle[(hour - 1) % 24], self.middle[(hour + 1) % 24])
        return self.middle[hour] > 0 and beside >= 0.1 * self.middle[hour]

    def shift(self, today: Hours) -> tuple[float, int]:
        """A bound of the chance that the day's hours look so much more like usual hours moved by some, and by how many.

        The likelihoods of the hours between the first and the last flow are compared, so that a part of the day that is
        missing is no shift. A ratio of k is seen by chance once in k times at most.
        """
        total = sum(self.middle)
        busy = [h for h in range(24) if today[h]]
        if not busy or total == 0:
            return 1.0, 0
        span = range(busy[0], busy[-1] + 1)
        shares = [(1 - _MIXED) * m / total + _MIXED / 24 for m in self.middle]
        fits = {lag: _fit(today, [shares[(h - lag) % 24] for h in range(24)], span) for lag in range(-11, 13)}
        best = max(fits, key=lambda lag: (fits[lag], lag == 0))
        gain = (fits[best] - fits[0]) / self.dispersion
        return min(1.0, 23 * math.exp(-gain)) if best else 1.0, best


def _fit(today: Hours, shares: Sequence[float], span: range) -> float:
    whole = math.log(sum(shares[h] for h in span))
    return sum(today[h] * (math.log(shares[h]) - whole) for h in span if today[h])

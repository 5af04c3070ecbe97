"""How unusual a count is beside the days before: chances, which the suites put limits to.

A count is compared with days of its own kind (the same weekday, or a day off where the calendar tells) on a logarithmic
scale, by medians and median deviations, so that one odd day in the past widens nothing. What too little history cannot
tell is None. Nothing is judged here, and nothing read.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Generic, TypeVar

PEERS = 3
"""Days of the same kind below which nothing is concluded."""
ALL_DAYS = 7
"""Past days after which something that was there on every one of them is known, whatever kinds of day they were."""
_FLOOR = 0.04
"""Least deviation of a logarithm: smaller ones are taken for this."""
_SMALL = (1.0, 1.0, 1.196, 1.495, 1.363, 1.206, 1.2, 1.14, 1.129, 1.107)
"""By how much the median deviation of n values falls short (Croux and Rousseeuw 1992), for n from 2 to 9."""
_SHARED = 7
"""How many days of one name's own counts the dispersion that all names share weighs as much as."""
_PRIOR = 5
"""How many counts the prior of that shared dispersion weighs as much as; it is half that of independent events."""

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


def peers_of(kind: Hashable, days: Iterable[dt.date], kinds: Kinds) -> list[dt.date]:
    """Those of the days that are of a kind, in order."""
    return sorted(d for d in days if kinds[d] == kind)


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


_Name = TypeVar("_Name", bound=Hashable)


@dataclass(frozen=True)
class Silence(Generic[_Name]):
    """Who is usually there, who of them was not, and the chance of that."""

    chance: float | None
    """None when nobody is known well enough."""
    silent: tuple[_Name, ...] = ()
    """Those whose own silence is not to be expected, the most telling first."""
    usual: int = 0


def silence(
    kind: Hashable,
    present: Collection[_Name],
    past: Mapping[dt.date, Mapping[_Name, float]],
    kinds: Kinds,
    least: float = 0.0,
) -> Silence[_Name]:
    """Who of those usually there was silent, and the chance of the most telling silence among all of them.

    Usually there is who was there on all days of this kind but one at most (on all of three); before there are three of
    them, who was there on every one of at least seven past days. With a median count m, which varies D times as much as
    independent events do, none is seen with a chance of exp(-m / D). D is learnt from the days with any, and from the
    others who are usually there; it is small where counts are steady. Three or four small counts look steady by luck:
    where m of N people come, each for himself, D is 1 - m / N (the binomial's), and is never taken for less. N is the
    largest count of any past day: on weekends it is far above m, on working days near it.

    Args:
        kind: the kind of the day in question.
        present: who was there.
        past: the counts of the days before, by name.
        kinds: the kind of each of these days.
        least: what D is at least. People who were there every day are on leave one day, and then for a week.
    """
    counts = _counts_of_usual(peers_of(kind, past, kinds), past)
    if not counts:
        return Silence(None)
    spread = {name: _spread(seen) for name, seen in counts.items()}
    shared = (math.fsum(spread.values()) + 0.5 * _PRIOR) / (sum(len(c) - 1 for c in counts.values()) + _PRIOR)
    silent = []
    for name, seen in counts.items():
        if name in present:
            continue
        middle, most = median(seen), max(day.get(name, 0.0) for day in past.values())
        binomial = 1 - middle / most
        dispersion = max(least, binomial, (spread[name] + _SHARED * shared) / (len(seen) - 1 + _SHARED))
        chance = len(counts) * math.exp(-middle / dispersion)
        if chance < 1:
            silent.append((chance, repr(name), name))
    silent.sort()
    return Silence(silent[0][0] if silent else 1.0, tuple(name for _, _, name in silent), len(counts))


def _counts_of_usual(
    peers: Sequence[dt.date], past: Mapping[dt.date, Mapping[_Name, float]]
) -> dict[_Name, list[float]]:
    """The counts of those who are usually there, by name, as `silence` defines it; none where that cannot be told.

    Args:
        peers: the past days of the kind in question.
        past: the counts of all days before, by name.
    """
    may_miss = 1 if len(peers) > PEERS else 0
    if len(peers) < PEERS:
        peers = sorted(past)
        if len(peers) < ALL_DAYS:
            return {}
    counts: dict[_Name, list[float]] = {}
    for day in peers:
        for name, count in past[day].items():
            counts.setdefault(name, []).append(count)
    return {name: seen for name, seen in counts.items() if len(seen) >= len(peers) - may_miss}


def _spread(seen: Sequence[float]) -> float:
    """The squared deviations of counts from their mean, in units of that mean: about len - 1 for independent events."""
    mean = math.fsum(seen) / len(seen)
    return math.fsum((c - mean) ** 2 for c in seen) / mean


Hours = Sequence[int]
"""Counts by hour of the day."""


@dataclass(frozen=True)
class Hourly:
    """What is usual of each hour over days of one kind: its median and mean, and the dispersion of counts."""

    middle: tuple[float, ...]
    mean: tuple[float, ...]
    days: int
    dispersion: float
    """By how much counts vary more than those of independent events: the median over days, at least 1."""

    @classmethod
    def of(cls, past: Sequence[Hours]) -> Hourly | None:
        """From at least three days; None from fewer."""
        n = len(past)
        if n < PEERS:
            return None
        mean = tuple(sum(day[h] for day in past) / n for h in range(24))
        whole = max(sum(mean), 1e-9)
        odd = [sum((c - m) ** 2 for c, m in zip(day, mean, strict=True)) / whole * n / (n - 1) for day in past]
        return cls(tuple(float(median(day[h] for day in past)) for h in range(24)), mean, n, max(1.0, median(odd)))

    def silent(self, today: Hours, hours: Sequence[int]) -> tuple[float, tuple[int, ...]]:
        """The chance of the most telling stretch of silent hours among those the day has, and the stretch.

        An hour counts for the events it usually has beyond their dispersion. A busy hour between idle ones is no part
        of a stretch: it is one job, which may not run.
        """
        best, run = 0.0, list[int]()
        telling: tuple[int, ...] = ()
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
        busy = [h for h in range(24) if today[h]]
        if not busy:
            return 1.0, 0
        span, seen = range(busy[0], busy[-1] + 1), self.days * sum(self.mean)
        # As if every hour had been seen once more on such days.
        shares = [(self.days * m + 1) / (seen + 24) for m in self.mean]
        fits = {lag: _fit(today, [shares[(h - lag) % 24] for h in range(24)], span) for lag in range(-11, 13)}
        best = max(fits, key=lambda lag: (fits[lag], lag == 0))
        gain = (fits[best] - fits[0]) / self.dispersion
        return min(1.0, 23 * math.exp(-gain)) if best else 1.0, best


def _fit(today: Hours, shares: Sequence[float], span: range) -> float:
    whole = math.log(sum(shares[h] for h in span))
    return sum(today[h] * (math.log(shares[h]) - whole) for h in span if today[h])

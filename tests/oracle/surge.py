"""A naive reading of the surge method: loops, and medians of lists from which one value was really taken out."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Row:
    """One client-day."""

    day: dt.date
    client: str
    bytes: int
    group: str | None = None
    role: str | None = None
    explained_by: str | None = None

    @property
    def y(self) -> float:
        return math.log(self.bytes + 1e5)


def median(values: Sequence[float]) -> float:
    return float(np.median(values)) if len(values) else math.nan


def mean(values: Sequence[float], default: float) -> float:
    return float(np.mean(values)) if len(values) else default


@dataclass
class Window:
    """Rows of a window whose past is the rows before a day, and all that is estimated from them."""

    rows: list[Row]
    before: dt.date
    usual: dict[str, float] = field(default_factory=dict)
    follows: dict[str, float] = field(default_factory=dict)
    history: dict[str, list[float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        clients = sorted({r.client for r in self.rows})
        for c in clients:
            past = [r.y for r in self.past(c)]
            if past:
                self.usual[c] = median(past)
        roles = {c: r.role for r in self.rows for c in [r.client]}
        by_role = {
            role: self.slope([c for c in clients if roles[c] == role], 1.0) for role in {r.role for r in self.rows}
        }
        self.follows = {c: self.slope([c], by_role[roles[c]]) for c in clients}
        self.history = {c: [self.level(r) for r in self.past(c)] for c in clients}
        first = {r.client: r for r in sorted(self.rows, key=lambda r: r.day, reverse=True)}
        self.who = [first[c] for c in clients]

    def past(self, client: str) -> list[Row]:
        return [r for r in self.rows if r.client == client and r.day < self.before and r.explained_by is None]

    def effect(self, row: Row) -> float:
        others = [r for r in self.rows if r.day == row.day and r.client != row.client and r.client in self.usual]
        residuals = [r.y - self.usual[r.client] for r in others]
        peers = [r.y - self.usual[r.client] for r in others if (r.role, r.group) == (row.role, row.group)]
        n, k = len(residuals), len(peers)
        fleet = n / (n + 30) * median(residuals) if n else 0.0
        return ((k * median(peers) if k else 0.0) + 30 * fleet) / (k + 30)

    def slope(self, clients: list[str], prior: float) -> float:
        pairs = [(self.effect(r), r.y - self.usual[c]) for c in clients for r in self.past(c)]
        pairs = [(e, x) for e, x in pairs if abs(e) >= 0.2]
        slope = (sum(e * x for e, x in pairs) + prior) / (sum(e * e for e, _ in pairs) + 1)
        return min(max(slope, 0.0), 1.5)

    def shift(self, row: Row) -> float:
        return self.follows[row.client] * self.effect(row)

    def level(self, row: Row) -> float:
        return row.y - self.shift(row)

    def prior(self, row: Row) -> float:
        fleet = list(self.usual.values())
        role = [self.usual[r.client] for r in self.who if r.role == row.role and r.client in self.usual]
        both = [
            self.usual[r.client]
            for r in self.who
            if r.role == row.role and r.group == row.group and r.client in self.usual
        ]
        towards = ((len(role) * median(role) if role else 0.0) + median(fleet)) / (len(role) + 1)
        return ((len(both) * median(both) if both else 0.0) + 10 * towards) / (len(both) + 10)

    def spreads(self, who: list[Row]) -> tuple[int, float, float]:
        enough = [r for r in who if len(self.history[r.client]) >= 5]
        vs = [float(np.var(self.history[r.client], ddof=1)) for r in enough]
        away = [float(np.mean(self.history[r.client])) - self.prior(r) for r in enough]
        noise = [v / len(self.history[r.client]) for v, r in zip(vs, enough, strict=True)]
        within = max(mean(vs, 1.0), 0.01)
        between = max(float(np.var(away)) - float(np.mean(noise)) if enough else 1.0, 0.05)
        return len(enough), within, between

    def model(self, row: Row) -> tuple[float, float, float, float]:
        """Centre, predictive scale, nu, own scale; not numbers while no client has 5 days."""
        if max(len(h) for h in self.history.values()) < 5:
            return math.nan, math.nan, 6.0, math.nan
        _, within, between = self.spreads(self.who)
        k, own_within, own_between = self.spreads([r for r in self.who if r.role == row.role])
        within = math.exp((k * math.log(own_within) + math.log(within)) / (k + 1))
        between = math.exp((k * math.log(own_between) + math.log(between)) / (k + 1))
        past = self.history[row.client]
        n, m = len(past), mean(past, 0.0)
        v = float(np.var(past, ddof=1)) if n > 1 else 0.0
        weight, freedom = within / between, max(n - 1, 0)
        nu = 6 + freedom
        spread = (6 * within + freedom * v) / nu
        centre = (weight * self.prior(row) + n * m) / (weight + n)
        return centre, math.sqrt(spread * (1 + 1 / (weight + n))), nu, math.sqrt(spread)


@dataclass(frozen=True)
class Raw:
    """The raw scores of one client-day."""

    row: Row
    n: int
    expected: float
    t: float
    surprise: float
    slow: float | None
    quiet: bool

    @property
    def excess(self) -> float:
        return self.row.bytes - self.expected

    @property
    def new(self) -> float | None:
        if self.n == 0:
            return math.log(max(self.excess, 1.0))
        return self.surprise if self.n < 4 else None


def raw_scores(rows: Sequence[Row], day: dt.date, days: int = 30) -> list[Raw]:
    """The day's raw scores, by client."""
    unique = sorted(set(rows), key=lambda r: (r.day, r.client))
    last = {r.client: r for r in unique if r.day <= day}
    unique = [replace(r, group=last[r.client].group, role=last[r.client].role) for r in unique if r.client in last]
    window = [r for r in unique if day - dt.timedelta(days) <= r.day <= day]
    today = [r for r in window if r.day == day]
    counts = {d: sum(r.day == d for r in window) for d in {r.day for r in window}}
    before = [n for d, n in counts.items() if d < day]
    quiet = bool(before) and len(today) < 0.5 * median(before)
    main = Window(window, day)
    first = day - dt.timedelta(9)
    slow = Window([r for r in unique if first - dt.timedelta(days) <= r.day <= day], first)
    return [_raw(main, slow, r, quiet) for r in today]


def _raw(main: Window, slow: Window, row: Row, quiet: bool) -> Raw:
    centre, scale, nu, _ = main.model(row)
    t = (main.level(row) - centre) / scale
    expected = math.nan if math.isnan(centre) else max(math.exp(centre + main.shift(row)) - 1e5, 0.0)
    surprise = min(-float(stats.t.logsf(t, nu)), 700.0)
    return Raw(row, len(main.history[row.client]), expected, t, surprise, _slow(slow, row), quiet)


def _slow(window: Window, row: Row) -> float | None:
    past = window.history[row.client]
    recent = [r for r in window.rows if r.client == row.client and r.day >= window.before and r.explained_by is None]
    if row.explained_by is not None or len(past) < 6 or len(recent) < 3:
        return None
    scale = window.model(row)[3]
    z = [min(max((window.level(r) - float(np.mean(past))) / scale, -3.0), 2.0) for r in recent]
    return sum(z) / math.sqrt(1.6 * len(z) + len(z) ** 2 / len(past))


def rarity(pool: Sequence[Raw], one: Raw, *, member: bool) -> float:
    """-ln p_x of a client-day among unexplained past ones."""
    free = [r for r in pool if r.row.explained_by is None]
    same = [r for r in free if r.row.role == one.row.role]
    kinds = ([r for r in same if r.quiet == one.quiet], same)
    like = next((k for k in kinds if len(k) >= 300), free)
    above = sum(r.excess >= one.excess for r in like)
    share = max(above, 1) / len(like) if member else (above + 1) / (len(like) + 1)
    return -math.log(share)


def shot(pool: Sequence[Raw], one: Raw, *, member: bool) -> float:
    """The smaller of both: unusual for the client, large for the network."""
    return min(one.surprise, 3 * rarity(pool, one, member=member))


def company(
    members: Sequence[tuple[str | None, float | None, str | None]], one: int, unusual: float, rate: float
) -> tuple[float, float]:
    """Company of one of a day's members (group, surprise, explanation), and the surprise from which it counts."""
    group = members[one][0]
    others = [m for i, m in enumerate(members) if i != one and m[0] == group and m[1] is not None]
    outside = [m for m in members if m[0] != group and m[1] is not None]
    large = sorted((s for _, s, why in others if why is None and s is not None and s >= unusual), reverse=True)
    outer = sum(why is None and s is not None and s >= unusual for _, s, why in outside)
    mean = len(others) * max(rate, outer / max(len(outside), 1))
    chance = 1 - sum(math.exp(-mean) * mean**k / math.factorial(k) for k in range(len(large)))
    least = max(unusual, large[1] - 1e-9 * large[1]) if len(large) > 1 else unusual
    return (-math.log(chance) if group is not None and len(large) > 1 else 0.0), least


def case_starts(pool: Sequence[Raw], threshold: float) -> int:
    """Slow scores at or above the threshold with none of the same client in the 7 days before."""
    over = [r.row for r in pool if r.row.explained_by is None and r.slow is not None and r.slow >= threshold]
    return sum(not any(o.client == r.client and 0 < (r.day - o.day).days <= 7 for o in over) for r in over)


def slow_counts(pool: Sequence[Raw], threshold: float) -> int:
    """Cases at the threshold, or at the higher one that gives most: a lower threshold never means fewer."""
    scores = {r.slow for r in pool if r.row.explained_by is None and r.slow is not None and r.slow >= threshold}
    return max((case_starts(pool, s) for s in scores), default=0)


def bounded_count(settled: Sequence[Sequence[float]], lately: Sequence[float], threshold: float) -> float:
    """Scores at or above the threshold; those of a settled day up to eight times the mean of such days, and one."""
    days = [sum(s >= threshold for s in scores) for scores in settled]
    total = float(sum(days))
    for _ in range(50):
        bound = max(1.0, 8 * total / len(days))
        lower = sum(min(n, bound) for n in days)
        if lower == total:
            break
        total = lower
    return round(total) + sum(s >= threshold for s in lately)

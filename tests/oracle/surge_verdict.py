"""A naive reading of what becomes of surge's raw scores: tails, budgets, alerts, severity, cases, campaigns.

Written from the formulas of docs/surge.md alone, with loops and plain lists. Raw scores are told in
`tests.oracle.surge`.
"""

from __future__ import annotations

import datetime as dt
import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from scipy import stats

Row = Mapping[str, Any]
"""A row of raw scores."""
DAY = dt.timedelta(days=1)
LARGE = 10**9


def lowered(score: float) -> float:
    """What is as high as the score, but for rounding."""
    return score - 1e-9 * abs(score)


def told_apart(
    scores: Sequence[tuple[float, dt.date, str]],
) -> tuple[list[tuple[float, dt.date, str]], dict[float, float]]:
    """In order, each with the lowest of those that are as high as it or as one between them; the highest by these."""
    found: list[tuple[float, dt.date, str]] = []
    tops: dict[float, float] = {}
    before = math.inf
    for score, day, client in sorted(scores):
        same = bool(found) and before >= lowered(score)
        found.append((found[-1][0] if same else score, day, client))
        tops[found[-1][0]] = before = score
    return found, tops


class Tail:
    """Past scores (score, day, client) of one kind, and the client-days that they are counted against."""

    def __init__(
        self, scores: Sequence[tuple[float, dt.date, str]], active: int, day: dt.date, case_days: int = 0
    ) -> None:
        self.scores, self.tops = told_apart(scores)
        self.values = [s for s, _, _ in self.scores]
        self.active, self.day, self.case_days = active, day, case_days
        self.settled = {d for _, d, _ in scores if d < day - 7 * DAY}
        self.starts = [(s, d, self._opened(d, c)) for s, d, c in self.scores]
        self.counts = self._counts()
        self.anchor = max((s for s, c in self.counts.items() if c >= 4), default=None) if len(scores) >= 30 else None
        if self.anchor is not None:
            self.shape, self.scale = self._law(self.anchor)

    def _counts(self) -> dict[float, int]:
        """By score, from the highest down: never less than at a higher one."""
        found: dict[float, int] = {}
        most = 0
        tenth = int(len(self.values) * 0.1)
        for score in sorted(set(self.values), reverse=True):
            days = self._starts(score)
            highest = sum(v > score for v in self.values) < tenth
            most = max(most, self._bounded(days) if highest else sum(days.values()))
            found[score] = most
        return found

    def _opened(self, day: dt.date, client: str) -> float:
        """The highest score of the client in the days before: up to it a threshold gives no new case."""
        within = range(1, self.case_days + 1)
        return max((s for s, d, c in self.scores if c == client and (day - d).days in within), default=-math.inf)

    def _starts(self, threshold: float) -> Counter[dt.date]:
        """By day the scores as high, without those that go on with a case of the same client."""
        return Counter(day for score, day, opened in self.starts if score >= threshold > opened)

    def _bounded(self, days: Counter[dt.date]) -> int:
        """With settled days counted for at most one, and eight times their mean."""
        counts, late = [days[d] for d in self.settled], sum(n for d, n in days.items() if d not in self.settled)
        total = float(sum(counts))
        for _ in range(50):
            total = sum(min(n, max(1.0, 8 * total / len(counts))) for n in counts)
        return round(total + late)

    def _law(self, anchor: float) -> tuple[float, float]:
        size = min(max(math.floor(0.02 * len(self.values)), 30), len(self.values) - 1)
        start = self.values[-size - 1]
        e = [v - start for v in self.values[-size:]]
        m = sum(e) / size
        w = sum(x * (1 - (i - 0.35) / size) for i, x in enumerate(e, 1)) / size
        shape = 0.5 if m <= 2 * w else min(max(2 - m / (m - 2 * w), 0.0), 0.5)
        return shape, max(m * (1 - shape) + shape * (anchor - start), 1e-9)

    def rate(self, score: float) -> float:
        count = self.counts.get(min((v for v in self.counts if self.tops[v] >= lowered(score)), default=math.inf), 0)
        least = 1e3 / (self.active + 1)
        if self.anchor is None:
            return max(1e4 * (count + 1) / (self.active + 1), least)
        if lowered(score) <= self.tops[self.anchor]:
            return max(1e4 * count / self.active, least)
        beyond = (score - self.anchor) / self.scale
        left = (1 + self.shape * beyond) ** (-1 / self.shape) if self.shape else math.exp(-beyond)
        return max(1e4 * self.counts[self.anchor] / self.active * left, least)


@dataclass
class Verdicts:
    """What the raw scores of the days before a day make of the day's."""

    raw: Mapping[dt.date, Sequence[Row]]
    day: dt.date
    budget: float
    shares: Mapping[str, float]
    calibration: int
    like: dict[tuple[str | None, bool], list[float]] = field(default_factory=dict)

    def comparable(self, known: str, score: str) -> list[Row]:
        """Rows of the past's comparable days; none where these are fewer than seven."""
        days = [self.day - i * DAY for i in range(1, self.calibration + 1)]
        mean = {
            d: sum(r[known] if r[score] is not None and r[known] is not None else 0 for r in self.raw[d])
            / len(self.raw[d])
            for d in days
            if self.raw.get(d)
        }
        kept = [d for d, m in mean.items() if m > 0 and 2 * m >= max(mean.values())]
        return [r for d in kept for r in self.raw[d]] if len(kept) >= 7 else []

    @cached_property
    def past(self) -> list[Row]:
        return self.comparable("n", "surprise")

    @cached_property
    def free(self) -> list[Row]:
        return [r for r in self.past if r["explained_by"] is None and r["surprise"] is not None]

    @cached_property
    def unusual(self) -> float:
        ordered = sorted(r["surprise"] for r in self.free)
        return lowered(ordered[round(0.99 * (len(ordered) - 1))]) if ordered else math.inf

    def is_unusual(self, row: Row) -> bool:
        return row["explained_by"] is None and row["surprise"] >= self.unusual

    @cached_property
    def usual_share(self) -> float:
        return sum(map(self.is_unusual, self.free)) / len(self.free)

    def rarity(self, row: Row, *, member: bool) -> float:
        like = self.likes(row["role"], row["quiet"])
        k = len(like) - bisect_left(like, lowered(row["excess"]))
        return -math.log(k / len(like)) if member else -math.log((k + 1) / (len(like) + 1))

    def likes(self, role: str | None, quiet: bool) -> list[float]:
        if (role, quiet) not in self.like:
            self.like[role, quiet] = self._likes(role, quiet)
        return self.like[role, quiet]

    def _likes(self, role: str | None, quiet: bool) -> list[float]:
        same = [r for r in self.free if r["role"] == role]
        kinds = [r for r in same if r["quiet"] == quiet], same
        return sorted(r["excess"] for r in next((k for k in kinds if len(k) >= 300), self.free))

    def company(self, row: Row) -> float:
        known = [r for r in self.raw[row["day"]] if r["surprise"] is not None]
        mine = [r for r in known if (r["role"], r["group"]) == (row["role"], row["group"])]
        others = [r for r in mine if r["client"] != row["client"]]
        outside = [r for r in known if r not in mine]
        large = sorted((r["surprise"] for r in others if self.is_unusual(r)), reverse=True)
        if row["group"] is None or len(large) < 2 or row["surprise"] < max(self.unusual, lowered(large[1])):
            return 0.0
        share = sum(map(self.is_unusual, outside)) / max(len(outside), 1)
        return min(float(-stats.poisson.logsf(len(large) - 1, len(others) * max(self.usual_share, share))), 700.0)

    def shot(self, row: Row, *, member: bool) -> float:
        """Company is asked of unusual rows alone: others have none."""
        with_company = self.company(row) if row["surprise"] >= self.unusual else 0.0
        return float(min(row["surprise"], 3 * self.rarity(row, member=member)) + 1.5 * with_company)

    @cached_property
    def parts(self) -> dict[tuple[str | None, bool | None], int]:
        """Of each role with scores of its own, and of its quiet days: client-days whose budget it has."""
        whole, sizes = len(self.past), Counter(r["role"] for r in self.past if r["role"] is not None)
        parts = {role: max(a / whole, 0.05 * min(a / 300, 1)) for role, a in sizes.items() if a >= 50}
        over = 1 + sum(part - sizes[role] / whole for role, part in parts.items())
        found: dict[tuple[str | None, bool | None], int] = {}
        for role, part in parts.items():
            rows = [r for r in self.past if r["role"] == role]
            quiet = [r for r in rows if r["quiet"]]
            if min(len(quiet), len(rows) - len(quiet)) < 300:
                found[role, None] = round(part / over * whole)
                continue
            days = len({r["day"] for r in quiet}) / len({r["day"] for r in rows})
            share = (len(quiet) / len(rows) + days) / 2
            found[role, True] = round(part / over * whole * share)
            found[role, False] = round(part / over * whole * (1 - share))
        return found

    @cached_property
    def tails(self) -> dict[Any, Tail]:
        shots = [(self.shot(r, member=True), r) for r in self.free]
        found: dict[Any, Tail] = {"all": self._tail(shots, len(self.past))}
        for (role, quiet), active in self.parts.items():
            part = [(s, r) for s, r in shots if r["role"] == role and quiet in {None, r["quiet"]}]
            found[role, quiet] = self._tail(part, active)
        slow = self.comparable("base_days", "slow")
        known = [(r["slow"], r) for r in slow if r["slow"] is not None and r["explained_by"] is None]
        found["slow"] = self._tail(known, len(slow), 7)
        for first, share in ((True, 0.85), (False, 0.15)):
            like = [(r["new"], r) for r in self.free if r["new"] is not None and (r["n"] == 0) == first]
            everybody = [(math.log(max(r["excess"], 1.0)) if first else r["surprise"], r) for r in self.free]
            enough = len(like) >= 30
            found["new", first] = self._tail(
                like if enough else everybody, round(share * len(self.past)) if enough else len(self.past)
            )
        return found

    def _tail(self, scores: Sequence[tuple[float, Row]], active: int, case_days: int = 0) -> Tail:
        return Tail([(s, r["day"], r["client"]) for s, r in scores], active, self.day, case_days)

    def rated(self, row: Row, channel: str) -> tuple[float, float] | None:
        """Score and rate; None where the channel cannot judge the row."""
        if row["surprise"] is None or (channel != "shot" and row[channel] is None):
            return None
        score = self.shot(row, member=False) if channel == "shot" else row[channel]
        score = min(score, 0.0) if row["ratio"] <= 1.01 else score
        if channel == "shot":
            kinds = ((row["role"], row["quiet"]), (row["role"], None), "all")
            return score, next(self.tails[k] for k in kinds if k in self.tails).rate(score)
        return score, self.tails["slow" if channel == "slow" else ("new", row["n"] == 0)].rate(score)

    def alerts(self, row: Row, channel: str) -> bool:
        found = self.rated(row, channel)
        learning = not self.tails["slow"].values if channel == "slow" else not self.free
        return found is not None and not learning and found[0] > 0 and found[1] <= self.limit(channel)

    def limit(self, channel: str) -> float:
        return self.budget * self.shares[channel]

    def severity(self, row: Row, rate: float, limit: float) -> str:
        large = row["excess"] >= LARGE
        if row["explained_by"] is not None:
            return "low"
        if rate <= 0.1 * limit and large:
            return "critical"
        return "high" if large or rate <= 0.25 * limit else "medium"

    def campaign(self, row: Row, channel: str) -> int | None:
        """The unexplained alerts of the row's group, where the budget would hardly give as many."""
        members = [r for r in self.raw[self.day] if r["group"] == row["group"]]
        open_ones = [r for r in members if r["explained_by"] is None and self.alerts(r, channel)]
        many = len(open_ones) > max(3, 4 * self.limit(channel) * len(members) / 1e4)
        return len(open_ones) if many and row["group"] is not None and row in open_ones else None

    def case_day(self, row: Row) -> dt.date:
        """The first of the slow days that follow each other within seven, by what is rare today."""
        first = self.day
        for ago in range(1, self.calibration + 1):
            day = self.day - ago * DAY
            same = [r for r in self.raw.get(day, ()) if r["client"] == row["client"]]
            if (first - day).days <= 7 and any(r["explained_by"] is None and self.alerts(r, "slow") for r in same):
                first = day
        return first

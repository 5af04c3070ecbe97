"""Drawing thefts of mailboxes: who is robbed, on which days, of how much.

Thefts draw from their own stream and only add bytes, so that a world without them is the same in all else. Which
sizes and forms there are is said in `settings`; how the days of a site become a fleet to rob, in `own`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.simulate.population import Bools, Calendar, Ints, People, stream
from pipeline.simulate.settings import Attack, WorldSettings

FEWEST_DAYS = 15
"""Working days with mail in the warm-up that an ordinary victim has at least."""

_LARGEST = 10**15
"""Bytes a day of one client that a theft may take: a flow of more is believed of nobody."""


@dataclass(frozen=True)
class Theft:
    """One theft: hosts (clients; addresses never seen are numbered on), days (indices), and bytes (hosts x days)."""

    attack_id: str
    attack: Attack
    hosts: Ints
    days: Ints
    amounts: Ints


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """Whom thefts may befall, without them: anybody's client-days, simulated or a site's own.

    Attributes:
        volume: bytes by client and day, 0 where there was no traffic.
        off: which of the days are weekends or holidays.
        group: the number of each client's group, below `groups`.
        groups: how many there are.
        victims: which clients are of the kinds "client", "sparse" and "nat" of an attack.
        warmup_days: first days, in which nothing is stolen and which say what is usual.
        median_bytes: the usual working day where no ordinary client has one.
    """

    volume: Ints
    off: Bools
    group: Ints
    groups: int
    victims: Mapping[str, Bools]
    warmup_days: int
    median_bytes: float


def simulated_fleet(settings: WorldSettings, calendar: Calendar, people: People, volume: Ints) -> Fleet:
    """The clients of a world, who are of the kinds that they were drawn as."""
    kinds = np.array([k.name for k in settings.kinds])[people.kind]
    return Fleet(
        volume=volume,
        off=calendar.off,
        group=people.group,
        groups=settings.groups,
        victims={
            "client": np.isin(kinds, ("workstation", "delegate")),
            "sparse": kinds == "sparse",
            "nat": kinds == "nat",
        },
        warmup_days=settings.warmup_days,
        median_bytes=settings.median_bytes,
    )


def plan_thefts(fleet: Fleet, attacks: Sequence[Attack], seed: int) -> tuple[list[Theft], Ints]:
    """Draw thefts.

    Returns:
        The thefts, and the group of each address never seen before. No client is robbed twice; of an attack for
        which no client or day is left, fewer are planted.
    """
    planner = _Planner(fleet, seed)
    return [t for attack in attacks for t in planner.plan(attack)], np.array(planner.newcomers, np.int64)


class _Planner:
    """Keeps who is robbed already."""

    def __init__(self, fleet: Fleet, seed: int) -> None:
        self.rng = stream(seed, "thefts")
        self.fleet = fleet
        self.clients, days = fleet.volume.shape
        self.free = np.ones(self.clients, dtype=bool)
        self.newcomers: list[int] = []
        later = np.arange(days) >= fleet.warmup_days
        self.work, self.rest = np.flatnonzero(later & ~fleet.off), np.flatnonzero(later & fleet.off)
        seen = np.where((fleet.volume > 0) & ~later & ~fleet.off, fleet.volume, -1)
        seen_days = (seen > 0).sum(axis=1)
        self.own = _medians(seen)
        ordinary = fleet.victims["client"] & (seen_days >= FEWEST_DAYS)
        self.victims: dict[str, Bools] = {
            "client": ordinary,
            "sparse": fleet.victims["sparse"] & (seen_days > 0),
            "nat": fleet.victims["nat"],
        }
        known = self.own[ordinary]
        self.usual = float(np.median(known)) if known.size else fleet.median_bytes

    def plan(self, attack: Attack) -> list[Theft]:
        """As many thefts of this attack as there is room for."""
        found = []
        for number in range(attack.count):
            days = self._days(attack)
            hosts = self._hosts(attack) if days.size else []
            if hosts:
                found.append(self._theft(f"{attack.name}-{number + 1:03d}", attack, hosts, days))
        return found

    def _days(self, attack: Attack) -> Ints:
        """Consecutive working days (or days off); as many as there are when the world is too short."""
        pool = self.rest if attack.off else self.work
        length = min(attack.days, pool.size)
        if not length:
            return pool
        start = int(self.rng.integers(0, pool.size - length + 1))
        return pool[start : start + length]

    def _hosts(self, attack: Attack) -> list[int]:
        """Free clients, several of one group; empty when there are too few."""
        if attack.victim == "new":
            first = self.clients + len(self.newcomers)
            self.newcomers += [int(self.rng.integers(0, self.fleet.groups))] * attack.hosts
            return list(range(first, first + attack.hosts))
        pool = self.victims[attack.victim] & self.free
        if attack.hosts > 1:
            sizes = np.bincount(self.fleet.group[pool], minlength=self.fleet.groups)
            groups = np.flatnonzero(sizes >= attack.hosts)
            if not groups.size:
                return []
            pool = pool & (self.fleet.group == self.rng.choice(groups))
        places = np.flatnonzero(pool)
        if places.size < attack.hosts:
            return []
        hosts = self.rng.choice(places, attack.hosts, replace=False)
        self.free[hosts] = False
        return [int(h) for h in hosts]

    def _theft(self, attack_id: str, attack: Attack, hosts: list[int], days: Ints) -> Theft:
        unit = {"bytes": 1.0, "fleet": self.usual}.get(attack.unit)
        usual = [unit if unit is not None else self.own[h] if h < self.own.size else self.usual for h in hosts]
        growth = (np.arange(days.size) + 1) / days.size if attack.ramp else np.ones(days.size)
        amounts = np.rint(attack.size * np.outer(np.array(usual), growth)).clip(max=_LARGEST).astype(np.int64)
        return Theft(attack_id, attack, np.array(hosts), days, amounts)


def _medians(seen: Ints) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Median of each row's non-negative values; 0 where there is none."""
    ordered, count = np.sort(seen, axis=1), (seen >= 0).sum(axis=1)
    size, row = seen.shape[1], np.arange(seen.shape[0])
    low, high = size - count + np.maximum(count - 1, 0) // 2, size - count + count // 2
    pair = ordered[row, np.minimum(low, size - 1)] + ordered[row, np.minimum(high, size - 1)]
    return np.where(count > 0, pair / 2, 0.0)

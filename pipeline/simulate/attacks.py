"""Planting thefts of mailboxes into a world that is otherwise drawn: who is robbed, on which days, of how much.

Thefts draw from their own stream and only add bytes, so that a world without them is the same in all else. Which
sizes and forms there are is said in `settings`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.simulate.population import Bools, Calendar, Ints, People, stream
from pipeline.simulate.settings import Attack, WorldSettings

_FEWEST_DAYS = 15
"""Working days with mail in the warm-up that an ordinary victim has at least."""


@dataclass(frozen=True)
class Theft:
    """One theft: hosts (clients; addresses never seen are numbered on), days (indices), and bytes (hosts x days)."""

    attack_id: str
    attack: Attack
    hosts: Ints
    days: Ints
    amounts: Ints


def plan_thefts(settings: WorldSettings, calendar: Calendar, people: People, volume: Ints) -> tuple[list[Theft], Ints]:
    """Draw the thefts over the volumes (clients x days) seen without them.

    Returns:
        The thefts, and the group of each address never seen before. No client is robbed twice; of an attack for
        which no client or day is left, fewer are planted.
    """
    planner = _Planner(settings, calendar, people, volume)
    return [t for attack in settings.attacks for t in planner.plan(attack)], np.array(planner.newcomers, np.int64)


class _Planner:
    """Keeps who is robbed already."""

    def __init__(self, settings: WorldSettings, calendar: Calendar, people: People, volume: Ints) -> None:
        self.rng = stream(settings.seed, "thefts")
        self.settings, self.people = settings, people
        self.free = np.ones(settings.clients, dtype=bool)
        self.newcomers: list[int] = []
        later = np.arange(settings.days) >= settings.warmup_days
        self.work, self.rest = np.flatnonzero(later & ~calendar.off), np.flatnonzero(later & calendar.off)
        seen = np.where((volume > 0) & ~later & ~calendar.off, volume, -1)
        self.seen_days = (seen > 0).sum(axis=1)
        self.own = _medians(seen)
        kinds = np.array([k.name for k in settings.kinds])[people.kind]
        ordinary = np.isin(kinds, ("workstation", "delegate")) & (self.seen_days >= _FEWEST_DAYS)
        self.victims: dict[str, Bools] = {
            "client": ordinary,
            "sparse": (kinds == "sparse") & (self.seen_days > 0),
            "nat": kinds == "nat",
        }
        known = self.own[ordinary]
        self.fleet = float(np.median(known)) if known.size else settings.median_bytes

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
            first = self.settings.clients + len(self.newcomers)
            self.newcomers += [int(self.rng.integers(0, self.settings.groups))] * attack.hosts
            return list(range(first, first + attack.hosts))
        pool = self.victims[attack.victim] & self.free
        if attack.hosts > 1:
            sizes = np.bincount(self.people.group[pool], minlength=self.settings.groups)
            groups = np.flatnonzero(sizes >= attack.hosts)
            if not groups.size:
                return []
            pool = pool & (self.people.group == self.rng.choice(groups))
        places = np.flatnonzero(pool)
        if places.size < attack.hosts:
            return []
        hosts = self.rng.choice(places, attack.hosts, replace=False)
        self.free[hosts] = False
        return [int(h) for h in hosts]

    def _theft(self, attack_id: str, attack: Attack, hosts: list[int], days: Ints) -> Theft:
        unit = {"bytes": 1.0, "fleet": self.fleet}.get(attack.unit)
        usual = [unit if unit is not None else self.own[h] if h < self.own.size else self.fleet for h in hosts]
        growth = (np.arange(days.size) + 1) / days.size if attack.ramp else np.ones(days.size)
        amounts = np.rint(attack.size * np.outer(np.array(usual), growth)).astype(np.int64)
        return Theft(attack_id, attack, np.array(hosts), days, amounts)


def _medians(seen: Ints) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Median of each row's non-negative values; 0 where there is none."""
    ordered, count = np.sort(seen, axis=1), (seen >= 0).sum(axis=1)
    size, row = seen.shape[1], np.arange(seen.shape[0])
    low, high = size - count + np.maximum(count - 1, 0) // 2, size - count + count // 2
    pair = ordered[row, np.minimum(low, size - 1)] + ordered[row, np.minimum(high, size - 1)]
    return np.where(count > 0, pair / 2, 0.0)

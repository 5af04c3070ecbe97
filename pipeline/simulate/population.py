"""Who lives in a world and when: clients, groups, addresses, calendar, absences, and the days on which mail is used.

Volumes are in `habits`, what disturbs them in `lookalikes`. Every topic draws from its own stream of random numbers, so
that one more draw in a topic changes no other.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.simulate.settings import DAYS_A_YEAR, INFRASTRUCTURE, WorldSettings

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_SUBNET_HOSTS = 250
_BETA = 20.0
"""How alike the clients of a kind are in their chance to be there: Beta(20 m, 20 (1 - m))."""


def stream(seed: int, topic: str) -> np.random.Generator:
    """The random numbers of one topic of a seed."""
    name = int.from_bytes(hashlib.blake2b(topic.encode(), digest_size=8).digest(), "big")
    return np.random.default_rng([seed, name])


@dataclass(frozen=True)
class Calendar:
    """The days of a world, in order: dates, ISO weekdays, and which are weekends or holidays."""

    dates: tuple[dt.date, ...]
    weekday: Ints
    holiday: Bools
    off: Bools


def make_calendar(settings: WorldSettings) -> Calendar:
    """Weekends as configured, and holidays on working days drawn at random."""
    dates = tuple(settings.start + dt.timedelta(days=i) for i in range(settings.days))
    weekday = np.array([d.isoweekday() for d in dates], dtype=np.int64)
    weekend = np.isin(weekday, settings.weekend)
    work = np.flatnonzero(~weekend)
    count = min(round(settings.holidays_per_year * settings.days / DAYS_A_YEAR), work.size)
    holiday = np.zeros(settings.days, dtype=bool)
    holiday[stream(settings.seed, "holidays").choice(work, count, replace=False)] = True
    return Calendar(dates, weekday, holiday, weekend | holiday)


@dataclass(frozen=True)
class People:
    """The clients of a world: one element a client, however it is called (a person, a phone, a machine).

    `kind` indexes the settings' kinds, `group` is 0..groups-1 or `groups` for the infrastructure; `level` is the
    logarithm of a usual working day's bytes, `within` its standard deviation from day to day, `mailbox` is in bytes.
    """

    kind: Ints
    group: Ints
    person: Bools
    quiet: Bools
    level: Floats
    within: Floats
    mailbox: Floats
    always_on: Bools
    first_day: Ints


def make_people(settings: WorldSettings, calendar: Calendar) -> People:
    """Draw the clients."""
    n, kinds = settings.clients, settings.kinds
    shares = np.array([k.share for k in kinds])
    kind = stream(settings.seed, "kind").choice(len(kinds), n, p=shares / shares.sum())
    person = np.array([k.person for k in kinds])[kind]
    group = _groups(settings, person)
    rng = stream(settings.seed, "level")
    shift = np.append(rng.normal(0.0, settings.group_sd, settings.groups), 0.0)
    spread = np.array([settings.between_sd if k.spread is None else k.spread for k in kinds])[kind]
    level = np.log(settings.median_bytes * np.array([k.volume for k in kinds]))[kind]
    level = level + rng.normal(0.0, 1.0, n) * spread + np.where(person, shift[group], 0.0)
    fixed = np.array([np.nan if k.within is None else k.within for k in kinds])[kind]
    rng = stream(settings.seed, "within")
    within = np.exp(np.log(settings.within_sd or 1e-9) + rng.normal(0.0, settings.within_sd_spread, n))
    mailbox = settings.mailbox_bytes * np.exp(stream(settings.seed, "mailbox").normal(0.0, settings.mailbox_sd, n))
    return People(
        kind=kind,
        group=group,
        person=person,
        quiet=np.array([k.quiet for k in kinds])[kind],
        level=level,
        within=np.where(np.isnan(fixed), within, fixed),
        mailbox=np.clip(mailbox, settings.mailbox_bytes / 80, settings.mailbox_bytes * 25),
        always_on=stream(settings.seed, "always on").random(n) < settings.always_on,
        first_day=_first_days(settings, calendar, person),
    )


def _groups(settings: WorldSettings, person: Bools) -> Ints:
    rng = stream(settings.seed, "group")
    group = rng.integers(0, settings.groups, settings.clients)
    apart = ~person & (rng.random(settings.clients) < 0.7)
    return np.where(apart, settings.groups, group)


def _first_days(settings: WorldSettings, calendar: Calendar, person: Bools) -> Ints:
    """0 for those who were there before; a newcomer's first day is a working day; `days` when it never comes."""
    rng = stream(settings.seed, "onboarding day")
    chance = 1 - np.exp(-settings.onboarding_per_year * settings.days / DAYS_A_YEAR)
    new = person & (rng.random(settings.clients) < chance)
    drawn = np.where(new, rng.integers(0, settings.days, settings.clients), 0)
    return np.where(drawn > 0, following(~calendar.off[None, :])[0, drawn], 0)


def following(days: Bools) -> Ints:
    """For each row and day the index of the first true day at or after it, or the number of days."""
    size = days.shape[1]
    marked = np.where(days, np.arange(size), size)
    return np.minimum.accumulate(marked[:, ::-1], axis=1)[:, ::-1]


@dataclass(frozen=True)
class Presence:
    """On which days a client uses mail (clients x days), and each return from leave: who, when, days away."""

    active: Bools
    returned: tuple[Ints, Ints, Ints]


def make_presence(settings: WorldSettings, calendar: Calendar, people: People) -> Presence:
    """Draw the days with mail: habit, leave and return, and nothing before a client's first day."""
    rng = stream(settings.seed, "presence")
    kinds = settings.kinds
    mean = np.array([k.present for k in kinds])[people.kind]
    certain = (mean <= 0) | (mean >= 1)
    soft = np.where(certain, 0.5, mean)
    work = np.where(certain, mean, rng.beta(_BETA * soft, _BETA * (1 - soft)))
    habit = np.where(people.always_on, settings.present_always_on, settings.present_off)
    own = np.array([np.nan if k.present_off is None else k.present_off for k in kinds])[people.kind]
    rest = np.where(np.isnan(own), habit, own)
    shape = (settings.clients, settings.days)
    active = rng.random(shape) < np.where(calendar.off[None, :], rest[:, None], work[:, None])
    returned = _leave(settings, calendar, people, active)
    day = np.arange(settings.days)
    active &= day[None, :] >= people.first_day[:, None]
    joined = people.person & (people.first_day > 0) & (people.first_day < settings.days)
    active[joined, people.first_day[joined]] = True
    back = active[returned[0], returned[1]]
    return Presence(active, (returned[0][back], returned[1][back], returned[2][back]))


def _leave(settings: WorldSettings, calendar: Calendar, people: People, active: Bools) -> tuple[Ints, Ints, Ints]:
    """Take leave out of `active`; who came back on which day after how many days away."""
    rng = stream(settings.seed, "leave")
    size = settings.days
    who, start = occasions(rng, settings.leave_per_year, np.flatnonzero(people.person), size)
    length = rng.integers(5, 15, who.size)
    end = start + length
    away = np.zeros((settings.clients, size + 1), np.int32)
    np.add.at(away, (who, start), 1)
    np.add.at(away, (who, np.minimum(end, size)), -1)
    gone = np.cumsum(away, axis=1)[:, :size] > 0
    active[gone] = False
    inside = end < size
    who, length, end = who[inside], length[inside], end[inside]
    back = following(~calendar.off[None, :])[0, end]
    found = back < size
    found[found] = ~gone[who[found], back[found]]  # away again: no return
    _, once = np.unique(who[found] * size + back[found], return_index=True)
    who, back, length = who[found][once], back[found][once], length[found][once]
    active[who, back] = True
    return who, back, length


def occasions(rng: np.random.Generator, per_year: float, clients: Ints, days: int) -> tuple[Ints, Ints]:
    """Events at a rate a client and year, over the whole world: who, and on which day (Poisson, uniform)."""
    count = int(rng.poisson(per_year / DAYS_A_YEAR * clients.size * days))
    if not clients.size:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    return clients[rng.integers(0, clients.size, count)], rng.integers(0, days, count)


def group_names(settings: WorldSettings) -> list[str]:
    """The names of the groups, the infrastructure last."""
    return [f"group{i + 1:02d}" for i in range(settings.groups)] + [INFRASTRUCTURE]


def addresses(settings: WorldSettings, group: Ints) -> list[str]:
    """One address a client in its group's 10.x.0.0/16; the infrastructure's is 10.250.0.0/16.

    Scattered by the seed among the first `clients`; those that were appended come after all others of their group.
    """
    names = np.empty(group.size, dtype=object)
    rng = stream(settings.seed, "addresses")
    for g in range(settings.groups + 1):
        members = np.flatnonzero(group == g)
        old = int((members < settings.clients).sum())
        place = np.concatenate([rng.permutation(old), np.arange(old, members.size)])
        net = 250 if g == settings.groups else 20 + g
        names[members] = [f"10.{net}.{p // _SUBNET_HOSTS}.{p % _SUBNET_HOSTS + 1}" for p in place]
    return [str(name) for name in names]

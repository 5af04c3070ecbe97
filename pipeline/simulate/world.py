"""Labelled worlds: daily bytes of thousands of clients, with the benign lookalikes and the thefts among them named.

`make_world` puts together what `population`, `habits`, `lookalikes`, `attacks` and `known` draw. Only the daily table,
the noisy roles and a share of the known events are for a detector's eyes; labels and truth are for those who judge it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from pipeline.simulate.attacks import Theft, plan_thefts, simulated_fleet
from pipeline.simulate.habits import usual_volumes
from pipeline.simulate.known import known_events, known_roles
from pipeline.simulate.lookalikes import CAUSES, Overlay, lookalikes
from pipeline.simulate.population import (
    Bools,
    Calendar,
    Floats,
    Ints,
    People,
    addresses,
    group_names,
    make_calendar,
    make_people,
    make_presence,
    stream,
)
from pipeline.simulate.settings import WorldSettings

_DHCP, _GAP = CAUSES.index("dhcp_churn") + 1, CAUSES.index("sensor_gap") + 1
THEFTS = pl.Schema(
    {
        "attack_id": pl.String,
        "attack": pl.String,
        "basket": pl.String,
        "first": pl.Date,
        "last": pl.Date,
        "hosts": pl.Int64,
        "extra": pl.Int64,
    }
)
"""Columns of `World.thefts`."""


@dataclass(frozen=True)
class World:
    """One simulated world; all frames are sorted by their first columns, bytes are Int64.

    Attributes:
        settings: what it was made from.
        daily: day, src_ip, bytes_in, group, role: one row a client-day with traffic, what a detector sees.
        labels: day, src_ip, attack_id, basket, cause, extra: one row an affected row of `daily`. On rows of a theft
            cause is null and extra are the bytes stolen. On others attack_id and basket are null, cause is what added
            most, and extra what all lookalikes of that client-day added; negative where a sensor saw less, 0 for a new
            holder of an address.
        events: first, last, src_ip, group, cause: what the site could know, with its faults; src_ip is the address that
            a client had on the first day; both src_ip and group are null where all are concerned.
        thefts: attack_id, attack, basket, first, last, hosts, extra: one row a theft.
        leases: day, src_ip, client: the holder of an address from that day on, until its next row.
        truth: client, kind, group, src_ip (on the first day), usual_bytes (median of a working day), within_sd,
            mailbox_bytes, always_on, first_day: one row a client of the fleet.
        calendar: day, holiday, off: one row a day; off are weekends and holidays.
    """

    settings: WorldSettings
    daily: pl.DataFrame
    labels: pl.DataFrame
    events: pl.DataFrame
    thefts: pl.DataFrame
    leases: pl.DataFrame
    truth: pl.DataFrame
    calendar: pl.DataFrame


def make_world(settings: WorldSettings) -> World:
    """Draw a world; equal settings give equal frames, and other attacks change nothing but the bytes they add."""
    calendar = make_calendar(settings)
    people = make_people(settings, calendar)
    presence = make_presence(settings, calendar, people)
    usual = usual_volumes(settings, calendar, people, presence)
    overlay, seen_share = lookalikes(settings, calendar, people, presence, usual)
    volume = _seen(usual + overlay.extra, seen_share)
    lent, moved = _leases(settings, people)
    _name_the_rest(settings, overlay, seen_share, moved)
    fleet = simulated_fleet(settings, calendar, people, volume)
    thefts, newcomers = plan_thefts(fleet, settings.attacks, settings.seed)
    group = np.concatenate([people.group, newcomers])
    lent = np.vstack([lent, np.repeat(np.arange(settings.clients, group.size)[:, None], settings.days, axis=1)])
    stolen, theft = _planted(thefts, (group.size, settings.days), seen_share)
    benign = _padded(volume, stolen.shape)
    names = addresses(settings, group)
    cells = _Cells(calendar, lent, names, benign + stolen)
    roles = known_roles(settings, people) + ["client"] * newcomers.size
    cause = _padded(overlay.cause, stolen.shape)
    extra = np.where(theft >= 0, stolen, _padded(volume - usual, stolen.shape))
    return World(
        settings=settings,
        daily=cells.daily(pl.Series(group_names(settings)).gather(group), pl.Series(roles)),
        labels=cells.labels(thefts, theft, cause, extra),
        events=known_events(settings, calendar, people, overlay.known, lent, names),
        thefts=_theft_frame(thefts, calendar, stolen),
        leases=cells.leases(),
        truth=_truth(settings, calendar, people, names),
        calendar=pl.DataFrame({"day": calendar.dates, "holiday": calendar.holiday, "off": calendar.off}),
    )


def _seen(volume: Ints, share: Floats) -> Ints:
    """What a sensor sees of whole bytes: nothing vanishes altogether."""
    return np.where(volume > 0, np.maximum(np.floor(volume * share[None, :]), 1), 0).astype(np.int64)


def _padded(rows: Ints, shape: tuple[int, ...]) -> Ints:
    whole = np.zeros(shape, np.int64)
    whole[: rows.shape[0]] = rows
    return whole


def _leases(settings: WorldSettings, people: People) -> tuple[Ints, Bools]:
    """The address (index) of each client on each day, and on which days it got another; groups keep their addresses.

    Those of a pool exchange addresses, which keeps every address in use.
    """
    rng = stream(settings.seed, "leases")
    names = [k.name for k in settings.kinds]
    fixed = rng.random(settings.clients) >= settings.dhcp_pool
    ordinary = people.kind == names.index("workstation") if "workstation" in names else np.zeros_like(fixed)
    pool = np.flatnonzero(ordinary & ~fixed)
    # An exchange gives both of its clients another address.
    moves = rng.random((settings.days, pool.size)) < settings.dhcp_per_day / 2
    moves[0] = False
    day, mover = np.nonzero(moves)
    partner = _others(people.group[pool], mover, rng)
    holds = np.arange(settings.clients)
    lent = np.tile(holds, (settings.days, 1))
    begin = np.searchsorted(day, np.arange(settings.days + 1))
    for today in range(1, settings.days):
        for i in range(begin[today], begin[today + 1]):
            one, other = pool[mover[i]], pool[partner[i]]
            holds[one], holds[other] = holds[other], holds[one]
        lent[today] = holds
    moved = np.zeros_like(lent, dtype=bool)
    moved[1:] = lent[1:] != lent[:-1]
    return lent.T.copy(), moved.T


def _others(group: Ints, member: Ints, rng: np.random.Generator) -> Ints:
    """For each member (index) another one of its group; itself when it is alone."""
    order = np.argsort(group, kind="stable")
    first, size = np.searchsorted(group[order], group[member]), np.bincount(group)[group[member]]
    place = np.argsort(order)[member] - first
    step = 1 + rng.integers(0, np.maximum(size - 1, 1))
    return np.asarray(order[first + (place + step) % size], dtype=np.int64)


def _name_the_rest(settings: WorldSettings, overlay: Overlay, share: Floats, moved: Bools) -> None:
    """Causes that add no bytes stand where there is no other: a new holder, then a sensor's gap."""
    who, when = np.nonzero(moved)
    overlay.tell("dhcp_churn", when, np.minimum(when + settings.dhcp_days, settings.days) - 1, client=who)
    since = np.where(moved, np.arange(settings.days), -settings.dhcp_days)
    recent = np.arange(settings.days) - np.maximum.accumulate(since, axis=1) < settings.dhcp_days
    overlay.cause[(overlay.cause == 0) & recent] = _DHCP
    overlay.cause[(overlay.cause == 0) & (share < 1)[None, :]] = _GAP


def _planted(thefts: Sequence[Theft], shape: tuple[int, ...], share: Floats) -> tuple[Ints, Ints]:
    """Stolen bytes as the sensor sees them, and the number of the theft, -1 for none (clients x days)."""
    stolen, theft = np.zeros(shape, np.int64), np.full(shape, -1, np.int64)
    for number, t in enumerate(thefts):
        cells = np.ix_(t.hosts, t.days)
        stolen[cells] = _seen(t.amounts, share[t.days])
        theft[cells] = number
    return stolen, theft


@dataclass(frozen=True)
class _Cells:
    """Client-days and how they become rows: `lent` indexes the names of addresses, `volume` is in bytes."""

    calendar: Calendar
    lent: Ints
    names: list[str]
    volume: Ints

    def rows(self, who: Ints, when: Ints) -> dict[str, object]:
        """Day and address of client-days."""
        origin = np.datetime64(self.calendar.dates[0], "D")
        return {"day": origin + when, "src_ip": pl.Series(self.names).gather(self.lent[who, when])}

    def daily(self, group: pl.Series, role: pl.Series) -> pl.DataFrame:
        """The table a detector sees; group and role are by client."""
        who, when = np.nonzero(self.volume)
        told = {"bytes_in": self.volume[who, when], "group": group.gather(who), "role": role.gather(who)}
        return pl.DataFrame(self.rows(who, when) | told).sort("day", "src_ip")

    def labels(self, thefts: Sequence[Theft], theft: Ints, cause: Ints, extra: Ints) -> pl.DataFrame:
        """Rows of client-days with traffic that a theft or a lookalike touched."""
        who, when = np.nonzero((self.volume > 0) & ((theft >= 0) | (cause > 0)))
        number = theft[who, when]
        benign = np.where(number < 0, cause[who, when], 0)
        told = {
            "attack_id": _named([t.attack_id for t in thefts], number),
            "basket": _named([t.attack.basket for t in thefts], number),
            "cause": _named(CAUSES, benign - 1),
            "extra": extra[who, when],
        }
        return pl.DataFrame(self.rows(who, when) | told).sort("day", "src_ip")

    def leases(self) -> pl.DataFrame:
        """The first holders, and every change."""
        changed = np.ones_like(self.lent, dtype=bool)
        changed[:, 1:] = self.lent[:, 1:] != self.lent[:, :-1]
        who, when = np.nonzero(changed)
        return pl.DataFrame(self.rows(who, when) | {"client": who}).sort("day", "src_ip")


def _named(names: Sequence[str], index: Ints) -> pl.Series:
    """Names by index; null for -1."""
    return pl.Series([*names, None], dtype=pl.String).gather(np.where(index < 0, len(names), index))


def _theft_frame(thefts: Sequence[Theft], calendar: Calendar, stolen: Ints) -> pl.DataFrame:
    rows = [
        {
            "attack_id": t.attack_id,
            "attack": t.attack.name,
            "basket": t.attack.basket,
            "first": calendar.dates[t.days[0]],
            "last": calendar.dates[t.days[-1]],
            "hosts": t.hosts.size,
            "extra": int(stolen[np.ix_(t.hosts, t.days)].sum()),
        }
        for t in thefts
    ]
    return pl.DataFrame(rows, schema=THEFTS).sort("attack_id")


def _truth(settings: WorldSettings, calendar: Calendar, people: People, names: list[str]) -> pl.DataFrame:
    days = pl.Series([*calendar.dates, None], dtype=pl.Date)
    return pl.DataFrame(
        {
            "client": np.arange(settings.clients),
            "kind": pl.Series([k.name for k in settings.kinds]).gather(people.kind),
            "group": pl.Series(group_names(settings)).gather(people.group),
            "src_ip": names[: settings.clients],
            "usual_bytes": np.exp(people.level),
            "within_sd": people.within,
            "mailbox_bytes": people.mailbox,
            "always_on": people.always_on,
            "first_day": days.gather(people.first_day),
        }
    )

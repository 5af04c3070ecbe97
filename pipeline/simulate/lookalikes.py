"""What looks like a theft and is none: re-syncs, migrations, mailings, returns from leave, silent sensors and the like.

Each adds whole bytes to client-days and tells its cause and what a site could know of it (`Known`). Rates are fields of
`WorldSettings`; thefts are in `attacks`, and how badly a site keeps its records in `known`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from pipeline.simulate.population import (
    Calendar,
    Floats,
    Ints,
    People,
    Presence,
    following,
    occasions,
    stream,
)
from pipeline.simulate.settings import DAYS_A_YEAR, WorldSettings

CAUSES = (
    "resync",
    "re_enrolment",
    "migration",
    "onboarding",
    "attachments",
    "leave_return",
    "org_mailing",
    "group_mailing",
    "export",
    "backup_full",
    "dhcp_churn",
    "sensor_gap",
)
"""The benign causes; 0 in arrays is none, so the first is 1."""
EVERYBODY = -1


@dataclass(frozen=True)
class Known:
    """Things a site could know: cause, first and last day (indices), and a client, a group, or EVERYBODY."""

    cause: Ints
    first: Ints
    last: Ints
    client: Ints
    group: Ints


@dataclass
class Overlay:
    """The bytes that lookalikes add (clients x days), their strongest cause, and what could be known of them."""

    usual: Ints
    extra: Ints
    strongest: Ints
    cause: Ints
    known: list[Known] = field(default_factory=list)

    @classmethod
    def over(cls, usual: Ints) -> Overlay:
        """Nothing added yet."""
        shape = usual.shape
        return cls(usual, np.zeros(shape, np.int64), np.full(shape, -1, np.int64), np.zeros(shape, np.int64))

    def add(self, cause: str, who: Ints, when: Ints, amount: npt.NDArray[np.floating]) -> None:
        """Bytes at client-days; a client-day with several causes is called by the one that added most."""
        code, whole = CAUSES.index(cause) + 1, np.rint(amount).astype(np.int64)
        np.add.at(self.extra, (who, when), whole)
        np.maximum.at(self.strongest, (who, when), whole)
        top = whole == self.strongest[who, when]
        self.cause[who[top], when[top]] = code

    def tell(
        self, cause: str, first: Ints, last: Ints, *, client: Ints | None = None, group: Ints | None = None
    ) -> None:
        """Note an event for each element."""
        nobody = np.full(first.size, EVERYBODY, np.int64)
        client, group = nobody if client is None else client, nobody if group is None else group
        self.known.append(Known(np.full(first.size, CAUSES.index(cause) + 1), first, last, client, group))


@dataclass(frozen=True)
class Scene:
    """What every lookalike needs to know of its world."""

    settings: WorldSettings
    calendar: Calendar
    people: People
    presence: Presence
    next_active: Ints

    def clients(self, kind: str | None = None) -> Ints:
        """The persons, or the clients of one kind."""
        names = [k.name for k in self.settings.kinds]
        if kind is None:
            return np.flatnonzero(self.people.person)
        return np.flatnonzero(self.people.kind == names.index(kind)) if kind in names else np.zeros(0, np.int64)

    def on_next_active(self, who: Ints, when: Ints) -> tuple[Ints, Ints]:
        """Moved to the client's next day with mail; without one it does not happen."""
        moved = self.next_active[who, when]
        inside = moved < self.settings.days
        return who[inside], moved[inside]


def lookalikes(
    settings: WorldSettings, calendar: Calendar, people: People, presence: Presence, usual: Ints
) -> tuple[Overlay, Floats]:
    """All of them over usual volumes (clients x days); and the share of bytes a day's sensor sees."""
    world = Scene(settings, calendar, people, presence, following(presence.active))
    overlay = Overlay.over(usual)
    for topic, happen in _HAPPENINGS.items():
        happen(world, overlay, stream(settings.seed, topic))
    return overlay, _sensor(settings, overlay)


def _resync(world: Scene, overlay: Overlay, rng: np.random.Generator) -> None:
    _of_mailbox(world, overlay, rng, "resync", world.settings.resync_per_year, (0.2, 1.0))


def _re_enrolment(world: Scene, overlay: Overlay, rng: np.random.Generator) -> None:
    _of_mailbox(world, overlay, rng, "re_enrolment", world.settings.re_enrolment_per_year, (0.02, 0.1))


def _of_mailbox(
    world: Scene, overlay: Overlay, rng: np.random.Generator, cause: str, rate: float, part: tuple[float, float]
) -> None:
    who, when = world.on_next_active(*occasions(rng, rate, world.clients(), world.settings.days))
    overlay.add(cause, who, when, world.people.mailbox[who] * rng.uniform(*part, who.size))
    overlay.tell(cause, when, when, client=who)


def _migration(world: Scene, overlay: Overlay, rng: np.random.Generator) -> None:
    """A site's plan knows who is moved in a wave, not on which of its days."""
    settings, persons = world.settings, world.clients()
    for _ in range(rng.poisson(settings.migration_waves_per_year * settings.days / DAYS_A_YEAR)):
        first, length = int(rng.integers(0, settings.days)), int(rng.integers(3, 6))
        who = persons[rng.random(persons.size) < settings.migration_share]
        planned = np.minimum(first + rng.integers(0, length, who.size), settings.days - 1)
        who, when = world.on_next_active(who, planned)
        overlay.add("migration", who, when, world.people.mailbox[who] * rng.uniform(0.5, 1.0, who.size))
        last = np.maximum(when, min(first + length, settings.days) - 1)
        overlay.tell("migration", np.full(who.size, first), last, client=who)


def _onboarding(world: Scene, overlay: Overlay, rng: np.random.Generator) -> None:
    first, people = world.people.first_day, world.people
    who = np.flatnonzero(people.person & (first > 0) & (first < world.settings.days))
    overlay.add("onboarding", who, first[who], people.mailbox[who] * rng.uniform(0.02, 1.0, who.size))
    overlay.tell("onboarding", first[who], first[who], client=who)


def _attachments(world: Scene, overlay: Overlay, rng: np.random.Generator) -> None:
    settings, active = world.settings, world.presence.active
    burst = active & world.people.person[:, None] & (rng.random(active.shape) < settings.attachments_per_day)
    who, when = np.nonzero(burst)
    size: Floats = np.exp(rng.normal(0.0, settings.attachments_sd, who.size))
    overlay.add("attachments", who, when, settings.attachments_bytes * size)
    overlay.tell("attachments", when, when, client=who)


def _leave_return(world: Scene, overlay: Overlay, rng: np.random.Generator) -> None:
    who, when, away = world.presence.returned
    overlay.add("leave_return", who, when, overlay.usual[who, when] * world.settings.leave_backlog * away)
    overlay.tell("leave_return", when, when, client=who)


def _org_mailing(world: Scene, overlay: Overlay, rng: np.random.Generator) -> None:
    settings = world.settings
    for day in np.flatnonzero(~world.calendar.off & (rng.random(settings.days) < settings.org_mailing_per_day)):
        groups = np.flatnonzero(rng.random(settings.groups) < rng.uniform(0.3, 1.0))
        _mailing(world, overlay, "org_mailing", groups, int(day), rng.uniform(1.5, 4.0))


def _group_mailing(world: Scene, overlay: Overlay, rng: np.random.Generator) -> None:
    settings = world.settings
    luck = rng.random((settings.days, settings.groups)) < settings.group_mailing_per_day
    for day, group in np.argwhere(luck & ~world.calendar.off[:, None]):
        _mailing(world, overlay, "group_mailing", np.array([group]), int(day), rng.uniform(1.5, 5.0))


def _mailing(world: Scene, overlay: Overlay, cause: str, groups: Ints, day: int, times: float) -> None:
    there = world.presence.active[:, day] & world.people.person & np.isin(world.people.group, groups)
    who = np.flatnonzero(there)
    when = np.full(who.size, day)
    overlay.add(cause, who, when, overlay.usual[who, when] * (times - 1))
    overlay.tell(cause, np.full(groups.size, day), np.full(groups.size, day), group=groups)


def _export(world: Scene, overlay: Overlay, rng: np.random.Generator) -> None:
    """Exports also run on days without other mail."""
    settings, hosts = world.settings, world.clients("ediscovery")
    luck = rng.random((hosts.size, settings.days)) < settings.export_per_day
    row, when = np.nonzero(luck & ~world.calendar.off[None, :])
    who = hosts[row]
    overlay.add("export", who, when, settings.export_bytes * np.exp(rng.normal(0.0, 1.0, who.size)))
    overlay.tell("export", when, when, client=who)


def _backup_full(world: Scene, overlay: Overlay, rng: np.random.Generator) -> None:
    days = np.flatnonzero(world.calendar.weekday == world.settings.backup_weekday)
    hosts = world.clients("backup")
    who, when = np.repeat(hosts, days.size), np.tile(days, hosts.size)
    overlay.add("backup_full", who, when, overlay.usual[who, when] * rng.uniform(6.0, 12.0, who.size))
    overlay.tell("backup_full", when, when, client=who)


_HAPPENINGS: dict[str, Callable[[Scene, Overlay, np.random.Generator], None]] = {
    "resync": _resync,
    "re_enrolment": _re_enrolment,
    "migration": _migration,
    "onboarding": _onboarding,
    "attachments": _attachments,
    "leave_return": _leave_return,
    "org_mailing": _org_mailing,
    "group_mailing": _group_mailing,
    "export": _export,
    "backup_full": _backup_full,
}


def _sensor(settings: WorldSettings, overlay: Overlay) -> Floats:
    """The share of each day's bytes that is seen."""
    rng = stream(settings.seed, "sensor")
    gap = rng.random(settings.days) < settings.sensor_gap_per_day
    days = np.flatnonzero(gap)
    overlay.tell("sensor_gap", days, days)
    return np.where(gap, rng.uniform(0.2, 0.7, settings.days), 1.0)

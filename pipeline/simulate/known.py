"""What a site knows of its world: events as tickets, rosters and plans record them, with faults, and machine roles.

It is a view of what happened: nothing here changes a byte. How much of it a detector is given is for others to choose.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from pipeline.simulate.lookalikes import CAUSES, Known
from pipeline.simulate.population import Calendar, Ints, People, group_names, occasions, stream
from pipeline.simulate.settings import WorldSettings

_RUMOURS = ("resync", "re_enrolment", "onboarding", "attachments")
"""Causes of known events that never happened."""
EVENTS = pl.Schema({"first": pl.Date, "last": pl.Date, "src_ip": pl.String, "group": pl.String, "cause": pl.String})
"""Columns of the known events: days from-to, the address or the group (both null: everybody), and the cause."""


def known_events(
    settings: WorldSettings, calendar: Calendar, people: People, known: Sequence[Known], address: Ints, names: list[str]
) -> pl.DataFrame:
    """One row an event (EVENTS), sorted; `address` (clients x days) tells which of `names` a client had on a day."""
    rng = stream(settings.seed, "known events")
    told = [*known, _rumours(settings, people, rng)]
    cause, first, last, client, group = (
        np.concatenate([getattr(k, name) for k in told]) for name in ("cause", "first", "last", "client", "group")
    )
    slip = np.where(rng.random(first.size) < settings.event_slip, rng.choice([-1, 1], first.size), 0)
    named = client >= 0
    confused = named & (rng.random(first.size) < settings.event_wrong)
    client = np.where(confused, _colleague(people, client, rng), client)
    at = address[np.maximum(client, 0), first]
    origin = np.datetime64(calendar.dates[0], "D")
    return pl.DataFrame(
        {
            "first": origin + (first + slip),
            "last": origin + (last + slip),
            "src_ip": pl.Series([*names, None], dtype=pl.String).gather(np.where(named, at, len(names))),
            "group": pl.Series([*group_names(settings), None]).gather(np.where(group < 0, settings.groups + 1, group)),
            "cause": pl.Series(CAUSES).gather(cause - 1),
        },
        schema_overrides=EVENTS,
    ).sort("first", "last", "cause", "group", "src_ip", nulls_last=True)


def _rumours(settings: WorldSettings, people: People, rng: np.random.Generator) -> Known:
    who, when = occasions(rng, settings.false_events_per_year, np.flatnonzero(people.person), settings.days)
    codes = np.array([CAUSES.index(c) + 1 for c in _RUMOURS])
    return Known(codes[rng.integers(0, codes.size, who.size)], when, when, who, np.full(who.size, -1))


def _colleague(people: People, client: Ints, rng: np.random.Generator) -> Ints:
    """Another client of the same group for each, as far as there is one."""
    order = np.argsort(people.group, kind="stable")
    start = np.searchsorted(people.group[order], people.group)
    size = np.bincount(people.group)[people.group]
    one = np.maximum(client, 0)
    return np.asarray(order[start[one] + rng.integers(0, size[one])], dtype=np.int64)


def known_roles(settings: WorldSettings, people: People) -> list[str]:
    """What the inventory calls each client: a special machine it does not know passes for a client."""
    luck = stream(settings.seed, "roles").random(settings.clients) < settings.role_known
    roles = [k.role for k in settings.kinds]
    return [roles[k] if known else "client" for k, known in zip(people.kind, luck, strict=True)]

"""Profiles of how much there was, beside the days before: flows, hours, sensors, servers, clients and what is typical.

Each number is a chance: how often an ordinary day would look so odd. The suites say which chance is too small. What
too little history cannot tell is None, with the reason beside it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Hashable, Iterable, Mapping
from functools import partial
from statistics import median
from typing import Any

from data_quality.chances import PEERS, Hourly, Kinds, Silence, Usual, peers_of, silence, usual
from data_quality.counts import (
    FlowCounts,
    Sensor,
    flows_pass,
    hours_of,
    kinds,
    past_flow_counts,
    past_traffic_counts,
    traffic_counts,
)
from data_quality.sharing import shared
from pipeline.flows import lines_read
from pipeline.site import Site

Profile = dict[str, float | int | str | None]
SHOWN = 5
"""Names that a note tells at most."""


def note(column: str) -> str:
    """The key under which a profile says in words what a number is about."""
    return f"{column}.note"


def flow_counts(site: Site, day: dt.date) -> Profile:
    """Flows, silent hours, silent sensors and shifted clocks, beside the same weekdays before."""
    if not _read(site, day):
        return _untold(
            "flows_drop_chance",
            "flows_rise_chance",
            "silent_hours_chance",
            "silent_sensors_chance",
            "clock_shift_chance",
        )
    today, past = flows_pass(site, day).counts, past_flow_counts(site, day)
    of = kinds(site, [*past, day])
    profile = flows_beside(today, past, of, of[day], hours_of(day, site.settings.timezone))
    return profile | _silence("sensors", silent_sensors(site, day), _unknown(of[day], past, of))


def _read(site: Site, day: dt.date) -> bool:
    """Whether a line was read for the day: where not, that alone is what is wrong."""
    record = shared(("record", site.storage.place, day), partial(site.storage.record, "flows", day))
    return record is not None and lines_read(record.facts) > 0


def _untold(*columns: str) -> Profile:
    return {k: v for c in columns for k, v in ((c, None), (note(c), "cannot tell: no line was read"))}


def flows_beside(
    today: FlowCounts, past: Mapping[dt.date, FlowCounts], kinds: Kinds, kind: Hashable, hours: list[int]
) -> Profile:
    """A day's flows, hours and clocks beside those of past days.

    Args:
        today: the day's counts.
        past: those of the days before.
        kinds: the kind of each of these days.
        kind: the day's own.
        hours: the hours that the day has.
    """
    unknown = _unknown(kind, past, kinds)
    ordinary = usual(kind, {d: float(c.flows) for d, c in past.items()}, kinds, unit=_flows_a_client(past.values()))
    peers = [past[d] for d in peers_of(kind, past, kinds)]
    return {
        "flows": today.flows,
        **_one("flows", today.flows, ordinary, unknown),
        **_hours(today, peers, hours, unknown if today.flows else "cannot tell: the day has no flow at all"),
    }


def _flows_a_client(past: Iterable[FlowCounts]) -> float:
    """What one client's day usually holds."""
    ratios = [c.flows / clients for c in past if (clients := sum(c.clients.values()))]
    return max(1.0, median(ratios)) if ratios else 1.0


def _unknown(kind: Hashable, past: Collection[dt.date], kinds: Kinds) -> str:
    found = len(peers_of(kind, past, kinds))
    return f"cannot tell: {found} earlier {kind}{'s' if found != 1 else ''}, {PEERS} are needed"


def _one(name: str, count: float, ordinary: Usual | None, unknown: str) -> Profile:
    """A count's chances of so few and so many."""
    drop, rise = f"{name}_drop_chance", f"{name}_rise_chance"
    if ordinary is None:
        return {drop: None, rise: None, note(drop): unknown, note(rise): unknown}
    told = f"{count:,} where {ordinary.count:,.0f} are usual"
    profile: Profile = {drop: ordinary.fewer(count), rise: ordinary.more(count), f"{name}_usual": ordinary.count}
    return profile | {note(drop): told, note(rise): told}


def _hours(today: FlowCounts, peers: list[FlowCounts], hours: list[int], unknown: str) -> Profile:
    silent, clock = "silent_hours_chance", "clock_shift_chance"
    usual_hours = Hourly.of([c.hours for c in peers])
    if usual_hours is None or not today.flows:
        return {silent: None, clock: None, note(silent): unknown, note(clock): unknown}
    chance, stretch = usual_hours.silent(today.hours, hours)
    told = f"no flow from {stretch[0]:02}:00 to {stretch[-1]:02}:59" if stretch else "no busy hour was silent"
    moved, sensor, lag = _clock(today, peers)
    said = f"{sensor} looks {abs(lag)} h {'late' if lag > 0 else 'early'}" if lag else "hours are where they were"
    return {
        silent: chance,
        "silent_hours": len(stretch),
        note(silent): told,
        clock: moved,
        "clock_shift_hours": lag,
        note(clock): said,
    }


def _clock(today: FlowCounts, peers: list[FlowCounts]) -> tuple[float, str, int]:
    """The most telling shift of a sensor's hours: its chance among all sensors, the sensor and the hours."""
    found = [(*_shift(sensor, hours, peers), "/".join(sensor)) for sensor, hours in today.sensors.items()]
    chance, lag, sensor = min(found, default=(1.0, 0, ""))
    return min(1.0, chance * len(found)), sensor, lag


def _shift(sensor: Sensor, hours: tuple[int, ...], peers: list[FlowCounts]) -> tuple[float, int]:
    seen = [c.sensors[sensor] for c in peers if sensor in c.sensors]
    ordinary = Hourly.of(seen)
    return ordinary.shift(hours) if ordinary is not None else (1.0, 0)


LEAST_SPREAD = 0.38
"""How little numbers of clients vary at least, beside independent ones."""
_TYPICAL = 0.04
"""Least variance of what is typical: a mailing to all doubles it, a wrong unit makes it eight times as much."""


def silent_sensors(site: Site, day: dt.date) -> Silence[Sensor]:
    """The sensors, by (source, dvc), that are usually there and had no flow on the day, and sources without any line.

    Only days of the rules' windows count: what they hold is part of what the day's tables are made from. A sensor
    counts for its clients, a source for its own lines of the day; none of a source that is retired by then. A day
    without any flow, whose logs were written, is a matter of its traffic and not of its sensors.
    """
    today, past = flows_pass(site, day).counts, past_flow_counts(site, day)
    first = day - dt.timedelta(days=site.longest_lookback)
    gone = {s.name for s in site.settings.sources if s.retired is not None and s.retired <= day}
    window = {d: {s: n for s, n in c.clients.items() if s[0] not in gone} for d, c in past.items() if d >= first}
    written = {d: {s: n for s, n in _own_lines(site, d).items() if s not in gone} for d in (*window, day)}
    present = set(today.sensors)
    if not today.flows:
        present |= {s for clients in window.values() for s in clients if s[0] in written[day]}
    of = kinds(site, [*window, day])
    sensors = silence(of[day], present, window, of, LEAST_SPREAD)
    sources = silence(of[day], written[day], {d: written[d] for d in window}, of)
    return _both(sensors, sources)


def _own_lines(site: Site, day: dt.date) -> Mapping[str, int]:
    """Lines of each source in logs of this day alone."""
    record = shared(("record", site.storage.place, day), partial(site.storage.record, "flows", day))
    lines: Mapping[str, int] = record.facts.get("lines_of_sources", {}) if record else {}
    return lines


def _both(sensors: Silence[Sensor], sources: Silence[str]) -> Silence[Sensor]:
    """Silence of sensors and of whole sources together: the more telling of both."""
    if sensors.chance is None and sources.chance is None:
        return sensors
    whole = [s for s in sources.silent if s not in {source for source, _ in sensors.silent}]
    chance = min(c for c in (sensors.chance, sources.chance) if c is not None)
    return Silence(chance, (*sensors.silent, *((s, "no line") for s in whole)), max(sensors.usual, sources.usual))


def silent_servers(site: Site, day: dt.date) -> Profile:
    """The servers in the inventory that are usually there and had no flow, unless a sensor was silent.

    A server counts for its flows, in those of one client's day.
    """
    column = "silent_servers_chance"
    today, past = flows_pass(site, day).counts, past_flow_counts(site, day)
    if not today.flows or silent_sensors(site, day).silent:
        why = "a sensor was silent" if today.flows else "the day has no flow at all"
        return {column: None, note(column): f"cannot tell: {why}"}
    of = kinds(site, [*past, day])
    valid = {
        ip: bool(site.inventory.categories(ip, day)) for ip in sorted({ip for c in past.values() for ip in c.servers})
    }
    found = servers_beside(today, past, of, of[day], {ip for ip, holds in valid.items() if holds})
    return _silence("servers", found, _unknown(of[day], past, of))


def servers_beside(
    today: FlowCounts, past: Mapping[dt.date, FlowCounts], kinds: Kinds, kind: Hashable, wanted: Collection[str]
) -> Silence[str]:
    """Those of the wanted servers that are usually there and had no flow."""
    unit = _flows_a_client(past.values())
    there = {d: {ip: n / unit for ip, n in c.servers.items() if ip in wanted} for d, c in past.items()}
    return silence(kind, set(today.servers), there, kinds, LEAST_SPREAD)


def _silence(name: str, found: Silence[Any], unknown: str) -> Profile:
    column = f"silent_{name}_chance"
    if found.chance is None:
        return {column: None, note(column): unknown}
    names = ["/".join(n) if isinstance(n, tuple) else str(n) for n in found.silent]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    told = f"silent: {', '.join(names[:SHOWN])}{more}" if names else f"all {found.usual} were there"
    return {column: found.chance, f"silent_{name}": len(names), f"usual_{name}": found.usual, note(column): told}


Series = Mapping[str, tuple[int, float | None]]
"""Measure -> (clients, what the median client has)."""


def client_counts(site: Site, day: dt.date) -> Profile:
    """How many clients each series has, and what is typical of them, beside the same weekdays before."""
    if not _read(site, day):
        return _untold("clients_drop_chance", "clients_rise_chance", "typical_value_chance")
    past = past_traffic_counts(site, day)
    of = kinds(site, [*past, day])
    rows = traffic_counts(site, day).select("measure", "clients", "typical").iter_rows()
    return clients_beside({m: (n, v) for m, n, v in rows}, past, of, of[day], [m.id for m in site.measures])


def clients_beside(
    today: Series, past: Mapping[dt.date, Series], kinds: Kinds, kind: Hashable, measures: Iterable[str]
) -> Profile:
    """A day's clients beside those of past days: the chance of the oddest series, times how many there are.

    Args:
        today: the day's series.
        past: those of the days before.
        kinds: the kind of each of these days.
        kind: the day's own.
        measures: the series there should be.
    """
    found: list[Profile] = []
    for measure in measures:
        clients, typical = today.get(measure, (0, None))
        seen = {d: series.get(measure, (0, None)) for d, series in past.items()}
        ordinary = usual(kind, {d: float(n) for d, (n, _) in seen.items()}, kinds)
        counted = _one("clients", clients, ordinary, _unknown(kind, seen, kinds))
        found.append({"clients": clients, **counted, **_typical(kind, clients, typical, seen, kinds)})
    return _oddest(found)


FEW = 5
"""Clients below which one alone makes what is typical."""


def _typical(
    kind: Hashable,
    clients: int,
    value: float | None,
    seen: Mapping[dt.date, tuple[int, float | None]],
    kinds: Kinds,
) -> Profile:
    """The chance that the median client has so much or so little."""
    column = "typical_value_chance"
    if value is None or clients < FEW:
        return {column: None, note(column): f"cannot tell: {clients} clients, {FEW} are needed"}
    known = {d: v for d, (n, v) in seen.items() if v is not None and n >= FEW}
    ordinary = usual(kind, known, kinds, noise=max(_TYPICAL, 1.6 / (clients + 1)))
    if ordinary is None:
        return {column: None, note(column): _unknown(kind, known, kinds)}
    chance = 2 * min(ordinary.fewer(value), ordinary.more(value))
    told = f"{value:,.0f} in the middle where {ordinary.count:,.0f} are usual"
    return {column: min(1.0, chance), "typical_value": value, "typical_value_usual": ordinary.count, note(column): told}


def _oddest(found: list[Profile]) -> Profile:
    """Of several series the smallest of each chance, times their number; its note, and the largest other numbers."""
    largest = max(found, key=lambda p: int(p["clients"] or 0), default={})
    merged: dict[str, Any] = {"clients": int(largest.get("clients") or 0)}
    for column in ("clients_drop_chance", "clients_rise_chance", "typical_value_chance"):
        known = [p for p in found if p[column] is not None]
        picked = min(known, key=lambda p: float(p[column] or 0), default=largest)
        chance = picked.get(column)
        merged[column] = None if chance is None else min(1.0, float(chance) * len(known))
        merged[note(column)] = picked.get(note(column), "cannot tell: no rule is on")
    for number in ("clients_usual", "typical_value", "typical_value_usual"):
        values = [float(p[number] or 0) for p in found if number in p]
        if values:
            merged[number] = max(values)
    return merged

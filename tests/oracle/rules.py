"""A naive reading of the siblings of the seed: any measure, reference and fill, in plain Python with exact fractions.

It shares no code with the pipeline; statistics of values are those of the seed's own oracle.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.oracle.seed import Numbers, Row, Statistics, statistics

Flow = Mapping[str, Any]


@dataclass(frozen=True)
class Series:
    """What a rule measures."""

    field: str
    subject: str
    category: str
    side: str
    ports: tuple[int, ...] = ()
    apps: tuple[str, ...] = ()
    transports: tuple[str, ...] = ()


@dataclass(frozen=True)
class Judging:
    """What a rule compares with."""

    numbers: Numbers = field(default_factory=Numbers)
    reference: str = "fleet_and_own"
    includes_day: bool = True
    own: Numbers = field(default_factory=Numbers)
    fill: str = "none"
    floor: int = 0


def counts(flow: Flow, series: Series) -> bool:
    """Whether a flow is of the series."""
    apps = [a.strip().lower() for a in (flow["app"] or "").split(",")]
    return (
        series.category in (flow[f"{series.side}_category"] or [])
        and flow["action"] != "blocked"
        and (not series.ports or flow["dest_port"] in series.ports)
        and (not series.transports or flow["transport"] in series.transports)
        and (not series.apps or any(a in apps for a in series.apps))
    )


def value(flows: list[Flow], series: Series) -> int | None:
    """The value of a client's flows of a day; None when nothing is known of it."""
    if series.field == "flows":
        return len(flows)
    found = [v for f in flows if (v := part(f, series)) is not None]
    if not found:
        return None
    return min(sum(found), 2**63 - 1) if series.field.startswith("bytes") else len(set(found))


def part(flow: Flow, series: Series) -> Any:
    """What one flow adds; None when it is unknown."""
    if series.field == "bytes":
        known = flow["bytes_in"] is not None and flow["bytes_out"] is not None
        return flow["bytes_in"] + flow["bytes_out"] if known else flow["bytes"]
    if series.field == "peers":
        return flow["dest_ip" if series.subject == "src_ip" else "src_ip"]
    return flow["dest_port" if series.field == "ports" else series.field]


def daily(flows: Iterable[Flow], series: Series) -> dict[str | None, int | None]:
    """Client -> value of one day."""
    clients: dict[str | None, list[Flow]] = {}
    for flow in flows:
        if counts(flow, series):
            clients.setdefault(flow[series.subject], []).append(flow)
    return {client: value(mine, series) for client, mine in clients.items()}


def group(client: str, named: Mapping[str, str]) -> str:
    """The group of the longest network that holds the address, else its subnet."""
    ip = ipaddress.ip_address(client)
    networks = [(ipaddress.ip_network(n), g) for n, g in named.items()]
    holding = [(n.prefixlen, g) for n, g in networks if n.version == ip.version and ip in n]
    return max(holding)[1] if holding else str(ipaddress.ip_network(f"{client}/{24 if ip.version == 4 else 64}", False))


@dataclass(frozen=True)
class Verdict:
    """What a rule says of a client."""

    client: str
    alert: bool
    n: int
    others: Statistics
    own: Statistics
    above_others: bool | None
    above_own: bool | None


def judge(
    rows: Iterable[Row], day: dt.date, rule: Judging, days_read: Iterable[dt.date], groups: Mapping[str, str]
) -> list[Verdict]:
    """A verdict for every client with a row on the day."""
    first = day - dt.timedelta(days=rule.numbers.lookback)
    window = [(d, c, v) for d, c, v in rows if c is not None and first <= d <= day]
    read = [d for d in days_read if first <= d < day]
    found = []
    for client, x in sorted((c, v) for d, c, v in window if d == day):
        past = {d: v for d, c, v in window if c == client and d < day}
        if rule.fill == "zero":
            past = dict.fromkeys(read, 0) | past
        own = statistics(past.values(), rule.own)
        by_group = rule.reference.startswith("group")
        mine = [r for r in window if not by_group or group(r[1], groups) == group(client, groups)]
        others = statistics([v for d, _, v in mine if rule.includes_day or d < day], rule.numbers)
        gates = others.above(x, rule.numbers.threshold), own.above(x, rule.own.threshold)
        asked = {"own": gates[1:], "fleet": gates[:1], "group": gates[:1]}.get(rule.reference, gates)
        n = len(past) + 1
        alert = n >= rule.numbers.minimum and all(asked) and x is not None and x >= rule.floor
        found.append(Verdict(client, alert, n, others, own, *gates))
    return found

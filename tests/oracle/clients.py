"""Whose volumes surge compares, and what events explain, read from docs/context.md a row at a time in plain Python.

Days are numbers. What a file may hold is not checked here: rows of one host and day do not contradict each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from statistics import median, quantiles

Cell = tuple[int, str]
"""(day, address or client)."""


@dataclass(frozen=True)
class Said:
    """A row of an input: of an address or network, an asset, a group or (all None) everybody, from a day until one."""

    address: str | None = None
    asset: str | None = None
    group: str | None = None
    value: str = ""
    exclude: bool = False
    first: int | None = None
    end: int | None = None

    def on(self, day: int) -> bool:
        return (self.first is None or day >= self.first) and (self.end is None or day < self.end)

    def holds(self, ip: str) -> bool:
        return self.address is not None and ip_address(ip) in ip_network(self.address)


@dataclass(frozen=True)
class World:
    """Bytes by (day, address), what the context says, and the last day, which is judged; no server is in it."""

    volume: dict[Cell, int | None]
    last: int
    leases: Sequence[Said] = ()
    roles: Sequence[Said] = ()
    groups: Sequence[Said] = ()
    events: Sequence[Said] = ()
    inventory: dict[str, str] = field(default_factory=dict)
    """Network -> category."""

    def asset(self, day: int, ip: str) -> str | None:
        return next((s.value for s in self.leases if s.address == ip and s.on(day)), None)

    def told(self, said: Sequence[Said], ip: str, asset: str | None) -> Said | None:
        """The asset's row before the address's, the longest prefix before others."""
        valid = [s for s in said if s.on(self.last)]
        of_asset = [s for s in valid if asset is not None and s.asset == asset]
        near = sorted((s for s in valid if s.holds(ip)), key=lambda s: ip_network(str(s.address)).prefixlen)
        return of_asset[0] if of_asset else near[-1] if near else None

    def excluded(self, ip: str, asset: str | None) -> bool:
        told = self.told(self.roles, ip, asset)
        return told is not None and told.exclude

    def seen(self) -> list[tuple[int, str, str | None, int | None]]:
        """Day, address, asset, bytes of hosts that are not left out."""
        rows = [(d, ip, self.asset(d, ip), b) for (d, ip), b in self.volume.items()]
        return [row for row in rows if not self.excluded(row[1], row[2])]

    def clients(self) -> dict[Cell, int | None]:
        """Bytes by (day, client)."""
        found: dict[Cell, int | None] = {}
        for d, ip, asset, b in self.seen():
            before = found.setdefault((d, asset or ip), None)
            found[d, asset or ip] = before if b is None else (before or 0) + b
        return found

    def who(self) -> dict[str, tuple[str, str]]:
        """Group and role of each client: of its last address, that with most bytes."""
        found: dict[str, tuple[str, str]] = {}
        for _, ip, asset, _ in sorted(self.seen(), key=lambda r: (-r[0], -1 if r[3] is None else -r[3] - 2, r[1])):
            role, group = self.told(self.roles, ip, asset), self.told(self.groups, ip, asset)
            listed = next((c for n, c in self.inventory.items() if ip_address(ip) in ip_network(n)), "client")
            subnet = str(ip_network(f"{ip}/{24 if '.' in ip else 64}", strict=False))
            found.setdefault(asset or ip, (group.value if group else subnet, role.value if role else listed))
        return found

    def holders(self, days: range) -> Iterator[tuple[int, str, str]]:
        """Who has an address: with traffic, by a lease, or where neither is known, on the day after."""
        seen = {(d, ip): asset or ip for d, ip, asset, _ in self.seen()}
        held = {(d, str(s.address)): s.value for s in self.leases for d in days if s.on(d)}
        after = {(d - 1, ip): c for (d, ip), c in seen.items() if (d - 1, ip) not in seen.keys() | held.keys()}
        for known in (seen, held, after):
            yield from ((d, ip, c) for (d, ip), c in known.items())

    def explained(self) -> dict[Cell, str]:
        """The first cause by name of each explained (day, client)."""
        clients = self.clients()
        days = range(min(d for d, _ in clients), max(d for d, _ in clients) + 1)
        own = {(d, s.asset, s.value) for s in self.events if s.asset for d in days if s.on(d)}
        for d, ip, client in self.holders(days):
            own |= {(d, client, s.value) for s in self.events if s.on(d) and s.holds(ip)}
        found = [*own, *self._late(clients, own), *self._shared(clients, days)]
        causes: dict[Cell, str] = {}
        for d, client, cause in found:
            causes[d, str(client)] = min(cause, causes.get((d, str(client)), cause))
        return {cell: cause for cell, cause in causes.items() if cell in clients}

    @staticmethod
    def _late(clients: dict[Cell, int | None], own: set[tuple[int, str | None, str]]) -> Iterator[tuple[int, str, str]]:
        known = {d for d, _ in clients}
        for d, client, cause in own:
            after = clients.get((d + 1, str(client)))
            if d in known and after is not None and after > 2 * (clients.get((d, str(client))) or 0):
                yield d + 1, str(client), cause

    def _shared(self, clients: dict[Cell, int | None], days: range) -> Iterator[tuple[int, str, str]]:
        who, ratios = self.who(), _ratios(clients)
        for s in (s for s in self.events if not s.address and not s.asset):
            for d, client in (c for c in clients if s.on(c[0]) and c in ratios):
                group = who[client][0]
                others = {c: r for (n, c), r in ratios.items() if n == d and c != client}
                limits = [r for c, r in others.items() if who[c][0] == group]
                limits = limits or ([] if s.group else [*others.values()])
                if s.group in (None, group) and limits and ratios[d, client] <= 2 * _quantile(limits) * (1 + 1e-12):
                    yield d, client, s.value


def _ratios(clients: dict[Cell, int | None]) -> dict[Cell, float]:
    """Known volumes over the client's median of the 30 days before, where that is above 0."""
    found = {}
    for (d, client), b in clients.items():
        past = [v for n in range(d - 30, d) if (v := clients.get((n, client))) is not None]
        if b is not None and past and median(past) > 0:
            found[d, client] = b / median(past)
    return found


def _quantile(values: list[float]) -> float:
    return values[0] if len(values) == 1 else quantiles(values, n=10, method="inclusive")[-1]

"""Who is an email server, and since when: the dated inventory and fast look-ups in it.

The entry valid at the flow's time decides, and the longest prefix wins; entries of one prefix add their categories
up. Distinct addresses are looked up once each in a radix tree, then joined. Which flows are kept is decided by the
readers and by `pipeline.flows`, with the frames made here.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
from collections.abc import Iterable, Sequence
from itertools import pairwise

import polars as pl
import radix

from pipeline.settings import InventoryEntry
from pipeline.storage import digest

_FIRST, _LAST = dt.date.min, dt.date.max


def valid_on(entry: InventoryEntry, day: dt.date) -> bool:
    """Whether an entry holds on the day."""
    return (entry.valid_from or _FIRST) <= day < (entry.valid_to or _LAST)


class Inventory:
    """The inventory of one site."""

    def __init__(self, entries: Sequence[InventoryEntry]) -> None:
        self.entries = tuple(entries)
        self._tree = radix.Radix()
        for entry in self.entries:
            node = self._tree.add(entry.address)
            node.data.setdefault("entries", []).append(entry)
        networks = [ipaddress.ip_network(address) for address in self.prefixes]
        alone = all(n.num_addresses == 1 for n in networks)
        self._hosts = frozenset(str(n.network_address) for n in networks) if alone else None
        """All addresses there are, where no entry is a network of several."""

    @property
    def prefixes(self) -> tuple[str, ...]:
        """The distinct networks, sorted: what landed files were filtered by."""
        return tuple(sorted({e.address for e in self.entries}))

    def watches(self, ip: str) -> bool:
        """Whether any entry, of whatever date, covers the address."""
        return self._tree.search_best(ip) is not None

    def networks_of(self, ip: str) -> list[str]:
        """The entries' networks that hold the address, whatever their dates."""
        return [node.data["entries"][0].address for node in self._tree.search_covering(ip)]

    def covers(self, network: str) -> bool:
        """Whether some entry's network contains this whole network."""
        return bool(self._tree.search_covering(network))

    def categories(self, ip: str, day: dt.date) -> list[str]:
        """Categories of an address on a day, sorted; of the longest prefix that has a valid entry then."""
        for first, last, found in self.periods(ip):
            if first <= day < last:
                return found
        return []

    def periods(self, ip: str) -> list[tuple[dt.date, dt.date, list[str]]]:
        """(from, to exclusive, categories) of an address: ordered, disjoint, only where it has a category."""
        levels = self._levels(ip)
        edges = sorted({d for level in levels for e in level for d in (e.valid_from or _FIRST, e.valid_to or _LAST)})
        periods = []
        for first, last in pairwise(edges):
            if found := self._valid(levels, first):
                periods.append((first, last, found))
        return periods

    def _levels(self, ip: str) -> list[list[InventoryEntry]]:
        """Entries covering the address, longest prefix first."""
        nodes = sorted(self._tree.search_covering(ip), key=lambda n: -n.prefixlen)
        return [n.data["entries"] for n in nodes]

    @staticmethod
    def _valid(levels: Iterable[list[InventoryEntry]], day: dt.date) -> list[str]:
        for level in levels:
            if valid := [e for e in level if valid_on(e, day)]:
                return sorted({c for e in valid for c in e.category})
        return []

    def watched_frame(self, ips: pl.Series) -> pl.DataFrame:
        """Distinct addresses and whether the inventory ever covers them: columns `ip`, `watched`."""
        distinct = ips.drop_nulls().unique()
        if self._hosts is not None:
            hosts = pl.Series(sorted(self._hosts), dtype=pl.String).implode()
            return distinct.to_frame("ip").select("ip", watched=pl.col("ip").is_in(hosts))
        return pl.DataFrame(
            {"ip": distinct, "watched": [self.watches(ip) for ip in distinct.to_list()]},
            schema={"ip": pl.String, "watched": pl.Boolean},
        )

    def category_frame(self, ips: pl.Series, day: dt.date) -> pl.DataFrame:
        """Categories of the distinct addresses on a day: columns `ip`, `category`; only those that have one."""
        covered = self.watched_frame(ips).filter("watched")["ip"]
        found = [(ip, self.categories(ip, day)) for ip in covered.sort().to_list()]
        found = [(ip, c) for ip, c in found if c]
        return pl.DataFrame(
            {"ip": [ip for ip, _ in found], "category": [c for _, c in found]},
            schema={"ip": pl.String, "category": pl.List(pl.String)},
        )

    def categories_on(self, day: dt.date) -> set[str]:
        """Every category that some entry has on the day."""
        return {c for e in self.entries for c in e.category if valid_on(e, day)}

    def fingerprint(self, day: dt.date) -> str:
        """Hash of the entries that are valid on a day: what a day's flows depend on."""
        valid = sorted((e.address, c) for e in self.entries for c in e.category if valid_on(e, day))
        return digest(json.dumps(valid))

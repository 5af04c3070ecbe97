"""Addresses outside of the inventory that talk like mail servers: sums of their traffic, bounded, by day and port.

Readers hand out the flows of others to mail ports; of each file the largest servers are kept, with a few hashes of
their clients, so that distinct clients can be told over files. What is concluded belongs to `pipeline.insight.drift`.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from pipeline.addresses import canonical_address
from pipeline.counting.direction import MAIL_PORTS
from pipeline.days import day_of

KEPT = 16
"""Servers (day, address, port) that are kept of a file, those with most clients, then bytes."""
WORKED = 128
"""Servers that are held while a file is read, and taken from a block."""
CLIENTS = 16
"""Distinct clients that are counted; of more it is only known that there are at least as many."""

Key = tuple[str, str, int]


@dataclass
class Sums:
    """The traffic of one server."""

    flows: int = 0
    bytes: int = 0
    """What the server sent, where it is known."""
    clients: set[int] = field(default_factory=set)
    """The smallest hashes of its clients' addresses, CLIENTS at most."""

    def add(self, flows: int, sent: int, clients: Iterable[int]) -> None:
        """Add traffic of the same server."""
        self.flows += flows
        self.bytes += sent
        self.clients = set(sorted({*self.clients, *clients})[:CLIENTS])

    @property
    def rank(self) -> tuple[int, int]:
        """What decides which servers are kept."""
        return len(self.clients), self.bytes


class Servers:
    """The servers of one stretch of a file, or of several."""

    def __init__(self, zone: str = "UTC") -> None:
        self._zone = zone
        self.found: dict[Key, Sums] = {}

    def take(self, others: pl.DataFrame | None) -> None:
        """Add flows of others: start_time, src_ip, dest_ip, dest_port, bytes (what the server sent)."""
        if others is None or others.is_empty():
            return
        mail = others.filter(pl.col("dest_port").is_in(MAIL_PORTS), pl.col("start_time").is_not_null())
        sums = (
            mail.group_by(day_of("start_time", self._zone).alias("day"), "dest_ip", "dest_port")
            .agg(flows=pl.len(), sent=pl.col("bytes").sum(), n=pl.col("src_ip").n_unique(), client=pl.col("src_ip"))
            .sort("n", "sent", "dest_ip", "dest_port", "day", descending=[True, True, False, False, False])
            .head(WORKED)
            .with_columns(pl.col("client").list.unique().list.sort().list.head(4 * CLIENTS))
        )
        for day, server, port, flows, sent, _, clients in sums.iter_rows():
            if (ip := canonical_address(server)) is not None:
                hashes = [zlib.crc32((canonical_address(c) or c).encode()) for c in clients if c is not None]
                self.found.setdefault((day.isoformat(), ip, port), Sums()).add(flows, sent, hashes)
        if len(self.found) > 4 * WORKED:
            self.found = dict(self._largest(WORKED))

    def _largest(self, count: int) -> list[tuple[Key, Sums]]:
        return sorted(self.found.items(), key=lambda kv: (tuple(-n for n in kv[1].rank), kv[0]))[:count]

    def as_list(self) -> list[list[Any]]:
        """Plain data for the ledger: day, address, port, flows, bytes, clients of the largest."""
        return [[*key, s.flows, s.bytes, sorted(s.clients)] for key, s in sorted(self._largest(KEPT))]


def of_day(kept: Iterable[Iterable[Any]], day: str) -> Iterator[dict[str, Any]]:
    """The servers of a day over several files, all ports together, those with most clients first."""
    sums: dict[str, Sums] = {}
    ports: dict[str, set[int]] = {}
    for of, ip, port, flows, sent, clients in kept:
        if of == day:
            sums.setdefault(ip, Sums()).add(flows, sent, clients)
            ports.setdefault(ip, set()).add(port)
    for ip, s in sorted(sums.items(), key=lambda kv: (tuple(-n for n in kv[1].rank), kv[0])):
        yield {
            "address": ip,
            "ports": sorted(ports[ip]),
            "clients": len(s.clients),
            "flows": s.flows,
            "bytes": s.bytes,
        }

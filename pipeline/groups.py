"""Peer groups: which clients are compared with each other, by the site's own groups or by subnet.

The longest network of a configured group that holds an address decides; an address in none belongs to its /24 or /64.
What is compared belongs to the methods.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping, Sequence

import polars as pl
import radix

from pipeline.storage import digest


class Groups:
    """The groups of one site."""

    def __init__(self, named: Mapping[str, Sequence[str]] | None = None) -> None:
        """named: group -> networks; no network is in two groups."""
        self._named = {name: sorted(set(networks)) for name, networks in (named or {}).items()}
        self._tree = radix.Radix()
        for name, networks in self._named.items():
            for network in networks:
                self._tree.add(network).data["group"] = name

    def of(self, clients: pl.Series) -> pl.Series:
        """The group of each client; null where there is no client."""
        if not self._named:
            return subnets(clients)
        distinct = clients.drop_nulls().unique()
        found = {ip: node.data["group"] for ip in distinct if (node := self._tree.search_best(ip)) is not None}
        named = clients.replace_strict(found, default=None, return_dtype=pl.String)
        return named.fill_null(subnets(clients)) if named.null_count() else named

    @property
    def names(self) -> set[str]:
        """The configured groups."""
        return set(self._named)

    @property
    def fingerprint(self) -> str:
        """Hash of what decides a group."""
        return digest(json.dumps(sorted(self._named.items())))


def subnets(addresses: pl.Series) -> pl.Series:
    """The /24 or /64 of each address."""
    frame = addresses.to_frame("ip")
    four = pl.col("ip").str.extract(r"^(\d+\.\d+\.\d+)\.\d+$") + pl.lit(".0/24")
    six = frame.filter(pl.col("ip").str.contains(":", literal=True))["ip"].to_list()
    names = {ip: str(ipaddress.ip_network(f"{ip}/64", strict=False)) for ip in six}
    return frame.select(four.fill_null(pl.col("ip").replace_strict(names, default=None, return_dtype=pl.String)))["ip"]

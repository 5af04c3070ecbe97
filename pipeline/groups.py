"""Peer groups: which clients are compared with each other, by the site's own groups or by subnet.

The longest network of a configured group that holds an address decides; an address in none belongs to its /24 or /64,
a name that is no address to none.
What is compared belongs to the methods.
"""

from __future__ import annotations

import functools
import ipaddress
import json
from collections.abc import Mapping, Sequence

import polars as pl
import radix

from pipeline.addresses import CANONICAL_IPV4, canonical_frame
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
        """The group of each client; null where there is no client, or no address."""
        if not self._named:
            return subnets(clients)
        addresses = canonical_frame(clients.drop_nulls()).drop_nulls()
        found = {
            raw: node.data["group"]
            for raw, ip in addresses.select("raw", "ip").iter_rows()
            if (node := self._tree.search_best(ip)) is not None
        }
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
    """The /24 or /64 of each address; null of what is none, such as the name of a device or its hardware address."""
    raw, plain = pl.col("raw"), pl.col("raw").str.contains(CANONICAL_IPV4)
    frame = addresses.to_frame("raw")
    four = pl.when(plain).then(raw.str.extract(r"^(\d+\.\d+\.\d+)\.") + pl.lit(".0/24"))
    names = {text: _wide(text) for text in frame.filter(raw.str.contains(":", literal=True))["raw"].unique()}
    six = raw.replace_strict(names, default=None, return_dtype=pl.String)
    return frame.select(subnet=four.fill_null(six))["subnet"]


def _wide(text: str) -> str | None:
    """The subnet of an address with colons; None when it is no address."""
    try:
        address = ipaddress.IPv6Address(text.split("%", 1)[0])
    except ValueError:
        return None
    if four := address.ipv4_mapped:
        return str(ipaddress.IPv4Network((int(four) >> 8 << 8, 24)))
    return _subnet(int(address) >> 64)


@functools.lru_cache(maxsize=100_000)
def _subnet(prefix: int) -> str:
    return str(ipaddress.IPv6Network((prefix << 64, 64)))

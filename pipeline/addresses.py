"""Addresses as text: one spelling for one address.

IPv4 in dotted decimals, IPv6 as RFC 5952 says, IPv4-mapped IPv6 folded to IPv4, zone ids dropped. Octets with leading
zeros are refused, since readers disagree on whether they are octal. What an address means belongs to the inventory.
"""

from __future__ import annotations

import ipaddress
import re

import polars as pl

NOWHERE = ("0.0.0.0", "::")  # noqa: S104 - no address to listen on
"""How logs write that there is no address."""
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
CANONICAL_IPV4 = rf"^{_OCTET}\.{_OCTET}\.{_OCTET}\.{_OCTET}$"
_PLAIN = re.compile(rf"{_OCTET}\.{_OCTET}\.{_OCTET}\.{_OCTET}")


def canonical_address(text: str | None) -> str | None:
    """The one spelling of an address, or None when the text is not an address.

    Zone ids (fe80::1%eth0) are dropped, and so are brackets around IPv6; leading zeros in IPv4 octets are refused.
    """
    if not text:
        return None
    if _PLAIN.fullmatch(text):
        return text
    if text.startswith("[") and text.endswith("]") and ":" in text:
        text = text[1:-1]
    try:
        address = ipaddress.ip_address(text.split("%", 1)[0].strip())
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)


def canonical_frame(raw: pl.Series) -> pl.DataFrame:
    """Distinct spellings and their canonical form: columns `raw`, `ip` (null when not an address).

    Plain IPv4 is recognised in bulk; only the rest (IPv6 and rubbish) goes through Python, once per distinct text.
    """
    frame = pl.DataFrame({"raw": raw.unique().cast(pl.String)})
    plain = pl.col("raw").str.contains(CANONICAL_IPV4)
    frame = frame.with_columns(ip=pl.when(plain).then(pl.col("raw")))
    odd = frame.filter(pl.col("ip").is_null())["raw"].to_list()
    if not odd:
        return frame
    fixed = pl.DataFrame(
        {"raw": odd, "odd_ip": [canonical_address(t) for t in odd]}, schema={"raw": pl.String, "odd_ip": pl.String}
    )
    return frame.join(fixed, on="raw", how="left", nulls_equal=True).select("raw", ip=pl.coalesce("ip", "odd_ip"))


def canonical_network(text: str) -> str:
    """The one spelling of an address or network (CIDR); a single address is a /32 or /128.

    Raises:
        ValueError: it is neither, or has bits beside its prefix.
    """
    try:
        if "%" in text:
            raise ValueError("zone ids name an interface of one machine")
        network = ipaddress.ip_network(text.strip(), strict=False)
    except ValueError as error:
        raise ValueError("must be an IPv4 or IPv6 address or CIDR, such as 192.0.2.10 or 2001:db8::/48") from error
    host = ipaddress.ip_interface(text.strip())
    if host.ip != network.network_address:
        raise ValueError(f"is an address within a network: write {host.ip} for the host, or {network} for all of it")
    if network.version == 6 and (mapped := network.network_address.ipv4_mapped):  # So the prefix is 96 at least.
        network = ipaddress.ip_network(f"{mapped}/{network.prefixlen - 96}")
    return str(network)

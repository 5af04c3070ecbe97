"""One regular expression that recognises the lines of a conn.log that need no parsing: sound flows of unwatched ends.

Nine of ten lines of a conn.log are such. A line that matches is one that the careful reader would count among others,
of no mail port, without finding fault with it; a line that does not match may still be such a line, and is read with
care. Patterns are made here from a header and the watched networks; what becomes of the lines is up to the reader.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

DIGITS = "0123456789abcdef"
MAX_BRANCHES = 64
"""Networks that are told apart in one pattern; of more, wider ones that hold them are avoided as a whole."""
TIME = r"[1-9][0-9]{9}\.[0-9]{6}"
"""Seconds as Zeek writes them, from 2001 on; such texts sort as the times do."""
TIME_LENGTH = 17
REAL = r"[0-9]{1,10}(?:\.[0-9]{1,9})?"
COUNT = r"[0-9]{1,15}"
"""Below the largest believed number of bytes."""
_GROUP = "(?:0|[1-9a-f][0-9a-f]{0,3})"

Range = tuple[int, int]


def numerals(first: int, last: int, base: int = 10) -> str:
    """A pattern of the numbers from first to last, without leading zeros, in small letters."""
    parts, length = [], 1
    while first <= last:
        top = min(last, base**length - 1)
        if first <= top:
            parts += _same_length(_text(first, base), _text(top, base), base)
            first = top + 1
        length += 1
    return "|".join(parts)


def _text(number: int, base: int) -> str:
    text = DIGITS[number % base]
    while number := number // base:
        text = DIGITS[number % base] + text
    return text


def _same_length(low: str, high: str, base: int) -> list[str]:
    """Patterns that together hold the texts from low to high, which have the same length."""
    rest, lowest, highest = len(low) - 1, DIGITS[0], DIGITS[base - 1]
    if rest == 0 or (low[1:] == lowest * rest and high[1:] == highest * rest):
        return [_digit(low[0], high[0]) + (f"{_digit(lowest, highest)}{{{rest}}}" if rest else "")]
    if low[0] == high[0]:
        return [low[0] + tail for tail in _same_length(low[1:], high[1:], base)]
    first, last = DIGITS.index(low[0]), DIGITS.index(high[0])
    parts = _same_length(low, low[0] + highest * rest, base)
    if last - first > 1:
        parts += _same_length(DIGITS[first + 1] + lowest * rest, DIGITS[last - 1] + highest * rest, base)
    return parts + _same_length(high[0] + lowest * rest, high, base)


def _digit(low: str, high: str) -> str:
    return low if low == high else "[" + DIGITS[DIGITS.index(low) : DIGITS.index(high) + 1] + "]"


def numbers_but(excluded: Iterable[int], last: int, base: int = 10, first: int = 0) -> str:
    """A pattern of the numbers from first to last that are not excluded; empty when there is none."""
    edges = [first - 1, *sorted(set(excluded)), last + 1]
    parts = [numerals(a + 1, b - 1, base) for a, b in pairwise(edges) if b - a > 1]
    return "|".join(parts)


def _range(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> Range:
    return int(network.network_address), int(network.broadcast_address)


def _widened(ranges: Sequence[Range], steps: Sequence[int]) -> list[Range] | None:
    """The ranges, widened to the first of the steps (bits of a suffix) that leaves few enough of them."""
    for step in steps:
        wide = sorted({(first >> step << step, last | ((1 << step) - 1)) for first, last in ranges})
        if len(wide) <= MAX_BRANCHES:
            return wide
    return None


def _outside(ranges: Sequence[Range], bits: int, levels: int, first: int = 0) -> list[tuple[int, list[str]]]:
    """What lies outside the ranges, as (groups given, their patterns): the shortest beginnings that decide it.

    Args: ranges of numbers of `levels` groups of `bits` bits, disjoint; first is the least leading group.
    """
    base, low = (10 if bits == 8 else 16), bits * (levels - 1)
    size, top = 1 << low, (1 << bits) - 1
    touched: dict[int, list[Range]] = {}
    for start, end in ranges:
        for group in range(start >> low, (end >> low) + 1):
            within = (max(start, group * size) - group * size, min(end, group * size + size - 1) - group * size)
            touched.setdefault(group, []).append(within)
    found = []
    if free := numbers_but(touched, top, base, first):
        found.append((1, [f"(?:{free})"]))
    for group, inner in sorted(touched.items()):
        if (0, size - 1) not in inner and levels > 1 and group >= first:
            deeper = _outside(inner, bits, levels - 1)
            found += [(n + 1, [_text(group, base), *patterns]) for n, patterns in deeper]
    return found


def unwatched(networks: Iterable[str]) -> str | None:
    """A pattern of plainly written addresses outside the networks; None when it would be too large.

    Plain is IPv4 in decimals, and IPv6 in small letters without leading zeros whose first group is not 0, so that it
    holds no IPv4 address. Not every address outside is matched; none inside is.
    """
    plain = unwatched_by_family(networks)
    return None if plain is None else "|".join(filter(None, plain)) or None


def unwatched_by_family(networks: Iterable[str]) -> tuple[str, str] | None:
    """The same apart: the patterns of IPv4 and of IPv6, empty where nothing lies outside."""
    parsed = [ipaddress.ip_network(n) for n in networks]
    short = ipaddress.collapse_addresses(n for n in parsed if isinstance(n, ipaddress.IPv4Network))
    long = ipaddress.collapse_addresses(n for n in parsed if isinstance(n, ipaddress.IPv6Network))
    v4 = _widened([_range(n) for n in short], (0, 8, 16))
    v6 = _widened([(first >> 96, last >> 96) for first, last in map(_range, long)], (0, 16))
    if v4 is None or v6 is None:
        return None
    octet = f"(?:{numerals(0, 255)})"
    plain = [r"\.".join([*given, *[octet] * (4 - n)]) for n, given in _outside(v4, 8, 4)]
    return "|".join(plain), "|".join(":".join(given) + _tail(n) for n, given in _outside(v6, 16, 2, first=1))


def _tail(given: int) -> str:
    """The rest of an IPv6 address after some of its groups: the other groups, or fewer and a gap."""
    forms = [f"(?::{_GROUP}){{{8 - given}}}"]
    for before in range(8 - given):
        after = 7 - given - before
        end = f"(?:{_GROUP}(?::{_GROUP}){{0,{after - 1}}})?" if after else ""
        forms.append(f"(?::{_GROUP}){{{before}}}::{end}")
    return f"(?:{'|'.join(forms)})"


def line_pattern(fields: Sequence[str | None], separator: str, unset: Iterable[str], values: dict[str, str]) -> str:
    """A pattern of whole lines.

    Args:
        fields: our name of each field, None for one that is not read.
        separator: one character.
        unset: texts that stand for no value.
        values: patterns of the fields that must hold something certain; any other may hold any text.
    """
    absent, cut = "|".join(re.escape(u) for u in unset), re.escape(separator)
    anything = rf"[^{cut}\r\n]*"
    needed = ("ts", "src", "dest")

    def of(name: str | None) -> str:
        if name not in values:
            return anything
        return f"(?:{values[name]})" if name in needed else f"(?:{absent}|{values[name]})"

    return "^" + cut.join(of(f) for f in fields) + "$"

"""Patterns of plain lines: exact ranges of numbers, and no address inside the watched networks, however written."""

import ipaddress
import re

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.addresses import canonical_address
from pipeline.inventory import Inventory
from pipeline.settings import InventoryEntry
from pipeline.sources.glances import glance
from tests.examples import examples

MANY = settings(max_examples=examples(40))


def fits(pattern: str | None, texts: list[str]) -> list[bool]:
    """Which texts the pattern matches as a whole, by the engine that the readers use."""
    found = pl.DataFrame({"t": texts}, schema={"t": pl.String}).select(pl.col("t").str.contains(f"^(?:{pattern})$"))
    return [False] * len(texts) if pattern is None else found.to_series().to_list()


@MANY
@given(st.integers(0, 70_000), st.integers(0, 70_000), st.sampled_from([10, 16]))
def test_numerals_hold_the_numbers_of_their_range_alone(one: int, other: int, base: int) -> None:
    first, last = sorted((one, other))
    near = sorted({n + d for n in (0, first, last, base, base**2, base**3, 65_535) for d in range(-2, 3) if n + d >= 0})
    texts = [format(n, "x" if base == 16 else "d") for n in near]
    pattern = glance.numerals(first, last, base)
    assert fits(pattern, texts) == [first <= n <= last for n in near]
    assert not any(fits(pattern, ["", "00", f"0{first}", f"+{last}", f"-{last}", f" {last}", "\u0661"]))


def test_every_octet_is_decided_right_whatever_is_left_out() -> None:
    for excluded in ([], [0], [255], [7, 8, 9], [0, 10, 99, 100, 255], range(256)):
        pattern = glance.numbers_but(excluded, 255) or None
        assert fits(pattern, [str(n) for n in range(300)]) == [n < 256 and n not in excluded for n in range(300)]


V4 = st.tuples(*(st.sampled_from(pool) for pool in ((10, 192), (0, 1, 255), (2, 128), (0, 9, 10, 254)))).map(
    lambda octets: ".".join(map(str, octets))
)
GROUP = st.sampled_from(["0", "0", "0", "1", "25", "26", "c000", "ffff"])
V6 = st.tuples(st.sampled_from(["0", "1", "2001", "2002", "fe80"]), st.sampled_from(["0", "db8", "db9"])).flatmap(
    lambda head: st.tuples(*[GROUP] * 6).map(lambda rest: str(ipaddress.ip_address(":".join([*head, *rest]))))
)
NETWORKS = st.lists(
    st.one_of(st.tuples(V4, st.integers(0, 32)), st.tuples(V6, st.integers(0, 128))).map(
        lambda pair: str(ipaddress.ip_network(f"{pair[0]}/{pair[1]}", strict=False))
    ),
    max_size=4,
)


@st.composite
def spellings(draw: st.DrawFn) -> str:
    """An address as somebody might write it, sometimes wrongly."""
    text = draw(st.one_of(V4, V6))
    twist = draw(
        st.sampled_from(["", "", "", "", "long", "mapped", "upper", "zone", "zero", "more", "less", "gap", "full"])
    )
    number = int(ipaddress.ip_address(text))
    changed = {"upper": text.upper(), "zone": f"{text}%e0", "zero": f"0{text}", "more": f"{text}:1"}
    changed |= {"less": text.rpartition(":")[0], "gap": text.replace(":0", ":", 1)}
    changed["long"] = ipaddress.ip_address(text).exploded
    changed["mapped"] = (
        f"{draw(st.sampled_from(['::ffff:', '0:0:0:0:0:ffff:']))}{number >> 16 & 65_535:x}:{number & 65_535:x}"
    )
    colons = [":"] * 7
    colons[draw(st.integers(0, 6))] = "::"
    changed["full"] = "".join(
        g + c for g, c in zip(["1", "b", "c", "2", "d", "e", "f", "4"], [*colons, ""], strict=True)
    )
    return changed.get(twist, text)


@MANY
@given(NETWORKS, st.lists(spellings(), min_size=1, max_size=30))
def test_what_an_address_pattern_matches_is_an_address_outside_the_networks(
    networks: list[str], texts: list[str]
) -> None:
    inventory = Inventory([InventoryEntry(address=n, category=("email_server",)) for n in networks])
    for text, told in zip(texts, fits(glance.unwatched(networks), texts), strict=True):
        canonical = canonical_address(text)
        assert not told or (canonical is not None and not inventory.watches(canonical)), (text, networks)


@MANY
@given(NETWORKS, st.lists(st.one_of(V4, V6), min_size=1, max_size=30))
def test_an_address_outside_the_networks_is_matched_where_it_is_plainly_written(
    networks: list[str], texts: list[str]
) -> None:
    watched = [ipaddress.ip_network(n) for n in networks]
    # Of IPv6 networks only the first two groups are told apart, and none behind a gap.
    wide = [n.supernet(new_prefix=min(n.prefixlen, 32)) for n in watched]
    for text, told in zip(texts, fits(glance.unwatched(networks), texts), strict=True):
        address = ipaddress.ip_address(text)
        plain = address.version == 4 or (text[0] not in "0:" and ":0:" not in text[:8] and "::" not in text[:7])
        if plain and not any(address.version == n.version and address in n for n in wide):
            assert told, (text, networks)


@pytest.mark.parametrize("count", [1, 64, 65, 5_000])
def test_many_networks_are_avoided_by_wider_ones(count: int) -> None:
    networks = [f"10.{i // 250}.{i % 250}.7" for i in range(count)]
    told = fits(glance.unwatched(networks), [networks[0], networks[-1], "192.0.2.1"])
    assert told == [False, False, True]


def test_networks_scattered_over_too_much_leave_nothing_to_tell() -> None:
    assert glance.unwatched([f"{i}.{i}.0.0/16" for i in range(1, 200)]) is None


def test_a_line_pattern_binds_what_it_is_told_and_no_more() -> None:
    pattern = glance.line_pattern(["ts", None, "dest"], "\t", ["-"], {"ts": glance.TIME, "dest": "10[.]1"})
    assert re.search(pattern, "1790856000.000000\tanything at all\t10.1")
    for line in ("-\tx\t10.1", "1790856000.000000\tx\t-", "1790856000.000000\tx\t10.1\t", "1790856000.000000\t10.1"):
        assert not re.search(pattern, line)

"""The dated inventory: longest prefix, validity, spellings, and agreement with a naive look-up."""

import datetime as dt
import ipaddress
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.inventory import Inventory
from pipeline.settings import InventoryEntry

DAY = dt.date(2026, 10, 1)
NEXT = DAY + dt.timedelta(days=1)


def inventory(*entries: tuple[str, Any] | tuple[str, Any, dt.date | None, dt.date | None]) -> Inventory:
    """Entries as (address, category[, from, to])."""
    keys = ("address", "category", "valid_from", "valid_to")
    return Inventory([InventoryEntry.model_validate(dict(zip(keys, e, strict=False))) for e in entries])


def test_the_longest_prefix_wins() -> None:
    nested = inventory(("192.0.2.0/24", "office"), ("192.0.2.0/28", "lab"), ("192.0.2.10", "email_server"))
    found = [nested.categories(f"192.0.2.{n}", DAY) for n in (10, 11, 16)]
    assert found == [["email_server"], ["lab"], ["office"]]


def test_entries_of_one_prefix_add_their_categories_up() -> None:
    twice = inventory(("192.0.2.10", ["email_server", "b"]), ("192.0.2.10/32", "a"), ("192.0.2.10", "b"))
    assert twice.categories("192.0.2.10", DAY) == ["a", "b", "email_server"]


def test_validity_begins_on_its_first_day_and_ends_before_its_last() -> None:
    dated = inventory(("192.0.2.10", "email_server", DAY, NEXT))
    days = [DAY - dt.timedelta(days=1), DAY, NEXT]
    assert [dated.categories("192.0.2.10", d) for d in days] == [[], ["email_server"], []]
    assert dated.watches("192.0.2.10")


def test_a_longer_prefix_that_is_not_valid_gives_way_to_a_shorter_one() -> None:
    dated = inventory(("192.0.2.0/24", "office"), ("192.0.2.10", "email_server", NEXT, None))
    assert dated.categories("192.0.2.10", DAY) == ["office"]
    assert dated.categories("192.0.2.10", NEXT) == ["email_server"]


def test_periods_are_ordered_and_disjoint() -> None:
    later = NEXT + dt.timedelta(days=9)
    dated = inventory(("192.0.2.0/24", "office", None, later), ("192.0.2.10", "email_server", DAY, NEXT))
    assert dated.periods("192.0.2.10") == [
        (dt.date.min, DAY, ["office"]),
        (DAY, NEXT, ["email_server"]),
        (NEXT, later, ["office"]),
    ]
    assert dated.periods("203.0.113.1") == []


SPELLINGS = [
    ("2001:DB8::25", "2001:db8::25"),
    ("2001:0db8:0000::0025", "2001:db8::25"),
    ("::ffff:192.0.2.10", "192.0.2.10"),
    ("::ffff:c000:020a/128", "192.0.2.10"),
    ("192.0.2.10/32", "192.0.2.10"),
    (" 192.0.2.10 ", "192.0.2.10"),
    ("2001:db8::/32", "2001:db8:ffff::1"),
    ("::ffff:192.0.2.0/120", "192.0.2.77"),
    ("::/0", "2001:db8::1"),
    ("0.0.0.0/0", "198.51.100.7"),
]


@pytest.mark.parametrize(("written", "address"), SPELLINGS)
def test_entries_hold_whatever_their_spelling(written: str, address: str) -> None:
    assert inventory((written, "email_server")).categories(address, DAY) == ["email_server"]


def test_the_whole_of_one_family_is_not_the_other() -> None:
    assert not inventory(("0.0.0.0/0", "v4")).watches("2001:db8::1")
    assert not inventory(("::/0", "v6")).watches("192.0.2.1")


WRONG = ["mail.example.com", "192.0.2.0/33", "192.0.2.256", "192.0.2.010", "2001:db8::/129", "", "192.0.2.1-9"]
WRONG += ["fe80::1%eth0", "192.0.2.10/255.255.0.255"]


@pytest.mark.parametrize("address", WRONG)
def test_what_is_no_address_or_network_is_refused(address: str) -> None:
    with pytest.raises(ValidationError, match="must be an IPv4 or IPv6 address or CIDR"):
        inventory((address, "email_server"))


@pytest.mark.parametrize("category", [[], "", "a b", ["ok", "a,b"], "x" * 65])
def test_categories_are_plain_words(category: object) -> None:
    with pytest.raises(ValidationError):
        inventory(("192.0.2.10", category))


def test_frames_hold_each_address_once_and_only_known_ones() -> None:
    one = inventory(("192.0.2.10", ["email_server", "a"]))
    ips = pl.Series(["192.0.2.10", "198.51.100.7", None, "192.0.2.10"])
    assert one.category_frame(ips, DAY).rows() == [("192.0.2.10", ["a", "email_server"])]
    assert sorted(one.watched_frame(ips).rows()) == [("192.0.2.10", True), ("198.51.100.7", False)]
    assert one.category_frame(ips.clear(), DAY).schema == one.category_frame(ips, DAY).schema


@pytest.mark.parametrize("address", ["192.0.2.10", "192.0.2.8/30", "2001:db8::/33"])
def test_a_frame_of_categories_says_what_each_address_says_alone(address: str) -> None:
    dated = inventory(
        (address, "email_server", DAY, NEXT), ("2001:db8::5", "lab"), ("192.0.2.11", "office", NEXT, None)
    )
    ips = ["2001:db8::5", "2001:db8:8000::1", "192.0.2.10", "192.0.2.11", "192.0.2.12", "198.51.100.7"]
    for day in (DAY, NEXT):
        alone = [(ip, dated.categories(ip, day)) for ip in sorted(ips)]
        assert dated.category_frame(pl.Series(ips), day).rows() == [(ip, found) for ip, found in alone if found]


def test_covering_means_the_whole_network() -> None:
    one = inventory(("192.0.2.0/25", "office"))
    covered = {n: one.covers(n) for n in ("192.0.2.0/25", "192.0.2.8/32", "192.0.2.0/24", "203.0.113.1/32")}
    assert covered == {"192.0.2.0/25": True, "192.0.2.8/32": True, "192.0.2.0/24": False, "203.0.113.1/32": False}


def test_fingerprints_depend_on_what_is_valid_on_the_day_not_on_order_or_names() -> None:
    a, b = ("192.0.2.10", "email_server"), ("192.0.2.11", ["x", "y"])
    later = ("203.0.113.25", "email_server", NEXT, None)
    assert inventory(a, b).fingerprint(DAY) == inventory(b, a, later).fingerprint(DAY)
    assert inventory(a, b).fingerprint(NEXT) != inventory(b, a, later).fingerprint(NEXT)
    assert inventory(a).fingerprint(DAY) != inventory(("192.0.2.10", "x")).fingerprint(DAY)


NETWORKS = st.one_of(
    st.tuples(
        st.sampled_from(["192.0.2.0", "192.0.2.10", "198.51.100.7", "0.0.0.0"]), st.sampled_from([0, 8, 24, 28, 32])
    ),
    st.tuples(st.sampled_from(["2001:db8::", "2001:db8::25"]), st.sampled_from([0, 32, 48, 127, 128])),
).map(lambda pair: str(ipaddress.ip_network(f"{pair[0]}/{pair[1]}", strict=False)))
EDGES = st.sampled_from([None, DAY - dt.timedelta(days=3), DAY, NEXT])
ENTRIES = st.lists(
    st.tuples(NETWORKS, st.sampled_from("abc"), EDGES, EDGES).filter(lambda e: not (e[2] and e[3] and e[3] <= e[2])),
    max_size=8,
)
ADDRESSES = ["192.0.2.10", "192.0.2.11", "192.0.2.200", "198.51.100.7", "2001:db8::25", "2001:db8::24", "2001:db8:1::1"]


@given(ENTRIES, st.sampled_from(ADDRESSES), st.sampled_from([DAY - dt.timedelta(days=5), DAY, NEXT]))
def test_a_naive_look_up_agrees(entries: list[tuple[Any, ...]], address: str, day: dt.date) -> None:
    ip = ipaddress.ip_address(address)
    valid = [
        (ipaddress.ip_network(network), category)
        for network, category, first, last in entries
        if (first is None or first <= day) and (last is None or day < last)
    ]
    covering = [(n, c) for n, c in valid if n.version == ip.version and ip in n]
    longest = max((n.prefixlen for n, _ in covering), default=0)
    assert inventory(*entries).categories(address, day) == sorted({c for n, c in covering if n.prefixlen == longest})

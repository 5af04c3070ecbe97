"""Peer groups: the longest configured network decides, else the subnet."""

from __future__ import annotations

import polars as pl
import pytest

from pipeline.groups import Groups


def of(groups: Groups, *clients: str | None) -> list[str | None]:
    return groups.of(pl.Series("client", clients, dtype=pl.String)).to_list()


def test_without_groups_a_client_belongs_to_its_subnet() -> None:
    found = of(Groups(), "10.0.3.7", "2001:db8:0:1::2", None, "10.0.3.8")
    assert found == ["10.0.3.0/24", "2001:db8:0:1::/64", None, "10.0.3.0/24"]


NAMES = ("aa:bb:cc:dd:ee:ff", "host:443", "192.0.2.1:443", "2001:db8::1/64", "null", "", "999.1.2.3", "a b")


@pytest.mark.parametrize("groups", [{}, {"a": ["10.0.0.0/8", "::/0"]}])
def test_what_is_no_address_has_no_group_and_no_subnet(groups: dict[str, list[str]]) -> None:
    assert of(Groups(groups), *NAMES) == [None] * len(NAMES)


def test_another_spelling_of_an_address_has_the_same_subnet() -> None:
    found = of(Groups(), "::ffff:192.0.2.7", "2001:DB8::0:1", "fe80::1%eth0", "::1")
    assert found == ["192.0.2.0/24", "2001:db8::/64", "fe80::/64", "::/64"]


def test_the_longest_network_decides_and_others_keep_their_subnet() -> None:
    groups = Groups({"all": ["10.0.0.0/8"], "boss": ["10.0.3.7/32", "2001:db8::/32"]})
    assert of(groups, "10.0.3.7", "10.0.3.8", "192.0.2.1", "2001:db8::9", None) == [
        "boss",
        "all",
        "192.0.2.0/24",
        "boss",
        None,
    ]


def test_the_fingerprint_follows_the_groups_and_not_their_order() -> None:
    one, other = Groups({"a": ["10.0.0.0/8", "192.0.2.0/24"], "b": ["198.51.100.0/24"]}), Groups()
    again = Groups({"b": ["198.51.100.0/24"], "a": ["192.0.2.0/24", "10.0.0.0/8"]})
    assert one.fingerprint == again.fingerprint != other.fingerprint


def test_no_client_has_no_group() -> None:
    assert of(Groups({"a": ["10.0.0.0/8"]})) == []

"""One spelling for one address or network, and which texts are neither."""

import polars as pl
import pytest

from pipeline.addresses import canonical_address, canonical_frame, canonical_network

CANONICAL = [
    ("192.0.2.1", "192.0.2.1"),
    ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"),
    ("::FFFF:192.0.2.1", "192.0.2.1"),
    ("fe80::1%eth0", "fe80::1"),
    ("fe80::1%a%b", "fe80::1"),
    ("[2001:DB8::1]", "2001:db8::1"),
    ("[fe80::1%eth0]", "fe80::1"),
    (" 192.0.2.1 ", "192.0.2.1"),
    *((text, None) for text in ("192.0.2.01", "192.0.2", "3221225985", "-", "", "192.0.2.1:25", None, "::g")),
    *((text, None) for text in ("[192.0.2.1]", "[2001:db8::1", "2001:db8::1]", "]2001:db8::1[")),
]


@pytest.mark.parametrize(("written", "canonical"), CANONICAL)
def test_an_address_has_one_spelling(written: str | None, canonical: str | None) -> None:
    assert canonical_address(written) == canonical


def test_texts_in_bulk_are_told_once_each_and_as_alone() -> None:
    plain = pl.Series("x", ["192.0.2.1", "198.51.100.7", "192.0.2.1"])
    assert sorted(canonical_frame(plain).rows()) == [(t, t) for t in ("192.0.2.1", "198.51.100.7")]
    texts = [text for text, _ in CANONICAL]
    found = canonical_frame(pl.Series("x", texts * 2, dtype=pl.Categorical))
    assert found.height == len(CANONICAL)
    assert dict(found.iter_rows()) == dict(CANONICAL)


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        (" 192.0.2.10 ", "192.0.2.10/32"),
        ("192.0.2.0/24", "192.0.2.0/24"),
        ("2001:DB8:0::/48", "2001:db8::/48"),
        ("2001:db8::1", "2001:db8::1/128"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("::ffff:0.0.0.0/96", "0.0.0.0/0"),
        ("::ffff:192.0.2.10", "192.0.2.10/32"),
        ("::fffe:0:0/95", "::fffe:0:0/95"),
        (" ::ffff:192.0.2.0/120", "192.0.2.0/24"),
    ],
)
def test_a_network_has_one_spelling(written: str, canonical: str) -> None:
    assert canonical_network(written) == canonical


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("fe80::1%eth0", "must be an IPv4 or IPv6 address or CIDR"),
        ("192.0.2.0/33", "must be an IPv4 or IPv6 address or CIDR"),
        ("mx1.example.com", "must be an IPv4 or IPv6 address or CIDR"),
        (" 192.0.2.10/24", "write 192.0.2.10 for the host, or 192.0.2.0/24 for all of it"),
        ("2001:db8::5/64", "write 2001:db8::5 for the host, or 2001:db8::/64 for all of it"),
    ],
)
def test_what_is_no_network_is_refused_with_what_to_write(written: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        canonical_network(written)

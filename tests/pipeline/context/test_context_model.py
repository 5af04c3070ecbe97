"""What the context says of hosts and days, from which day to which, and that a fingerprint tells just that."""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Sequence

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.context import INPUTS, Context
from pipeline.context.checking import checked_rows
from pipeline.context.model import ContextTable, covering
from pipeline.context.reading import read_rows
from pipeline.context.unmatched import unmatched
from pipeline.groups import Groups

FIRST = dt.date(2026, 1, 1)


def day(number: int) -> dt.date:
    return FIRST + dt.timedelta(days=number)


def context(**texts: str) -> Context:
    tables = {}
    for name, text in texts.items():
        raw = read_rows(text.encode(), f"{name}.csv", INPUTS[name])
        tables[name] = ContextTable(name, f"{name}.csv", raw.frame.height, checked_rows(raw, INPUTS[name]), "")
    return Context(tables)


def hosts(*pairs: tuple[str, str | None]) -> pl.DataFrame:
    return pl.DataFrame(pairs, schema={"ip": pl.String, "asset": pl.String}, orient="row")


@pytest.mark.parametrize(("number", "role"), [(3, None), (4, "nat"), (5, "nat"), (6, None)])
def test_a_role_holds_from_its_first_day_until_the_day_it_ends(number: int, role: str | None) -> None:
    known = context(host_roles=f"address,role,from,to\n10.0.0.1,nat,{day(4)},{day(6)}\n")
    told = known.of_hosts("host_roles", hosts(("10.0.0.1", None)), day(number))
    assert told["role"].to_list() == ([role] if role else [])


def test_an_asset_counts_before_its_address_and_a_long_prefix_before_a_short_one() -> None:
    known = context(groups="address,asset,group\n10.0.0.0/8,,wide\n10.0.1.0/24,,near\n10.0.1.7,,host\n,pc-1,asset\n")
    asked = hosts(
        ("10.0.0.1", None), ("10.0.1.1", "pc-2"), ("10.0.1.7", None), ("10.0.1.7", "pc-1"), ("192.0.2.1", None)
    )
    told = known.of_hosts("groups", asked, FIRST).sort("ip", "asset", nulls_last=True)
    assert told.rows() == [
        ("10.0.0.1", None, "wide"),
        ("10.0.1.1", "pc-2", "near"),
        ("10.0.1.7", "pc-1", "asset"),
        ("10.0.1.7", None, "host"),
    ]


def test_a_lease_ends_before_the_day_the_next_one_begins() -> None:
    known = context(
        entities=f"address,asset,from,to\n10.0.0.1,a,,{day(2)}\n10.0.0.1,b,{day(2)},\n10.0.0.9,c,{day(9)},\n"
    )
    rows = pl.DataFrame({"day": [day(n) for n in (1, 2, 3, 3)], "ip": [*["10.0.0.1"] * 3, "10.0.0.2"]})
    assert known.with_assets(rows)["asset"].to_list() == ["a", "b", "b", None]


def test_the_calendar_knows_its_days_alone() -> None:
    known = context(calendar=f"day,to,off\n{day(1)},{day(3)},\n{day(5)},,no\n")
    assert [known.off(day(n)) for n in range(7)] == [None, True, True, None, None, False, None]


NETWORKS = st.builds(
    lambda number, length: str(ipaddress.ip_network((0x0A000000 + number, length), strict=False)),
    st.integers(0, 15),
    st.sampled_from([8, 28, 30, 31, 32]),
)


@given(st.lists(NETWORKS, max_size=8), st.lists(st.integers(0, 15), max_size=8))
def test_covering_networks_are_those_that_hold_the_address(networks: list[str], numbers: list[int]) -> None:
    ips = [str(ipaddress.ip_address(0x0A000000 + n)) for n in numbers]
    found = covering(pl.Series(ips, dtype=pl.String), pl.Series(networks, dtype=pl.String))
    wanted = {(i, n) for i in ips for n in networks if ipaddress.ip_address(i) in ipaddress.ip_network(n)}
    assert sorted(found.select("ip", "network").rows()) == sorted(wanted)
    assert all(n.endswith(f"/{length}") for _, n, length in found.rows())


def touched(name: str, before: str, after: str, window: int = 3) -> list[int]:
    """Numbers of the days of which a change of an input changes the fingerprint."""

    def told(text: str, number: int) -> dict[str, str]:
        days: Sequence[dt.date] = [day(n) for n in range(number - window, number + 1)]
        return context(**{name: text}).fingerprints(days, day(number))

    return [n for n in range(12) if told(before, n) != told(after, n)]


HEAD = {
    "host_roles": "address,role,from,to\n",
    "groups": "address,group,from,to\n",
    "entities": "address,asset,from,to\n",
    "known_events": "address,cause,from,to\n",
}


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("host_roles", [4, 5]),
        ("groups", [4, 5]),
        ("entities", [4, 5, 6, 7, 8]),
        ("known_events", [4, 5, 6, 7, 8]),
    ],
)
def test_a_change_touches_the_days_on_which_it_counts(name: str, wanted: list[int]) -> None:
    old = f"{HEAD[name]}10.0.0.9,x,,\n"
    assert touched(name, old, old + f"10.0.0.1,a,{day(4)},{day(6)}\n") == wanted
    assert touched(name, old, f"{HEAD[name]}10.0.0.9,x,,{day(9)}\n") == [9, 10, 11]
    early = f"{HEAD[name]}10.0.0.9,x,,{day(-9)}\n"  # says nothing of any of the days
    assert touched(name, early, early + f"10.0.0.1,a,{day(4)},{day(6)}\n") == wanted


def test_a_day_off_touches_itself_alone() -> None:
    assert touched("calendar", "day\n", f"day\n{day(4)}\n") == [4]


def test_order_notes_and_repeated_rows_change_nothing() -> None:
    head, one, two = "address,asset,note\n", "10.0.0.1,a,x\n", "10.0.0.2,b,\n"
    assert touched("entities", head + one + two, head + two + one + "10.0.0.1,a,y\n") == []


def test_a_lease_cut_in_two_without_a_gap_changes_nothing() -> None:
    whole, head = f"10.0.0.1,a,{day(1)},{day(8)}\n", HEAD["entities"]
    halves = f"10.0.0.1,a,{day(1)},{day(4)}\n10.0.0.1,a,{day(4)},{day(8)}\n"
    assert touched("entities", head + whole, head + halves) == []


def test_names_that_occur_nowhere_else_are_told_and_those_that_do_are_not() -> None:
    known = context(
        entities="address,asset\n10.0.0.1,pc-1\n",
        groups="address,group\n10.0.0.0/8,sales\n",
        host_roles="address,asset,role\n,pc-1,nat\n,pc-2,nat\n10.0.0.9,,nat\n",
        known_events="address,asset,group,cause\n,pc-3,,x\n,,sales,x\n,,staff,x\n,,10.0.1.0/24,x\n,,2001:db8::/64,x\n"
        ",,10.0.0.0/16,x\n,,2001:db8::/24,x\n,,10.0.1.7/24,x\n,,nobody,x\n",
        calendar=f"day\n{FIRST}\n",
    )
    told = {name: unmatched(table, known, Groups({"staff": ["192.0.2.0/24"]})) for name, table in known.tables.items()}
    assert told == {
        "entities": {},
        "groups": {},
        "host_roles": {"assets": ["pc-2"]},
        "known_events": {"assets": ["pc-3"], "groups": ["10.0.0.0/16", "10.0.1.7/24", "2001:db8::/24", "nobody"]},
        "calendar": {},
    }


def test_without_leases_every_asset_of_another_input_is_told() -> None:
    known = context(host_roles="asset,role\npc-2,nat\npc-1,nat\n")
    assert unmatched(known.tables["host_roles"], known, Groups()) == {"assets": ["pc-1", "pc-2"]}

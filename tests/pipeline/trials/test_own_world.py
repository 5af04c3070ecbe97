"""Thefts planted into a site's own client-days, against a reading of the rows one by one."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.context.model import NOTHING
from pipeline.errors import ConfigError
from pipeline.evaluation.labelled import WARMUP_DAYS, make_labelled
from pipeline.exact import INT64_MAX
from pipeline.simulate.settings import Attack, default_attacks
from pipeline.trials.own_world import OwnWorld, days_off, own_world

FIRST = dt.date(2026, 8, 3)
"""A Monday."""
DAYS = [FIRST + dt.timedelta(days=n) for n in range(75)]
ROBBED_FROM = FIRST + dt.timedelta(days=WARMUP_DAYS)
COLUMNS = ("day", "src_ip", "bytes_in", "group", "role", "cause")
SCHEMA = {"day": pl.Date, "src_ip": pl.String, "bytes_in": pl.Int64, "group": pl.String, "role": pl.String}
SCHEMA |= {"cause": pl.String}
Row = tuple[dt.date, str, int, str, str, str | None]


def attack(name: str, basket: str, size: float, unit: str = "own", victim: str = "client", **more: int) -> Attack:
    return Attack(name=name, basket=basket, size=size, unit=unit, victim=victim, **more)


def rows_of(clients: int = 60, *, role: str = "client", cause: str | None = None) -> list[Row]:
    """Clients in groups of ten that receive 1000 bytes more than their number each day."""
    return [
        (day, f"10.0.{n // 10}.{n % 10}", 1000 + n, f"10.0.{n // 10}.0/24", role, cause)
        for day in DAYS
        for n in range(clients)
    ]


def planted(rows: list[Row], *attacks: Attack, seed: int = 0) -> OwnWorld:
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    return own_world(frame, days_off(DAYS, NOTHING), attacks or default_attacks(2), seed)


def volumes(frame: pl.DataFrame) -> dict[tuple[dt.date, str], int]:
    return {(day, ip): n for day, ip, n in frame.select("day", "src_ip", "bytes_in").iter_rows()}


def thefts_of(world: OwnWorld) -> dict[str, list[tuple[dt.date, str, int]]]:
    found = defaultdict(list)
    for day, ip, attack_id, extra in world.labels.select("day", "src_ip", "attack_id", "extra").iter_rows():
        if attack_id:
            found[attack_id].append((day, ip, extra))
    return found


def test_thefts_only_add_what_their_labels_say() -> None:
    rows = rows_of()
    world = planted(rows)
    expected = {(day, ip): n for day, ip, n, *_ in rows}
    for robbed in thefts_of(world).values():
        for day, ip, extra in robbed:
            expected[day, ip] = expected.get((day, ip), 0) + extra
    assert volumes(world.daily) == expected


def test_a_theft_is_as_large_as_its_attack_says_of_its_victim() -> None:
    world = planted(rows_of(), attack("shot", "material", 20.0, count=3), attack("gb", "material", 5e8, "bytes"))
    usual = {ip: n for _, ip, n, *_ in rows_of()}
    found = thefts_of(world)
    assert len(found) == 3 + 5
    for attack_id, ((_, ip, extra),) in found.items():
        assert extra == (20 * usual[ip] if attack_id.startswith("shot") else 500_000_000)


def test_nobody_is_robbed_in_the_days_that_say_what_is_usual_and_nobody_twice() -> None:
    found = thefts_of(planted(rows_of(200)))
    assert found
    victims = [{ip for _, ip, _ in robbed} for robbed in found.values()]
    assert sum(map(len, victims)) == len(set.union(*victims))
    assert min(day for robbed in found.values() for day, *_ in robbed) >= ROBBED_FROM


def test_what_is_stolen_at_weekends_is_stolen_on_days_off_and_all_else_on_working_days() -> None:
    world = planted(rows_of(200))
    baskets = dict(world.thefts.select("attack_id", "basket").iter_rows())
    assert "weekend" in baskets.values()
    for attack_id, robbed in thefts_of(world).items():
        assert {day.isoweekday() > 5 for day, *_ in robbed} == {baskets[attack_id] == "weekend"}


def test_several_hosts_are_of_one_group_and_robbed_on_one_day() -> None:
    world = planted(rows_of(), attack("multi", "multi", 5.0, hosts=5, count=4))
    group = {ip: group for _, ip, _, group, *_ in rows_of()}
    found = thefts_of(world)
    assert len(found) == 4
    for robbed in found.values():
        assert len({ip for _, ip, _ in robbed}) == 5
        assert len({group[ip] for _, ip, _ in robbed}) == len({day for day, *_ in robbed}) == 1


def test_gateways_are_robbed_as_gateways_and_other_machines_never() -> None:
    machines = [(day, f"10.9.0.{n}", 10**6, "10.9.0.0/24", role, None) for day in DAYS for n, role in MACHINES]
    world = planted([*rows_of(5), *machines], *default_attacks(3))
    found = thefts_of(world)
    assert {ip for a, robbed in found.items() if a.startswith("nat") for _, ip, _ in robbed} == {"10.9.0.1"}
    assert not {ip for robbed in found.values() for _, ip, _ in robbed} & {"10.9.0.2", "10.9.0.3"}


MACHINES = ((1, "nat"), (2, "backup"), (3, "proxy"))


def test_new_addresses_are_of_a_group_that_is_there_and_had_no_traffic() -> None:
    world = planted(rows_of(), attack("new", "new", 5.0, "fleet", "new", count=3))
    new = world.daily.filter(pl.col("src_ip").str.starts_with("planted-"))
    assert new["src_ip"].n_unique() == new.height == 3
    assert new["role"].unique().to_list() == ["client"]
    assert new["group"].is_in([f"10.0.{n}.0/24" for n in range(6)]).all()
    middle = sorted(n for _, _, n, *_ in rows_of()[:60])[29:31]
    assert new["bytes_in"].unique().to_list() == [round(5 * sum(middle) / 2)]


def test_clients_with_few_days_are_sparse_ones() -> None:
    rare = [(day, "10.8.0.1", 5000, "10.8.0.0/24", "client", None) for day in DAYS[:45:7]]
    shots = (attack("shot", "material", 20.0, count=99), attack("sparse", "small", 5.0, victim="sparse", count=9))
    world = planted([*rows_of(3), *rare], *shots)
    found = thefts_of(world)
    assert len(found) == 4
    assert [ip for a, ((_, ip, _),) in found.items() if a.startswith("sparse")] == ["10.8.0.1"]


def test_what_known_events_explain_is_labelled_by_its_cause_unless_it_was_robbed() -> None:
    rows = rows_of(20, cause="resync")
    world = planted(rows, attack("shot", "material", 20.0, count=3))
    stolen = {(day, ip) for robbed in thefts_of(world).values() for day, ip, _ in robbed}
    told = world.labels.filter(pl.col("cause") == "resync").select("day", "src_ip").rows()
    assert sorted(told) == sorted({(day, ip) for day, ip, *_ in rows} - stolen)
    assert world.labels.filter(pl.col("attack_id").is_not_null())["cause"].null_count() == 3


def test_thefts_stop_at_the_largest_number_of_bytes() -> None:
    rows = [(day, ip, INT64_MAX - 5, g, r, c) for day, ip, _, g, r, c in rows_of(20)]
    world = planted(rows, attack("gb", "material", 1e9, "bytes"))
    assert world.daily["bytes_in"].max() == INT64_MAX
    assert world.daily.height == len(rows)


def test_days_that_are_too_few_or_without_traffic_are_refused() -> None:
    with pytest.raises(ConfigError, match=f"up to {ROBBED_FROM}"):
        planted([r for r in rows_of(3) if r[0] < ROBBED_FROM])
    with pytest.raises(ConfigError, match="no client received"):
        planted([])


def test_a_seed_says_who_is_robbed_and_the_order_of_rows_does_not() -> None:
    rows = rows_of()
    one, other = planted(rows, seed=1), planted(rows, seed=2)
    again = planted(rows[::-1], seed=1)
    assert one.daily.equals(again.daily)
    assert one.labels.equals(again.labels)
    assert not one.labels.equals(other.labels)


def test_evaluate_reads_what_was_planted() -> None:
    world = planted(rows_of(200))
    read = make_labelled(world.daily, world.labels)
    assert read.labels.filter(pl.col("attack_id").is_not_null()).height == world.labels.height
    assert read.first_judged == ROBBED_FROM


CLIENT_DAYS = st.lists(
    st.tuples(
        st.integers(0, 60),
        st.integers(0, 12),
        st.integers(1, 10**12),
        st.sampled_from(("client", "client", "client", "nat", "backup")),
        st.sampled_from((None, "leave_return")),
    ),
    unique_by=lambda r: r[:2],
    max_size=80,
)


@given(CLIENT_DAYS, st.integers(0, 3))
def test_whatever_the_days_are_rows_stay_and_sums_are_conserved(given_rows: list[tuple], seed: int) -> None:
    """Also where days are missing, clients are few, or groups and roles change."""
    span = [(n, 99, 7, "client", None) for n in (0, 60)]
    days = sorted({*given_rows, *span})
    rows = [(FIRST + dt.timedelta(days=d), f"c{c}", n, f"g{c % 3}", role, cause) for d, c, n, role, cause in days]
    world = planted(rows, seed=seed)
    before, after = {(d, ip): n for d, ip, n, *_ in rows}, volumes(world.daily)
    extra = dict.fromkeys(after, 0)
    for robbed in thefts_of(world).values():
        for day, ip, more in robbed:
            extra[day, ip] += more
            assert day >= ROBBED_FROM
            assert more > 0
    assert after == {key: before.get(key, 0) + extra[key] for key in after}
    assert before.keys() <= after.keys()
    assert world.thefts["extra"].sum() == sum(extra.values())
    assert {(d, ip) for d, ip, *_, cause in rows if cause} >= set(
        world.labels.filter(pl.col("cause").is_not_null()).select("day", "src_ip").iter_rows()
    )

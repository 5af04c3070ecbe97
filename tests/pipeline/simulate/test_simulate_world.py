"""Labelled worlds: equal seeds give equal frames, thefts only add bytes, and labels tell all that was added."""

import dataclasses
import datetime as dt
from functools import cache
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from pipeline.simulate.lookalikes import CAUSES
from pipeline.simulate.settings import BASKETS, Attack, Kind, WorldSettings, default_attacks
from pipeline.simulate.world import World, make_world
from tests.examples import examples

PROFILE = settings(max_examples=examples(20), suppress_health_check=list(HealthCheck))
KEYS = ["day", "src_ip"]
FRAMES = ("daily", "labels", "events", "thefts", "leases", "truth", "calendar")
SMALL = WorldSettings(seed=9, clients=600)
EXACT_RECORDS: dict[str, Any] = {"event_slip": 0, "event_wrong": 0, "false_events_per_year": 0}
SILENT: dict[str, Any] = {
    "resync_per_year": 0,
    "re_enrolment_per_year": 0,
    "migration_waves_per_year": 0,
    "attachments_per_day": 0,
    "leave_backlog": 0,
    "org_mailing_per_day": 0,
    "group_mailing_per_day": 0,
    "sensor_gap_per_day": 0,
    "export_per_day": 0,
    "backup_weekday": 0,
}
"""Rates at which nothing is added to what is usual; newcomers still come."""


@cache
def world(**changes: Any) -> World:
    return make_world(dataclasses.replace(SMALL, **changes))


def by_client(made: World, frame: pl.DataFrame) -> pl.DataFrame:
    """A frame with who held each address on its day."""
    return frame.sort("day").join_asof(made.leases.sort("day"), on="day", by="src_ip", check_sortedness=False)


def without(made: World, labels: pl.DataFrame) -> pl.DataFrame:
    """The daily bytes less what these labels added; days of nothing are left out."""
    less = made.daily.join(labels.select(*KEYS, "extra"), on=KEYS, how="left")
    less = less.with_columns(bytes_in=pl.col("bytes_in") - pl.col("extra").fill_null(0))
    return less.filter(pl.col("bytes_in") != 0).drop("extra").sort(KEYS)


def check(made: World) -> None:
    """What holds for every world."""
    daily, labels = made.daily, made.labels
    first, last = made.settings.start, made.settings.start + dt.timedelta(days=made.settings.days - 1)
    assert daily.schema == {
        "day": pl.Date, "src_ip": pl.String, "bytes_in": pl.Int64, "group": pl.String, "role": pl.String
    }  # fmt: skip
    assert labels.schema == {
        "day": pl.Date, "src_ip": pl.String, "attack_id": pl.String, "basket": pl.String, "cause": pl.String,
        "extra": pl.Int64,
    }  # fmt: skip
    assert daily.null_count().sum_horizontal().item() == 0
    assert daily.filter(pl.col("bytes_in") < 1).is_empty()
    assert daily.filter(~pl.col("day").is_between(first, last)).is_empty()
    for frame in (daily, labels, made.leases):
        assert frame.select(KEYS).is_duplicated().sum() == 0
        assert_frame_equal(frame, frame.sort(KEYS))
    assert labels.join(daily, on=KEYS, how="anti").is_empty()
    stolen, benign = labels.filter(pl.col("attack_id").is_not_null()), labels.filter(pl.col("attack_id").is_null())
    assert set(stolen["basket"]) <= set(BASKETS)
    assert stolen["cause"].null_count() == stolen.height
    assert stolen.filter(pl.col("extra") < 0).is_empty()
    assert set(benign["cause"]) <= set(CAUSES)
    assert benign["basket"].null_count() == benign.height
    assert daily.join(labels, on=KEYS).filter(pl.col("extra") > pl.col("bytes_in")).is_empty()
    assert set(made.events["cause"]) <= set(CAUSES)
    assert made.events.filter(pl.col("first") > pl.col("last")).is_empty()
    assert set(made.thefts["attack_id"]) >= set(stolen["attack_id"])
    assert by_client(made, daily)["client"].null_count() == 0


def test_equal_settings_give_equal_worlds_and_another_seed_another_one() -> None:
    again, other = make_world(SMALL), world(seed=12)
    check(again)
    for name in FRAMES:
        assert_frame_equal(getattr(world(), name), getattr(again, name))
        assert not getattr(world(), name).equals(getattr(other, name))


def test_thefts_only_add_their_bytes_to_a_world_that_is_the_same_without_them() -> None:
    honest = world(attacks=())
    assert honest.thefts.is_empty()
    assert honest.labels["attack_id"].null_count() == honest.labels.height
    stolen = world().labels.filter(pl.col("attack_id").is_not_null())
    assert_frame_equal(without(world(), stolen), honest.daily)
    for name in ("events", "truth", "calendar"):
        assert_frame_equal(getattr(world(), name), getattr(honest, name))
    untouched = honest.labels.join(stolen, on=KEYS, how="anti")
    assert_frame_equal(world().labels.filter(pl.col("attack_id").is_null()), untouched)


def test_labels_tell_all_that_lookalikes_added() -> None:
    quiet, full = world(attacks=(), **SILENT), world(attacks=())
    usual = without(full, full.labels)
    assert set(quiet.labels["cause"]) == {"onboarding", "dhcp_churn", "leave_return"}
    assert_frame_equal(usual, without(quiet, quiet.labels))
    assert set(full.labels["cause"]) == set(CAUSES)


def test_changed_holders_move_bytes_between_addresses_of_a_group_and_change_nothing_else() -> None:
    fixed, churned = world(dhcp_per_day=0), world(dhcp_per_day=0.3)
    assert fixed.leases.height < churned.leases.height
    columns = ["day", "client", "bytes_in", "group", "role"]
    moved, still = (by_client(w, w.daily).select(columns).sort(columns) for w in (churned, fixed))
    assert_frame_equal(moved, still)
    assert churned.daily.group_by("src_ip").agg(pl.col("group").n_unique())["group"].max() == 1


def test_nobody_is_robbed_twice_nor_in_the_warm_up() -> None:
    made = world()
    stolen = by_client(made, made.labels.filter(pl.col("attack_id").is_not_null()))
    assert stolen.group_by("client").agg(pl.col("attack_id").n_unique())["attack_id"].max() == 1
    assert stolen["day"].min() >= made.settings.start + dt.timedelta(days=made.settings.warmup_days)  # type: ignore[operator]
    rest = made.thefts.join(made.calendar, left_on="first", right_on="day")
    assert rest.filter(pl.col("off") != (pl.col("basket") == "weekend")).is_empty()


def test_each_size_is_planted_as_often_as_asked_and_baskets_can_have_their_own_number() -> None:
    planted = dict(world(attacks=default_attacks(2, slow=3, nat=0)).thefts["basket"].value_counts().rows())
    assert planted == {"material": 12, "small": 22 + 2, "slow": 9, "new": 6, "weekend": 6, "multi": 8}


def test_thefts_have_the_size_they_are_called_by() -> None:
    made, honest = world(sensor_gap_per_day=0), world(sensor_gap_per_day=0, attacks=())
    past = honest.daily.join(honest.calendar.filter(~pl.col("off")).head(45), on="day").filter(
        pl.col("day") < SMALL.start + dt.timedelta(days=SMALL.warmup_days)
    )
    median = by_client(honest, past).group_by("client").agg(own=pl.col("bytes_in").median())
    stolen = made.labels.filter(pl.col("attack_id").is_not_null()).with_columns(attack=pl.col("attack_id").str.head(-4))
    assert set(stolen.filter(pl.col("attack") == "shot_4gb")["extra"]) == {4_000_000_000}
    robbed = by_client(made, stolen).join(median, on="client")
    for attack, times, days in (("shot_20x", 20, 1), ("slow_5x", 5, 10), ("weekend_5x", 5, 1), ("multi_2x", 2, 5)):
        rows = robbed.filter(pl.col("attack") == attack)
        assert rows.group_by("attack_id").len()["len"].to_list() == [days] * 5
        assert ((rows["extra"] - rows["own"] * times).abs() <= 1).all()
    ramp = robbed.filter(pl.col("attack_id") == "ramp_10x-001").sort("day")
    steps = [round(ramp["own"][0] * 10 * (i + 1) / ramp.height) for i in range(ramp.height)]
    assert ramp["extra"].to_list() == pytest.approx(steps, abs=1)


def test_addresses_never_seen_before_are_new_and_hosts_robbed_together_share_a_group() -> None:
    made = world()
    new = made.labels.filter(pl.col("basket") == "new")
    assert new.height == 15
    assert made.daily.join(new, on="src_ip").height == 15
    together = made.daily.join(made.labels.filter(pl.col("basket") == "multi"), on=KEYS)
    groups = together.group_by("attack_id").agg(pl.col("group").n_unique(), pl.len())
    assert set(groups["group"]) == {1}
    assert set(groups["len"]) == {5}


def test_too_small_a_world_plants_what_it_has_room_for() -> None:
    assert 0 < world(clients=12).thefts.filter(pl.col("basket") != "new").height <= 12
    assert world(days=45).thefts.is_empty()


def test_every_lookalike_is_among_the_known_events_when_records_are_exact() -> None:
    made = world(attacks=(), **EXACT_RECORDS)
    affected = by_client(made, made.labels).join(made.daily, on=KEYS)
    events = made.events.with_columns(day=pl.date_ranges("first", "last")).explode("day").unique()
    mine = affected.join(events.filter(pl.col("src_ip").is_not_null()), on=[*KEYS, "cause"], how="anti")
    groups = mine.join(events.filter(pl.col("group").is_not_null()), on=["day", "group", "cause"], how="anti")
    everybody = events.filter(pl.col("src_ip").is_null() & pl.col("group").is_null())
    unknown = groups.join(everybody, on=["day", "cause"], how="anti")
    # A plan names the address that a client had when it was made.
    assert unknown.filter(pl.col("cause") != "migration").is_empty()
    assert unknown.height < 0.05 * made.labels.filter(pl.col("cause") == "migration").height
    assert 0 < groups.height < affected.height


def test_records_have_faults_at_the_stated_rates() -> None:
    exact, slipped, wrong, rumours = (
        world(**(EXACT_RECORDS | change))
        for change in ({}, {"event_slip": 1}, {"event_wrong": 1}, {"false_events_per_year": 50})
    )
    columns = exact.events.columns
    days = (pl.col("first") - SMALL.start).dt.total_days().sum()
    assert slipped.events.height == wrong.events.height == exact.events.height
    assert slipped.events.select(days).item() != exact.events.select(days).item()
    kept = slipped.events.join(exact.events, on=columns, how="semi", nulls_equal=True)
    assert kept.height < 0.05 * exact.events.height
    named = exact.events.filter(pl.col("src_ip").is_not_null()).height
    still = wrong.events.join(exact.events, on=columns, how="semi", nulls_equal=True)
    assert still.filter(pl.col("src_ip").is_not_null()).height < 0.05 * named
    expected = 50 * 600 * 75 / 365
    assert rumours.events.height - exact.events.height == pytest.approx(expected, rel=0.1)


def test_the_inventory_knows_special_machines_at_the_stated_rate_and_all_people_are_clients() -> None:
    for known in (0.0, 1.0):
        made = world(clients=3_000, role_known=known)
        truth = by_client(made, made.daily).join(made.truth.select("client", "kind"), on="client")
        special = pl.col("kind").is_in(["nat", "backup", "ediscovery"])
        called = pl.when(special & (known > 0)).then("kind").otherwise(pl.lit("client"))
        assert truth.filter(pl.col("role") != called).is_empty()
        assert truth.filter(special).height > 500


@st.composite
def any_settings(draw: st.DrawFn) -> WorldSettings:
    share = st.sampled_from([0.0, 0.02, 0.5, 1.0])
    rate = st.sampled_from([0.0, 1.0, 40.0])
    attack = st.builds(
        Attack,
        name=st.just("any"),
        basket=st.sampled_from(BASKETS),
        size=st.sampled_from([0.0, 0.1, 300.0]),
        unit=st.sampled_from(["own", "fleet", "bytes"]),
        victim=st.sampled_from(["client", "sparse", "nat", "new"]),
        days=st.integers(1, 25),
        ramp=st.booleans(),
        hosts=st.integers(1, 3),
        off=st.booleans(),
        count=st.integers(0, 3),
    )
    rates = {f.name: rate for f in dataclasses.fields(WorldSettings) if f.name.endswith("_per_year")}
    shares = {f.name: share for f in dataclasses.fields(WorldSettings) if f.name.endswith("_per_day")}
    others = ("always_on", "present_off", "migration_share", "dhcp_pool", "role_known", "event_slip", "event_wrong")
    made = draw(st.fixed_dictionaries(rates | shares | dict.fromkeys(others, share)))
    return WorldSettings(
        seed=draw(st.integers(0, 2**63 - 1)),
        start=draw(st.dates(dt.date(1990, 1, 1), dt.date(2200, 1, 1))),
        clients=draw(st.integers(1, 60)),
        days=draw(st.integers(1, 60)),
        warmup_days=draw(st.integers(0, 70)),
        groups=draw(st.integers(1, 200)),
        weekend=tuple(draw(st.sets(st.integers(1, 7)))),
        attacks=tuple(draw(st.lists(attack, max_size=3, unique_by=lambda a: a.name))),
        **made,
    )


@PROFILE
@given(any_settings())
def test_every_world_keeps_its_invariants(drawn: WorldSettings) -> None:
    made = make_world(drawn)
    check(made)
    honest = make_world(dataclasses.replace(drawn, attacks=()))
    stolen = made.labels.filter(pl.col("attack_id").is_not_null())
    assert_frame_equal(without(made, stolen), honest.daily)


@pytest.mark.parametrize(
    "wrong",
    [
        {"clients": 0},
        {"days": 0},
        {"seed": -1},
        {"always_on": 1.1},
        {"resync_per_year": -0.1},
        {"attachments_per_day": 2},
        {"kinds": ()},
        {"weekday_log": (0.0,)},
        {"clients": 100_000, "groups": 1},
        {"start": dt.date(1900, 1, 1)},
        {"tail_freedom": 2.0},
    ],
)
def test_impossible_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"must|addresses"):
        WorldSettings(**wrong)


def test_kinds_must_be_possible() -> None:
    for wrong in ({"share": 1.1}, {"present": -0.1}, {"present_off": 2}, {"volume": 0}, {"spread": -1}, {"within": -1}):
        with pytest.raises(ValueError, match="kind odd: chances must be"):
            Kind(**({"name": "odd", "share": 0.5} | wrong))  # type: ignore[arg-type]


def test_attacks_must_be_possible_and_of_a_known_basket() -> None:
    with pytest.raises(ValueError, match="basket must be one of"):
        Attack(name="a", basket="large", size=1)
    with pytest.raises(ValueError, match="must not be negative"):
        Attack(name="a", basket="small", size=-1)
    with pytest.raises(ValueError, match="no such basket: large"):
        default_attacks(1, large=2)

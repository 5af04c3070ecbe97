"""Labelled worlds have the distributions and rates that their settings state."""

import datetime as dt
import math
from functools import cache
from typing import Any

import polars as pl
import pytest

from pipeline.simulate.settings import KINDS, Attack, WorldSettings
from pipeline.simulate.world import World, make_world

SILENT: dict[str, Any] = {
    "attacks": (),
    "resync_per_year": 0,
    "re_enrolment_per_year": 0,
    "onboarding_per_year": 0,
    "migration_waves_per_year": 0,
    "attachments_per_day": 0,
    "leave_per_year": 0,
    "org_mailing_per_day": 0,
    "group_mailing_per_day": 0,
    "sensor_gap_per_day": 0,
    "export_per_day": 0,
    "dhcp_per_day": 0,
    "event_slip": 0,
    "event_wrong": 0,
    "false_events_per_year": 0,
}
WEEKDAY = pl.Series(WorldSettings().weekday_log)


@cache
def world(**changes: Any) -> World:
    """6,000 clients in 200 groups, so that the groups' own medians average out."""
    return make_world(WorldSettings(**({"seed": 5, "clients": 6_000, "groups": 200} | SILENT | changes)))


def rows(made: World) -> pl.DataFrame:
    """The daily rows with what is true of their client and day; nobody changes address here."""
    joined = made.daily.join(made.truth.drop("group"), on="src_ip").join(made.calendar, on="day")
    return joined.with_columns(weekday=WEEKDAY.gather(joined["day"].dt.weekday() - 1))


def test_kinds_have_their_shares() -> None:
    shares = dict(world().truth["kind"].value_counts(normalize=True).rows())
    for kind in KINDS:
        assert shares[kind.name] == pytest.approx(kind.share, abs=4 * (kind.share / 6_000) ** 0.5)


def test_a_usual_client_receives_the_median_and_clients_and_groups_differ_as_stated() -> None:
    people = world().truth.filter(pl.col("kind") == "workstation")
    assert people["usual_bytes"].median() == pytest.approx(15e6, rel=0.1)
    logs = people.with_columns(pl.col("usual_bytes").log())
    inside = logs.with_columns(pl.col("usual_bytes") - pl.col("usual_bytes").mean().over("group"))
    assert inside["usual_bytes"].std() == pytest.approx(0.8, rel=0.05)
    assert logs["usual_bytes"].std() == pytest.approx((0.8**2 + 0.4**2) ** 0.5, rel=0.05)
    assert people["within_sd"].median() == pytest.approx(0.55, rel=0.03)
    assert people["within_sd"].log().std() == pytest.approx(0.35, rel=0.05)


def test_kinds_have_their_volumes() -> None:
    volumes = world().truth.group_by("kind").agg(pl.col("usual_bytes").log().median(), n=pl.len())
    found = {kind: (median, n) for kind, median, n in volumes.rows()}
    for kind in KINDS:
        median, n = found[kind.name]
        assert median == pytest.approx(math.log(15e6 * kind.volume), abs=4 * 1.25 * 0.9 / n**0.5), kind.name


def test_noise_has_unit_variance_heavy_tails_and_is_autocorrelated() -> None:
    people = rows(world()).filter(pl.col("kind") == "workstation", ~pl.col("off"))
    noise = people.select(
        "client",
        "day",
        z=((pl.col("bytes_in") / pl.col("usual_bytes")).log() - pl.col("weekday")) / pl.col("within_sd"),
    )
    assert noise["z"].mean() == pytest.approx(0.0, abs=0.02)
    assert noise["z"].std() == pytest.approx(1.0, rel=0.03)
    assert float(noise["z"].kurtosis() or 0) > 1.5
    following = noise.with_columns(day=pl.col("day") + dt.timedelta(days=1))
    pairs = noise.join(following, on=["client", "day"])
    assert pairs.select(pl.corr("z", "z_right")).item() == pytest.approx(0.3, abs=0.02)


def test_weekends_and_holidays_are_quiet_and_few_are_there() -> None:
    people = rows(world()).filter(pl.col("kind") == "workstation")
    level = (pl.col("bytes_in") / pl.col("usual_bytes")).log() - pl.col("weekday")
    by_day = dict(people.group_by("off").agg(level.median()).rows())
    assert by_day[True] - by_day[False] == pytest.approx(-1.386, abs=0.03)
    truth = world().truth.filter(pl.col("kind") == "workstation")
    assert truth["always_on"].mean() == pytest.approx(0.3, abs=0.02)
    off = int(world().calendar["off"].sum())
    for always, chance in ((True, 0.5), (False, 0.03)):
        there = people.filter(pl.col("off"), pl.col("always_on") == always).height
        assert there == pytest.approx(chance * off * truth.filter(pl.col("always_on") == always).height, rel=0.05)
    work = people.filter(~pl.col("off")).height
    assert work == pytest.approx(0.9 * (75 - off) * truth.height, rel=0.01)


def test_holidays_are_working_days_and_weekends_the_configured_ones() -> None:
    made = world(clients=50, days=365, weekend=(5, 6))
    assert made.calendar["holiday"].sum() == 12
    assert made.calendar.filter(pl.col("holiday"), pl.col("day").dt.weekday().is_in([5, 6])).is_empty()
    expected = pl.col("holiday") | pl.col("day").dt.weekday().is_in([5, 6])
    assert made.calendar.filter(pl.col("off") != expected).is_empty()


def count(made: World, cause: str) -> int:
    return made.events.filter(pl.col("cause") == cause).height


@pytest.mark.parametrize(("cause", "setting"), [("resync", 0.5), ("re_enrolment", 0.3), ("leave_return", 2.4)])
def test_lookalikes_happen_at_their_rate_a_client_and_year(cause: str, setting: float) -> None:
    name = {"leave_return": "leave_per_year"}.get(cause, f"{cause}_per_year")
    made = world(**{name: setting})
    years = 6_000 * 0.992 * 75 / 365
    found = count(made, cause)
    # Those at the very end of the world have no day left to be seen on, and some leaves overlap.
    assert 0.76 * setting * years < found < 1.05 * setting * years


def test_newcomers_attachments_and_churn_happen_at_their_rates() -> None:
    made = world(onboarding_per_year=1.0)
    new = made.truth.filter(pl.col("first_day") > WorldSettings().start).height
    assert count(made, "onboarding") == pytest.approx(new, rel=0.05)
    assert new == pytest.approx(6_000 * (1 - math.exp(-75 / 365)), rel=0.07)
    made = world(attachments_per_day=0.004)
    people = made.truth.filter(~pl.col("kind").is_in(["nat", "backup"]))
    days = made.daily.join(people, on="src_ip").height
    assert count(made, "attachments") == pytest.approx(0.004 * days, rel=0.12)
    made = world(groups=5, dhcp_per_day=0.03)
    moves = made.leases.height - 6_000
    assert moves == pytest.approx(0.845 * 6_000 * 0.12 * 0.03 * 74, rel=0.15)


def test_mailings_gaps_and_waves_happen_at_their_rates() -> None:
    made = world(clients=50, groups=20, days=3_000, org_mailing_per_day=0.05, group_mailing_per_day=0.025)
    work = int((~made.calendar["off"]).sum())
    days = made.events.filter(pl.col("cause") == "org_mailing").select(pl.col("first").n_unique()).item()
    assert days == pytest.approx(0.05 * work, rel=0.2)
    assert count(made, "group_mailing") == pytest.approx(0.025 * work * 20, rel=0.1)
    made = world(clients=200, days=3_000, sensor_gap_per_day=0.025, migration_waves_per_year=6, migration_share=0.5)
    assert count(made, "sensor_gap") == pytest.approx(0.025 * 3_000, rel=0.3)
    moved = made.labels.filter(pl.col("cause") == "migration").height
    assert moved == pytest.approx(6 * 3_000 / 365 * 0.5 * 200, rel=0.35)


def test_lookalikes_have_their_sizes() -> None:
    made = world(resync_per_year=3, re_enrolment_per_year=3)
    boxes = made.labels.join(made.truth, on="src_ip").with_columns(part=pl.col("extra") / pl.col("mailbox_bytes"))
    for cause, low, high in (("resync", 0.2, 1.0), ("re_enrolment", 0.02, 0.1)):
        part = boxes.filter(pl.col("cause") == cause)["part"]
        assert part.median() == pytest.approx((low + high) / 2, rel=0.1)
        assert part.min() >= low * 0.999  # type: ignore[operator]
    assert made.truth["mailbox_bytes"].median() == pytest.approx(4e9, rel=0.05)
    bursts = world(attachments_per_day=0.01).labels.filter(pl.col("cause") == "attachments")["extra"]
    assert bursts.median() == pytest.approx(2e8, rel=0.1)
    assert bursts.log().std() == pytest.approx(1.0, rel=0.06)
    backups = rows(world()).filter(pl.col("kind") == "backup")
    full = backups.filter(pl.col("day").dt.weekday() == 6)["bytes_in"].median()
    usual = backups.filter(pl.col("day").dt.weekday() < 6)["bytes_in"].median()
    assert full / usual == pytest.approx(10, rel=0.2)  # type: ignore[operator]


def test_a_gap_shows_less_of_everybody() -> None:
    made = world(clients=300, sensor_gap_per_day=1.0)
    shares = made.labels.join(made.daily, on=["day", "src_ip"]).filter(pl.col("bytes_in") > 1_000_000)
    shares = shares.with_columns(seen=pl.col("bytes_in") / (pl.col("bytes_in") - pl.col("extra")))
    by_day = (
        shares.filter(pl.col("cause") == "sensor_gap")
        .group_by("day")
        .agg(low=pl.col("seen").min(), high=pl.col("seen").max())
    )
    assert by_day.filter(pl.col("high") - pl.col("low") > 1e-5).is_empty()
    assert by_day.filter((pl.col("low") < 0.2 - 1e-5) | (pl.col("high") > 0.7)).is_empty()


def test_known_special_machines_are_the_stated_share() -> None:
    made = world(clients=100_000, days=1, role_known=0.6)
    special = made.daily.join(made.truth, on="src_ip").filter(pl.col("kind").is_in(["nat", "backup"]))
    assert (special["role"] != "client").mean() == pytest.approx(0.6, abs=0.07)


def test_newcomers_have_no_traffic_before_their_first_day_and_much_on_it() -> None:
    made = world(onboarding_per_year=1.0)
    new = made.truth.filter(pl.col("first_day") > WorldSettings().start)
    daily = made.daily.join(new, on="src_ip")
    assert daily.filter(pl.col("day") < pl.col("first_day")).is_empty()
    first = daily.group_by("src_ip", "first_day").agg(pl.col("day").min())
    assert first.filter(pl.col("day") != pl.col("first_day")).is_empty()
    assert first.height == new.height
    labels = made.labels.filter(pl.col("cause") == "onboarding").join(new, on="src_ip")
    assert labels.filter(pl.col("day") != pl.col("first_day")).is_empty()
    assert (
        labels.join(made.daily, on=["day", "src_ip"], suffix="_daily")
        .filter(pl.col("bytes_in") <= pl.col("extra"))
        .is_empty()
    )
    assert (labels["extra"] / labels["mailbox_bytes"]).median() == pytest.approx(0.51, rel=0.1)


def test_who_returns_from_leave_was_away_for_days_and_finds_mail_of_them() -> None:
    made = world(leave_per_year=1.0)
    back = made.labels.filter(pl.col("cause") == "leave_return").select("src_ip", "day", "extra")
    before = made.daily.join(back, on="src_ip", suffix="_back")
    away = before.join(made.calendar.filter(~pl.col("off")), on="day").filter(
        pl.col("day").is_between(pl.col("day_back") - dt.timedelta(days=5), pl.col("day_back"), "left")
    )
    assert away.is_empty()
    usual = made.daily.join(back, on=["src_ip", "day"]).with_columns(pl.col("bytes_in") - pl.col("extra"))
    times = usual["extra"] / usual["bytes_in"]
    assert times.min() == pytest.approx(0.45 * 5, rel=0.01)
    assert times.max() == pytest.approx(0.45 * 14, rel=0.01)


def test_a_migrations_plan_names_the_days_of_the_wave() -> None:
    made = world(clients=2_000, groups=20, days=400, migration_waves_per_year=6)
    waves = made.events.filter(pl.col("cause") == "migration").with_columns(
        days=(pl.col("last") - pl.col("first")).dt.total_days() + 1
    )
    assert waves["first"].n_unique() > 1
    usual = waves.group_by("first").agg(pl.col("days").mode().first())
    assert set(usual["days"]) <= {3, 4, 5}


def test_a_gap_hides_a_part_of_a_theft_too() -> None:
    theft = Attack(name="a", basket="material", size=1e9, unit="bytes", count=20)
    stolen = world(clients=300, sensor_gap_per_day=1.0, attacks=(theft,)).thefts["extra"]
    assert len(stolen) == 20
    assert stolen.is_between(200_000_000, 700_000_000).all()

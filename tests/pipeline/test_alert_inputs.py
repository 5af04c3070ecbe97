"""What alerts quote of their rules and of the site's zone: where it changes they are made again, for a true reason."""

import datetime as dt
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline.schemas import ALERTS
from pipeline.settings import Settings
from pipeline.site import Site
from pipeline.stored.reasons import Made, Reason, differences, texts
from pipeline.stored.stages import make_baseline, make_daily, make_flows, make_scores, publish_alerts
from pipeline.stored.status import days_status
from tests.oracle.zeek import conn, tsv
from tests.pipeline.landings import NOON, World, settings

FIRST = dt.date(2026, 10, 1)
DAYS = [FIRST + dt.timedelta(days=n) for n in range(6)]
RULE = "hosts_receiving_high_volume_from_email_server"


def log() -> bytes:
    """Six days of four clients, of which one receives very much on the last."""
    flows = [
        conn(
            NOON + dt.timedelta(days=d),
            uid=f"C{d}{c}",
            id__orig_h=f"10.0.0.{c}",
            resp_ip_bytes=str(10_000_000 if (d, c) == (5, 3) else 1_000 + 10 * c + d),
        )
        for d in range(6)
        for c in range(4)
    ]
    return tsv(*flows)


def configured(**changes: Any) -> Settings:
    plain = settings("logs/*.log").model_dump()
    return Settings.model_validate(plain | {"start_date": FIRST, "lookback_days": 5} | changes)


def run(world: World) -> Site:
    """All tables of all days, up to date."""
    site, landing = Site(world.root, world.settings, "asked for"), world.landing()
    landing.land(DAYS)
    for day in DAYS:
        make_flows(site, landing, day)
        make_daily(site, day)
        make_baseline(site, day)
        make_scores(site, day)
        publish_alerts(site, day, "verified")
    return site


def stale(world: World) -> dict[str, str]:
    """Why tables of the last day are stale."""
    site = Site(world.root, world.settings, "asked for")
    (status,) = days_status(site, world.landing(), DAYS[-1:], lambda _site, _day: "verified")
    return {name: t.stale for name, t in status.tables.items() if t.stale}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"rules": {RULE: {"deviation_threshold": 1.5}}}, f"rule {RULE} changed"),
        ({"timezone": "Africa/Cairo"}, "the time zone changed"),
    ],
    ids=["threshold", "zone"],
)
def test_alerts_of_a_changed_site_are_those_of_a_site_that_was_always_so(
    tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    world, fresh = World(tmp_path / "a", configured()), World(tmp_path / "b", configured(**changes))
    for one in (world, fresh):
        one.put("conn.log", log())
    before = run(world).storage.read_day(ALERTS, DAYS[-1])
    world.settings = fresh.settings
    assert stale(world)["alerts"] == reason
    after, wanted = (run(one).storage.read_day(ALERTS, DAYS[-1]) for one in (world, fresh))
    assert stale(world) == {}
    assert wanted.height == 1
    assert after.equals(wanted)
    assert not before.equals(wanted)


def test_what_an_older_version_did_not_ask_for_has_not_changed() -> None:
    stored = Made({"stage": "2", "quality": "verified", "texts": "a"}, {"texts": {RULE: "1 Title"}})
    now = Made({"stage": "3", "quality": "verified", "texts": "a", "timezone": "UTC", "written": "b"})
    assert texts(differences(stored, now)) == "the program changed"


@pytest.mark.parametrize("on", [True, False], ids=["on", "off"])
def test_a_method_that_is_switched_on_or_off_is_no_change_of_the_program(on: bool) -> None:
    plain = Made({"stage": "3"}, {"surge_rules": {}})
    surge = Made({"stage": "3", "surge_stage": "1", "surge_rules": "x"}, {"surge_rules": {"mail_volume_surge": "1 a"}})
    said = texts(differences(plain, surge) if on else differences(surge, plain))
    assert said == ("rule mail_volume_surge was added" if on else "rule mail_volume_surge is no longer in force")


def test_of_each_kind_of_cause_the_first_three_are_named_and_the_others_counted() -> None:
    files = [Reason("file", f"{n}", f"late file {n}") for n in range(5)]
    others = [Reason("rule", f"{n}", f"rule {n} changed") for n in range(3)]
    assert texts([*files[:4], *others, files[4]]) == (
        "late file 0, late file 1, late file 2, rule 0 changed, rule 1 changed, rule 2 changed, 2 more of kind file"
    )
    assert texts([]) == ""


def test_the_zone_stands_in_the_alert(tmp_path: Path) -> None:
    world = World(tmp_path, configured(timezone="Africa/Cairo"))
    world.put("conn.log", log())
    alerts = run(world).storage.read_day(ALERTS, DAYS[-1])
    assert alerts.select(pl.col("_time").dt.hour()).item() == 21

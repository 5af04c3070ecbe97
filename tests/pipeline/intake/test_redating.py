"""Logs that are gone: their rows follow the site's zone and counting, and what they cannot tell is said."""

import datetime as dt
import shutil
from pathlib import Path

import pytest

from pipeline.errors import StorageError
from pipeline.settings import Settings
from pipeline.site import Site
from pipeline.stored.stages import make_flows
from pipeline.stored.status import days_status
from tests.oracle.zeek import SERVER, conn, tsv
from tests.pipeline.landings import D1, D2, World, settings

D0, D3 = D1 - dt.timedelta(days=1), D2 + dt.timedelta(days=1)
DAYS = [D0, D1, D2, D3]
HOURS = (0, 5, 12, 19, 23, 25, 40, 46, 47)
OTHER = "192.0.2.77"


def logs(world: World) -> None:
    """A log of two days, a flow of half an hour or five at each of the hours, of distinct sizes."""
    start = dt.datetime(2026, 10, 1, 0, 10, tzinfo=dt.UTC)
    flows = [
        conn(
            start + dt.timedelta(hours=h),
            uid=f"C{n}",
            id__orig_p=str(50_000 + n),
            resp_ip_bytes=str(1_000 * 2**n),
            duration=str(1_800 + 16_200 * (n % 2)),
        )
        for n, h in enumerate(HOURS)
    ]
    world.put("conn.log", tsv(*flows))


def configured(timezone: str = "UTC", rule: str = "start") -> Settings:
    counting = {"attribute": rule}
    return settings("logs/*.log").model_copy(
        update={"timezone": timezone, "counting": Settings.model_validate({"counting": counting}).counting}
    )


@pytest.fixture(scope="module")
def vanished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site whose log was landed, and is gone since."""
    world = World(tmp_path_factory.mktemp("vanished") / "site", configured())
    logs(world)
    world.land(*DAYS)
    (world.root / "logs/conn.log").unlink()
    return world.root


@pytest.mark.parametrize("rule", ["start", "end", "spread"])
@pytest.mark.parametrize("timezone", ["UTC", "Asia/Kolkata", "Pacific/Kiritimati", "America/Los_Angeles"])
def test_rows_of_a_vanished_log_are_of_the_days_they_would_be_of_if_it_were_there(
    vanished: Path, tmp_path: Path, timezone: str, rule: str
) -> None:
    fresh = World(tmp_path / "fresh", configured(timezone, rule))
    logs(fresh)
    fresh.land(*DAYS)
    expected = [fresh.received(d) for d in DAYS]
    assert sum(rows != [] for rows in expected) >= 2
    for way in ([timezone], ["Australia/Lord_Howe", timezone]):
        shutil.copytree(vanished, tmp_path / way[0])
        world = World(tmp_path / way[0], configured())
        for zone in way:
            world.settings = configured(zone, rule)
            world.land(*DAYS)
        assert [world.received(d) for d in DAYS] == expected, way
        assert world.entry("conn.log").watched == fresh.entry("conn.log").watched


def test_a_log_that_comes_back_is_not_parsed_again(tmp_path: Path, lines_read: list[int]) -> None:
    world = World(tmp_path, configured())
    logs(world)
    world.land(*DAYS)
    lines_read.clear()
    there, away = tmp_path / "logs/conn.log", tmp_path / "conn.log"
    there.rename(away)
    world.settings = configured("Asia/Kolkata")
    world.land(*DAYS)
    away.rename(there)
    world.land(*DAYS)
    assert lines_read == []


def notes(world: World) -> tuple[str, list[str]]:
    """State and reasons of the first day."""
    site = Site(world.root, world.settings, "asked for")
    (status,) = days_status(site, world.landing(), [D1], lambda _site, _day: "verified")
    return status.tables["flows"].state, [r for r in status.reasons if "gone" in r]


def made(world: World) -> None:
    landing = world.landing()
    landing.land(DAYS)
    make_flows(Site(world.root, world.settings, "asked for"), landing, D1)


def test_an_address_that_vanished_logs_were_not_read_for_is_named(tmp_path: Path) -> None:
    world = World(tmp_path, configured())
    logs(world)
    made(world)
    world.settings = settings("logs/*.log", servers=(SERVER, OTHER))
    assert notes(world) == ("stale", [])
    (tmp_path / "logs/conn.log").rename(tmp_path / "away.log")
    made(world)
    state, (said,) = notes(world)
    assert state == "done"
    assert said.startswith(f"flows: the traffic of {OTHER}/32 is not known of 1 logs that are gone")
    (tmp_path / "away.log").rename(tmp_path / "logs/conn.log")
    made(world)
    assert notes(world) == ("done", [])


def test_an_address_that_came_after_the_day_is_not_missed_on_it(tmp_path: Path) -> None:
    world = World(tmp_path, configured())
    logs(world)
    made(world)
    (tmp_path / "logs/conn.log").unlink()
    dated = {"address": OTHER, "category": "email_server", "valid_from": D2}
    world.settings = Settings.model_validate(
        {
            "sources": [{"name": "core", "path": "logs/*.log"}],
            "inventory": [{"address": SERVER, "category": "email_server"}, dated],
        }
    )
    made(world)
    assert notes(world) == ("done", [])


@pytest.mark.parametrize("left", [0, 12, -20])
def test_damaged_rows_of_a_vanished_log_are_told_when_they_are_read_not_when_the_zone_changes(
    tmp_path: Path, left: int
) -> None:
    world = World(tmp_path, configured())
    logs(world)
    made(world)
    (tmp_path / "logs/conn.log").unlink()
    (part,) = (tmp_path / "data/landing").rglob("*.parquet")
    part.write_bytes(part.read_bytes()[:left])
    world.settings = configured("Asia/Kolkata")
    world.land(*DAYS)
    with pytest.raises(StorageError, match=part.name):
        world.received()

"""Zones whose clocks changed after Polars was released: Python's data and Polars' must not make two edges of a day."""

import datetime as dt
import importlib.resources
import zoneinfo
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest

from pipeline import clocks
from pipeline.counting.attribution import days_held
from pipeline.days import day_bounds_utc, day_of
from pipeline.schemas import UTC_TIME
from pipeline.settings import Settings
from pipeline.site import Site
from pipeline.sources.instants import epoch_us
from pipeline.sources.texts.syslog import epoch_of
from pipeline.stored.stages import make_baseline, make_daily, make_flows, make_scores, publish_alerts
from pipeline.stored.status import days_status
from tests.oracle.zeek import conn, tsv
from tests.pipeline.landings import D1, D2, World, settings

ZONE = "America/Phoenix"
"""Seven hours behind UTC since 1968, as Polars has it; here it has gone over to another zone's clocks."""
HALF = dt.timedelta(minutes=30)


def data_of(zone: str) -> bytes:
    return importlib.resources.files("tzdata").joinpath("zoneinfo", *zone.split("/")).read_bytes()


@pytest.fixture(params=["Etc/GMT+6", "America/Chicago", "Australia/Lord_Howe", "Africa/Cairo", "Pacific/Apia"])
def like(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@contextmanager
def clocks_of(folder: Path, like: str, name: str = ZONE) -> Iterator[zoneinfo.ZoneInfo]:
    """Phoenix, or another zone, with the clocks of a third, as a newer release of the data might have it."""
    path, before = folder / "zoneinfo" / name, zoneinfo.TZPATH
    path.parent.mkdir(parents=True)
    path.write_bytes(data_of(like))
    try:
        _taken_from(str(folder / "zoneinfo"), *before)
        yield zoneinfo.ZoneInfo(name)
    finally:
        _taken_from(*before)


def _taken_from(*folders: str) -> None:
    zoneinfo.reset_tzpath(folders)
    zoneinfo.ZoneInfo.clear_cache()
    clocks._table.cache_clear()
    clocks.zone_key.cache_clear()


@pytest.fixture
def moved(tmp_path: Path, like: str) -> Iterator[zoneinfo.ZoneInfo]:
    with clocks_of(tmp_path, like) as zone:
        yield zone


def instants() -> list[dt.datetime]:
    """Half hours of days around which clocks change, here or there, and some others."""
    days = [dt.date(2011, 12, 29), dt.date(2024, 4, 25), dt.date(2026, 3, 8), dt.date(2026, 10, 3), dt.date(2045, 7, 1)]
    days += [dt.date(2026, 4, 4), dt.date(2026, 10, 29), dt.date(2026, 11, 1), dt.date(1999, 12, 31)]
    first = [dt.datetime(d.year, d.month, d.day, tzinfo=dt.UTC) for d in days]
    return [t + dt.timedelta(minutes=30 * n) for t in first for n in range(96)]


@pytest.mark.parametrize("engine", ["in-memory", "streaming"])
def test_clocks_show_what_pythons_data_say(moved: zoneinfo.ZoneInfo, engine: pl._typing.EngineType) -> None:
    frame = pl.LazyFrame({"time": pl.Series([*instants(), None], dtype=UTC_TIME)})
    found = frame.select(
        clock=clocks.shown(pl.col("time"), ZONE), day=day_of("time", ZONE), back=clocks.shown(pl.col("time"), "UTC")
    ).collect(engine=engine)
    expected = [t.astimezone(moved).replace(tzinfo=None) for t in instants()]
    assert found["clock"].to_list() == [*expected, None]
    assert found["day"].to_list() == [*(t.date() for t in expected), None]
    assert found["back"].to_list() == [*(t.replace(tzinfo=None) for t in instants()), None]


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_a_shown_time_is_the_earlier_of_two_and_none_where_it_was_skipped(
    moved: zoneinfo.ZoneInfo, unit: pl._typing.TimeUnit
) -> None:
    shown = [t.replace(tzinfo=None) for t in instants()]

    def expected(time: dt.datetime) -> dt.datetime | None:
        first = time.replace(tzinfo=moved, fold=0).astimezone(dt.UTC)
        return first if first.astimezone(moved).replace(tzinfo=None) == time else None

    frame = pl.DataFrame({"time": pl.Series([*shown, None], dtype=pl.Datetime(unit))})
    assert frame.select(clocks.instants(pl.col("time"), ZONE)).to_series().to_list() == [*map(expected, shown), None]


def test_readers_take_a_time_without_a_zone_for_one_of_these_clocks(moved: zoneinfo.ZoneInfo) -> None:
    wall = dt.datetime(2026, 10, 1, 12, tzinfo=dt.UTC).replace(tzinfo=None)
    found = pl.DataFrame({"text": ["2026-10-01 12:00:00"], "wall": [wall]}).select(
        text=epoch_us("text", ZONE), wall=epoch_of(pl.col("wall"), pl.lit(None, pl.Int64), ZONE)
    )
    assert set(found.row(0)) == {int(wall.replace(tzinfo=moved).timestamp() * 1_000_000)}


@pytest.mark.parametrize("rule", ["start", "end", "spread"])
def test_a_record_is_of_the_day_whose_bounds_hold_it(moved: zoneinfo.ZoneInfo, rule: str) -> None:
    for day in (dt.date(2026, 3, 8), dt.date(2026, 4, 24), D1, dt.date(2026, 10, 30)):
        first, end = day_bounds_utc(day, ZONE)
        edges = [first, end - dt.timedelta(seconds=1)]
        schema = {"start_time": UTC_TIME, "duration": pl.Int64}
        records = pl.DataFrame({"start_time": edges, "duration": [0, 0]}, schema=schema)
        assert days_held(records, ZONE, rule) == {day.isoformat(): 2}


def hourly(world: World) -> World:
    """Logs of the half hours at both edges of a day that begins at six in UTC, and of one noon."""
    first, end = (dt.datetime(2026, 10, d, 6, tzinfo=dt.UTC) for d in (1, 2))
    for n, time in enumerate([first - HALF, first, first + 6 * HALF, end - HALF, end]):
        world.put(f"conn.{n}.log", tsv(conn(time, uid=f"C{n}", resp_ip_bytes=str(10**n))))
    return world


def zoned(folder: Path) -> World:
    return World(folder, settings("logs/*").model_copy(update={"timezone": ZONE}))


def test_the_log_at_a_days_edge_feeds_the_day(tmp_path: Path) -> None:
    with clocks_of(tmp_path, "Etc/GMT+6"):
        world = hourly(zoned(tmp_path))
        world.land(D1)
        assert world.received() == [10, 100, 1_000]


@pytest.mark.parametrize("there", [True, False])
def test_logs_that_were_landed_before_the_data_changed_are_dated_anew(tmp_path: Path, there: bool) -> None:
    world = hourly(zoned(tmp_path))
    world.land(D1 - dt.timedelta(days=1), D1, D2)
    assert world.received() == [100, 1_000, 10_000]
    if not there:
        for log in (tmp_path / "logs").iterdir():
            log.unlink()
    with clocks_of(tmp_path, "Etc/GMT+6"):
        world.land(D1)
        assert world.received() == [10, 100, 1_000]
    world.land(D1)
    assert world.received() == [100, 1_000, 10_000]


def test_zones_of_which_both_have_the_same_data_are_left_to_polars() -> None:
    assert clocks._table("Asia/Kolkata") is None
    assert clocks.zone_key("UTC") == "UTC"


def test_an_update_of_both_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Images are built anew with new data of the system and a new Polars at once: both agree before and after.
    monkeypatch.setattr(clocks, "_agree", lambda _: True)
    before = clocks.zone_key(ZONE)
    with clocks_of(tmp_path, "Etc/GMT+6"):
        assert clocks.zone_key(ZONE) != before
        assert clocks.zone_named(clocks.zone_key(ZONE)) == ZONE


NEW = "America/Erewhon"
"""A zone of a release that Polars has not heard of."""


def test_a_zone_that_polars_does_not_know_is_one(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must be an IANA time zone"):
        Settings.model_validate(settings("logs/*").model_dump() | {"timezone": NEW})
    with clocks_of(tmp_path, "America/Chicago", NEW):
        asked = Settings.model_validate(settings("logs/*").model_dump() | {"timezone": NEW})
        world = World(tmp_path, asked)
        first, end = day_bounds_utc(D1, NEW)
        assert first == dt.datetime(2026, 10, 1, 5, tzinfo=dt.UTC)
        for n, time in enumerate([first - HALF, first, end - HALF, end]):
            world.put(f"conn.{n}.log", tsv(conn(time, uid=f"C{n}", resp_ip_bytes=str(10**n))))
        world.land(D1)
        assert world.received() == [10, 100]


@pytest.mark.parametrize("name", ["localtime", "Factory", "posixrules", "right/Europe/Berlin", "Europe", "../UTC", ""])
def test_what_is_no_zone_of_everybodys_is_none(name: str) -> None:
    assert not clocks.is_zone(name)


@pytest.mark.parametrize("there", [True, False])
def test_status_tells_of_days_that_begin_at_another_time_now(tmp_path: Path, there: bool) -> None:
    world = hourly(zoned(tmp_path))
    made(world)
    assert stale(world) == {}
    if not there:
        for log in (tmp_path / "logs").iterdir():
            log.unlink()
    with clocks_of(tmp_path, "Etc/GMT+6"):
        assert stale(world) == {"flows": SAID, "alerts": SAID}
        made(world)
        assert stale(world) == {}
    assert stale(world) == {"flows": SAID, "alerts": SAID}


def test_a_day_whose_edges_stay_is_as_it_was_whatever_changes_on_others(tmp_path: Path) -> None:
    world = hourly(zoned(tmp_path))
    made(world)
    with clocks_of(tmp_path, "Mexico/BajaNorte"):  # As in Phoenix until November.
        assert stale(world) == {}
        world.land(D1)
        assert stale(world) == {}


SAID = "the system has other time zone data, by which the day begins or ends at another time"


def site_of(world: World) -> Site:
    return Site(world.root, world.settings, "asked for")


def made(world: World) -> None:
    """All tables of the day."""
    site, landing = site_of(world), world.landing()
    landing.land([D1 - dt.timedelta(days=1), D1, D2])
    make_flows(site, landing, D1)
    make_daily(site, D1)
    make_baseline(site, D1)
    make_scores(site, D1)
    publish_alerts(site, D1, "verified")


def stale(world: World) -> dict[str, str]:
    """Why tables of the day are stale."""
    (status,) = days_status(site_of(world), world.landing(), [D1], lambda _site, _day: "verified")
    return {name: t.stale for name, t in status.tables.items() if t.stale}

"""Flow logs of a world tell its daily bytes again, to the byte, however they are written."""

import datetime as dt
import gzip
from collections import Counter
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from pipeline.days import day_bounds_utc, day_of
from pipeline.intake.landing import Landing
from pipeline.schemas import DAILY_TRAFFIC, UTC_TIME
from pipeline.simulate import vpc
from pipeline.simulate.sessions import daily_sessions, server_addresses
from pipeline.simulate.settings import WorldSettings, default_attacks
from pipeline.simulate.traffic import SEED_RULE
from pipeline.simulate.world import World, make_world
from pipeline.simulate.world_site import LOGS, TABLES, write_logs, write_tables
from pipeline.site import open_site
from pipeline.stored.stages import make_daily, make_flows

PROFILE = settings(suppress_health_check=list(HealthCheck))
KEYS = ["day", "src_ip"]
SERVERS = server_addresses(3)


@pytest.fixture(scope="module")
def world() -> World:
    """Eight days with thefts, a group of backups among them."""
    return make_world(WorldSettings(seed=4, clients=400, days=8, warmup_days=4, attacks=default_attacks(1)))


def expected(daily: pl.DataFrame) -> pl.DataFrame:
    return daily.select("day", client="src_ip", bytes="bytes_in").sort("day", "client")


def files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("form", ["zeek", "suricata"])
def test_what_the_pipeline_counts_is_the_daily_table(tmp_path: Path, world: World, form: str) -> None:
    write_logs(world.daily, tmp_path, form, seed=4, start=world.settings.start)
    site = open_site(tmp_path)
    days = world.calendar["day"].to_list()
    landing = Landing(site.root, site.storage.root, site.settings, dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
    assert landing.land(days).problems == []
    for day in days:
        make_flows(site, landing, day)
        make_daily(site, day)
    measure = next(rule.measure.id for rule in site.rules if rule.id == SEED_RULE)
    counted = site.storage.scan(DAILY_TRAFFIC, days).filter(pl.col("measure") == measure).collect()
    assert counted["flows_unknown"].sum() == 0
    assert_frame_equal(counted.select("day", "client", "bytes").sort("day", "client"), expected(world.daily))


def vpc_lines(folder: Path) -> list[dict[str, str]]:
    """A naive reading of version 2 text."""
    found = []
    for path in sorted(folder.rglob("*.gz")):
        header, *lines = gzip.decompress(path.read_bytes()).decode().splitlines()
        found += [dict(zip(header.split(), line.split(), strict=True)) for line in lines]
    return found


def test_vpc_records_sum_to_the_daily_table_in_the_direction_of_the_client(tmp_path: Path, world: World) -> None:
    count = write_logs(world.daily, tmp_path, "vpc", seed=4, start=world.settings.start)
    lines, totals, out = vpc_lines(tmp_path / "logs"), Counter[tuple[dt.date, str]](), set()
    assert len(lines) == count
    for line in lines:
        day = dt.datetime.fromtimestamp(int(line["start"]), dt.UTC).date()
        assert 0 <= int(line["end"]) - int(line["start"]) < 600
        assert (line["version"], line["action"], line["log-status"]) == ("2", "ACCEPT", "OK")
        assert int(line["packets"]) >= 1
        if line["srcaddr"] in SERVERS:
            totals[day, line["dstaddr"]] += int(line["bytes"])
        else:
            assert line["dstaddr"] in SERVERS
            out.add((day, line["srcaddr"]))
    assert totals == {(day, client): value for day, client, value in expected(world.daily).rows()}
    assert out == set(totals)


def test_records_of_intervals_lose_no_byte_and_no_packet(world: World) -> None:
    flows = daily_sessions(world.daily, seed=1, timezone="UTC", servers=SERVERS)
    records = vpc.records(flows)
    from_server = records.filter(pl.col("srcaddr").is_in(SERVERS))
    assert from_server["bytes"].sum() == flows["bytes_in"].sum()
    assert records["bytes"].sum() == flows["bytes_in"].sum() + flows["bytes_out"].sum()
    key = ["srcaddr", "srcport", "dstaddr", "dstport"]
    overlap = records.sort(*key, "start").filter(pl.col("start") <= pl.col("end").shift(1).over(*key))
    assert overlap.height < 0.001 * records.height  # a port used again by chance


@pytest.mark.parametrize("form", LOGS)
def test_equal_worlds_give_equal_files(tmp_path: Path, world: World, form: str) -> None:
    first = world.daily.filter(pl.col("day") < pl.col("day").min() + dt.timedelta(days=2))
    for name, seed in (("a", 4), ("b", 4), ("c", 5)):
        write_logs(first, tmp_path / name, form, seed=seed, start=world.settings.start)
    one, same, other = (files(tmp_path / n) for n in "abc")
    assert one == same
    assert one.keys() == other.keys()
    assert all(one[name] != other[name] for name in one if name.endswith(".gz"))
    # A day's logs depend neither on other days nor on the order of rows.
    one_day = first.filter(pl.col("day") == pl.col("day").min()).reverse()
    write_logs(one_day, tmp_path / "d", form, seed=4, start=world.settings.start)
    assert files(tmp_path / "d").items() <= one.items()


def test_tables_are_written_as_they_are_and_the_same_twice(tmp_path: Path, world: World) -> None:
    rows = write_tables(world, tmp_path / "a")
    write_tables(make_world(world.settings), tmp_path / "b")
    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert set(rows) == set(TABLES)
    for name in TABLES:
        stored = pl.read_parquet(tmp_path / "a" / f"{name}.parquet")
        assert_frame_equal(stored, getattr(world, name))
        assert rows[name] == stored.height


rows = st.tuples(st.integers(0, 3), st.sampled_from(["10.0.0.1", "10.255.255.254", "10.0.1.0"]))


@PROFILE
@given(
    st.dictionaries(rows, st.integers(1, 10**14) | st.integers(1, 20_000), min_size=1),
    st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns"]),
    st.integers(0, 3),
)
def test_sessions_add_up_and_stay_within_their_day(volumes: dict[tuple[int, str], int], zone: str, seed: int) -> None:
    first = dt.date(2025, 3, 29)  # Berlin's clocks change on the 30th
    daily = pl.DataFrame(
        [(first + dt.timedelta(days=d), ip, value) for (d, ip), value in volumes.items()],
        schema={"day": pl.Date, "src_ip": pl.String, "bytes_in": pl.Int64},
        orient="row",
    )
    flows = daily_sessions(daily, seed=seed, timezone=zone, servers=SERVERS)
    timed = flows.with_columns(time=pl.col("start").cast(UTC_TIME)).with_columns(day=day_of("time", zone))
    sums = timed.group_by("day", client="orig_h").agg(bytes=pl.col("bytes_in").sum()).sort("day", "client")
    assert_frame_equal(sums, expected(daily))
    assert flows["uid"].is_duplicated().sum() == 0
    assert flows["bytes_in"].min() >= 1  # type: ignore[operator]
    assert flows.filter((pl.col("duration") < 0) | (pl.col("payload_in") > pl.col("bytes_in"))).is_empty()
    for day, start, duration in timed.select("day", "start", "duration").rows():
        end = dt.datetime.fromtimestamp((start + duration) / 1e6, dt.UTC)
        assert end < day_bounds_utc(day, zone)[1]
    alone = daily_sessions(daily.head(1), seed=seed, timezone=zone, servers=SERVERS)
    assert alone.join(flows, on=flows.columns, how="anti", nulls_equal=True).is_empty()

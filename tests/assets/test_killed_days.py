"""Days whose run is killed each time, as for want of memory: they are left in the end and keep no other waiting."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from assets import sensors
from assets.processes.instances import open_instance
from assets.runner import run_days
from pipeline.disk import REMEDIES
from pipeline.site import Site, open_site
from pipeline.stored.stale import ranges
from tests.assets.test_sensors import Ticking, change_rule
from tests.worlds import day, make_site

DAYS = 6


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = make_site(tmp_path_factory.mktemp("ran") / "site", DAYS)
    assert run_days(site, [day(n) for n in range(DAYS)]).good
    return site.root


@pytest.fixture
def site(ran: Path, tmp_path: Path) -> Site:
    return open_site(shutil.copytree(ran, tmp_path / "site"))


@pytest.fixture
def instance(site: Site) -> Iterator[dg.DagsterInstance]:
    with open_instance(site) as found:
        yield found


def until_rest(days: Ticking, killer: int) -> list[str]:
    """What is asked for until nothing is; a run that holds the killing day leaves nothing behind."""
    seen = []
    for _ in range(20):
        found, _ = days.tick()
        if not found:
            return seen
        for request in found:
            first, last = request.tags[sensors.RANGE_START], request.tags[sensors.RANGE_END]
            seen.append(first if first == last else f"{first}..{last}")
            if not first <= day(killer).isoformat() <= last:
                days.carry_out(request)
    raise AssertionError("there is no rest")


def test_a_day_that_kills_its_run_costs_only_itself(site: Site, instance: dg.DagsterInstance) -> None:
    change_rule(site)
    days = Ticking(site, instance, "stale_days")
    seen = until_rest(days, killer=2)
    assert seen[0] == f"{day(0)}..{day(5)}"
    assert seen.count(day(2).isoformat()) == sensors.MAX_TRIES - 1
    assert sorted(set(seen[1:])) == [day(n).isoformat() for n in range(DAYS)]
    assert days.tick() == ([], "No day is stale; 1 were tried 3 times, see: nilometer status.")


def test_a_days_window_that_kills_its_run_keeps_no_stale_day_waiting(site: Site, instance: dg.DagsterInstance) -> None:
    for table in ("alerts", "anomaly_scores", "traffic_baseline", "daily_traffic", "flows"):
        shutil.rmtree(site.root / "data" / table / f"day={day(0)}")
    change_rule(site)
    days = Ticking(site, instance, "stale_days")
    seen = until_rest(days, killer=0)
    assert seen == [day(0).isoformat()] * sensors.MAX_TRIES + [f"{day(1)}..{day(5)}"]
    assert days.tick() == ([], "No day is stale; 1 were tried 3 times, see: nilometer status.")


def wait(days: Ticking, hours: float) -> None:
    """Let so many hours pass since the sensor left something."""
    cursor = json.loads(days.cursor)
    assert cursor["left"]
    days.cursor = json.dumps(cursor | {"left": cursor["left"] - hours * 3_600})


def test_a_day_that_the_machine_kept_from_being_made_is_asked_for_again_after_hours(
    site: Site, instance: dg.DagsterInstance
) -> None:
    """As by a disk that was full for longer than three runs took: nothing says that it has room again."""
    change_rule(site)
    days = Ticking(site, instance, "stale_days")
    until_rest(days, killer=2)
    wait(days, 5)
    assert [days.tick()[0] for _ in range(3)] == [[], [], []]
    wait(days, 1.1)
    assert until_rest_from(days) == [day(2).isoformat()]
    assert [days.tick()[0] for _ in range(3)] == [[], [], []]
    wait(days, 6.1)
    days.tick()
    (request,), _ = days.tick()
    days.carry_out(request)
    assert [days.tick()[0] for _ in range(3)] == [[], [], []]
    assert json.loads(days.cursor)["left"] == 0


def until_rest_from(days: Ticking) -> list[str]:
    """What two looks ask for, of which no run comes to anything."""
    return [r.tags[sensors.RANGE_START] for _ in range(2) for r in days.tick()[0]]


@pytest.mark.parametrize(
    ("reason", "again"),
    [
        (f"part.parquet: No space left on device. {REMEDIES[errno.ENOSPC]}", True),
        (f"part.parquet: Input/output error. {REMEDIES[errno.EIO]}", True),
        ("core/conn.log is broken: no line can be read.", False),
    ],
)
def test_of_failed_days_those_that_the_machine_failed_are_asked_for_again_and_bad_data_is_not(
    site: Site, instance: dg.DagsterInstance, reason: str, again: bool
) -> None:
    site.storage.mark_failed(day(5), "flows", [reason])
    days = Ticking(site, instance, "stale_days")
    assert [len(days.tick()[0]) for _ in range(5)] == [1, 1, 1, 0, 0]
    if again:
        wait(days, 6.1)
    assert [len(days.tick()[0]) for _ in range(4)] == [0, int(again), 0, 0]


def test_a_window_day_that_is_asked_for_again_after_hours_is_filled_and_not_scored(
    site: Site, instance: dg.DagsterInstance
) -> None:
    for table in ("alerts", "anomaly_scores", "traffic_baseline", "daily_traffic", "flows"):
        shutil.rmtree(site.root / "data" / table / f"day={day(0)}")
    change_rule(site)
    days = Ticking(site, instance, "stale_days")
    until_rest(days, killer=0)
    wait(days, 6.1)
    requests = [r for _ in range(3) for r in days.tick()[0]]
    assert [r.tags[sensors.RANGE_END] for r in requests] == [day(0).isoformat()]
    assert [k.to_user_string() for k in requests[0].asset_selection or ()] == ["flows", "daily_traffic"]


@pytest.mark.parametrize(
    ("wanted", "alone", "expected"),
    [
        ([0, 1, 2, 3, 4], [], [[0, 1, 2], [3, 4]]),
        ([0, 1, 3, 4], [], [[0, 1], [3, 4]]),
        ([0, 1, 2, 3, 4], [2], [[0, 1], [2], [3, 4]]),
        ([0, 1], [0, 1], [[0], [1]]),
        ([], [], []),
    ],
)
def test_ranges_are_cut_at_gaps_at_their_length_and_at_days_that_are_to_be_alone(
    wanted: list[int], alone: list[int], expected: list[list[int]]
) -> None:
    found = ranges([day(n) for n in wanted], 3, {day(n) for n in alone})
    assert [[(d - day(0)).days for d in r] for r in found] == expected

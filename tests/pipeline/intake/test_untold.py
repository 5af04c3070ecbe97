"""A folder of logs that cannot be listed, as of a share that is not mounted, makes no quiet day."""

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import SourceError
from pipeline.flows import build_flows
from pipeline.intake.landing import Landing
from pipeline.inventory import Inventory
from tests.oracle.zeek import tsv
from tests.pipeline.landings import D1, D2, World, flow, settings

D0 = D1 - dt.timedelta(days=1)
PATTERN = "logs/**/conn*"


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path, settings(PATTERN))
    world.put("a/conn.log", tsv(flow("C1", 100)))
    world.land()
    (tmp_path / "logs").rename(tmp_path / "away")
    return world


def landed(world: World, **source: Any) -> Landing:
    world.settings = settings(PATTERN, **source)
    landing = world.landing()
    landing.land([D0, D1, D2])
    return landing


def flows(world: World, landing: Landing, day: dt.date) -> list[int]:
    made = build_flows(landing, world.settings, Inventory(world.settings.inventory), day)
    return made.collect()["bytes_in"].to_list()


def test_a_day_of_which_nothing_was_read_before_fails_by_name(world: World) -> None:
    landing = landed(world)
    with pytest.raises(SourceError, match=r"2026-10-02: .*source core: \S+logs cannot be listed .*mount it again"):
        flows(world, landing, D2)
    assert not world.entry("a/conn.log").missing  # Nobody knows.


def test_what_was_read_before_stays_and_so_do_days_before_the_source(world: World) -> None:
    landing = landed(world)
    assert (flows(world, landing, D1), flows(world, landing, D0)) == ([100], [])


def test_a_source_that_is_gone_for_good_says_so(world: World) -> None:
    assert flows(world, landed(world, retired=D2), D2) == []


def test_a_source_that_never_had_a_log_is_a_problem_and_fails_no_day(tmp_path: Path) -> None:
    world = World(tmp_path, settings(PATTERN))
    landing = landed(world)
    assert "cannot be listed" in landing.land([D1]).problems[0].message
    assert flows(world, landing, D1) == []


def test_a_path_of_a_folder_that_is_not_there_makes_no_quiet_days_of_those_that_are_known(world: World) -> None:
    (world.root / "away").rename(world.root / "logs")
    world.settings = settings("lgos/**/conn*")
    landing = world.landing()
    landing.land([D1])
    with pytest.raises(SourceError, match="lgos cannot be listed"):
        flows(world, landing, D1)


def test_a_folder_within_that_is_closed_hides_days_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    (world.root / "away").rename(world.root / "logs")
    (shut := world.root / "logs" / "b").mkdir()
    monkeypatch.setattr("pipeline.intake.files._closed", lambda *_: {shut: "Permission denied"})
    landing = landed(world)
    assert flows(world, landing, D1) == [100]
    with pytest.raises(SourceError, match="logs/b: is a folder that cannot be listed"):
        flows(world, landing, D2)

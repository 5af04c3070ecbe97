"""Sources that are taken out, renamed or narrowed: days are as if they had been configured so from the beginning."""

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from pipeline.settings import Settings
from pipeline.site import Site
from pipeline.stored.stages import make_flows
from pipeline.stored.status import days_status
from tests.oracle.zeek import SERVER, tsv
from tests.pipeline.landings import D1, World, flow

CORE, EDGE = {"name": "core", "path": "logs/core/**/*.log"}, {"name": "edge", "path": "logs/edge/*.log"}
BOTH = {"name": "core", "path": "logs/**/*.log"}


def configured(*sources: dict[str, Any]) -> Settings:
    inventory = [{"address": SERVER, "category": "email_server"}]
    return Settings.model_validate({"sources": sources, "inventory": inventory})


def quality(_site: Site, _day: dt.date) -> str:
    return "verified"


@pytest.fixture
def two(tmp_path: Path) -> World:
    """A site with a flow from each of two folders, which may be of one source or of two."""
    world = World(tmp_path, configured(CORE, EDGE))
    world.put("core/a.log", tsv(flow("C1")))
    world.put("edge/b.log", tsv(flow("C2", 7, resp_bytes="x"), flow("C3", 7, id__orig_h="10.0.0.77")))
    return world


def store(world: World, *sources: dict[str, Any]) -> list[int]:
    """What the day holds when it was made with these sources."""
    world.settings = configured(*sources)
    landing = world.landing()
    landing.land([D1])
    make_flows(site := Site(world.root, world.settings, "asked for"), landing, D1)
    assert [r for r in why(world) if r.startswith("flows")] == []
    table = site.storage.objects.where(f"flows/day={D1}/part.parquet")
    assert Path(table).is_file()
    return world.received()


def why(world: World, *sources: dict[str, Any]) -> list[str]:
    """Why the day is stale with these sources, before anything is run."""
    if sources:
        world.settings = configured(*sources)
    site, landing = Site(world.root, world.settings, "asked for"), world.landing()
    (status,) = days_status(site, landing, [D1], quality)
    return [*(f"{n}: {t.stale}" for n, t in status.tables.items() if t.stale), *status.reasons]


def test_a_source_that_is_taken_out_takes_its_rows_with_it_and_brings_them_back(two: World, parsed: list[str]) -> None:
    assert store(two, CORE, EDGE) == [7, 220]
    assert why(two, CORE)[0] == "flows: file edge/logs/edge/b.log is of no source any more"
    assert store(two, CORE) == [220]
    assert "late file edge/logs/edge/b.log" in why(two, CORE, EDGE)[0]
    assert store(two, CORE, EDGE) == [7, 220]
    assert len(parsed) == 2


def test_a_narrowed_path_leaves_out_what_it_no_longer_matches(two: World, parsed: list[str]) -> None:
    assert store(two, BOTH) == [7, 220]
    assert why(two, CORE)[0] == "flows: file core/logs/edge/b.log is of no source any more"
    assert store(two, CORE) == [220]
    assert store(two, BOTH) == [7, 220]
    assert len(parsed) == 2


def test_a_path_from_the_root_is_narrowed_to_a_folder_below_it(
    two: World, tmp_path_factory: pytest.TempPathFactory
) -> None:
    far = tmp_path_factory.mktemp("far")
    (two.root / "logs").rename(far / "logs")
    assert store(two, {"name": "core", "path": f"{far}/logs/**/*.log"}) == [7, 220]
    assert store(two, {"name": "core", "path": f"{far}/logs/core/*.log"}) == [220]
    assert store(two, {"name": "core", "path": f"{far}/logs/*/*.log"}) == [7, 220]


def test_a_log_that_is_gone_keeps_its_rows_whatever_the_path(two: World) -> None:
    assert store(two, BOTH) == [7, 220]
    (two.root / "logs/edge/b.log").unlink()
    assert store(two, BOTH) == store(two, CORE) == [7, 220]


def test_a_renamed_source_is_the_same_source_and_reads_nothing(two: World, parsed: list[str]) -> None:
    assert store(two, CORE, EDGE) == [7, 220]
    (two.root / "logs/core/a.log").unlink()
    renamed = CORE | {"name": "sensor"}, EDGE | {"name": "border"}
    assert why(two, *renamed)[0] == "flows: source core is called sensor now, source edge is called border now"
    assert store(two, *renamed) == [7, 220]
    assert len(parsed) == 2
    assert {(e.source, e.left_out) for e in two.landing().ledger.entries.values()} == {
        ("sensor", False),
        ("border", False),
    }
    assert two.quarantine() == [("logs/edge/b.log", 6, "bad_number")]


def test_a_source_of_another_name_and_path_is_another_one(two: World) -> None:
    assert store(two, CORE) == [220]
    assert store(two, EDGE) == [7]
    assert store(two, CORE) == [220]


def test_a_file_of_two_sources_stays_with_the_one_that_is_left(two: World) -> None:
    assert store(two, BOTH | {"name": "all"}, EDGE) == [7, 220]
    assert store(two, BOTH | {"name": "all"}) == [7, 220]
    assert store(two, EDGE) == [7]


def test_a_copy_takes_over_where_the_path_names_its_original_no_more(two: World) -> None:
    two.put("core/b.log", (two.root / "logs/edge/b.log").read_bytes())
    assert store(two, BOTH) == [7, 220]
    assert store(two, {"name": "core", "path": "logs/edge/*.log"}) == [7]
    assert store(two, CORE) == [7, 220]


def test_a_faulty_log_of_a_source_that_is_taken_out_fails_no_day(two: World) -> None:
    two.put("edge/2026-10-01.log", b"\x00rubbish")
    two.settings = configured(CORE, EDGE)
    assert len(two.land(D1).problems) == 1
    assert store(two, CORE) == [220]


def test_a_day_without_any_source_left_is_emptied_and_comes_back(two: World) -> None:
    assert store(two, EDGE) == [7]
    assert store(two) == []
    assert store(two, EDGE) == [7]

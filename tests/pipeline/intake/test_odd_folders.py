"""Sites and logs in folders and files with names that mean something to somebody else: globs, URLs, partitions."""

from pathlib import Path

import pytest

from pipeline.counting.attribution import Rule
from pipeline.flows import build_flows
from pipeline.inventory import Inventory
from pipeline.schemas import FLOWS
from pipeline.settings import Settings
from pipeline.site import Site
from pipeline.stored.stages import make_flows
from tests.oracle.zeek import tsv
from tests.pipeline.landings import D1, World, flow, settings

NAMES = ["[ab]", "x*y", "q?", "{day}", "s p", "ü", "100%", "a,b", "a'b", "#", "day=2020-01-01", "-x", "line\nbreak"]


def site(world: World) -> Site:
    return Site(world.root, world.settings, "asked for")


def filled(root: Path, received: int, chosen: Settings | None = None) -> World:
    world = World(root, chosen or settings("logs/**/*"))
    world.put(f"{root.name}/{root.name}.log", tsv(flow("C1", received), flow("C2", 7, resp_bytes="x"), flow("C3", 8)))
    landing = world.landing()
    assert landing.land([D1]).problems == []
    make_flows(site(world), landing, D1)
    return world


@pytest.mark.parametrize("name", NAMES)
def test_a_site_may_lie_in_any_folder_and_reads_no_other_one(tmp_path: Path, name: str) -> None:
    for neighbour in ("a", "xay", "q1"):
        filled(tmp_path / neighbour, 1)
    world = filled(tmp_path / name, 220)
    assert sorted(site(world).storage.read_day(FLOWS, D1)["bytes_in"].to_list()) == [8, 220]
    assert site(world).storage.scan(FLOWS, [D1]).collect()["bytes_in"].sum() == 228
    assert [n for _, n, _ in world.quarantine()] == [7]


@pytest.mark.parametrize("name", ["[x]", "a[b"])
def test_a_site_needs_no_neighbour_that_its_folder_matches(tmp_path: Path, name: str) -> None:
    stored = site(filled(tmp_path / name, 220))
    assert sorted(stored.storage.read_day(FLOWS, D1)["bytes_in"].to_list()) == [8, 220]


@pytest.mark.parametrize("rule", ["start", "spread"])
def test_a_day_in_slices_is_made_in_any_folder(tmp_path: Path, rule: Rule) -> None:
    chosen = Settings.model_validate(settings("logs/**/*").model_dump() | {"counting": {"attribute": rule}})
    world = filled(tmp_path / "[ab]*", 220, chosen)
    made = build_flows(world.landing(), world.settings, Inventory(world.settings.inventory), D1, slice_rows=1)
    assert sorted(made.collect()["bytes_in"].to_list()) == [8, 220]

"""A day's flows made in slices of time equal the day made at once, and so do the stored bytes' content."""

import datetime as dt
import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline.content import content_fingerprint
from pipeline.counting.slices import by_ends, cuts
from pipeline.flows import DayFlows, build_flows
from pipeline.intake.landing import Landing
from pipeline.inventory import Inventory
from pipeline.schemas import FLOWS
from pipeline.site import Site
from pipeline.storage import Storage
from tests.worlds import CONFIG, SERVER, day, make_site, record

NOW = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
NOON = dt.datetime.combine(day(0), dt.time(12), dt.UTC)


def busy_site(folder: Path) -> Site:
    """Sessions told twice, many at the same instant, and a second source that has no IP bytes."""
    other = '  - {name: edge, path: "edge/{day}/conn*.log"}\ninventory:'
    site = make_site(folder, 1, config=CONFIG.replace("inventory:", other))
    lines = []
    for n in range(40):
        when = NOON + dt.timedelta(seconds=n // 4)
        lines += [record(when, f"10.0.1.{n % 9}", 100 + n, f"C{n}")] * (2 if n % 5 == 0 else 1)
    (folder / "logs" / day(0).isoformat() / "conn-2.log").write_text("".join(lines), encoding="utf-8")
    edge = []
    for n in range(15):
        facts = json.loads(record(NOON + dt.timedelta(seconds=n), "10.0.2.1", 7, f"E{n}", server=SERVER))
        edge.append(json.dumps({k: v for k, v in facts.items() if "ip_bytes" not in k}) + "\n")
    path = folder / "edge" / day(0).isoformat() / "conn.log"
    path.parent.mkdir(parents=True)
    path.write_text("".join(edge), encoding="utf-8")
    return site


def made(site: Site, rows: int) -> DayFlows:
    landing = Landing(site.root, site.storage.root, site.settings, NOW)
    landing.land([day(0)])
    return build_flows(landing, site.settings, Inventory(site.settings.inventory), day(0), rows)


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return busy_site(tmp_path_factory.mktemp("busy"))


Whole = tuple[pl.DataFrame, dict[str, Any]]


@pytest.fixture(scope="module")
def whole(busy: Site) -> Whole:
    """The busy site's flows and facts, made at once."""
    flows = made(busy, 10**6)
    return flows.collect(), flows.facts


def test_stretches_hold_so_many_times_in_order_and_begin_with_whole_milliseconds() -> None:
    def at(*ms: float) -> list[dt.datetime]:
        return [NOON + dt.timedelta(milliseconds=n) for n in ms]

    first, end = at(0, 100)
    times = pl.Series(at(50, 10.9, 30, 20.4, 40, 3))
    assert cuts(times, 2, first, end) == list(pairwise(at(0, 20, 40, 100)))
    assert cuts(times, 1, first, end) == list(pairwise(at(0, 10, 20, 30, 40, 50, 100)))
    assert cuts(times, 9, first, end) == [(first, end)]
    # A time of the day before, or of the end, begins nothing; many at one instant stay together.
    assert cuts(pl.Series(at(-9, -5, 0, 7, 7, 7, 100, 101)), 1, first, end) == list(pairwise(at(0, 7, 100)))


def test_rows_are_handed_out_stretch_by_stretch_once_the_work_has_seen_all_of_two_ends(tmp_path: Path) -> None:
    ends = {"src_ip": "10.0.0.1", "dest_ip": SERVER, "src_port": 5, "dest_port": 993}
    back = {"src_ip": SERVER, "dest_ip": "10.0.0.1", "src_port": 993, "dest_port": 5}
    others = [ends | {"src_port": n} for n in range(6, 16)]
    times = [NOON + dt.timedelta(seconds=n) for n in range(12)]
    raw = pl.DataFrame([e | {"start_time": t} for e, t in zip([back, *others, ends], times, strict=True)])
    seen: list[pl.DataFrame] = []

    def work(rows: pl.DataFrame) -> pl.DataFrame:
        seen.append(rows)
        return rows

    edges = [times[0], times[4], times[5], times[-1]]
    parts = [p.sort("start_time") for p in by_ends(raw.lazy(), 3, work, list(pairwise(edges)), tmp_path)]
    assert [p["start_time"].to_list() for p in parts] == [times[:4], times[4:5], times[5:11]]
    assert sum(rows["src_port"].is_in([5]).any() or rows["dest_port"].is_in([5]).any() for rows in seen) == 1
    assert {tuple(rows.columns) for rows in seen} == {tuple(raw.columns)}
    assert 1 < len(seen) <= 3
    assert not list(tmp_path.iterdir())


def test_slices_of_any_size_give_the_flows_of_the_whole_day(busy: Site, whole: Whole) -> None:
    expected, facts = whole
    assert expected.height == 3 + 40 + 15
    for rows in (1, 3, 7, 50):
        sliced = made(busy, rows)
        assert sliced.collect().equals(expected), rows
        assert sliced.facts == facts, rows
    assert facts["duplicates"] == 8
    assert facts["bytes_layers"] == {"core": "ip", "edge": "payload"}
    assert set(expected.filter(pl.col("source") == "edge")["bytes_layer"]) == {"payload"}


def netflow(start: dt.datetime, ends: tuple[str, int, str, int], count: int, uid: int) -> str:
    src, src_port, dest, dest_port = ends
    event = {"event_type": "netflow", "flow_id": uid, "proto": "TCP", "src_ip": src, "src_port": src_port}
    event |= {"dest_ip": dest, "dest_port": dest_port, "timestamp": start.isoformat()}
    return (
        json.dumps(event | {"netflow": {"bytes": count, "start": start.isoformat(), "end": start.isoformat()}}) + "\n"
    )


def halves_site(folder: Path, attribute: str) -> Site:
    """Sessions of which each direction is a record of its own, the second one up to minutes after the first."""
    config = CONFIG.replace("inventory:", '  - {name: edge, path: "edge/{day}/eve*.json"}\ninventory:')
    site = make_site(folder, 1, config=f"{config}\ncounting: {{attribute: {attribute}}}\n")
    lines = []
    for n in range(30):
        ends = (f"10.0.3.{n % 4}", 40_000 + n % 6, SERVER, (993, 40_123)[n % 2])
        there, back = NOON + dt.timedelta(seconds=n), NOON + dt.timedelta(seconds=n + (n % 7) * 50)
        lines += [netflow(there, ends, 10, n), netflow(back, (*ends[2:], *ends[:2]), 1_000, n)]
    path = folder / "edge" / day(0).isoformat() / "eve.json"
    path.parent.mkdir(parents=True)
    path.write_text("".join(lines[::3] + lines[1::3] + lines[2::3]), encoding="utf-8")
    return site


def test_copies_whose_times_were_cut_to_milliseconds_are_not_parted_by_the_slices(tmp_path: Path) -> None:
    site = make_site(tmp_path, 1)
    times = [NOON + dt.timedelta(seconds=n, microseconds=123_456) for n in range(6)]
    for name, cut in (("conn-1.log", 0), ("conn-2.log", 456)):
        lines = (record(t - dt.timedelta(microseconds=cut), "10.0.1.1", 1, f"C{t}") for t in times)
        (tmp_path / "logs" / day(0).isoformat() / name).write_text("".join(lines), encoding="utf-8")
    for rows in (1, 2, 3, 10**6):
        flows = made(site, rows).collect()
        assert flows.filter(pl.col("src_ip") == "10.0.1.1").height == 6


@pytest.mark.parametrize("attribute", ["start", "end", "spread"])
def test_sessions_are_not_torn_by_the_slices_although_their_records_lie_apart(tmp_path: Path, attribute: str) -> None:
    site = halves_site(tmp_path, attribute)
    whole = made(site, 10**6)
    expected = whole.collect()
    assert whole.facts["paired"] > 10
    for rows in (1, 7, 40):
        sliced = made(site, rows)
        assert sliced.collect().equals(expected)
        assert sliced.facts == whole.facts


def test_a_day_stored_in_slices_has_the_bytes_and_fingerprint_of_the_day_stored_at_once(
    tmp_path: Path, whole: Whole
) -> None:
    frame, _ = whole
    at_once, sliced = Storage(tmp_path / "a"), Storage(tmp_path / "b")
    left = at_once.write_day(FLOWS, day(0), frame, inputs={"x": "1"}, facts={"y": 2})
    slices = [frame[:10], frame[10:11], frame[11:]]
    right = sliced.write_slices(FLOWS, day(0), slices, inputs={"x": "1"}, facts={"y": 2})
    assert left == right
    assert left.fingerprint == content_fingerprint(frame)
    assert at_once.path("flows", day(0)).read_bytes() == sliced.path("flows", day(0)).read_bytes()
    assert [p.name for p in sliced.path("flows", day(0)).parent.iterdir()] == ["part.parquet"]


@pytest.mark.parametrize("cut", [[], [0, 0], [1], [4], [8], [3, 9, 10], [5, 6, 7, 8, 40]])
def test_how_a_day_was_cut_does_not_show_in_its_row_groups(tmp_path: Path, whole: Whole, cut: list[int]) -> None:
    frame, _ = whole
    table = replace(FLOWS, row_group_size=4)
    edges = [0, *cut, frame.height]
    slices = [frame.slice(a, b - a) for a, b in pairwise(edges)]
    at_once, sliced = Storage(tmp_path / "a"), Storage(tmp_path / "b")
    left = at_once.write_day(table, day(0), frame, inputs={})
    right = sliced.write_slices(table, day(0), iter(slices), inputs={}, facts={})
    assert left == right
    assert sliced.read_day(table, day(0)).equals(frame)
    assert at_once.path("flows", day(0)).read_bytes() == sliced.path("flows", day(0)).read_bytes()


def test_a_slice_that_fails_leaves_the_stored_day_and_no_rest_behind(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    storage.write_day(FLOWS, day(0), FLOWS.empty(), inputs={})
    before = storage.path("flows", day(0)).read_bytes()

    def slices():  # type: ignore[no-untyped-def]  # noqa: ANN202
        yield FLOWS.empty()
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        storage.write_slices(FLOWS, day(0), slices(), inputs={}, facts={})
    assert storage.path("flows", day(0)).read_bytes() == before
    assert [p.name for p in storage.path("flows", day(0)).parent.iterdir()] == ["part.parquet"]

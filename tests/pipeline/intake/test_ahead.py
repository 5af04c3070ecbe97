"""Logs that other processes read: all that is landed is the same, to the byte, whoever reads, fails or is killed."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import multiprocessing
import os
import shutil
from pathlib import Path

import pytest

from pipeline.intake import ahead
from pipeline.intake.ahead import Ahead, Reading
from pipeline.intake.landing import LandingReport
from tests.oracle.zeek import SERVER, conn, tsv
from tests.pipeline.landings import D1, D2, NOON, World, flow

DAYS = [D1 + dt.timedelta(days=n) for n in range(4)]
ENDS = {"id.orig_h": "10.0.0.9", "id.orig_p": 5000, "id.resp_h": SERVER, "id.resp_p": 993, "proto": "tcp"}
JSON = {"ts": NOON.timestamp(), **ENDS, "orig_ip_bytes": 40, "resp_ip_bytes": 60}
BAD = conn(id__resp_h="no address")


@pytest.fixture(autouse=True)
def _always_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "WORTH_BYTES", 0)


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    """The files in their order, and whether another process had read them."""
    found, take = list[tuple[str, bool]](), Ahead.take

    def noted(self: Ahead, reading: Reading) -> object:
        read = take(self, reading)
        found.append((reading.file.name.removeprefix("logs/"), read is not None))
        return read

    monkeypatch.setattr(Ahead, "take", noted)
    return found


def land(world: World, processes: int, days: list[dt.date] = DAYS) -> LandingReport:
    world.settings = world.settings.model_copy(update={"landing_processes": processes})
    return world.land(*days)


def stored(world: World) -> dict[str, bytes]:
    """Every file of the site's storage."""
    root = world.root / "data"
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def told(report: LandingReport) -> tuple[object, ...]:
    return report.listed, report.landed, report.bytes_read, [p.message for p in report.problems]


def of_all_kinds(world: World) -> None:
    """Good files and such as have faults, copies, files of other days and formats, and one without a record."""
    world.put("a.log", tsv(flow("C1"), flow("C2", 300, D2)))
    world.put("b.log", tsv(flow("C1"), flow("C2", 300, D2)))
    world.put("c.log.gz", gzip.compress(tsv(flow("C1"), flow("C2", 300, D2))))
    world.put("d.log", tsv(flow("C4"), BAD, flow("C5", 500)))
    world.put("e.log.gz", gzip.compress(tsv(flow("C6")))[:-6])
    world.put("f.log", tsv(flow("C7", day=D1 + dt.timedelta(days=40))))
    world.put("g.log", tsv(flow("C8", 800)) + b"torn off he")
    world.put("h.json", b"".join(json.dumps(JSON | {"uid": f"J{n}"}).encode() + b"\n" for n in range(3)))
    world.put("i.log", b"")
    world.put("j.log", b"neither this\nnor that\n")
    world.put("k.json", json.dumps([{"a": 1}, {"b": 2}]).encode())


def both(world: World) -> list[tuple[object, dict[str, bytes]]]:
    """What each number of processes landed, from the beginning."""
    found = []
    for processes in (1, 2):
        shutil.rmtree(world.root / "data", ignore_errors=True)
        found.append((told(land(world, processes)), stored(world)))
    return found


def test_what_is_landed_is_the_same_to_the_byte(flat: World, taken: list[tuple[str, bool]]) -> None:
    of_all_kinds(flat)
    alone, shared = both(flat)
    assert shared == alone
    elsewhere = [name for name, read in taken[len(taken) // 2 :] if read]
    assert {"a.log", "d.log", "f.log", "g.log", "h.json"} <= set(elsewhere)
    assert not {"e.log.gz", "j.log"} & set(elsewhere)  # They fail, which is told where they are read again.
    assert [name for name, _ in taken[: len(taken) // 2]] == [name for name, _ in taken[len(taken) // 2 :]]


def test_files_that_have_grown_or_changed_are_read_on_as_by_one(flat: World, taken: list[tuple[str, bool]]) -> None:
    of_all_kinds(flat)
    land(flat, 1)
    flat.put("a.log", (flat.root / "logs" / "a.log").read_bytes() + tsv(flow("C9-grown", 900)).split(b"\n")[-2] + b"\n")
    flat.put("d.log", tsv(flow("C4-other", 444), BAD))
    flat.put("g.log", tsv(flow("C8", 800)) + tsv(flow("CA", 70)).split(b"\n")[-2] + b"\n")
    flat.put("e.log.gz", gzip.compress(tsv(flow("C6"))))
    before = flat.root / "before"
    shutil.copytree(flat.root / "data", before)
    alone = told(land(flat, 1)), stored(flat)
    shutil.rmtree(flat.root / "data")
    shutil.copytree(before, flat.root / "data")
    taken.clear()
    assert (told(land(flat, 2)), stored(flat)) == alone
    assert {("a.log", True), ("d.log", True), ("g.log", True)} <= set(taken)
    assert flat.received() == [60, 60, 60, 70, 220, 220, 444, 800, 900]


def test_a_process_that_is_killed_costs_no_file(flat: World, monkeypatch: pytest.MonkeyPatch) -> None:
    of_all_kinds(flat)
    alone, give, killed = (told(land(flat, 1)), stored(flat)), Ahead.give, []

    def give_and_kill(self: Ahead, reading: Reading) -> None:
        give(self, reading)
        if reading.file.name.endswith("d.log"):
            for child in multiprocessing.active_children():
                child.kill()
                killed.append(child.pid)

    monkeypatch.setattr(Ahead, "give", give_and_kill)
    shutil.rmtree(flat.root / "data")
    assert (told(land(flat, 2)), stored(flat)) == alone
    assert len(killed) == 2


def test_processes_that_the_system_does_not_give_cost_no_file(flat: World, monkeypatch: pytest.MonkeyPatch) -> None:
    of_all_kinds(flat)
    alone = told(land(flat, 1)), stored(flat)

    def refuse(_: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(multiprocessing.process.BaseProcess, "start", refuse)
    shutil.rmtree(flat.root / "data")
    assert (told(land(flat, 2)), stored(flat)) == alone


def test_no_process_is_left_by_a_landing_that_is_interrupted(flat: World) -> None:
    of_all_kinds(flat)
    flat.settings = flat.settings.model_copy(update={"landing_processes": 2})
    seen = []

    def stop(stage: str, done: int, total: int) -> None:
        seen.append((stage, done, total, len(multiprocessing.active_children())))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        flat.landing().land(DAYS, stop)
    assert (seen, multiprocessing.active_children()) == ([("landing", 1, 11, 2)], [])
    assert told(land(flat, 1))[:2] == (11, 5)


def test_a_file_that_is_asked_for_in_another_way_meanwhile_is_read_anew(
    flat: World, taken: list[tuple[str, bool]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        flat.put(f"{name}.log", tsv(flow(f"C{name}")))
    give = Ahead.give

    def of_another_time(self: Ahead, reading: Reading) -> None:
        reading.entry.first_seen = "2026-01-01T00:00:00+00:00" if reading.file.name.endswith("b.log") else "x"
        give(self, reading)

    monkeypatch.setattr(Ahead, "give", of_another_time)
    assert told(land(flat, 2))[:2] == (3, 3)
    assert taken == [("a.log", False), ("b.log", False), ("c.log", False)]
    assert flat.entry("b.log").first_seen.startswith("2026-11-01")


@pytest.mark.parametrize("processes", [1, 2])
def test_little_to_read_is_read_here(
    flat: World, taken: list[tuple[str, bool]], monkeypatch: pytest.MonkeyPatch, processes: int
) -> None:
    monkeypatch.setattr(ahead, "WORTH_BYTES", 1 << 20)
    for name in "ab":
        flat.put(f"{name}.log", tsv(flow(f"C{name}")))
    land(flat, processes)
    assert taken == [("a.log", False), ("b.log", False)]


def test_one_file_needs_no_other_process(flat: World, taken: list[tuple[str, bool]]) -> None:
    flat.put("a.log", tsv(flow("C1")))
    land(flat, 4)
    assert taken == [("a.log", False)]


def test_threads_of_polars_are_told_to_the_processes_alone(flat: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POLARS_MAX_THREADS", raising=False)
    of_all_kinds(flat)
    land(flat, 2)
    assert "POLARS_MAX_THREADS" not in os.environ


def test_a_site_s_key_is_a_whole_number_of_processes(tmp_path: Path) -> None:
    from pipeline.errors import ConfigError
    from pipeline.settings import load_settings

    path = tmp_path / "nilometer.yaml"
    path.write_text("landing_processes: 4\n", encoding="utf-8")
    assert load_settings(path).landing_processes == 4
    for wrong in ("0", "257", "1.5", "true", "all"):
        path.write_text(f"landing_processes: {wrong}\n", encoding="utf-8")
        with pytest.raises(ConfigError, match="landing_processes"):
            load_settings(path)

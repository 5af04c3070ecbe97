"""A landing that lost or damaged something: what can be read again is, what cannot is said, no rubbish stays."""

import datetime as dt
import json
from pathlib import Path

import pytest

from pipeline.errors import SourceError, StorageError
from pipeline.intake.lander import FileLander
from pipeline.intake.landing import News
from pipeline.intake.upkeep import DAMAGED_LEDGER
from pipeline.schemas import FLOWS
from pipeline.site import Site
from pipeline.stored.stages import make_flows
from tests.oracle.zeek import rows, tsv
from tests.pipeline.landings import D1, D2, World, flow, settings


def ledger(world: World) -> Path:
    return world.root / "data" / "landing" / "ledger.jsonl"


def site(world: World) -> Site:
    return Site(world.root, world.settings, "asked for")


def received(world: World, day: dt.date = D1) -> list[int]:
    """What the stored day holds after it was made."""
    landing = world.landing()
    landing.land([day])
    make_flows(site(world), landing, day)
    return sorted(site(world).storage.read_day(FLOWS, day)["bytes_in"].to_list())


@pytest.fixture
def two(world: World) -> World:
    world.put("2026-10-01/conn.log", tsv(flow("C1")))
    world.put("2026-10-01/conn2.log", tsv(flow("C2", 7)))
    assert received(world) == [7, 220]
    return world


def part_of(world: World, name: str) -> Path:
    return ledger(world).parent / world.entry(name).parts[0].files[0]


# The ledger


def test_a_damaged_line_of_the_ledger_costs_one_file_a_reading(two: World, parsed: list[str]) -> None:
    lines = ledger(two).read_bytes().splitlines()
    ledger(two).write_bytes(b"\n".join([*lines[:-1], lines[-1][: len(lines[-1]) // 2]]))
    report = two.land()
    assert parsed == ["2026-10-01/conn2.log"]
    assert "1 lines of the ledger do not read" in report.problems[0].message
    assert (two.root / "data" / DAMAGED_LEDGER).exists()
    assert two.land().problems == []
    assert received(two) == [7, 220]


def test_a_ledger_that_cannot_be_opened_is_not_taken_for_an_empty_one(two: World) -> None:
    ledger(two).unlink()
    ledger(two).mkdir()
    with pytest.raises(IsADirectoryError):
        two.landing()


def test_a_copy_is_landed_when_the_ledger_forgot_its_original_and_that_is_gone(two: World) -> None:
    original = two.root / "logs" / "2026-10-01" / "conn.log"
    (original.parent / "conn3.log").write_bytes(original.read_bytes())
    two.land()
    assert two.entry("2026-10-01/conn3.log").state == "duplicate"
    original.unlink()
    lines = ledger(two).read_text(encoding="utf-8").splitlines()
    kept = [x for x in lines if json.loads(x).get("name") != "logs/2026-10-01/conn.log"]
    ledger(two).write_text("\n".join(kept) + "\n", encoding="utf-8")
    assert received(two) == [7, 220]


# Rows that nothing speaks of


def test_rows_that_a_killed_run_landed_and_never_noted_go(two: World) -> None:
    orphan = part_of(two, "2026-10-01/conn.log").with_name("0123-000.parquet")
    orphan.write_bytes(b"PAR1")
    lost = two.root / "data" / "quarantine" / "core" / "0123.parquet"
    lost.parent.mkdir(parents=True)
    lost.write_bytes(b"PAR1")
    two.land()
    assert not orphan.exists() and not lost.exists()
    assert received(two) == [7, 220]


def test_beside_a_damaged_ledger_no_rows_are_thrown_away(two: World) -> None:
    part = part_of(two, "2026-10-01/conn.log")
    (two.root / "logs" / "2026-10-01" / "conn.log").unlink()
    ledger(two).write_bytes(b"\n".join(b"{" if b"conn.log" in x else x for x in ledger(two).read_bytes().splitlines()))
    for _ in range(2):
        two.land()
    assert part.exists()


# Damaged lines that were set aside


def spoilt(path: Path, how: str) -> None:
    data = path.read_bytes()
    kept = {"empty": b"", "cut": data[:40], "within": data[:4] + b"\xff" * 56 + data[60:]}
    path.write_bytes(kept[how])


@pytest.fixture(params=["empty", "cut", "within"])
def doubtful(world: World, request: pytest.FixtureRequest) -> World:
    """A log of one flow and a line that was set aside, which is kept in a file that does not read."""
    world.put("2026-10-01/conn.log", tsv(flow("C1"), flow("C2", id__resp_h="192.0.2.1000")))
    assert received(world) == [220]
    spoilt(next((world.root / "data" / "quarantine").rglob("*.parquet")), request.param)
    return world


def test_a_grown_log_whose_quarantine_is_damaged_is_read_whole_and_tells_it_again(doubtful: World) -> None:
    log = doubtful.root / "logs" / "2026-10-01" / "conn.log"
    log.write_bytes(log.read_bytes() + rows([flow("C3", 9)]).encode())
    assert received(doubtful) == [9, 220]
    assert doubtful.quarantine() == [("logs/2026-10-01/conn.log", 7, "bad_address")]


def test_damaged_quarantine_stops_no_copy_from_taking_over_the_rows_of_a_log_that_is_gone(doubtful: World) -> None:
    log = doubtful.root / "logs" / "2026-10-01" / "conn.log"
    log.with_name("copy-conn.log").write_bytes(log.read_bytes())
    doubtful.settings = settings("logs/{day}/*conn.log")
    doubtful.land()
    log.unlink()
    assert received(doubtful) == [220]
    assert doubtful.entry("2026-10-01/copy-conn.log").state == "landed"


def test_damaged_quarantine_stops_no_source_from_getting_another_name(doubtful: World) -> None:
    doubtful.settings = settings(name="edge")
    assert received(doubtful) == [220]
    assert doubtful.land().problems == []


# Damaged rows


@pytest.mark.parametrize("spoil", ["cut", "within", "column"])
def test_damaged_rows_are_read_again_from_their_log(two: World, parsed: list[str], spoil: str) -> None:
    import polars as pl

    part = part_of(two, "2026-10-01/conn.log")
    data = bytearray(part.read_bytes())
    if spoil == "cut":
        part.write_bytes(data[:-20])
    elif spoil == "within":
        data[4:200] = b"\xff" * 196
        part.write_bytes(data)
    else:
        pl.read_parquet(part).drop("start_time").write_parquet(part)
    assert received(two) == [7, 220]
    assert parsed == ["2026-10-01/conn.log"]


def test_damaged_rows_of_a_log_that_is_gone_are_named_and_the_stored_day_stays(two: World) -> None:
    part = part_of(two, "2026-10-01/conn.log")
    (two.root / "logs" / "2026-10-01" / "conn.log").unlink()
    part.write_bytes(b"PAR1")
    with pytest.raises(StorageError, match=r"conn\.log, which is gone\. Bring the log back"):
        received(two)
    assert site(two).storage.read_day(FLOWS, D1).height == 2


def test_a_panic_while_rows_are_read_is_a_damage_like_others(two: World, monkeypatch: pytest.MonkeyPatch) -> None:
    import polars as pl

    def panics(*_: object, **__: object) -> None:
        raise pl.exceptions.PanicException("assertion failed")

    monkeypatch.setattr("pipeline.stored.stages.build_flows", panics)
    with pytest.raises(pl.exceptions.PanicException):
        received(two)


# Logs and memory both gone


def test_a_stored_day_is_not_emptied_because_its_logs_and_the_landing_are_gone(two: World) -> None:
    for log in (two.root / "logs").rglob("*.log"):
        log.unlink()
    ledger(two).unlink()
    with pytest.raises(SourceError, match=r"2 logs that this day was made from are gone.*The stored day is kept"):
        received(two)
    path = site(two).storage.path("flows", D1)
    assert site(two).storage.read_day(FLOWS, D1).height == 2
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(SourceError, match=r"does not read, and no log holds it\. The stored day is kept"):
        received(two)
    path.unlink()
    assert received(two) == []


def test_a_day_that_never_had_a_log_is_made_empty(two: World) -> None:
    assert received(two, D2) == []
    assert received(two, D2) == []


def test_a_file_that_grows_while_it_is_read_is_read_to_its_end_and_gone_on_from_there(
    two: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = two.put("2026-10-02/conn.log", tsv(flow("C5", 5, D2)))
    run = FileLander.run
    more = tsv(flow("C6", 6, D2), flow("C7", 7, D2)).splitlines(keepends=True)[-2:]

    def growing(self: FileLander, entry: object, old: object) -> None:
        if more:
            with log.open("ab") as handle:
                handle.write(more.pop(0))
        run(self, entry, old)  # type: ignore[arg-type]
        if more:
            with log.open("ab") as handle:
                handle.write(more.pop(0))

    monkeypatch.setattr(FileLander, "run", growing)
    assert received(two, D2) == [5, 6]
    assert two.landing().pending([D2]) == {D2: [News("core/logs/2026-10-02/conn.log", known=True)]}
    assert received(two, D2) == [5, 6, 7]


def test_a_file_replaced_while_it_is_read_is_read_again_at_the_next_landing(
    two: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = two.put("2026-10-02/conn.log", tsv(flow("C5", 5, D2)))
    run, new = FileLander.run, [tsv(flow("C6", 66, D2))]

    def replacing(self: FileLander, entry: object, old: object) -> None:
        run(self, entry, old)  # type: ignore[arg-type]
        if new:
            log.unlink()
            log.write_bytes(new.pop())

    monkeypatch.setattr(FileLander, "run", replacing)
    assert received(two, D2) == [5]
    assert received(two, D2) == [66]

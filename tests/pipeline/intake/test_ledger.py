"""What the ledger remembers: networks, zones, deleted and spoilt memory, crashes and unreadable files."""

import datetime as dt
import errno
import gzip
import json
import os
import shutil
from pathlib import Path

import pytest

from pipeline.intake.ledger import LEDGER, Entry, Ledger, Part
from pipeline.settings import Settings
from pipeline.sources.reading import LineStream
from pipeline.storage import Storage
from tests.oracle.zeek import SERVER, conn, tsv
from tests.pipeline.landings import D1, D2, FLAT, NOON, World, flow, settings

# Inventory, zone and the ledger itself


def test_a_new_network_reads_only_files_that_can_hold_its_validity(world: World, parsed: list[str]) -> None:
    for day in (D1, D2):
        world.put(f"{day}/conn.log", tsv(flow("C1", day=day), flow("C2", 7, day=day, id__resp_h="203.0.113.25")))
    world.land()
    parsed.clear()
    later = {"address": "203.0.113.25", "category": "email_server", "valid_from": D2}
    world.settings = Settings.model_validate(
        world.settings.model_dump() | {"inventory": [{"address": SERVER, "category": "email_server"}, later]}
    )
    world.land()
    world.land()
    assert parsed == ["2026-10-02/conn.log"]
    assert (world.received(D1), world.received(D2)) == ([220], [7, 220])


@pytest.mark.parametrize(("attribute", "received"), [("end", [7, 220]), ("spread", [4, 220]), ("start", [220])])
def test_a_network_is_looked_for_in_logs_whose_sessions_last_into_its_first_day(
    world: World, attribute: str, received: list[int]
) -> None:
    late = conn(NOON + dt.timedelta(hours=11), duration="7000", resp_ip_bytes="7", id__resp_h="203.0.113.25")
    chosen = settings(FLAT).model_dump() | {"counting": {"attribute": attribute}}
    world.settings = Settings.model_validate(chosen)
    world.put("a.log", tsv(flow("C2"), late))
    world.put("b.log", tsv(flow("C3", day=D2)))
    world.land()
    later = {"address": "203.0.113.25", "category": "email_server", "valid_from": D2}
    world.settings = Settings.model_validate(chosen | {"inventory": [*chosen["inventory"], later]})
    world.land()
    assert world.received(D2) == received


def test_a_network_within_a_known_one_needs_no_reading(world: World, parsed: list[str]) -> None:
    world.settings = settings(servers=("192.0.2.0/24",))
    world.put("2026-10-01/conn.log", tsv(flow("C1")))
    world.land()
    world.settings = settings(servers=("192.0.2.0/24", SERVER))
    world.land()
    world.settings = settings(servers=(SERVER,))
    world.land()
    assert parsed == ["2026-10-01/conn.log"]


def test_a_network_taken_away_drops_its_flows_without_reading(world: World, parsed: list[str]) -> None:
    world.put("2026-10-01/conn.log", tsv(flow("C1")))
    world.land()
    world.settings = settings(servers=("203.0.113.25",))
    assert world.received() == []
    world.settings = settings()
    world.land()
    assert (world.received(), parsed) == ([220], ["2026-10-01/conn.log"])


def test_a_source_that_keeps_all_holds_flows_of_no_server_too(world: World) -> None:
    world.settings = settings(keep="all")
    world.put("2026-10-01/conn.log", tsv(flow("C1"), flow("C2", 7, id__resp_h="203.0.113.9")))
    world.land()
    assert world.received() == [7, 220]


@pytest.mark.parametrize("keep", ["inventory", "all"])
def test_of_flows_to_mail_ports_those_to_servers_of_the_inventory_are_no_others(world: World, keep: str) -> None:
    world.settings = settings(keep=keep)
    world.put("2026-10-01/conn.log", tsv(flow("C1"), flow("C2", 7, id__resp_h="203.0.113.25")))
    world.land()
    (part,) = world.entry("2026-10-01/conn.log").parts
    assert [address for _, address, *_ in part.servers] == ["203.0.113.25"]


@pytest.mark.parametrize("keep", ["inventory", "all"])
def test_another_zone_puts_flows_into_its_own_days(world: World, parsed: list[str], keep: str) -> None:
    late = conn(dt.datetime(2026, 10, 1, 23, 30, tzinfo=dt.UTC), resp_ip_bytes="7")
    world.settings = settings(keep=keep)
    world.put("2026-10-01/conn.log", tsv(flow("C1"), late))
    world.land()
    assert (world.received(D1), world.received(D2)) == ([7, 220], [])
    world.settings = world.settings.model_copy(update={"timezone": "Europe/Berlin"})
    parsed.clear()
    world.land(D2)
    assert parsed == ["2026-10-01/conn.log"]  # What is there is read; of what is gone the rows are dated anew.
    assert (world.received(D1), world.received(D2)) == ([220], [7])


def test_deleting_the_ledger_costs_time_never_rows(world: World, parsed: list[str]) -> None:
    world.put("2026-10-01/conn.log", tsv(flow("C1")))
    world.put("2026-10-01/conn2.log", tsv(flow("C2", 7, resp_bytes="x"), flow("C3", 9)))
    world.land()
    before = (world.received(), world.quarantine(), world.parquet())
    (world.root / "data" / "landing" / "ledger.jsonl").unlink()
    world.land()
    assert (world.received(), world.quarantine(), world.parquet()) == before
    assert len(parsed) == 4


@pytest.mark.parametrize("text", ["", "rubbish", "[]\n5\n", '{"networks": {}}\n{"source": 1}\n', "\x00", "{}\n{}\n"])
def test_a_spoilt_ledger_is_no_ledger(tmp_path: Path, text: str) -> None:
    storage = Storage(tmp_path)
    storage.write_text(LEDGER, text)
    found = Ledger.load(storage)
    assert (found.entries, found.networks) == ({}, {})
    assert found.damaged


def test_the_ledger_reads_back_as_it_was_stored(world: World, tmp_path: Path) -> None:
    world.put("2026-10-01/conn.log", tsv(flow("C1"))[:-5])
    world.land()
    stored = world.landing().ledger
    stored.save(Storage(tmp_path / "copy"))
    assert Ledger.load(Storage(tmp_path / "copy")) == stored
    lines = (tmp_path / "copy" / LEDGER).read_text().splitlines()
    assert str(tmp_path) not in "".join(lines)
    assert all(json.loads(line) for line in lines)


def test_landed_rows_that_were_deleted_are_landed_again(world: World) -> None:
    world.put("2026-10-01/conn.log", tsv(flow("C1")))
    world.land()
    shutil.rmtree(world.root / "data" / "landing" / "core")
    world.land()
    assert world.received() == [220]


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO])
def test_rows_in_a_folder_that_cannot_be_listed_are_not_forgotten(
    number: int, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.put("2026-10-01/conn.log", tsv(flow("C1")))
    world.land()
    (world.root / "logs/2026-10-01/conn.log").unlink()
    before, list_folder = world.landing().ledger.entries, os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("landing/core"):
            raise OSError(number, os.strerror(number), str(path))
        return list_folder(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", refuse)
        with pytest.raises(OSError, match=os.strerror(number)):
            world.land()
    assert world.landing().ledger.entries == before


def test_a_crash_before_the_ledger_is_stored_leaves_it_true(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that the stored ledger speaks of go only after a newer one is stored."""
    world.put("2026-10-01/conn.log", tsv(flow("C1")))
    world.land()
    world.put("2026-10-01/conn.log", tsv(flow("C2", 7)))
    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "save", lambda self, storage: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            world.land()
    assert world.received() == [220]
    world.land()
    assert (world.received(), len(world.parquet())) == ([7], 1)


# Files that cannot be read


def test_an_unreadable_file_fails_its_own_day_only(world: World) -> None:
    world.put("2026-10-01/conn.log", tsv(flow("C1")))
    world.put("2026-10-02/conn.log.gz", gzip.compress(tsv(flow("C2", day=D2)))[:-9])
    report = world.land()
    assert [p.message.partition(":")[0] for p in report.problems] == ["logs/2026-10-02/conn.log.gz"]
    assert world.received(D1) == [220]
    with pytest.raises(Exception, match=r"day 2026-10-02: logs/2026-10-02/conn.log.gz: cannot be read"):
        world.received(D2)


def test_an_unreadable_file_without_a_day_fails_the_days_of_its_beginning_in_the_sites_zone(flat: World) -> None:
    flat.settings = flat.settings.model_copy(update={"timezone": "Asia/Tokyo"})
    late = [conn(dt.datetime(2026, 10, 1, 20, tzinfo=dt.UTC), uid=f"C{n}") for n in range(5_000)]
    flat.put("conn.gz", gzip.compress(tsv(*late))[:-9])
    flat.land()
    assert flat.received(D1) == []
    with pytest.raises(Exception, match=r"conn.gz: cannot be read"):
        flat.received(D2)


def test_a_file_is_read_once_it_is_whole(world: World) -> None:
    whole = gzip.compress(tsv(flow("C1")))
    for data in (whole[:-9], whole):
        world.put("2026-10-01/conn.log", data)
        world.land()
    assert (world.received(), world.landing().land([D1]).problems) == ([220], [])


def test_a_file_that_became_unreadable_leaves_no_rows_and_no_quarantine(world: World) -> None:
    world.put("2026-10-01/conn.log", tsv(flow("C1", resp_bytes="x"), flow("C2")))
    world.land()
    world.put("2026-10-01/conn.log", b"\x1f\x8b" + b"\x00" * 50)
    world.land()
    assert (world.parquet(), world.quarantine()) == (set(), [])


def test_a_failure_late_in_a_large_file_leaves_no_parts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.intake.lander.ROWS_PER_FILE", 1)
    monkeypatch.setattr(LineStream.blocks, "__defaults__", (1, 700))
    world.put("2026-10-01/conn.log", gzip.compress(tsv(*(flow(f"C{n}") for n in range(50))))[:-9])
    world.land()
    assert world.parquet() == set()


@pytest.mark.parametrize("day", [None, "2026-10-09"])
@pytest.mark.parametrize("span", [(None, None), ("2026-10-02", "2026-10-04"), ("2026-10-02", "2026-10-02")])
@pytest.mark.parametrize("rows", [{}, {"2026-10-01": 3}, {"2026-10-05": 1, "2026-10-07": 2}])
def test_the_index_of_days_knows_what_entries_hold(
    day: str | None, span: tuple[str | None, str | None], rows: dict[str, int]
) -> None:
    entry = Entry("core", "a.log", 1, 1, "landed", "", day=day)
    entry.parts = [Part("a", rows=rows), Part("b", first_day=span[0], last_day=span[1])]
    ledger = Ledger({("core", "a.log"): entry})
    days = [D1 + dt.timedelta(days=n) for n in range(-2, 12)]
    assert [ledger.feeding(d) == [entry] for d in days] == [entry.holds(d) for d in days]
    entry.left_out = True
    ledger.changed()
    assert not any(ledger.feeding(d) for d in days)


@pytest.mark.parametrize(
    ("sources", "rule", "made"),
    [
        ("ab", "start", ["a", "b"]),
        ("ab", "end", ["a", "b"]),
        ("aa", "start", ["a"]),
        ("aa", "end", ["a", "a"]),
        ("-b", "start", []),
        ("-b", "end", []),
    ],
)
def test_sessions_that_only_last_into_a_day_are_looked_at_where_another_record_may_count_there(
    sources: str, rule: str, made: list[str]
) -> None:
    """The first file has a flow of the day, where there is one; a session of the other begins the day before."""
    ledger = Ledger()
    for number, source in enumerate(sources):
        first = D1 if number else D2
        entry = Entry(source, f"{number}.log", 1, 1, "landed", "")
        entry.parts = [Part("early", first_day="2026-09-01", last_day="2026-09-01"), Part("day")]
        entry.parts[1].first_day = entry.parts[1].last_day = first.isoformat()
        entry.parts[1].last_end = D2.isoformat()
        ledger.entries |= {(source, entry.name): entry} if source != "-" else {}
    found = ledger.made_from(D2, rule)
    assert [entry.source for entry, _ in found] == made
    assert {part.key for _, parts in found for part in parts} == ({"day"} if made else set())


def test_a_landing_that_goes_on_knows_what_it_landed_since(world: World) -> None:
    landing = world.landing()
    assert landing.ledger.feeding(D1) == []
    world.put("2026-10-01/conn.log", tsv(flow("C1")))
    landing.land([D1])
    assert [e.name for e in landing.ledger.feeding(D1)] == ["logs/2026-10-01/conn.log"]
    world.put("2026-10-01/conn2.log", tsv(flow("C2", 7)))
    landing.land([D1])
    assert len(landing.ledger.feeding(D1)) == 2

"""Landing: every file is parsed once in its life, grown ones from their end, and copies count once."""

import bz2
import datetime as dt
import gzip
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from pipeline.errors import SourceError
from pipeline.intake import keeping, landing
from pipeline.intake.ledger import Ledger
from pipeline.sources.reading import LineStream
from tests.oracle.zeek import conn, header, rows, tsv
from tests.pipeline.landings import D1, D2, NOON, World, flow, settings

# Once in its life


def test_a_file_is_parsed_once_however_often_its_days_are_run(world: World, parsed: list[str]) -> None:
    world.put("2026-10-01/conn.log", tsv(flow("C1"), flow("C2", day=D2)))
    for days in ([D1], [D2], [D1, D2], [D1]):
        world.land(*days)
    assert parsed == ["2026-10-01/conn.log"]
    assert (world.received(D1), world.received(D2)) == ([220], [220])


def test_a_range_run_reads_no_file_twice(flat: World, parsed: list[str]) -> None:
    flat.put("a.log", tsv(flow("C1"), flow("C2", day=D2)))
    flat.put("b.log", tsv(flow("C3", day=D2)))
    report = flat.land(*(D1 + dt.timedelta(days=n) for n in range(-30, 30)))
    assert (parsed, report.listed, report.landed) == (["a.log", "b.log"], 2, 2)


def test_files_of_other_days_are_not_read(world: World, parsed: list[str]) -> None:
    for day in ("2026-09-01", "2026-09-29", "2026-09-30", "2026-10-01", "2026-10-02", "2026-10-09"):
        world.put(f"{day}/conn.log", tsv(flow(day)))
    world.land(D1)
    assert parsed == ["2026-09-30/conn.log", "2026-10-01/conn.log", "2026-10-02/conn.log"]


def test_without_a_day_in_the_path_a_look_at_both_ends_tells_which_files_to_read(
    flat: World, parsed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landing, "SMALL_BYTES", 0)  # As if they were large.
    for number, name in enumerate("abcdefgh"):
        flat.put(f"{name}.log", tsv(flow(name, day=D1 + dt.timedelta(days=3 * number))))
    flat.land(D1)
    flat.land(D1)
    assert parsed == ["a.log"]
    assert flat.entry("h.log").state == "peeked"


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
def test_the_last_day_of_a_large_file_of_many_days_is_found(
    flat: World, mark: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landing, "SMALL_BYTES", 0)
    last = D1 + dt.timedelta(days=20)
    flat.put("a.log", mark + tsv(*[flow("C", 0, D1)] * 600, *(flow(f"C{n}", n, last) for n in range(1, 1_501))))
    flat.land(last)
    assert flat.received(last) == list(range(1, 1_501))


def test_a_look_that_was_taken_by_another_reading_of_the_file_is_taken_again(
    flat: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landing, "SMALL_BYTES", 0)  # As if it were large.
    far = D1 + dt.timedelta(days=9)
    flat.put("a.log", tsv(flow("C1")))
    flat.land(far)
    entry = flat.entry("a.log")
    assert (entry.state, entry.peek is not None) == ("peeked", True)
    other = flat.landing()
    other.ledger.entries[("core", "logs/a.log")].peek = [2_000_000_000_000_000] * 2  # What it had taken for times.
    other.ledger.save(other.storage)
    flat.land(D1)
    assert flat.entry("a.log").state == "peeked"
    monkeypatch.setattr(keeping, "CODE_VERSION", keeping.CODE_VERSION + 1)
    assert flat.landing().unread([D1]).keys() == {"core/logs/a.log"}
    flat.land(D1)
    assert (flat.entry("a.log").state, flat.received()) == ("landed", [220])


@pytest.mark.parametrize("end", [b"", b"\n"], ids=["cut", "whole"])
def test_a_small_file_is_read_without_a_look_before_and_not_kept_where_it_holds_none_of_the_days(
    flat: World, parsed: list[str], monkeypatch: pytest.MonkeyPatch, end: bytes
) -> None:
    looks = list[str]()
    monkeypatch.setattr(landing, "peek", lambda file, *_, **__: looks.append(file.name))
    far = D1 + dt.timedelta(days=9)
    flat.put("a.log", tsv(flow("C1")))
    flat.put("z.log", tsv(conn(id__resp_h="not an address"), flow("C2", day=far)).rstrip(b"\n") + end)
    report = flat.land(D1)
    assert (parsed, looks, report.landed) == (["a.log", "z.log"], [], 1)
    other = flat.entry("z.log")
    start = int(dt.datetime.combine(far, dt.time(12), dt.UTC).timestamp() * 1_000_000)
    assert (other.state, other.peek, other.parts, other.content) == ("peeked", [start, start], [], "")
    assert (flat.quarantine(), len(flat.parquet())) == ([], 1)
    flat.land(D1)
    assert len(parsed) == 2
    flat.land(far)
    assert (parsed[2:], looks, flat.received(far), flat.received(D1)) == (["z.log"], [], [220], [220])
    assert [name for name, _, _ in flat.quarantine()] == ["logs/z.log"]


def test_a_touched_file_is_not_read_anew(world: World, lines_read: list[int]) -> None:
    path = world.put("2026-10-01/conn.log", tsv(flow("C1")))
    world.land()
    lines_read.clear()
    path.touch()
    world.land()
    assert (lines_read, world.received()) == ([], [220])


# Grown files


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.ZstdCompressor().compress])
def test_a_grown_file_goes_on_where_it_ended(
    world: World, lines_read: list[int], pack: Callable[[bytes], bytes]
) -> None:
    text = tsv(flow("C1"), flow("C2", 7))
    world.put("2026-10-01/conn.log", pack(text))
    world.land()
    lines_read.clear()
    world.put("2026-10-01/conn.log", pack(text + rows([flow("C3", 9)]).encode()))
    world.land()
    assert (lines_read, world.received()) == ([8], [7, 9, 220])
    assert world.entry("2026-10-01/conn.log").account.flows == 3


@pytest.mark.parametrize("cut", [1, 40, -1])
def test_a_last_line_that_is_completed_later_counts_once(world: World, cut: int) -> None:
    last = rows([flow("C2", 7)]).encode()
    world.put("2026-10-01/conn.log", tsv(flow("C1")) + last[:cut])
    world.land()
    world.put("2026-10-01/conn.log", tsv(flow("C1")) + last + rows([flow("C3", 9)]).encode())
    world.land()
    assert world.received() == [7, 9, 220]
    account = world.entry("2026-10-01/conn.log").account
    assert (account.balanced, account.lines, account.quarantined) == (True, 8, {})
    assert world.quarantine() == []


def test_a_rejected_last_line_leaves_the_quarantine_when_it_is_completed(world: World) -> None:
    bad = rows([flow("C2", id__resp_h="192.0.2.1000")]).encode()
    world.put("2026-10-01/conn.log", tsv(flow("C1", resp_bytes="x")) + bad[:-1])
    world.land()
    name = "logs/2026-10-01/conn.log"
    assert world.quarantine() == [(name, 6, "bad_number"), (name, 7, "bad_address")]
    world.put(
        "2026-10-01/conn.log", tsv(flow("C1", resp_bytes="x")) + bad[:-1] + b"\tx\n" + rows([flow("C3")]).encode()
    )
    world.land()
    assert world.quarantine() == [(name, 6, "bad_number"), (name, 7, "too_many_fields")]
    assert world.entry("2026-10-01/conn.log").account.quarantined == {"bad_number": 1, "too_many_fields": 1}


def test_growing_step_by_step_gives_what_one_reading_gives(world: World, tmp_path: Path) -> None:
    text = tsv(flow("C1"), flow("C2", 7, resp_bytes="x"), flow("C3", 9)) + header(path="dns").encode() + b"a\tb\n"
    text += tsv(flow("C4", 11), fields=("id.resp_h", "ts", "id.orig_h", "resp_ip_bytes", "uid", "proto"))
    for end in [*range(1, len(text), 61), len(text)]:
        world.put("2026-10-01/conn.log", text[:end])
        world.land()
    other = World(tmp_path / "other", world.settings)
    other.put("2026-10-01/conn.log", text)
    other.land()
    assert world.received() == other.received() == [9, 11, 220]
    assert world.quarantine() == other.quarantine()
    name = "2026-10-01/conn.log"
    assert world.entry(name).account == other.entry(name).account
    assert world.entry(name).content == other.entry(name).content


def test_a_file_landed_empty_is_read_when_it_fills(world: World) -> None:
    for text in (b"", b"\n", header().encode(), tsv(flow("C1"))):
        world.put("2026-10-01/conn.log", text)
        world.land()
    assert world.received() == [220]


def test_a_byte_order_mark_does_not_disturb_going_on(world: World, lines_read: list[int]) -> None:
    text = b"\xef\xbb\xbf" + tsv(flow("C1"))
    world.put("2026-10-01/conn.log", text)
    world.land()
    world.put("2026-10-01/conn.log", text + rows([flow("C2", 7)]).encode())
    world.land()
    assert (world.received(), lines_read) == ([7, 220], [1, 7])


# Replaced, renamed, vanished, copied


def test_a_replaced_file_supersedes_its_old_rows(world: World) -> None:
    world.put("2026-10-01/conn.log", tsv(flow("C1"), flow("C2", 7, resp_bytes="x")))
    world.land()
    world.put("2026-10-01/conn.log", tsv(flow("C9", 5)))
    world.land()
    assert (world.received(), world.quarantine()) == ([5], [])
    assert len(world.parquet()) == 1


def test_a_file_replaced_by_one_of_its_size_and_time_is_read(world: World) -> None:
    path = world.put("2026-10-01/conn.log", tsv(flow("C1", 220)))
    world.land()
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    world.put("2026-10-01/conn.log", tsv(flow("C1", 999)))
    os.utime(path, ns=times)
    world.land()
    assert world.received() == [999]


def test_a_file_that_can_be_read_no_more_fails_every_day_it_held(world: World) -> None:
    name, whole = "2026-10-02/conn.log.gz", gzip.compress(tsv(flow("C1"), flow("C2", 7, day=D2)))
    world.put(name, whole)
    world.land()
    world.put(name, whole[:-12] + b"x")
    for _ in range(2):  # Seen for the first time, and tried again.
        world.land(D1)
        assert world.entry(name).state == "failed"
        for day in (D1, D2):
            with pytest.raises(SourceError, match=r"conn\.log\.gz"):
                world.received(day)
    assert world.received(D1 - dt.timedelta(days=1)) == []
    world.put(name, whole)
    world.land(D1)
    assert (world.received(D1), world.received(D2)) == ([220], [7])
    assert world.entry(name).former == []


def test_days_of_a_file_that_can_be_read_no_more_are_those_of_its_copy(flat: World) -> None:
    whole = gzip.compress(tsv(flow("C1"), flow("C2", 7, day=D2)))
    flat.put("a.log.gz", whole)
    flat.put("b.log.gz", whole)
    flat.land()
    flat.put("a.log.gz", whole[:-12] + b"x")
    flat.land()
    assert flat.entry("b.log.gz").state == "landed"
    assert flat.entry("a.log.gz").former == []


def test_a_file_replaced_by_one_of_other_days_gives_its_old_day_up(flat: World) -> None:
    flat.put("conn.log", tsv(flow("C1")))
    flat.land(D1)
    flat.put("conn.log", tsv(flow("C2", day=D1 + dt.timedelta(days=20))))
    flat.land(D1)
    assert flat.received(D1) == []


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.ZstdCompressor().compress])
def test_a_renamed_file_is_the_same_file(flat: World, pack: Callable[[bytes], bytes]) -> None:
    path = flat.put("conn.log", pack(tsv(flow("-"), flow("C2", 7, resp_bytes="x"))))
    flat.land()
    path.rename(path.with_name("conn.old"))
    flat.land()
    assert flat.received() == [220]
    assert flat.quarantine() == [("logs/conn.old", 7, "bad_number")]
    assert list(flat.landing().ledger.entries) == [("core", "logs/conn.old")]


def test_a_renamed_plain_file_is_not_parsed_again(flat: World, parsed: list[str]) -> None:
    path = flat.put("conn.log", tsv(flow("C1")))
    flat.land()
    path.rename(path.with_name("conn.old"))
    flat.land()
    assert parsed == ["conn.log"]


@pytest.mark.parametrize(
    "packs",
    [(bytes, gzip.compress), (gzip.compress, zstandard.ZstdCompressor().compress), (bytes, bz2.compress)],
)
def test_a_copy_counts_once_though_it_is_packed_otherwise(
    flat: World, packs: tuple[Callable[[bytes], bytes], ...]
) -> None:
    for name, pack in zip("ab", packs, strict=True):
        flat.put(name, pack(tsv(flow("-"), flow("-", 7, id__orig_p="7"), flow("-", resp_bytes="x"))))
    flat.land()
    assert (flat.received(), flat.entry("b").state) == ([7, 220], "duplicate")
    assert flat.quarantine() == [("logs/a", 8, "bad_number")]


def test_a_copy_stays_when_its_original_is_replaced(flat: World) -> None:
    flat.put("a.log", tsv(flow("C1"), flow("C2", resp_bytes="x")))
    flat.put("b.log", tsv(flow("C1"), flow("C2", resp_bytes="x")))
    flat.land()
    flat.put("a.log", tsv(flow("C9", 5)))
    flat.land()
    assert (flat.received(), flat.quarantine()) == ([5, 220], [("logs/b.log", 7, "bad_number")])


def test_a_copy_takes_over_when_its_original_vanishes(flat: World, parsed: list[str]) -> None:
    path = flat.put("a.log", tsv(flow("C1")))
    flat.put("b.log", tsv(flow("C1")))
    flat.land()
    path.unlink()
    flat.land()
    assert (flat.received(), flat.entry("b.log").state, parsed) == ([220], "landed", ["a.log"])


def test_rotation_moves_a_file_and_starts_a_new_one_under_its_name(flat: World) -> None:
    path = flat.put("conn.log", tsv(flow("C1")))
    flat.land()
    path.rename(path.with_name("a.log"))
    flat.put("conn.log", tsv(flow("C2", 7)))
    flat.land()
    assert flat.received() == [7, 220]


BROKEN = tsv(flow("C1", orig_ip_bytes="x"), flow("C2", orig_ip_bytes="-5"))


def test_a_file_without_a_line_that_can_be_read_is_named_until_it_has_one(flat: World) -> None:
    flat.put("conn.log", BROKEN)
    for _ in range(2):
        (told,) = flat.land().problems
        assert "logs/conn.log: has no line that could be read: 1 bad_number, 1 negative_bytes." in told.message
    flat.put("conn.log", BROKEN + rows([flow("C3", 9)]).encode())
    assert flat.land().problems == []


def test_a_file_without_a_line_that_can_be_read_is_named_on_the_day_of_its_path(world: World) -> None:
    world.put("2026-10-01/conn.log", BROKEN)
    assert (len(world.land(D1, D2).problems), world.land(D2).problems) == (1, [])


@pytest.mark.parametrize("moved", [None, "conn.1.log", "conn.1.log.gz", "elsewhere"])
def test_a_log_that_began_anew_is_named_where_no_file_has_what_it_held(flat: World, moved: str | None) -> None:
    former, new = tsv(flow("C1"), flow("C2", 7)), tsv(conn(NOON + dt.timedelta(hours=2), uid="C3", resp_ip_bytes="9"))
    flat.put("conn.log", former)
    flat.land()
    flat.put("conn.log", new)
    if moved is not None:
        more = former + rows([flow("C4", 11)]).encode()
        pack = gzip.compress if moved.endswith(".gz") else bytes
        flat.put(f"../old/{moved}" if moved == "elsewhere" else moved, pack(more))
    told = [p.message for p in flat.land().problems]
    if moved in (None, "elsewhere"):
        assert (len(told), "2 records had been read of it before, 1 now" in told[0], flat.received()) == (1, True, [9])
    else:
        assert (told, flat.received()) == ([], [7, 9, 11, 220])
    assert flat.land().problems == []


@pytest.mark.parametrize("left", [b"", tsv()], ids=["empty", "a header"])
def test_a_log_that_was_emptied_is_named_as_one_that_began_anew(flat: World, left: bytes) -> None:
    flat.put("conn.log", tsv(flow("C1")))
    flat.land()
    flat.put("conn.log", left)
    (told,) = [p.message for p in flat.land().problems]
    assert "began anew: 1 record had been read of it before, 0 now" in told
    assert flat.received() == []


def test_a_log_that_is_put_right_may_be_shorter(flat: World) -> None:
    flat.put("conn.log", tsv(flow("C1"), flow("C2", 7)))
    flat.land()
    flat.put("conn.log", tsv(flow("C2", 8)))
    assert (flat.land().problems, flat.received()) == ([], [8])


def test_quiet_files_that_look_alike_are_each_the_file_of_their_day(world: World) -> None:
    for day in ("2026-10-01", "2026-10-02"):
        world.put(f"{day}/conn.log", tsv())
    world.land()
    ledger = world.landing().ledger
    assert [e.state for e in ledger.entries.values()] == ["landed", "landed"]
    assert all(e.holds(d) and not e.left_out for e, d in zip(ledger.entries.values(), (D1, D2), strict=True))


def test_a_vanished_file_keeps_its_rows_and_is_marked(world: World) -> None:
    world.put("2026-10-01/conn.log", tsv(flow("C1"))).unlink()
    path = world.put("2026-10-01/conn.log", tsv(flow("C1")))
    world.land()
    path.unlink()
    report = world.land()
    assert (world.received(), world.entry("2026-10-01/conn.log").missing) == ([220], True)
    assert "no file matches" in report.problems[0].message
    retired = World(world.root, settings(retired="2026-10-02"))
    assert (retired.land().problems, retired.received()) == ([], [220])
    world.put("2026-10-01/conn.log", tsv(flow("C1")))
    world.land()
    assert (world.received(), world.entry("2026-10-01/conn.log").missing) == ([220], False)


def test_what_was_read_of_a_log_that_goes_while_it_is_read_again_stays(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = world.put("2026-10-01/conn.log", tsv(flow("C1")))
    world.land()
    world.put("2026-10-01/conn.log", tsv(flow("C1"), flow("C2", 7)))
    monkeypatch.setattr(landing, "content_size", lambda *_: path.rename(path.with_name("conn.1.log")) and None)
    assert world.land().problems == []
    assert world.received() == [220]
    monkeypatch.undo()
    world.land()
    assert world.received() == [7, 220]


def test_storing_the_ledger_of_many_files_costs_no_more_a_file(flat: World, monkeypatch: pytest.MonkeyPatch) -> None:
    stored, save = [], Ledger.save
    monkeypatch.setattr(landing, "SAVED", 2)
    monkeypatch.setattr(Ledger, "save", lambda self, to: (stored.append(len(self.entries)), save(self, to))[1])
    for number in range(120):
        flat.put(f"{number:03}.log", tsv(flow(f"C{number}")))
    assert flat.land(D1).landed == 120
    assert stored[-1] == 120  # and before it now and then, for a run that dies
    assert len(stored) > 4
    assert sum(stored) < 15 * 120


# What parts remember


def test_a_part_remembers_the_latest_end_of_all_its_files(flat: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.intake.lander.ROWS_PER_FILE", 1)
    monkeypatch.setattr(LineStream.blocks, "__defaults__", (1, 300))
    flat.put("a.log", tsv(flow("C1", duration="90000.0"), flow("C2"), flow("C3")))
    flat.land(D1)
    (part,) = flat.entry("a.log").parts
    assert (len(part.files) > 1, part.last_end, part.last_day) == (True, D2.isoformat(), D1.isoformat())


def test_a_log_that_grows_after_its_rows_were_pruned_is_read_whole(flat: World) -> None:
    path = flat.put("a.log", tsv(flow("C1", 7)))
    site = flat.landing()
    site.land([D1])
    site.prune(list(site.ledger.entries.values()))
    path.write_bytes(path.read_bytes() + rows([flow("C2", 9)]).encode())
    flat.land(D1)
    assert flat.received() == [7, 9]


@pytest.mark.parametrize(("valid_to", "read"), [(D1, 1), (D2, 2)])
def test_an_address_that_left_before_the_first_flow_is_looked_for_in_no_log(
    flat: World, parsed: list[str], valid_to: dt.date, read: int
) -> None:
    flat.put("a.log", tsv(flow("C1")))
    flat.land(D1)
    entry = {"address": "203.0.113.9", "category": "email_server", "valid_to": valid_to}
    told = flat.settings.model_dump() | {"inventory": [*flat.settings.model_dump()["inventory"], entry]}
    flat.settings = type(flat.settings).model_validate(told)
    flat.land(D1)
    assert len(parsed) == read

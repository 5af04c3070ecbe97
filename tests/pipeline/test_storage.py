"""Stored days: atomic replacement, fingerprints of content, provenance, file modes and damage."""

import datetime as dt
import os
import random
import stat
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.content import ContentHash, content_fingerprint
from pipeline.errors import StorageError
from pipeline.schemas import DAILY_TRAFFIC, FLOWS, TABLES
from pipeline.storage import (
    Storage,
    checked,
    digest,
    read_footer,
    replace_atomically,
)

DAY = dt.date(2026, 10, 1)
NEXT = DAY + dt.timedelta(days=1)
NOON = dt.datetime(2026, 10, 1, 12, tzinfo=dt.UTC)


def daily(*values: int | None) -> pl.DataFrame:
    """One row a client."""
    rows = [
        {"day": DAY, "measure": "m", "client": f"10.0.0.{n}", "bytes": v, "flows": 1, "flows_unknown": 0, "servers": 1}
        | {"first_start": NOON, "last_start": NOON}
        for n, v in enumerate(values, 1)
    ]
    return pl.DataFrame(rows, schema=DAILY_TRAFFIC.schema)


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(tmp_path / "data")


def write(storage: Storage, *values: int | None, day: dt.date = DAY) -> Path:
    storage.write_day(DAILY_TRAFFIC, day, daily(*values), inputs={"flows": "abc"}, facts={"clients": len(values)})
    return storage.path("daily_traffic", day)


def values(storage: Storage, day: dt.date = DAY) -> list[int | None]:
    return storage.read_day(DAILY_TRAFFIC, day)["bytes"].to_list()


def test_a_day_reads_back_as_written_with_its_record(storage: Storage) -> None:
    write(storage, 1, None, 3)
    record = storage.record("daily_traffic", DAY)
    assert values(storage) == [1, None, 3]
    assert record is not None
    assert (record.table, record.day, record.rows) == ("daily_traffic", DAY, 3)
    assert (record.inputs, record.facts) == ({"flows": "abc"}, {"clients": 3})
    assert record.fingerprint == content_fingerprint(daily(1, None, 3))


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_every_table_can_be_stored_empty(storage: Storage, table: Any) -> None:
    record = storage.write_day(table, DAY, table.empty(), inputs={})
    assert (record.rows, storage.read_day(table, DAY).schema) == (0, table.schema)


def test_missing_columns_become_null_and_extra_ones_go(storage: Storage) -> None:
    storage.write_day(DAILY_TRAFFIC, DAY, daily(1).drop("servers").with_columns(x=1), inputs={})
    assert storage.read_day(DAILY_TRAFFIC, DAY).columns == [c.name for c in DAILY_TRAFFIC.columns]


def test_days_are_listed_in_order_and_strangers_are_not_days(storage: Storage) -> None:
    for day in (NEXT, DAY):
        write(storage, 1, day=day)
    for stranger in ("day=rubbish", "day=2026-1-1", "day=20261003"):
        (storage.root / "daily_traffic" / stranger).mkdir()
        (storage.root / "daily_traffic" / stranger / "part.parquet").touch()
    assert storage.days("daily_traffic") == [DAY, NEXT]
    assert (storage.has("daily_traffic", DAY), storage.has("flows", DAY), storage.days("flows")) == (True, False, [])


def test_a_scan_takes_the_days_that_are_stored(storage: Storage) -> None:
    write(storage, 1)
    assert storage.scan(DAILY_TRAFFIC, [DAY, NEXT]).collect()["bytes"].to_list() == [1]
    assert storage.scan(DAILY_TRAFFIC, [NEXT]).collect().schema == DAILY_TRAFFIC.schema


# Fingerprints and bytes


def test_the_order_of_rows_changes_neither_fingerprint_nor_bytes(storage: Storage) -> None:
    before = write(storage, 1, 2, 3).read_bytes()
    storage.write_day(DAILY_TRAFFIC, DAY, daily(1, 2, 3).reverse(), inputs={"flows": "abc"}, facts={"clients": 3})
    assert storage.path("daily_traffic", DAY).read_bytes() == before


def test_equal_content_in_other_chunks_gives_equal_bytes(storage: Storage) -> None:
    before = write(storage, 1, 2, 3).read_bytes()
    parts = pl.concat([daily(1, 2, 3)[:1], daily(1, 2, 3)[1:]], rechunk=False)
    storage.write_day(DAILY_TRAFFIC, DAY, parts, inputs={"flows": "abc"}, facts={"clients": 3})
    assert storage.path("daily_traffic", DAY).read_bytes() == before


CHANGES: list[Callable[[pl.DataFrame], pl.DataFrame]] = [
    lambda f: f.with_columns(bytes=pl.lit(2, pl.Int64)),
    lambda f: f.with_columns(bytes=pl.lit(None, pl.Int64)),
    lambda f: f.with_columns(client=pl.lit(None, pl.String)),
    lambda f: f.with_columns(client=pl.lit("")),
    lambda f: f.with_columns(first_start=pl.col("first_start") + pl.duration(microseconds=1)),
    lambda f: f.clear(),
    lambda f: pl.concat([f, f]),
    lambda f: f.rename({"flows": "servers", "servers": "flows"}),
]


def test_fingerprints_tell_contents_apart_to_the_last_microsecond() -> None:
    frame = daily(1)
    prints = {content_fingerprint(change(frame)) for change in CHANGES} | {content_fingerprint(frame)}
    assert len(prints) == len(CHANGES) + 1


LIST_COLUMNS = [[["a", "b"], None, [], ["a"], [None], ["a", None]], [["a"], None], [["a"], ["b"]], [[None], ["b"]]]
LIST_COLUMNS += [
    [[None], None],
    [None, [None]],
    [[None]],
    [None],
    [[]],
    [[""]],
    [],
    [[], ["a", "b"]],
    [[""], ["a", "b"]],
]
LISTS = [[["a", "b"], None], [["ab"], None], [[], None], [None, ["a", "b"]], [["b", "a"], None], [["a"], ["b"]]]


def test_fingerprints_tell_lists_and_durations_apart() -> None:
    schema = {"src_category": pl.List(pl.String), "dest_category": pl.List(pl.String)}
    frames = [pl.DataFrame([row], schema=schema, orient="row") for row in LISTS]
    frames += [pl.DataFrame({"d": [dt.timedelta(microseconds=n)]}, schema={"d": pl.Duration("us")}) for n in (0, 1)]
    assert len({content_fingerprint(f) for f in frames}) == len(frames)


def test_fingerprints_tell_columns_of_lists_apart() -> None:
    """Whether the short way or the long one is taken depends on all lists of a column."""
    frames = [pl.DataFrame({"c": rows}, schema={"c": pl.List(pl.String)}) for rows in LIST_COLUMNS]
    assert len({content_fingerprint(f) for f in frames}) == len(frames)


SIZES = [[], [0], [1, 2], [65_536], [65_535, 65_537], [32_768, 131_072, 159_999], [131_072, 131_072]]


@pytest.mark.parametrize("cut", SIZES)
def test_fingerprints_do_not_show_the_slices(cut: list[int]) -> None:
    frame = pl.select(n=pl.int_range(160_000), same=pl.lit("a,b"), none=pl.lit(None, pl.String), half=pl.lit(0))
    frame = frame.with_columns(half=pl.when(pl.col("n") > 80_000).then(pl.lit(1)).otherwise("half"))
    content = ContentHash()
    for first, last in pairwise([0, *cut, frame.height]):
        content.update(frame.slice(first, last - first))
    assert (content.rows, content.fingerprint) == (160_000, content_fingerprint(frame))


MIXED = {
    "text": st.none() | st.text(max_size=20),
    "whole": st.none() | st.integers(-(2**40), 2**40),
    "real": st.none() | st.floats(allow_nan=False).map(lambda x: x + 0.0),
    "truth": st.none() | st.booleans(),
    "time": st.none() | st.dates(dt.date(2026, 1, 1)),
    "list": st.none() | st.lists(st.none() | st.sampled_from("abc"), max_size=3),
}
MIXED_TYPES = dict(
    zip(
        MIXED,
        (pl.String, pl.Int64, pl.Float64, pl.Boolean, pl.Date, pl.List(pl.String)),
        strict=True,
    )
)


@given(st.lists(st.fixed_dictionaries(MIXED), max_size=40), st.data())
def test_fingerprints_do_not_show_how_a_frame_came_about(rows: list[dict[str, object]], data: st.DataObject) -> None:
    """Cut out of larger frames, put together, filtered: what lies in memory beside the values differs each time."""
    frame = pl.DataFrame(rows, schema=MIXED_TYPES)
    more = pl.DataFrame(data.draw(st.lists(st.fixed_dictionaries(MIXED), max_size=9)), schema=MIXED_TYPES)
    cut = data.draw(st.integers(0, frame.height))
    others = [
        pl.concat([more, frame, more])[more.height : more.height + frame.height],
        pl.concat([frame[:cut], frame[cut:]], rechunk=False),
        pl.concat([frame[:cut], more, frame[cut:]]).filter(
            pl.Series([True] * cut + [False] * more.height + [True] * (frame.height - cut), dtype=pl.Boolean)
        ),
        pl.concat([frame, more]).sort(pl.int_range(pl.len()), descending=True).reverse().head(frame.height),
    ]
    assert {content_fingerprint(f) for f in others} == {content_fingerprint(frame)}


@given(st.lists(st.fixed_dictionaries(MIXED), min_size=1, max_size=6), st.data())
def test_fingerprints_show_every_change_of_a_value(rows: list[dict[str, object]], data: st.DataObject) -> None:
    row, column = data.draw(st.integers(0, len(rows) - 1)), data.draw(st.sampled_from(sorted(MIXED)))
    other = [dict(r) for r in rows]
    other[row][column] = data.draw(MIXED[column])
    one, two = (pl.DataFrame(r, schema=MIXED_TYPES) for r in (rows, other))
    assert (content_fingerprint(one) == content_fingerprint(two)) == one.equals(two)


def test_fingerprints_tell_apart_what_differs_in_one_value_of_many() -> None:
    same = pl.select(n=pl.repeat(7, 160_000), text=pl.repeat("x", 160_000))
    frames = [same, same[1:], same.rename({"n": "m"}), same.select("text", "n"), same.select("n")]
    for row in (0, 65_535, 65_536, 159_999):
        here = pl.int_range(pl.len()) == row
        frames += [same.with_columns(n=pl.when(here).then(other).otherwise("n")) for other in (8, None)]
        frames.append(same.with_columns(text=pl.when(here).then(pl.lit("")).otherwise("text")))
    assert len({content_fingerprint(f) for f in frames}) == len(frames)


def test_inputs_and_facts_are_no_part_of_the_fingerprint(storage: Storage) -> None:
    one = storage.write_day(DAILY_TRAFFIC, DAY, daily(1), inputs={"flows": "a"})
    two = storage.write_day(DAILY_TRAFFIC, DAY, daily(1), inputs={"flows": "b"}, facts={"x": 1})
    assert one.fingerprint == two.fingerprint


def test_digests_tell_where_one_part_ends() -> None:
    assert len({digest("ab"), digest("a", "b"), digest("", "ab"), digest("ab", ""), digest(b"abc")}) == 5
    assert digest("a") == digest(b"a")


# Replacing


def test_a_reader_during_a_write_sees_the_old_day(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    write(storage, 1)
    seen: list[list[int | None]] = []
    replace = os.replace

    def reading(source: Any, target: Any) -> None:
        seen.append(values(storage))
        replace(source, target)
        seen.append(values(storage))

    monkeypatch.setattr(os, "replace", reading)
    write(storage, 2)
    assert seen == [[1], [2]]


@pytest.mark.parametrize("call", ["replace", "fsync"])
def test_a_write_that_dies_leaves_the_old_day_and_no_rubbish(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = write(storage, 1)

    def dying(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, dying)
        with pytest.raises(OSError, match="No space"):
            write(storage, 2)
    assert (values(storage), list(path.parent.iterdir())) == ([1], [path])


def test_a_reader_that_opened_the_old_day_goes_on_reading_it(storage: Storage) -> None:
    with write(storage, 1).open("rb") as handle:
        write(storage, 2)
        assert pl.read_parquet(handle.read())["bytes"].to_list() == [1]


def test_stored_files_are_not_for_the_world(storage: Storage) -> None:
    storage.mark_failed(DAY, "flows", ["x"])
    old = os.umask(0o000)
    try:
        paths = [write(storage, 1), storage.root / "failed" / f"day={DAY}.json"]
    finally:
        os.umask(old)
    assert {stat.S_IMODE(p.stat().st_mode) for p in paths} == {0o640}


def test_replacing_makes_missing_folders(tmp_path: Path) -> None:
    replace_atomically(tmp_path / "a" / "b" / "c", lambda p: p.write_text("x"))
    assert (tmp_path / "a" / "b" / "c").read_text() == "x"


# Damage


def test_a_day_that_is_not_stored_says_how_to_make_it(storage: Storage) -> None:
    with pytest.raises(StorageError, match=r"day 2026-10-01: daily_traffic has no such day.*run --day 2026-10-01"):
        storage.read_day(DAILY_TRAFFIC, DAY)
    assert storage.record("daily_traffic", DAY) is None


@pytest.mark.parametrize("left", [0, 3, 11, 100, -1])
def test_a_cut_file_is_an_error_that_names_it_however_it_is_read(storage: Storage, left: int) -> None:
    path = write(storage, 1)
    path.write_bytes(path.read_bytes()[:left])
    reads: list[Callable[[], object]] = [
        lambda: storage.read_day(DAILY_TRAFFIC, DAY),
        lambda: storage.scan(DAILY_TRAFFIC, [DAY]),
        lambda: storage.record("daily_traffic", DAY),
        lambda: checked(path),
    ]
    for read in reads:
        with pytest.raises(StorageError, match=str(path)):
            read()


def test_spoilt_bytes_never_raise_anything_but_a_storage_error(storage: Storage) -> None:
    path, draws = write(storage, *range(200)), random.Random(7)
    whole = path.read_bytes()
    for _ in range(60):
        spoilt = bytearray(whole)
        for at in draws.sample(range(len(whole)), 3):
            spoilt[at] = draws.randrange(256)
        path.write_bytes(spoilt)
        try:
            storage.read_day(DAILY_TRAFFIC, DAY)
        except StorageError as error:
            assert str(path) in error.message


def test_a_panic_of_the_reader_is_a_storage_error(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    def panics(*_: object, **__: object) -> None:
        raise pl.exceptions.PanicException("assertion failed")

    write(storage, 1)
    monkeypatch.setattr(pl, "read_parquet", panics)
    with pytest.raises(StorageError, match="cannot be read"):
        storage.read_day(DAILY_TRAFFIC, DAY)


def test_a_strange_parquet_file_is_not_taken_for_one_of_ours(tmp_path: Path) -> None:
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "x.parquet")
    with pytest.raises(StorageError, match="was not written by nilometer"):
        read_footer(tmp_path / "x.parquet")
    Storage(tmp_path).write_parquet("y.parquet", pl.DataFrame({"a": [1]}), {"b": DAY})
    assert read_footer(tmp_path / "y.parquet") == {"b": "2026-10-01"}


def test_failed_days_are_remembered_until_they_are_cleared(storage: Storage) -> None:
    storage.mark_failed(NEXT, "flows", ["why"])
    storage.mark_failed(DAY, "alerts", ["a", "b"])
    assert (storage.failed_days(), storage.failure(DAY)) == ([DAY, NEXT], ("alerts", ["a", "b"]))
    storage.clear_failed(DAY)
    storage.clear_failed(DAY)
    assert (storage.failed_days(), storage.failure(DAY)) == ([NEXT], None)


def test_slices_are_stored_as_one_day_and_leave_nothing_behind(storage: Storage) -> None:
    frame = FLOWS.empty()
    record = storage.write_slices(FLOWS, DAY, [frame, frame], inputs={}, facts={})
    assert (record.rows, record.fingerprint) == (0, content_fingerprint(frame))
    assert len(list(storage.path("flows", DAY).parent.iterdir())) == 1


def test_small_files_are_replaced_whole_and_unfinished_ones_are_not_listed(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    assert storage.read_text("notes/a.json") is None
    assert storage.names("notes") == []
    storage.write_text("notes/a.json", "one")
    storage.write_text("notes/a.json", "two")
    (tmp_path / "notes" / ".b.json.1.tmp").write_text("half", encoding="utf-8")
    assert storage.read_text("notes/a.json") == "two"
    assert storage.names("notes") == ["notes/a.json"]
    storage.remove("notes/a.json")
    storage.remove("notes/a.json")
    assert storage.names("notes") == []

"""Stored days and small files that are damaged, foreign or left over from a process that was killed."""

import datetime as dt
import errno
import fcntl
import os
import resource
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest

from pipeline.disk import fault_message, limit_met, with_remedy, writing
from pipeline.errors import LimitError, StorageError
from pipeline.leftovers import temporary_suffix
from pipeline.locks import site_lock
from pipeline.schemas import DAILY_TRAFFIC
from pipeline.storage import FOOTER_KEY, Storage, read_footer

DAY = dt.date(2026, 10, 1)


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(tmp_path)


@pytest.fixture
def path(storage: Storage) -> Path:
    row = {"day": DAY, "measure": "m", "client": "10.0.0.1", "bytes": 7, "flows": 1}
    storage.write_day(DAILY_TRAFFIC, DAY, pl.DataFrame([row]), inputs={"flows": "a"})
    return storage.path("daily_traffic", DAY)


def dead_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


# File systems that lack something


def test_a_file_system_without_modes_and_folders_to_sync_is_written_to(
    storage: Storage, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = os.fsync

    def of_a_share(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        sync(handle)

    def of_fat(self: Path, mode: int) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted", str(self))

    monkeypatch.setattr(os, "fsync", of_a_share)
    monkeypatch.setattr(Path, "chmod", of_fat)
    row = {"day": DAY, "measure": "m", "client": "10.0.0.1", "bytes": 8, "flows": 1}
    storage.write_day(DAILY_TRAFFIC, DAY, pl.DataFrame([row]), inputs={"flows": "a"})
    assert storage.read_day(DAILY_TRAFFIC, DAY)["bytes"].to_list() == [8]


def test_a_file_system_without_locks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(_handle: int, _how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    with pytest.raises(OSError, match="No locks available") as fault, site_lock(Storage(tmp_path), wait=False):
        pass
    text = fault_message(fault.value) or ""
    assert text.startswith(f"{tmp_path / 'run.lock'}: No locks available. ")
    assert "flock" in text


# Left over


def test_what_dead_processes_left_half_written_goes_folders_too(storage: Storage, path: Path) -> None:
    dead = dead_process()
    half = path.with_name(f".part.parquet.{dead}.tmp")
    half.write_bytes(b"PAR1")
    folder = storage.root / "landing" / f".x1.{dead}.tmp"
    folder.mkdir(parents=True)
    (folder / "rows.ipc").write_bytes(b"x")
    own = path.with_name(f".part.parquet{temporary_suffix()}")
    own.write_bytes(b"")
    assert storage.remove_leftovers() == 3
    assert not half.exists() and not folder.exists() and not own.exists()
    assert storage.read_day(DAILY_TRAFFIC, DAY).height == 1


def test_what_a_living_process_writes_stays_unless_it_is_too_old_to_be_its(storage: Storage, path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as living:
        temporary = path.with_name(f".part.parquet.{living.pid}.tmp")
        temporary.write_bytes(b"PAR1")
        assert storage.remove_leftovers() == 0
        old = time.time() - 2 * 86_400
        os.utime(temporary, (old, old))
        assert storage.remove_leftovers() == 1
        living.kill()


def test_hidden_files_of_others_stay(storage: Storage, path: Path) -> None:
    strange = path.with_name(".notes.tmp")
    strange.write_text("mine", encoding="utf-8")
    assert storage.remove_leftovers() == 0
    assert strange.exists()


# Damaged


@pytest.mark.parametrize("change", [pl.exclude("bytes"), [pl.all(), pl.lit(1).alias("x")], pl.all().cast(pl.String)])
def test_a_stored_day_without_its_tables_columns_is_an_error_that_names_them(
    storage: Storage, path: Path, change: pl.Expr
) -> None:
    footer = pl.read_parquet_metadata(path)[FOOTER_KEY]
    pl.read_parquet(path).select(change).write_parquet(path, metadata={FOOTER_KEY: footer})
    for read in (
        lambda: storage.record("daily_traffic", DAY),
        lambda: storage.read_day(DAILY_TRAFFIC, DAY),
        lambda: storage.scan(DAILY_TRAFFIC, [DAY]),
    ):
        with pytest.raises(StorageError, match=r"column .*(bytes|x).*: .*columns.*Run its day again"):
            read()


def test_a_day_that_this_user_may_not_read_is_not_to_be_run_again(
    storage: Storage, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "open", refuse)  # Tests may run as root, who may read anything.
    with pytest.raises(StorageError, match=r"\(Permission denied\)\. Let this user read") as caught:
        storage.read_day(DAILY_TRAFFIC, DAY)
    assert "Run its day" not in str(caught.value)


@pytest.mark.parametrize("footer", ["", "{}", "[]", '{"table": "daily_traffic", "day": "never"}'])
def test_a_footer_that_does_not_read_is_a_storage_error(storage: Storage, path: Path, footer: str) -> None:
    pl.read_parquet(path).write_parquet(path, metadata={FOOTER_KEY: footer})
    with pytest.raises(StorageError, match="cannot be read"):
        storage.record("daily_traffic", DAY)


def test_a_damaged_marker_is_a_failed_day_all_the_same(storage: Storage) -> None:
    storage.mark_failed(DAY, "alerts", ["why"])
    for text in (b"", b"[]", b"{}", b'{"stage": "alerts", "reasons": 5}', b"\xff\xfe{", bytes(80)):
        (storage.root / "failed" / f"day={DAY}.json").write_bytes(text)
        found = storage.failure(DAY)
        assert found is not None
        assert "does not read" in found[1][0]
    assert storage.failed_days() == [DAY]


def test_files_of_others_among_the_markers_are_no_days(storage: Storage) -> None:
    storage.mark_failed(DAY, "alerts", ["why"])
    for name in ("notes.txt", "day=someday.json"):
        (storage.root / "failed" / name).write_text("x", encoding="utf-8")
    assert storage.failed_days() == [DAY]


def test_after_a_fault_the_table_that_does_not_read_to_its_end_is_found(storage: Storage, path: Path) -> None:
    assert storage.first_damage([DAY]) is None
    data = bytearray(path.read_bytes())
    data[4:60] = b"\xff" * 56
    path.write_bytes(data)
    found = storage.first_damage([DAY - dt.timedelta(days=1), DAY])
    assert found is not None
    assert str(path) in found.message


# Limits of the process


NO_THREAD = 'called `Result::unwrap()` on an `Err` value: Os { code: 11, kind: WouldBlock, message: "try again" }'


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (pl.exceptions.PanicException(NO_THREAD), "ulimit -u"),
        (pl.exceptions.PanicException("LazyLock instance has previously been poisoned"), "ulimit -u"),
        (RuntimeError("can't start new thread"), "ulimit -u"),
        (OSError("Too many open files (os error 24): /site/part.parquet"), "ulimit -n"),
        (OSError(errno.EMFILE, "Too many open files", "/site/part.parquet"), "ulimit -n"),
        (OSError("Input/output error (os error 5): /site/part.parquet"), None),
        (OSError(errno.EIO, "Input/output error"), None),
        (pl.exceptions.ComputeError("code: 11"), None),
    ],
)
def test_what_a_process_may_have_no_more_of_is_told_from_a_fault_of_the_file(
    error: BaseException, remedy: str | None
) -> None:
    found = limit_met(error)
    assert (found.remedy.split("(")[1][:9] if found else None) == remedy
    assert remedy is None or remedy in with_remedy(str(error))


def test_a_day_that_is_read_without_threads_is_not_called_damaged(
    storage: Storage, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_threads(*_: object, **__: object) -> None:
        raise pl.exceptions.PanicException(NO_THREAD)

    monkeypatch.setattr(pl, "read_parquet_metadata", without_threads)
    monkeypatch.setattr(pl, "read_parquet", without_threads)
    with pytest.raises(LimitError, match=r"no more threads.*ulimit -u"):
        read_footer(path)
    with pytest.raises(LimitError, match="no more threads"):
        storage.read_day(DAILY_TRAFFIC, DAY)
    with pytest.raises(LimitError):
        storage.first_damage([DAY])


# Disks that are full


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """No file may grow beyond so many bytes, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_write_that_the_disk_has_no_room_for_is_told_by_the_system_wherever_it_ends(tmp_path: Path) -> None:
    rows = pl.DataFrame({"n": range(40_000)}).with_columns(h=pl.col("n").hash())
    Storage(tmp_path).write_parquet("whole.parquet", rows, {"f": "x" * 500})
    size = (tmp_path / "whole.parquet").stat().st_size
    for limit in (0, 3, 1_000, size // 2, size - 900, size - 400, size - 8, size - 4, size - 1):
        with files_of_at_most(limit), pytest.raises(OSError, match="File too large") as error:
            Storage(tmp_path).write_parquet("part.parquet", rows, {"f": "x" * 500})
        assert error.value.errno == errno.EFBIG
        assert str(error.value.filename).startswith(str(tmp_path / ".part.parquet"))
    assert [p.name for p in tmp_path.iterdir()] == ["whole.parquet"]


def test_a_file_that_polars_may_not_create_is_told_by_the_systems_number(tmp_path: Path) -> None:
    place = tmp_path / "gone" / "part.parquet"
    with pytest.raises(FileNotFoundError) as fault, writing(place):
        pl.LazyFrame({"a": [1]}).sink_parquet(place)
    assert (fault.value.errno, fault.value.filename) == (errno.ENOENT, str(place))


def test_text_that_the_disk_has_no_room_for_names_its_file(tmp_path: Path) -> None:
    with files_of_at_most(10), pytest.raises(OSError, match=r"File too large: .*/\.a\.json"):
        Storage(tmp_path).write_text("failed/a.json", "x" * 20)


def test_a_fault_of_polars_that_is_none_of_the_disks_stays_what_it_is(tmp_path: Path) -> None:
    rows = pl.LazyFrame({"n": ["a"]}).with_columns(pl.col("n").cast(pl.Int64))
    with pytest.raises(pl.exceptions.InvalidOperationError):
        Storage(tmp_path).write_parquet("part.parquet", rows, {})
    assert not list(tmp_path.iterdir())

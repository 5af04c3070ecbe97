"""Day-partitioned Parquet tables: one file a table a day, replaced atomically, with provenance in the footer.

A reader sees the old day or the new day, never half of one. What the rows mean, and when a day must be made again, is
decided elsewhere; here only bytes, footers and fingerprints live.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import polars as pl
from polars.io.plugins import register_io_source

from pipeline.days import parse_day
from pipeline.errors import Location, StorageError
from pipeline.schemas import TABLES, Table

FOOTER_KEY = "nilometer"
FILE_MODE = 0o640
ROW_GROUP_SIZE = 65_536
_HASHED_ROWS = 16_384
"""Rows that are hashed at once: few enough for their text to stay near the processor. A part of the definition."""
DAMAGE = (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException)
"""What Polars raises at a damaged file; a panic is no Exception, and would end a whole run."""
_MAGIC = b"PAR1"
_AGAIN = "Run its day again; what is stored is replaced."
_OLD_SECONDS = 86_400
"""A temporary older than this is no longer being written, whoever has its maker's number now."""


@dataclass(frozen=True)
class DayRecord:
    """What a stored day says of itself: rows, fingerprint of its content, and what it was made from."""

    table: str
    day: dt.date
    rows: int
    fingerprint: str
    inputs: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def footer(self) -> dict[str, Any]:
        """The record as it stands in the file."""
        return {
            "table": self.table,
            "day": self.day.isoformat(),
            "rows": self.rows,
            "fingerprint": self.fingerprint,
            "inputs": self.inputs,
            "facts": self.facts,
        }


def digest(*parts: str | bytes) -> str:
    """A short stable hash (128 bits of SHA-256, hex) of an ordered list of texts."""
    hasher = hashlib.sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        hasher.update(len(raw).to_bytes(8, "big") + raw)
    return hasher.hexdigest()[:32]


class ContentHash:
    """Hash of a table's logical content, slice by slice: names, order and values, not the bytes of its file.

    SHA-256 over stretches of so many rows, counted from the first row, so that slices do not show. Of each stretch:
    its rows; the columns that hold one value throughout, as CSV of one row; the others as CSV of all rows. Times and
    durations are written as numbers.
    """

    def __init__(self) -> None:
        self._hasher = hashlib.sha256()
        self._rest: pl.DataFrame | None = None
        self.rows = 0

    def update(self, frame: pl.DataFrame) -> None:
        """Take in the next rows."""
        known = [frame] if self._rest is None else [self._rest, frame]
        *whole, self._rest = in_groups(known, _HASHED_ROWS)
        for stretch in whole:
            self._hasher.update(_as_text(stretch))
        self.rows += frame.height

    @property
    def fingerprint(self) -> str:
        """128 bits, hex."""
        hasher = self._hasher.copy()
        if self._rest is not None:
            hasher.update(_as_text(self._rest))
        return hasher.hexdigest()[:32]


def _as_text(frame: pl.DataFrame) -> memoryview:
    """What is hashed of a stretch of rows."""
    lists = [pl.col(c).list.join("\x1f", ignore_nulls=False) for c, t in frame.schema.items() if t == pl.List]
    # Times as numbers: writing them out as dates costs more than all the rest.
    times = [pl.col(c).to_physical() for c, t in frame.schema.items() if t in (pl.Datetime, pl.Duration)]
    plain = frame.with_columns(lists + times)
    same = [s.name for s in plain if _is_one_value(s)]
    text = io.BytesIO(f"{frame.height} rows, {len(same)} columns of one value\n".encode())
    text.seek(0, io.SEEK_END)
    for part in (plain.select(same).head(1), plain.drop(same)):
        if part.width:
            part.write_csv(text, null_value="\\N", quote_style="necessary")
    return text.getbuffer()


def _is_one_value(values: pl.Series) -> bool:
    """Whether all values are the same, or all unknown."""
    unknown = values.null_count()
    return unknown == values.len() or (unknown == 0 and values[0] == values[-1] and bool((values == values[0]).all()))


def content_fingerprint(frame: pl.DataFrame) -> str:
    """Hash of a frame's logical content."""
    content = ContentHash()
    content.update(frame)
    return content.fingerprint


def replace_atomically(path: Path, write: Any) -> None:
    """Call write(temporary path) beside path, then move the result into place and make it durable."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}{temporary_suffix()}")
    try:
        write(temporary)
        temporary.chmod(FILE_MODE)
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def temporary_suffix() -> str:
    """How the name of a temporary file or folder ends, which begins with a dot: it tells who made it."""
    return f".{os.getpid()}.tmp"


def _is_left_over(path: Path) -> bool:
    """Whether a temporary's maker is gone, or its number is another process's by now, as its age tells."""
    maker = path.name.split(".")[-2]
    if not maker.isdecimal():
        return False
    try:
        if int(maker) != os.getpid():
            os.kill(int(maker), 0)
            return time.time() - path.stat().st_mtime > _OLD_SECONDS
    except PermissionError:
        return False
    except (OSError, OverflowError):
        return path.exists()
    return True


def _sync_folder(folder: Path) -> None:
    """Make a new name in the folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_parquet(
    path: Path,
    frame: pl.DataFrame | pl.LazyFrame,
    footer: Mapping[str, Any] | Callable[[], Mapping[str, Any]],
    row_group_size: int = ROW_GROUP_SIZE,
) -> None:
    """Write one frame, or a lazy one streaming in its order, as zstd Parquet with our footer, atomically.

    Args:
        path: where to; what is there is replaced.
        frame: the rows.
        footer: what the file says of itself; a function is asked when all rows are written.
        row_group_size: rows a row group.
    """

    def meta(_context: object = None) -> dict[str, str]:
        return {FOOTER_KEY: json.dumps(footer() if callable(footer) else footer, sort_keys=True, default=str)}

    replace_atomically(
        path,
        lambda p: frame.lazy().sink_parquet(
            p, compression="zstd", compression_level=1, row_group_size=row_group_size, statistics=True, metadata=meta
        ),
    )


def in_groups(frames: Iterable[pl.DataFrame], rows: int) -> Iterator[pl.DataFrame]:
    """The rows of all frames, in order, in frames of so many rows in one piece each; the last may have fewer."""
    rest: pl.DataFrame | None = None
    for frame in frames:
        rest = frame if rest is None or rest.is_empty() else pl.concat([rest, frame])
        for start in range(0, rest.height - rows, rows):
            yield rest.slice(start, rows).rechunk()
        rest = rest.slice(max(0, (rest.height - 1) // rows) * rows)
    if rest is not None:
        yield rest.rechunk()


def checked(path: Path) -> Path:
    """The path of a Parquet file that is whole at both ends; raises StorageError when it is not there or was cut."""
    try:
        with path.open("rb") as handle:
            head, size = handle.read(4), handle.seek(0, os.SEEK_END)
            handle.seek(-min(8, size), os.SEEK_END)
            tail = handle.read()
        damage = "" if head == tail[-4:] == _MAGIC and int.from_bytes(tail[:4], "little") + 12 <= size else "it was cut"
    except OSError as error:
        damage = str(error.strerror)
    if damage:
        raise _unreadable(path, damage)
    return path


def fitting(path: Path, table: str) -> Path:
    """The path of a stored day that is whole at both ends and has its table's columns; raises StorageError if not."""
    try:
        have = dict(pl.read_parquet_schema(checked(path)))
    except DAMAGE as error:
        raise _unreadable(path, error) from error
    want = dict(TABLES[table].schema) if table in TABLES else have
    wrong = sorted(c for c in {*have, *want} if have.get(c) != want.get(c))
    if wrong:
        raise StorageError(
            "this stored day does not have its table's columns, or has them with other types.",
            where=Location(file=str(path), column=", ".join(wrong[:5])),
            remedy=_AGAIN,
        )
    return path


def _unreadable(path: Path, why: object) -> StorageError:
    return StorageError(f"this Parquet file cannot be read ({why}).", where=Location(file=str(path)), remedy=_AGAIN)


def read_footer(path: Path) -> dict[str, Any]:
    """The footer written by write_parquet; raises StorageError when the file is not one of ours."""
    try:
        found = pl.read_parquet_metadata(path).get(FOOTER_KEY)
        loaded: dict[str, Any] = json.loads(found) if found is not None else {}
    except (*DAMAGE, ValueError) as error:
        raise _unreadable(path, error) from error
    if found is None:
        raise StorageError(
            "this Parquet file was not written by nilometer.",
            where=Location(file=str(path)),
            remedy="Move it out of the storage folder.",
        )
    return loaded


class Storage:
    """The tables of one site below one folder; all access to stored days goes through here."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, table: str, day: dt.date) -> Path:
        """Where a day of a table lives."""
        return self.root / table / f"day={day.isoformat()}" / "part.parquet"

    def write_day(
        self,
        table: Table,
        day: dt.date,
        frame: pl.DataFrame,
        *,
        inputs: Mapping[str, str],
        facts: Mapping[str, Any] | None = None,
    ) -> DayRecord:
        """Store a day, replacing what was there. The frame is conformed to the schema and sorted by key."""
        return self.write_slices(table, day, [table.conform(frame)], inputs=inputs, facts=facts or {})

    def write_slices(
        self,
        table: Table,
        day: dt.date,
        slices: Iterable[pl.DataFrame],
        *,
        inputs: Mapping[str, str],
        facts: Mapping[str, Any],
    ) -> DayRecord:
        """Store a day from conformed frames that follow each other in key order, and are written as they come.

        Facts are read when the slices are through. How the day is cut into slices does not show in the file's bytes.
        """
        content, size = ContentHash(), table.row_group_size or ROW_GROUP_SIZE

        def groups() -> Iterator[pl.DataFrame]:
            for group in in_groups(chain([table.empty()], slices), size):
                content.update(group)
                yield group

        def record() -> DayRecord:
            return DayRecord(table.name, day, content.rows, content.fingerprint, dict(inputs), dict(facts))

        rows = register_io_source(lambda *_: groups(), schema=table.schema)
        write_parquet(self.path(table.name, day), rows, lambda: record().footer, size)
        return record()

    def record(self, table: str, day: dt.date) -> DayRecord | None:
        """The stored day's own record, or None when the day is not stored."""
        path = self.path(table, day)
        if not path.exists():
            return None
        f = read_footer(fitting(path, table))
        try:
            return DayRecord(f["table"], parse_day(f["day"]), f["rows"], f["fingerprint"], f["inputs"], f["facts"])
        except (LookupError, TypeError, ValueError) as error:
            raise _unreadable(path, f"its footer lacks {error}") from error

    def has(self, table: str, day: dt.date) -> bool:
        """Whether the day is stored."""
        return self.path(table, day).exists()

    def read_day(self, table: Table, day: dt.date) -> pl.DataFrame:
        """The stored rows of a day; raises StorageError when the day is not stored."""
        path = self.path(table.name, day)
        if not path.exists():
            raise StorageError(
                f"{table.name} has no such day.",
                where=Location(day=day.isoformat()),
                remedy=f"Run it: nilometer run --day {day}.",
            )
        try:
            return pl.read_parquet(fitting(path, table.name), hive_partitioning=False)
        except DAMAGE as error:
            raise _unreadable(path, error) from error

    def scan(self, table: Table, days: Iterable[dt.date]) -> pl.LazyFrame:
        """A lazy frame over those of the days that are stored; empty with the right schema when none is."""
        paths = [fitting(p, table.name) for d in days if (p := self.path(table.name, d)).exists()]
        if not paths:
            return table.empty().lazy()
        return pl.scan_parquet(paths, hive_partitioning=False)

    def first_damage(self, days: Iterable[dt.date]) -> StorageError | None:
        """The first stored table of the days that does not read to its end; for after a fault, as it reads all."""
        for day in days:
            for table in TABLES.values():
                try:
                    if self.has(table.name, day):
                        self.read_day(table, day)
                except StorageError as error:
                    return error
        return None

    def days(self, table: str) -> list[dt.date]:
        """All stored days of a table, in order."""
        return _days_named(p.parent.name for p in (self.root / table).glob("day=*/part.parquet"))

    # Small files beside the tables, by their name below the root ("failed/day=2026-11-01.json").

    def read_text(self, name: str) -> str | None:
        """The text of a small file, or None when there is none."""
        try:
            return (self.root / name).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    def write_text(self, name: str, text: str) -> None:
        """Replace a small file; a reader sees the old text or the new one."""
        replace_atomically(self.root / name, lambda p: p.write_text(text, encoding="utf-8"))

    def remove(self, name: str) -> None:
        """Delete a file; nothing happens when there is none."""
        (self.root / name).unlink(missing_ok=True)

    def names(self, folder: str) -> list[str]:
        """The finished files right below a folder, as names below the root, in order."""
        found = (self.root / folder).iterdir() if (self.root / folder).is_dir() else ()
        return sorted(f"{folder}/{p.name}" for p in found if p.is_file() and not p.name.startswith("."))

    def remove_leftovers(self) -> int:
        """Delete what killed processes left half-written; how many. Call it under the site's lock, before writing."""
        found = [p for p in self.root.rglob(".*.tmp") if _is_left_over(p)]
        for path in found:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        return len(found)

    # Failed days: a small marker that later stages skip and status shows; success removes it.

    def mark_failed(self, day: dt.date, stage: str, reasons: list[str]) -> None:
        """Remember that a stage could not make this day, and why."""
        self.write_text(_marker(day), json.dumps({"stage": stage, "reasons": reasons}, sort_keys=True))

    def clear_failed(self, day: dt.date) -> None:
        """Forget an earlier failure of this day."""
        self.remove(_marker(day))

    def failure(self, day: dt.date) -> tuple[str, list[str]] | None:
        """(stage, reasons) of a failed day, or None."""
        text = self.read_text(_marker(day))
        if text is None:
            return None
        try:
            loaded = json.loads(text)
            return str(loaded["stage"]), [str(r) for r in loaded["reasons"]]
        except (ValueError, LookupError, TypeError):
            return "flows", [f"{_marker(day)} does not read, so why the day failed is not known. Run the day again."]

    def failed_days(self) -> list[dt.date]:
        """All days with a failure marker, in order."""
        return _days_named(n.rpartition("/")[2].removesuffix(".json") for n in self.names("failed"))


def _days_named(names: Iterable[str]) -> list[dt.date]:
    """The days in names like "day=2026-11-01", in order; other names are no days."""
    found = []
    for name in names:
        with suppress(ValueError):
            found.append(parse_day(name.removeprefix("day=")))
    return sorted(found)


def _marker(day: dt.date) -> str:
    return f"failed/day={day.isoformat()}.json"

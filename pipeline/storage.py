"""Day-partitioned Parquet tables: one file a table a day, replaced atomically, with provenance in the footer.

A reader sees the old day or the new day, never half of one. What the rows mean, and when a day must be made again, is
decided elsewhere; here only bytes, footers and fingerprints live. Whether they lie in a folder or in an object store
is known to `pipeline.objects`.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import polars as pl
from polars.io.plugins import register_io_source

from pipeline.days import parse_day
from pipeline.errors import Location, StorageError
from pipeline.objects import LocalObjects, Objects
from pipeline.schemas import Table

FOOTER_KEY = "nilometer"
FILE_MODE = 0o640
ROW_GROUP_SIZE = 65_536
_HASHED_ROWS = 16_384
"""Rows that are hashed at once: few enough for their text to stay near the processor. A part of the definition."""
DAMAGE = (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException)
"""What Polars raises at a damaged file; a panic is no Exception, and would end a whole run."""
_MAGIC = b"PAR1"


@dataclass(frozen=True)
class DayRecord:
    """What a stored day says of itself: rows, fingerprint of its content, and what it was made from."""

    table: str
    day: dt.date
    rows: int
    fingerprint: str
    inputs: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    pruned: str = ""
    """The day its rows were pruned, YYYY-MM-DD; empty while they are stored."""

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
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(temporary)
        temporary.chmod(FILE_MODE)
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Make a new name in the folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


Footer = Mapping[str, Any] | Callable[[], Mapping[str, Any]]
"""What a file says of itself; a function is asked when all rows are written."""


def write_parquet(
    path: Path, frame: pl.DataFrame | pl.LazyFrame, footer: Footer, row_group_size: int = ROW_GROUP_SIZE
) -> None:
    """Write one frame, or a lazy one streaming in its order, as zstd Parquet with our footer, atomically.

    Args:
        path: where to; what is there is replaced.
        frame: the rows.
        footer: what the file says of itself.
        row_group_size: rows a row group.
    """
    replace_atomically(path, _writer(frame, footer, row_group_size))


def _writer(frame: pl.DataFrame | pl.LazyFrame, footer: Footer, row_group_size: int) -> Callable[[Path], None]:
    def meta(_context: object = None) -> dict[str, str]:
        return {FOOTER_KEY: json.dumps(footer() if callable(footer) else footer, sort_keys=True, default=str)}

    return lambda path: frame.lazy().sink_parquet(
        path, compression="zstd", compression_level=1, row_group_size=row_group_size, statistics=True, metadata=meta
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


def checked(path: Path, where: str | None = None) -> Path:
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
        raise StorageError(
            f"this Parquet file cannot be read ({damage}).",
            where=Location(file=where or str(path)),
            remedy="Remove it and run its day again.",
        )
    return path


def read_footer(path: Path, where: str | None = None) -> dict[str, Any]:
    """The footer written by write_parquet, from a file or its last bytes; raises StorageError when it is not ours."""
    place = Location(file=where or str(path))
    try:
        found = pl.read_parquet_metadata(path).get(FOOTER_KEY)
    except DAMAGE as error:
        raise StorageError(
            f"this Parquet file cannot be read ({error}).",
            where=place,
            remedy="Remove it and run its day again.",
        ) from error
    if found is None:
        raise StorageError(
            "this Parquet file was not written by nilometer.",
            where=place,
            remedy="Move it out of the storage folder.",
        )
    loaded: dict[str, Any] = json.loads(found)
    return loaded


class Storage:
    """The tables of one site below one root; all access to stored days goes through here."""

    def __init__(self, root: Path | Objects) -> None:
        """A folder, or any other place of objects."""
        self.objects: Objects = LocalObjects(root, _replace) if isinstance(root, Path) else root

    @property
    def root(self) -> Path:
        """The tables' folder; raises StorageError when they lie in an object store."""
        if isinstance(self.objects, LocalObjects):
            return self.objects.root
        raise StorageError("the tables lie in an object store, not in a folder.")

    @property
    def place(self) -> str:
        """The folder, or the URL."""
        return self.objects.where("").rstrip("/")

    @property
    def workspace(self) -> Path:
        """A folder of this machine: for the lock, and for what is on its way."""
        return self.objects.workspace

    def path(self, table: str, day: dt.date) -> Path:
        """Where a day of a table lies, in a folder."""
        return self.root / day_name(table, day)

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
        self.write_parquet(day_name(table.name, day), rows, lambda: record().footer, size)
        self.remove(_tombstone(table.name, day))
        return record()

    def record(self, table: str, day: dt.date) -> DayRecord | None:
        """The stored day's own record, or that of a pruned day; None when the day was never stored."""
        name = day_name(table, day)
        end = self.objects.end(name)
        if end is None:
            return self._pruned(table, day)
        f = read_footer(end, self.objects.where(name))
        return DayRecord(f["table"], parse_day(f["day"]), f["rows"], f["fingerprint"], f["inputs"], f["facts"])

    # Pruned days: their rows are gone on purpose, their record stays, so that what was made of them stays true.

    def _pruned(self, table: str, day: dt.date) -> DayRecord | None:
        text = self.read_text(_tombstone(table, day))
        if text is None:
            return None
        f = json.loads(text)
        return DayRecord(table, day, f["rows"], f["fingerprint"], f["inputs"], f["facts"], f["pruned"])

    def prune_day(self, table: str, day: dt.date, today: dt.date) -> None:
        """Delete a stored day's rows and keep its record; done again after a crash, it ends the same."""
        record = self.record(table, day)
        if record is None or record.pruned:
            return
        self.write_text(_tombstone(table, day), json.dumps(record.footer | {"pruned": str(today)}, sort_keys=True))
        self.remove(day_name(table, day))

    def pruned_days(self, table: str) -> list[dt.date]:
        """All days of a table whose rows were pruned, in order."""
        names = (n.rpartition("/")[2] for n in self.names(f"pruned/{table}"))
        found = (parse_day(n.removeprefix("day=").removesuffix(".json")) for n in names)
        return sorted(d for d in found if not self.has(table, d))

    def has(self, table: str, day: dt.date) -> bool:
        """Whether the day is stored."""
        return self.objects.exists(day_name(table, day))

    def read_day(self, table: Table, day: dt.date) -> pl.DataFrame:
        """The stored rows of a day; raises StorageError when the day is not stored."""
        name = day_name(table.name, day)
        path = self.objects.fetch([name])[0]
        if path is None:
            raise StorageError(
                f"{table.name} has no such day.",
                where=Location(day=day.isoformat()),
                remedy=f"Run it: nilometer run --day {day}.",
            )
        try:
            return pl.read_parquet(path, hive_partitioning=False)
        except DAMAGE as error:
            raise StorageError(
                f"a stored day cannot be read ({error}).",
                where=Location(file=self.objects.where(name), day=day.isoformat()),
                remedy="Remove it and run its day again.",
            ) from error

    def scan(self, table: Table, days: Iterable[dt.date]) -> pl.LazyFrame:
        """A lazy frame over those of the days that are stored; empty with the right schema when none is."""
        paths = self.paths([day_name(table.name, d) for d in days])
        if not paths:
            return table.empty().lazy()
        return pl.scan_parquet(paths, hive_partitioning=False)

    def days(self, table: str) -> list[dt.date]:
        """All stored days of a table, in order."""
        found = []
        for name in self.objects.below(table):
            match name.split("/"):
                case [_, folder, "part.parquet"] if folder.startswith("day="):
                    with suppress(ValueError):
                        found.append(parse_day(folder.removeprefix("day=")))
        return sorted(found)

    # Files beside the tables, by their name below the root ("failed/day=2026-11-01.json").

    def write_parquet(
        self,
        name: str,
        frame: pl.DataFrame | pl.LazyFrame,
        footer: Footer,
        row_group_size: int = ROW_GROUP_SIZE,
    ) -> None:
        """Replace a Parquet file, as the function of this name does."""
        self.objects.put(name, _writer(frame, footer, row_group_size))

    def paths(self, names: Sequence[str]) -> list[Path]:
        """Those of the Parquet files that are there, as local files that are whole at both ends, in order."""
        found = zip(names, self.objects.fetch(names), strict=True)
        return [checked(path, self.objects.where(name)) for name, path in found if path is not None]

    def whole(self, names: Sequence[str]) -> list[Path]:
        """As paths, but raises StorageError when one of the files is not there."""
        found = self.paths(names)
        if len(found) < len(names):
            gone = next(n for n in names if not self.objects.exists(n))
            raise StorageError("this file is gone.", where=Location(file=self.objects.where(gone)), remedy="Run again.")
        return found

    def read_text(self, name: str) -> str | None:
        """The text of a small file, or None when there is none."""
        raw = self.objects.read(name)
        return None if raw is None else raw.decode("utf-8")

    def write_text(self, name: str, text: str) -> None:
        """Replace a small file; a reader sees the old text or the new one."""
        self.objects.put(name, lambda p: p.write_text(text, encoding="utf-8"))

    def remove(self, name: str) -> None:
        """Delete a file; nothing happens when there is none."""
        self.objects.remove(name)

    def size(self, name: str) -> int:
        """Bytes of a file; 0 when there is none."""
        return self.objects.size(name)

    def names(self, folder: str) -> list[str]:
        """The finished files right below a folder, as names below the root, in order."""
        return self.objects.names(folder)

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
        loaded = json.loads(text)
        return loaded["stage"], loaded["reasons"]

    def failed_days(self) -> list[dt.date]:
        """All days with a failure marker, in order."""
        names = (n.rpartition("/")[2] for n in self.names("failed"))
        return sorted(parse_day(n.removeprefix("day=").removesuffix(".json")) for n in names)


def _replace(path: Path, write: Callable[[Path], Any]) -> None:
    """As replace_atomically, by the name it has when it is called."""
    replace_atomically(path, write)


def day_name(table: str, day: dt.date) -> str:
    """The name of a stored day, below the root."""
    return f"{table}/day={day.isoformat()}/part.parquet"


def _tombstone(table: str, day: dt.date) -> str:
    return f"pruned/{table}/day={day.isoformat()}.json"


def _marker(day: dt.date) -> str:
    return f"failed/day={day.isoformat()}.json"

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
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.days import parse_day
from pipeline.errors import Location, StorageError
from pipeline.schemas import Table

FOOTER_KEY = "nilometer"
FILE_MODE = 0o640
ROW_GROUP_SIZE = 65_536
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
    """Hash of a table's logical content, slice by slice: names, order and values, not the bytes of its file."""

    def __init__(self) -> None:
        self._hasher = hashlib.sha256()
        self.rows: int | None = None

    def update(self, frame: pl.DataFrame) -> None:
        """Take in the next rows."""
        lists = [pl.col(c).list.join("\x1f", ignore_nulls=False) for c, t in frame.schema.items() if t == pl.List]
        # Times as numbers: writing them out as dates costs more than all the rest.
        times = [pl.col(c).to_physical() for c, t in frame.schema.items() if t in (pl.Datetime, pl.Duration)]
        text = io.BytesIO()
        frame.with_columns(lists + times).write_csv(
            text, null_value="\\N", quote_style="necessary", include_header=self.rows is None
        )
        self._hasher.update(text.getbuffer())
        self.rows = (self.rows or 0) + frame.height

    @property
    def fingerprint(self) -> str:
        """128 bits, hex."""
        return self._hasher.hexdigest()[:32]


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


def write_parquet(
    path: Path, frame: pl.DataFrame | pl.LazyFrame, footer: Mapping[str, Any], row_group_size: int | None = None
) -> None:
    """Write one frame, or a lazy one streaming in its order, as zstd Parquet with our footer, atomically."""
    meta = {FOOTER_KEY: json.dumps(footer, sort_keys=True, default=str)}
    size = row_group_size or ROW_GROUP_SIZE
    replace_atomically(
        path,
        lambda p: frame.lazy().sink_parquet(
            p, compression="zstd", compression_level=1, row_group_size=size, statistics=True, metadata=meta
        ),
    )


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
        raise StorageError(
            f"this Parquet file cannot be read ({damage}).",
            where=Location(file=str(path)),
            remedy="Remove it and run its day again.",
        )
    return path


def read_footer(path: Path) -> dict[str, Any]:
    """The footer written by write_parquet; raises StorageError when the file is not one of ours."""
    try:
        found = pl.read_parquet_metadata(path).get(FOOTER_KEY)
    except DAMAGE as error:
        raise StorageError(
            f"this Parquet file cannot be read ({error}).",
            where=Location(file=str(path)),
            remedy="Remove it and run its day again.",
        ) from error
    if found is None:
        raise StorageError(
            "this Parquet file was not written by nilometer.",
            where=Location(file=str(path)),
            remedy="Move it out of the storage folder.",
        )
    loaded: dict[str, Any] = json.loads(found)
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
        frame = table.conform(frame)
        record = DayRecord(table.name, day, frame.height, content_fingerprint(frame), dict(inputs), dict(facts or {}))
        write_parquet(self.path(table.name, day), frame, record.footer, table.row_group_size)
        return record

    def write_slices(
        self,
        table: Table,
        day: dt.date,
        slices: Iterable[pl.DataFrame],
        *,
        inputs: Mapping[str, str],
        facts: Mapping[str, Any],
    ) -> DayRecord:
        """Store a day from conformed frames that follow each other in key order; one of them is in memory at a time.

        Facts are read when the slices are through. A day of one slice has the very bytes that `write_day` gives.
        """
        path, content, parts = self.path(table.name, day), ContentHash(), []
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            for number, frame in enumerate(slices):
                content.update(frame)
                parts.append(path.with_name(f".{path.name}.{os.getpid()}.{number}.slice"))
                frame.write_ipc(parts[-1], compression="uncompressed")
            record = DayRecord(table.name, day, content.rows or 0, content.fingerprint, dict(inputs), dict(facts))
            write_parquet(path, pl.scan_ipc(parts), record.footer, table.row_group_size)
        finally:
            for part in parts:
                part.unlink(missing_ok=True)
        return record

    def record(self, table: str, day: dt.date) -> DayRecord | None:
        """The stored day's own record, or None when the day is not stored."""
        path = self.path(table, day)
        if not path.exists():
            return None
        f = read_footer(path)
        return DayRecord(f["table"], parse_day(f["day"]), f["rows"], f["fingerprint"], f["inputs"], f["facts"])

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
            return pl.read_parquet(path, hive_partitioning=False)
        except DAMAGE as error:
            raise StorageError(
                f"a stored day cannot be read ({error}).",
                where=Location(file=str(path), day=day.isoformat()),
                remedy="Remove it and run its day again.",
            ) from error

    def scan(self, table: Table, days: Iterable[dt.date]) -> pl.LazyFrame:
        """A lazy frame over those of the days that are stored; empty with the right schema when none is."""
        paths = [checked(p) for d in days if (p := self.path(table.name, d)).exists()]
        if not paths:
            return table.empty().lazy()
        return pl.scan_parquet(paths, hive_partitioning=False)

    def days(self, table: str) -> list[dt.date]:
        """All stored days of a table, in order."""
        found = []
        for path in (self.root / table).glob("day=*/part.parquet"):
            try:
                found.append(parse_day(path.parent.name.removeprefix("day=")))
            except ValueError:
                continue
        return sorted(found)

    # Failed days: a small marker that later stages skip and status shows; success removes it.

    def _marker(self, day: dt.date) -> Path:
        return self.root / "failed" / f"day={day.isoformat()}.json"

    def mark_failed(self, day: dt.date, stage: str, reasons: list[str]) -> None:
        """Remember that a stage could not make this day, and why."""
        text = json.dumps({"stage": stage, "reasons": reasons}, sort_keys=True)
        replace_atomically(self._marker(day), lambda p: p.write_text(text, encoding="utf-8"))

    def clear_failed(self, day: dt.date) -> None:
        """Forget an earlier failure of this day."""
        self._marker(day).unlink(missing_ok=True)

    def failure(self, day: dt.date) -> tuple[str, list[str]] | None:
        """(stage, reasons) of a failed day, or None."""
        path = self._marker(day)
        if not path.exists():
            return None
        loaded = json.loads(path.read_text(encoding="utf-8"))
        return loaded["stage"], loaded["reasons"]

    def failed_days(self) -> list[dt.date]:
        """All days with a failure marker, in order."""
        return sorted(parse_day(p.stem.removeprefix("day=")) for p in (self.root / "failed").glob("day=*.json"))

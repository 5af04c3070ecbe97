"""Day-partitioned Parquet tables: one file a table a day, replaced atomically, with provenance in the footer.

A reader sees the old day or the new day, never half of one. What the rows mean, and when a day must be made again, is
decided elsewhere; here only bytes, footers and fingerprints live. Whether they lie in a folder or in an object store
is known to `pipeline.objects`.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import polars as pl
from polars.io.plugins import register_io_source

from pipeline.content import ContentHash, in_groups
from pipeline.days import parse_day
from pipeline.disk import REMEDIES, give_mode, limit_met, sync_folder, writing
from pipeline.errors import LimitError, Location, StorageError
from pipeline.leftovers import remove_leftovers, temporary_suffix
from pipeline.objects import LocalObjects, Objects
from pipeline.schemas import TABLES, Table

FOOTER_KEY = "nilometer"
ROW_GROUP_SIZE = 65_536
DAMAGE = (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException)
"""What Polars raises at a damaged file; a panic is no Exception, and would end a whole run."""
_MAGIC = b"PAR1"
_AGAIN = "Run its day again; what is stored is replaced."


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

    @property
    def mark(self) -> str:
        """Hash of all that the record says: it differs whenever the day, or what is known of it, does."""
        return digest(json.dumps(self.footer, sort_keys=True, default=str))


def digest(*parts: str | bytes) -> str:
    """A short stable hash (128 bits of SHA-256, hex) of an ordered list of texts."""
    hasher = hashlib.sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        hasher.update(len(raw).to_bytes(8, "big") + raw)
    return hasher.hexdigest()[:32]


def replace_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Call write(temporary path) beside path, then move the result into place and make it durable."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}{temporary_suffix()}")
    try:
        with writing(temporary):
            write(temporary)
            give_mode(temporary)
            with temporary.open("rb") as handle:
                os.fsync(handle.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


Footer = Mapping[str, Any] | Callable[[], Mapping[str, Any]]
"""What a file says of itself; a function is asked when all rows are written."""


def _writer(frame: pl.DataFrame | pl.LazyFrame, footer: Footer, row_group_size: int) -> Callable[[Path], None]:
    def meta(_context: object = None) -> dict[str, str]:
        return {FOOTER_KEY: json.dumps(footer() if callable(footer) else footer, sort_keys=True, default=str)}

    return lambda path: frame.lazy().sink_parquet(
        path, compression="zstd", compression_level=1, row_group_size=row_group_size, statistics=True, metadata=meta
    )


def checked(path: Path, where: str | None = None) -> Path:
    """The path of a Parquet file that is whole at both ends; raises StorageError when it is not there or was cut."""
    try:
        with path.open("rb") as handle:
            head, size = handle.read(4), handle.seek(0, os.SEEK_END)
            handle.seek(-min(8, size), os.SEEK_END)
            tail = handle.read()
        damage = "" if head == tail[-4:] == _MAGIC and int.from_bytes(tail[:4], "little") + 12 <= size else "it was cut"
    except OSError as error:
        raise _unreadable(where or str(path), error) from error
    if damage:
        raise _unreadable(where or str(path), damage)
    return path


def columns_of(path: Path) -> dict[str, pl.DataType]:
    """The columns of one Parquet file; Polars' read_parquet_schema would take its folder's name for a pattern."""
    return dict(pl.scan_parquet(path, glob=False, hive_partitioning=False).collect_schema())


def fitting(path: Path, table: str, where: str | None = None, *, earlier: bool = False) -> Path:
    """The path of a stored day that is whole at both ends and has its table's columns; raises StorageError if not.

    With earlier a day that an earlier version stored may lack the columns that are late.
    """
    place = where or str(path)
    try:
        have = columns_of(checked(path, place))
    except DAMAGE as error:
        raise _unreadable(place, error) from error
    want = dict(TABLES[table].schema) if table in TABLES else have
    lacked = TABLES[table].late - have.keys() if earlier and table in TABLES else frozenset()
    wrong = sorted(c for c in {*have, *want} - lacked if have.get(c) != want.get(c))
    if wrong:
        raise StorageError(
            "this stored day does not have its table's columns, or has them with other types.",
            where=Location(file=place, column=", ".join(wrong[:5])),
            remedy=f"{_AGAIN} After an update of nilometer do it for all of them: nilometer run --stale.",
        )
    return path


def _unreadable(where: str, why: object) -> StorageError | LimitError:
    if isinstance(why, BaseException) and (fault := limit_met(why)) is not None:
        return fault
    remedy = _AGAIN
    if isinstance(why, OSError) and why.strerror:  # A file that this user may not read is not damaged.
        remedy, why = REMEDIES.get(why.errno or 0, _AGAIN), why.strerror
    return StorageError(f"this Parquet file cannot be read ({why}).", where=Location(file=where), remedy=remedy)


def read_footer(path: Path, where: str | None = None) -> dict[str, Any]:
    """The footer of a file of ours, from the file or its last bytes; raises StorageError when it is none of ours."""
    place = where or str(path)
    try:
        found = pl.read_parquet_metadata(path).get(FOOTER_KEY)
        loaded: dict[str, Any] = json.loads(found) if found is not None else {}
    except (*DAMAGE, ValueError) as error:
        raise _unreadable(place, error) from error
    if found is None:
        raise StorageError(
            "this Parquet file was not written by nilometer.",
            where=Location(file=place),
            remedy="Move it out of the storage folder.",
        )
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
        end, where = self.objects.end(name), self.objects.where(name)
        if end is None:
            return self._pruned(table, day)
        f = read_footer(fitting(end, table, where, earlier=True), where)
        try:
            return DayRecord(f["table"], parse_day(f["day"]), f["rows"], f["fingerprint"], f["inputs"], f["facts"])
        except (LookupError, TypeError, ValueError) as error:
            raise _unreadable(where, f"its footer lacks {error}") from error

    # Pruned days: their rows are gone on purpose, their record stays, so that what was made of them stays true.

    def _pruned(self, table: str, day: dt.date) -> DayRecord | None:
        try:
            text = self.read_text(_tombstone(table, day))
            if text is None:
                return None
            f = json.loads(text)
            return DayRecord(table, day, f["rows"], f["fingerprint"], f["inputs"], f["facts"], f["pruned"])
        except (LookupError, TypeError, ValueError) as error:
            raise StorageError(
                f"the record of this pruned day does not read ({error}).",
                where=Location(file=self.objects.where(_tombstone(table, day))),
                remedy=f"Remove it, then make the day from its logs again: nilometer run --day {day} --reread.",
            ) from error

    def prune_day(self, table: str, day: dt.date, today: dt.date) -> None:
        """Delete a stored day's rows and keep its record; done again after a crash, it ends the same."""
        record = self.record(table, day)
        if record is None or record.pruned:
            return
        self.write_text(_tombstone(table, day), json.dumps(record.footer | {"pruned": str(today)}, sort_keys=True))
        self.remove(day_name(table, day))

    def pruned_days(self, table: str, among: Collection[dt.date] | None = None) -> list[dt.date]:
        """All days of a table whose rows were pruned, in order; or those of them that are among some days."""
        names = (n.rpartition("/")[2].removesuffix(".json") for n in self.names(f"pruned/{table}"))
        return [d for d in _days_named(names) if (among is None or d in among) and not self.has(table, d)]

    def has(self, table: str, day: dt.date) -> bool:
        """Whether the day is stored."""
        return self.objects.exists(day_name(table, day))

    def read_day(self, table: Table, day: dt.date, *, earlier: bool = False) -> pl.DataFrame:
        """The stored rows of a day, without late columns that it lacks; raises StorageError when it is not stored."""
        name = day_name(table.name, day)
        path = self.objects.fetch([name])[0]
        if path is None:
            raise StorageError(
                f"{table.name} has no such day.",
                where=Location(day=day.isoformat()),
                remedy=f"Run it: nilometer run --day {day}.",
            )
        where = self.objects.where(name)
        try:
            known = fitting(path, table.name, where, earlier=earlier)
            return pl.read_parquet(known, glob=False, hive_partitioning=False)
        except DAMAGE as error:
            raise _unreadable(where, error) from error

    def scan(self, table: Table, days: Iterable[dt.date], *, earlier: bool = False) -> pl.LazyFrame:
        """A lazy frame over those of the days that are stored; empty with the right schema when none is.

        With earlier late columns are null where the days lack them: for readers to whom they say nothing.
        """
        names = [day_name(table.name, d) for d in days]
        found = zip(names, self.objects.fetch(names), strict=True)
        paths = [fitting(p, table.name, self.objects.where(n), earlier=earlier) for n, p in found if p is not None]
        if not paths:
            return table.empty().lazy()
        if earlier and table.late:
            return pl.scan_parquet(
                paths, glob=False, hive_partitioning=False, schema=table.schema, missing_columns="insert"
            )
        return pl.scan_parquet(paths, glob=False, hive_partitioning=False)

    def first_damage(self, days: Iterable[dt.date]) -> StorageError | None:
        """The first stored table of the days that does not read to its end; for after a fault, as it reads all."""
        for day in days:
            for table in TABLES.values():
                try:
                    if self.has(table.name, day):
                        self.read_day(table, day, earlier=True)
                except StorageError as error:
                    return error
        return None

    def days(self, table: str) -> list[dt.date]:
        """All stored days of a table, in order."""
        parts = (name.split("/") for name in self.objects.below(table))
        return _days_named(p[1] for p in parts if len(p) == 3 and p[2] == "part.parquet" and p[1].startswith("day="))

    # Files beside the tables, by their name below the root ("failed/day=2026-11-01.json").

    def write_parquet(
        self,
        name: str,
        frame: pl.DataFrame | pl.LazyFrame,
        footer: Footer,
        row_group_size: int = ROW_GROUP_SIZE,
    ) -> None:
        """Replace a file atomically by a frame, written as zstd Parquet with our footer; a lazy one is streamed.

        Args:
            name: which file.
            frame: the rows.
            footer: what the file says of itself.
            row_group_size: rows a row group.
        """
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
        """The text of a small file, or None when there is none; raises ValueError when it is damaged: no text."""
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

    def remove_leftovers(self) -> int:
        """Delete what killed processes left half-written; how many. Call it under the site's lock, before writing."""
        return remove_leftovers(self.workspace)

    # Failed days: a small marker that later stages skip and status shows; success removes it.

    def mark_failed(self, day: dt.date, stage: str, reasons: list[str]) -> None:
        """Remember that a stage could not make this day, and why."""
        self.write_text(_marker(day), json.dumps({"stage": stage, "reasons": reasons}, sort_keys=True))

    def clear_failed(self, day: dt.date) -> None:
        """Forget an earlier failure of this day."""
        self.remove(_marker(day))

    def failure(self, day: dt.date) -> tuple[str, list[str]] | None:
        """(stage, reasons) of a failed day, or None."""
        try:
            text = self.read_text(_marker(day))
            if text is None:
                return None
            loaded = json.loads(text)
            return str(loaded["stage"]), [str(r) for r in loaded["reasons"]]
        except (ValueError, LookupError, TypeError):
            return "flows", [f"{_marker(day)} does not read, so why the day failed is not known. Run the day again."]

    def failed_days(self) -> list[dt.date]:
        """All days with a failure marker, in order."""
        return _days_named(n.rpartition("/")[2].removesuffix(".json") for n in self.names("failed"))


def _days_named(names: Iterable[str]) -> list[dt.date]:
    """The days in names like "day=2026-11-01", in order; other names are no days."""
    return sorted(day for name in names if (day := day_named(name)) is not None)


def day_named(name: str) -> dt.date | None:
    """The day of a name like "day=2026-11-01"; None where it is none."""
    with suppress(ValueError):
        return parse_day(name.removeprefix("day="))
    return None


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    """Call `replace_atomically` by its name, so that one put in its place (by a test) is called."""
    replace_atomically(path, write)


def day_name(table: str, day: dt.date) -> str:
    """The name of a stored day, below the root."""
    return f"{table}/day={day.isoformat()}/part.parquet"


def _tombstone(table: str, day: dt.date) -> str:
    return f"pruned/{table}/day={day.isoformat()}.json"


def _marker(day: dt.date) -> str:
    return f"failed/day={day.isoformat()}.json"

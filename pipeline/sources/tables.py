"""Parquet as a container of declared forms: which form a file's columns are, and its rows as raw flows, in batches.

Columns are found by the forms' own spellings, nested or with dots. Row numbers from 1 stand for lines; a file is read
whole, never gone on with. How values become fields is in `columns`, how records are judged in `records`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.disk import limit_met
from pipeline.errors import Location, SourceError
from pipeline.sources import columns, guessed
from pipeline.sources.base import Account, Parsed, ReadOptions, cut
from pipeline.sources.declared import Form
from pipeline.sources.fields import Layout, layout_of_columns
from pipeline.sources.formats import vpc
from pipeline.sources.formats.cim import CIM
from pipeline.sources.formats.ecs import ECS
from pipeline.sources.formats.gcp import GCP_COLUMNS
from pipeline.sources.formats.ocsf import OCSF
from pipeline.sources.formats.suricata import SURICATA_COLUMNS
from pipeline.sources.formats.table import TABLE_JSON
from pipeline.sources.formats.zeek_json import ZEEK_COLUMNS, ZeekRecords
from pipeline.sources.parquet_schema import in_utc
from pipeline.sources.records import RecordReader

BATCH_ROWS = 500_000
"""Rows held in memory at once."""
_FAULTS = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)
_NO_ZONE = re.compile(r"unable to parse time zone: '([^']*)'")
_UNREAD = re.compile(
    r"ncryption|could not import from|LogicalType|precision must be|not (?:yet )?(?:supported|implemented)"
)
"""What is said of a whole file whose columns are of a kind that is not read: to replace it would be of no use."""
_PANIC = re.compile(r'ErrString\("([^".]*)')
_COUNTED = ("resp_ip_bytes", "orig_ip_bytes", "resp_bytes", "orig_bytes", "sent", "total")


FORMS: Mapping[str, Form] = {
    f"{form.format}_parquet": replace(form, name=f"{form.format}_parquet", family=form.format)
    for form in (ZEEK_COLUMNS, vpc.VPC_TEXT, OCSF, SURICATA_COLUMNS, ECS[0], CIM[0], GCP_COLUMNS, TABLE_JSON)
}
"""Encoding of a table -> its form, in the order in which a file's columns are compared with them."""
FORMATS: Mapping[str, str] = {name: form.format for name, form in FORMS.items()}
"""Encoding of a table -> the format as nilometer.yaml names it."""


def table_encoding(path: Path, wanted: str, name: str) -> str:
    """The encoding of a Parquet file by the names of its columns.

    Args:
        path: where the file is.
        wanted: the format that was asked for, or auto.
        name: the file's name in messages.

    Raises:
        SourceError: the file cannot be read as Parquet, or its columns are of no known form, or not of the one that
            was asked for.
    """
    schema = guarded(lambda: dict(_scan(path).collect_schema()), name)
    asked = [n for n, form in FORMS.items() if wanted in ("auto", form.format)]
    for encoding in asked:
        if encoding == "table_parquet" and wanted == "auto":
            continue
        form = FORMS[encoding]
        if encoding == "table_parquet":
            return encoding
        if form.columns is not None and not _lacks(form, form.columns, schema):
            return encoding
    own = guessed.mapping(_paths(schema)) if wanted == "auto" else None
    raise SourceError(
        f"is Parquet whose columns are not those of {_listed(asked) if asked else wanted}{_why(asked, schema)}; "
        f"it has {_names(schema)}.",
        where=Location(file=name),
        remedy=f"Export the columns that it lacks, or {own or 'map its own with format: table.'}",
    )


def height_of(path: Path, name: str) -> int:
    """How many rows a file has; raises SourceError when it cannot be read."""
    return int(guarded(lambda: _scan(path).select(pl.len()).collect().item(), name))


def rows_of(path: Path, name: str, first: int, most: int) -> pl.DataFrame:
    """Some of a file's rows, from one on; raises SourceError when they cannot be read."""
    rows: pl.DataFrame = guarded(lambda: _scan(path).slice(first, most).collect(), name)
    return rows


def table_layout(path: Path, name: str) -> Layout:
    """Which columns a Parquet file has; raises SourceError when it cannot be read."""
    return layout_of_columns(guarded(lambda: dict(_scan(path).collect_schema()), name))


def _lacks(form: Form, fields: Mapping[str, Sequence[str]], schema: Mapping[str, pl.DataType]) -> str:
    """What a form does not find among the columns; empty when it finds all it needs."""
    located = columns.locate(schema, fields)
    has = frozenset(ours for ours, found in located.items() if found)
    if form.lacks is not None:
        return form.lacks(has)
    named = {ours: min(spelled, key=lambda s: s.count(".")) for ours, spelled in fields.items() if spelled}
    lacking = [named[ours] for ours in ("ts", "src", "dest") if ours not in has]
    counted = [named[c] for c in _COUNTED if c in fields]
    return ", ".join(lacking + ([] if has.intersection(_COUNTED) else [" or ".join(counted)]))


def _why(asked: Sequence[str], schema: Mapping[str, pl.DataType]) -> str:
    form = FORMS[asked[0]] if len(asked) == 1 else None
    if form is None or form.columns is None:
        return ""
    return f" (it lacks {_lacks(form, form.columns, schema)})"


def _listed(asked: Sequence[str]) -> str:
    return ", ".join(FORMS[n].format for n in asked if n != "table_parquet" or len(asked) == 1)


def _paths(schema: Mapping[str, pl.DataType]) -> list[str]:
    return [".".join(f.path) for f in columns.all_paths(schema) if not isinstance(f.dtype, pl.Struct)]


def _names(schema: Mapping[str, pl.DataType]) -> str:
    names = _paths(schema)
    return ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")


class TableReader:
    """Reads one Parquet file of a form."""

    def __init__(self, encoding: str, options: ReadOptions) -> None:
        form = FORMS[encoding]
        self.format, self._options = form.format, options
        made = ZeekRecords if form.format == "zeek" else RecordReader
        self._records = made(form, options)
        self._form = self._records.form

    def read_table(self, path: Path, name: str | None = None) -> Iterator[Parsed]:
        """The file's rows, a batch at a time; every row is accounted for.

        Args:
            path: where the file is.
            name: the file's name in messages; that of the path when not given.

        Raises:
            SourceError: the file is damaged or cut short, or lacks a mapped column.
        """
        name = path.name if name is None else name
        scan, located = self.locate(path, name)
        used = sorted({f.path[0] for found in located.values() for f in found})
        zone = self._options.timezone if self._form.local_time else "UTC"
        typed = columns.typed(located, zone)
        height = guarded(lambda: int(scan.select(pl.len()).collect().item()), name)
        for first in range(0, height, BATCH_ROWS):
            batch = guarded(lambda at=first: scan.select(used).slice(at, BATCH_ROWS).collect(), name)
            if not used:
                batch = pl.DataFrame({"": pl.repeat(None, min(BATCH_ROWS, height - first), eager=True)})
            batch = batch.with_row_index("source_line", first + 1).with_columns(pl.col("source_line").cast(pl.Int64))
            yield self._read(batch, located, typed)

    def locate(self, path: Path, name: str) -> tuple[pl.LazyFrame, dict[str, list[columns.Found]]]:
        """The file, and its columns by the fields that they are; raises SourceError as `read_table` does."""
        scan = guarded(lambda: _scan(path), name)
        schema = guarded(lambda: dict(scan.collect_schema()), name)
        located = columns.locate(schema, self._form.columns or {})
        self._check_mapping(located, name)
        if self._form.local_time and (utc := in_utc(path)):
            located = {ours: [replace(f, utc=f.path in utc) for f in found] for ours, found in located.items()}
        return scan, located

    def _check_mapping(self, located: Mapping[str, Sequence[columns.Found]], name: str) -> None:
        mapping = self._options.mapping
        if self._form.format != "table" or mapping is None:
            return
        if parted := [column for field, column in mapping.fields if field.endswith(".clock")]:
            raise SourceError(
                f"is Parquet, in which a time is one column, and not parted as with {', '.join(parted)}.",
                where=Location(file=name),
                remedy="Write it with each time in one column, or as CSV.",
            )
        spelled = self._form.columns or {}
        lacking = [spelled[ours][0] for ours, found in located.items() if not found]
        if lacking:
            raise SourceError(
                f"has no columns {', '.join(lacking)}, which the source's fields name.",
                where=Location(file=name),
                remedy="Correct the source's fields.",
            )

    def _read(
        self, batch: pl.DataFrame, located: Mapping[str, Sequence[columns.Found]], typed: columns.Typed | None
    ) -> Parsed:
        nothing, account = Parsed().rejects, Account(lines=batch.height)
        if typed is None:
            parsed = self._records.take(columns.as_text(batch, located), nothing, account)
        else:
            parsed = self._records.judged(
                batch.select("source_line", **typed.judged(self._form.idle or ())),
                lambda chosen: columns.as_text(_rows(batch, chosen), located),
                nothing,
                account,
                lambda chosen: _rows(batch, chosen).select("source_line", **typed.fields),
            )
        parsed.rejects = _with_rows(parsed.rejects, batch)
        parsed.account.warnings.update(columns.rounded(batch, located))
        return parsed


def _rows(batch: pl.DataFrame, chosen: pl.Series) -> pl.DataFrame:
    """The chosen rows; those of nested columns cost less by their numbers."""
    nested = any(dtype.is_nested() for dtype in batch.dtypes)
    return batch[chosen.arg_true()] if nested else batch.filter(chosen)


def _with_rows(rejects: pl.DataFrame, batch: pl.DataFrame) -> pl.DataFrame:
    """Rejects with the row that each was, as JSON."""
    if rejects.is_empty():
        return rejects
    rows = rejects.select("source_line").join(batch, on="source_line", how="left", maintain_order="left")
    raw = [
        cut(json.dumps(row, default=str, separators=(",", ":")))
        for row in columns.with_times_as_text(rows.drop("source_line")).iter_rows(named=True)
    ]
    return rejects.with_columns(raw=pl.Series(raw, dtype=pl.String))


def _scan(path: Path) -> pl.LazyFrame:
    """The file and nothing else: its folders are no columns, and its name is no pattern."""
    return pl.scan_parquet(path, glob=False, hive_partitioning=False, cache=False)


def guarded(action: Any, name: str) -> Any:
    """What an action on the file gives; a damaged file is an error that says so."""
    try:
        return action()
    except _FAULTS as error:
        text = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        if zone := _NO_ZONE.search(text):
            raise SourceError(
                f"has times of the zone {zone[1]!r}, which are not read.",
                where=Location(file=name),
                remedy="Write them in UTC, or with the name of a zone such as Asia/Kolkata.",
            ) from error
        if (fault := limit_met(error)) is not None:
            raise SourceError(fault.what, where=Location(file=name), remedy=fault.remedy) from error
        if _UNREAD.search(text):
            inner = _PANIC.search(text)
            raise SourceError(
                f"is Parquet with what is not read here: {inner[1] if inner else text}.",
                where=Location(file=name),
                remedy="Write it without encryption, and without columns of other types than numbers of up to 38 "
                "digits, text, times, lists and structs.",
            ) from error
        raise SourceError(
            f"cannot be read as Parquet: {text}.",
            where=Location(file=name),
            remedy="Replace the file with a whole copy and run its day again.",
        ) from error

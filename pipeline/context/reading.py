"""Bytes of a context input to rows of text: CSV or Parquet, told by the first bytes, with the place of each row.

Whatever the bytes are, the outcome is a table or a ConfigError. What the values mean is checked in `checking`.
"""

from __future__ import annotations

import csv
import difflib
import io
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from pipeline.addresses import canonical_address
from pipeline.context.columns import END, LAST, START, Column, Input
from pipeline.errors import ConfigError, Location
from pipeline.storage import DAMAGE
from pipeline.wording import counted

MAX_BYTES = 128 << 20
MAX_ROWS = 5_000_000
MAX_COLUMNS = 256
PLACE = "place"
"""The column with a row's line (CSV) or number (Parquet), from 1."""
_MAGIC = b"PAR1"
_DELIMITERS = ",;\t"
_TOLD_DELIMITER = re.compile(r"sep=([,;\t])\r?\n", re.IGNORECASE)
"""A first line by which a spreadsheet knows the delimiter."""
_ALIKE = 0.75
_BATCH = 50_000
_UNCLEAR = ("end", "until", "end_date")
"""Whether such a day is included can only be guessed."""
_SAMPLE = 1_000
"""Rows whose unread values are looked at."""
_MONTH = r"(?i:jan|feb|m[aä]r|apr|ma[iy]|jun|jul|aug|sep|o[ck]t|nov|de[cz])\pL{0,6}"
_A_DAY = (
    r"^\d{4}[-/.]\d\d?[-/.]\d\d?(?:[T ].*)?$|^\d\d?[-./]\d\d?[-./](?:\d\d|\d{4})(?:,? .*)?$"
    rf"|^\d\d?[. -]+{_MONTH}[. -]+\d\d(?:\d\d)?(?:,? .*)?$|^{_MONTH}[. ]+\d\d?,? +\d{{4}}(?:,? .*)?$"
)
_WHEN = {"day", "date", "datum", "when", "begin", "begins", "began", "begun", "starts", "started", "since", "expires"}
"""Words in the name of a column that holds days, however they are written: 20261101, or a spreadsheet's 46327."""
_WHO = {
    *("client", "host", "hostname", "user", "device", "computer", "machine", "mailbox", "workstation", "endpoint"),
    *("clientname", "username", "devicename", "computername", "machinename"),
}
_CONTAINERS = (
    (b"PK\x03\x04", "is a workbook of a spreadsheet, or another zip archive"),
    (b"\xd0\xcf\x11\xe0", "is a workbook of a spreadsheet"),
    (b"\x1f\x8b", "is compressed (gzip)"),
)


@dataclass(frozen=True)
class RawRows:
    """Text columns by their proper names, empty values as null, and PLACE; `unread` names the file's other columns."""

    file: str
    frame: pl.DataFrame
    unread: tuple[str, ...]
    numbered: bool
    """Whether places are row numbers; else they are lines."""

    def fault(self, what: str, place: int | None, column: str | None, remedy: str = "") -> ConfigError:
        """An error at a row of the file."""
        if self.numbered and place is not None:
            return ConfigError(f"row {place}: {what}", where=Location(file=self.file, column=column), remedy=remedy)
        return ConfigError(what, where=Location(file=self.file, line=place, column=column), remedy=remedy)


def read_rows(data: bytes, file: str, kind: Input) -> RawRows:
    """The rows of one input.

    Raises:
        ConfigError: it is too large, damaged, no UTF-8, lacks a column, or has a line of another length.
    """
    for magic, what in _CONTAINERS:
        if data.startswith(magic):
            raise ConfigError(f"{what}.", where=Location(file=file), remedy="Save it as plain CSV (UTF-8), or Parquet.")
    try:
        return _parquet(data, file, kind) if data.startswith(_MAGIC) else _delimited(data, file, kind)
    except DAMAGE as error:
        raise ConfigError(
            f"cannot be read as Parquet ({_first_line(error)}).", where=Location(file=file), remedy="Write it again."
        ) from error


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _parquet(data: bytes, file: str, kind: Input) -> RawRows:
    schema = pl.read_parquet_schema(io.BytesIO(data))
    picked = _pick(list(schema), file, None, kind)
    rows = pl.scan_parquet(io.BytesIO(data)).select(pl.len()).collect().item()
    if rows > MAX_ROWS:
        raise _too_many(file)
    for name, given in picked.items():
        if not (dtype := schema[given]).is_integer() and dtype not in (
            *(pl.String, pl.Date, pl.Datetime, pl.Boolean, pl.Categorical, pl.Enum, pl.Null),
        ):
            raise ConfigError(
                f"has the type {dtype}.",
                where=Location(file=file, column=name),
                remedy="Allowed: text, whole numbers, dates, true and false.",
            )
    frame = pl.read_parquet(io.BytesIO(data), columns=list(picked.values()))
    texts = frame.select(pl.col(given).cast(pl.String).alias(name) for name, given in picked.items())
    unread = tuple(c for c in schema if c not in picked.values())
    told = [c for c in unread if schema[c].is_numeric() or schema[c] in (pl.String, pl.Date, pl.Datetime)]
    beside = pl.scan_parquet(io.BytesIO(data)).select(pl.col(told).cast(pl.String))
    seen = beside.head(_SAMPLE).collect()
    others = {c: seen[c] if c in told else pl.Series(dtype=pl.String) for c in unread}
    _passed_over(others, picked, Location(file=file), kind)
    raw = RawRows(file, _clean(texts.with_row_index(PLACE, 1)), unread, numbered=True)
    hosts = [c for c in told if _names_hosts(c)]
    _refuse_unread_hosts(raw, beside.select(hosts).collect().get_columns(), kind)
    return raw


def _delimited(data: bytes, file: str, kind: Input) -> RawRows:
    lines = _records(_decoded(data, file), file)
    place, header = next(lines, (0, []))
    if not header:
        raise ConfigError(
            "is empty.", where=Location(file=file), remedy=f"Its first line must name the columns: {_names(kind)}."
        )
    picked = _pick(header, file, place, kind)
    at = [header.index(given) for given in picked.values()]
    beside = [i for i, h in enumerate(header) if i not in at and _names_hosts(h)]
    schema = {PLACE: pl.UInt32} | dict.fromkeys(picked, pl.String)
    frames = [pl.DataFrame(schema=schema)]
    # Text in Python takes many times its size: it is kept a batch at a time.
    while batch := list(itertools.islice(lines, _BATCH)):
        _refuse_uneven(batch, len(header), file)
        if len(frames) == 1:
            seen = {h: pl.Series([row[i] for _, row in batch[:_SAMPLE]]) for i, h in enumerate(header) if i not in at}
            _passed_over(seen, picked, Location(file=file, line=place), kind)
        columns = [[p for p, _ in batch], *([row[i] for _, row in batch] for i in at)]
        frames.append(_clean(pl.DataFrame(columns, schema=schema)))
        hosts = [pl.Series(header[i], [row[i] for _, row in batch]) for i in beside]
        _refuse_unread_hosts(RawRows(file, frames[-1], (), numbered=False), hosts, kind)
        if sum(f.height for f in frames) > MAX_ROWS:
            raise _too_many(file)
    unread = tuple(c for c in header if c.strip() and c not in picked.values())
    return RawRows(file, pl.concat(frames), unread, numbered=False)


def _decoded(data: bytes, file: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        where = Location(file=file, line=data.count(b"\n", 0, error.start) + 1)
        raise ConfigError("is no UTF-8 text.", where=where, remedy="Save it as UTF-8.") from error


def _records(text: str, file: str) -> Iterator[tuple[int, list[str]]]:
    """Header and rows, as `_lines` gives them, by the delimiter that the text names or that its header has most."""
    told = _TOLD_DELIMITER.match(text)
    delimiter = told[1] if told else max(_DELIMITERS, key=text.lstrip("\r\n").split("\n", 1)[0].count)
    lines = _lines(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True), file)
    if told:
        next(lines)
    return lines


def _refuse_uneven(batch: Sequence[tuple[int, list[str]]], width: int, file: str) -> None:
    for place, row in batch:
        if len(row) != width:
            more = "Put values with the delimiter into double quotes."
            less = "Write the delimiter for empty values, too."
            raise ConfigError(
                f"has {counted(len(row), 'field')}; the first line names {counted(width, 'column')}.",
                where=Location(file=file, line=place),
                remedy=more if len(row) > width else less,
            )


def _lines(reader: Any, file: str) -> Iterator[tuple[int, list[str]]]:
    """The first line and the fields of each row that is not empty; spreadsheets leave delimiters in empty ones."""
    after = 0
    try:
        for row in reader:
            place, after = after + 1, reader.line_num
            if any(cell.strip() for cell in row):
                yield place, row
    except csv.Error as error:
        raise ConfigError(
            f"is no valid CSV ({error}).",
            where=Location(file=file, line=reader.line_num or 1),
            remedy="Correct the quotes of this line and of the one before it.",
        ) from error


def _clean(frame: pl.DataFrame) -> pl.DataFrame:
    text = pl.col(pl.String).str.strip_chars()
    return frame.with_columns(pl.when(text != "").then(text))


def _too_many(file: str) -> ConfigError:
    return ConfigError(f"has more than {MAX_ROWS:,} rows.", where=Location(file=file), remedy="Leave old rows out.")


def _pick(header: Sequence[str], file: str, line: int | None, kind: Input) -> dict[str, str]:
    """Column -> what the file calls it; raises ConfigError for missing, double and misspelt columns."""
    where = Location(file=file, line=line)
    if len(header) > MAX_COLUMNS:
        raise ConfigError(
            f"has more than {MAX_COLUMNS} columns.", where=where, remedy=f"Keep those that are read: {_names(kind)}."
        )
    plain = [h.strip().casefold() for h in header]
    picked: dict[str, str] = {}
    for column in kind.columns:
        found = [h for h, p in zip(header, plain, strict=True) if p in (column.name, *column.also)]
        if len(found) > 1:
            raise ConfigError(f"has {' and '.join(found)}, which mean the same.", where=where, remedy="Keep one.")
        if found:
            picked[column.name] = found[0]
        elif column.required:
            raise ConfigError(f"has no column {_called(column)}.", where=where, remedy=f"Allowed: {_names(kind)}.")
    if "valid_to" in picked and "last" in picked:
        raise ConfigError("has valid_to and last.", where=where, remedy="Keep one; last is included, valid_to is not.")
    _misspelt([h for h in header if h not in picked.values()], picked, where, kind)
    return picked


def _misspelt(others: Sequence[str], picked: dict[str, str], where: Location, kind: Input) -> None:
    """Columns of other tables may stay, one that was meant for ours must not be passed over."""
    ours = [n for c in kind.columns if c.name not in picked for n in (c.name, *c.also)]
    for other in others:
        if other.strip().casefold() in _UNCLEAR:
            raise ConfigError(
                f"has a column {other!r}.",
                where=where,
                remedy="Call it last where that day belongs to it, else valid_to.",
            )
        if close := difflib.get_close_matches(other.strip().casefold()[:64], ours, n=1, cutoff=_ALIKE):
            raise ConfigError(
                f"has an unknown column {other[:64]!r}.", where=where, remedy=f"Is {close[0]} meant? Rename it."
            )


def _passed_over(others: Mapping[str, pl.Series], picked: Mapping[str, str], where: Location, kind: Input) -> None:
    """Refuse events whose days or hosts stand in columns that are not read: they would explain far more than meant.

    Args:
        others: the columns that are not read, with values of the first rows.
        picked: the columns that are.
        where: the file, and the line of the columns' names.
        kind: the input; only where a row need not say whom it is about.
    """
    if not _may_be_everybodys(kind):
        return
    dated = START in picked and (END in picked or LAST in picked)
    named = any(c in picked for c in kind.subjects)
    for name, values in others.items():
        text = values.str.strip_chars()
        text = text.filter(text != "")
        if not dated and text.len() and (text.str.contains(_A_DAY).all() or _names_days(name)):
            raise ConfigError(
                f"has days in a column {name[:64]!r}, which is not read: its events would hold always.",
                where=where,
                remedy="Call the first day valid_from and the last one last; an event of one day has both.",
            )
        alike = text.len() > 0 and all(canonical_address(t.partition("/")[0]) for t in text.unique())
        if not named and (alike or _names_hosts(name)):
            raise ConfigError(
                f"has a column {name[:64]!r}, which is not read: its events would be everybody's.",
                where=where,
                remedy="Call it address or asset.",
            )


def _refuse_unread_hosts(rows: RawRows, others: Sequence[pl.Series], kind: Input) -> None:
    """Refuse events that name nobody where it is read and a host where it is not: they would be everybody's.

    Args:
        rows: the rows, or some of them.
        others: columns of theirs that are not read and named like hosts.
        kind: the input.
    """
    subjects = [c for c in kind.subjects if c in rows.frame.columns]
    if not _may_be_everybodys(kind) or not subjects:
        return
    nobody = pl.all_horizontal(pl.col(subjects).is_null())
    for values in others:
        lost = rows.frame.filter(nobody & (values.str.strip_chars() != "").fill_null(False))
        if lost.height:
            what = f"names a host in a column {values.name[:64]!r} alone, which is not read"
            raise rows.fault(f"{what}: it would be everybody's.", lost[PLACE][0], None, "Call it address or asset.")


def _may_be_everybodys(kind: Input) -> bool:
    """Whether a row that names nobody is about everybody."""
    return bool(kind.subjects) and not kind.needs_subject


def _names_hosts(column: str) -> bool:
    return re.sub(r"[\W_]", "", column.casefold()) in _WHO


def _names_days(column: str) -> bool:
    return not _WHEN.isdisjoint(re.split(r"[\W_]+", column.casefold()))


def _called(column: Column) -> str:
    return " or ".join((column.name, *column.also))


def _names(kind: Input) -> str:
    return ", ".join(c.name for c in kind.columns)

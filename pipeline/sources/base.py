"""What every reader of a flow-log format shares: blocks in, raw flows and an exact account of lines out.

A reader turns blocks of whole lines into rows of RAW, one row a record, and says of every line what became of it. How
bytes reach the blocks is `pipeline.sources.reading`; which days the rows belong to is decided later.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Protocol, runtime_checkable

import polars as pl

from pipeline.mapping import ColumnMapping
from pipeline.schemas import UTC_TIME
from pipeline.sources.watch import Watch

MAX_RAW_BYTES = 500
"""Bytes of a quarantined line that are kept."""
HEAD_BYTES = 1 << 16
"""Bytes of a file's beginning by which its format and its fields are told."""

_COLUMNS: dict[str, pl.DataType | type[pl.DataType]] = {
    "source_line": pl.Int64,
    "uid": pl.String,
    "start_time": UTC_TIME,
    "duration": pl.Int64,
    "log_time": UTC_TIME,
    "src_ip": pl.String,
    "src_port": pl.UInt16,
    "dest_ip": pl.String,
    "dest_port": pl.UInt16,
    "transport": pl.String,
    "app": pl.String,
    "ip_bytes_in": pl.Int64,
    "ip_bytes_out": pl.Int64,
    "payload_bytes_in": pl.Int64,
    "payload_bytes_out": pl.Int64,
    "other_bytes_in": pl.Int64,
    "other_bytes_out": pl.Int64,
    "other_layer": pl.String,
    "total_bytes": pl.Int64,
    "packets_in": pl.Int64,
    "packets_out": pl.Int64,
    "missed_bytes": pl.Int64,
    "action": pl.String,
    "accounting": pl.String,
    "orientation": pl.String,
    "reporter": pl.String,
    "record_id": pl.String,
    "sampling_rate": pl.Float64,
    "src_translated_ip": pl.String,
    "dest_translated_ip": pl.String,
    "dvc": pl.String,
    "vendor_product": pl.String,
}
RAW = pl.Schema(_COLUMNS)
"""One record as the format says it, oriented, the byte layers side by side; duration in microseconds.

Other bytes are those of a log that counts frames (l2) or does not say what it counts (unknown); total bytes those of
both directions, where no split is known. The reporter is the end whose device made the record, or
another point at which a sensor saw it."""

LINES = pl.Schema({"source_line": pl.Int64, "raw": pl.String})
"""Lines of a file with their numbers."""

REJECTS = pl.Schema({"source_line": pl.Int64, "reason": pl.String, "detail": pl.String, "raw": pl.String})

STRAYS = pl.Schema({"source_line": pl.Int64, "raw": pl.String, "reason": pl.String})
"""Lines that may be records in another envelope: whole, with the reason for which they were set aside, if any."""

REASONS = (
    "bad_address",
    "bad_json",
    "bad_line",
    "bad_number",
    "bad_port",
    "implausible_bytes",
    "implausible_time",
    "incomplete_last_line",
    "missing_fields",
    "negative_bytes",
    "no_header",
    "too_few_fields",
    "too_many_fields",
    "untimed",
)
"""The closed list of reasons a line is quarantined for."""


class Block:
    """Whole lines of one file: their bytes, the number of the first, and whether the last lacks its line end."""

    def __init__(self, data: bytes, first_line: int, lines: int | None = None, unterminated: bool = False) -> None:
        """Args: lines is how many there are; without it they are counted when somebody asks."""
        self.data, self.first_line, self.unterminated = data, first_line, unterminated
        self._lines = lines

    @property
    def lines(self) -> int:
        """How many lines there are."""
        if self._lines is None:
            self._lines = self.data.count(b"\n") + self.unterminated
        return self._lines

    def counted(self, lines: int) -> None:
        """Take the number of lines from a reader that had to find them all anyway."""
        self._lines = lines


@dataclass
class Account:
    """What became of every line: lines = flows + others + ignored + comments + quarantined."""

    lines: int = 0
    flows: int = 0
    others: int = 0
    """Flows that touch no watched address."""
    ignored: int = 0
    """Records of another log type."""
    comments: int = 0
    """Comments, headers and blank lines."""
    quarantined: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    """Flows that were kept although something about them is odd."""

    def add(self, other: Account) -> None:
        """Add another account to this one."""
        for name in ("lines", "flows", "others", "ignored", "comments"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.quarantined.update(other.quarantined)
        self.warnings.update(other.warnings)

    @property
    def balanced(self) -> bool:
        """Whether every line is accounted for exactly once."""
        return self.lines == (self.flows + self.others + self.ignored + self.comments + sum(self.quarantined.values()))

    @property
    def readable(self) -> int:
        """Lines that are records which could be read."""
        return self.flows + self.others + self.ignored

    @property
    def records(self) -> int:
        """Lines that are no comments: records, read or not."""
        return self.lines - self.comments

    def as_dict(self) -> dict[str, Any]:
        """Plain data for the ledger."""
        return {
            "lines": self.lines,
            "flows": self.flows,
            "others": self.others,
            "ignored": self.ignored,
            "comments": self.comments,
            "quarantined": dict(sorted(self.quarantined.items())),
            "warnings": dict(sorted(self.warnings.items())),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Account:
        """The inverse of as_dict."""
        plain = {k: data[k] for k in ("lines", "flows", "others", "ignored", "comments")}
        return cls(**plain, quarantined=Counter(data["quarantined"]), warnings=Counter(data["warnings"]))


# Made once: of so many columns, an empty frame costs as much as reading a hundred lines.
_NO_ROWS, _NO_REJECTS = pl.DataFrame(schema=RAW), pl.DataFrame(schema=REJECTS)


@dataclass
class Parsed:
    """One block, read: kept rows (RAW), rejects (REJECTS), others by mail port, time range and the account."""

    rows: pl.DataFrame = field(default_factory=_NO_ROWS.clone)
    rejects: pl.DataFrame = field(default_factory=_NO_REJECTS.clone)
    others: pl.DataFrame | None = None
    """Mail-port traffic of addresses outside the inventory: start_time, src_ip, dest_ip, dest_port, bytes."""
    span: tuple[int, int] | None = None
    """First and last start of all readable flows, others included, epoch microseconds."""
    account: Account = field(default_factory=Account)
    strays: pl.DataFrame | None = None
    """Lines among those ignored or set aside that may be records in another envelope (STRAYS)."""
    ignored: pl.Series | None = None
    """Some of the lines that were ignored."""


@dataclass(frozen=True)
class ReadOptions:
    """What a reader needs to know beside the bytes."""

    watch: Watch
    latest_us: int
    """Flows starting after this (epoch microseconds) are implausible."""
    keep_untimed: bool = False
    """Keep flows without a readable time (identify counts them); otherwise they are quarantined."""
    timezone: str = "UTC"
    """Zone of times that carry none, for formats that write the device's own."""
    mapping: ColumnMapping | None = None
    """The columns of a table of the user's own."""
    written_us: int | None = None
    """When the file was written last, epoch microseconds: no time without a year is later."""
    swap_bytes: bool = False
    """Whether the exporter means bytes in and bytes out the other way."""
    header: str = ""
    """The line that names the columns, of delimited files that come without it; their own ones hold all the same."""


class Reader(Protocol):
    """A format's reader: fed with the blocks of one file, in order."""

    format: str
    resumable: bool
    """Whether a grown file may be gone on with, as lines are numbered as in the file."""

    def read(self, block: Block) -> Parsed:
        """Read one block."""
        ...

    def state(self) -> dict[str, Any]:
        """What must be known to go on after the last block, as plain data."""
        ...

    def resume(self, state: dict[str, Any]) -> None:
        """Go on where a reader with this state stopped."""
        ...

    def finish(self) -> Parsed:
        """What is left at the end of the file: lines that were counted and wait for more. May be asked many times."""
        ...


class ReaderAround:
    """What readers have in common that hand another form of their lines to the reader of what is inside."""

    def __init__(self, inner: Reader) -> None:
        self._inner = inner
        self.format, self.resumable = inner.format, inner.resumable

    def state(self) -> dict[str, Any]:
        """What the reader inside must know to go on."""
        return self._inner.state()

    def resume(self, state: dict[str, Any]) -> None:
        """Go on where a reader with this state stopped."""
        self._inner.resume(state)

    def finish(self) -> Parsed:
        """What the reader inside has left."""
        return self._inner.finish()


@runtime_checkable
class PatientReader(Protocol):
    """A reader that lets lines wait which need care: those of several blocks at once cost less.

    It says of them what `Reader.read` says of each block alone, in the same order, only later.
    """

    def read_on(self, block: Block) -> list[Parsed]:
        """Read one block as far as it may be; what had waited and is settled now comes before it."""
        ...

    def settle(self) -> list[Parsed]:
        """What waits, block by block; nothing waits behind it. Asked before an unterminated block, and at the end."""
        ...


@runtime_checkable
class DocumentReader(Protocol):
    """A reader that takes a file which is one JSON document, too."""

    def read_array(self, data: bytes) -> Parsed:
        """Read the whole document; raises ValueError when it is none."""
        ...


ReaderFactory = Callable[[ReadOptions], Reader]


def merge(parts: list[Parsed]) -> Parsed:
    """The parts of one block as one result; accounts and spans are added up."""
    whole = Parsed()
    if rows := [p.rows for p in parts if p.rows.height]:
        whole.rows = pl.concat(rows)
    if rejects := [p.rejects for p in parts if p.rejects.height]:
        whole.rejects = pl.concat(rejects)
    if others := [p.others for p in parts if p.others is not None and p.others.height]:
        whole.others = pl.concat(others)
    if strays := [p.strays for p in parts if p.strays is not None]:
        whole.strays = pl.concat(strays)
    if ignored := [p.ignored for p in parts if p.ignored is not None]:
        whole.ignored = pl.concat(ignored)
    spans = [p.span for p in parts if p.span]
    whole.span = (min(s[0] for s in spans), max(s[1] for s in spans)) if spans else None
    for part in parts:
        whole.account.add(part.account)
    return whole


def parted(whole: Parsed, others: pl.Series, firsts: Sequence[int]) -> list[Parsed]:
    """The result cut before the lines with these numbers; account and span stay with the first part.

    Args:
        whole: without rejects; its rows are in order of their lines.
        others: the line numbers of its others, in order.
        firsts: in order.
    """
    rows_at, others_at = (
        pairwise([0, *lines.search_sorted(pl.Series(firsts, dtype=lines.dtype)).to_list(), len(lines)])
        for lines in (whole.rows["source_line"], others)
    )
    parts = [
        Parsed(rows=whole.rows[a:b], others=None if whole.others is None else whole.others[c:d])
        for (a, b), (c, d) in zip(rows_at, others_at, strict=True)
    ]
    parts[0].account, parts[0].span = whole.account, whole.span
    return parts


_JSON_BEGINS = re.compile(rb'(?!\s*\[\s*\d+\.\d+\s*\][ \t]+\S)\s*(?:\{|\[\s*(?:[\[{"\]\d-]|\Z))')


def begins_as_json(data: bytes) -> bool:
    """Whether the bytes begin as an object or an array does; a bracket alone, or around a time, may be a log's own."""
    return _JSON_BEGINS.match(data) is not None


def looks_compressed(data: bytes) -> bool:
    """Whether Polars would take the bytes for a compressed file; blocks of lines are unfolded already."""
    return data.startswith((b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda"))


def rejects_frame(
    lines: pl.Series, reason: pl.Series | str, detail: pl.Series | str | None, raw: pl.Series
) -> pl.DataFrame:
    """Quarantine rows, with one reason and detail for all or one each.

    The raw text is cut to MAX_RAW_BYTES without splitting a character.
    """
    whole = raw.cast(pl.String).fill_null("").to_list()
    found = {"source_line": lines, "reason": reason, "detail": detail, "raw": [cut(text) for text in whole]}
    return pl.DataFrame(found, schema=REJECTS)


def cut_off(text: str, line: int) -> Parsed:
    """What is left at the end of a file that was cut, set aside."""
    reason = "incomplete_last_line"
    rejects = rejects_frame(pl.Series([line], dtype=pl.Int64), reason, None, pl.Series([text]))
    return Parsed(account=Account(lines=1, quarantined=Counter([reason])), rejects=rejects)


def rejected(lines: pl.DataFrame, reason: pl.Series | str, detail: str) -> pl.DataFrame:
    """The same of lines (source_line, raw) whose column `detail` says more."""
    return rejects_frame(lines["source_line"], reason, lines[detail], lines["raw"])


def cut(text: str) -> str:
    """The first MAX_RAW_BYTES bytes of a text, never half a character."""
    raw = text.encode("utf-8", errors="backslashreplace")
    return text if len(raw) <= MAX_RAW_BYTES else raw[:MAX_RAW_BYTES].decode("utf-8", errors="ignore")

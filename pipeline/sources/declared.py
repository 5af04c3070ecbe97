"""What a format declares: its form, its decoder, and the contract of its directions.

A form says what its bytes count, which records are flows at all and how its records add up; a decoder turns its lines
into named text columns. Reading with them is in `records`, turning ends in `orienting`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import polars as pl

from pipeline.sources import json_lines
from pipeline.sources.base import ReadOptions
from pipeline.sources.glances.sight import Cut

EXTRAS = (
    "end",
    "sent",
    "total",
    "initiator",
    "reporter",
    "record_id",
    "src_nat",
    "dest_nat",
    "received_by",
    "received_port",
    "sampling",
)
"""Fields that a decoder may give beside those of `zeek_columns.ALIASES`, all text.

`end` time of the last packet; `sent` bytes of a record that knows one direction only, from its src to its dest;
`total` bytes of both directions, where no split is known; `initiator` src or dest, where the record tells by itself, or
ports, where a record of both directions does not know its initiator, so that the ports decide; `reporter` src or dest,
whose device made the record; `record_id` what a record delivered twice has in common; `src_nat` and `dest_nat` the ends
after translation; `received_by` and `received_port` who got the packets of a record of one direction that was sent to a
translated end (NetFlow's post-NAT destination); `sampling` n of 1:n."""


@dataclass
class Decoded:
    """Lines of a block, decoded: one row a record, one text column a field, and what became of the others."""

    fields: pl.DataFrame
    """source_line, raw and one text column a field; source_line is unique."""
    broken: pl.DataFrame
    """Lines that are no record, as REJECTS."""
    comments: int = 0
    """Headers, trailers and continued lines."""
    more: int = 0
    """Records beyond one a line, where a line holds several: they count as lines of their own."""
    warnings: dict[str, int] = field(default_factory=dict)


class Decoder(Protocol):
    """Turns the lines of one file, block by block, into records."""

    def decode(self, lines: pl.DataFrame, reason: str) -> Decoded:
        """Lines (source_line, raw; blank ones are gone) as records; reason is why one that is none is set aside."""
        ...

    def state(self) -> dict[str, Any]:
        """What must be known to go on after the last block, as plain data."""
        ...

    def resume(self, state: dict[str, Any]) -> None:
        """Go on where a decoder with this state stopped."""
        ...

    def unfinished(self) -> list[tuple[int, str]]:
        """(line, text) of the lines of a record that has not come to its end."""
        ...


@runtime_checkable
class PiecewiseDecoder(Protocol):
    """A decoder whose lines may hold any number of records each, so that they are handed out in pieces."""

    def pieces(self, lines: pl.DataFrame, reason: str) -> Iterator[Decoded]:
        """As `decode`, a bounded number of records at once; a file that is one JSON document comes as one line."""
        ...


@runtime_checkable
class LucidDecoder(Protocol):
    """A decoder whose lines `glances` can recognise without parsing."""

    @property
    def expects_header(self) -> bool:
        """Whether lines are cut by a header that did not come yet."""
        ...

    def cut(self) -> Cut | None:
        """How lines are cut now; None when they cannot be, as where a record is open."""
        ...


@runtime_checkable
class CountingDecoder(LucidDecoder, Protocol):
    """A decoder that needs the counters of lines recognised without parsing, for what it remembers of a file."""

    def deciding(self) -> Any:
        """What of its state decides how lines are read."""
        ...

    def skip(self, counts: pl.DataFrame) -> None:
        """Take up lines that are not read, which lie among the next that are: source_line, and the cut's counters."""
        ...


@dataclass
class Wrapped:
    """What decoders have in common that read the records of another one in a way of their own."""

    inner: Decoder

    def state(self) -> dict[str, Any]:
        """What the decoder inside remembers."""
        return self.inner.state()

    def resume(self, state: dict[str, Any]) -> None:
        """Give it its memory back."""
        self.inner.resume(state)

    def unfinished(self) -> list[tuple[int, str]]:
        """What it holds back."""
        return self.inner.unfinished()


class Stateless:
    """What decoders have in common of which every line carries all it needs."""

    def state(self) -> dict[str, Any]:
        """Nothing to remember."""
        return {}

    def resume(self, state: dict[str, Any]) -> None:
        """Nothing to take up."""

    def unfinished(self) -> list[tuple[int, str]]:
        """No record spans lines."""
        return []


@dataclass
class Numbering(Stateless):
    """What decoders have in common that number records behind each other, as a line may hold several."""

    beyond: int = field(default=0, kw_only=True)
    """Records so far beyond one a line."""

    def state(self) -> dict[str, Any]:
        """How far record numbers are ahead of line numbers."""
        return {"beyond": self.beyond}

    def resume(self, state: dict[str, Any]) -> None:
        """Go on numbering."""
        self.beyond = int(state["beyond"])


@dataclass(frozen=True)
class Contract:
    """What a format says of itself, for the documentation: which field is responder-to-initiator above all."""

    bytes_in: str
    bytes_out: str
    counts: str
    start: str
    records: str


@dataclass(frozen=True)
class Form:
    """One format's table.

    Of the decoder's fields, `resp_ip_bytes` is what the record's dest sent (bytes in) and `orig_ip_bytes` what its src
    sent (bytes out), whatever layer they count.
    """

    name: str
    """The encoding: a format may have several."""
    vendor_product: str
    layer: str
    """What the bytes count: ip, payload, l2 or unknown."""
    contract: Contract
    marks: re.Pattern[bytes]
    """What the first bytes of a file hold."""
    decoder: Callable[[ReadOptions], Decoder]
    """A new decoder for a file."""
    flows: Callable[[], pl.Expr]
    """Which records are flows that were let through; the others are counted as ignored."""
    family: str = ""
    """The format as nilometer.yaml names it, where that is not the encoding's name."""
    strong: bool = False
    """Whether no other format has these marks."""
    accounting: Callable[[], pl.Expr] = lambda: pl.lit("final")
    """How records of one session add up: final, delta (since the last one) or cumulative (since the beginning)."""
    ignored: Mapping[str, Callable[[], pl.Expr]] = field(default_factory=dict)
    """Kinds of ignored records that are counted by name, such as blocked."""
    flags_tell: bool = False
    """Whether `initiator` comes from TCP flags; else the record itself names its ends."""
    uptime: bool = False
    """Whether times come from an exporter's uptime in 32 bits, which goes round."""
    uptime_ends: bool = False
    """Whether it is an end that is wrong where it lies a round before its start; see `uptime.put_right`."""
    local_time: bool = False
    """Whether times carry no zone, so that the source's own counts."""
    json: bool = False
    """Whether a file may be one JSON document, and starts as JSON does."""
    ends_lines: bool = False
    """Whether writers end every line, so that a last one without its end was cut, perhaps within a number."""
    blanks: bool = False
    """Whether blanks at the ends of a line mean something, as where tabs delimit."""
    numbers_records: bool = False
    """Whether records are numbered across the file, as lines hold several: a grown file is then read anew."""
    derive: Callable[[pl.DataFrame], pl.DataFrame] | None = None
    """What makes our fields out of the decoder's, where names alone do not."""
    columns: json_lines.Fields | None = None
    """The fields' spellings as columns of a table, such as Parquet; None when the format has no such form."""
    lacks: Callable[[frozenset[str]], str] | None = None
    """Which fields a table with these of ours lacks, where ends, counters and a time are not all; empty when none."""
    refuse: Callable[[bytes], str | None] | None = None
    """Why a file that begins so cannot be read at all, such as a layout without counters, and what to do."""
    fitted: Callable[[Form, ReadOptions], Form] | None = None
    """The form with what a source's own settings say of it."""
    idle: frozenset[str] | None = None
    """Fields of the decoder's that decide nothing about a flow of nobody watched, whatever they hold; None where lines
    must not be told at a glance."""
    note: str = ""
    """What a reader of the documentation must know."""

    @property
    def format(self) -> str:
        """The format's name in nilometer.yaml."""
        return self.family or self.name

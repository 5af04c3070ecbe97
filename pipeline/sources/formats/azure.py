"""Azure flow logs: network security groups (versions 1 and 2) and virtual networks (version 4).

A record holds the tuples of one interface and minute; every tuple is a record of ours. A file is one JSON document of
many records, a record a line, or bare tuples. Source: Microsoft's pages on both logs, where a tuple's counters are
those since the flow's previous tuple.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from pipeline.sources.base import REJECTS, cut, rejected
from pipeline.sources.declared import Contract, Decoded, Form, Stateless
from pipeline.sources.wrappings.envelope import OBJECTS

BATCH_TUPLES = 200_000
"""Tuples that are decoded at once."""
MAX_FAULTS = 1_000
"""Faults of one document after which its rest is set aside as one."""

_DECODER = json.JSONDecoder()
_BETWEEN = re.compile(r"[\s,\]}]*")
_OPENING = re.compile(r'\[|\{\s*"records"\s*:\s*\[')
_RECORD = re.compile(r'\{\s*"(?:time|category|systemId|resourceId|macAddress|flowLogVersion|records)"\s*:')
_OWN = ("records", "properties", "flowRecords")
_NAMED = (
    ("startTime", "unixtimestamp", "time"),
    ("sourceAddress", "src_ip", "srcIp"),
    ("destinationAddress", "dst_ip", "destIp"),
    ("sourcePort", "src_port", "srcPort"),
    ("destinationPort", "dst_port", "destPort"),
    ("transportProtocol", "protocol"),
    ("deviceDirection", "direction", "trafficflow"),
    ("deviceAction", "decision", "traffic"),
    ("flowState", "flowstate"),
    ("packetsStoD", "src_pack", "packetsSourceToDest"),
    ("bytesStoD", "src_bytes", "bytesSentSourceToDest"),
    ("packetsDtoS", "dst_pack", "packetsDestToSource"),
    ("bytesDtoS", "dst_bytes", "bytesSentDestToSource"),
)
"""Names that collectors give to a tuple's parts where they make a record of each: Microsoft's connector, and like it
Splunk's and Palo Alto Networks' functions, Logstash's input for blobs, and Microsoft's page on Elastic."""
_CATEGORIES = ("NetworkSecurityGroupFlowEvent", "FlowLogFlowEvent")
_PARTS = (("sourceAddress", "deviceDirection"), ("unixtimestamp", "src_ip"), ("unixtimestamp", "srcIp"))
"""Of these, names that tell such a record."""
_NUMBERED = re.compile(r"flow\.\d+")
"""Names of the tuples of one rule that a forwarder set beside each other."""
_UNFILLED = "%{"
"""How what Logstash found no part for begins: beginnings have no counters."""
_COLUMNS = 13
"""Columns of a tuple with counters; version 1 has 8."""
_GROUPS = pl.Schema({"first": pl.Int64, "n": pl.Int64, "mac": pl.String, "system": pl.String, "write_ts": pl.String})


@dataclass
class _Fault:
    """A piece of a document that is no record."""

    text: str
    detail: str
    cut_short: bool = False


def _records(text: str) -> Iterator[Any]:
    """The records of one line or document, as far as it goes; a bare tuple as text, and what is broken as a fault."""
    if not text.startswith(("{", "[")):
        yield text
        return
    at = faults = 0
    while (at := _skip(text, at)) < len(text):
        if opening := _OPENING.match(text, at):
            at = opening.end()
            continue
        try:
            record, at = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            faults += 1
            after = _RECORD.search(text, at + 1) if faults < MAX_FAULTS else None
            end = after.start() if after else len(text)
            whole = after is not None or text.endswith(("}", "]"))
            yield _Fault(text[at:end], cut(str(error)), cut_short=not whole)
            at = end
            continue
        yield record


def _opened(record: Any) -> Any:
    """A record without what a collector put around it."""
    if not isinstance(record, dict) or any(key in record for key in _OWN):
        return record
    return next((inner for key in OBJECTS if isinstance(inner := record.get(key), dict)), record)


def _skip(text: str, at: int) -> int:
    between = _BETWEEN.match(text, at)
    return between.end() if between else at


def _named(record: dict[str, Any]) -> str:
    """The tuple of which a collector made a record; of a virtual network's without the encryption, NX stands for it."""
    *ends, decision, state, sent, out, received, into = (
        next((record[name] for name in names if name in record), None) for names in _NAMED
    )
    if decision is None:
        decision, state = state, record.get("encryption") or "NX"
    parts = (*ends, decision, state, sent, out, received, into)
    return ",".join("" if part is None or str(part).startswith(_UNFILLED) else str(part) for part in parts)


def _groups(record: dict[str, Any]) -> list[tuple[Any, Any]] | None:
    """(interface, tuples) of a record, None when it is of another log; raises KeyError or TypeError on other shapes."""
    if "flowTuple" in record:
        return [(record.get("mac"), [record["flowTuple"]])]
    if numbered := [part for name, part in record.items() if _NUMBERED.fullmatch(name)]:
        return [(record.get("macAddress"), numbered)]
    if any(all(name in record for name in names) for names in _PARTS):
        return [(record.get("mac"), [_named(record)])]
    if "flowRecords" in record:
        flows = record["flowRecords"]["flows"]
        return [(record.get("macAddress"), group["flowTuples"]) for flow in flows for group in flow["flowGroups"]]
    properties = record.get("properties")
    if isinstance(properties, dict) and "flows" in properties:
        return [(group.get("mac"), group["flowTuples"]) for flow in properties["flows"] for group in flow["flows"]]
    return None


def _text(value: Any) -> str | None:
    """A value as text that is valid Unicode."""
    return value.encode(errors="backslashreplace").decode() if isinstance(value, str) else None


@dataclass
class _Batch:
    """Tuples found so far, with what those of a group share, and what is no tuple."""

    number: int
    """Records before the next one, in the whole file."""
    tuples: list[str | None] = field(default_factory=list)
    groups: list[tuple[int, int, str | None, str | None, str | None]] = field(default_factory=list)
    """As _GROUPS."""
    broken: list[tuple[int, str, str, str]] = field(default_factory=list)
    """As REJECTS."""
    lines: int = 0
    """Lines that ended."""
    empty: int = 0
    """Lines without any record."""

    def take(self, record: Any, reason: str) -> None:
        """Add one record, or the fault in its place."""
        record = _opened(record)
        if isinstance(record, str):
            self._add([record], None, {})
        elif isinstance(record, _Fault):
            self._fault("incomplete_last_line" if record.cut_short else reason, record.detail, record.text)
        elif isinstance(record, dict) and isinstance(record.get("records"), list):
            for inner in record["records"]:
                self.take(inner, reason)
        else:
            self._take_groups(record, reason)

    def _take_groups(self, record: Any, reason: str) -> None:
        try:
            groups = _groups(record)
            if groups is None and record.get("category") in _CATEGORIES:
                self._fault("missing_fields", "its flow tuple is under none of the known names", json.dumps(record))
            elif groups is None:
                self._add([None], None, record)
            for mac, tuples in groups or ():
                if not isinstance(tuples, list) or not all(isinstance(t, str) for t in tuples):
                    raise TypeError
                self._add(tuples, mac, record)
        except (KeyError, TypeError, AttributeError):
            self._fault(reason, "flow tuples are not where they belong", json.dumps(record))

    def _add(self, tuples: list[Any], mac: Any, record: dict[str, Any]) -> None:
        """One group's tuples; None stands for a record of another log."""
        watched = record.get("targetResourceID", record.get("resourceId"))
        name = watched.rsplit("/", 1)[-1] if isinstance(watched, str) else mac
        self.groups.append((self.number + 1, len(tuples), _text(mac), _text(name) or None, _text(record.get("time"))))
        self.tuples += tuples
        self.number += len(tuples)

    def _fault(self, reason: str, detail: str, text: str) -> None:
        self.number += 1
        self.broken.append((self.number, reason, detail, _text(text[:2_000]) or ""))

    def end_line(self, before: int) -> None:
        """A line is at its end, which began after that many records."""
        self.lines += 1
        self.empty += self.number == before

    def decoded(self) -> Decoded:
        """What was found, as records."""
        fields, broken = _decoded(self._frame())
        rejects = pl.DataFrame(self.broken, schema=REJECTS, orient="row")
        found = self.number - self.first + self.empty
        return Decoded(fields, pl.concat([rejects, broken]), comments=self.empty, more=found - self.lines)

    def __post_init__(self) -> None:
        """Remember where the batch begins."""
        self.first = self.number

    def _frame(self) -> pl.DataFrame:
        """One row a tuple: source_line, raw and what its group says."""
        groups = pl.DataFrame(self.groups, schema=_GROUPS, orient="row").filter(pl.col("n") > 0)
        try:
            raw = pl.Series("raw", self.tuples, pl.String)
        except UnicodeError:
            raw = pl.Series("raw", [_text(t) for t in self.tuples], pl.String)
        rows = groups.with_columns(source_line=pl.int_ranges("first", pl.col("first") + pl.col("n")))
        return rows.explode("source_line").with_columns(raw)


class TupleDecoder(Stateless):
    """Lines that are bare tuples."""

    def decode(self, lines: pl.DataFrame, reason: str) -> Decoded:
        """See Decoder; what is wrong with a tuple says itself why it is set aside."""
        del reason
        blank = (pl.lit(None, pl.String).alias(c) for c in ("mac", "system", "write_ts"))
        return Decoded(*_decoded(lines.with_columns(blank)))


class AzureDecoder:
    """Tuples of one file as records, numbered across the file."""

    def __init__(self) -> None:
        self._number = 0

    def state(self) -> dict[str, Any]:
        """How many records came before."""
        return {"number": self._number}

    def resume(self, state: dict[str, Any]) -> None:
        """Go on numbering."""
        self._number = int(state["number"])

    def unfinished(self) -> list[tuple[int, str]]:
        """No record spans lines, but in a document, which is read whole."""
        return []

    def decode(self, lines: pl.DataFrame, reason: str) -> Decoded:
        """All pieces as one."""
        parts = list(self.pieces(lines, reason))
        fields, broken = (pl.concat(frames) for frames in zip(*((p.fields, p.broken) for p in parts), strict=True))
        return Decoded(fields, broken, comments=sum(p.comments for p in parts), more=sum(p.more for p in parts))

    def pieces(self, lines: pl.DataFrame, reason: str) -> Iterator[Decoded]:
        """See PiecewiseDecoder."""
        batch = _Batch(self._number)
        for line in lines["raw"]:
            before = batch.number
            for record in _records(line):
                batch.take(record, reason)
                if len(batch.tuples) >= BATCH_TUPLES:
                    yield batch.decoded()
                    batch = _Batch(batch.number)
            batch.end_line(before)
        self._number = batch.number
        yield batch.decoded()


def _decoded(tuples: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Tuples (source_line, raw, mac, ...) as fields, and those that are none as REJECTS."""
    cells = tuples["raw"].str.split_exact(",", _COLUMNS).struct.rename_fields([f"c{i}" for i in range(_COLUMNS + 1)])
    both = pl.concat([tuples, cells.struct.unnest()], how="horizontal").with_columns(fault=_fault())
    bad = both.filter(pl.col("fault").is_not_null() & pl.col("raw").is_not_null())
    good = both.filter(pl.col("fault").is_null() | pl.col("raw").is_null())
    reason = pl.when(pl.col("fault").str.contains("fields")).then("fault").otherwise(pl.lit("bad_line"))
    broken = rejected(bad, bad.select(reason).to_series(), "fault")
    return good.select(_fields()), broken


def _virtual() -> pl.Expr:
    """Whether a tuple is a virtual network's: its ninth column is the encryption, NX, X or NX with a reason."""
    return pl.col("c8").str.contains("^N?X")


def _fault() -> pl.Expr:
    """What is wrong with a tuple, null when nothing is."""
    width = pl.sum_horizontal(pl.col(f"c{i}").is_not_null() for i in range(_COLUMNS + 1))
    states = pl.when(_virtual()).then(pl.col("c7").is_in(["B", "C", "E", "D"]))
    known = states.otherwise(pl.col("c7").is_in(["A", "D"]) & pl.col("c8").is_in(["B", "C", "E", ""]).fill_null(True))
    return (
        pl.when(width > _COLUMNS)
        .then(pl.lit("too_many_fields"))
        .when((width < _COLUMNS) & (width != 8))
        .then(pl.lit("too_few_fields"))
        .when(~pl.col("c6").is_in(["I", "O"]))
        .then(pl.lit("the direction is neither I nor O"))
        .when(~known)
        .then(pl.lit("no known decision and state"))
    )


def _fields() -> list[pl.Expr]:
    """A tuple's columns by our names. A flow leaves its source's interface outbound and enters its destination's."""
    state = pl.when(_virtual()).then("c7").otherwise("c8")
    counters = {"orig_pkts": "c9", "orig_ip_bytes": "c10", "resp_pkts": "c11", "resp_ip_bytes": "c12"}
    return [
        pl.col("source_line"),
        pl.col("raw").fill_null(""),
        *(pl.col(f"c{i}").alias(n) for i, n in enumerate(("ts", "src", "dest", "src_port", "dest_port"))),
        pl.col("c5").replace({"T": "tcp", "U": "udp"}).alias("proto"),
        pl.col("c6").replace_strict({"O": "src", "I": "dest"}, default=None, return_dtype=pl.String).alias("reporter"),
        (pl.col("c7") == "D").alias("denied"),
        state.alias("state"),
        *(pl.when(pl.col(c) != "").then(pl.col(c)).alias(n) for n, c in counters.items()),
        pl.concat_str(pl.col("mac").fill_null(""), "raw", separator=",").alias("record_id"),
        pl.col("system"),
        pl.col("write_ts"),
    ]


def _counts() -> pl.Expr:
    """Whether a tuple counts anything: beginnings have no counters, and version 1 has none at all."""
    counted = pl.col("orig_ip_bytes").is_not_null() | pl.col("resp_ip_bytes").is_not_null()
    return pl.col("state").is_in(["C", "E"]).fill_null(False) & counted


_JSON = Form(
    name="azure_json",
    family="azure",
    vendor_product="Azure Flow Logs",
    layer="unknown",
    contract=Contract(
        "bytes, destination to source",
        "bytes, source to destination",
        "not said",
        "the tuple's time",
        "deltas: `C` and `E` tuples count since the flow's previous tuple; `B` tuples count nothing",
    ),
    marks=re.compile(
        rb'"flowTuples?"\s*:|"category"\s*:\s*"(?:NetworkSecurityGroupFlowEvent|FlowLogFlowEvent)"'
        rb'|"deviceDirection"\s*:\s*"[IO]"|"flowstate"\s*:\s*"(?:[BCE]?"|%\{)|"flow\.\d+"\s*:\s*"\d{10}'
    ),
    strong=True,
    decoder=lambda _: AzureDecoder(),
    json=True,
    numbers_records=True,
    flows=lambda: ~pl.col("denied") & _counts(),
    accounting=lambda: pl.lit("delta"),
    ignored={
        "blocked": lambda: pl.col("denied"),
        "begin": lambda: ~pl.col("denied") & (pl.col("state") == "B"),
        "no_counters": lambda: ~pl.col("denied") & (pl.col("state") != "B").fill_null(True) & ~_counts(),
    },
    note="Every tuple is a record, and counts as a line. Version 1 tuples have no counters and are no byte sample.",
)
_TUPLES = replace(
    _JSON,
    name="azure_tuples",
    marks=re.compile(rb"\A\s*\d{10}(?:\d{3})?,[0-9a-fA-F.:]+,[0-9a-fA-F.:]+,\d*,\d*,(?:[TU]|\d{1,3}),[IO],[ABCDE]\b"),
    decoder=lambda _: TupleDecoder(),
    json=False,
    ends_lines=True,
    numbers_records=False,
)
AZURE = (_JSON, _TUPLES)

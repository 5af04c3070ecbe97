"""Flow records of any JSON format as RAW rows: one declared form a format, one way to judge and orient them all.

A form says where each value stands, what its bytes count and which records are flows at all; values and addresses are
then judged as those of a conn.log are. One-way records are oriented here by their ports.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import polars as pl

from pipeline.sources import json_lines
from pipeline.sources import zeek_columns as conn
from pipeline.sources.base import RAW, Account, Block, Parsed, ReadOptions, merge

SERVICE_PORTS = (20, 21, 22, 23, 25, 53, 80, 88, 110, 123, 135, 137, 138, 139, 143, 389, 443, 445, 465, 587, 636, 853,
                 989, 990, 993, 995, 1433, 3306, 3389, 5223, 5432, 8080, 8088, 8443)  # fmt: skip
"""Ports that a server answers on: what tells the ends of a one-way record apart."""


@dataclass(frozen=True)
class Form:
    """One format's table: fields by the names of `zeek_columns.ALIASES`, and three of its own.

    `resp_ip_bytes` is what the responder sent (bytes in), `orig_ip_bytes` what the initiator sent (bytes out), whatever
    layer they count; `end` is the time of the last packet, `sent` the bytes of a record that knows one direction only.
    """

    name: str
    vendor_product: str
    layer: str
    """What the bytes count: ip, payload, l2 or unknown."""
    fields: json_lines.Fields
    flows: Callable[[], pl.Expr]
    """Which records are flows; the others are counted as ignored. `kind` is there for it."""
    interim: Callable[[], pl.Expr] = lambda: pl.lit(False)
    """Which records are interim ones, whose counters the session's next record includes."""
    note: str = ""
    """What a reader of the documentation must know."""


class JsonReader(ABC):
    """What readers of JSON share: blocks of lines or one whole document in, and no state between them."""

    def __init__(self, options: ReadOptions) -> None:
        self._options = options

    def state(self) -> dict[str, Any]:
        """Every line carries all it needs."""
        return {}

    def resume(self, state: dict[str, Any]) -> None:  # noqa: B027 - nothing to take up is right for all of them
        """Nothing to take up."""

    def read(self, block: Block) -> Parsed:
        """Read one block of lines."""
        lines, account = text_lines(block)
        return self._read(lines, account, "incomplete_last_line" if block.unterminated else "bad_json")

    def read_array(self, data: bytes) -> Parsed:
        """A file that is one JSON document: an array of records, or one record over many lines."""
        lines, account = document_lines(data)
        return self._read(lines, account, "bad_json")

    @abstractmethod
    def _read(self, lines: pl.DataFrame, account: Account, reason: str) -> Parsed:
        """Lines (source_line, raw) as flows; reason is why one that is no object is set aside."""

    def _settle(self, parsed: Parsed, typed: pl.DataFrame, raw: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
        """Take judged records into the result: watched ones as raw makes them, the others counted."""
        if typed.is_empty():
            return
        first, last = typed.select(pl.col("ts").min().alias("a"), pl.col("ts").max().alias("b")).row(0)
        parsed.span = (first, last) if first is not None else None
        kept, others = conn.select_watched(typed, self._options)
        parsed.rows, parsed.others = raw(kept), conn.mail_port_others(others)
        parsed.account.flows, parsed.account.others = kept.height, others.height
        parsed.account.warnings.update(conn.odd_flows(kept))


class RecordReader(JsonReader):
    """Reads the blocks of one file of a form."""

    def __init__(self, form: Form, options: ReadOptions) -> None:
        super().__init__(options)
        self.format, self._form = form.name, form

    def _read(self, lines: pl.DataFrame, account: Account, reason: str) -> Parsed:
        if lines.is_empty():
            return merge([Parsed(account=account)])
        fields, broken = json_lines.decode(lines, self._form.fields, reason)
        records = fields.filter(self._form.flows().fill_null(False))
        account.ignored = fields.height - records.height
        text, kinds = _oriented(records, self._form)
        typed, unreadable = conn.read_text(text, self._options)
        for frame in (broken, unreadable):
            account.quarantined.update(frame["reason"].to_list())
        parsed = Parsed(account=account, rejects=pl.concat([broken, unreadable]))
        self._settle(parsed, typed, lambda kept: _raw(kept, kinds, self._form, self._options))
        return parsed


def text_lines(block: Block) -> tuple[pl.DataFrame, Account]:
    """The block's lines (source_line, raw) but for blank ones, and their account so far."""
    text = block.data.decode("utf-8", errors="backslashreplace")
    lines = pl.DataFrame({"raw": text.removesuffix("\n").split("\n")}, schema={"raw": pl.String})
    lines = lines.with_row_index("source_line", block.first_line).with_columns(
        pl.col("source_line").cast(pl.Int64), pl.col("raw").str.strip_chars(" \t\r")
    )
    account = Account(lines=block.lines)
    account.comments = lines.filter(pl.col("raw") == "").height
    return lines.filter(pl.col("raw") != ""), account


def document_lines(data: bytes) -> tuple[pl.DataFrame, Account]:
    """The records of one JSON document as lines; a record's number stands for its line."""
    found = json.loads(data.decode("utf-8", errors="replace"), object_pairs_hook=json_lines.first_wins)
    records = found if isinstance(found, list) else [found]
    raw = [json.dumps(r, separators=(",", ":")) for r in records]
    schema = {"source_line": pl.Int64, "raw": pl.String}
    lines = pl.DataFrame({"source_line": range(1, len(raw) + 1), "raw": raw}, schema=schema)
    return lines, Account(lines=len(raw))


def _oriented(records: pl.DataFrame, form: Form) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(text columns as `read_text` wants them, what is known of each line besides: orientation, interim)."""
    # A field with several values is a list; of ports the first one counts.
    first = [
        pl.col(c).str.replace(r'^\[\s*"?(\d+)"?\s*[,\]].*$', "${1}")
        for c in ("src_port", "dest_port")
        if c in records.columns
    ]
    records = records.with_columns(first)
    missing = [pl.lit(None, pl.String).alias(c) for c in (*conn.ALIASES, "end", "sent") if c not in records.columns]
    records = records.with_columns(missing)
    two_way = pl.col("resp_ip_bytes").is_not_null() | pl.col("orig_ip_bytes").is_not_null()
    served = [pl.col(c).cast(pl.Int64, strict=False).is_in(SERVICE_PORTS) for c in ("src_port", "dest_port")]
    one_way = ~two_way & pl.col("sent").is_not_null()
    turned = (one_way & served[0] & ~served[1]).fill_null(False)
    told = one_way & (served[0] != served[1]).fill_null(False)
    ends = [
        pl.when(turned).then(pl.col(b)).otherwise(pl.col(a)).alias(a)
        for a, b in (("src", "dest"), ("dest", "src"), ("src_port", "dest_port"), ("dest_port", "src_port"))
    ]
    seconds = (conn.epoch_us("end") - conn.epoch_us("ts")).cast(pl.Float64) / 1e6
    text = records.with_columns(
        *ends,
        pl.coalesce("duration", seconds.cast(pl.String)).alias("duration"),
        pl.when(turned).then("sent").otherwise("resp_ip_bytes").alias("resp_ip_bytes"),
        pl.when(one_way & ~turned).then("sent").otherwise("orig_ip_bytes").alias("orig_ip_bytes"),
    )
    kinds = records.select(
        "source_line",
        orientation=pl.when(told)
        .then(pl.lit("port_rule"))
        .when(one_way)
        .then(pl.lit("unknown"))
        .otherwise(pl.lit("native")),
        interim=form.interim().fill_null(False),
    )
    return text.select("source_line", "raw", *conn.ALIASES), kinds


def _raw(kept: pl.DataFrame, kinds: pl.DataFrame, form: Form, options: ReadOptions) -> pl.DataFrame:
    """TYPED rows as RAW, their bytes in the columns of the form's layer."""
    raw = conn.to_raw(kept, options, interim=False).drop("orientation")
    raw = raw.join(kinds, on="source_line", how="left", maintain_order="left")
    raw = raw.with_columns(
        accounting=pl.when("interim").then(pl.lit("cumulative")).otherwise(pl.lit("final")),
        action=pl.lit("allowed"),
        vendor_product=pl.lit(form.vendor_product),
    )
    if form.layer != "ip":
        blank = [pl.lit(None, pl.Int64).alias(f"ip_bytes_{side}") for side in ("in", "out")]
        prefix = "payload" if form.layer == "payload" else "other"
        moved = [pl.col(f"ip_bytes_{side}").alias(f"{prefix}_bytes_{side}") for side in ("in", "out")]
        raw = raw.with_columns(moved).with_columns(blank)
    if form.layer in ("l2", "unknown"):
        raw = raw.with_columns(other_layer=pl.lit(form.layer))
    return raw.select(RAW.names())

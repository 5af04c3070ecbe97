"""Records of Telegraf's netflow input, as JSON and as InfluxDB's line protocol.

Source: Telegraf's page on its netflow input and what it says of each version's fields: a record tells one direction,
from src to dest, and its time is that of its receipt. When a flow began and ended is told in milliseconds of the
exporter's own uptime, so that only how long it lasted is known.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import polars as pl

from pipeline.sources import instants, json_lines
from pipeline.sources.base import rejected
from pipeline.sources.declared import Contract, Decoded, Form, Stateless, Wrapped
from pipeline.sources.orienting import initiator
from pipeline.sources.records import JsonDecoder
from pipeline.sources.texts import syslog

_NAMES = {
    "src": ("src",),
    "dest": ("dst",),
    "src_port": ("src_port",),
    "dest_port": ("dst_port",),
    "proto": ("protocol",),
    "sent": ("in_bytes",),
    "orig_pkts": ("in_packets",),
    "flags": ("tcp_flags",),
    "first": ("first_switched",),
    "last": ("last_switched",),
    "sampling": ("sampling_interval",),
    "dest_nat": ("xlated_dst", "post_nat_dst"),
}
_TAGS = {"system": ("source",), "version": ("version",)}
_FIELDS: json_lines.Fields = {
    **{ours: tuple(f"fields.{n}" for n in names) for ours, names in _NAMES.items()},
    **{ours: tuple(f"tags.{n}" for n in names) for ours, names in _TAGS.items()},
    "write_ts": ("timestamp",),
    "name": ("name",),
}
_POINT = r'^netflow(?:,[^ ]+)? (?:[^" ]|"[^"]*")+ (\d{10,19})$'
"""A whole point: its measurement and tags, its fields, and its time."""
_LONGEST = 86_400_000
"""Milliseconds; what lasted longer is a clock that began anew."""


class LineDecoder(Stateless):
    """Points of line protocol; other measurements tell of no flows."""

    def decode(self, lines: pl.DataFrame, reason: str) -> Decoded:
        """See Decoder."""
        raw = pl.col("raw").str.strip_chars()
        ours = raw.str.starts_with("netflow,") | raw.str.starts_with("netflow ")
        point = raw.str.contains(r"^[^ ,=]+(?:,[^ ]+)? [^ =]+=")
        twice = pl.any_horizontal(raw.str.count_matches(rf"[ ,]{k}=") > 1 for k in ("src", "dst", "in_bytes"))
        detail = (
            pl.when(raw.str.starts_with("#"))
            .then(None)
            .when(~point | (ours & ~raw.str.contains(_POINT)))
            .then(pl.lit("no point of line protocol"))
            .when(ours & (twice | (raw.str.count_matches(r"\bnetflow,") > 1)))
            .then(pl.lit("another point within it"))
        )
        frame = lines.with_columns(detail=detail, ours=ours)
        broken = rejected(frame.filter(pl.col("detail").is_not_null()), reason, "detail")
        good = frame.filter(pl.col("detail").is_null())
        found = good.with_columns(
            *(pl.coalesce(_value(n) for n in names).alias(o) for o, names in (_NAMES | _TAGS).items()),
            write_ts=raw.str.extract(_POINT),
            name=pl.when("ours").then(pl.lit("netflow")).otherwise(pl.lit("other")),
        )
        return Decoded(found.drop("detail", "ours"), broken)


def _value(key: str) -> pl.Expr:
    """The value of a tag or field, without its quotes or the mark of an integer."""
    found = pl.col("raw").str.extract(rf'[ ,]{key}=("[^"]*"|[^, ]+)').str.strip_chars('"')
    return found.str.replace(r"^(\d+)[iu]$", "${1}")


@dataclass
class Dated(Wrapped):
    """Records with their start: their receipt, less how long they lasted."""

    def decode(self, lines: pl.DataFrame, reason: str) -> Decoded:
        """See Decoder."""
        found = self.inner.decode(lines, reason)
        first, last = (pl.col(c).cast(pl.Float64, strict=False).cast(pl.Int64, strict=False) for c in ("first", "last"))
        lasted = pl.when((last - first).is_between(0, _LONGEST)).then(last - first)
        told = instants.epoch_us("write_ts")
        rate = pl.col("sampling").cast(pl.Float64, strict=False)
        flags = pl.coalesce(_flags(pl.col("flags")), "flags")
        fields = found.fields.with_columns(
            ts=pl.coalesce(syslog.as_text(told - lasted.fill_null(0) * 1_000), "write_ts"),
            duration=(lasted.cast(pl.Float64) / 1e3).cast(pl.String),
            proto=pl.col("proto").str.to_lowercase(),
            received_by="dest_nat",
            initiator=initiator(flags, pl.lit(value=False)),
            sampling=pl.when(rate > 0).then("sampling"),
        )
        return replace(found, fields=fields.drop("first", "last", "flags", "version"))


def _flags(text: pl.Expr) -> pl.Expr:
    """TCP's flags as a number, where they are letters at their places (`...A..S.`); null for others."""
    letters = text.str.contains(r"^[A-Z.]{6,9}$")
    syn, ack = (pl.when(text.str.contains(x, literal=True)).then(n).otherwise(0) for x, n in (("S", 2), ("A", 16)))
    return pl.when(letters).then(syn + ack).cast(pl.String)


def _record() -> pl.Expr:
    return (pl.col("name").fill_null("netflow") == "netflow") & pl.col("src").is_not_null()


_JSON = Form(
    name="telegraf",
    family="netflow",
    vendor_product="Telegraf netflow",
    layer="ip",
    contract=Contract(
        "in_bytes of a server's record",
        "in_bytes of a client's record",
        "IP; of sFlow, frames",
        "timestamp, less how long it lasted",
        "one a direction; deltas; sampled counters are not multiplied",
    ),
    marks=re.compile(rb'"fields"\s*:\s*\{(?=[^{}]*"in_bytes"\s*:)[^{}]*"(?:src|dst)"\s*:'),
    strong=True,
    decoder=lambda _: Dated(JsonDecoder(_FIELDS, list)),
    json=True,
    flows=lambda: _record() & pl.col("sent").is_not_null(),
    accounting=lambda: pl.lit("delta"),
    ignored={"no_counters": lambda: _record() & pl.col("sent").is_null()},
    flags_tell=True,
)
_LINES = replace(
    _JSON,
    name="telegraf_lines",
    contract=replace(_JSON.contract, records="as JSON, as InfluxDB's line protocol"),
    marks=re.compile(rb"(?m)^netflow,[^ \n]*\bversion=(?:NetFlow|IPFIX|sFlow)"),
    decoder=lambda _: Dated(LineDecoder()),
    json=False,
    ends_lines=True,
)
TELEGRAF = (_JSON, _LINES)

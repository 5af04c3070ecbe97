"""Sessions of Arkime, and of Moloch as it was called before, as their database and their API hold them.

Source: Arkime's description of its session fields, where a session's bytes are those of its frames. A session that
lasts is written in stretches, each with what was counted since the last. Malcolm keeps Zeek's connections, which tell
IP bytes, among them: they are another sensor's.
"""

from __future__ import annotations

import re

import polars as pl

from pipeline.sources import json_lines
from pipeline.sources.declared import Contract, Form
from pipeline.sources.orienting import has_counters, told_by_ports
from pipeline.sources.records import json_decoder

_FIELDS: json_lines.Fields = {
    "ts": ("firstPacket",),
    "end": ("lastPacket",),
    "write_ts": ("@timestamp", "timestamp"),
    "src": ("source.ip", "srcIp"),
    "src_port": ("source.port", "srcPort"),
    "dest": ("destination.ip", "dstIp"),
    "dest_port": ("destination.port", "dstPort"),
    "proto": ("ipProtocol",),
    "resp_ip_bytes": ("destination.bytes", "dstBytes"),
    "orig_ip_bytes": ("source.bytes", "srcBytes"),
    "resp_pkts": ("destination.packets", "dstPackets"),
    "orig_pkts": ("source.packets", "srcPackets"),
    "system": ("node",),
    "syn": ("tcpflags.syn",),
    "provider": ("event.provider",),
    "dataset": ("event.dataset",),
    "zeek_uid": ("zeek.uid", "event.id[]"),
    "long": ("zeek.conn.long",),
}
_NAMES = {name: [s.removesuffix("[]") for s in spellings] for name, spellings in _FIELDS.items()}


def _zeek() -> pl.Expr:
    return pl.col("provider") == "zeek"


def _told() -> pl.Expr:
    """Sessions, and of what Malcolm keeps of other sensors the connections: all else repeats their counters, if any."""
    connection = _zeek() & (pl.col("dataset") == "conn")
    session = pl.col("provider").is_null() | (pl.col("provider") == "arkime") | connection
    return pl.col("src").is_not_null() & session.fill_null(value=False)


def _derive(fields: pl.DataFrame) -> pl.DataFrame:
    """Who began: the source is who sent the first packet of a session, which may have been silent for long before."""
    begun = pl.col("syn").cast(pl.Float64, strict=False) > 0
    return fields.with_columns(
        initiator=told_by_ports(seen=begun),
        system=pl.when(_zeek())
        .then(pl.concat_str("system", pl.lit("zeek"), separator=" ", ignore_nulls=True))
        .otherwise("system"),
        uid=pl.when(_zeek()).then("zeek_uid"),
    )


def _accounting() -> pl.Expr:
    """Zeek's connections count all of a flow, the long ones all so far; sessions are stretches."""
    return (
        pl.when(_zeek() & (pl.col("long").str.to_lowercase() == "true"))
        .then(pl.lit("cumulative"))
        .when(_zeek())
        .then(pl.lit("final"))
        .otherwise(pl.lit("delta"))
    )


ARKIME = Form(
    name="arkime",
    vendor_product="Arkime",
    layer="l2",
    contract=Contract(
        "destination.bytes",
        "source.bytes",
        "frames (l2)",
        "firstPacket",
        "deltas: a long session is written in stretches",
    ),
    marks=re.compile(rb'"firstPacket"\s*:'),
    strong=True,
    decoder=json_decoder(_FIELDS, inside=("$._source",)),
    derive=_derive,
    columns=_NAMES,
    json=True,
    flows=lambda: _told() & has_counters(),
    ignored={"no_counters": lambda: _told() & ~has_counters()},
    accounting=_accounting,
    idle=frozenset(("end", "write_ts", "proto", "system", "syn", "provider", "zeek_uid", "long")),
)

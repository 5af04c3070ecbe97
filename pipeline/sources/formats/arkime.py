"""Sessions of Arkime, and of Moloch as it was called before, as their database and their API hold them.

Source: Arkime's description of its session fields, where a session's bytes are those of its frames. A session that
lasts is written in stretches, each with what was counted since the last.
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
}


def _derive(fields: pl.DataFrame) -> pl.DataFrame:
    """Who began: the source is who sent the first packet of a session, which may have been silent for long before."""
    begun = pl.col("syn").cast(pl.Float64, strict=False) > 0
    return fields.with_columns(initiator=told_by_ports(seen=begun))


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
    columns=_FIELDS,
    json=True,
    flows=lambda: pl.col("src").is_not_null() & has_counters(),
    ignored={"no_counters": lambda: pl.col("src").is_not_null() & ~has_counters()},
    accounting=lambda: pl.lit("delta"),
    idle=frozenset(("end", "write_ts", "proto", "system", "syn")),
)

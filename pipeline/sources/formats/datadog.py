"""Records of NetFlow, IPFIX and sFlow as the Datadog agent's network device monitoring keeps them, as JSON.

Source: the agent's description of its flow payload. Each record sums the packets of one direction between two flushes.
Clients' ports that the agent rolled up are `*`; its times are whole seconds, that of the flush milliseconds.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from pipeline.sources.declared import Contract, Form
from pipeline.sources.orienting import leaving
from pipeline.sources.records import json_decoder

_FIELDS = {
    "ts": ("start",),
    "end": ("end",),
    "write_ts": ("flush_timestamp",),
    "src": ("source.ip",),
    "src_port": ("source.port",),
    "dest": ("destination.ip",),
    "dest_port": ("destination.port",),
    "proto": ("ip_protocol",),
    "sent": ("bytes",),
    "orig_pkts": ("packets",),
    "flags": ("tcp_flags[]",),
    "sampling": ("sampling_rate",),
    "system": ("exporter.ip",),
    "way": ("direction",),
}


def _derived() -> Sequence[pl.Expr]:
    """Ports and times that the agent knows; a lone SYN tells who began, and a port of many that it rolled up."""
    start = pl.coalesce(*(pl.when(pl.col(c) != "0").then(c) for c in ("ts", "end", "write_ts")))
    syn, ack = (pl.col("flags").str.contains(rf"\b{name}\b") for name in ("SYN", "ACK"))
    source, destination = (pl.col(c) == "*" for c in ("src_port", "dest_port"))
    return [
        start.alias("ts"),
        *(pl.when(pl.col(c) != "*").then(c).alias(c) for c in ("src_port", "dest_port")),
        pl.when(source != destination)
        .then(pl.when(source).then(pl.lit("src")).otherwise(pl.lit("dest")))
        .when(syn & ~ack)
        .then(pl.lit("src"))
        .alias("initiator"),
        pl.when(pl.col("sampling").cast(pl.Float64, strict=False) > 0).then("sampling").alias("sampling"),
        leaving(pl.lit(value=True)).alias("reporter"),
    ]


def _told() -> pl.Expr:
    return pl.col("src").is_not_null() & pl.col("dest").is_not_null()


DATADOG = Form(
    name="datadog",
    family="netflow",
    vendor_product="Datadog NetFlow",
    layer="ip",
    contract=Contract(
        "bytes of a server's record",
        "bytes of a client's record",
        "IP",
        "start",
        "one a direction; deltas; sampled counters are not multiplied",
    ),
    marks=re.compile(rb'\A(?=[\s\S]*"flush_timestamp"\s*:\s*\d)(?=[\s\S]*"exporter"\s*:\s*\{)[\s\S]*"source"\s*:\s*\{'),
    decoder=json_decoder(_FIELDS, _derived),
    json=True,
    strong=True,
    flows=lambda: _told() & pl.col("sent").is_not_null(),
    ignored={"no_counters": lambda: _told() & pl.col("sent").is_null()},
    accounting=lambda: pl.lit("delta"),
    flags_tell=True,
    uptime=True,
)

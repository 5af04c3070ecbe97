"""VPC flow logs of Google Cloud, as Cloud Logging exports them: entries to files, BigQuery rows, Pub/Sub messages.

Sources: Google's page on the records of VPC Flow Logs; the LogEntry type. A record tells one direction of one interval,
and both ends report the traffic between machines of a network.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from pipeline.sources.declared import Contract, Form
from pipeline.sources.records import json_decoder


def _payload(*names: str) -> tuple[str, ...]:
    return tuple(f"jsonPayload.{name}" for name in names)


def _derived() -> Sequence[pl.Expr]:
    """The end that reports, by its own name; gateways stand at an end of theirs. BigQuery writes UTC after a blank."""
    by_src = pl.col("reporter").str.starts_with("SRC")
    by_dest = pl.col("reporter").str.starts_with("DEST")
    times = [pl.col(c).str.replace(r" UTC$", "Z").alias(c) for c in ("ts", "end", "write_ts")]
    named = pl.when(by_src).then("src_name").when(by_dest).then("dest_name")
    return [
        pl.when(by_src).then(pl.lit("src")).when(by_dest).then(pl.lit("dest")).alias("reporter"),
        pl.coalesce(named, "project").alias("system"),
        *times,
    ]


GCP = Form(
    name="gcp",
    vendor_product="Google Cloud VPC Flow Logs",
    layer="payload",
    contract=Contract(
        "bytes_sent of records from the server",
        "bytes_sent of records from the client",
        "payload",
        "start_time",
        "one a direction, interval and reporter (`SRC`, `DEST`); deltas",
    ),
    marks=re.compile(rb'"jsonPayload"\s*:[\s\S]{0,4000}?"(?:bytes_sent|connection)"\s*:|"jsonPayload\.connection\.'),
    strong=True,
    decoder=json_decoder(
        {
            "ts": _payload("start_time"),
            "end": _payload("end_time"),
            "write_ts": ("timestamp", "receiveTimestamp"),
            "record_id": ("insertId",),
            "src": _payload("connection.src_ip"),
            "src_port": _payload("connection.src_port"),
            "dest": _payload("connection.dest_ip"),
            "dest_port": _payload("connection.dest_port"),
            "proto": _payload("connection.protocol"),
            "sent": _payload("bytes_sent"),
            "orig_pkts": _payload("packets_sent"),
            "reporter": _payload("reporter"),
            "src_name": _payload("src_instance.vm_name", "src_gateway.name"),
            "dest_name": _payload("dest_instance.vm_name", "dest_gateway.name"),
            "project": ("resource.labels.project_id", "resource.labels.resource_container"),
            "encoded": ("message.data",),
        },
        _derived,
        inside=("$.data",),
    ),
    json=True,
    flows=lambda: pl.col("src").is_not_null() & pl.col("sent").is_not_null(),
    accounting=lambda: pl.lit("delta"),
    ignored={"encoded": lambda: pl.col("encoded").is_not_null()},
    idle=frozenset(("end", "write_ts", "record_id", "proto", "src_name", "dest_name", "project")),
    note="The log is sampled, and its counters are estimates from the sample. Entries in the Base64 text of a Pub/Sub "
    "message are not unfolded, but counted as `encoded`.",
)

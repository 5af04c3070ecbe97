"""Flow logs of Oracle's virtual cloud networks and of IBM's virtual private clouds, as JSON.

Sources: Oracle's page on the details of VCN flow logs (a record tells one direction of a window, as an interface saw
it), IBM's on viewing flow log objects (the initiator is who sent the first packet; both directions of a window). AWS,
Azure and Google's have modules of their own.
"""

from __future__ import annotations

import re

import polars as pl

from pipeline.sources.declared import Contract, Form
from pipeline.sources.orienting import has_counters
from pipeline.sources.records import json_decoder


def _oracle(*names: str) -> tuple[str, ...]:
    """A field as Service Connector Hub, a stream and a search write it."""
    return tuple(f"{outer}{name}" for name in names for outer in ("logContent.data.", "data.logContent.data.", "data."))


_ORACLE_FIELDS = {
    "ts": _oracle("startTime"),
    "end": _oracle("endTime"),
    "write_ts": ("logContent.time", "data.logContent.time", "time"),
    "src": _oracle("sourceAddress"),
    "src_port": _oracle("sourcePort"),
    "dest": _oracle("destinationAddress"),
    "dest_port": _oracle("destinationPort"),
    "proto": _oracle("protocol"),
    "sent": _oracle("bytesOut"),
    "orig_pkts": _oracle("packets"),
    "action": _oracle("action"),
    "status": _oracle("status"),
    "record_id": ("logContent.id", "data.logContent.id", "id"),
    "system": ("logContent.oracle.vnicocid", "data.logContent.oracle.vnicocid", "oracle.vnicocid"),
}
_IBM_FIELDS = {
    "ts": ("start_time",),
    "end": ("end_time",),
    "src": ("initiator_ip",),
    "src_port": ("initiator_port",),
    "dest": ("target_ip",),
    "dest_port": ("target_port",),
    "proto": ("transport_protocol",),
    "orig_ip_bytes": ("bytes_from_initiator",),
    "resp_ip_bytes": ("bytes_from_target",),
    "orig_pkts": ("packets_from_initiator",),
    "resp_pkts": ("packets_from_target",),
    "action": ("action",),
    "way": ("direction",),
    "system": ("network_interface_id",),
}


def _reporter(fields: pl.DataFrame) -> pl.DataFrame:
    """Whose interface saw the first packet: on its way out that of the initiator, on its way in that of the target."""
    return fields.with_columns(reporter=pl.col("way").replace_strict({"O": "src", "I": "dest"}, default=None))


def _rejected() -> pl.Expr:
    return pl.col("action").str.to_lowercase().str.starts_with("reject").fill_null(value=False)


def _told() -> pl.Expr:
    return pl.col("src").is_not_null() & ~_rejected()


_OCI = Form(
    name="oci",
    vendor_product="Oracle Cloud VCN Flow Logs",
    layer="unknown",
    contract=Contract(
        "bytesOut of records from the server",
        "bytesOut of records from the client",
        "not said",
        "startTime",
        "one a direction, interface and window; deltas",
    ),
    marks=re.compile(rb'"bytesOut"\s*:[^{}]*"sourceAddress"\s*:|"sourceAddress"\s*:[^{}]*"bytesOut"\s*:'),
    strong=True,
    decoder=json_decoder(_ORACLE_FIELDS),
    json=True,
    flows=lambda: _told() & pl.col("sent").is_not_null(),
    accounting=lambda: pl.lit("delta"),
    ignored={
        "blocked": lambda: pl.col("src").is_not_null() & _rejected(),
        "no_data": lambda: pl.col("status") == "NODATA",
        "lost_data": lambda: pl.col("status") == "SKIPDATA",
        "no_counters": lambda: _told() & pl.col("sent").is_null() & (pl.col("status") != "NODATA"),
    },
)
_IBM = Form(
    name="ibm",
    vendor_product="IBM Cloud VPC Flow Logs",
    layer="unknown",
    contract=Contract(
        "bytes_from_target",
        "bytes_from_initiator",
        "not said",
        "start_time",
        "one a connection, interface and window; deltas",
    ),
    marks=re.compile(rb'"bytes_from_(?:initiator|target)"\s*:'),
    strong=True,
    decoder=json_decoder(_IBM_FIELDS),
    derive=_reporter,
    json=True,
    flows=lambda: _told() & has_counters(),
    accounting=lambda: pl.lit("delta"),
    ignored={
        "blocked": lambda: pl.col("src").is_not_null() & _rejected(),
        "no_counters": lambda: _told() & ~has_counters(),
    },
)
CLOUDS = (_OCI, _IBM)

"""Records of OpenTelemetry's netflow receiver, as a collector's exporters write them in JSON.

Source: the receiver's page on the attributes of its records, which are goflow2's: one direction each, from source to
destination; newer releases name the flow's own with `flow.`, older ones with `network.`. OTLP's own documents are
opened before they come here.
"""

from __future__ import annotations

import re
from dataclasses import replace

import polars as pl

from pipeline.sources import json_lines
from pipeline.sources.declared import Form
from pipeline.sources.formats.collectors import GOFLOW, derive_records
from pipeline.sources.records import json_decoder


def _flow(name: str) -> tuple[str, ...]:
    return (f"flow.{name}", f"network.flow.{name}")


_FIELDS: json_lines.Fields = {
    "ts": _flow("start"),
    "end": _flow("end"),
    "write_ts": (*_flow("time_received"), "timestamp"),
    "src": ("source.address",),
    "src_port": ("source.port",),
    "dest": ("destination.address",),
    "dest_port": ("destination.port",),
    "proto": ("network.transport",),
    "sent": ("flow.io.bytes", "network.io.bytes"),
    "orig_pkts": ("flow.io.packets", "network.io.packets"),
    "tcp_flags": _flow("tcp_flags"),
    "sampling": _flow("sampling_rate"),
    "system": _flow("sampler_address"),
}
_INVALID = "invalid IP"
"""What the receiver has for an address of a frame that is not IP."""


def _derive(fields: pl.DataFrame) -> pl.DataFrame:
    known = (pl.when(pl.col(c) != _INVALID).then(c).alias(c) for c in ("src", "dest", "system"))
    return derive_records(fields.with_columns(*known))


OTEL_NETFLOW: Form = replace(
    GOFLOW,
    name="otel_netflow",
    vendor_product="OpenTelemetry netflow receiver",
    contract=replace(
        GOFLOW.contract,
        bytes_in="flow.io.bytes of a server's record",
        bytes_out="flow.io.bytes of a client's record",
        start="flow.start",
    ),
    marks=re.compile(
        rb'\A(?=[\s\S]*?"source\.address"\s*[:,])[\s\S]*?"(?:network\.)?flow\.(?:start|time_received)"\s*[:,]'
    ),
    decoder=json_decoder(_FIELDS),
    derive=_derive,
)

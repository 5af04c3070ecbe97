"""Cloudflare's logs of sessions, as Logpush writes them: Zero Trust network sessions, and Spectrum's events.

Source: Cloudflare's pages on the fields of both datasets. Of a network session, bytes received go from the origin to
the client; of Spectrum, each side's bytes are those read from it. Other datasets tell of requests and packets.
"""

from __future__ import annotations

import re

import polars as pl

from pipeline.sources.declared import Contract, Form
from pipeline.sources.orienting import has_counters
from pipeline.sources.records import json_decoder

_FIELDS = {
    "ts": ("SessionStartTime", "ConnectTimestamp"),
    "end": ("SessionEndTime", "DisconnectTimestamp"),
    "write_ts": ("Timestamp",),
    "uid": ("SessionID",),
    "src": ("SourceIP", "ClientIP"),
    "inner": ("SourceInternalIP",),
    "src_port": ("SourcePort", "ClientPort"),
    "dest": ("OriginIP",),
    "dest_port": ("OriginPort",),
    "proto": ("Protocol", "ClientProto"),
    "service": ("DetectedProtocol",),
    "resp_ip_bytes": ("BytesReceived", "OriginBytes"),
    "orig_ip_bytes": ("BytesSent", "ClientBytes"),
    "src_nat": ("EgressIP",),
    "event": ("Event",),
}
_REFUSED = "clientFiltered"


def _derive(fields: pl.DataFrame) -> pl.DataFrame:
    """The device's own address behind a tunnel as the source, where it is known."""
    return fields.with_columns(
        src=pl.when(pl.col("inner") != "").then("inner").otherwise("src"),
        src_nat=pl.when(pl.col("src_nat") != "").then("src_nat"),
    )


def _is(event: str) -> pl.Expr:
    return (pl.col("event") == event).fill_null(value=False)


def _ended() -> pl.Expr:
    open_yet = pl.any_horizontal(_is(event) for event in ("connect", "progress", _REFUSED))
    return pl.col("src").is_not_null() & ~open_yet


CLOUDFLARE = Form(
    name="cloudflare",
    vendor_product="Cloudflare",
    layer="unknown",
    contract=Contract(
        "BytesReceived, or OriginBytes",
        "BytesSent, or ClientBytes",
        "not said",
        "SessionStartTime, or ConnectTimestamp",
        "one a session that ended",
    ),
    marks=re.compile(rb'\{(?=[^{}]*"OriginIP"\s*:)(?=[^{}]*"(?:BytesReceived|BytesSent|OriginBytes|ClientBytes)"\s*:)'),
    strong=True,
    decoder=json_decoder(_FIELDS),
    derive=_derive,
    json=True,
    flows=lambda: _ended() & has_counters(),
    ignored={
        "begin": lambda: _is("connect") | _is("progress"),
        "blocked": lambda: _is(_REFUSED),
        "no_counters": lambda: _ended() & ~has_counters(),
    },
)

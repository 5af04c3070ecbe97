"""Flows of Packetbeat 5 and 6, from before Elastic had a common schema; those of later versions are in `ecs`.

Source: the fields of flow events in Packetbeat's reference, 5.0 to 6.8. The source is who sent the first packet that
was seen, and the counters of each side are what it sent since the flow began. Transactions, which have the same file,
tell of requests within connections.
"""

from __future__ import annotations

import re
from dataclasses import replace

import polars as pl

from pipeline.sources.declared import Contract, Form
from pipeline.sources.delimited import Layout, delimited
from pipeline.sources.orienting import has_counters, told_by_ports
from pipeline.sources.records import json_decoder
from pipeline.sources.spellings import ABSENT

_ENDS = {"src": "source", "dest": "dest"}
_FIELDS = {
    **{ours: (f"{theirs}.ip", f"{theirs}.ipv6") for ours, theirs in _ENDS.items()},
    **{f"{ours}_port": (f"{theirs}.port",) for ours, theirs in _ENDS.items()},
    "ts": ("start_time",),
    "end": ("last_time",),
    "write_ts": ("@timestamp",),
    "uid": ("flow_id",),
    "proto": ("transport",),
    "orig_ip_bytes": ("source.stats.net_bytes_total",),
    "resp_ip_bytes": ("dest.stats.net_bytes_total",),
    "orig_pkts": ("source.stats.net_packets_total",),
    "resp_pkts": ("dest.stats.net_packets_total",),
    "system": ("beat.name", "beat.hostname"),
    "vlan": ("vlan",),
    "final": ("final",),
    "kind": ("type",),
}


def _flow() -> pl.Expr:
    ends = pl.col("src").is_not_null() & pl.col("dest").is_not_null()
    return (pl.col("kind").fill_null("flow") == "flow") & ends


def _derive(fields: pl.DataFrame) -> pl.DataFrame:
    return fields.with_columns(
        initiator=told_by_ports(),
        reporter=pl.col("vlan").cast(pl.String),  # As of later versions: VLANs are kept apart.
    )


_JSON = Form(
    name="packetbeat",
    family="ecs",
    vendor_product="Packetbeat",
    layer="unknown",
    contract=Contract(
        "dest.stats.net_bytes_total",
        "source.stats.net_bytes_total",
        "as the sensor counts",
        "start_time",
        "what Packetbeat 5 and 6 write: one a flow and period, of which the last counts (`flow_id`)",
    ),
    marks=re.compile(
        rb'"(?:source|dest)"\s*:\s*\{[\s\S]{0,2000}?"stats"\s*:\s*\{[^{}]*"net_bytes_total"\s*:'
        rb'|"(?:source|dest)\.stats\.net_bytes_total"\s*:'
    ),
    strong=True,
    decoder=json_decoder(_FIELDS, inside=("$._source",)),
    derive=_derive,
    json=True,
    flows=lambda: _flow() & has_counters(),
    accounting=lambda: pl.when(pl.col("final").str.to_lowercase() == "false").then(pl.lit("cumulative")),
    ignored={"no_counters": lambda: _flow() & ~has_counters()},
)
_CSV = replace(
    _JSON,
    name="packetbeat_csv",
    contract=replace(_JSON.contract, records="as JSON; what Kibana exports of a search, times in `timezone`"),
    marks=re.compile(rb'\A[^\n]*(?:^|[,;\t])"?(?:source|dest)\.stats\.net_bytes_total"?(?:[,;\t]|\r?\n|\Z)'),
    decoder=delimited(
        Layout(
            aliases={ours: list(names) for ours, names in _FIELDS.items()},
            header=re.compile(r'(?:^|[,;\t|])"?(?:source|dest)\.stats\.net_bytes_total"?(?:[,;\t|]|$)'),
            unset=ABSENT,
        )
    ),
    json=False,
    local_time=True,
    blanks=True,
)
PACKETBEAT = (_JSON, _CSV)

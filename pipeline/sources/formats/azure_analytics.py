"""Azure Traffic Analytics and VM insights: flows as their workspace tables hold them, exported as JSON or CSV.

Source: Microsoft's pages on the schemas of traffic analytics and of VMConnection. A row (NTANetAnalytics, formerly
AzureNetworkAnalytics_CL, or VMConnection) sums what an interval tells of two ends and a port, as one interface or
machine saw it: clients' ports are not kept. Public ends may be gathered in one row; where there are several, none of
them can be told the bytes of.
"""

from __future__ import annotations

import re
from dataclasses import replace

import polars as pl

from pipeline.sources import json_lines
from pipeline.sources import zeek_columns as conn
from pipeline.sources.declared import Contract, Form
from pipeline.sources.delimited import Layout, delimited
from pipeline.sources.orienting import has_counters
from pipeline.sources.records import json_decoder
from pipeline.sources.spellings import ABSENT


def _column(name: str, kind: str, old: str | None = None) -> tuple[str, ...]:
    """A column as the table, its predecessor and the portal's exports name it."""
    old = old or name
    times = (f"{name} [UTC]", f"{old}_{kind} [UTC]") if kind == "t" else ()
    return (name, f"{old}_{kind}", *times)


_FIELDS: json_lines.Fields = {
    "ts": (*_column("FlowStartTime", "t"), *_column("FlowIntervalStartTime", "t"), *_column("TimeGenerated", "t")),
    "end": _column("FlowEndTime", "t"),
    "write_ts": _column("TimeGenerated", "t"),
    "src": (*_column("SrcIp", "s", "SrcIP"), "SourceIp"),
    "dest": (*_column("DestIp", "s", "DestIP"), "DestinationIp"),
    "dest_port": (*_column("DestPort", "d"), "DestinationPort"),
    "proto": (*_column("L4Protocol", "s"), "Protocol"),
    "service": _column("L7Protocol", "s"),
    "resp_ip_bytes": ("BytesDestToSrc", "BytesDestToSrc_d"),
    "orig_ip_bytes": ("BytesSrcToDest", "BytesSrcToDest_d"),
    "resp_pkts": ("PacketsDestToSrc", "PacketsDestToSrc_d"),
    "orig_pkts": ("PacketsSrcToDest", "PacketsSrcToDest_d"),
    "in": ("InboundBytes_d", "BytesReceived"),
    "out": ("OutboundBytes_d", "BytesSent"),
    "way": (*_column("FlowDirection", "s"), "Direction"),
    "status": _column("FlowStatus", "s"),
    "kind": _column("SubType", "s"),
    "src_public": _column("SrcPublicIps", "s", "SrcPublicIPs"),
    "dest_public": _column("DestPublicIps", "s", "DestPublicIPs"),
    "public": ("PublicIPs_s",),
    "system": (*_column("MacAddress", "s", "MACAddress"), "Machine", "Computer"),
    "rule": (*_column("AclRule", "s"), "NSGRule_s", "Process"),
    "group": (*_column("AclGroup", "s"), "NSGList_s", "ConnectionId"),
}
_TELLING = "BytesDestToSrc(?:_d)?|InboundBytes_d|LinksFailed"
"""Columns that only these tables have."""


def _one(column: str) -> pl.Expr:
    """The only address of a list of addresses with their counters; null where there are several."""
    listed = pl.col(column).str.strip_chars()
    return pl.when(~listed.str.contains(r"\s")).then(listed.str.extract(r"^([^|]+)"))


def _derive(fields: pl.DataFrame) -> pl.DataFrame:
    """Ends, and whose interface saw the flow: what came in there came from the other end."""
    fields = conn.unset_to_null(fields)
    out, into = (pl.col("way").str.to_uppercase().str.starts_with(letter) for letter in "OI")
    arrived, left = (pl.col(c).cast(fields.schema["resp_ip_bytes"], strict=False) for c in ("in", "out"))
    public = pl.col("public").is_not_null()
    src = pl.coalesce("src", _one("src_public"), pl.when(into & public).then(_one("public")))
    dest = pl.coalesce("dest", _one("dest_public"), pl.when(out & public).then(_one("public")))
    told = pl.concat_str([pl.col(c).fill_null("") for c in ("system", "group", "rule", "status", "way")], separator="|")
    return fields.with_columns(
        src=src,
        dest=dest,
        resp_ip_bytes=pl.coalesce("resp_ip_bytes", pl.when(out).then(arrived).when(into).then(left)),
        orig_ip_bytes=pl.coalesce("orig_ip_bytes", pl.when(out).then(left).when(into).then(arrived)),
        proto=pl.col("proto").replace({"T": "tcp", "U": "udp"}),
        reporter=pl.when(out).then(pl.lit("src")).when(into).then(pl.lit("dest")),
        several=src.is_null() | dest.is_null(),
        uid=told,
    )


def _flow() -> pl.Expr:
    return (pl.col("kind") == "FlowLog").fill_null(value=True)


def _denied() -> pl.Expr:
    return pl.col("status").str.to_uppercase().str.starts_with("D").fill_null(value=False)


_JSON = Form(
    name="azure_analytics",
    family="azure",
    vendor_product="Azure Traffic Analytics",
    layer="unknown",
    contract=Contract(
        "BytesDestToSrc",
        "BytesSrcToDest",
        "not said",
        "FlowStartTime",
        "deltas: one an interval, ends, port and interface; without the client's port",
    ),
    marks=re.compile(rf'"(?:{_TELLING}|FlowIntervalStartTime(?:_t)?)"\s*:'.encode()),
    strong=True,
    decoder=json_decoder(_FIELDS),
    derive=_derive,
    json=True,
    flows=lambda: _flow() & ~_denied() & ~pl.col("several") & has_counters(),
    ignored={
        "blocked": lambda: _flow() & _denied(),
        "several_ends": lambda: _flow() & ~_denied() & pl.col("several"),
        "no_counters": lambda: _flow() & ~_denied() & ~pl.col("several") & ~has_counters(),
    },
    accounting=lambda: pl.lit("delta"),
)
_NAMES = {name: [s.lower() for s in spellings] for name, spellings in _FIELDS.items()}
_CSV = replace(
    _JSON,
    name="azure_analytics_csv",
    contract=replace(_JSON.contract, records="as JSON; the first line names the columns"),
    marks=re.compile(rf'(?i)\A[^\n]*(?:^|[,;\t])"?(?:{_TELLING})"?(?:[,;\t]|\r?\n|\Z)'.encode()),
    decoder=delimited(
        Layout(
            aliases=_NAMES,
            header=re.compile(rf'(?i)(?:^|[,;\t])"?(?:{_TELLING})"?(?:[,;\t]|$)'),
            unset=ABSENT,
        )
    ),
    json=False,
    blanks=True,
)
AZURE_ANALYTICS = (_JSON, _CSV)

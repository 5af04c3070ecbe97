"""Flows of Cisco Secure Network Analytics (Stealthwatch), as its reporting API answers and its manager exports them.

Sources: Cisco's pages on the reporting API's flow queries and on the flow search's results: the subject is the host
that was asked for, the peer the other one; the bytes of each are those that it sent. Its orientation says which of them
is the client. A flow has one identifier, and its totals are those so far. What the manager shows in K and M is rounded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import polars as pl

from pipeline.sources import instants, json_lines
from pipeline.sources.declared import Contract, Decoded, Form, Wrapped
from pipeline.sources.delimited import Layout, delimited
from pipeline.sources.orienting import has_counters
from pipeline.sources.records import JsonDecoder
from pipeline.sources.spellings import ABSENT, plain_times
from pipeline.sources.texts import syslog

_FIELDS: json_lines.Fields = {
    "ts": ("statistics.firstActiveTime", "start", "first active", "start active time", "first active time"),
    "end": ("statistics.lastActiveTime", "end", "last active", "last active time", "end active time"),
    "uid": ("id", "flow id"),
    "system": ("flowCollectorId", "flow collector", "flow collector name"),
    "proto": ("protocol", "subject.portProtocol.protocol"),
    "service": ("application.name", "application"),
    "src": ("subject.ipAddress", "subject ip address", "subject ip"),
    "src_port": ("subject.portProtocol.port", "subject port/protocol", "subject port"),
    "dest": ("peer.ipAddress", "peer ip address", "peer ip"),
    "dest_port": ("peer.portProtocol.port", "peer port/protocol", "peer port"),
    "orig_ip_bytes": ("subject.bytes", "subject bytes"),
    "resp_ip_bytes": ("peer.bytes", "peer bytes"),
    "orig_pkts": ("subject.packets", "subject packets"),
    "resp_pkts": ("peer.packets", "peer packets"),
    "side": ("subject.orientation", "subject orientation"),
}
_SIDES = {"client": "src", "server": "dest"}
_WORD = r"^\s*-?\d*\s*/\s*([A-Za-z]\w*)"


@dataclass
class FlowsDecoder(Wrapped):
    """Flows with their times, and ports without the protocol behind them."""

    zone: str

    def decode(self, lines: pl.DataFrame, reason: str) -> Decoded:
        """See Decoder."""
        found = self.inner.decode(lines, reason)
        fields = found.fields.with_columns(plain_times(pl.col(c)) for c in ("ts", "end"))
        began, ended = (instants.epoch_us(c, self.zone) for c in ("ts", "end"))
        side = pl.col("side").str.to_lowercase().replace_strict(_SIDES, default=None)
        fields = fields.with_columns(
            ts=pl.coalesce(syslog.as_text(began), "ts"),
            end=syslog.as_text(ended),
            proto=pl.coalesce("proto", pl.col("dest_port").str.extract(_WORD), pl.col("src_port").str.extract(_WORD)),
            initiator=side.fill_null("ports"),
            **{c: _port(c) for c in ("src_port", "dest_port")},
        )
        lower = [pl.col(c).str.to_lowercase() for c in ("proto", "service")]
        return replace(found, fields=fields.with_columns(lower))


def _port(column: str) -> pl.Expr:
    """The number before a protocol's name; a protocol without ports has -1."""
    bare = pl.col(column).str.replace(r"\s*/\s*[A-Za-z]\w*\s*$", "").str.strip_chars()
    return pl.when(~bare.is_in(["", "-1", "--"])).then(bare)


def _told() -> pl.Expr:
    return pl.col("src").is_not_null() & pl.col("dest").is_not_null()


_JSON = Form(
    name="stealthwatch",
    vendor_product="Cisco Secure Network Analytics",
    layer="unknown",
    contract=Contract(
        "peer.bytes, or subject.bytes where the subject is the server",
        "subject.bytes, or peer.bytes",
        "as the exporter counts",
        "statistics.firstActiveTime",
        "one a flow, of which the last answer counts (`id`)",
    ),
    marks=re.compile(
        rb'\A(?=[\s\S]*?"subject"\s*:\s*\{)(?=[\s\S]*?"peer"\s*:\s*\{)[\s\S]*?"ipAddress"\s*:|"subject\.ipAddress"\s*:'
    ),
    strong=True,
    decoder=lambda options: FlowsDecoder(JsonDecoder(_FIELDS, list), options.timezone),
    json=True,
    flows=lambda: _told() & has_counters(),
    accounting=lambda: pl.when(pl.col("uid").is_not_null()).then(pl.lit("cumulative")),
    ignored={"no_counters": lambda: _told() & ~has_counters()},
    local_time=True,
)
_LAYOUT = Layout(
    aliases={ours: [s.lower() for s in spelled] for ours, spelled in _FIELDS.items()},
    header=re.compile(r"(?i)\bsubject[ .](?:bytes|ip ?address)\b"),
    unset=(*ABSENT, "--"),
)
_CSV = replace(
    _JSON,
    name="stealthwatch_csv",
    family="stealthwatch",
    contract=replace(
        _JSON.contract,
        bytes_in="Peer Bytes, or Subject Bytes where the subject is the server",
        bytes_out="Subject Bytes, or Peer Bytes",
        start="Start",
        records="as JSON; the first line names the columns",
    ),
    marks=re.compile(rb"(?i)\A(?=[^\n]*\bpeer[ .]bytes\b)[^\n]*\bsubject[ .]bytes\b"),
    decoder=lambda options: FlowsDecoder(delimited(_LAYOUT)(options), options.timezone),
    json=False,
    blanks=True,
)
STEALTHWATCH = (_JSON, _CSV)

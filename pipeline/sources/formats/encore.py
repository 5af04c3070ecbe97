"""Firepower's connection events as Cisco's eStreamer clients write them: pairs for Splunk, CEF, and JSON.

Sources: eNcore's own adapters, which say what each key holds: of Splunk's pairs `src_bytes` is what the initiator sent
and `dest_bytes` the responder, of CEF `bytesOut` and `bytesIn`; the events that Cisco's newer app for Splunk
(`cisco:sfw:estreamer`) keeps as JSON under the management center's own names. A connection may be told when it begins
and when it ends, so that its counters are those since its beginning. Other records (intrusions, files) are none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from pipeline.addresses import NOWHERE
from pipeline.sources.base import rejected
from pipeline.sources.declared import Contract, Decoded, Form, Stateless
from pipeline.sources.orienting import has_counters
from pipeline.sources.records import json_decoder
from pipeline.sources.texts import headed, key_values, syslog

_PAIRS = {
    "ts": "first_pkt_sec",
    "end": "last_pkt_sec",
    "write_ts": "event_sec",
    "src": "src_ip",
    "dest": "dest_ip",
    "src_port": "src_port",
    "dest_port": "dest_port",
    "proto": "ip_proto",
    "service": "app_proto",
    "orig_ip_bytes": "src_bytes",
    "resp_ip_bytes": "dest_bytes",
    "orig_pkts": "src_pkts",
    "resp_pkts": "dest_pkts",
    "action": "fw_rule_action",
    "system": "sensor",
    "instance": "instance_id",
    "counter": "connection_id",
}
_CEF = {
    "ts": "start",
    "end": "end",
    "write_ts": "end",
    "src": "src",
    "dest": "dst",
    "src_v6": "c6a2",
    "dest_v6": "c6a3",
    "src_port": "spt",
    "dest_port": "dpt",
    "proto": "proto",
    "service": "app",
    "orig_ip_bytes": "bytesOut",
    "resp_ip_bytes": "bytesIn",
    "action": "act",
    "system": "dvchost",
    "instance": "dvcpid",
    "counter": "externalId",
}
_JSON = {
    "kind": ("EventType",),
    "ts": ("FirstPacketSecond",),
    "end": ("LastPacketSecond",),
    "duration": ("ConnectionDuration",),
    "src": ("InitiatorIP",),
    "dest": ("ResponderIP",),
    "src_port": ("InitiatorPort",),
    "dest_port": ("ResponderPort",),
    "src_nat": ("NAT_InitiatorIP",),
    "dest_nat": ("NAT_ResponderIP",),
    "proto": ("Protocol",),
    "service": ("Application",),
    "orig_ip_bytes": ("InitiatorBytes",),
    "resp_ip_bytes": ("ResponderBytes",),
    "orig_pkts": ("InitiatorPackets",),
    "resp_pkts": ("ResponderPackets",),
    "action": ("AC_RuleAction",),
    "system": ("Device", "DeviceUUID", "DeviceIP"),
    "instance": ("InstanceID",),
    "counter": ("ConnectionID",),
}
_HEADER = r"CEF: ?\d\|Cisco\|Firepower\|[^|]*\|([^|]*)\|[^|]*\|[^|]*\|"
_CONNECTION = r"^(?:71|RNA:1003:1)$"
_WITHIN = r"rec_type=71\b|\|RNA:1003:1\|"
_UNTOLD = ("Unknown", *NOWHERE)
_ONCE = ("src", "dest", "orig_ip_bytes", "resp_ip_bytes")


@dataclass
class EncoreDecoder(Stateless):
    """Records of which some are connections."""

    cef: bool

    def decode(self, lines: pl.DataFrame, reason: str) -> Decoded:
        """See Decoder."""
        names = _CEF if self.cef else _PAIRS
        if self.cef:
            kind = pl.col("raw").str.extract(_HEADER)
            pairs = headed.spaced(pl.col("raw").str.replace(f"^.*?{_HEADER}", ""))
            frame = lines.with_columns(kind=kind, text=" " + pairs)
        else:
            frame = lines.with_columns(text=key_values.plain(lines["raw"]))
            frame = key_values.with_kind(frame, "rec_type")
        told = pl.col("kind").str.contains(_CONNECTION).fill_null(value=False)
        twice = told & pl.any_horizontal(key_values.repeated("text", names[name]) for name in _ONCE)
        detail = (
            pl.when(pl.col("text").is_null() & (told | pl.col("kind").is_null()))
            .then(pl.lit("a quote that does not close"))
            .when(pl.col("kind").is_null() & ~syslog.is_message())
            .then(pl.lit("no record of eNcore"))
            .when(twice)
            .then(pl.lit("an end or a byte counter that is given twice"))
            .when(~told & pl.col("raw").str.contains(_WITHIN))
            .then(pl.lit("another message within it"))
        )
        frame = frame.with_columns(detail=detail)
        broken = rejected(frame.filter(pl.col("detail").is_not_null()), reason, "detail")
        good = frame.filter(pl.col("detail").is_null()).drop("detail")
        others = good.filter(~told).select("source_line", "raw")
        fields = pl.concat([_connections(good.filter(told), names), others], how="diagonal")
        return Decoded(fields.sort("source_line"), broken)


def _connections(lines: pl.DataFrame, names: dict[str, str]) -> pl.DataFrame:
    """Connections with our fields; IPv6 ends of CEF have keys of their own."""
    found = key_values.values(lines, "text", list(dict.fromkeys(names.values())))
    found = found.select("source_line", "raw", **{ours: pl.col(theirs) for ours, theirs in names.items()})
    known = [pl.when(~pl.col(c).is_in(_UNTOLD)).then(pl.col(c)).alias(c) for c in found.columns if c != "raw"]
    found = found.with_columns(c for c in known if c.meta.output_name() != "source_line")
    if "src_v6" in names:
        found = found.with_columns(pl.coalesce(end, f"{end}_v6").alias(end) for end in ("src", "dest"))
    return found.with_columns(_session(), told=pl.lit(value=True))


def _session() -> list[pl.Expr]:
    """What identifies a connection, and whether it was refused."""
    identity = [pl.col(c).cast(pl.String).fill_null("") for c in ("system", "instance", "counter", "ts")]
    refused = pl.col("action").str.to_lowercase().str.contains("^(?:interactive )?block").fill_null(value=False)
    return [
        pl.col("service").str.to_lowercase(),
        pl.concat_str(identity, separator="/").alias("uid"),
        refused.alias("blocked"),
    ]


def _derived() -> Sequence[pl.Expr]:
    """Events of JSON, whose ends after translation stand there for all."""
    moved = [(c, pl.col(f"{c}_nat")) for c in ("src", "dest")]
    return [
        *_session(),
        (pl.col("kind") == "ConnectionEvent").alias("told"),
        *(pl.when((nat != pl.col(c)) & ~nat.is_in(_UNTOLD)).then(nat).alias(f"{c}_nat") for c, nat in moved),
    ]


def _told() -> pl.Expr:
    return pl.col("told").fill_null(value=False)


def _blocked() -> pl.Expr:
    return _told() & pl.col("blocked").fill_null(value=False)


_KV = Form(
    name="encore",
    family="asa",
    vendor_product="Cisco Firepower",
    layer="unknown",
    contract=Contract(
        "dest_bytes",
        "src_bytes",
        "as the device counts",
        "first_pkt_sec",
        "eStreamer's connection events (`rec_type=71`), cumulative, as eNcore writes them for Splunk",
    ),
    marks=re.compile(rb"\brec_type=\d+ (?=[^\n]*\b(?:rec_type_simple|event_sec)=)"),
    strong=True,
    ends_lines=True,
    decoder=lambda _: EncoreDecoder(cef=False),
    flows=lambda: _told() & ~_blocked() & has_counters(),
    accounting=lambda: pl.lit("cumulative"),
    ignored={"blocked": _blocked, "no_counters": lambda: _told() & ~_blocked() & ~has_counters()},
)
_HEADED = replace(
    _KV,
    name="encore_cef",
    contract=replace(_KV.contract, bytes_in="bytesIn", bytes_out="bytesOut", start="start", records="as pairs, in CEF"),
    marks=re.compile(rb"\bCEF: ?\d\|Cisco\|Firepower\|[^|\n]*\|RNA:1003:1\|"),
    decoder=lambda _: EncoreDecoder(cef=True),
)
_EVENTS = replace(
    _KV,
    name="encore_json",
    contract=replace(
        _KV.contract,
        bytes_in="ResponderBytes",
        bytes_out="InitiatorBytes",
        start="FirstPacketSecond",
        records="as pairs, in JSON, as Cisco's newer app for Splunk keeps them",
    ),
    marks=re.compile(
        rb'"EventType"\s*:\s*"[A-Z][A-Za-z]*Event"[^{}]*"InitiatorIP"\s*:|'
        rb'"InitiatorIP"\s*:[^{}]*"EventType"\s*:\s*"[A-Z][A-Za-z]*Event"'
    ),
    decoder=json_decoder(_JSON, _derived),
    json=True,
    ends_lines=False,
)
ENCORE = (_KV, _HEADED, _EVENTS)

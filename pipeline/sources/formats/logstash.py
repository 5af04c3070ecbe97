"""Records of Logstash's netflow codec: NetFlow 5 and 9, IPFIX and Cisco's NSEL, under `netflow` in JSON; of Fluentd's.

Sources: the codec's tables of names (those of NetFlow 9 in small letters, those of IPFIX as IANA has them). `out_bytes`
alone is the same direction as counted on the way out; beside `in_bytes` it is the other one, as probes export both.
NSEL tells both ends' octets: those of an update since the last one, those of an end since the flow's beginning. Records
of RFC 5103 tell the octets of the answers under names that begin with `reverse`. Fluentd's plugin has the same names of
NetFlow at the top of its records.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from pipeline.sources import json_lines
from pipeline.sources.declared import Contract, Form
from pipeline.sources.orienting import has_counters, initiator, leaving, told_by_ports
from pipeline.sources.records import json_decoder
from pipeline.sources.spellings import ABSENT
from pipeline.sources.starts import own_stretch

_TARGETS = ("netflow.", "ipfix.")


def _netflow(*names: str) -> tuple[str, ...]:
    """Fields under the codec's target, which its documentation calls `ipfix` where that is collected."""
    return tuple(f"{target}{name}" for target in _TARGETS for name in names)


_FIELDS: json_lines.Fields = {
    "ts": (*_netflow("first_switched", "flowStartMilliseconds", "flowStartSeconds", "flow_start_msec"), "@timestamp"),
    "end": _netflow("last_switched", "flowEndMilliseconds", "flowEndSeconds"),
    "write_ts": ("@timestamp",),
    "src": _netflow("ipv4_src_addr", "ipv6_src_addr", "sourceIPv4Address", "sourceIPv6Address"),
    "src_port": _netflow("l4_src_port", "sourceTransportPort"),
    "dest": _netflow("ipv4_dst_addr", "ipv6_dst_addr", "destinationIPv4Address", "destinationIPv6Address"),
    "dest_port": _netflow("l4_dst_port", "destinationTransportPort"),
    "received_by": _netflow("postNATDestinationIPv4Address", "xlate_dst_addr_ipv4"),
    "received_port": _netflow("postNAPTDestinationTransportPort", "xlate_dst_port"),
    "proto": _netflow("protocol", "protocolIdentifier"),
    "in": _netflow("in_bytes", "octetDeltaCount", "octetTotalCount"),
    "part": _netflow("in_bytes", "octetDeltaCount"),
    "so_far": _netflow("octetTotalCount"),
    "out": _netflow("out_bytes"),
    "fwd": _netflow("fwd_flow_delta_bytes", "initiatorOctets"),
    "rev": _netflow("rev_flow_delta_bytes", "responderOctets"),
    "back": _netflow("reverseOctetDeltaCount", "reverseOctetTotalCount"),
    "orig_pkts": _netflow("in_pkts", "packetDeltaCount", "packetTotalCount"),
    "back_pkts": _netflow("reversePacketDeltaCount", "reversePacketTotalCount"),
    "tcp_flags": _netflow("tcp_flags", "tcpControlBits"),
    "sampling": _netflow("sampling_interval", "samplingInterval"),
    "event": _netflow("fw_event"),
    "way": _netflow("direction", "flowDirection"),
    "uid": _netflow("conn_id", "flowId"),
    "system": ("host[]", "host.name", "host.ip[]"),
}
_BARE: json_lines.Fields = {
    ours: tuple(dict.fromkeys(re.sub(r"^(?:netflow|ipfix)\.", "", name) for name in spelled))
    for ours, spelled in _FIELDS.items()
}
_DENIED, _CREATED, _UPDATED = "3", "1", "5"


def _counted(column: str) -> pl.Expr:
    """A counter that counted something."""
    text = pl.col(column).str.strip_chars()
    nothing = text.is_in(ABSENT) | (text.cast(pl.Float64, strict=False) == 0).fill_null(value=False)
    return pl.when(~nothing).then(text)


def _derived() -> Sequence[pl.Expr]:
    """Which way the counters go, and who began: by the record's own ends where it tells both directions."""
    out, into = _counted("out"), _counted("in")
    back = _counted("back")
    out = pl.coalesce(back, pl.when(pl.col("back").is_null()).then(out))
    both = (out.is_not_null() & into.is_not_null()) | back.is_not_null()
    ends = pl.col("fwd").is_not_null() | pl.col("rev").is_not_null()
    rate = pl.col("sampling").cast(pl.Float64, strict=False)
    return [
        pl.when(ends).then("fwd").when(both).then(pl.coalesce(into, "in")).alias("orig_ip_bytes"),
        pl.when(ends).then("rev").when(both).then(out).alias("resp_ip_bytes"),
        pl.when(back.is_not_null()).then("back_pkts").alias("resp_pkts"),
        pl.when(~ends & ~both).then(pl.coalesce(into, out, "in", "out")).alias("sent"),
        pl.coalesce(
            initiator(pl.col("tcp_flags"), pl.lit(value=False)), pl.when(back.is_not_null()).then(told_by_ports())
        ).alias("initiator"),
        leaving(~ends & ~both).alias("reporter"),
        pl.when(rate > 0).then("sampling").alias("sampling"),
        pl.col("event").str.replace(r"\.0$", ""),
        (~ends & (into.is_not_null() | out.is_not_null())).alias("stretch"),
        # What counts since the flow began (octetTotalCount): of records with one start the last counts.
        (~ends & into.is_not_null() & _counted("part").is_null() & _counted("out").is_null()).alias("whole"),
    ]


def _event(kind: str) -> pl.Expr:
    return pl.col("src").is_not_null() & (pl.col("event") == kind).fill_null(value=False)


def _nsel(kind: str) -> pl.Expr:
    """Whether a record of NSEL is of the kind; other firewalls number their deltas so, too."""
    return _event(kind) & ~pl.col("stretch")


def _told() -> pl.Expr:
    ends = pl.col("src").is_not_null() & pl.col("dest").is_not_null()
    return ends & ~_event(_DENIED) & ~_nsel(_CREATED)


def _counts() -> pl.Expr:
    return pl.col("sent").is_not_null() | has_counters()


LOGSTASH = Form(
    name="logstash_netflow",
    family="netflow",
    vendor_product="Logstash netflow codec",
    layer="ip",
    contract=Contract(
        "rev_flow_delta_bytes, or out_bytes beside in_bytes",
        "fwd_flow_delta_bytes, or in_bytes",
        "IP",
        "first_switched",
        "one counter alone tells one direction; deltas; updates of NSEL give way to the session's end",
    ),
    marks=re.compile(
        rb'"(?:(?:netflow|ipfix)"\s*:\s*\{[^{}]*"|(?:netflow|ipfix)\.)'
        rb'(?:ipv[46]_(?:src|dst)_addr|(?:source|destination)IPv[46]Address)"\s*:'
    ),
    strong=True,
    decoder=json_decoder(_FIELDS, _derived),
    json=True,
    flows=lambda: _told() & _counts(),
    accounting=lambda: pl.when(_nsel(_UPDATED)).then(pl.lit("update"))
    .when((pl.col("event").is_null() | pl.col("stretch")) & ~pl.col("whole")).then(pl.lit("delta")),
    ignored={
        "blocked": lambda: _event(_DENIED),
        "begin": lambda: _nsel(_CREATED),
        "no_counters": lambda: _told() & ~_counts(),
    },
    derive=lambda fields: own_stretch(fields, pl.col("part"), "so_far"),
    flags_tell=True,
    uptime=True,
)  # fmt: skip
FLUENTD = replace(
    LOGSTASH,
    name="fluentd_netflow",
    vendor_product="Fluentd netflow",
    contract=replace(LOGSTASH.contract, records="as Logstash's, at the top of a record"),
    marks=re.compile(rb'[{,]\s*"ipv[46]_src_addr"\s*:'),
    strong=False,
    decoder=json_decoder(_BARE, _derived),
)

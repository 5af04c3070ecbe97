"""Suricata EVE: flow events, netflow events, and both as AWS Network Firewall wraps them.

Sources: the EVE output's documentation (flow, netflow); AWS Network Firewall's log fields. Alerts and other events are
no flows and never counted.
"""

from __future__ import annotations

import re
from dataclasses import replace

import polars as pl

from pipeline.sources.declared import Contract, Form
from pipeline.sources.orienting import told_by_ports
from pipeline.sources.records import json_decoder

_EVE = "event."
"""AWS Network Firewall wraps Suricata's events."""


def _eve(*names: str) -> tuple[str, ...]:
    flat = (n.replace(".", "_") for n in names if "." in n)  # As Graylog's extractor makes fields of an object's.
    return (*names, *(_EVE + n for n in names), *flat)


SYN = "[2367abefABEF]$"
"""Flags in hexadecimal, a SYN among them."""


def _derive(fields: pl.DataFrame) -> pl.DataFrame:
    """Where the sensor met the packets, as it keeps flows of other interfaces and VLANs apart; who began a flow.

    A flow that it gave up in a silence comes again as that of who speaks next, without a SYN.
    """
    met = pl.concat_str(pl.col("reporter", "vlan").cast(pl.String), separator="/", ignore_nulls=True)
    begun = pl.col("flags").cast(pl.String).str.contains(SYN)
    return fields.with_columns(reporter=pl.when(met != "").then(met), initiator=told_by_ports(seen=begun))


_TYPES = (
    "flow|netflow|alert|anomaly|drop|packet|frame|metadata|fileinfo|stats|engine|http2?|dns|tls|ssh|smtp|smb|nfs|"
    "tftp|ftp|ftp_data|ike(?:v2)?|krb5|dhcp|snmp|sip|sdp|rfb|rdp|mqtt|pgsql|dnp3|modbus|enip|dcerpc|bittorrent_dht|"
    "quic|arp|pop3|imap|mdns|websocket|ldap|doh2|telnet|template"
)
"""Suricata's types of events: other programs' JSON has a key of that name, too (Netskope's, message queues')."""

FIELDS = {
    "kind": _eve("event_type"),
    "ts": _eve("flow.start", "netflow.start"),
    "end": _eve("flow.end", "netflow.end"),
    "write_ts": _eve("timestamp"),
    "uid": _eve("flow_id"),
    "src": _eve("src_ip"),
    "src_port": _eve("src_port"),
    "dest": _eve("dest_ip"),
    "dest_port": _eve("dest_port"),
    "proto": _eve("proto"),
    "service": _eve("app_proto"),
    "resp_ip_bytes": _eve("flow.bytes_toclient"),
    "orig_ip_bytes": _eve("flow.bytes_toserver"),
    "resp_pkts": _eve("flow.pkts_toclient"),
    "orig_pkts": _eve("flow.pkts_toserver"),
    "sent": _eve("netflow.bytes"),
    "system": ("host", "sensor_name", "firewall_name"),
    "reporter": _eve("in_iface"),
    "vlan": _eve("vlan"),
    "flags": _eve("tcp.tcp_flags_ts"),
}
_NEEDED = {"kind": "event_type", "ts": "flow.start", "src": "src_ip", "dest": "dest_ip"}
"""What a table of events must have, beside bytes."""


def _lacks(has: frozenset[str]) -> str:
    """The columns that a table lacks; without its type an alert would be a flow."""
    lacking = [theirs for ours, theirs in _NEEDED.items() if ours not in has]
    counted = not has.isdisjoint(("resp_ip_bytes", "orig_ip_bytes", "sent"))
    return ", ".join(lacking if counted else [*lacking, "flow.bytes_toclient"])


SURICATA = Form(
    name="suricata",
    vendor_product="Suricata",
    layer="l2",
    contract=Contract(
        "flow.bytes_toclient",
        "flow.bytes_toserver",
        "frames (l2)",
        "flow.start",
        "`flow` events; `netflow` events tell one direction each",
    ),
    # Elastic's own records of Suricata's events have the type in an object of that name, and fields of their own; what
    # Splunk made of them has counters of its own.
    marks=re.compile(
        rb'\A(?![\s\S]{0,20000}?"eve"\s*:\s*\{)(?!(?=[\s\S]*"bytes_in"\s*:)(?![\s\S]*bytes_toclient))(?:[\s\S]*?"event_type"\s*:\s*"(?:'
        + _TYPES.encode()
        + rb')"|(?=[\s\S]*"flow_id"\s*:)[\s\S]*?"event_type"\s*:\s*"[a-z])'
    ),
    strong=True,
    decoder=json_decoder(FIELDS),
    derive=_derive,
    json=True,
    flows=lambda: pl.col("kind").is_in(["flow", "netflow"]),
    idle=frozenset(("end", "write_ts", "uid", "proto", "service", "system", "reporter", "vlan", "flags")),
    note="Frames with their Ethernet header count. Counters inside alerts are partial and never read; a netflow record "
    "tells one direction and gives way to the flow event of the same session. Of a flow that two interfaces or "
    "VLANs of a sensor show, which keeps them apart, one counts. Where it did not see a SYN, as of a session that was "
    "silent for longer than its timeout, the ports tell who began.",
)
SURICATA_COLUMNS = replace(SURICATA, columns=FIELDS, lacks=_lacks, idle=None, json=False)

"""The JSON formats, declared: where each value stands, what its bytes count, and which records are flows.

Directions are OCSF's: bytes in go from the responder to the initiator. Facts and field names are those of each
vendor's documentation; how records are read is in `records`.
"""

from __future__ import annotations

import polars as pl

from pipeline.sources.records import Form

_EVE = "event."
"""AWS Network Firewall wraps Suricata's events."""


def _eve(*names: str) -> tuple[str, ...]:
    return (*names, *(_EVE + n for n in names))


SURICATA = Form(
    name="suricata",
    vendor_product="Suricata",
    layer="l2",
    fields={
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
    },
    flows=lambda: pl.col("kind").is_in(["flow", "netflow"]),
    note="Frames with their Ethernet header count. Counters inside alerts are partial and never read; a netflow record "
    "tells one direction and gives way to the flow event of the same session.",
)

ECS = Form(
    name="ecs",
    vendor_product="Elastic Common Schema",
    layer="unknown",
    fields={
        "ts": ("event.start", "@timestamp"),
        "end": ("event.end",),
        "write_ts": ("@timestamp",),
        "uid": ("flow.id", "network.community_id"),
        "src": ("source.ip",),
        "src_port": ("source.port",),
        "dest": ("destination.ip",),
        "dest_port": ("destination.port",),
        "proto": ("network.transport",),
        "service": ("network.protocol", "network.application"),
        "resp_ip_bytes": ("destination.bytes",),
        "orig_ip_bytes": ("source.bytes",),
        "resp_pkts": ("destination.packets",),
        "orig_pkts": ("source.packets",),
        "system": ("observer.name", "observer.hostname", "agent.hostname", "host.name"),
        "final": ("flow.final",),
        "total": ("network.bytes",),
    },
    flows=lambda: (
        pl.col("src").is_not_null()
        & pl.any_horizontal(pl.col(c).is_not_null() for c in ("resp_ip_bytes", "orig_ip_bytes", "total"))
    ),
    interim=lambda: pl.col("final") == "false",
    note="network.bytes is the sum of both directions and is not read.",
)

OCSF = Form(
    name="ocsf",
    vendor_product="OCSF Network Activity",
    layer="unknown",
    fields={
        "kind": ("class_uid",),
        "activity": ("activity_id",),
        "ts": ("start_time", "start_time_dt", "time", "time_dt"),
        "end": ("end_time", "end_time_dt"),
        "write_ts": ("time", "time_dt"),
        "uid": ("connection_info.uid", "metadata.uid"),
        "src": ("src_endpoint.ip",),
        "src_port": ("src_endpoint.port",),
        "dest": ("dst_endpoint.ip",),
        "dest_port": ("dst_endpoint.port",),
        "proto": ("connection_info.protocol_name", "connection_info.protocol_num"),
        "service": ("app_name",),
        "resp_ip_bytes": ("traffic.bytes_in",),
        "orig_ip_bytes": ("traffic.bytes_out",),
        "resp_pkts": ("traffic.packets_in",),
        "orig_pkts": ("traffic.packets_out",),
        "missed_bytes": ("traffic.bytes_missed",),
        "sent": ("traffic.bytes",),
        "system": ("device.name", "device.hostname"),
    },
    flows=lambda: (
        (pl.col("kind") == "4001")
        & pl.any_horizontal(pl.col(c).is_not_null() for c in ("resp_ip_bytes", "orig_ip_bytes", "sent"))
    ),
    note="With traffic.bytes alone a record tells one direction (Security Lake's VPC flows), which its ports decide. "
    "Records without traffic, such as Open, are no byte sample.",
)


def _cim(*names: str) -> tuple[str, ...]:
    """A field of the Network_Traffic model as searches, data models and the REST API write it."""
    spelled = [n for name in names for n in (name, f"All_Traffic.{name}")]
    return (*spelled, *(f"result.{name}" for name in spelled))


CIM = Form(
    name="cim",
    vendor_product="Splunk CIM Network_Traffic",
    layer="unknown",
    fields={
        "ts": _cim("_time", "start_time"),
        "uid": _cim("session_id", "flow_id"),
        "src": _cim("src_ip", "src"),
        "src_port": _cim("src_port"),
        "dest": _cim("dest_ip", "dest"),
        "dest_port": _cim("dest_port"),
        "proto": _cim("transport", "protocol"),
        "service": _cim("app"),
        "duration": _cim("duration"),
        "resp_ip_bytes": _cim("bytes_in"),
        "orig_ip_bytes": _cim("bytes_out"),
        "resp_pkts": _cim("packets_in"),
        "orig_pkts": _cim("packets_out"),
        "system": _cim("dvc", "dvc_ip", "host"),
        "preview": ("preview",),
    },
    flows=lambda: pl.col("src").is_not_null() & (pl.col("preview") != "true").fill_null(True),
    note="Bytes in are taken as received by the source, as the detection's own search does; exporters differ, so "
    "compare with `nilometer identify`. Preview rows of the REST API repeat results and are ignored.",
)

FORMS = {form.name: form for form in (SURICATA, ECS, OCSF, CIM)}

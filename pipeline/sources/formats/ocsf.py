"""OCSF Network Activity, class 4001, as security lakes hold it.

Source: the OCSF schema's network_activity class and network_traffic object, which defines bytes_in as destination to
source, src_endpoint as the initiator unless initiator_id (1.9) or is_src_dst_assignment_known (1.6) says otherwise, an
activity's Traffic as a report on a flow, and what a traffic object's own times are (1.7); Amazon's mapping of VPC flow
logs for Security Lake; the mappings of Zeek, of flow logs and of firewalls that the schema's authors and others show.
Other classes are no flows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import polars as pl

from pipeline.sources import json_lines
from pipeline.sources.declared import Contract, Form
from pipeline.sources.orienting import initiator, told_by_ports
from pipeline.sources.records import json_decoder
from pipeline.sources.starts import put_back

_CONNECTION, _ENDED = ("1", "2", "3", "4"), ("2", "3", "4")
"""Activities: Open, Close, Reset and Fail."""
_CUMULATIVE = "(?i)fortinet|check ?point"
"""Vendors whose firewalls tell a session's counters since its beginning whenever they tell any."""
_REFUSED = ("blocked", "block", "denied", "deny", "dropped", "drop", "rejected", "reject", "refused")
_SO_FAR = {
    **{"bytes_in": "resp_ip_bytes", "bytes_out": "orig_ip_bytes", "bytes": "sent"},
    **{"packets_in": "resp_pkts", "packets_out": "orig_pkts"},
}
"""Counters since the flow's beginning, beside which `traffic` tells those since the last record -> ours."""
_IP_BYTES = {"unmapped_in": "resp_ip_bytes", "unmapped_out": "orig_ip_bytes"}
"""Where mappings of Zeek leave its IP bytes, whose payload they have under `traffic` -> ours."""


def _two_way() -> pl.Expr:
    return pl.col("resp_ip_bytes").is_not_null() | pl.col("orig_ip_bytes").is_not_null()


_SESSIONS = (
    r"(?i)\basa\b|adaptive security|firepower|\bftd\b|secure firewall|fortigate|pan-?os|palo alto|\bngfw\b|"
    r"check ?point|\bsrx\b|sonicwall|sophos|suricata|watchguard"
)
"""Products whose records are of sessions, so that a count alone is of both directions whatever the activity is."""


def _whole() -> pl.Expr:
    """Whether `traffic.bytes` are of both directions: of a connection that opened or ended, or of a session's log."""
    connection = pl.col("activity").is_in(_CONNECTION).fill_null(value=False)
    return (connection | pl.col("of_zeek") | pl.col("of_firewall")) & ~_vpc()


def _products() -> Mapping[str, pl.Expr]:
    """Whose records they are, as columns: many expressions ask for it, and a pattern a row costs more than they do."""
    named = {
        "vpc": "(?i)vpc",
        "azure": "(?i)azure|network watcher",
        "zeek": "(?i)zeek|corelight",
        "firewall": _SESSIONS,
    }
    return {f"of_{name}": pl.col("product").str.contains(pattern).fill_null(False) for name, pattern in named.items()}


def _vpc() -> pl.Expr:
    return pl.col("of_vpc")


def _azure() -> pl.Expr:
    """Whether a record is a tuple of Azure's flow logs, each of which counts since the one before, the last one too."""
    return pl.col("of_azure")


def _initiator() -> pl.Expr:
    """Who began, as the record itself says; where it says that it does not know, two ways are told by the ports."""
    number, known = pl.col("initiator_id"), pl.col("assigned")
    said = pl.when(number == "1").then(pl.lit("src")).when(number == "2").then(pl.lit("dest"))
    assigned = pl.when(number.is_null() & (known == "true")).then(pl.lit("src"))
    unknown = pl.when(_two_way() & ((number == "0") | (number.is_null() & (known == "false")))).then(told_by_ports())
    return pl.coalesce(said, assigned, unknown)


def _derived(duration: pl.DataType) -> Sequence[pl.Expr]:
    """What a record of one direction tells of its ends; VPC flow logs show an ACK only beside its SYN."""
    sides = [pl.col(f"{end}_interface").is_not_null() for end in ("src", "dest")]
    milliseconds = pl.col("duration").cast(pl.Float64, strict=False)
    reporter = (
        pl.when(sides[0] & ~sides[1])
        .then(pl.lit("src"))
        .when(sides[1] & ~sides[0])
        .then(pl.lit("dest"))
        .when(pl.col("direction") == "2")
        .then(pl.lit("src"))
        .when(pl.col("direction") == "1")
        .then(pl.lit("dest"))
    )
    by_flags = initiator(pl.col("tcp_flags"), _vpc())
    interface = pl.when(_vpc()).then(pl.coalesce("src_interface", "dest_interface", "interface"))
    return [
        pl.coalesce(_initiator(), pl.when(~_two_way() & ~_whole()).then(by_flags)).alias("initiator"),
        pl.when(~_whole()).then("sent").alias("sent"),
        pl.when(_whole() & ~_two_way()).then("sent").alias("total"),
        pl.when(_vpc() | _azure()).then(reporter).alias("reporter"),
        pl.when(pl.col("end").is_null()).then((milliseconds / 1e3).cast(duration)).alias("duration"),
        pl.when(pl.col("begun").is_not_null()).then("end").alias("end"),  # Alone it is no more than a time.
        pl.coalesce("system", interface).alias("system"),
    ]


def _told_so_far() -> pl.Expr:
    """Whether `traffic` tells counters since the beginning, whichever activity mappings make of the record."""
    return pl.col("vendor").str.contains(_CUMULATIVE).fill_null(False)


def _counts() -> pl.Expr:
    return _two_way() | pl.col("sent").is_not_null() | pl.col("total").is_not_null()


def _blocked() -> pl.Expr:
    """Whether the device let nothing through."""
    said = pl.any_horizontal(pl.col(c).str.to_lowercase().is_in(_REFUSED) for c in ("action", "disposition"))
    numbered = (pl.col("action_id") == "2") | pl.col("disposition_id").is_in(["2", "6", "25"])
    return _activity() & (
        said.fill_null(False) | numbered.fill_null(False) | (pl.col("activity") == "5").fill_null(False)
    )


def _activity() -> pl.Expr:
    return (pl.col("kind") == "4001").fill_null(False)


def _window(edge: str) -> tuple[str, ...]:
    """Spellings of a time: that of the counters, since the beginning first as these count first, else the record's."""
    spelled = (edge, f"{edge}_dt")
    return (*(f"{of}.{name}" for of in ("cumulative_traffic", "traffic") for name in spelled), *spelled)


_RECORD: json_lines.Fields = {
    "kind": ("class_uid",),
    "activity": ("activity_id",),
    "activity_name": ("activity_name",),
    "ts": (*_window("start_time"), *_window("end_time"), "time", "time_dt"),
    "begun": _window("start_time"),
    "end": _window("end_time"),
    "duration": ("cumulative_traffic.timespan.duration", "traffic.timespan.duration", "duration"),
    "write_ts": ("time", "time_dt"),
    "uid": ("connection_info.uid", "connection_info.session.uid"),
    "record_id": ("metadata.uid",),
    "src": ("src_endpoint.ip",),
    "src_port": ("src_endpoint.port",),
    "dest": ("dst_endpoint.ip",),
    "dest_port": ("dst_endpoint.port",),
    "proto": ("connection_info.protocol_num", "connection_info.protocol_name"),
    "service": ("app_name",),
    "resp_ip_bytes": ("traffic.bytes_in",),
    "orig_ip_bytes": ("traffic.bytes_out",),
    "resp_pkts": ("traffic.packets_in",),
    "orig_pkts": ("traffic.packets_out", "traffic.packets"),
    "unmapped_in": ("unmapped.resp_ip_bytes",),
    "unmapped_out": ("unmapped.orig_ip_bytes",),
    "missed_bytes": ("traffic.bytes_missed",),
    "sent": ("traffic.bytes",),
    **{f"so_far_{name}": (f"cumulative_traffic.{name}",) for name in _SO_FAR},
    "system": ("device.name", "device.hostname", "device.uid"),
    "product": ("metadata.product.name",),
    "vendor": ("metadata.product.vendor_name",),
    "direction": ("connection_info.direction_id",),
    "tcp_flags": ("connection_info.tcp_flags",),
    "initiator_id": ("initiator_id",),
    "assigned": ("is_src_dst_assignment_known",),
    "src_interface": ("src_endpoint.interface_uid",),
    "dest_interface": ("dst_endpoint.interface_uid",),
    "interface": ("unmapped.interface_id", "unmapped.interface-id"),  # Where a mapping has no place for it.
    "action": ("action",),
    "action_id": ("action_id",),
    "disposition": ("disposition",),
    "disposition_id": ("disposition_id",),
    "status": ("status_code",),
}
_IN_ELASTIC: Mapping[str, Sequence[str]] = {
    "ts": ("event.start", "event.end", "@timestamp"),
    "begun": ("event.start",),
    "end": ("event.end",),
    "write_ts": ("@timestamp",),
    "record_id": ("event.id",),
    "src": ("source.ip",),
    "src_port": ("source.port",),
    "dest": ("destination.ip",),
    "dest_port": ("destination.port",),
    "proto": ("network.iana_number",),
    "resp_ip_bytes": ("destination.bytes",),
    "orig_ip_bytes": ("source.bytes",),
    "resp_pkts": ("destination.packets",),
    "orig_pkts": ("source.packets", "network.packets"),
    "sent": ("network.bytes",),
}
"""Where Elastic's integration of Security Lake moves fields to; all others it keeps under `ocsf`."""
_FIELDS: json_lines.Fields = {
    name: (*spellings, *(f"ocsf.{s}" for s in spellings), *_IN_ELASTIC.get(name, ()))
    for name, spellings in _RECORD.items()
}

_CODES = ("kind", "activity", "direction", "initiator_id", "action_id", "disposition_id")


def _so_far() -> pl.Expr:
    return pl.any_horizontal(pl.col(f"so_far_{name}").is_not_null() for name in _SO_FAR)


def _zeek(fields: pl.DataFrame) -> pl.DataFrame:
    """Records of Zeek with the IP bytes that a mapping left out; what it took comes from TCP's sequence numbers."""
    left = pl.col("of_zeek") & pl.all_horizontal(pl.col(c).is_not_null() for c in _IP_BYTES)
    if not fields.select(left.any()).item():
        return fields
    told = {c: pl.col(name).cast(fields.schema[c], strict=False) for name, c in _IP_BYTES.items()}
    return fields.with_columns(pl.when(left).then(size).otherwise(c).alias(c) for c, size in told.items())


def _one_direction(fields: pl.DataFrame) -> pl.DataFrame:
    """Flow logs' records as mappings have them whose `bytes_out` are a record's bytes, as those of one direction."""
    out = pl.col("orig_ip_bytes")
    alone = ~_whole() & pl.col("resp_ip_bytes").is_null() & out.is_not_null()
    if not fields.select(alone.any()).item():
        return fields
    return fields.with_columns(
        sent=pl.when(alone).then(pl.coalesce("sent", out.cast(fields.schema["sent"]))).otherwise("sent"),
        orig_ip_bytes=pl.when(~alone).then("orig_ip_bytes"),
    )


def _derive(fields: pl.DataFrame) -> pl.DataFrame:
    if fields["kind"].str.ends_with(".0").any():  # As a table of reals has them when its values become text.
        fields = fields.with_columns(pl.col(_CODES).str.strip_suffix(".0"))
    if fields.select(_so_far().any()).item():
        told = {c: pl.col(f"so_far_{name}").cast(fields.schema[c], strict=False) for name, c in _SO_FAR.items()}
        fields = fields.with_columns(pl.coalesce(so_far, c).alias(c) for c, so_far in told.items())
    # Before the schema's first release 5 was Traffic.
    renamed = (pl.col("activity") == "5") & (pl.col("activity_name").str.to_lowercase() == "traffic")
    fields = fields.with_columns(
        pl.when(renamed).then(pl.lit("6")).otherwise("activity").alias("activity"), **_products()
    )
    fields = _one_direction(_zeek(fields))
    late = pl.col("activity").is_in(_ENDED) | pl.col("end").is_not_null() | _told_so_far()
    unknown = pl.col("begun").is_null() & late & ~pl.col("of_zeek")  # Its time is a connection's beginning.
    if fields.select((unknown & pl.col("duration").is_not_null()).any()).item():
        fields = put_back(fields, unknown, pl.col("duration").cast(pl.Float64, strict=False) * 1e3)
    return fields.with_columns(_derived(fields.schema["duration"]))


OCSF = Form(
    name="ocsf",
    vendor_product="OCSF Network Activity",
    layer="unknown",
    contract=Contract(
        "traffic.bytes_in",
        "traffic.bytes_out",
        "as the source counts",
        "start_time",
        "`Traffic` reports and their `traffic.bytes` alone (one direction) are deltas, `Open` is interim, others final",
    ),
    marks=re.compile(rb'"class_uid"\s*:|"(?:src|dst)_endpoint"\s*:'),
    strong=True,
    decoder=json_decoder(_FIELDS),
    derive=_derive,
    columns={name: list(spellings) for name, spellings in _RECORD.items()},
    json=True,
    flows=lambda: _activity() & _counts() & ~_blocked(),
    accounting=lambda: (
        pl.when((pl.col("activity") == "1") | _so_far() | _told_so_far())
        .then(pl.lit("cumulative"))
        .when((pl.col("activity") == "6") | _azure() | (~_two_way() & ~_whole()))
        .then(pl.lit("delta"))
    ),
    ignored={
        "blocked": _blocked,
        "direction_unknown": lambda: _activity() & ~_blocked() & pl.col("total").is_not_null(),
        "lost_data": lambda: _activity() & (pl.col("status") == "SKIPDATA"),
        "no_data": lambda: _activity() & (pl.col("status") == "NODATA"),
        "no_counters": lambda: (
            _activity() & ~_counts() & ~_blocked() & ~pl.col("status").is_in(["SKIPDATA", "NODATA"]).fill_null(False)
        ),
    },
    flags_tell=True,
    idle=frozenset(("end", "write_ts", "uid", "record_id", "proto", "service", "system", "direction", "tcp_flags"))
    | {"src_interface", "dest_interface", "interface"},
    note="With traffic.bytes alone a Traffic record tells one direction (Security Lake's VPC flows), which its TCP "
    "flags or ports decide; one of a connection that opened or ended, or of a firewall, tells the total of both. "
    "Records without traffic, such as most of Open, are no byte sample; denied ones are `blocked`.",
)

"""Elastic Common Schema records with source and destination counters, as Beats and Elastic's integrations write them.

Sources: the ECS field reference (source.bytes, destination.bytes, event.start, event.duration in nanoseconds) and the
pipelines of Elastic's integrations, whose datasets differ in what a record is. What a shipper counts is its own affair.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from pipeline.addresses import NOWHERE
from pipeline.sources import instants, json_lines
from pipeline.sources.declared import Contract, Form
from pipeline.sources.delimited import Layout, delimited
from pipeline.sources.formats import elastic
from pipeline.sources.formats.suricata import SYN
from pipeline.sources.orienting import initiator, told_by_ports
from pipeline.sources.records import json_decoder
from pipeline.sources.spellings import ABSENT
from pipeline.sources.starts import epoch_us, put_back

_ONE_WAY = r"vpcflow|netflow|ipfix|sflow|aws\.firewall"
"""Datasets whose records may tell one direction, from source to destination."""
_REFUSED = (
    "reject",
    "rejected",
    "deny",
    "denied",
    "drop",
    "dropped",
    "block",
    "blocked",
    "flow_denied",
    "flow_dropped",
    "clientfiltered",
)
_SUMMED = r"^azure_network_watcher_(?:vnet|nsg)\."
"""Datasets with a blob's flows in one document: lists of all ends and of all different counts."""
_PACKETS = r"^(?:pfsense|opnsense|iptables)\."
"""Datasets of packet filters, whose counts are the size of one packet."""
_UMBRELLA = r"^cisco[._]umbrella"
"""A dataset whose records have the size of one packet as the source's bytes, where the destination has none."""
_NSEL_DENIED, _NSEL_UPDATED = 3, 5
"""Events of Cisco's NSEL: an update counts since the last one, an end since the flow's beginning."""
_INTERIM_CODE = r"^(?:00000)?0002[01]$"
"""Fortinet's logs of traffic so far, also as CEF shortens their numbers."""


def _is(dataset: str) -> pl.Expr:
    return pl.col("dataset").str.contains(dataset).fill_null(False)


def _by_first_packet() -> pl.Expr:
    """Sensors whose source is who sent the first packet they saw of a session, perhaps after a silence."""
    exported = pl.col("exporter").is_not_null() & pl.col("nsel").is_null()
    named = (pl.col("eve") == "flow") | ((pl.col("beat") == "packetbeat") & _is(r"(?:^|\.)flow$"))
    return exported | named.fill_null(False)


def _has(kind: str) -> pl.Expr:
    """Whether event.type, one word or a list of some, names the kind."""
    return pl.col("types").str.contains(rf'(?:^|["\s]){kind}(?:[",]|$)').fill_null(False)


def _derived(duration: pl.DataType) -> Sequence[pl.Expr]:
    """One direction where that is all the record tells, and who made it; times where only the duration is known."""
    told = pl.col("dataset").is_null() | _is(_ONE_WAY) | pl.col("exporter").is_not_null()
    # What passes one-way flows on may have 0 for the other direction.
    asa = pl.col("initiated").is_not_null() | pl.col("responded").is_not_null()
    nothing = (pl.col("resp_ip_bytes").cast(pl.Float64, strict=False) == 0) & _is(_ONE_WAY) & ~asa
    one_way = (pl.col("resp_ip_bytes").is_null() & told) | nothing.fill_null(value=False)
    # AWS shows an ACK only beside its SYN; other exporters show the flags of all packets.
    by_flags = initiator(pl.col("tcp_flags"), _is("vpcflow"))
    begun = pl.col("eve_flags").str.contains(SYN)
    units = pl.when(pl.col("state").is_null()).then(1e9).otherwise(1)  # Security Onion keeps Zeek's seconds.
    lasted = pl.col("duration").cast(pl.Float64, strict=False)
    side = pl.when(_is("vpcflow") | elastic.illumio()).then(pl.col("side").str.to_lowercase())
    return [
        pl.coalesce("inside", "src").alias("src"),  # The device behind a tunnel, as in Cloudflare's own log.
        pl.when(one_way).then("orig_ip_bytes").alias("sent"),
        *(pl.when(~one_way).then(c).alias(c) for c in ("orig_ip_bytes", "resp_ip_bytes", "resp_pkts")),
        pl.when(one_way).then(by_flags).when(_by_first_packet()).then(told_by_ports(seen=begun)).alias("initiator"),
        pl.when(side.is_in(["src", "src_gateway", "egress", "outbound"]))
        .then(pl.lit("src"))
        .when(side.is_in(["dest", "dest_gateway", "ingress", "inbound"]))
        .then(pl.lit("dest"))
        # Packetbeat and Suricata keep VLANs apart, firewalls their virtual systems.
        .otherwise(pl.when(~one_way).then(pl.col("part_of").cast(pl.String)))
        .alias("reporter"),
        pl.when(pl.col("end").is_null()).then((lasted / units).cast(duration)).alias("duration"),
    ]


def _exported(fields: pl.DataFrame) -> pl.DataFrame:
    """What Filebeat's netflow input keeps under the exporter's names: of NSEL both ends' octets, elsewhere one way's.

    Before 7.5 its only ECS field of a record of one direction was the sum.
    """
    kind = fields.schema["resp_ip_bytes"]
    said = [pl.col(c).cast(kind, strict=False) for c in ("initiated", "responded", "total")]
    ends = pl.col("initiated").is_not_null() | pl.col("responded").is_not_null()
    none = pl.col("orig_ip_bytes").is_null() & pl.col("resp_ip_bytes").is_null()
    alone = pl.when(none & ~ends & pl.col("exporter").is_not_null()).then(said[2])
    return fields.with_columns(
        # A template may have both families' addresses, one of them of zeros, of which the input takes that of IPv4.
        *(pl.when(pl.col(c).is_in(NOWHERE)).then(f"exported_{c}").otherwise(c).alias(c) for c in ("src", "dest")),
        orig_ip_bytes=pl.coalesce("orig_ip_bytes", said[0], alone),
        resp_ip_bytes=pl.coalesce("resp_ip_bytes", said[1]),
        nsel=pl.when(ends).then(pl.col("firewall_event").cast(pl.Float64, strict=False)),
    )


def _tracking() -> pl.Expr:
    """Juniper's application tracking, which tells of the firewall's sessions once more."""
    return pl.col("tag").str.starts_with("APPTRACK").fill_null(False)


def _counts() -> pl.Expr:
    return pl.any_horizontal(pl.col(c).is_not_null() for c in ("resp_ip_bytes", "orig_ip_bytes", "sent", "total"))


def _sum_alone() -> pl.Expr:
    """Whether a flow's bytes are known for both directions together only."""
    split = pl.any_horizontal(pl.col(c).is_not_null() for c in ("resp_ip_bytes", "orig_ip_bytes", "sent"))
    return pl.col("src").is_not_null() & pl.col("total").is_not_null() & ~split & ~_blocked() & ~_other()


def _blocked() -> pl.Expr:
    """Whether the device let nothing through."""
    denied = _has("denied") & ~_is("fortinet")  # Said there of a session with one blocked file, too.
    denied |= (pl.col("firewall_event").cast(pl.Float64, strict=False) == _NSEL_DENIED).fill_null(value=False)
    return denied | pl.col("action").str.to_lowercase().is_in(_REFUSED).fill_null(False)


def _packet() -> pl.Expr:
    """Logs that count single packets."""
    return _is(_PACKETS) | elastic.packets() | (_is(_UMBRELLA) & pl.col("resp_ip_bytes").is_null())


def _other() -> pl.Expr:
    """Events that repeat counters of a flow: alerts, web filters, transactions, other logs than that of traffic."""
    suricata = ~pl.col("eve").is_in(["flow", "netflow"])
    packetbeat = (pl.col("beat") == "packetbeat") & ~_is(r"(?:^|\.)flow$") & pl.col("dataset").is_not_null()
    kinds = (suricata, pl.col("log").str.to_lowercase() != "traffic", packetbeat)
    named = (elastic.repeats(), elastic.requests(), elastic.begins(), _tracking(), _is(_SUMMED), _packet())
    return pl.any_horizontal(kind.fill_null(False) for kind in (*kinds, *named))


def _accounting() -> pl.Expr:
    """Counters so far are cumulative, those of a stretch deltas, all others final."""
    so_far = (
        (pl.col("final") == "false")
        | (pl.col("code").str.contains(_INTERIM_CODE) & elastic.fortinet())
        | _is(r"^checkpoint|(?:^|\.)(?:conn_long|open_conn)$")
    )
    so_far |= pl.col("phase") == "Interim"
    begun = _has("start") & ~_has("end")
    # What counts since the flow began (octetTotalCount): of records with one start the last counts.
    total = pl.col("octets").is_null() & pl.col("octets_so_far").is_not_null()
    stretch = (_is(_ONE_WAY) | pl.col("exporter").is_not_null()) & pl.col("nsel").is_null() & ~total
    stretch |= elastic.illumio()
    return (
        pl.when(so_far.fill_null(False) | begun)
        .then(pl.lit("cumulative"))
        .when(pl.col("nsel") == _NSEL_UPDATED)
        .then(pl.lit("update"))
        .when(stretch)
        .then(pl.lit("delta"))
    )


_UNITS = ("milliseconds", "microseconds", "nanoseconds", "seconds")
_FIRST_PACKET = ("cisco.ftd.security_event.first_packet_second", "cisco.ftd.security.first_packet_second")
_STARTS = (
    *_FIRST_PACKET,
    "event.start",
    *(f"netflow.flow_start_{unit}" for unit in _UNITS),
    "aws.firewall.flow.start",
    "cisco.umbrella.first_packet_timestamp",
)
_FIELDS: json_lines.Fields = {
    "ts": (*_STARTS, "@timestamp"),
    "begun": _STARTS,
    "first_packet": _FIRST_PACKET,
    "end": (
        "event.end",
        *(f"netflow.flow_end_{unit}" for unit in _UNITS),
        "aws.firewall.flow.end",
        "cisco.umbrella.last_packet_timestamp",
    ),
    "duration": ("event.duration",),
    "write_ts": ("@timestamp",),
    "uid": (
        "flow.id",
        "zeek.session_id",
        "suricata.eve.flow_id",
        "aws.firewall.flow.id",
        "panw.panos.flow_id",
        "fortinet.firewall.sessionid",
        "fortinet.proxy.sessionid",
        "prisma_access.event.session.id",
        "checkpoint.loguid",
        "log.id.uid",
        "network.community_id",
    ),
    "src": ("aws.vpcflow.pkt_srcaddr", "source.ip"),
    "inside": ("cloudflare_logpush.network_session.source.internal_ip",),
    "src_port": ("source.port",),
    "src_nat": ("source.nat.ip",),
    "dest": ("aws.vpcflow.pkt_dstaddr", "destination.ip"),
    "dest_port": ("destination.port",),
    "dest_nat": ("destination.nat.ip",),
    "proto": ("network.transport", "network.iana_number"),
    "service": ("network.protocol", "network.application"),
    "resp_ip_bytes": ("destination.ip_bytes", "destination.bytes"),
    "orig_ip_bytes": ("source.ip_bytes", "source.bytes", "aws.firewall.flow.bytes"),
    "resp_pkts": ("destination.packets",),
    "orig_pkts": ("source.packets", "aws.firewall.flow.pkts"),
    "client": ("client.ip",),
    "client_port": ("client.port",),
    "client_bytes": ("client.ip_bytes", "client.bytes"),
    "client_pkts": ("client.packets",),
    "server": ("server.ip",),
    "server_port": ("server.port",),
    "server_bytes": ("server.ip_bytes", "server.bytes"),
    "server_pkts": ("server.packets",),
    "system": (
        "aws.vpcflow.interface_id",
        "observer.name",
        "observer.hostname",
        "observer.ip[]",
        "agent.hostname",
        "host.name",
    ),
    "side": ("gcp.vpcflow.reporter", "googlecloud.vpcflow.reporter", "network.direction"),
    "received_by": ("netflow.post_nat_destination_ipv4_address",),
    "received_port": ("netflow.post_napt_destination_transport_port",),
    "part_of": (
        "network.vlan.id",
        "flow.vlan",
        "suricata.eve.vlan",
        "vlan",
        "fortinet.firewall.vd",
        "panw.panos.virtual_sys",
    ),
    "tcp_flags": ("aws.vpcflow.tcp_flags", "netflow.tcp_control_bits"),
    "status": ("aws.vpcflow.log_status",),
    "final": ("flow.final",),
    "total": ("network.bytes",),
    "dataset": ("event.dataset", "data_stream.dataset"),
    "types": ("event.type[]",),
    "action": ("aws.vpcflow.action", "event.action"),
    "code": ("event.code",),
    "state": ("connection.state",),
    "beat": ("agent.type",),
    "eve": ("suricata.eve.event_type",),
    "eve_flags": ("suricata.eve.tcp.tcp_flags_ts",),
    "log": ("fortinet.firewall.type", "fortinet.proxy.type", "panw.panos.type", "prisma_access.event.class_id"),
    "subtype": ("fortinet.firewall.subtype", "fortinet.proxy.subtype"),
    "part": ("prisma_access.event.cef.name", "cloudflare_logpush.spectrum_event.action"),
    "tag": ("juniper.srx.tag",),
    "product": ("observer.product",),
    "phase": ("sophos.xg.con_event", "sophos.xg.connevent"),
    "kind": ("sophos.xg.log_type", "stormshield.logtype"),
    "cef_vendor": ("cef.device.vendor",),
    "cef_product": ("cef.device.product",),
    "cef_name": ("cef.name",),
    "cef_version": ("cef.version",),
    "number2": ("cef.extensions.deviceCustomNumber2",),
    "number3": ("cef.extensions.deviceCustomNumber3",),
    "vendor": ("observer.vendor",),
    "event_id": ("event.id",),
    "exporter": ("netflow.type",),
    "octets": ("netflow.octet_delta_count",),
    "octets_so_far": ("netflow.octet_total_count",),
    "exported_src": ("netflow.source_ipv6_address",),
    "exported_dest": ("netflow.destination_ipv6_address",),
    "firewall_event": ("netflow.firewall_event",),
    "initiated": ("netflow.initiator_octets",),
    "responded": ("netflow.responder_octets",),
}

_NAMES = {name: [s.removesuffix("[]") for s in spellings] for name, spellings in _FIELDS.items()}


_SIDES = {
    **{"src": "client", "src_port": "client_port", "dest": "server", "dest_port": "server_port"},
    **{"orig_ip_bytes": "client_bytes", "resp_ip_bytes": "server_bytes"},
    **{"orig_pkts": "client_pkts", "resp_pkts": "server_pkts"},
}
"""Fields of the source and the destination -> those of the client and the server, which may be either."""


def _of_sides(fields: pl.DataFrame) -> pl.DataFrame:
    """Records with what is told of client and server, where an end or the bytes of source and destination lack."""
    told = {c: pl.col(side).cast(fields.schema[c], strict=False) for c, side in _SIDES.items()}
    counts = pl.any_horizontal(pl.col(c).is_not_null() for c in ("orig_ip_bytes", "resp_ip_bytes"))
    alone = ~counts & (pl.col("client_bytes").is_not_null() | pl.col("server_bytes").is_not_null())
    named = alone & pl.col("client").is_not_null() & pl.col("server").is_not_null()
    lacking = {end: named | pl.col(end).is_null() for end in ("src", "dest")}
    taken = {c: lacking.get(c.removesuffix("_port"), alone) for c in _SIDES}
    return fields.with_columns(pl.when(taken[c]).then(side).otherwise(c).alias(c) for c, side in told.items())


def _started(fields: pl.DataFrame) -> pl.DataFrame:
    """Records whose only start is `@timestamp`, which tell their end and duration, with their start."""
    lasted = pl.col("duration").cast(pl.Float64, strict=False) / 1e3
    untold = pl.col("begun").is_null() & pl.col("end").is_not_null() & (lasted > 0)
    if not fields.select(untold.any()).item():
        return fields
    kind = fields.schema["ts"]
    told = pl.col("end") if fields.schema["end"] == kind else epoch_us(fields, "end")
    end = instants.as_text(told) if fields.schema["end"] != kind == pl.String else told.cast(kind)
    return put_back(fields.with_columns(ts=pl.when(untold).then(end).otherwise("ts")), untold, lasted)


def _derive(fields: pl.DataFrame) -> pl.DataFrame:
    if any(fields[c].null_count() < fields.height for c in ("client", "server", "client_bytes", "server_bytes")):
        fields = _of_sides(fields)
    fields = elastic.mended(fields)
    if fields["begun"].has_nulls() and fields["duration"].null_count() < fields.height:
        fields = _started(fields)
    if any(fields[c].null_count() < fields.height for c in ("exporter", "initiated", "responded")):
        fields = _exported(fields)
    else:
        fields = fields.with_columns(nsel=pl.lit(None, pl.Float64))
    return fields.with_columns(_derived(fields.schema["duration"]))


_WITHIN = rb"(?:[^{}]|\{(?:[^{}]|\{[^{}]{0,200}\}){0,400}\}){0,1000}?"
"""What an object of JSON holds, with objects two levels deep."""
_JSON = Form(
    name="ecs",
    vendor_product="Elastic Common Schema",
    layer="unknown",
    contract=Contract(
        "destination.bytes",
        "source.bytes",
        "as the shipper counts",
        "event.start",
        "`flow.final: false`, a start, Fortinet's code 20 and Check Point are interim; vpcflow and netflow are deltas",
    ),
    # An object of either name without an address is a shipper's: log.source, the sender of a line. Other products'
    # records have such objects, too, beside counters of their own: without ECS' other objects, theirs tell the bytes.
    marks=re.compile(
        rb'\A(?=[\s\S]*"(?:(?:@timestamp|ecs|event|network|agent|observer)[."]|(?:log|cloud|related)(?:\.|"\s*:\s*\{)))'
        rb'[\s\S]*?"(?:source|destination)"\s*:\s*\{[\s\S]{0,4000}?"(?:ip|bytes|packets)"\s*:'
        rb'|"(?:source|destination)"\s*:\s*\{' + _WITHIN + rb'"bytes"\s*:'
        rb'|"(?:source|destination|client|server)\.ip"\s*:'
    ),
    decoder=json_decoder(_FIELDS, inside=("$._source",)),
    derive=_derive,
    columns=_NAMES,
    json=True,
    flows=lambda: pl.col("src").is_not_null() & _counts() & ~_blocked() & ~_other(),
    accounting=_accounting,
    ignored={
        "blocked": lambda: pl.col("src").is_not_null() & _blocked(),
        "lost_data": lambda: pl.col("status") == "SKIPDATA",
        "no_data": lambda: pl.col("status") == "NODATA",
        "no_counters": lambda: pl.col("src").is_not_null() & ~_counts() & ~_blocked() & ~_other(),
        "apptrack": _tracking,
        "other_blades": elastic.repeats,
        "requests": elastic.requests,
        "begin": elastic.begins,
        "several_flows": lambda: _is(_SUMMED),
        "packets": lambda: _packet() & ~_blocked(),
        "direction_by_date": lambda: pl.col("doubted"),
        "direction_unknown": _sum_alone,
    },
    flags_tell=True,
    idle=frozenset(
        (
            "end",
            "write_ts",
            "uid",
            "event_id",
            "src_nat",
            "dest_nat",
            "proto",
            "service",
            "system",
            "side",
            "part_of",
            "tcp_flags",
            "eve_flags",
            "octets",
            "octets_so_far",
            "first_packet",
        )
    ),
    note="network.bytes is the sum of both directions: it is the flow's total, never one side's bytes.",
)
_LAYOUT = Layout(
    aliases=_NAMES,
    header=re.compile(r'(?:^|[,;\t|])"?(?:source|destination)\.ip"?(?:[,;\t|]|$)'),
    unset=ABSENT,
)
_CSV = replace(
    _JSON,
    name="ecs_csv",
    family="ecs",
    contract=replace(_JSON.contract, records="as JSON; what Kibana exports of a search, times in `timezone`"),
    marks=re.compile(rb'\A[^\n]*(?:^|[,;\t])"?(?:source|destination)\.ip"?(?:[,;\t]|\r?\n|\Z)'),
    decoder=delimited(_LAYOUT),
    columns=None,
    json=False,
    local_time=True,
    blanks=True,
)
ECS = (_JSON, _CSV)

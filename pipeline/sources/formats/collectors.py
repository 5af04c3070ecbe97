"""Records of NetFlow, IPFIX and sFlow as collectors write them: goflow2, pmacct, nProbe, vFlow, and by IPFIX's names.

Sources: goflow2's description of its protobuf fields and its JSON, pmacct's configuration keys and print plugin,
nProbe's list of template fields, IANA's list of IPFIX information elements, which super_mediator (for YAF) and
ipfixcol2 write. Counters are those of the exporter, never multiplied by its sampling; an active timeout cuts sessions
into deltas. What nfdump writes is in `nfdump`.
"""

from __future__ import annotations

import base64
import ipaddress
import re
from dataclasses import replace

import polars as pl

from pipeline.addresses import NOWHERE
from pipeline.sources import instants, json_lines
from pipeline.sources.declared import Contract, Form
from pipeline.sources.delimited import Layout, delimited
from pipeline.sources.formats import netobserv
from pipeline.sources.formats.goflow_fields import GOFLOW2
from pipeline.sources.formats.nfdump_fields import impossible
from pipeline.sources.formats.vflow import VflowDecoder
from pipeline.sources.orienting import initiator, leaving, told_by_ports
from pipeline.sources.records import JsonDecoder, json_decoder
from pipeline.sources.spellings import ABSENT, plain_address
from pipeline.sources.starts import own_stretch

_NEVER = r"^(?:0(?:\.0+)?$|1970-01-01[T ](?:0\d|1[0-4]):(?:00|15|30|45):00|1969-12-31[T ](?:1[2-9]|2\d):(?:00|30):00)"
"""A time of 0, as a number or as the beginning of 1970 in some zone."""


_PMACCT = {
    "ts": ("timestamp_start", "stamp_inserted"),
    "end": ("timestamp_end", "stamp_updated"),
    "write_ts": ("timestamp_export", "timestamp_arrival", "stamp_updated"),
    "src": ("ip_src", "src_ip"),
    "src_port": ("port_src", "src_port"),
    "dest": ("ip_dst", "dst_ip"),
    "dest_port": ("port_dst", "dst_port"),
    "proto": ("ip_proto", "protocol"),
    "sent": ("bytes",),
    "orig_pkts": ("packets",),
    "tcp_flags": ("tcp_flags",),
    "sampling": ("sampling_rate",),
    "system": ("peer_ip_src", "peer_src_ip"),
    **{"src_nat": ("post_nat_ip_src",), "dest_nat": ("post_nat_ip_dst",), "received_port": ("post_nat_port_dst",)},
    "forwarding": ("forwarding_status",),
    **{"orig_ip_bytes": ("initiatorOctets", "initiatoroctets"), "event": ("firewallEvent", "firewallevent")},
    "resp_ip_bytes": ("responderOctets", "responderoctets"),
}
_NPROBE: json_lines.Fields = {
    "ts": ("FLOW_START_MILLISECONDS", "FIRST_SWITCHED", "FLOW_START_SEC", "FIRST_SEEN"),
    "end": ("FLOW_END_MILLISECONDS", "LAST_SWITCHED", "FLOW_END_SEC", "LAST_SEEN"),
    "src": ("IPV4_SRC_ADDR",),
    "src_v6": ("IPV6_SRC_ADDR",),
    "src_port": ("L4_SRC_PORT", "IP_SRC_PORT"),
    "dest": ("IPV4_DST_ADDR",),
    "dest_v6": ("IPV6_DST_ADDR",),
    "dest_port": ("L4_DST_PORT", "IP_DST_PORT"),
    "proto": ("PROTOCOL",),
    "orig_ip_bytes": ("IN_BYTES", "SRC2DST_BYTES"),
    "resp_ip_bytes": ("OUT_BYTES", "DST2SRC_BYTES"),
    "orig_pkts": ("IN_PKTS", "SRC2DST_PACKETS"),
    "resp_pkts": ("OUT_PKTS", "DST2SRC_PACKETS"),
    "sampling": ("SAMPLING_INTERVAL",),
    "system": ("EXPORTER_IPV4_ADDRESS", "NTOPNG_INSTANCE_NAME"),
    "src_nat": ("POST_NAT_SRC_IPV4_ADDR",),
    "dest_nat": ("POST_NAT_DST_IPV4_ADDR",),
    "received_port": ("POST_NAPT_DST_TRANSPORT_PORT",),
    "way": ("DIRECTION",),
}
_ELEMENTS = {
    **{"ts": ("152", "22", "150"), "end": ("153", "21", "151"), "proto": ("4",), "way": ("61",), "system": ("130",)},
    **{"src": ("8",), "src_v6": ("27",), "src_port": ("7",), "dest": ("12",), "dest_v6": ("28",), "dest_port": ("11",)},
    **{"orig_ip_bytes": ("1",), "resp_ip_bytes": ("23",), "orig_pkts": ("2",), "resp_pkts": ("24",)},
    **{"sampling": ("34",), "src_nat": ("225",), "dest_nat": ("226",), "received_port": ("228",)},
}
"""nProbe's fields by the numbers of NetFlow 9, which its JSON has for names unless it is told `--json-labels`."""


def _ipfix(*names: str, reverse: bool = False) -> tuple[str, ...]:
    """Information elements as super_mediator (YAF) and ipfixcol2 write them; of the other direction, if so."""
    if reverse:
        plain = [f"reverse{n[0].upper()}{n[1:]}" for n in names]
        of_ipfixcol = [(f"iana@reverse:{n}@reverse", f"iana@reverse:{n}") for n in names]  # Newer and older ones.
        spelled = ((p, f"flows.{p}", *c, f"{n}_Rev") for n, p, c in zip(names, plain, of_ipfixcol, strict=True))
        return tuple(name for names in spelled for name in names)
    return tuple(s for n in names for s in (n, f"flows.{n}", f"iana:{n}"))


_OCTETS, _PACKETS = ("octetDeltaCount", "octetTotalCount"), ("packetDeltaCount", "packetTotalCount")
_UNITS = ("Nanoseconds", "Microseconds", "Milliseconds", "Seconds")
_IPFIX: json_lines.Fields = {
    "ts": _ipfix(*(f"flowStart{u}" for u in _UNITS)),
    "end": _ipfix(*(f"flowEnd{u}" for u in _UNITS)),
    "write_ts": (*_ipfix("exportTime"), "@timestamp", "ipfix:exportTime"),
    "src": _ipfix("sourceIPv4Address", "sourceIPv6Address"),
    "src_port": _ipfix("sourceTransportPort"),
    "dest": _ipfix("destinationIPv4Address", "destinationIPv6Address"),
    "dest_port": _ipfix("destinationTransportPort"),
    "proto": _ipfix("protocolIdentifier"),
    "orig_ip_bytes": _ipfix(*_OCTETS, "initiatorOctets"),
    "resp_ip_bytes": (*_ipfix(*_OCTETS, reverse=True), *_ipfix("responderOctets")),
    "orig_pkts": _ipfix(*_PACKETS, "initiatorPackets"),
    "resp_pkts": (*_ipfix(*_PACKETS, reverse=True), *_ipfix("responderPackets")),
    "tcp_flags": _ipfix("tcpControlBits"),
    "sampling": _ipfix("samplingInterval"),
    "system": _ipfix("exporterIPv4Address", "exporterIPv6Address", "collectorName"),
    "src_nat": _ipfix("postNATSourceIPv4Address"),
    "dest_nat": _ipfix("postNATDestinationIPv4Address"),
    "received_port": _ipfix("postNAPTDestinationTransportPort"),
    "forwarding": _ipfix("forwardingStatus"),
    "way": _ipfix("flowDirection"),
    "vlan": _ipfix("vlanId", "dot1qVlanId"),
    "event": _ipfix("firewallEvent"),
    "flow": _ipfix("flowId"),
    "asa": _ipfix("initiatorOctets", "responderOctets"),
    "sent": _ipfix("octetDeltaCount"),
    "so_far": _ipfix("octetTotalCount"),
}
_DENIED, _UPDATED = 3, 5
"""Firewalls' events (element 233)."""


def derive_records(fields: pl.DataFrame) -> pl.DataFrame:
    """Who began, where a SYN without an ACK says so, and translations; exporters show the flags of all packets.

    The source of a record of both directions is who sent its first packet, unless elements name the initiator.
    """
    told = ("forwarding", "sampling", "src_nat", "dest_nat", "tcp_flags", "way")
    names = (*told, "write_ts", "event", "nsel", "asa", "vlan", "stage")
    fields = fields.with_columns(pl.lit(None, pl.String).alias(c) for c in names if c not in fields.columns)
    rate = pl.col("sampling").cast(pl.Float64, strict=False)
    one_way = pl.col("sent").is_not_null()
    both = ~one_way & pl.col("asa").is_null()
    within = pl.when(~one_way).then(pl.col("vlan").cast(pl.String))  # YAF keeps VLANs apart unless told otherwise.
    return fields.with_columns(
        *(pl.when(~pl.col(c).is_in(NOWHERE)).then(pl.col(c)).alias(c) for c in ("src_nat", "dest_nat")),
        received_by="dest_nat",
        initiator=pl.coalesce(initiator(pl.col("tcp_flags"), pl.lit(value=False)), pl.when(both).then(told_by_ports())),
        sampling=pl.when(rate > 0).then(rate),
        reporter=pl.coalesce(leaving(one_way), within),
        **_times(fields),
    )


_BASE64 = r"^(?:[A-Za-z0-9+/]{6}|[A-Za-z0-9+/]{22})==$"
"""An address of 4 or 16 bytes."""


def _unpacked(text: str) -> str:
    """An address in Base64 as it is usually written."""
    return str(ipaddress.ip_address(base64.b64decode(text))) if re.fullmatch(_BASE64, text) else text


def _parted(lines: pl.Series) -> pl.Series:
    """Lines with commas in place of the two or more blanks by which pmacct separates columns by default."""
    padded = ~lines.str.contains(",", literal=True)
    return lines.zip_with(~padded, lines.str.strip_chars().str.replace_all(r"\s{2,}|\t", ","))


def _times(fields: pl.DataFrame) -> dict[str, pl.Expr]:
    """Times without the 0 of exporters that know none; a record without a start is dated to its end, or its receipt."""

    def known(column: str) -> pl.Expr:
        never = pl.col(column).str.contains(_NEVER) if fields.schema[column] == pl.String else pl.col(column) == 0
        return pl.when(~never).then(pl.col(column))

    told = {c: known(c) for c in ("ts", "end")}
    for other in ("end", "write_ts"):
        if fields.schema["ts"] == fields.schema[other]:
            told["ts"] = pl.coalesce(told["ts"], known(other))
    return told


def _derive_goflow2(fields: pl.DataFrame) -> pl.DataFrame:
    """As `derive_records`; a database's rows have the time at which a flow was received as text, in UTC.

    Addresses may be Base64, as protobuf's own JSON has bytes.
    """
    packed = [c for c in ("src", "dest", "system") if fields[c].str.contains(_BASE64).any()]
    fields = fields.with_columns(fields[c].map_elements(_unpacked, pl.String).alias(c) for c in packed)
    if fields.schema["ts"] == pl.Int64 and fields.schema.get("write_ts") == pl.String:
        fields = fields.with_columns(pl.coalesce("ts", instants.epoch_us("write_ts")).alias("ts"))
    return derive_records(fields.with_columns(netobserv.stage()))


def _derive_pmacct(fields: pl.DataFrame) -> pl.DataFrame:
    """As `derive_records`; of an ASA (NSEL) the octets of both ends, where primitives so named ask for them."""
    asa = pl.col("orig_ip_bytes").is_not_null() & pl.col("resp_ip_bytes").is_not_null()
    split = {c: pl.when(asa).then(c) for c in ("orig_ip_bytes", "resp_ip_bytes")}
    told = {"asa": split["orig_ip_bytes"], "nsel": pl.when(asa).then(pl.col("event").cast(pl.String))}
    return derive_records(fields.with_columns(**split, **told, sent=pl.when(~asa).then("sent")))


def _derive_both(fields: pl.DataFrame) -> pl.DataFrame:
    """Records without the other direction are of one, also where it is 0: what passes one-way flows on has it so.

    A Cisco ASA's own records (NSEL) know their ends, whether anything was answered or not. What only `octetTotalCount`
    tells is since the flow began (RFC 5102), so that of records with one start the last counts.
    """
    asa = pl.col("asa").is_not_null() if "asa" in fields.columns else pl.lit(value=False)
    nothing = (pl.col("resp_ip_bytes").cast(pl.Float64, strict=False) == 0).fill_null(value=False)
    one_way = pl.col("resp_ip_bytes").is_null() | (nothing & ~asa)
    split = [
        pl.when(one_way).then("orig_ip_bytes").alias("sent"),
        *(pl.when(~one_way).then(c).alias(c) for c in ("orig_ip_bytes", "resp_ip_bytes", "resp_pkts")),
    ]
    if "event" in fields.columns:
        total = pl.when(pl.col("sent").is_null()).then(pl.lit("0"))
        split += [
            pl.when(asa).then(pl.col("event").cast(pl.String)).otherwise(total).alias("nsel"),
            pl.when(asa).then("flow").alias("uid"),
        ]
    return own_stretch(derive_records(fields.with_columns(split)), pl.coalesce("sent", "orig_ip_bytes"), "so_far")


def _derive_nprobe(fields: pl.DataFrame) -> pl.DataFrame:
    """As `_derive_both`; a template, or ntopng's database, may have both families' addresses, one of them of zeros.

    The database has those of IPv4 as numbers.
    """
    nowhere = ("0", *NOWHERE)
    known = [pl.when(~pl.col(c).is_in(nowhere)).then(c).alias(c) for c in ("src", "dest", "src_v6", "dest_v6")]
    numbers = [c for c in ("src", "dest") if fields[c].str.contains(r"^\d+$").any()]
    fields = fields.with_columns(known).with_columns(plain_address(c).alias(c) for c in numbers)
    return _derive_both(fields.with_columns(pl.coalesce(c, f"{c}_v6").alias(c) for c in ("src", "dest")))


def _is(column: str, event: int) -> pl.Expr:
    return (pl.col(column).cast(pl.Float64, strict=False) == event).fill_null(value=False)


def _accounting() -> pl.Expr:
    """Of NSEL an update counts since the last one, an end since the beginning (Cisco's guide); others are deltas."""
    return (
        pl.when(_is("nsel", _UPDATED))
        .then(pl.lit("update"))
        .when(pl.col("nsel").is_not_null())
        .then(pl.lit("final"))
        .otherwise(pl.coalesce(netobserv.accounting(), pl.lit("delta")))
    )


def _counts() -> pl.Expr:
    return pl.any_horizontal(pl.col(c).is_not_null() for c in ("sent", "orig_ip_bytes", "resp_ip_bytes"))


def _ends() -> pl.Expr:
    return pl.col("src").is_not_null() & pl.col("dest").is_not_null()


def _blocked() -> pl.Expr:
    """What the exporter dropped, forwarding status 2 in its first two bits (RFC 7270), or a firewall denied."""
    dropped = pl.col("forwarding").cast(pl.Float64, strict=False).is_between(128, 191).fill_null(value=False)
    return dropped | _is("event", _DENIED)


def _too_small() -> pl.Expr:
    """Whether packets have fewer bytes than their headers, such as none: a template that the collector misread."""
    size, packets = pl.coalesce("sent", "orig_ip_bytes"), pl.col("orig_pkts")
    return _ends() & impossible(*(e.cast(pl.Float64, strict=False) for e in (packets, size)))


def _refuse(head: bytes) -> str | None:
    """Packets by the time at which they came, as python-netflow-v9-softflowd writes them."""
    known = re.match(rb'\s*\{"\d+\.\d+"\s*:\s*\{"client"\s*:', head)
    what = (
        "has flows whose times are the exporter's uptime. Collect them with nfcapd or goflow2, and give what it writes."
    )
    return what if known else None


GOFLOW = Form(
    name="goflow2",
    family="netflow",
    vendor_product="goflow2",
    layer="ip",
    contract=Contract(
        "bytes of a server's record",
        "bytes of a client's record",
        "IP; of sFlow, frames",
        "time_flow_start_ns",
        "one a direction; deltas; sampled counters are not multiplied",
    ),
    marks=re.compile(
        rb'"(?:time_flow_start(?:_[mn]s)?|[tT]imeFlow(?:Start|End)(?:Ms|Ns)?)"\s*:|'
        rb'"AgentIP"\s*:(?=[^{}]*"Bytes"\s*:)[^{}]*"SrcAddr"\s*:|'
        rb'"TimeReceived"\s*:[^{}]*"SrcAddr"\s*:|"SrcAddr"\s*:[^{}]*"TimeReceived"\s*:'
    ),
    decoder=json_decoder(GOFLOW2),
    derive=_derive_goflow2,
    json=True,
    strong=True,
    flows=lambda: _ends() & _counts() & ~_blocked() & ~netobserv.begins(),
    ignored={
        "blocked": _blocked,
        "begin": lambda: netobserv.begins() & ~_blocked(),
        "no_counters": lambda: _ends() & ~_counts() & ~_blocked() & ~netobserv.begins(),
        "impossible_packet_size": _too_small,
    },
    accounting=_accounting,
    flags_tell=True,
    uptime=True,
)
_PMACCT_JSON = replace(
    GOFLOW,
    name="pmacct_json",
    vendor_product="pmacct",
    contract=replace(GOFLOW.contract, counts="IP", start="timestamp_start"),
    marks=re.compile(rb'"ip_(?:src|dst)"\s*:\s*"[^{}]*"ip_(?:src|dst)"\s*:'),
    decoder=json_decoder(_PMACCT),
    derive=_derive_pmacct,
    local_time=True,
    uptime_ends=True,
)
_PMACCT_CSV = replace(
    _PMACCT_JSON,
    name="pmacct_csv",
    marks=re.compile(rb"(?i)\A(?=[^\n]*\bSRC_IP\b)(?=[^\n]*\bDST_IP\b)(?=[^\n]*\b(?:TIMESTAMP_START|STAMP_INSERTED)\b)"
                     rb"[^\n]*\bBYTES\b"),
    decoder=delimited(
        Layout(aliases=_PMACCT, header=re.compile(r"(?i)\bSRC_IP\b"), unset=ABSENT, clean=_parted)
    ),
    json=False,
    blanks=True,
)  # fmt: skip
_NPROBE_JSON = replace(
    GOFLOW,
    name="nprobe",
    vendor_product="nProbe",
    contract=Contract("OUT_BYTES", "IN_BYTES", "IP", "FIRST_SWITCHED", "`IN_BYTES` alone tells one direction; deltas"),
    marks=re.compile(rb'"IPV[46]_SRC_ADDR"\s*:'),
    decoder=json_decoder(_NPROBE),
    derive=_derive_nprobe,
    local_time=True,
    refuse=_refuse,
)
_NPROBE_NUMBERED = replace(
    _NPROBE_JSON,
    name="nprobe_numbered",
    contract=replace(_NPROBE_JSON.contract, records="as JSON; with the numbers of NetFlow 9 for names"),
    marks=re.compile(
        rb'[{,]\s*"(?:8|27)"\s*:\s*"[^{}]*[{,]\s*"(?:12|28)"\s*:\s*"'
        rb'|[{,]\s*"(?:12|28)"\s*:\s*"[^{}]*[{,]\s*"(?:8|27)"\s*:\s*"'
    ),
    decoder=json_decoder(_ELEMENTS),
)
_NPROBE_CSV = replace(
    _NPROBE_JSON,
    name="nprobe_csv",
    contract=replace(_NPROBE_JSON.contract, records="as JSON; the first line names the columns"),
    marks=re.compile(rb"(?i)\A[^\n{]*\bIPV[46]_SRC_ADDR\b"),
    decoder=delimited(
        Layout(
            aliases={name: [s.lower() for s in spellings] for name, spellings in _NPROBE.items()},
            header=re.compile(r"(?i)\bIPV[46]_SRC_ADDR\b"),
            unset=ABSENT,
        )
    ),
    json=False,
    blanks=True,
)
_YAF = replace(
    _NPROBE_JSON,
    name="yaf",
    vendor_product="YAF",
    contract=Contract("roct", "oct", "IP", "start-time", "what yafscii prints, with its header; deltas"),
    marks=re.compile(rb"(?i)\A\s*start-time\s*\|\s*end-time\s*\|"),
    decoder=delimited(
        Layout(
            aliases={
                **{"ts": ("start-time",), "end": ("end-time",), "proto": ("proto",)},
                **{"src": ("sip",), "src_port": ("sp",), "dest": ("dip",), "dest_port": ("dp",)},
                **{"orig_ip_bytes": ("oct",), "resp_ip_bytes": ("roct",)},
                **{"orig_pkts": ("pkt",), "resp_pkts": ("rpkt",), "vlan": ("tag",)},
            },
            header=re.compile(r"(?i)^\s*start-time\s*\|"),
            delimiter="|",
            quoted=False,
        )
    ),
    derive=_derive_both,
    json=False,
    blanks=True,
)
_IPFIX_JSON = replace(
    _NPROBE_JSON,
    name="ipfix_json",
    vendor_product="IPFIX",
    contract=Contract(
        "reverseOctetDeltaCount",
        "octetDeltaCount",
        "IP",
        "flowStartMilliseconds",
        "`octetDeltaCount` (or `Total`) alone tells one direction; deltas; of totals since one start the last",
    ),
    marks=re.compile(rb'"(?:iana:)?sourceIPv[46]Address"\s*:'),
    decoder=json_decoder(_IPFIX),
    derive=_derive_both,
    local_time=False,
)
_PREFIXED: json_lines.Fields = {
    ours: tuple(f"ipfix:{n}" for n in spelled if re.fullmatch("[A-Za-z46]+", n)) for ours, spelled in _IPFIX.items()
}
_IPFIX_PREFIXED = replace(
    _IPFIX_JSON,
    name="ipfix_prefixed",
    contract=replace(_IPFIX_JSON.contract, records="as JSON; with `ipfix:` before each name"),
    marks=re.compile(rb'"ipfix:sourceIPv[46]Address"\s*:'),
    decoder=json_decoder(_PREFIXED),
)
_VFLOW = replace(
    _IPFIX_JSON,
    name="vflow",
    vendor_product="vFlow",
    contract=replace(
        _IPFIX_JSON.contract,
        bytes_in="responderOctets, or element 1 of RFC 5103",
        records="a datagram a line; `octetDeltaCount` (element 1) alone tells one direction; deltas",
    ),
    marks=re.compile(rb'"DataSets"\s*:\s*\[\s*\[\s*\{\s*"I"\s*:'),
    decoder=lambda _: VflowDecoder(JsonDecoder(_IPFIX)),
    numbers_records=True,
)
COLLECTORS = (
    GOFLOW,
    _PMACCT_JSON,
    _PMACCT_CSV,
    _NPROBE_JSON,
    _NPROBE_NUMBERED,
    _NPROBE_CSV,
    _YAF,
    _IPFIX_JSON,
    _IPFIX_PREFIXED,
    _VFLOW,
)

"""Tables of Microsoft Sentinel that hold firewalls' sessions: CommonSecurityLog, and ASIM's network sessions.

Sources: Microsoft's pages on the two tables. CommonSecurityLog keeps the keys of CEF as columns, so that each vendor's
own meaning of them counts, and how a vendor names sessions that begin, go on or were blocked; what it has no column for
stands in AdditionalExtensions. ASIM says itself which end sent what.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from pipeline.sources import instants, json_lines, spellings
from pipeline.sources import zeek_columns as conn
from pipeline.sources.declared import Contract, Decoded, Form, Wrapped
from pipeline.sources.delimited import Layout, delimited
from pipeline.sources.orienting import has_counters
from pipeline.sources.records import JsonDecoder
from pipeline.sources.spellings import ABSENT
from pipeline.sources.texts import syslog


def _time(name: str) -> tuple[str, str]:
    """A time as the table and as the portal's exports name it."""
    return name, f"{name} [UTC]"


Names = Mapping[str, Sequence[str]]
Meaning = Callable[[pl.DataFrame], pl.DataFrame]

CEF: Names = {
    "ts": _time("StartTime"),
    "end": _time("EndTime"),
    "write_ts": _time("TimeGenerated"),
    "src": ("SourceIP",),
    "src_v6": ("DeviceCustomIPv6Address2",),
    "src_port": ("SourcePort",),
    "dest": ("DestinationIP",),
    "dest_v6": ("DeviceCustomIPv6Address3",),
    "dest_port": ("DestinationPort",),
    "proto": ("Protocol",),
    "service": ("ApplicationProtocol",),
    "resp_ip_bytes": ("ReceivedBytes",),
    "orig_ip_bytes": ("SentBytes",),
    "action": ("DeviceAction",),
    "system": ("DeviceName", "DeviceExternalID", "Computer"),
    "uid": ("ExternalID", "ExtID"),
    "src_nat": ("SourceTranslatedAddress",),
    "dest_nat": ("DestinationTranslatedAddress",),
    "vendor": ("DeviceVendor",),
    "product": ("DeviceProduct",),
    "class": ("DeviceEventClassID",),
    "activity": ("Activity",),
    "number1": ("DeviceCustomNumber1", "FieldDeviceCustomNumber1"),
    "number2": ("DeviceCustomNumber2", "FieldDeviceCustomNumber2"),
    "number3": ("DeviceCustomNumber3", "FieldDeviceCustomNumber3"),
    "label3": ("DeviceCustomNumber3Label",),
    "string3": ("DeviceCustomString3",),
    "string4": ("DeviceCustomString4",),
    "way": ("CommunicationDirection",),
    "more": ("AdditionalExtensions",),
}
"""Columns of CommonSecurityLog."""
_ASIM: Names = {
    "ts": (*_time("EventStartTime"), *_time("TimeGenerated")),
    "end": _time("EventEndTime"),
    "write_ts": _time("TimeGenerated"),
    "src": ("SrcIpAddr",),
    "src_port": ("SrcPortNumber",),
    "dest": ("DstIpAddr",),
    "dest_port": ("DstPortNumber",),
    "proto": ("NetworkProtocol",),
    "service": ("NetworkApplicationProtocol",),
    "resp_ip_bytes": ("DstBytes",),
    "orig_ip_bytes": ("SrcBytes",),
    "resp_pkts": ("DstPackets",),
    "orig_pkts": ("SrcPackets",),
    "total": ("NetworkBytes",),
    "milliseconds": ("NetworkDuration",),
    "uid": ("NetworkSessionId",),
    "action": ("DvcAction",),
    "src_nat": ("SrcNatIpAddr",),
    "dest_nat": ("DstNatIpAddr",),
    "system": ("DvcHostname", "Dvc", "DvcIpAddr"),
    "schema": ("EventSchema",),
    "kind": ("EventType",),
    "part": ("EventSubType",),
    "message": ("AdditionalFields.LogMsgID",),
    "original": ("EventOriginalType",),
    "more": ("AdditionalFields",),
    "vendor": ("EventVendor",),
    "product": ("EventProduct",),
    "way": ("NetworkDirection",),
    "table": ("Type",),
    "rule": ("NetworkRuleName",),
    "begun": _time("Start"),
    "interface": ("DvcInboundInterface", "DvcInterface"),
}
_OWN = "(?:FTNTFGT|FortinetFortiGate|ad[._])"
"""What stands before FortiGate's own keys."""
_BLOCKED = ("deny", "denied", "block", "blocked", "drop", "dropped", "reject", "rejected", "reset", "reset source",
            "discard", "refuse", "reset destination", "reset-both", "reset-client", "reset-server", "drop source",
            "drop packet")  # fmt: skip
_INTERIM, _BEGINS = (20, 21), (4, 15, 16)
"""FortiGate's message ids of sessions that go on and that begin."""
_UNSET = r"^(?:1970-01-01|1/1/1970)"
"""What the table says of a time that its agent could not read; the pairs may still have it."""
ASA = r"(?i)^(?:asa|pix|fwsm|adaptive security)\b"
"""Products of Cisco that count both directions of a connection as one."""
PROGRESS = r"^70026$|(?i:^connection_progress$)"
"""Forcepoint's message of a connection that goes on, with what it transferred so far."""
_CLOSED, _OPENED = "537", "98"
"""SonicWall's messages of connections; its others (requests, threats) repeat their counters."""


def _vendor(name: str) -> pl.Expr:
    return pl.col("vendor").str.contains(f"(?i)^{name}").fill_null(value=False)


def _extension(key: str) -> pl.Expr:
    """A value among the pairs of CEF that have no column of their own."""
    return pl.col("more").str.extract(rf"(?i)(?:^|;)\s*{key}=([^;]*)")


def as_vendors_mean(fields: pl.DataFrame) -> pl.DataFrame:
    """Times, direction and kind of records, as their vendors mean them."""
    told = [pl.when(~pl.col(c).str.contains(_UNSET)).then(c).alias(c) for c in ("ts", "end")]
    fields = fields.with_columns(*told)
    fortinet, palo_alto, check_point = _vendor("fortinet"), _vendor("palo alto"), _vendor("check ?point")
    sonicwall, firepower, subtype = _vendor("sonicwall"), _firepower(), _subtype()
    message = pl.coalesce(_extension(f"{_OWN}logid"), "class").cast(pl.Int64, strict=False) % 1_000_000
    began = pl.when(check_point).then(_extension("start_time")).when(firepower).then(_extension("start"))
    start = pl.when(~(fortinet | palo_alto)).then(pl.coalesce("ts", began))
    instance = pl.concat_str([_extension("dvcpid"), "uid", began], separator="/", ignore_nulls=True)
    session = pl.when(check_point).then(_extension("loguid")).when(firepower).then(instance)
    if "reporter" not in fields.columns:
        fields = fields.with_columns(reporter=pl.lit(None, pl.String))
    return _started(fields.with_columns(ts=start, duration=_lasted())).with_columns(
        *_counters(),
        end=pl.coalesce("end", pl.when(firepower).then(_extension("end"))),
        uid=pl.coalesce(session, "uid", pl.when(palo_alto).then("number1")),
        # Updates of Check Point's and Firepower's connections count since the beginning, too.
        interim=(fortinet & message.is_in(_INTERIM).fill_null(value=False)) | check_point | firepower,
        stretch=_vendor("illumio"),
        reporter=pl.when(_vendor("illumio")).then(_reporting_end()).otherwise("reporter"),
        packet=_vendor("trend ?micro") & pl.col("product").str.contains("(?i)^deep security").fill_null(value=False),
        several=_several(),
        sent=pl.lit(None, pl.String),
        proto=pl.col("proto").str.extract(r"^([^/]+)"),
        begin=(fortinet & message.is_in(_BEGINS))
        | (palo_alto & (subtype == "START"))
        | (_vendor("forcepoint") & pl.any_horizontal(pl.col(c).str.contains(PROGRESS) for c in ("class", "activity")))
        | (sonicwall & (pl.col("class") == _OPENED)),
        other=pl.any_horizontal(*_others(subtype)),
        blocked=pl.col("action").str.to_lowercase().is_in(_BLOCKED) | (palo_alto & subtype.is_in(["DENY", "DROP"])),
    )


def _counters() -> list[pl.Expr]:
    """What the source received and sent, which PAN-OS and UserGate call `out` and `in`.

    Illumio's `in` and `out` are the destination's and count since a flow began; what an interval adds has numbers. An
    ASA counts both directions as one, which collectors write as either.
    """
    panos = _vendor("palo alto") & pl.col("product").str.to_uppercase().str.starts_with("PAN-OS").fill_null(value=False)
    firepower, illumio, turned = _firepower(), _vendor("illumio"), panos | _vendor("usergate")
    received = pl.coalesce("resp_ip_bytes", pl.when(firepower).then(_extension("bytesIn")))
    sent = pl.coalesce("orig_ip_bytes", pl.when(firepower).then(_extension("bytesOut")))
    added = {way: pl.coalesce(number, _extension(way)) for way, number in (("dbo", "number3"), ("dbi", "number2"))}
    one = received.is_null() | sent.is_null()
    both = one & _vendor("cisco") & pl.col("product").str.contains(ASA).fill_null(value=False)
    received, sent, total = (
        pl.when(rows).then(counter)
        for rows, counter in ((~both, received), (~both, sent), (both, pl.coalesce(received, sent)))
    )
    return [
        pl.when(illumio).then(added["dbo"]).when(turned).then(sent).otherwise(received).alias("resp_ip_bytes"),
        pl.when(illumio).then(added["dbi"]).when(turned).then(received).otherwise(sent).alias("orig_ip_bytes"),
        total.alias("total"),
    ]


def _reporting_end() -> pl.Expr:
    """The end whose own machine tells of a flow: the one that it came to, or the one that it left."""
    way = pl.col("way").str.to_lowercase()
    return (
        pl.when(way.is_in(["0", "inbound"])).then(pl.lit("dest")).when(way.is_in(["1", "outbound"])).then(pl.lit("src"))
    )


def _subtype() -> pl.Expr:
    """What a TRAFFIC log of PAN-OS is of (END, START, ...), which stands on either side of the word TRAFFIC."""
    names = [pl.col(c).str.to_uppercase() for c in ("activity", "class")]
    return pl.when(names[0] == "TRAFFIC").then(names[1]).when(names[1] == "TRAFFIC").then(names[0])


def _lasted() -> pl.Expr:
    """Seconds that a session lasted, where its vendor puts them."""
    by_number = (
        pl.when(_vendor("palo alto")).then("number3")
        .when(_vendor("zscaler")).then(_thousandth("number1"))
        # It writes the milliseconds of a connection where a number's label belongs.
        .when(_vendor("sonicwall")).then(_thousandth("label3"))
    )  # fmt: skip
    return pl.coalesce(_extension(f"{_OWN}?duration"), by_number)


def _several() -> pl.Expr:
    """Whether a record sums several sessions up, as Zscaler's do that are aggregated."""
    sessions = pl.col("number2").cast(pl.Float64, strict=False)
    return _vendor("zscaler") & (pl.col("string4").str.to_lowercase() == "yes") & (sessions.fill_null(2) > 1)


def _others(subtype: pl.Expr) -> list[pl.Expr]:
    """By vendor, whether a record is of no session: of a request, a threat, an event."""
    # A FortiAnalyzer names the subtype first: forward traffic close.
    request = pl.col("activity").str.contains("traffic:http-transaction", literal=True)
    return [
        _vendor("fortinet") & (request | ~pl.col("activity").str.contains(r"(?i)^(?:\w+ )?traffic\b")),
        _vendor("palo alto") & ~subtype.is_in(["END", "START", "DENY", "DROP"]).fill_null(value=False),
        _vendor("sonicwall") & ~pl.col("class").is_in([_CLOSED, _OPENED]),
        _vendor("zscaler") & ~pl.col("product").str.contains("^NSS-?FW"),
        _vendor("usergate") & ~pl.any_horizontal(pl.col(c).str.contains("(?i)^traffic") for c in ("class", "activity")),
        _vendor("vectra"),  # What its detections saw.
    ]


def _common(fields: pl.DataFrame) -> pl.DataFrame:
    """Records of CommonSecurityLog, whose ends of IPv6 may stand where CEF has them, with the virtual system."""
    ends = [pl.coalesce(end, f"{end}_v6").alias(end) for end in ("src", "dest")]
    within = pl.coalesce(_extension(f"{_OWN}vd"), pl.when(_vendor("palo alto")).then("string3"))
    return as_vendors_mean(fields.with_columns(*ends, reporter=within).drop("src_v6", "dest_v6"))


def _thousandth(column: str) -> pl.Expr:
    """Milliseconds as seconds."""
    return (pl.col(column).cast(pl.Float64, strict=False) / 1e3).cast(pl.String)


def _firepower() -> pl.Expr:
    return _vendor("cisco") & _product("firepower")


def _asim(fields: pl.DataFrame) -> pl.DataFrame:
    """Times, direction and kind of records, as Microsoft's parsers make them.

    They keep PAN-OS' counters as CommonSecurityLog has them, and have those of Firepower, and of what a machine or
    interface received, the other way. Some durations are in seconds. For the start of many firewalls' sessions (of
    FortiGate and PAN-OS always) they give the time at which those were logged, at their end. Of SonicWall's messages,
    many of which repeat a connection's counters, they keep the sum of both directions alone, be it of nothing.
    """
    panos, fortinet = _vendor("palo alto") & _product("panos"), _vendor("fortinet")
    vpc, insights = _vendor("aws") & _product("vpc"), _vendor("microsoft") & _product("vmconnection")
    analytics = _vendor("microsoft") & _product("nsgflow", "azure nsg flows")
    illumio, inbound = _vendor("illumio"), pl.col("way").str.to_lowercase() == "inbound"
    stretch = vpc | analytics | insights | illumio
    by_network = _product("nsgflow") & (pl.col("table") == "NTANetAnalytics")
    turned = (panos | _firepower() | ((insights | by_network) & inbound)).fill_null(value=False)
    ftd, sonicwall = _vendor("cisco") & _product("ftd"), _vendor("sonicwall")
    message = pl.coalesce("message", pl.col("more").str.extract(r'"LogMsgID"\s*:\s*"?(\d+)'))
    units = pl.when(fortinet | illumio | _product("ftd", "zeek", "cortex data lake")).then(1).otherwise(1_000)
    seconds = pl.when(~insights).then(pl.col("milliseconds").cast(pl.Float64, strict=False) / units)
    fields = fields.with_columns(ts=pl.coalesce(pl.when(vpc).then("begun"), "ts"), duration=seconds.cast(pl.String))
    fields = _redated(fields, (seconds > 0).fill_null(value=False) & ~stretch, always=panos | fortinet)
    fields = fields.with_columns(end=pl.when(~panos).then("end"))
    row = pl.concat_str([pl.col(c).fill_null("") for c in ("uid", "rule", "way")], separator="|")
    return _started(fields).with_columns(
        *_packet_ends(vpc),
        resp_ip_bytes=pl.when(turned).then("orig_ip_bytes").otherwise("resp_ip_bytes"),
        orig_ip_bytes=pl.when(turned).then("resp_ip_bytes").otherwise("orig_ip_bytes"),
        sent=pl.when(vpc).then("total"),
        total=pl.when(~vpc & (~sonicwall | message.eq_missing(_CLOSED))).then("total"),
        uid=pl.when(analytics | insights).then(row).otherwise("uid"),
        system=pl.when(vpc).then("interface").otherwise("system"),
        reporter=pl.when(stretch & inbound).then(pl.lit("dest")).when(stretch & ~inbound).then(pl.lit("src")),
        # The parsers keep interim and first records, each with its counters so far, and not what tells them apart.
        interim=fortinet | panos | ftd | _vendor("check ?point") | _firepower(),
        stretch=stretch,
        packet=_vendor("appgate"),
        several=pl.lit(value=False),
        begin=(pl.col("kind").str.to_lowercase() == "networksessionstart")
        | pl.col("part").str.to_lowercase().eq_missing("start")
        | (_vendor("forcepoint") & pl.col("original").str.contains(PROGRESS)),
        other=pl.col("schema") != "NetworkSession",
        blocked=pl.col("action").str.to_lowercase().is_in(_BLOCKED),
    )


def _redated(fields: pl.DataFrame, may: pl.Expr, *, always: pl.Expr) -> pl.DataFrame:
    """Records whose start is the time at which they were logged, at their end, with that as the time of logging alone.

    Args:
        fields: records with ts, write_ts and end.
        may: which records may be of that kind.
        always: which of them are, whatever their times; others are where both times lie within a second.
    """
    fields = fields.with_columns(spellings.plain_times(pl.col(c)).alias(f"_{c}") for c in ("ts", "write_ts"))
    start, logged = (instants.epoch_us(f"_{c}") for c in ("ts", "write_ts"))
    late = may & (((start - logged).abs() < 1_000_000).fill_null(value=False) | always)
    return fields.with_columns(
        ts=pl.when(~late).then("ts"),
        write_ts=pl.when(late).then("ts").otherwise("write_ts"),
        end=pl.when(~late).then("end"),
    ).drop("_ts", "_write_ts")


def _packet_ends(vpc: pl.Expr) -> list[pl.Expr]:
    """The ends, and those after translation: in VPC flow logs the ends of a packet are those before translation."""
    ends = []
    for end in ("src", "dest"):
        translated = pl.col(f"{end}_nat")
        ends += [
            pl.when(vpc).then(pl.coalesce(translated, end)).otherwise(end).alias(end),
            pl.when(vpc & translated.is_not_null()).then(end).otherwise(translated).alias(f"{end}_nat"),
        ]
    return ends


def _product(*names: str) -> pl.Expr:
    return pl.col("product").str.to_lowercase().is_in(names).fill_null(value=False)


def _started(fields: pl.DataFrame) -> pl.DataFrame:
    """Records without a start began their duration before they were logged."""
    logged = instants.epoch_us("_written")
    seconds = pl.col("duration").cast(pl.Float64, strict=False).fill_null(0)
    began = syslog.as_text(logged - (seconds * 1e6).cast(pl.Int64, strict=False))
    written = fields.with_columns(_written=spellings.plain_times(pl.col("write_ts")))
    return written.with_columns(ts=pl.coalesce("ts", began)).drop("_written")


@dataclass
class SentinelDecoder(Wrapped):
    """Records of a table, read by the decoder of its encoding."""

    meaning: Meaning

    def decode(self, lines: pl.DataFrame, reason: str) -> Decoded:
        """See Decoder."""
        found = self.inner.decode(lines, reason)
        return replace(found, fields=self.meaning(conn.unset_to_null(json_lines.as_texts(found.fields))))


def _ends() -> pl.Expr:
    return pl.col("src").is_not_null() & pl.col("dest").is_not_null()


def _session() -> pl.Expr:
    kinds = ("other", "begin", "blocked", "several", "packet")
    return ~pl.any_horizontal(pl.col(c).fill_null(value=False) for c in kinds)


def _flow() -> pl.Expr:
    return _ends() & _session()


def _counts() -> pl.Expr:
    return has_counters() | pl.col("sent").is_not_null() | pl.col("total").is_not_null()


def _is(kind: str) -> pl.Expr:
    return pl.col(kind).fill_null(value=False) & ~pl.col("other").fill_null(value=False)


def _json(name: str, names: Names, meaning: Meaning, marks: str, contract: Contract, product: str) -> Form:
    return Form(
        name=name,
        family="sentinel",
        vendor_product=product,
        layer="unknown",
        contract=contract,
        marks=re.compile(rf'"(?:{marks})"\s*:'.encode()),
        strong=True,
        decoder=lambda _: SentinelDecoder(JsonDecoder(names), meaning),
        json=True,
        flows=lambda: _flow() & _counts(),
        ignored={
            "begin": lambda: _is("begin"),
            "blocked": lambda: _is("blocked") & ~_is("begin"),
            "several_ends": lambda: _is("several") & ~_is("begin") & ~_is("blocked"),
            "packets": lambda: _is("packet") & ~_is("blocked"),
            "no_counters": lambda: _flow() & ~_counts(),
            "direction_unknown": lambda: _flow() & conn.total_alone().is_not_null(),
            "no_ends": lambda: ~_ends() & _session() & _counts(),
        },
        accounting=lambda: (
            pl.when(pl.col("interim")).then(pl.lit("cumulative")).when(pl.col("stretch")).then(pl.lit("delta"))
        ),
    )


def _csv(form: Form, names: Names, meaning: Meaning, marks: str) -> Form:
    aliases = {ours: [s.lower() for s in spelled] for ours, spelled in names.items()}
    column = rf'(?i)(?:^|[,;\t])"?(?:{marks})"?(?:[,;\t]|$)'
    layout = Layout(aliases=aliases, header=re.compile(column), unset=ABSENT)
    return replace(
        form,
        name=f"{form.name}_csv",
        contract=replace(form.contract, records="as JSON; the first line names the columns"),
        marks=re.compile(rf'(?i)\A[^\n]*?(?:^|[,;\t])"?(?:{marks})"?(?:[,;\t]|\r?\n|\Z)'.encode()),
        decoder=lambda options: SentinelDecoder(delimited(layout)(options), meaning),
        json=False,
        blanks=True,
    )


_CEF_MARKS, _ASIM_MARKS = "DeviceEventClassID|DeviceEventClassId|DeviceVendor", "SrcIpAddr"
COMMON_SECURITY_LOG = _json(
    "sentinel_cef",
    CEF,
    _common,
    _CEF_MARKS,
    Contract(
        "ReceivedBytes",
        "SentBytes",
        "as the device counts",
        "StartTime, or TimeGenerated - duration",
        "as the vendor logs; PAN-OS counts the other way; FortiGate's interim records are cumulative",
    ),
    "Microsoft Sentinel CommonSecurityLog",
)
_SESSIONS = _json(
    "sentinel_asim",
    _ASIM,
    _asim,
    _ASIM_MARKS,
    Contract("DstBytes", "SrcBytes", "as the device counts", "EventStartTime", "one a session or event of a session"),
    "Microsoft Sentinel ASIM",
)
SENTINEL = (
    *(COMMON_SECURITY_LOG, _csv(COMMON_SECURITY_LOG, CEF, _common, _CEF_MARKS)),
    *(_SESSIONS, _csv(_SESSIONS, _ASIM, _asim, _ASIM_MARKS)),
)

"""AWS VPC Flow Logs: the default layout and custom ones, as text, JSON or columns; what a record says of a flow.

A record tells the bytes of one direction in one window at one network interface. Its packet-level ends are the flow's;
those of the interface are the translated ones. Source: AWS, "Flow log records" and "Transit Gateway Flow Logs records"
(fields and their versions, NODATA and SKIPDATA, tcp-flags, flow-direction). The JSON forms are in `vpc_json`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

import polars as pl

from pipeline.addresses import canonical_address
from pipeline.sources.declared import Contract, Form
from pipeline.sources.delimited import Layout, delimited
from pipeline.sources.orienting import initiator
from pipeline.sources.spellings import ABSENT
from pipeline.sources.texts import syslog

DEFAULT = (
    "version", "account-id", "interface-id", "srcaddr", "dstaddr", "srcport", "dstport",
    "protocol", "packets", "bytes", "start", "end", "action", "log-status",
)  # fmt: skip
"""The fields of a log without a header, version 2."""
GATEWAY = (
    "version", "resource-type", "account-id", "tgw-id", "tgw-attachment-id", "tgw-src-vpc-account-id",
    "tgw-dst-vpc-account-id", "tgw-src-vpc-id", "tgw-dst-vpc-id", "tgw-src-subnet-id", "tgw-dst-subnet-id",
    "tgw-src-eni", "tgw-dst-eni", "tgw-src-az-id", "tgw-dst-az-id", "tgw-pair-attachment-id",
    "srcaddr", "dstaddr", "srcport", "dstport", "protocol", "packets", "bytes", "start", "end", "log-status", "type",
    "packets-lost-no-route", "packets-lost-blackhole", "packets-lost-mtu-exceeded", "packets-lost-ttl-expired",
    "tcp-flags", "region", "flow-direction", "pkt-src-aws-service", "pkt-dst-aws-service",
)  # fmt: skip
"""The default fields of a transit gateway's log, version 6, which CloudWatch delivers without a header."""
EVERY = (
    *DEFAULT, "vpc-id", "subnet-id", "instance-id", "tcp-flags", "type", "pkt-srcaddr", "pkt-dstaddr",
    "region", "az-id", "sublocation-type", "sublocation-id",
    "pkt-src-aws-service", "pkt-dst-aws-service", "flow-direction", "traffic-path",
)  # fmt: skip
"""All fields up to version 5 in the order of AWS' page; the first 21 are those of version 3, the first 25 of 4."""
SHOWN = (
    "version", "vpc-id", "subnet-id", "instance-id", "interface-id", "account-id", "type", "srcaddr", "dstaddr",
    "srcport", "dstport", "pkt-srcaddr", "pkt-dstaddr", "protocol", "bytes", "packets", "start", "end", "action",
    "tcp-flags", "log-status",
)  # fmt: skip
"""The custom layout that AWS' page shows records of sessions in, with bytes before packets."""

_NAMES = {
    "ts": "start",
    "end": "end",
    "srcaddr": "srcaddr",
    "dstaddr": "dstaddr",
    "pkt_srcaddr": "pkt-srcaddr",
    "pkt_dstaddr": "pkt-dstaddr",
    "src_port": "srcport",
    "dest_port": "dstport",
    "proto": "protocol",
    "orig_pkts": "packets",
    "sent": "bytes",
    "action": "action",
    "log_status": "log-status",
    "direction": "flow-direction",
    "tcp_flags": "tcp-flags",
    "interface": "interface-id",
    "attachment": "tgw-attachment-id",
    "gateway": "tgw-id",
    "resource": "resource-type",
}
"""Our name of a field -> the log's."""


def spellings(name: str) -> tuple[str, ...]:
    """A field as headers, Parquet columns, format strings and subscription filters write it."""
    plain = (name, name.replace("-", "_"))
    return tuple(dict.fromkeys((*plain, *(f"${{{n}}}" for n in plain), name.replace("-", ""))))


_OTHERS = {
    "ts": ("starttime", "Start", "start [utc]"),
    "end": ("endtime", "End", "end [utc]"),
    "srcaddr": ("SrcAddr", "srcAddr"),
    "dstaddr": ("DstAddr", "dstAddr"),
    "pkt_srcaddr": ("PktSrcAddr", "pktSrcAddr"),
    "pkt_dstaddr": ("PktDstAddr", "pktDstAddr"),
    "src_port": ("SrcPort", "srcPort"),
    "dest_port": ("DstPort", "dstPort"),
    "proto": ("Protocol",),
    "orig_pkts": ("Packets",),
    "sent": ("Bytes",),
    "action": ("Action",),
    "log_status": ("LogStatus", "logStatus", "status"),
    "direction": ("FlowDirection", "flowDirection", "direction", "Direction"),
    "tcp_flags": ("TcpFlags", "tcpFlags"),
    "interface": ("InterfaceId", "interfaceId", "eni-id", "EniId", "eniid"),
}
"""Names that CloudWatch Logs Insights gives to fields that it discovers, those of Microsoft Sentinel's tables and of
Panther, and those of Alibaba Cloud, whose flow logs are the same but for an interface's name and a direction `in` or
`out`."""

FIELDS: Mapping[str, tuple[str, ...]] = {
    ours: (*spellings(name), *_OTHERS.get(ours, ())) for ours, name in _NAMES.items()
}

_COLUMNS = {**FIELDS, "interface": (*FIELDS["interface"], *spellings("instance-id"), *spellings("subnet-id"))}
"""Columns of text and tables, of which a layout may name an interface by its machine or subnet alone."""

REMEDY = "Add these fields to the log's format, and deliver it with its header."
TELL = "Give the source format: vpc and as its header the log's format, such as header: 'version srcaddr dstaddr ...'."

_ADDRESS = r"(?:[0-9a-fA-F.:]+|-)"
_COUNT = r"(?:\d+|-)"
_TIMES, _STATUS = r"\d{9,11} \d{9,11}", r"(?:OK|NODATA|SKIPDATA|-)"
_PLACE, _KIND = r"(?:vpc-\w+|-) (?:subnet-\w+|-) (?:i-\w+|-)", r"(?:IPv4|IPv6|EFA|-)"
_END = r"\r?$"
_VERSION_2 = (
    rf"^\d{{1,2}} \S+ \S+ {_ADDRESS} {_ADDRESS} {_COUNT} {_COUNT} {_COUNT} {_COUNT} {_COUNT} "
    rf"{_TIMES} [A-Z-]+ {_STATUS}"
)
_VERSION_3 = _VERSION_2 + rf" {_PLACE} {_COUNT} {_KIND} {_ADDRESS} {_ADDRESS}"
_VERSION_4 = _VERSION_3 + r" (?:[a-z]+(?:-[a-z]+)+-\d|-)(?: \S+){3}"
_VERSION_5 = _VERSION_4 + rf"(?: \S+){{2}} (?:ingress|egress|-) {_COUNT}"
_GATEWAY = (
    rf"^\d{{1,2}} TransitGateway(?: \S+){{14}} {_ADDRESS} {_ADDRESS} {_COUNT} {_COUNT} {_COUNT} {_COUNT} {_COUNT} "
    rf"{_TIMES} {_STATUS}(?: \S+){{10}}"
)
_SHOWN = (
    rf"^\d{{1,2}} {_PLACE} eni-\w+ \S+ {_KIND} {_ADDRESS} {_ADDRESS} {_COUNT} {_COUNT} {_ADDRESS} {_ADDRESS} "
    rf"{_COUNT} {_COUNT} {_COUNT} {_TIMES} [A-Z-]+ {_COUNT} {_STATUS}"
)
DEFAULT_LINE = _VERSION_2 + _END
"""A record in the default layout, and hardly anything else."""
_ORDERS = {
    "vpc_gateway": (_GATEWAY + _END, GATEWAY, "a transit gateway's default layout"),
    "vpc_version_3": (_VERSION_3 + _END, EVERY[:21], "all fields of version 3 in AWS' order"),
    "vpc_version_4": (_VERSION_4 + _END, EVERY[:25], "all fields of version 4 in AWS' order"),
    "vpc_version_5": (_VERSION_5 + _END, EVERY, "all fields of version 5 in AWS' order"),
    "vpc_shown": (_SHOWN + _END, SHOWN, "the layout of AWS' examples of sessions"),
}
LAYOUTS = ((DEFAULT_LINE, DEFAULT), *((line, fields) for line, fields, _ in _ORDERS.values()))
"""Lines whose layout is known without a header, and their fields."""
_STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?"
_EXPORTED = rf"^{_STAMP}[ \t]+(?:eni-[0-9a-f]+-\w+[ \t]+)?"
"""What an export of CloudWatch Logs puts before each line, or `aws logs tail`, which names the stream, or
in its short format tells a time without a zone."""
_SHIPPED = rf"^(?:{_STAMP}[ \t]+(?:eni-[0-9a-f]+-\w+[ \t]+|{syslog.TAG})?|{syslog.HEADER})"
"""The same, or a header of syslog."""
_WORD = r"\$?\{?[A-Za-z][A-Za-z0-9_-]*\}?"
_TELLING = r"(?:pkt[-_])?(?:srcaddr|dstaddr)|interface[-_]id|log[-_]status|tgw[-_]id"
_HEADER_LINE = re.compile(
    rf"(?m)^(?=[^\n]*\b(?:{_TELLING})\b)(?![^\n]*\bclient_?ip\b)"
    rf"(?:{_SHIPPED[1:]})?[ \t]*(?P<names>{_WORD}(?:[ \t]+{_WORD})+)[ \t\r]*$"
)
HEADER_LINE = rf"^[ \t]*version {_WORD}(?:[ \t]+{_WORD})+[ \t\r]*$"
"""A header as the first line of a delivered file, where every line became a message."""


def missing(has: frozenset[str]) -> str:
    """The fields that a layout with these of ours lacks to state a flow, as AWS names them; empty when none.

    Transit gateway records without counters are told apart record by record, and counted.
    """
    if "gateway" in has and "sent" not in has:
        return ""
    lacking = [
        name
        for name, ours in (("srcaddr", ("srcaddr", "pkt_srcaddr")), ("dstaddr", ("dstaddr", "pkt_dstaddr")))
        if not has.intersection(ours)
    ]
    lacking += [_NAMES[ours] for ours in ("src_port", "dest_port", "sent", "ts") if ours not in has]
    return ", ".join(lacking)


def cannot_hold(line: str) -> str:
    """Which of the needed fields no value of a line can be, or that their order must be told; and what to do."""
    cells = line.split()
    addresses = sum("." in c or ":" in c for c in cells if canonical_address(c) is not None)
    times = sum(re.fullmatch(r"1\d{9}", c) is not None for c in cells)
    counts = sum(re.fullmatch(r"\d{1,9}", c) is not None for c in cells) - 1
    lacking = ["srcaddr"] * (addresses < 1) + ["dstaddr"] * (addresses < 2)
    lacking += ["srcport", "dstport", "bytes"] if counts < 3 else []
    lacking += ["start"] if not times else []
    needed = "it lacks " + ", ".join(lacking) if lacking else "the order of its fields is not known"
    what = f"is a custom format without a header ({len(cells)} fields, the default has {len(DEFAULT)}): {needed}"
    return f"{what}. {REMEDY if lacking else TELL}"


def refuse_text(head: bytes) -> str | None:
    """Why a file that begins so cannot be read at all."""
    text = head.decode("utf-8", errors="replace")
    lines = [line for line in text[: text.rfind("\n") + 1 or None].splitlines() if line.strip()]
    header = next((m["names"] for line in lines if (m := _HEADER_LINE.search(line))), None)
    if header is not None:
        names = {c.lower() for c in header.split()}
        lacking = missing(frozenset(ours for ours, spelled in FIELDS.items() if names.intersection(spelled)))
        return f"is a custom format that lacks {lacking}. {REMEDY}" if lacking else None
    if not lines or any(re.match(DEFAULT_LINE, " ".join(re.sub(_SHIPPED, "", line).split())) for line in lines):
        return None
    return cannot_hold(lines[0])


def derive(fields: pl.DataFrame) -> pl.DataFrame:
    """A record's own fields as ours: the ends, who began, whose interface reports."""
    text = [s.name for s in fields if s.dtype == pl.String and s.name != "raw" and s.null_count() < fields.height]
    return fields.with_columns(_set(c) for c in text).with_columns(_derived())


@lru_cache(maxsize=256)
def _set(column: str) -> pl.Expr:
    value = pl.col(column)
    return pl.when((value != "-") & (value != "")).then(value).alias(column)


@lru_cache(maxsize=1)
def _derived() -> list[pl.Expr]:
    """Ours of a record's fields; made once, as making them costs as much as reading some thousand records."""
    flags = pl.when(pl.col("proto").cast(pl.String).is_in(["6", "6.0"])).then("tcp_flags")
    ends = [
        expr
        for ours, interface in (("src", "srcaddr"), ("dest", "dstaddr"))
        for expr in (
            pl.coalesce(f"pkt_{interface}", interface).alias(ours),
            pl.when(pl.col(f"pkt_{interface}") != pl.col(interface)).then(interface).alias(f"{ours}_nat"),
        )
    ]
    # What enters an interface is seen at the receiver's; what enters a transit gateway, at the sender's.
    leaves = pl.col("direction").str.to_lowercase().is_in(["egress", "out", "transmit"])
    at_sender = pl.when(pl.col("direction").is_not_null()).then(leaves != pl.col("gateway").is_not_null())
    return [
        *ends,
        initiator(flags).alias("initiator"),
        pl.when(at_sender).then(pl.lit("src")).when(~at_sender).then(pl.lit("dest")).alias("reporter"),
        pl.coalesce("interface", "attachment", "gateway").alias("system"),
    ]


def _blocked() -> pl.Expr:
    return (pl.col("action") == "REJECT").fill_null(False)


def _status(name: str) -> pl.Expr:
    return (pl.col("log_status") == name).fill_null(False)


def _counted() -> pl.Expr:
    return ~_blocked() & ~_status("NODATA") & ~_status("SKIPDATA")


def _uncounted(gateway: pl.Expr) -> pl.Expr:
    return _counted() & pl.col("sent").is_null() & gateway


def _plain(text: pl.Series) -> pl.Series:
    """Lines with one blank between fields, and without what an export put before them."""
    whole = text.str.join("\n")  # Of all in one text it is told in less time.
    shipped = any(whole.str.contains(mark, literal=True).any() for mark in ("<", ": "))
    before = _SHIPPED if shipped else _EXPORTED
    if whole.str.contains(f"(?m){before}").any():
        text = text.str.replace(before, "")
        whole = text.str.join("\n")
    spare = whole.str.contains(r"(?m)^\s|\s$|[ \t][ \t]|\t")
    return text.str.strip_chars().str.replace_all(r"[ \t]+", " ") if spare.any() else text


_LAYOUT = Layout(
    aliases=_COLUMNS,
    header=re.compile(rf"(?i)(?:{_TELLING})"),
    delimiter=" ",
    columns=DEFAULT,
    quoted=False,
    clean=_plain,
    unset=("-",),
    lacks=missing,
    whole=re.compile("OK|NODATA|SKIPDATA|ACCEPT|REJECT|ingress|egress|-"),
)
VPC_TEXT = Form(
    name="vpc_text",
    family="vpc",
    vendor_product="Amazon VPC Flow Logs",
    layer="ip",
    contract=Contract(
        "bytes", "bytes", "IP", "start", "one direction each, per interface and window; windows of a session add up"
    ),
    marks=re.compile(
        _HEADER_LINE.pattern.encode() + b"|(?m:^(?:" + _SHIPPED[1:].encode() + b")?" + DEFAULT_LINE[1:].encode() + b")"
    ),
    decoder=delimited(_LAYOUT),
    derive=derive,
    refuse=refuse_text,
    columns=_COLUMNS,
    lacks=missing,
    flows=lambda: _counted() & pl.col("sent").is_not_null(),
    strong=True,
    accounting=lambda: pl.lit("delta"),
    ignored={
        "blocked": _blocked,
        "no_data": lambda: _status("NODATA"),
        "lost_data": lambda: _status("SKIPDATA"),
        "transit_gateway": lambda: _uncounted(pl.col("gateway").is_not_null()),
        "no_counters": lambda: _uncounted(pl.col("gateway").is_null() & pl.col("src").is_not_null()),
    },
    flags_tell=True,
    idle=frozenset(("end", "proto", "interface", "attachment", "direction", "tcp_flags")),
    note="pkt-srcaddr and pkt-dstaddr are the ends, srcaddr and dstaddr their translations. NODATA is nothing, "
    "SKIPDATA is traffic that the log lost, REJECT was blocked. Other custom formats need their header, "
    "or the source's `header`.",
)
VPC_CSV = replace(
    VPC_TEXT,
    name="vpc_csv",
    contract=replace(VPC_TEXT.contract, records="as text; what queries over the logs (Athena) export"),
    marks=re.compile(
        rb"(?i)\A(?=[^\n]*\bsrcaddr\b)(?=[^\n]*\bdstaddr\b)(?![^\n]*\bfirstseen\b)(?:(?:Unnamed: 0)?,)?"
        rb'"?@?\w[\w-]*(?: \[UTC\])?"?(?:[,;\t]"?@?\w[\w-]*(?: \[UTC\])?"?){4,},?\r?(?:\n|\Z)'
    ),
    decoder=delimited(
        replace(_LAYOUT, delimiter=",", columns=None, quoted=True, clean=None, unset=ABSENT, others=";\t| ")
    ),
    refuse=None,
    columns=None,
    blanks=True,
)


def _headless(name: str, line: str, fields: tuple[str, ...], what: str) -> Form:
    """Records in an order that is known without a header."""
    return replace(
        VPC_TEXT,
        name=name,
        contract=replace(VPC_TEXT.contract, records=f"as text; {what} without its header"),
        marks=re.compile(b"(?m:^(?:" + _SHIPPED[1:].encode() + b")?" + line[1:].encode() + b")"),
        decoder=delimited(replace(_LAYOUT, columns=fields)),
        refuse=None,
        columns=None,
    )


HEADLESS = tuple(_headless(name, *order) for name, order in _ORDERS.items())

"""Barracuda CloudGen Firewall's activity log: sessions that were removed, as lines of its own or syslog's, and as JSON.

Sources: Barracuda's page on the firewall activity log (values parted by bars, with keys or without, in one order), and
that on the stream of Firewall Insights (`ngfw-act`). The source, who began, sent `sentBytes` and received
`receivedBytes`, in JSON `fwd_bytes` and `rev_bytes`; `duration` is in milliseconds. What the audit log says of the same
sessions is never counted.
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
from pipeline.sources.texts import syslog

_TYPES = "FWD|IFWD|LIN|LOUT|LB|PXY|PRX|IPXY|IPRX|TAP|LRD"
_TOLD = rf"(\w+): ((?:type=)?(?:{_TYPES})\|.*)$"
"""What became of a session, and what is told of it."""
_HEAD = rf"^(.*?)\w+: (?:type=)?(?:{_TYPES})\|"
_OWN_TIME = r"^(\d{4}) (\d\d) (\d\d) (\d\d:\d\d:\d\d) \w+ +([+-]\d\d:\d\d) "
"""How the firewall's own file has it: 2026 11 20 08:00:10 Info +01:00."""
_ORDER = ("type", "proto", "srcIF", "srcIP", "srcPort", "srcMAC", "dstIP", "dstPort", "dstService", "dstIF", "rule",
          "info", "srcNAT", "dstNAT", "duration", "count", "receivedBytes", "sentBytes", "receivedPackets",
          "sentPackets")  # fmt: skip
_KEYS = {
    "src": "srcIP",
    "dest": "dstIP",
    "src_port": "srcPort",
    "dest_port": "dstPort",
    "src_nat": "srcNAT",
    "dest_nat": "dstNAT",
    "proto": "proto",
    "service": "dstService",
    "lasted": "duration",
    "orig_ip_bytes": "sentBytes",
    "resp_ip_bytes": "receivedBytes",
    "orig_pkts": "sentPackets",
    "resp_pkts": "receivedPackets",
}
_ONCE = ("srcIP", "dstIP", "receivedBytes", "sentBytes")
_REMOVED, _BEGUN = "Remove", ("Allow", "LocalAllow", "Detect")
_BLOCKED = ("Block", "LocalBlock", "Deny", "Drop", "Fail")


@dataclass
class BarracudaDecoder(Stateless):
    """Messages of which some tell of sessions that were removed."""

    zone: str
    written_us: int | None

    def decode(self, lines: pl.DataFrame, reason: str) -> Decoded:
        """See Decoder."""
        told = pl.col("raw").str.extract_groups(_TOLD)
        frame = lines.with_columns(kind=told.struct.field("1"), told=told.struct.field("2"))
        removed = (pl.col("kind") == _REMOVED).fill_null(value=False)
        twice = pl.any_horizontal(pl.col("told").str.count_matches(f"|{k}=", literal=True) > 1 for k in _ONCE)
        own = pl.col("raw").str.contains(_OWN_TIME)
        detail = (
            pl.when(pl.col("kind").is_null() & ~syslog.is_message() & ~own)
            .then(pl.lit("no message of syslog"))
            .when(removed & twice)
            .then(pl.lit("an end or a byte counter that is given twice"))
            .when(~removed & pl.col("raw").str.contains(rf" {_REMOVED}: \w"))
            .then(pl.lit("another message within it"))
        )
        frame = frame.with_columns(detail=detail)
        broken = rejected(frame.filter(pl.col("detail").is_not_null()), reason, "detail")
        good = frame.filter(pl.col("detail").is_null()).drop("detail")
        records, assumed = self._records(good.filter(removed))
        fields = pl.concat([records, good.filter(~removed)], how="diagonal").sort("source_line")
        return Decoded(fields, broken, warnings={"year_assumed": assumed} if assumed else {})

    def _records(self, removed: pl.DataFrame) -> tuple[pl.DataFrame, int]:
        """Sessions, which began their duration before they were logged, and how many years were assumed."""
        heads = removed["raw"].str.replace(_OWN_TIME, "${1}-${2}-${3}T${4}${5} ").str.extract(_HEAD)
        times = syslog.times(heads, self.zone, self.written_us)
        found = removed.with_columns(_value(key).alias(ours) for ours, key in _KEYS.items())
        lasted = pl.col("lasted").cast(pl.Int64, strict=False)
        found = found.with_columns(lasted, times["time"].alias("logged"), heads.alias("head"))
        found = found.with_columns(
            ts=syslog.as_text(pl.col("logged") - pl.col("lasted").fill_null(0) * 1_000),
            write_ts=syslog.as_text(pl.col("logged")),
            duration=(pl.col("lasted") / 1_000).cast(pl.String),
            proto=pl.col("proto").str.to_lowercase().str.replace(r"\(\d+\)$", ""),
            system=syslog.host(pl.col("head")),
        )
        return found.drop("logged", "lasted", "head"), int(times["assumed"].sum())


def _value(key: str) -> pl.Expr:
    """The value of a key, or what stands in its place where there are no keys."""
    keyed = pl.col("told").str.starts_with("type=")
    placed = pl.col("told").str.split("|").list.get(_ORDER.index(key), null_on_oob=True)
    value = pl.when(keyed).then(pl.col("told").str.extract(rf"\|{key}=([^|]*)")).otherwise(placed).str.strip_chars()
    return pl.when(value != "").then(value)


def _is(kinds: tuple[str, ...]) -> pl.Expr:
    return pl.col("kind").is_in(kinds).fill_null(value=False)


_STREAM = {
    "write_ts": ("timestamp",),
    "kind": ("action",),
    "lasted": ("duration",),
    "src": ("src_ip",),
    "dest": ("dst_ip",),
    "src_port": ("src_port",),
    "dest_port": ("dst_port",),
    "src_nat": ("src_ip_nat",),
    "dest_nat": ("dst_ip_nat",),
    "proto": ("ip_proto",),
    "orig_ip_bytes": ("fwd_bytes",),
    "resp_ip_bytes": ("rev_bytes",),
    "orig_pkts": ("fwd_packets",),
    "resp_pkts": ("rev_packets",),
}
_ENDED, _REFUSED = "End", "Block|Deny|Drop|Fail"


def _derived() -> Sequence[pl.Expr]:
    """Times of a session that was logged when it ended, in the words of the device's own log."""
    lasted, logged = (pl.col(c).cast(pl.Int64, strict=False) for c in ("lasted", "write_ts"))
    moved = ((c, pl.col(c)) for c in ("src_nat", "dest_nat"))
    kind = pl.when(pl.col("kind") == _ENDED).then(pl.lit(_REMOVED)).when(pl.col("kind").str.contains(_REFUSED))
    return [
        kind.then(pl.lit(_BLOCKED[0])).when(pl.col("kind").is_not_null()).then(pl.lit(_BEGUN[0])).alias("kind"),
        syslog.as_text(logged * 1_000_000 - lasted.fill_null(0) * 1_000).alias("ts"),
        (lasted / 1_000).cast(pl.String).alias("duration"),
        *(
            pl.when(~value.is_in(NOWHERE) & (value != pl.col(c.removesuffix("_nat")))).then(value).alias(c)
            for c, value in moved
        ),
    ]


_LINES = Form(
    name="barracuda",
    vendor_product="Barracuda CloudGen Firewall",
    layer="unknown",
    contract=Contract(
        "receivedBytes", "sentBytes", "as the device counts", "the log's time - duration", "one a session, `Remove`"
    ),
    marks=re.compile(
        rb"Firewall_Activity:[^\n|]{0,200} \w+: (?:type=)?(?:" + _TYPES.encode() + rb")\||"
        rb" \w+: type=(?:" + _TYPES.encode() + rb")\|proto=[^|\n]*\|srcIF=|"
        rb"(?m:(?:^| )\w+: (?:" + _TYPES.encode() + rb")\|[\w()-]+\|[^|\n]*\|[\da-fA-F.:]+\|\d*\|)"
    ),
    strong=True,
    ends_lines=True,
    decoder=lambda options: BarracudaDecoder(options.timezone, options.written_us),
    flows=lambda: _is((_REMOVED,)) & has_counters(),
    ignored={
        "begin": lambda: _is(_BEGUN),
        "blocked": lambda: _is(_BLOCKED),
        "no_counters": lambda: _is((_REMOVED,)) & ~has_counters(),
    },
    local_time=True,
)
_JSON = replace(
    _LINES,
    name="barracuda_json",
    family="barracuda",
    contract=Contract(
        "rev_bytes",
        "fwd_bytes",
        "as the device counts",
        "timestamp - duration",
        "what Firewall Insights streams; `End`",
    ),
    marks=re.compile(rb'\{(?=[^{}]*"fw_rule"\s*:)(?=[^{}]*"fw_info"\s*:)[^{}]*"(?:fwd|rev)_bytes"\s*:'),
    decoder=json_decoder(_STREAM, _derived),
    json=True,
    ends_lines=False,
    local_time=False,
)
BARRACUDA = (_LINES, _JSON)

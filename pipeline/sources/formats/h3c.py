"""H3C firewalls' and routers' flow logs of sessions and translations, as messages behind any syslog header.

Source: H3C's references of system log messages and of flow logs: named and numbered values parted by semicolons, of
which the initiator sent `InitByteCount` and the responder `RplyByteCount`. Begin and end have the month first and are
of UTC, whatever clock the header shows. What is told of a session that goes on counts since its beginning.
"""

from __future__ import annotations

import re

import polars as pl

from pipeline.sources.base import rejected
from pipeline.sources.declared import Contract, Decoded, Form, Stateless
from pipeline.sources.orienting import has_counters
from pipeline.sources.texts import syslog

_KEYS = {
    "src": r"SrcIP(?:Addr\(1003|v6Addr\(1036)\)",
    "dest": r"DstIP(?:Addr\(1007|v6Addr\(1037)\)",
    "src_port": r"SrcPort\(1004\)",
    "dest_port": r"DstPort\(1008\)",
    "src_nat": r"NatSrcIPAddr\(1005\)",
    "dest_nat": r"NatDstIPAddr\(1009\)",
    "proto": r"Protocol\(1001\)",
    "service": r"Application\(1002\)",
    "orig_pkts": r"InitPktCount\(1044\)",
    "orig_ip_bytes": r"InitByteCount\(1046\)",
    "resp_pkts": r"RplyPktCount\(1045\)",
    "resp_ip_bytes": r"RplyByteCount\(1047\)",
    "ts": r"BeginTime_e\(1013\)",
    "end": r"EndTime_e\(1014\)",
    "event": r"Event\(1048\)",
}
_ONCE = ("src", "dest", "orig_ip_bytes", "resp_ip_bytes")
_ACTIVE, _CREATED = "(6)", "(8)"
_TIME = r"^(\d\d)(\d\d)(\d{4})(\d\d)(\d\d)(\d\d)$"


class H3cDecoder(Stateless):
    """Messages of which some tell of sessions."""

    def decode(self, lines: pl.DataFrame, reason: str) -> Decoded:
        """See Decoder."""
        frame = lines.with_columns(told=pl.all_horizontal(_has(name) for name in ("src", "dest", "ts", "event")))
        twice = pl.any_horizontal(pl.col("raw").str.count_matches(_key(name)) > 1 for name in _ONCE)
        detail = (
            pl.when(~pl.col("told") & ~syslog.is_message())
            .then(pl.lit("no message of syslog"))
            .when(pl.col("told") & twice)
            .then(pl.lit("an end or a byte counter that is given twice"))
        )
        frame = frame.with_columns(detail=detail)
        broken = rejected(frame.filter(pl.col("detail").is_not_null()), reason, "detail")
        good = frame.filter(pl.col("detail").is_null()).drop("detail")
        found = good.filter("told").with_columns(
            pl.col("raw").str.extract(rf"{_key(name)}([^;]*[^;\s.])").alias(name) for name in _KEYS
        )
        found = found.with_columns(
            *(pl.col(c).str.replace(_TIME, "${3}-${1}-${2}T${4}:${5}:${6}") for c in ("ts", "end")),
            pl.col("proto").str.to_lowercase(),
            system=syslog.host(pl.col("raw")),
        ).with_columns(write_ts="end")
        return Decoded(pl.concat([found, good.filter(~pl.col("told"))], how="diagonal").sort("source_line"), broken)


def _key(name: str) -> str:
    return f"(?:^|[:; ]){_KEYS[name]}="


def _has(name: str) -> pl.Expr:
    return pl.col("raw").str.contains(_key(name))


def _begun() -> pl.Expr:
    return pl.col("event").str.starts_with(_CREATED).fill_null(value=False)


H3C = Form(
    name="h3c",
    vendor_product="H3C",
    layer="unknown",
    contract=Contract(
        "RplyByteCount",
        "InitByteCount",
        "as the device counts",
        "BeginTime_e",
        "one a session that ended; those that go on are cumulative",
    ),
    marks=re.compile(rb"[:; ]InitByteCount\(1046\)=\d"),
    strong=True,
    ends_lines=True,
    decoder=lambda _: H3cDecoder(),
    flows=lambda: pl.col("told") & ~_begun() & has_counters(),
    accounting=lambda: pl.when(pl.col("event").str.starts_with(_ACTIVE)).then(pl.lit("cumulative")),
    ignored={"begin": lambda: pl.col("told") & _begun(), "no_counters": lambda: pl.col("told") & ~has_counters()},
)

"""Huawei firewalls' session logs: SECLOG messages of sessions that ended, behind any syslog header.

Source: Huawei's description of the fields of session logs in syslog format: pairs parted by commas, of which the
source, who began, sent `SendBytes` and received `RcvBytes`; begin and end are seconds since 1970. Only the default
format of the content is read.
"""

from __future__ import annotations

import re

import polars as pl

from pipeline.sources.base import rejected
from pipeline.sources.declared import Contract, Decoded, Form, Stateless
from pipeline.sources.orienting import has_counters
from pipeline.sources.texts import syslog

_KIND = r"%%\d\d(\w+/\d/\w+)(?:\(\w\))?:"
_ENDED, _BEGUN = "SECLOG/6/SESSION_TEARDOWN", "SECLOG/6/SESSION_BUILT"
_KEYS = {
    "src": "SourceIP",
    "dest": "DestinationIP",
    "src_port": "SourcePort",
    "dest_port": "DestinationPort",
    "src_nat": "SourceNatIP",
    "dest_nat": "DestinationNatIP",
    "proto": "Protocol",
    "ts": "BeginTime",
    "end": "EndTime",
    "orig_pkts": "SendPkts",
    "orig_ip_bytes": "SendBytes",
    "resp_pkts": "RcvPkts",
    "resp_ip_bytes": "RcvBytes",
}
_ONCE = ("src", "dest", "orig_ip_bytes", "resp_ip_bytes")


class HuaweiDecoder(Stateless):
    """Messages of which some tell of sessions that ended."""

    def decode(self, lines: pl.DataFrame, reason: str) -> Decoded:
        """See Decoder."""
        frame = lines.with_columns(kind=pl.col("raw").str.extract(_KIND))
        ended = (pl.col("kind") == _ENDED).fill_null(value=False)
        twice = pl.any_horizontal(
            pl.col("raw").str.count_matches(rf"[:,] ?{_KEYS[name]}=", literal=False) > 1 for name in _ONCE
        )
        detail = (
            pl.when(pl.col("kind").is_null() & ~syslog.is_message())
            .then(pl.lit("no message of syslog"))
            .when(ended & ~pl.col("raw").str.contains(r"[:,] ?SourceIP="))
            .then(pl.lit("not in the default format of session logs"))
            .when(ended & twice)
            .then(pl.lit("an end or a byte counter that is given twice"))
            .when(~ended & pl.col("raw").str.contains(_ENDED))
            .then(pl.lit("another message within it"))
        )
        frame = frame.with_columns(detail=detail)
        broken = rejected(frame.filter(pl.col("detail").is_not_null()), reason, "detail")
        good = frame.filter(pl.col("detail").is_null()).drop("detail")
        found = good.filter(ended).with_columns(_value(key).alias(ours) for ours, key in _KEYS.items())
        found = found.with_columns(write_ts="end", system=syslog.host(pl.col("raw")))
        return Decoded(pl.concat([found, good.filter(~ended)], how="diagonal").sort("source_line"), broken)


def _value(key: str) -> pl.Expr:
    """The value of a key; a full stop ends the message."""
    return pl.col("raw").str.extract(rf"[:,] ?{key}=([^,\s]*[^,\s.])")


def _is(kind: str) -> pl.Expr:
    return (pl.col("kind") == kind).fill_null(value=False)


HUAWEI = Form(
    name="huawei",
    vendor_product="Huawei USG",
    layer="unknown",
    contract=Contract(
        "RcvBytes", "SendBytes", "as the device counts", "BeginTime", "one a session that ended, SESSION_TEARDOWN"
    ),
    marks=re.compile(rb"%%\d\dSECLOG/6/SESSION_(?:TEARDOWN|BUILT)(?:\(\w\))?:"),
    strong=True,
    ends_lines=True,
    decoder=lambda _: HuaweiDecoder(),
    flows=lambda: _is(_ENDED) & has_counters(),
    ignored={"begin": lambda: _is(_BEGUN), "no_counters": lambda: _is(_ENDED) & ~has_counters()},
)

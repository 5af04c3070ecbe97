"""Juniper SRX session logs: RT_FLOW messages of sessions that closed, structured or not, behind any syslog header.

Source: Juniper's reference of Junos system log messages, in which the client is who began the session. Application
tracking (APPTRACK) tells of the same sessions again and is never counted; neither is a session that was created or
denied.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import polars as pl

from pipeline.sources.base import rejected
from pipeline.sources.declared import Contract, Decoded, Form, Stateless
from pipeline.sources.orienting import has_counters
from pipeline.sources.texts import syslog

_KIND = r"\b(RT_FLOW_SESSION_[A-Z]+|APPTRACK_SESSION_[A-Z_]+?)(?:_LS)?(?::| )"
_HEAD = r"^(.*?)(?:RT_FLOW|RT_LOG|APPTRACK)"
_CLOSE = "RT_FLOW_SESSION_CLOSE"
_KEYS = {
    "src": "source-address",
    "src_port": "source-port",
    "dest": "destination-address",
    "dest_port": "destination-port",
    "service": "service-name",
    "src_nat": "nat-source-address",
    "dest_nat": "nat-destination-address",
    "proto": "protocol-id",
    "uid": "session-id(?:-32)?",
    "orig_pkts": "packets-from-client",
    "orig_ip_bytes": "bytes-from-client",
    "resp_pkts": "packets-from-server",
    "resp_ip_bytes": "bytes-from-server",
    "duration": "elapsed-time",
}
_ONCE = ("src", "dest", "orig_ip_bytes", "resp_ip_bytes")
_ENDS = r"(?P<{0}>[^\s/]+)/(?P<{0}_port>\d+)->(?P<{1}>[^\s/]+)/(?P<{1}_port>\d+)"
_PLAIN = (
    r"session closed [^:]*: "
    + _ENDS.format("src", "dest")
    + r"(?: 0x[0-9a-f]+)? (?P<service>\S+) "
    + _ENDS.format("src_nat", "dest_nat")
    + r" .*? (?P<proto>\d+) \S+ \S+ \S+ (?P<uid>\d+) (?P<orig_pkts>\d+)\((?P<orig_ip_bytes>\d+)\) "
    r"(?P<resp_pkts>\d+)\((?P<resp_ip_bytes>\d+)\) (?P<duration>\d+)(?:\s|$)"
)
_WITHIN = r'_LS(?: \[\S+ logical-system-name="|: Lsys )([^\s":]+)'
"""The logical system that tells of a session; each that a session passes does."""
_ABSENT = ("N/A", "None", "UNKNOWN", "")


@dataclass
class JuniperDecoder(Stateless):
    """Messages of which some are sessions that closed."""

    zone: str
    written_us: int | None

    def decode(self, lines: pl.DataFrame, reason: str) -> Decoded:
        """See Decoder."""
        lines = lines.with_columns(kind=pl.col("raw").str.extract(_KIND))
        closed = lines.filter(pl.col("kind") == _CLOSE)
        is_structured = closed["raw"].str.contains(_CLOSE + r"(?:_LS)? \[junos@")
        read = pl.concat([_structured(closed.filter(is_structured)), _plain(closed.filter(~is_structured))])
        strange = lines.filter(pl.col("kind").is_null() & ~syslog.is_message())
        hides = (pl.col("kind") != _CLOSE) & pl.col("raw").str.contains(_CLOSE)
        bad = pl.concat(
            [
                lines.filter(hides).select("source_line", "raw", fault=pl.lit("another message within it")),
                read.filter(pl.col("fault").is_not_null()).select("source_line", "raw", "fault"),
                strange.select("source_line", "raw", fault=pl.lit("no message of syslog")),
            ]
        ).sort("source_line")
        broken = rejected(bad, reason, "fault")
        fields, assumed = self._records(read.filter(pl.col("fault").is_null()).drop("fault").sort("source_line"))
        others = lines.filter((pl.col("kind") != _CLOSE) | (pl.col("kind").is_null() & syslog.is_message()))
        others = others.filter(~hides.fill_null(value=False))
        fields = pl.concat([fields, others], how="diagonal").sort("source_line")
        return Decoded(fields, broken, warnings={"year_assumed": assumed} if assumed else {})

    def _records(self, closed: pl.DataFrame) -> tuple[pl.DataFrame, int]:
        """Sessions with the time of their header less their seconds as start, and how many years were assumed."""
        times = syslog.times(closed["raw"].str.extract(_HEAD), self.zone, self.written_us)
        lasted = pl.col("duration").cast(pl.Int64, strict=False).fill_null(0)
        moved = [
            pl.when(pl.col(f"{c}_nat") != pl.col(c)).then(pl.col(f"{c}_nat")).alias(f"{c}_nat") for c in ("src", "dest")
        ]
        fields = pl.concat([closed, times], how="horizontal").with_columns(
            syslog.as_text(pl.col("time") - lasted * 1_000_000).alias("ts"),
            syslog.as_text(pl.col("time")).alias("write_ts"),
            syslog.host(pl.col("raw")).alias("system"),
            pl.col("raw").str.extract(_WITHIN).alias("reporter"),
            pl.col("service").str.strip_prefix("junos-"),
            *moved,
        )
        return fields.drop("time", "assumed"), int(fields["assumed"].sum())


def _structured(lines: pl.DataFrame) -> pl.DataFrame:
    """Lines of quoted pairs, in which a quote inside a value is escaped."""
    found = [pl.col("raw").str.extract(rf'[ \[]{key}="([^"]*)"').alias(ours) for ours, key in _KEYS.items()]
    twice = pl.any_horizontal(pl.col("raw").str.count_matches(rf' {_KEYS[n]}="') > 1 for n in _ONCE)
    ended = pl.col("raw").str.contains(r'"\s*\][^"]*$')
    given_twice = pl.lit("an end or a byte counter that is given twice")
    fault = pl.when(~ended).then(pl.lit("cut short")).when(twice).then(given_twice)
    return _filled(lines.with_columns(*found, fault=fault))


def _plain(lines: pl.DataFrame) -> pl.DataFrame:
    """Lines in words."""
    found = lines.with_columns(pl.col("raw").str.extract_groups(_PLAIN).alias("found")).unnest("found")
    fault = pl.when(pl.col("src").is_null()).then(pl.lit("cut short"))
    glued = pl.col("raw").str.count_matches("session closed ", literal=True) > 1
    return _filled(found.with_columns(fault=fault.when(glued).then(pl.lit("another message within it"))))


def _filled(lines: pl.DataFrame) -> pl.DataFrame:
    """Fields without the words that stand for nothing."""
    filled = [pl.when(~pl.col(c).is_in(_ABSENT)).then(pl.col(c)).alias(c) for c in _KEYS]
    return lines.select("source_line", "raw", "kind", "fault", *filled)


def _is(kind: str) -> pl.Expr:
    return pl.col("kind") == kind


JUNIPER = Form(
    name="juniper",
    vendor_product="Juniper SRX",
    layer="unknown",
    contract=Contract(
        "bytes-from-server",
        "bytes-from-client",
        "as the device counts",
        "syslog time - elapsed-time",
        "one a session, RT_FLOW_SESSION_CLOSE",
    ),
    marks=re.compile(
        rb"\bRT_FLOW_SESSION_(?:CLOSE|CREATE|DENY)(?:_LS)?(?:: (?:Lsys \S+: )?session |(?: \[junos@))"
        rb"|\bAPPTRACK_SESSION_[A-Z_]+(?:: AppTrack |(?: \[junos@))"
    ),
    strong=True,
    ends_lines=True,
    decoder=lambda options: JuniperDecoder(options.timezone, options.written_us),
    flows=lambda: _is(_CLOSE) & has_counters(),
    ignored={
        "begin": lambda: _is("RT_FLOW_SESSION_CREATE"),
        "blocked": lambda: _is("RT_FLOW_SESSION_DENY"),
        "apptrack": lambda: pl.col("kind").str.starts_with("APPTRACK"),
        "no_counters": lambda: _is(_CLOSE) & ~has_counters(),
    },
    local_time=True,
)

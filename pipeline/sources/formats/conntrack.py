"""Connections of Linux's packet filter that ended, as `conntrack -E -o timestamp`, VyOS' logger and ulogd write them.

Source: the manual of conntrack-tools and the kernel's documentation of nf_conntrack: the first tuple (orig) is the
direction of who began, the second (reply) that of the answers, each with its own counters of IP packets where
`nf_conntrack_acct` is on; the names of the fields of ulogd's input NFCT; VyOS' vyos-conntrack-logger, which puts the
connection's number before its protocol and its times, in nanoseconds, at the end.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from pipeline.sources.base import rejected
from pipeline.sources.declared import Contract, Decoded, Form, Stateless
from pipeline.sources.orienting import has_counters
from pipeline.sources.records import json_decoder
from pipeline.sources.texts import syslog

_EVENT = r"\[ *(NEW|UPDATE|DESTROY)\]"
_PORTS = r"(?: sport=(?P<{0}_port>\d+) dport=(?P<{1}_port>\d+))?"
_TUPLE = r"src=(?P<{0}>\S+) dst=(?P<{1}>\S+)"
_MORE = r"(?: (?:type|code|id|srckey|dstkey)=\w+)*"
_COUNTS = r"(?: packets=(?P<{0}_pkts>\d+) bytes=(?P<{0}_ip_bytes>\d+))?"
_ENDED = (
    r"\[DESTROY\] +(?:(?P<number>\d+) +)?(?:ipv[46] +\d+ +)?[^\s\d]\S* +(?P<proto>\d+) (?:[^=]* )?"
    + _TUPLE.format("src", "dest")
    + _PORTS.format("src", "dest")
    + _MORE
    + _COUNTS.format("orig")
    + r"(?: \[UNREPLIED\])? "
    + _TUPLE.format("back_src", "back_dest")
    + r"(?: sport=\d+ dport=\d+)?"
    + _MORE
    + _COUNTS.format("resp")
)
_TIME = r"\[(\d{9,10}\.\d+)\s*\]"
_LASTED = r" delta-time=(\d+)"
_SPAN = {"start": r" start=(\d{16})\d{3} ", "stop": r" stop=(\d{16})\d{3}(?: |$)"}
"""Times in nanoseconds, of which the microseconds are taken."""
_ZONE = r" zone(?:-orig)?=(\d+)"
"""A part of the machine's table: what a switch of virtual machines passes on has an entry in several."""


@dataclass
class ConntrackDecoder(Stateless):
    """Events of which some are connections that ended."""

    def decode(self, lines: pl.DataFrame, reason: str) -> Decoded:
        """See Decoder."""
        two = pl.col("raw").str.count_matches(_EVENT) > 1
        glued = lines.filter(two)
        frame = lines.filter(~two).with_columns(kind=pl.col("raw").str.extract(_EVENT))
        ended = frame.filter(pl.col("kind") == "DESTROY")
        found = ended.with_columns(pl.col("raw").str.extract_groups(_ENDED).alias("found")).unnest("found")
        strange = frame.filter(pl.col("kind").is_null() & ~syslog.is_message()).select("source_line", "raw")
        torn = found.filter(pl.col("src").is_null()).select("source_line", "raw")
        faults = (
            (strange, "no event of conntrack"),
            (torn, "an event without its two tuples"),
            (glued.select("source_line", "raw"), "another event within it"),
        )
        bad = pl.concat(frame.with_columns(fault=pl.lit(why)) for frame, why in faults).sort("source_line")
        broken = rejected(bad, reason, "fault")
        records = _records(found.filter(pl.col("src").is_not_null()))
        others = frame.filter(pl.col("kind").ne_missing("DESTROY")).join(bad, on="source_line", how="anti")
        return Decoded(pl.concat([records, others], how="diagonal").sort("source_line"), broken)


def _records(found: pl.DataFrame) -> pl.DataFrame:
    """Connections with our fields; translated ends are those that the replies show."""
    logged = (pl.col("raw").str.extract(_TIME).cast(pl.Float64, strict=False) * 1e6).round().cast(pl.Int64)
    lasted = pl.col("raw").str.extract(_LASTED).cast(pl.Int64, strict=False)
    start, stop = (pl.col("raw").str.extract(pattern).cast(pl.Int64, strict=False) for pattern in _SPAN.values())
    return found.with_columns(
        ts=syslog.as_text(pl.coalesce(logged - lasted.fill_null(0) * 1_000_000, start)),
        write_ts=syslog.as_text(pl.coalesce(logged, stop)),
        duration=pl.coalesce(lasted.cast(pl.String), ((stop - start) / 1e6).cast(pl.String)),
        uid=pl.coalesce(pl.col("raw").str.extract(r" id=(\d+)\s*$"), "number"),
        reporter=pl.col("raw").str.extract(_ZONE),
        system=syslog.host(pl.col("raw")),
        src_nat=pl.when(pl.col("back_dest") != pl.col("src")).then("back_dest"),
        dest_nat=pl.when(pl.col("back_src") != pl.col("dest")).then("back_src"),
    ).drop("back_src", "back_dest", "number")


def _ended() -> pl.Expr:
    return pl.col("kind") == "DESTROY"


_EVENTS = ("1", "2")
"""ulogd's numbers of NEW and UPDATE."""
_NAMES = {
    "start": ("flow.start.sec",),
    "start_us": ("flow.start.usec",),
    "finish": ("flow.end.sec",),
    "finish_us": ("flow.end.usec",),
    "src": ("orig.ip.saddr.str", "src_ip", "orig.ip.saddr"),
    "dest": ("orig.ip.daddr.str", "dest_ip", "orig.ip.daddr"),
    "src_port": ("orig.l4.sport", "src_port"),
    "dest_port": ("orig.l4.dport", "dest_port"),
    "proto": ("orig.ip.protocol", "proto"),
    "orig_ip_bytes": ("orig.raw.pktlen",),
    "resp_ip_bytes": ("reply.raw.pktlen",),
    "orig_pkts": ("orig.raw.pktcount",),
    "resp_pkts": ("reply.raw.pktcount",),
    "back_src": ("reply.ip.saddr.str",),
    "back_dest": ("reply.ip.daddr.str",),
    "uid": ("ct.id",),
    "event": ("ct.event",),
    "system": ("dvc",),
}


def _derived() -> Sequence[pl.Expr]:
    """Times of two numbers each, and translated ends."""
    fields = {"ts": "start", "end": "finish"}
    parts = {t: [pl.col(c).cast(pl.Int64, strict=False) for c in (p, f"{p}_us")] for t, p in fields.items()}
    return [
        *(syslog.as_text(s * 1_000_000 + us.fill_null(0)).alias(t) for t, (s, us) in parts.items()),
        pl.when(pl.col("event").is_in(_EVENTS)).then(pl.lit("NEW")).otherwise(pl.lit("DESTROY")).alias("kind"),
        pl.when(pl.col("back_dest") != pl.col("src")).then("back_dest").alias("src_nat"),
        pl.when(pl.col("back_src") != pl.col("dest")).then("back_src").alias("dest_nat"),
    ]


_TEXT = Form(
    name="conntrack",
    vendor_product="Linux conntrack",
    layer="ip",
    contract=Contract(
        "bytes of the second tuple",
        "bytes of the first tuple",
        "IP",
        "the event's time - delta-time",
        "one a connection that ended, `[DESTROY]`",
    ),
    marks=re.compile(rb"\[ *(?:NEW|UPDATE|DESTROY)\] +(?:\d+ +)?(?:ipv[46] +\d+ +)?\w+ +\d+ (?:[^=\n]* )?src=\S+ dst="),
    strong=True,
    ends_lines=True,
    decoder=lambda _: ConntrackDecoder(),
    flows=lambda: _ended() & has_counters(),
    ignored={
        "begin": lambda: pl.col("kind").is_in(["NEW", "UPDATE"]),
        "no_counters": lambda: _ended() & ~has_counters(),
    },
)
_JSON = replace(
    _TEXT,
    name="conntrack_json",
    family="conntrack",
    contract=Contract(
        "reply.raw.pktlen", "orig.raw.pktlen", "IP", "flow.start", "what ulogd writes of connections that ended"
    ),
    marks=re.compile(rb'"(?:orig|reply)\.raw\.pktlen"\s*:'),
    decoder=json_decoder(_NAMES, _derived),
    json=True,
    ends_lines=False,
)
CONNTRACK = (_TEXT, _JSON)

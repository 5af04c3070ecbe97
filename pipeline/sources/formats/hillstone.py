"""Hillstone firewalls' logs of sessions that ended, behind any syslog header.

Sources: messages of StoneOS in public repositories: both ends with an arrow between them, of which the left one began,
sent `send bytes` and received `receive bytes`. Values stand behind their names, parted by commas or full stops. Begin
and close are of the device's own clock.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import polars as pl

from pipeline.sources.base import rejected
from pipeline.sources.declared import Contract, Decoded, Form, Stateless
from pipeline.sources.orienting import has_counters
from pipeline.sources.texts import syslog

_ADDRESS = r"\[?[\da-fA-F:.]*[\da-fA-F:]\]?"
_ENDS = (
    rf"FLOW: SESSION: (?P<src>{_ADDRESS}):(?P<src_port>\d+)->(?P<dest>{_ADDRESS}):(?P<dest_port>\d+)\((?P<proto>\w+)\)"
)
_KIND = "FLOW: SESSION: "
_NUMBERS = {
    "orig_pkts": "send packets",
    "orig_ip_bytes": "send bytes",
    "resp_pkts": "receive packets",
    "resp_ip_bytes": "receive bytes",
}
_TIMES = {"began": "start time", "closed": "close time"}
_DENIED = r"[,.] ?policy deny\b"


@dataclass
class HillstoneDecoder(Stateless):
    """Messages of which some tell of sessions."""

    zone: str

    def decode(self, lines: pl.DataFrame, reason: str) -> Decoded:
        """See Decoder."""
        raw = pl.col("raw")
        frame = lines.with_columns(
            session=raw.str.contains(_KIND, literal=True),
            denied=raw.str.contains(_DENIED),
            ended=raw.str.contains("close time ", literal=True),
            found=raw.str.extract_groups(_ENDS),
        ).unnest("found")
        twice = pl.any_horizontal(raw.str.count_matches(_named(name)) > 1 for name in _NUMBERS.values())
        detail = (
            pl.when(~pl.col("session") & ~syslog.is_message())
            .then(pl.lit("no message of syslog"))
            .when(pl.col("session") & pl.col("src").is_null())
            .then(pl.lit("no two ends"))
            .when(pl.col("session") & twice)
            .then(pl.lit("a byte counter that is given twice"))
            .when(pl.col("session") & (raw.str.count_matches(_KIND, literal=True) > 1))
            .then(pl.lit("another message within it"))
            .when(pl.col("session") & ~pl.col("ended") & raw.str.contains("send bytes ", literal=True))
            .then(pl.lit("cut short"))
        )
        frame = frame.with_columns(detail=detail)
        broken = rejected(frame.filter(pl.col("detail").is_not_null()), reason, "detail")
        good = frame.filter(pl.col("detail").is_null()).drop("detail")
        good = good.with_columns(
            *(raw.str.extract(rf"{_named(name)}(\d+)").alias(ours) for ours, name in _NUMBERS.items()),
            *(self._epoch(name).alias(ours) for ours, name in _TIMES.items()),
            *(pl.col(end).str.strip_chars("[]") for end in ("src", "dest")),
            pl.col("proto").str.to_lowercase(),
            service=raw.str.extract(r", application ([^,]+?)(?:,|$)").str.to_lowercase(),
            system=syslog.host(raw),
        )
        times = {"ts": pl.col("began"), "write_ts": pl.col("closed"), "end": pl.col("closed")}
        fields = good.with_columns(syslog.as_text(time).alias(ours) for ours, time in times.items())
        return Decoded(fields.drop("began", "closed"), broken)

    def _epoch(self, name: str) -> pl.Expr:
        stamp = pl.col("raw").str.extract(rf"{_named(name)}(\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d)")
        wall = syslog.wall_of(stamp.str.replace(" ", "T", literal=True))
        return syslog.epoch_of(wall, pl.lit(None, pl.Int64), self.zone)


def _named(name: str) -> str:
    return rf"[,.] ?{name} "


def _ended() -> pl.Expr:
    return pl.col("session") & pl.col("ended") & ~pl.col("denied")


HILLSTONE = Form(
    name="hillstone",
    vendor_product="Hillstone StoneOS",
    layer="unknown",
    contract=Contract(
        "receive bytes", "send bytes", "as the device counts", "start time", "one a session that ended (`close time`)"
    ),
    marks=re.compile(rb"\bFLOW: SESSION: [^\n]{0,300}?\((?:TCP|UDP|ICMP|\w{1,12})\), "),
    strong=True,
    ends_lines=True,
    decoder=lambda options: HillstoneDecoder(options.timezone),
    flows=lambda: _ended() & has_counters(),
    ignored={
        "blocked": lambda: pl.col("session") & pl.col("denied"),
        "begin": lambda: pl.col("session") & ~pl.col("ended") & ~pl.col("denied"),
        "no_counters": lambda: _ended() & ~has_counters(),
    },
    local_time=True,
)

"""SonicWall's syslog of connections that closed (message 537), as key=value pairs behind any syslog header.

Source: SonicWall's log event reference: `src` is who began, `sent` what it sent, `rcvd` what came back, and `cdur` the
milliseconds that the connection lasted. Ends with IPv6 addresses have those in keys of their own, and their ports in
the usual ones. Times are the device's own unless they say UTC.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import polars as pl

from pipeline.sources.base import rejected
from pipeline.sources.declared import Contract, Decoded, Form, Stateless
from pipeline.sources.orienting import has_counters
from pipeline.sources.texts import headed, key_values, syslog

_KEYS = (
    "time",
    "src",
    "dst",
    "srcV6",
    "dstV6",
    "proto",
    "sent",
    "rcvd",
    "spkt",
    "rpkt",
    "cdur",
    "sn",
    "fw",
    "natSrc",
    "natDst",
)
_ONCE = ("src", "dst", "srcV6", "dstV6", "sent", "rcvd")
_CLOSED, _OPENED = "537", "98"
_END = r"^\[?((?:\d{1,3}\.){3}\d{1,3}|[\da-fA-F]*:[\da-fA-F:]+(?:\]|$))(?::(\d+))?"


def _end(column: str) -> pl.Expr:
    """The address of an end written as address:port:interface."""
    return pl.col(column).str.extract(_END, 1).str.strip_chars("]")


def _port(column: str) -> pl.Expr:
    return pl.coalesce(pl.col(column).str.extract(_END, 2), pl.col(column).str.extract(r"^:(\d+)(?::|$)", 1))


@dataclass
class SonicWallDecoder(Stateless):
    """Messages of which some tell of connections that closed."""

    zone: str

    def decode(self, lines: pl.DataFrame, reason: str) -> Decoded:
        """See Decoder."""
        frame = lines.with_columns(text=key_values.plain(lines["raw"]))
        frame = key_values.with_kind(frame, "m").with_columns(id=key_values.value("text", "id"))
        closed = pl.col("kind") == _CLOSED
        twice = closed & pl.any_horizontal(key_values.repeated("text", key) for key in _ONCE)
        detail = (
            pl.when(pl.col("text").is_null() & closed.fill_null(value=True))
            .then(pl.lit("a quote that does not close"))
            .when(pl.col("text").is_not_null() & pl.col("id").is_null() & ~syslog.is_message())
            .then(pl.lit("no key 'id'"))
            .when(twice)
            .then(pl.lit("an end or a byte counter that is given twice"))
            .when(~closed.fill_null(value=False) & pl.col("raw").str.contains(rf" m={_CLOSED}\b"))
            .then(pl.lit("another message within it"))
        )
        frame = frame.with_columns(detail=detail)
        bad, good = frame.filter(pl.col("detail").is_not_null()), frame.filter(pl.col("detail").is_null())
        broken = rejected(bad, reason, "detail")
        records = self._records(good.filter(closed))
        others = good.filter(closed.not_().fill_null(value=True)).select("source_line", "raw", "kind")
        return Decoded(pl.concat([records, others], how="diagonal").sort("source_line"), broken)

    def _records(self, closed: pl.DataFrame) -> pl.DataFrame:
        """Connections with our fields; they began their duration before they were logged."""
        found = key_values.values(closed, "text", _KEYS)
        wall = syslog.wall_of(pl.col("time").str.slice(0, 19).str.replace(" ", "T"))
        named = headed.zone_of(pl.col("time"))
        lasted = pl.col("cdur").cast(pl.Int64, strict=False).fill_null(0)
        found = found.with_columns(logged=syslog.zoned_epoch(wall, named, None, self.zone))
        src, dest = (pl.coalesce(_end(f"{end}V6"), _end(end)) for end in ("src", "dst"))
        ends = {"src": src, "dest": dest, "src_port": _port("src"), "dest_port": _port("dst")}
        moved = {f"{ours}_nat": _end(key) for ours, key in (("src", "natSrc"), ("dest", "natDst"))}
        return found.select(
            "source_line",
            "raw",
            "kind",
            ts=syslog.as_text(pl.col("logged") - lasted * 1_000),
            write_ts=syslog.as_text(pl.col("logged")),
            duration=(lasted.cast(pl.Float64) / 1_000).cast(pl.String),
            proto=pl.col("proto").str.extract("^([^/]+)"),
            service=pl.col("proto").str.extract("/([a-z][^/]*)$"),
            orig_ip_bytes="sent",
            resp_ip_bytes="rcvd",
            orig_pkts="spkt",
            resp_pkts="rpkt",
            system=pl.coalesce("sn", "fw"),
            **ends,
            **moved,
        )


def _is(kind: str) -> pl.Expr:
    return pl.col("kind") == kind


SONICWALL = Form(
    name="sonicwall",
    vendor_product="SonicWall",
    layer="unknown",
    contract=Contract(
        "rcvd", "sent", "as the device counts", "time - cdur", "one a connection that closed (message 537)"
    ),
    marks=re.compile(rb"(?m)^[^\n]{0,200}?\bid=\w+ +(?:sn=\w+ +)?[^\n]{0,300}?\bm=\d+ +[^\n]{0,300}?\b(?:src|msg)="),
    strong=True,
    ends_lines=True,
    decoder=lambda options: SonicWallDecoder(options.timezone),
    flows=lambda: _is(_CLOSED) & has_counters(),
    ignored={"begin": lambda: _is(_OPENED), "no_counters": lambda: _is(_CLOSED) & ~has_counters()},
    local_time=True,
)

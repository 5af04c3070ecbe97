"""Firepower connection events: message 430003, or what a management center relays, with the bytes of each direction.

Pairs are `Key: value`, parted by commas; values are not quoted and may hold commas, so a line that gives an end or a
counter twice cannot be believed. Source: Cisco's syslog reference of security events. Connections that begin (430002)
and the messages that ASA writes too are the affair of `asa`.
"""

from __future__ import annotations

import polars as pl

from pipeline.sources.texts import syslog

_KEYS = {
    "src": "SrcIP",
    "dest": "DstIP",
    "src_port": "SrcPort",
    "dest_port": "DstPort",
    "proto": "Protocol",
    "service": "ApplicationProtocol",
    "duration": "ConnectionDuration",
    "orig_pkts": "InitiatorPackets",
    "resp_pkts": "ResponderPackets",
    "orig_ip_bytes": "InitiatorBytes",
    "resp_ip_bytes": "ResponderBytes",
    "first": "FirstPacketSecond",
    "action": "AccessControlRuleAction",
}
RELAYED = " SFIMS: "
"""What stands before an event that a management center relays."""
_ONCE = ("src", "dest", "orig_ip_bytes", "resp_ip_bytes")


def relayed() -> pl.Expr:
    """The message's number that an event of a management center of old stands for: it says in words what it is."""
    kind = pl.col("raw").str.extract(RELAYED + r".*?\bConnectType: (\w+)")
    return kind.replace_strict({"End": "430003", "Start": "430002"}, default=None, return_dtype=pl.String)


def told_twice() -> pl.Expr:
    """Whether a line (`raw`) gives an end or a byte counter more than once."""
    counts = (pl.col("raw").str.count_matches(f" {_KEYS[name]}: ", literal=True) for name in _ONCE)
    return pl.any_horizontal(count > 1 for count in counts)


def connections(lines: pl.DataFrame, times: pl.DataFrame) -> pl.DataFrame:
    """Events as fields: the first packet's second is the start, else the time of the header less the duration."""
    found = lines.with_columns(_value(key).alias(name) for name, key in _KEYS.items())
    found = pl.concat([found, times], how="horizontal")
    first = syslog.epoch_of(syslog.wall_of(pl.col("first")), syslog.offset_us(pl.col("first")), "UTC")
    lasted = (pl.col("duration").cast(pl.Float64, strict=False).fill_null(0) * 1e6).cast(pl.Int64, strict=False)
    return found.with_columns(
        syslog.as_text(pl.coalesce(first, pl.col("time") - lasted)).alias("ts"),
        syslog.as_text(pl.col("time")).alias("write_ts"),
        pl.concat_str(_value("InstanceID"), _value("ConnectionID"), separator="/").alias("uid"),
        syslog.host(pl.col("raw")).alias("system"),
        pl.col("service").str.to_lowercase(),
        pl.col("action")
        .str.to_lowercase()
        .str.contains("^(?:interactive )?block")
        .fill_null(value=False)
        .alias("blocked"),
    ).drop("first", "action", "time")


def _value(key: str) -> pl.Expr:
    return pl.col("raw").str.extract(f"[:,] {key}: ([^,]+)")

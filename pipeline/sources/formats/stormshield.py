"""Stormshield Network Security's connections as key=value pairs, behind any syslog header or as the device writes them.

Source: Stormshield's description of audit logs: of connections (`connection`, and `plugin` where an analysis of the
application logged it instead), `sent` is what the source, who began, sent, and `rcvd` what it received, as the WELF
format has them. What filter rules log (`filter`) and what proxies and alarms tell are other records.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import polars as pl

from pipeline.sources.base import rejected
from pipeline.sources.declared import Contract, Decoded, Form, Stateless
from pipeline.sources.orienting import has_counters
from pipeline.sources.texts import key_values, syslog

_KEYS = {
    "kind": "logtype",
    "src": "src",
    "dest": "dst",
    "src_port": "srcport",
    "dest_port": "dstport",
    "src_nat": "modsrc",
    "dest_nat": "origdst",
    "proto": "ipproto",
    "service": "proto",
    "duration": "duration",
    "orig_ip_bytes": "sent",
    "resp_ip_bytes": "rcvd",
    "action": "action",
    "system": "fw",
    "zone": "tz",
    "began": "startime",
    "logged": "time",
}
"""Our names of the fields, and theirs."""
_ONCE = ("src", "dest", "orig_ip_bytes", "resp_ip_bytes")
_CONNECTIONS = ("connection", "plugin")
_WITHIN = f'logtype="(?:{"|".join(_CONNECTIONS)})"'


@dataclass
class StormshieldDecoder(Stateless):
    """Lines of pairs; of logs other than those of connections only the kind counts."""

    zone: str

    def decode(self, lines: pl.DataFrame, reason: str) -> Decoded:
        """See Decoder."""
        frame = lines.with_columns(text=key_values.plain(lines["raw"]))
        frame = frame.with_columns(kind=key_values.value("text", "logtype"))
        twice = _connection() & pl.any_horizontal(key_values.repeated("text", _KEYS[name]) for name in _ONCE)
        detail = (
            pl.when(pl.col("text").is_null())
            .then(pl.lit("a quote that does not close"))
            .when(pl.col("kind").is_null() & ~syslog.is_message())
            .then(pl.lit("no key 'logtype'"))
            .when(twice)
            .then(pl.lit("an end or a byte counter that is given twice"))
            .when(~_connection().fill_null(value=False) & pl.col("raw").str.contains(_WITHIN))
            .then(pl.lit("another message within it"))
        )
        frame = frame.with_columns(detail=detail)
        broken = rejected(frame.filter(pl.col("detail").is_not_null()), reason, "detail")
        good = frame.filter(pl.col("detail").is_null())
        told = _connection().fill_null(value=False)
        others = good.filter(~told).select("source_line", "raw", "kind")
        fields = pl.concat([self._records(good.filter(told)), others], how="diagonal")
        return Decoded(fields.sort("source_line"), broken)

    def _records(self, lines: pl.DataFrame) -> pl.DataFrame:
        """Connections with our fields; a translated end is told where it differs."""
        found = key_values.values(lines.drop("kind"), "text", list(_KEYS.values()))
        found = found.select("source_line", "raw", **{ours: theirs for ours, theirs in _KEYS.items()})
        ends = (("src_nat", "src"), ("dest_nat", "dest"))
        lasted = (pl.col("duration").cast(pl.Float64, strict=False).fill_null(0) * 1e6).cast(pl.Int64, strict=False)
        return found.with_columns(
            syslog.as_text(pl.coalesce(self._epoch("began"), self._epoch("logged") - lasted)).alias("ts"),
            syslog.as_text(self._epoch("logged")).alias("write_ts"),
            *(pl.when(pl.col(moved) != pl.col(end)).then(moved).alias(moved) for moved, end in ends),
            *(pl.col(c).str.to_lowercase() for c in ("proto", "service", "action")),
        ).drop("zone", "began", "logged")

    def _epoch(self, name: str) -> pl.Expr:
        """Epoch microseconds of a time of the device's, by the offset that it names."""
        wall = syslog.wall_of(pl.col(name).str.replace(" ", "T", literal=True))
        return syslog.epoch_of(wall, syslog.offset_us(pl.col("zone")), self.zone)


def _connection() -> pl.Expr:
    return pl.col("kind").is_in(_CONNECTIONS)


def _blocked() -> pl.Expr:
    return _connection() & (pl.col("action") == "block").fill_null(value=False)


def _told() -> pl.Expr:
    return _connection() & ~_blocked()


STORMSHIELD = Form(
    name="stormshield",
    vendor_product="Stormshield Network Security",
    layer="unknown",
    contract=Contract(
        "rcvd",
        "sent",
        "as the device counts",
        "startime",
        '`logtype="connection"` and `"plugin"`: one a connection that ended',
    ),
    marks=re.compile(rb'\btime="[^"\n]{19}" fw="[^"\n]*" [^\n]*?\blogtype="'),
    strong=True,
    ends_lines=True,
    decoder=lambda options: StormshieldDecoder(options.timezone),
    flows=lambda: _told() & has_counters(),
    ignored={"blocked": _blocked, "no_counters": lambda: _told() & ~has_counters()},
    local_time=True,
)

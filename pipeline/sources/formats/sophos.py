"""Sophos Firewall (SFOS) logs of its firewall as key=value pairs, in both of its formats, behind any syslog header.

Source: Sophos' syslog guide: the device's own format and that of central reporting name the same fields otherwise; the
source is who began. A connection's records in between count since its beginning, as those of its end do. Other types of
logs (web, application) repeat counters of connections and are never counted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import polars as pl

from pipeline.sources.base import rejected
from pipeline.sources.declared import Contract, Decoded, Form, Stateless
from pipeline.sources.orienting import has_counters
from pipeline.sources.texts import key_values, syslog, zone_names

_KEYS = {
    "src": ("src_ip",),
    "dest": ("dst_ip",),
    "src_port": ("src_port",),
    "dest_port": ("dst_port",),
    "src_nat": ("tran_src_ip", "src_trans_ip"),
    "dest_nat": ("tran_dst_ip", "dst_trans_ip"),
    "proto": ("protocol",),
    "service": ("application", "app_name"),
    "duration": ("duration",),
    "orig_ip_bytes": ("sent_bytes", "bytes_sent"),
    "resp_ip_bytes": ("recv_bytes", "bytes_received"),
    "orig_pkts": ("sent_pkts", "packets_sent"),
    "resp_pkts": ("recv_pkts", "packets_received"),
    "uid": ("connid", "con_id"),
    "event": ("connevent", "con_event"),
    "action": ("log_subtype", "status"),
    "system": ("device_serial_id", "device_id", "device_name"),
    "stamp": ("timestamp",),
    "date": ("date",),
    "clock": ("time",),
    "zone": ("timezone",),
}
"""Our names of the fields, and theirs in either format."""
_ONCE = ("src", "dest", "orig_ip_bytes", "resp_ip_bytes")
_FIREWALL = "Firewall"
_REFUSED = ("denied", "deny", "drop", "dropped", "rejected")


@dataclass
class SophosDecoder(Stateless):
    """Lines of pairs; only those of the firewall are taken apart."""

    zone: str

    def decode(self, lines: pl.DataFrame, reason: str) -> Decoded:
        """See Decoder."""
        frame = lines.with_columns(text=key_values.plain(lines["raw"]))
        frame = key_values.with_kind(frame, "log_type")
        firewall = pl.col("kind") == _FIREWALL
        twice = firewall & pl.any_horizontal(key_values.repeated("text", k) for name in _ONCE for k in _KEYS[name])
        detail = (
            pl.when(pl.col("text").is_null() & firewall.fill_null(value=True))
            .then(pl.lit("a quote that does not close"))
            .when(pl.col("kind").is_null() & ~syslog.is_message())
            .then(pl.lit("no key 'log_type'"))
            .when(twice)
            .then(pl.lit("an end or a byte counter that is given twice"))
            .when(~firewall.fill_null(value=False) & pl.col("raw").str.contains(f'log_type="{_FIREWALL}"'))
            .then(pl.lit("another message within it"))
        )
        frame = frame.with_columns(detail=detail)
        bad, good = frame.filter(pl.col("detail").is_not_null()), frame.filter(pl.col("detail").is_null())
        broken = rejected(bad, reason, "detail")
        others = good.filter(firewall.not_().fill_null(value=True)).select("source_line", "raw", "kind")
        fields = pl.concat([self._records(good.filter(firewall)), others], how="diagonal")
        return Decoded(fields.sort("source_line"), broken)

    def _records(self, lines: pl.DataFrame) -> pl.DataFrame:
        """Connections with our fields; they began their duration before they were logged."""
        asked = list(dict.fromkeys(k for names in _KEYS.values() for k in names))
        found = key_values.values(lines, "text", asked)
        found = found.select(
            "source_line", "raw", "kind", **{ours: pl.coalesce(names) for ours, names in _KEYS.items()}
        )
        local = pl.concat_str("date", pl.lit("T"), "clock")
        ahead = pl.coalesce(
            zone_names.offset_us(pl.col("zone"), self.zone),
            syslog.offset_us(pl.col("zone").str.replace(r"^([+-]\d\d)$", "${1}00")),
        )
        stamp = pl.col("stamp")
        found = found.with_columns(
            logged=pl.coalesce(
                syslog.epoch_of(syslog.wall_of(stamp), syslog.offset_us(stamp), self.zone),
                syslog.zoned_epoch(syslog.wall_of(local), pl.col("zone"), ahead, self.zone),
            ),
            lasted=pl.col("duration").cast(pl.Int64, strict=False).fill_null(0),
        )
        return found.with_columns(
            syslog.as_text(pl.col("logged") - pl.col("lasted") * 1_000_000).alias("ts"),
            syslog.as_text(pl.col("logged")).alias("write_ts"),
            pl.col("event").str.to_lowercase(),
            pl.col("action").str.to_lowercase(),
            pl.col("proto").str.to_lowercase(),
            pl.col("service").str.to_lowercase(),
        ).drop("stamp", "date", "clock", "zone", "logged", "lasted")


def _connection() -> pl.Expr:
    return (pl.col("kind") == _FIREWALL) & pl.col("src").is_not_null() & pl.col("dest").is_not_null()


def _blocked() -> pl.Expr:
    return _connection() & pl.col("action").is_in(_REFUSED).fill_null(value=False)


def _begins() -> pl.Expr:
    return _connection() & ~_blocked() & (pl.col("event") == "start").fill_null(value=False)


def _told() -> pl.Expr:
    return _connection() & ~_blocked() & ~_begins()


SOPHOS = Form(
    name="sophos",
    vendor_product="Sophos Firewall",
    layer="unknown",
    contract=Contract(
        "recv_bytes, bytes_received",
        "sent_bytes, bytes_sent",
        "as the device counts",
        "the log's time - duration",
        '`log_type="Firewall"` lines; `Start` counts nothing, `Interim` is cumulative',
    ),
    marks=re.compile(rb'\blog_type="[^"\n]{1,60}" log_component="'),
    strong=True,
    ends_lines=True,
    decoder=lambda options: SophosDecoder(options.timezone),
    flows=lambda: _told() & has_counters(),
    accounting=lambda: pl.when(pl.col("event") == "interim").then(pl.lit("cumulative")),
    ignored={"blocked": _blocked, "begin": _begins, "no_counters": lambda: _told() & ~has_counters()},
    local_time=True,
)

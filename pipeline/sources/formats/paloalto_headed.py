"""Palo Alto Networks TRAFFIC logs as CEF and LEEF: what their keys are in the terms of the PAN-OS columns.

Sources: Palo Alto Networks' guides for CEF and LEEF, whose formats administrators copy into the device, where `in` is
what the client sent and `out` what it received; and what its logging service forwards, where it is the other way round.
Times are of UTC where they say so; those of the device's own clock are told apart by the time that is given both ways.
"""

from __future__ import annotations

import polars as pl

from pipeline.sources.texts import headed, syslog, zone_names

VENDOR = "Palo Alto Networks"
_KEYS: dict[str, tuple[str, ...]] = {
    "received": ("rt", "ReceiveTime", "TimeReceived"),
    "generated": ("start", "TimeGenerated"),
    "started": ("PanOSSessionStartTime", "StartTime", "SessionStartTime"),
    "duration": ("cn3", "ElapsedTime", "SessionDuration"),
    "serial": ("deviceExternalId", "SerialNumber", "DeviceSN"),
    "session": ("cn1", "SessionID"),
    "device": ("dvchost", "PanOSDeviceName", "DeviceName"),
    "reporter": ("cs3", "VirtualSystem", "VirtualLocation", "VirtualSystemName"),
    "src": ("src", "c6a2"),
    "dest": ("dst", "c6a3"),
    "src_nat": ("sourceTranslatedAddress", "srcPostNAT"),
    "dest_nat": ("destinationTranslatedAddress", "dstPostNAT"),
    "src_port": ("spt", "srcPort"),
    "dest_port": ("dpt", "dstPort"),
    "proto": ("proto",),
    "service": ("app", "Application"),
    "action": ("act", "[aA]ction"),
    "orig_pkts": ("PanOSPacketsSent", "srcPackets"),
    "resp_pkts": ("PanOSPacketsReceived", "dstPackets"),
    "in": ("in",),
    "out": ("out",),
    "sent": ("srcBytes",),
    "got": ("dstBytes",),
    "subtype": ("Sub[tT]ype",),
    "kind": ("Type", "cat"),
    "utc": ("devTime",),
    "zone": ("dtz",),
}
_ONCE = ("src", "dst", "in", "out", "srcBytes", "dstBytes")


def is_headed() -> pl.Expr:
    """Whether lines (`raw`) are such records."""
    return headed.is_headed("raw", VENDOR)


def told_twice() -> pl.Expr:
    """Whether a line gives an end or a byte counter more than once."""
    return pl.any_horizontal(headed.repeated("raw", key) for key in _ONCE)


def traffic() -> pl.Expr:
    """Whether a line is of a TRAFFIC log."""
    return _kind() == "TRAFFIC"


def _kind() -> pl.Expr:
    """The log's type: one of the two names in the header, in either order, or a pair."""
    names = [headed.part("raw", nth) for nth in (3, 4)]
    told = pl.any_horizontal((n == "TRAFFIC").fill_null(value=False) for n in names)
    paired = pl.coalesce(headed.value("raw", key) for key in _KEYS["kind"])
    return pl.when(told).then(pl.lit("TRAFFIC")).otherwise(paired).str.to_uppercase()


def records(lines: pl.DataFrame, zone: str) -> pl.DataFrame:
    """TRAFFIC lines with the fields of PAN-OS columns, and how far the device's clock is ahead of UTC (`offset`)."""
    found = lines.with_columns(
        pl.coalesce(headed.value("raw", key) for key in keys).alias(field) for field, keys in _KEYS.items()
    )
    names = [headed.part("raw", nth) for nth in (3, 4)]
    other = pl.when(names[0] == "TRAFFIC").then(names[1]).when(names[1] == "TRAFFIC").then(names[0])
    by_device = headed.part("raw", 1) == "PAN-OS"
    sent = pl.when(by_device).then("in").otherwise("out")
    got = pl.when(by_device).then("out").otherwise("in")
    known = _offset(zone).is_not_null() | ~zone_names.is_doubtful(_zone(), zone)
    times = {c: pl.when(known).then(headed.dated(pl.col(c))) for c in ("received", "generated", "started")}
    return found.with_columns(
        pl.coalesce("sent", sent).alias("orig_ip_bytes"),
        pl.coalesce("got", got).alias("resp_ip_bytes"),
        pl.coalesce("subtype", other).alias("subtype"),
        pl.coalesce("action", names[0]).alias("action"),  # In LEEF the event's name, where no key tells it.
        _offset(zone).alias("offset"),
        precise=pl.lit(None, pl.String),
        **times,
    ).select("source_line", "raw", "offset", "precise", "orig_ip_bytes", "resp_ip_bytes", *_named())


def _named() -> list[str]:
    """The fields that are columns of PAN-OS, too."""
    return [field for field in _KEYS if field not in ("in", "out", "sent", "got", "kind", "utc", "zone")]


def _zone() -> pl.Expr:
    """What a line calls its zone."""
    return pl.coalesce(headed.zone_of(pl.col("received")), "zone")


def _offset(zone: str) -> pl.Expr:
    """Microseconds that the times are ahead of UTC: by their zone's name, else as two spellings of one tell."""
    apart = _epoch(pl.col("received")) - _epoch(pl.col("utc"))
    quarters = (apart / 900_000_000).round().cast(pl.Int64) * 900_000_000
    told = pl.when(headed.in_utc(pl.col("utc")) & (quarters.abs() <= 14 * 3_600_000_000)).then(quarters)
    return pl.coalesce(zone_names.offset_us(_zone(), zone), told)


def _epoch(text: pl.Expr) -> pl.Expr:
    """Epoch microseconds of a time as if it were of UTC."""
    wall = headed.wall(text).str.replace_all("/", "-", literal=True).str.slice(0, 19)
    return syslog.wall_of(wall.str.replace(" ", "T", literal=True)).dt.epoch("us")

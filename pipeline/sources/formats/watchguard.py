"""WatchGuard Firebox traffic logs of connections that ended, behind any syslog header.

Source: WatchGuard's Fireware log catalog and its page on reading log messages: the ends stand by their place, the first
is who began, and what a connection's end tells (duration and counters) follows as pairs. The time in parentheses is of
UTC; a device that is not told to write it leaves the time to the syslog header. LEEF tells the same by keys, with the
message's number in its header, without the hyphen, and perhaps the device's time as `devTime`. Requests of which
proxies tell have no duration: they repeat counters of connections and are never counted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import polars as pl

from pipeline.sources.base import rejected
from pipeline.sources.declared import Contract, Decoded, Form, Stateless
from pipeline.sources.orienting import has_counters
from pipeline.sources.texts import headed, syslog

_ID = r'msg_id="([0-9A-F]{4}-[0-9A-F]{4})"'
_BEGINS = r'msg_id="|LEEF: ?[\d.]+\|'
_TRAFFIC = "3000"
_ADDRESS = r"(?:\d{1,3}(?:\.\d{1,3}){3}|[\da-fA-F]*:[\da-fA-F:.]+)"
_ENDS = (
    r'msg_id="3000-[0-9A-F]{4}" (?P<action>\w+) [^"=]*? (?P<proto>\S+) '
    rf"(?P<src>{_ADDRESS}) (?P<dest>{_ADDRESS})(?: (?P<src_port>\d+) (?P<dest_port>\d+))?(?: |$)"
)
_HEAD = r"^(.*?)(?:msg_id=|LEEF: ?\d)"
_TIME = r"\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\) "
_LEEF = r"LEEF: ?[\d.]+\|WatchGuard\|(?:[^|]*\|){2}"
_DEVICE_TIME = r"([A-Z][a-z]{2} +\d{1,2} \d{4} [\d:]{8}(?:[.,]\d+)?(?: ?[A-Z]{3,5}\b)?(?: ?[+-]\d{1,2}(?::?\d\d)?)?)"
_LEEF_KEYS = {
    "action": "disp",
    "proto": "proto",
    "src": "src",
    "dest": "dst",
    "src_port": "srcPort",
    "dest_port": "dstPort",
}
"""What LEEF tells by keys of its own."""
_PARTED = f"(?:[ |^]|{syslog.TAB})"
_KEYS = {
    "duration": "duration",
    "orig_ip_bytes": "sent_bytes",
    "resp_ip_bytes": "rcvd_bytes",
    "orig_pkts": "sent_pkts",
    "resp_pkts": "rcvd_pkts",
    "src_nat": "(?:src_ip_nat|srcPostNAT)",
    "dest_nat": "(?:dst_ip_nat|dstPostNAT)",
}
_ONCE = ("sent_bytes", "rcvd_bytes")


@dataclass
class WatchGuardDecoder(Stateless):
    """Messages of which some tell of connections that ended."""

    zone: str
    written_us: int | None

    def decode(self, lines: pl.DataFrame, reason: str) -> Decoded:
        """See Decoder."""
        told = _told(pl.col("raw"))
        frame = lines.with_columns(kind=pl.coalesce(pl.col("raw").str.extract(_ID), _leef_id()))
        frame = frame.with_columns(ended=pl.col("kind").str.starts_with(_TRAFFIC).fill_null(value=False) & told)
        closed = frame.filter("ended")
        found = closed.with_columns(pl.col("raw").str.extract_groups(_ENDS).alias("found")).unnest("found")
        found = found.with_columns(
            pl.coalesce(name, pl.when(_leef_id().is_not_null()).then(_value(key))).alias(name)
            for name, key in _LEEF_KEYS.items()
        )
        twice = pl.any_horizontal(pl.col("raw").str.count_matches(f"{_PARTED}{key}=") > 1 for key in _ONCE)
        fault = (
            pl.when(pl.any_horizontal(pl.col("action", "src", "dest").is_null()))
            .then(pl.lit("no two ends"))
            .when(twice)
            .then(pl.lit("a byte counter that is given twice"))
            .when(pl.col("raw").str.count_matches(_BEGINS) > 1)
            .then(pl.lit("another message within it"))
        )
        found = found.with_columns(fault=fault)
        strange = frame.filter(pl.col("kind").is_null() & ~syslog.is_message())
        bad = pl.concat(
            [
                found.filter(pl.col("fault").is_not_null()).select("source_line", "raw", "fault"),
                strange.select("source_line", "raw", fault=pl.lit("no message of syslog")),
            ]
        ).sort("source_line")
        broken = rejected(bad, reason, "fault")
        records, assumed = self._records(found.filter(pl.col("fault").is_null()).drop("fault"))
        others = frame.filter(~pl.col("ended")).join(bad, on="source_line", how="anti")
        fields = pl.concat([records, others], how="diagonal").sort("source_line")
        return Decoded(fields, broken, warnings={"year_assumed": assumed} if assumed else {})

    def _records(self, found: pl.DataFrame) -> tuple[pl.DataFrame, int]:
        """Connections, which began their duration before they were logged, and how many years were assumed."""
        found = found.with_columns(
            *(_value(key).alias(ours) for ours, key in _KEYS.items()),
            device=pl.col("raw").str.extract(f"{_PARTED}devTime={_DEVICE_TIME}"),
        )
        found = found.with_columns(told=headed.told(pl.col("device")), zone=headed.zone_of(pl.col("device")))
        in_parentheses = syslog.wall_of(pl.col("raw").str.extract(_TIME)).dt.epoch("us")
        by_device = headed.epoch_us("told", "zone", self.zone)
        found = found.with_columns(logged=pl.coalesce(in_parentheses, by_device)).drop("device", "told", "zone")
        assumed, lacking = 0, found["logged"].is_null()
        if lacking.any():
            times = syslog.times(found["raw"].filter(lacking).str.extract(_HEAD), self.zone, self.written_us)
            found = found.with_columns(found["logged"].scatter(lacking.arg_true(), times["time"]))
            assumed = int(times["assumed"].sum())
        lasted = pl.col("duration").cast(pl.Int64, strict=False)
        records = found.with_columns(
            ts=syslog.as_text(pl.col("logged") - lasted.fill_null(0) * 1_000_000),
            write_ts=syslog.as_text(pl.col("logged")),
            proto=pl.col("proto").str.to_lowercase(),
            system=syslog.host(pl.col("raw")),
        )
        return records.drop("logged"), assumed


def _told(raw: pl.Expr) -> pl.Expr:
    """Whether a message tells how long a connection lasted and what it carried."""
    return pl.all_horizontal(raw.str.contains(rf'{_PARTED}{key}="?\d') for key in ("duration", *_ONCE))


def _leef_id() -> pl.Expr:
    return pl.col("raw").str.extract(_LEEF + r"([0-9A-F]{8})\|")


def _value(key: str) -> pl.Expr:
    """What a pair says up to the first blank, in quotes or, in LEEF, without."""
    return pl.col("raw").str.extract(rf'{_PARTED}{key}="?([^"|\t^ #]+)')


def _blocked() -> pl.Expr:
    return pl.col("ended") & (pl.col("action") != "Allow")


WATCHGUARD = Form(
    name="watchguard",
    vendor_product="WatchGuard Firebox",
    layer="unknown",
    contract=Contract(
        "rcvd_bytes",
        "sent_bytes",
        "as the device counts",
        "time - duration",
        "one a connection that ended",
    ),
    marks=re.compile(
        rb'\(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\) [\w.-]+(?:\[\d+\])?: msg_id="'
        rb'|(?:^|[ :"])msg_id="[0-9A-F]{4}-[0-9A-F]{4}" (?:Allow|Deny) '
        rb"|LEEF: ?[\d.]+\|WatchGuard\|",
        re.MULTILINE,
    ),
    strong=True,
    ends_lines=True,
    decoder=lambda options: WatchGuardDecoder(options.timezone, options.written_us),
    flows=lambda: pl.col("ended") & ~_blocked() & has_counters(),
    ignored={"blocked": _blocked},
    local_time=True,
)

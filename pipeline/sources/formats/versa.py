"""Versa appliances' flow logs (VOS, SD-WAN and SASE): lines of pairs parted by commas, behind any syslog header.

Sources: Versa's pages on its flow logs, and messages in public proposals for Elastic's schema. What is sent goes from
the source, who began, to the destination: attempts that nobody answered have nothing received. Flow identifier and
cookie together name a session, which the traffic monitor and the firewall's access log may both tell of; the cookie is
the second in which it began, as the other times count from when the appliance started.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import polars as pl

from pipeline.sources.base import rejected
from pipeline.sources.declared import Contract, Decoded, Form, Stateless
from pipeline.sources.orienting import has_counters
from pipeline.sources.texts import syslog

_KEYS = {
    "src": ("sourceIPv4Address", "sourceIPv6Address"),
    "dest": ("destinationIPv4Address", "destinationIPv6Address"),
    "src_port": ("sourceTransportPort", "sourcePort"),
    "dest_port": ("destinationTransportPort", "destinationPort"),
    "proto": ("protocolIdentifier",),
    "service": ("appIdStr",),
    "orig_ip_bytes": ("sentOctets",),
    "resp_ip_bytes": ("recvdOctets",),
    "orig_pkts": ("sentPackets",),
    "resp_pkts": ("recvdPackets",),
    "system": ("applianceName",),
    "tenant": ("tenantName",),
    "flow": ("flowId",),
    "cookie": ("flowCookie",),
    "first": ("flowStartMilliseconds",),
    "last": ("flowEndMilliseconds",),
    "action": ("action",),
    "event": ("eventType",),
}
_ONCE = ("src", "dest", "orig_ip_bytes", "resp_ip_bytes")
_KINDS = ("flowMonLog", "accessLog")
"""Logs of which each message tells of one session and its bytes."""
_KIND = r"\b([A-Za-z0-9]{2,40}Log), applianceName="
_STAMP = rf"(\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?) {_KIND}"
_REFUSED = ("deny", "drop", "reject", "reset", "block", "drop-packet", "drop-session", "reset-client", "reset-server")


@dataclass
class VersaDecoder(Stateless):
    """Messages of which some tell of sessions."""

    zone: str

    def decode(self, lines: pl.DataFrame, reason: str) -> Decoded:
        """See Decoder."""
        raw = pl.col("raw")
        frame = lines.with_columns(kind=raw.str.extract(_KIND))
        told = pl.col("kind").is_in(_KINDS).fill_null(value=False)
        twice = pl.any_horizontal(raw.str.count_matches(_named(k)) > 1 for ours in _ONCE for k in _KEYS[ours])
        detail = (
            pl.when(pl.col("kind").is_null() & ~syslog.is_message() & ~raw.str.contains(r"\b\w+Log, \w+="))
            .then(pl.lit("no message of a Versa appliance"))
            .when(raw.str.count_matches(r"\bapplianceName=") > 1)
            .then(pl.lit("another message within it"))
            .when(told & twice)
            .then(pl.lit("an end or a byte counter that is given twice"))
            .when(told & raw.str.contains(r"\bsentOctets=") & ~raw.str.contains(r"\bprotocolIdentifier=\d"))
            .then(pl.lit("cut short"))
        )
        frame = frame.with_columns(detail=detail)
        broken = rejected(frame.filter(pl.col("detail").is_not_null()), reason, "detail")
        good = frame.filter(pl.col("detail").is_null()).drop("detail")
        found = good.with_columns(pl.coalesce(_value(k) for k in keys).alias(ours) for ours, keys in _KEYS.items())
        return Decoded(self._timed(found), broken)

    def _timed(self, found: pl.DataFrame) -> pl.DataFrame:
        """Messages with their times: a session began at its cookie's second, else its duration before it was logged."""
        stamp = pl.col("raw").str.extract(_STAMP)
        logged = syslog.epoch_of(syslog.wall_of(stamp), syslog.offset_us(stamp), self.zone)
        cookie = pl.col("cookie").cast(pl.Int64, strict=False)
        first, last = (pl.col(c).cast(pl.Int64, strict=False) for c in ("first", "last"))
        lasted = pl.when(last >= first).then((last - first) * 1_000)
        began = pl.coalesce(pl.when(cookie > 0).then(cookie * 1_000_000), logged - lasted.fill_null(0))
        found = found.with_columns(
            ts=syslog.as_text(began),
            write_ts=syslog.as_text(logged),
            duration=(lasted.cast(pl.Float64) / 1e6).cast(pl.String),
            uid=pl.concat_str("tenant", "flow", "cookie", separator="/"),
            service=pl.col("service").str.to_lowercase(),
            action=pl.col("action").str.to_lowercase(),
            event=pl.col("event").str.to_lowercase(),
        )
        return found.drop("tenant", "flow", "cookie", "first", "last")


def _named(key: str) -> str:
    return rf", ?{key}="


def _value(key: str) -> pl.Expr:
    """The value of a key; null where it has none."""
    return pl.col("raw").str.extract(rf'{_named(key)}"?([^,"]*[^,"\s])')


def _session() -> pl.Expr:
    return pl.col("kind").is_in(_KINDS).fill_null(value=False) & pl.col("src").is_not_null()


def _blocked() -> pl.Expr:
    return _session() & pl.col("action").is_in(_REFUSED).fill_null(value=False)


def _begins() -> pl.Expr:
    return _session() & ~_blocked() & (pl.col("event") == "start").fill_null(value=False)


def _told() -> pl.Expr:
    return _session() & ~_blocked() & ~_begins()


VERSA = Form(
    name="versa",
    vendor_product="Versa VOS",
    layer="unknown",
    contract=Contract(
        "recvdOctets",
        "sentOctets",
        "as the device counts",
        "flowCookie",
        "`flowMonLog` and `accessLog`: of one session (`flowId` and `flowCookie`) the last counts",
    ),
    marks=re.compile(rb"\b(?:flowMonLog|accessLog|flowIdLog), applianceName="),
    strong=True,
    ends_lines=True,
    decoder=lambda options: VersaDecoder(options.timezone),
    flows=lambda: _told() & has_counters(),
    accounting=lambda: pl.lit("cumulative"),
    ignored={"blocked": _blocked, "begin": _begins, "no_counters": lambda: _told() & ~has_counters()},
    local_time=True,
)

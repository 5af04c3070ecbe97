"""Network events of Google Security Operations (Chronicle) in its Unified Data Model, as JSON and as CSV.

Source: Google's list of UDM fields: the principal acts, and sent and received bytes are those of the event's network,
of which the principal sent the first and received the second. Parsers fill both in from what a product says, so that a
product's own faults stay. An event is told when it happened, which for firewalls is when a session ended. Flow logs
tell one direction each, of which parsers fill one field, or both alike (AWS' until May 2026); a Cisco ASA's total of
both directions is in one of them, too (received since September 2022, sent before).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import polars as pl

from pipeline.sources import instants, json_lines
from pipeline.sources import zeek_columns as conn
from pipeline.sources.declared import Contract, Decoded, Form, Wrapped
from pipeline.sources.delimited import Layout, delimited
from pipeline.sources.orienting import has_counters
from pipeline.sources.records import JsonDecoder
from pipeline.sources.spellings import ABSENT, plain_times, seconds
from pipeline.sources.texts import syslog


def _udm(*names: str) -> tuple[str, ...]:
    """A field as an event has it, as those of searches lie in `udm` or `event`, and as JSON of protobuf spells it."""
    both = [n for name in names for n in dict.fromkeys((name, re.sub(r"_([a-z])", lambda m: m[1].upper(), name)))]
    return tuple(f"{outer}{name}" for name in both for outer in ("", "udm.", "event."))


_FIELDS: json_lines.Fields = {
    "ts": _udm("metadata.event_timestamp"),
    "write_ts": _udm("metadata.collected_timestamp"),
    "kind": _udm("metadata.event_type"),
    "log_type": _udm("metadata.log_type", "metadata.base_labels.log_types[]"),
    "product": _udm("metadata.product_name"),
    "vendor": _udm("metadata.vendor_name"),
    "record_id": _udm("metadata.id"),
    "src": _udm("principal.ip[]", "principal.asset.ip[]"),
    "src_port": _udm("principal.port"),
    "dest": _udm("target.ip[]", "target.asset.ip[]"),
    "dest_port": _udm("target.port"),
    "src_nat": _udm("principal.nat_ip[]"),
    "dest_nat": _udm("target.nat_ip[]"),
    "proto": _udm("network.ip_protocol"),
    "service": _udm("network.application_protocol"),
    "orig_ip_bytes": _udm("network.sent_bytes"),
    "resp_ip_bytes": _udm("network.received_bytes"),
    "total": _udm("network.total_bytes"),
    "orig_pkts": _udm("network.sent_packets"),
    "resp_pkts": _udm("network.received_packets"),
    "duration": _udm("network.session_duration"),
    "uid": _udm("network.session_id"),
    "system": _udm("observer.hostname", "observer.ip[]"),
    "verdict": _udm("security_result.action[]"),
}
_CONNECTION = r"(?i)^(?:NETWORK_(?:CONNECTION|FLOW|UNCATEGORIZED)|1600[012](?:\.0)?)$"
"""Types of events that tell of connections, by name or by number; others tell of requests within them, or of none."""
_ONE_WAY = r"(?i)(?:vpc|nsg|vnet|vcn)[ _-]?flow|net[ _-]?flow|ip[ _-]?fix|\b(?:s|j)[_-]?flow\b"
"""Products whose records tell one direction each."""
_FROM_START = r"(?i)(?:^|[ _])(?:bro(?:[ _]|$)|zeek|corelight)|check[ _]?point|(?:vpc|nsg|vnet|vcn)[ _-]?flow"
"""Products whose own time is the start of what they tell of."""
_SO_FAR = r"(?i)^pan_|palo alto|forti|check[ _]?point|firepower|\bftd\b"
"""Products that tell of a session while it goes on, too, each time with its bytes so far."""
_TOTAL = r"(?i)(?:^|[ _])asa(?:[ _]|$)"
"""The product whose only count is that of both directions."""
_BLOCKED = r'"action"\s*:\s*\[?\s*"BLOCK"'
_PARTS = r'"seconds"\s*:\s*"?(\d+)"?(?:\s*,\s*"nanos"\s*:\s*(\d+))?'
"""A time or duration as protobuf's own object."""
_ONE = r'^\[\s*"([^"]+)"'
"""The first of several addresses, which a host may have of either family."""


@dataclass
class UdmDecoder(Wrapped):
    """Events with their start, and what each tells of its product."""

    zone: str

    def decode(self, lines: pl.DataFrame, reason: str) -> Decoded:
        """See Decoder."""
        found = self.inner.decode(lines, reason)
        fields = conn.unset_to_null(found.fields, ABSENT)
        source = pl.concat_str("log_type", "vendor", "product", separator=" ", ignore_nulls=True)
        fields = fields.with_columns(
            *(pl.coalesce(_plain(c), plain_times(pl.col(c))).alias(c) for c in ("ts", "write_ts")),
            *(pl.coalesce(pl.col(c).str.extract(_ONE), c).alias(c) for c in ("src_nat", "dest_nat")),
            duration=pl.coalesce(_plain("duration"), "duration"),
            source=source,
        )
        return replace(found, fields=self._told(fields))

    def _told(self, fields: pl.DataFrame) -> pl.DataFrame:
        lasted = seconds(pl.col("duration").str.strip_chars())
        told = instants.epoch_us("ts", self.zone)
        late = ~pl.col("source").str.contains(_FROM_START).fill_null(value=False) & (lasted > 0)
        began = pl.when(late).then(told - (lasted * 1e6).cast(pl.Int64, strict=False)).otherwise(told)
        counters = ("orig_ip_bytes", "resp_ip_bytes")
        both = (pl.col(counters[0]) != pl.col(counters[1])).fill_null(value=False)
        flow_log, summed = (pl.col("source").str.contains(p).fill_null(value=False) for p in (_ONE_WAY, _TOTAL))
        one_way, only = flow_log & ~both, summed & ~both
        return fields.with_columns(
            ts=pl.coalesce(syslog.as_text(began), "ts"),
            write_ts=pl.coalesce(syslog.as_text(instants.epoch_us("write_ts", self.zone)), syslog.as_text(told)),
            duration=pl.coalesce(lasted.cast(pl.String), "duration"),
            sent=pl.when(one_way).then(pl.coalesce(counters)),
            total=pl.when(only).then(pl.coalesce(counters)).otherwise("total"),
            flow_log=flow_log,
            **{c: pl.when(~one_way & ~only).then(c) for c in counters},
            orig_pkts=pl.when(one_way).then(pl.coalesce("orig_pkts", "resp_pkts")).otherwise("orig_pkts"),
            so_far=pl.col("source").str.contains(_SO_FAR),
            refused=pl.col("raw").str.contains(_BLOCKED) | pl.col("verdict").str.contains("BLOCK"),
        )


def _plain(column: str) -> pl.Expr:
    """Seconds of protobuf's own object; null for all else."""
    whole, nanos = (pl.col(column).str.extract(_PARTS, n) for n in (1, 2))
    return pl.concat_str(whole, pl.lit("."), nanos.str.zfill(9).fill_null("0"))


def _connection() -> pl.Expr:
    return pl.col("kind").cast(pl.String).str.contains(_CONNECTION).fill_null(value=False)


def _blocked() -> pl.Expr:
    return _connection() & pl.col("refused").fill_null(value=False)


def _ends() -> pl.Expr:
    return pl.col("src").is_not_null() & pl.col("dest").is_not_null()


def _total_alone() -> pl.Expr:
    return pl.col("total").is_not_null() & ~has_counters() & pl.col("sent").is_null()


def _counts() -> pl.Expr:
    return has_counters() | pl.col("sent").is_not_null() | _total_alone()


def _told() -> pl.Expr:
    return _connection() & ~_blocked()


_JSON = Form(
    name="udm",
    vendor_product="Google SecOps UDM",
    layer="unknown",
    contract=Contract(
        "network.received_bytes",
        "network.sent_bytes",
        "as the product counts",
        "event_timestamp - session_duration",
        "one a connection, of the principal; flow logs tell one direction each; firewalls' records are cumulative",
    ),
    marks=re.compile(
        rb'"(?:event_type|eventType)"\s*:\s*"?(?:NETWORK_[A-Z]+|1600[0-9])\b'
        rb'|"(?:metadata)"\s*:\s*\{[^{}]*"(?:event_type|eventType)"\s*:\s*"[A-Z]+_[A-Z_]+"'
    ),
    strong=True,
    decoder=lambda options: UdmDecoder(JsonDecoder(_FIELDS, list), options.timezone),
    json=True,
    flows=lambda: _told() & _ends() & _counts(),
    accounting=lambda: (
        pl.when(pl.col("flow_log")).then(pl.lit("delta")).when(pl.col("so_far")).then(pl.lit("cumulative"))
    ),
    ignored={
        "blocked": _blocked,
        "direction_unknown": lambda: _told() & _ends() & _total_alone(),
        "no_counters": lambda: _told() & _ends() & ~_counts(),
        "no_ends": lambda: _told() & ~_ends() & _counts(),
    },
    local_time=True,
)
_LAYOUT = Layout(
    aliases={ours: [s.lower().removesuffix("[]") for s in spelled] for ours, spelled in _FIELDS.items()},
    header=re.compile(r"(?i)\bmetadata\.event_?timestamp\b"),
    unset=ABSENT,
)
_CSV = replace(
    _JSON,
    name="udm_csv",
    family="udm",
    contract=replace(_JSON.contract, records="as JSON; the first line names the columns"),
    marks=re.compile(rb"(?i)\A(?=[^\n]*\bmetadata\.event_?timestamp\b)[^\n]*\bnetwork\.(?:sent|received)_?bytes\b"),
    decoder=lambda options: UdmDecoder(delimited(_LAYOUT)(options), options.timezone),
    json=False,
    blanks=True,
)
UDM = (_JSON, _CSV)

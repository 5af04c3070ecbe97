"""Flows of IBM QRadar, as its API answers AQL queries over flows and as its console exports them.

Sources: IBM's pages on the fields of flows in AQL and on how flows are reported: of a session one record a minute, each
with the packets since the last one and all with the time of the session's first packet. QRadar names the end that it
takes for the client the source; what it could not see the beginning of the ports decide. Superflows sum up many, and
overflow records, between two addresses of the collector's own, what it had no room for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import polars as pl

from pipeline.sources import instants, json_lines
from pipeline.sources.declared import Contract, Decoded, Form, Wrapped
from pipeline.sources.delimited import Layout, delimited
from pipeline.sources.orienting import has_counters, told_by_ports
from pipeline.sources.records import JsonDecoder
from pipeline.sources.spellings import ABSENT, plain_times
from pipeline.sources.starts import MINUTE_US
from pipeline.sources.texts import syslog


def _both(*names: str) -> tuple[str, ...]:
    """A property in words as AQL, the older interface and the console's columns spell it."""
    spelled = [n.split() for n in names]
    return tuple(
        s
        for words in spelled
        for s in (
            "".join(words).lower(),
            words[0].lower() + "".join(w.capitalize() if w != "IP" else "IP" for w in words[1:]),
            words[0].lower() + "".join(w.capitalize() for w in words[1:]),
            " ".join(w if w == "IP" else w.capitalize() for w in words),
        )
    )


_FIELDS: json_lines.Fields = {
    "ts": _both("first packet time", "start time"),
    "end": _both("last packet time", "end time", "storage time"),
    "write_ts": _both("storage time", "end time"),
    "src": _both("source IP"),
    "src_port": _both("source port"),
    "dest": _both("destination IP"),
    "dest_port": _both("destination port"),
    "proto": (*_both("protocol id"), "protocolname_protocolid", "protocolname", "protocol", "Protocol"),
    "service": (*_both("application name"), "applicationname_applicationid", "Application"),
    "orig_ip_bytes": _both("source bytes"),
    "resp_ip_bytes": _both("destination bytes"),
    "orig_pkts": _both("source packets"),
    "resp_pkts": _both("destination packets"),
    "system": _both("flow interface", "interface name", "flow source"),
    "kind": _both("flow type"),
}
_SUPERFLOW = r"(?i)super|^[123](?:\.0)?$"
"""What a flow's type says of one that sums up many, in words or by its number."""
_OVERFLOW = ("127.0.0.4", "127.0.0.5")
"""The ends of records of what was beyond the collector's capacity."""
_CAPTURED = r"\s*\([A-Z]\)$"
"""What the console writes behind a count of bytes of which it kept some."""


@dataclass
class QradarDecoder(Wrapped):
    """Flows with the minute that each tells of."""

    zone: str

    def decode(self, lines: pl.DataFrame, reason: str) -> Decoded:
        """See Decoder."""
        found = self.inner.decode(lines, reason)
        return replace(found, fields=self._minutes(found.fields))

    def _minutes(self, fields: pl.DataFrame) -> pl.DataFrame:
        """A record ends with its last packet, and its session's first one may be of long ago."""
        fields = fields.with_columns(plain_times(pl.col(c)) for c in ("ts", "end", "write_ts"))
        first, last = instants.epoch_us("ts", self.zone), instants.epoch_us("end", self.zone)
        own = pl.when((last - MINUTE_US > first).fill_null(value=False)).then(last - MINUTE_US).otherwise(first)
        odd = pl.when(first.is_null()).then("ts")
        return fields.with_columns(
            ts=pl.coalesce(syslog.as_text(own), odd, syslog.as_text(last - MINUTE_US)),
            end=syslog.as_text(last),
            write_ts=syslog.as_text(instants.epoch_us("write_ts", self.zone)),
            proto=pl.col("proto").str.to_lowercase().str.replace(r"_ip$", ""),
            initiator=told_by_ports(),
            **{c: pl.col(c).str.replace(_CAPTURED, "") for c in ("orig_ip_bytes", "resp_ip_bytes")},
        )


def _several() -> pl.Expr:
    return pl.col("kind").str.contains(_SUPERFLOW).fill_null(value=False)


def _overflow() -> pl.Expr:
    return ((pl.col("src") == _OVERFLOW[0]) & (pl.col("dest") == _OVERFLOW[1])).fill_null(value=False)


def _told() -> pl.Expr:
    return pl.col("src").is_not_null() & pl.col("dest").is_not_null() & ~_several() & ~_overflow()


_JSON = Form(
    name="qradar",
    vendor_product="IBM QRadar",
    layer="unknown",
    contract=Contract(
        "destinationbytes",
        "sourcebytes",
        "as the flow source counts",
        "firstpackettime, of later records their own minute",
        "one a session and minute; deltas",
    ),
    marks=re.compile(
        rb'(?i)\A(?=[\s\S]*?"source ?bytes"\s*:)(?=[\s\S]*?"destination ?bytes"\s*:)'
        rb'[\s\S]*?"(?:first|last) ?packet ?time"\s*:'
    ),
    strong=True,
    decoder=lambda options: QradarDecoder(JsonDecoder(_FIELDS, list), options.timezone),
    json=True,
    flows=lambda: _told() & has_counters(),
    accounting=lambda: pl.lit("delta"),
    ignored={"aggregated": _several, "lost_data": _overflow, "no_counters": lambda: _told() & ~has_counters()},
    local_time=True,
)
_LAYOUT = Layout(
    aliases={ours: [s.lower() for s in spelled] for ours, spelled in _FIELDS.items()},
    header=re.compile(r"(?i)\bdestination ?bytes\b"),
    unset=ABSENT,
)
_CSV = replace(
    _JSON,
    name="qradar_csv",
    family="qradar",
    contract=replace(_JSON.contract, records="as JSON; the first line names the columns"),
    marks=re.compile(
        rb"(?i)\A(?=[^\n]*\bsource ?bytes\b)(?=[^\n]*\bdestination ?bytes\b)[^\n]*\b(?:first|last) ?packet ?time\b"
    ),
    decoder=lambda options: QradarDecoder(delimited(_LAYOUT)(options), options.timezone),
    json=False,
    blanks=True,
)
QRADAR = (_JSON, _CSV)

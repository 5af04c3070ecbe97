"""VPC flow logs of Google Cloud, as Cloud Logging exports them: entries to files, BigQuery rows, Pub/Sub messages.

A message that was pulled from Pub/Sub holds its entry as Base64, which is unfolded here.

Sources: Google's page on the records of VPC Flow Logs; the LogEntry type. A record tells one direction of one interval,
and both ends report the traffic between machines of a network.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from pipeline.sources.declared import Contract, Decoded, Form, Wrapped
from pipeline.sources.delimited import Layout, delimited
from pipeline.sources.records import JsonDecoder
from pipeline.sources.spellings import ABSENT

_OTEL = {
    **{"connection.src_ip": "source.address", "connection.src_port": "source.port"},
    **{"connection.dest_ip": "destination.address", "connection.dest_port": "destination.port"},
    **{"connection.protocol": "network.transport", "src_instance.vm_name": "gcp.vpc.flow.source.instance.vm.name"},
    **{"dest_instance.vm_name": "gcp.vpc.flow.destination.instance.vm.name"},
    **{name: f"gcp.vpc.flow.{name}" for name in ("start_time", "end_time", "bytes_sent", "packets_sent", "reporter")},
}
"""Attributes that OpenTelemetry's collector makes of an entry."""


def _entry(*names: str) -> tuple[str, ...]:
    """A field of an entry, also where Wazuh's integration keeps it."""
    return (*names, *(f"{at}.{name}" for at in ("gcp", "data.gcp") for name in names))


def _payload(*names: str) -> tuple[str, ...]:
    told = _entry(*(f"jsonPayload.{name}" for name in names))
    return (*told, *(_OTEL[name] for name in names if name in _OTEL))


_FIELDS = {
    "ts": _payload("start_time"),
    "end": _payload("end_time"),
    "write_ts": _entry("timestamp", "receiveTimestamp"),
    "record_id": (*_entry("insertId"), "log.record.uid"),
    "src": _payload("connection.src_ip"),
    "src_port": _payload("connection.src_port"),
    "dest": _payload("connection.dest_ip"),
    "dest_port": _payload("connection.dest_port"),
    "proto": _payload("connection.protocol"),
    "sent": _payload("bytes_sent"),
    "orig_pkts": _payload("packets_sent"),
    "reporter": _payload("reporter"),
    "disposition": _payload("disposition"),
    "src_name": _payload("src_instance.vm_name", "src_gateway.name"),
    "dest_name": _payload("dest_instance.vm_name", "dest_gateway.name"),
    "project": _entry("resource.labels.project_id", "resource.labels.resource_container"),
    "encoded": ("message.data",),
}


def _derived() -> Sequence[pl.Expr]:
    """The end that reports, by its own name; gateways stand at an end of theirs. BigQuery writes UTC after a blank."""
    by_src = pl.col("reporter").str.contains("^(?i)SRC")
    by_dest = pl.col("reporter").str.contains("^(?i)DEST")
    start, end, logged = (pl.col(c).str.replace(r" UTC$", "Z") for c in ("ts", "end", "write_ts"))
    times = [pl.coalesce(start, end).alias("ts"), end, logged]
    named = pl.when(by_src).then("src_name").when(by_dest).then("dest_name")
    return [
        pl.when(by_src).then(pl.lit("src")).when(by_dest).then(pl.lit("dest")).alias("reporter"),
        pl.coalesce(named, "project").alias("system"),
        *times,
    ]


def _dropped() -> pl.Expr:
    """Whether a record tells of packets that were dropped, which a log has where that is asked for."""
    return pl.col("disposition").str.to_uppercase().is_in(["DROPPED", "DENIED"]).fill_null(value=False)


_ENCODED = r'"data"\s*:\s*"[A-Za-z0-9+/]'
_BASE64 = "anNvblBheWxvYW|pzb25QYXlsb2Fk|qc29uUGF5bG9hZ"
"""`jsonPayload` in Base64, whatever stands before it."""


class GcpDecoder(JsonDecoder):
    """Entries, some perhaps inside messages."""

    def decode(self, lines: pl.DataFrame, reason: str) -> Decoded:
        """See Decoder."""
        encoded = lines["raw"].str.contains(_ENCODED)
        if not encoded.any():
            return super().decode(lines, reason)
        raw = pl.col("raw")
        data = pl.coalesce(raw.str.json_path_match("$.message.data"), raw.str.json_path_match("$.data"))
        entry = data.str.decode("base64", strict=False).map_batches(_as_text, pl.String)
        entry = entry.str.strip_chars()
        opened = pl.when(entry.str.starts_with("{")).then(entry.str.replace_all(r"\s*\n\s*", " "))
        some = lines.filter(encoded).select(pl.coalesce(opened, raw)).to_series()
        return super().decode(lines.with_columns(raw=lines["raw"].scatter(encoded.arg_true(), some)), reason)


def _as_text(data: pl.Series) -> pl.Series:
    """Bytes as text."""
    return pl.Series([None if d is None else d.decode("utf-8", errors="replace") for d in data], dtype=pl.String)


GCP = Form(
    name="gcp",
    vendor_product="Google Cloud VPC Flow Logs",
    layer="payload",
    contract=Contract(
        "bytes_sent of records from the server",
        "bytes_sent of records from the client",
        "payload",
        "start_time",
        "one a direction, interval and reporter (`SRC`, `DEST`); deltas",
    ),
    marks=re.compile(
        rb'"jsonPayload"\s*:[\s\S]{0,4000}?"(?:bytes_sent"\s*:|connection"\s*:\s*\{[^{}]*"(?:src|dest|nat)_ip"\s*:)|'
        rb'"jsonPayload\.connection\.(?:src|dest|nat)_ip|'
        rb'"gcp\.vpc\.flow\.bytes_sent"|"data"\s*:\s*"[A-Za-z0-9+/]*(?:' + _BASE64.encode() + rb")"
    ),
    strong=True,
    decoder=lambda _: GcpDecoder(
        _FIELDS,
        _derived,
        inside=("$.data",),
    ),
    json=True,
    flows=lambda: pl.col("src").is_not_null() & pl.col("sent").is_not_null() & ~_dropped(),
    accounting=lambda: pl.lit("delta"),
    ignored={
        "blocked": lambda: pl.col("src").is_not_null() & _dropped(),
        "encoded": lambda: pl.col("encoded").is_not_null(),
        "no_counters": lambda: pl.col("src").is_not_null() & pl.col("sent").is_null() & ~_dropped(),
    },
    idle=frozenset(("end", "write_ts", "record_id", "proto", "src_name", "dest_name", "project")),
    note="The log is sampled, and its counters are estimates from the sample. Entries in the Base64 text of a Pub/Sub "
    "message are unfolded; what cannot be is counted as `encoded`. Entries of firewall rules or address translation "
    "tell no bytes (`no_counters`).",
)
_TABLE_FIELDS = {ours: (*names, *(n.replace(".", "_") for n in names)) for ours, names in _FIELDS.items()}


def _derive(fields: pl.DataFrame) -> pl.DataFrame:
    typed = {c: fields[c] for c in ("ts", "end", "write_ts") if fields.schema[c] != pl.String}
    text = fields.with_columns(pl.lit(None, pl.String).alias(c) for c in typed)
    return text.with_columns(_derived()).with_columns(*typed.values())


GCP_COLUMNS = replace(GCP, columns=_TABLE_FIELDS, derive=_derive, idle=None, json=False)
"""Entries as columns of any type, as BigQuery exports them."""
_LAYOUT = Layout(
    aliases={ours: [n.lower() for n in names] for ours, names in _TABLE_FIELDS.items()},
    header=re.compile(r"(?i)jsonpayload[._]connection[._]src_ip"),
    unset=ABSENT,
)


@dataclass
class TableDecoder(Wrapped):
    """Entries whose fields are cells."""

    def decode(self, lines: pl.DataFrame, reason: str) -> Decoded:
        """See Decoder."""
        found = self.inner.decode(lines, reason)
        return replace(found, fields=found.fields.with_columns(_derived()))


GCP_CSV = replace(
    GCP,
    name="gcp_csv",
    family="gcp",
    contract=replace(GCP.contract, records="as JSON; the first line names the columns"),
    marks=re.compile(rb"(?i)\A(?=[^\n]*jsonpayload[._]bytes_sent)[^\n]*jsonpayload[._]connection[._]src_ip"),
    decoder=lambda options: TableDecoder(delimited(_LAYOUT)(options)),
    json=False,
    blanks=True,
    idle=None,
)

"""Reader of Zeek's JSON conn records: one object a line, or one array for the whole file.

Streams that mix log types are split by `_path`; a line that is not one JSON object is set aside alone. How JSON becomes
text is in `json_lines`; values and addresses are judged in `zeek_columns`.
"""

from __future__ import annotations

import re
from dataclasses import replace

import polars as pl

from pipeline.sources import columns, json_lines, strays, zeek_paths
from pipeline.sources import zeek_columns as zeek
from pipeline.sources.base import Account, Parsed, ReadOptions, merge
from pipeline.sources.declared import Contract, Form
from pipeline.sources.glances.json_parts import JsonParts
from pipeline.sources.glances.sight import Cut
from pipeline.sources.records import JsonReader, RecordReader, json_decoder

_OWN = r'"(?:ts|uid|id[._]orig_h)"'
"""What stands beside the wrapper's name only where it is none."""
_PREVIEW = r'^\{\s*"preview"\s*:\s*true\b'
"""Splunk's results so far, which come again."""
_INSIDE = ("$.result._raw", "$.result", "$.zeek.conn", "$.event", "$._source", "$.conn")
"""Where Splunk's exports, Elastic's shippers (which have an `event` of their own beside it), Splunk's collectors,
Elasticsearch's exports and Zeek's writer to Kafka (with `tag_json`) put a record."""
_HOSTS = ("$.host", "$.result.host")
"""Where those of Splunk name the sensor, beside the record."""
_NOT_PLAIN = ("preview", "result", "event", "_source", "zeek", "conn")
_IDLE = frozenset(("uid", "proto", "service", "conn_state", "write_ts", "system", "vlan"))
"""Fields that decide nothing about a flow of nobody watched."""


def _unfolded(lines: pl.DataFrame) -> pl.DataFrame:
    """Records without what others put around them, of which `beside` keeps the sensor's name."""
    inside = json_lines.unfolded(lines, _INSIDE, _OWN)
    if inside is lines:
        return lines.with_columns(beside=pl.lit(None, pl.String))
    hosts = [pl.col("raw").str.json_path_match(path) for path in _HOSTS]
    beside = pl.when(lines["raw"] != inside["raw"]).then(pl.coalesce(hosts))
    return inside.with_columns(lines.select(beside=beside))


def _timed(fields: pl.DataFrame) -> pl.DataFrame:
    """Records whose `ts` a shipper made its own time of, and took away, with that time."""
    if not fields["ts"].null_count() or not fields["raw"].str.contains('"@timestamp"', literal=True).any():
        return fields
    shipped = pl.col("raw").str.json_path_match("$['@timestamp']")
    return fields.with_columns(ts=pl.coalesce(pl.col("ts").cast(pl.String), shipped))


class ZeekRecords(RecordReader):
    """Conn records in columns: both byte layers and the state are Zeek's own."""

    def _raw(self, kept: pl.DataFrame, extras: pl.DataFrame) -> pl.DataFrame:
        return zeek.to_raw(kept, self._options, interim=False)


ZEEK_COLUMNS = Form(
    name="zeek",
    vendor_product=zeek.VENDOR_PRODUCT,
    layer="ip",
    contract=Contract("resp_ip_bytes", "orig_ip_bytes", "IP", "ts", "one a row"),
    marks=re.compile(rb"(?!)"),
    decoder=json_decoder(zeek.ALIASES),
    columns=zeek.ALIASES,
    flows=zeek_paths.is_conn_expr,
    ignored={"aggregated": lambda: pl.col("path") == zeek_paths.SUMS_PATH},
)
"""Conn records as columns of any type."""


class ZeekJsonReader(JsonReader):
    """Reads the blocks of one file of Zeek JSON."""

    format = "zeek"

    def __init__(self, options: ReadOptions) -> None:
        super().__init__(options)
        self._records = ZeekRecords(replace(ZEEK_COLUMNS, json=True), options)

    def _cut(self) -> Cut:
        return Cut(JsonParts(zeek.ALIASES, _NOT_PLAIN), _IDLE)

    def _read(self, lines: pl.DataFrame, account: Account, reason: str) -> Parsed:
        if lines.is_empty():
            return merge([Parsed(account=account)])
        repeated = lines["raw"].str.contains(_PREVIEW)
        lines = _unfolded(lines.filter(~repeated))
        fields, broken = json_lines.decode(lines, zeek.ALIASES, reason, numbers=True)
        fields = _timed(fields.with_columns(system=pl.coalesce("system", "beside")).drop("beside"))
        account.ignored = int(repeated.sum())
        typed = columns.typed_text(fields, "UTC")
        parsed = self._records.judged(typed, lambda rows: json_lines.as_texts(fields.filter(rows)), broken, account)
        parsed.strays = strays.together(parsed.strays, strays.among_broken(lines, broken, json=True))
        return parsed

"""Zeek's conn records where they are no conn.log of Zeek's own: an exported table, or lines that left their header.

A table is known by its header, with or without Zeek's comments around it, whatever parts its cells. By syslog and by
shippers of lines a record comes without its header, so that only the order of a stock conn.log can be meant
(base/protocols/conn/main.zeek); other logs and messages on the same wire are ignored. Values are judged as those of a
conn.log. Vectra's sessions have Zeek's names, but `ts` is when one ended, as Microsoft's ASIM parser of them has it.
"""

from __future__ import annotations

import re
from dataclasses import replace

import polars as pl

from pipeline.sources import zeek_columns as zeek
from pipeline.sources.base import LINES, REJECTS, rejected
from pipeline.sources.declared import Contract, Decoded, Form, Stateless
from pipeline.sources.delimited import DelimitedDecoder, Layout, delimited
from pipeline.sources.formats.zeek_json import ZEEK_COLUMNS
from pipeline.sources.records import json_decoder
from pipeline.sources.spellings import ABSENT
from pipeline.sources.texts import syslog

_DELIMITERS = r",;|\t"
_SPLUNK = {"ts": ("_time",), "src_port": ("src_port",), "dest_port": ("dest_port",)}
"""Columns that a search's table has in the place of Zeek's own."""
_LAYOUT = Layout(
    aliases={name: (*spelled, *_SPLUNK.get(name, ())) for name, spelled in zeek.ALIASES.items()},
    header=re.compile(rf'(?i)(?:^|[{_DELIMITERS}])\s*"?id[._]orig_h"?\s*(?:[{_DELIMITERS}]|$)'),
    clean=lambda raw: raw.str.replace(rf"^#\s*(?:fields[{_DELIMITERS}]\s*)?", ""),
    unset=ABSENT,
)


class TableDecoder(DelimitedDecoder):
    """Cells under a header; Zeek's other comments may stand around it."""

    def decode(self, lines: pl.DataFrame, reason: str) -> Decoded:
        """See Decoder."""
        comment = pl.col("raw").str.starts_with("#") & ~pl.col("raw").str.contains(_LAYOUT.header.pattern)
        kept = lines.filter(~comment)
        if kept.height == lines.height:
            return super().decode(lines, reason)
        if kept.is_empty() and not self.held:
            nothing = pl.DataFrame(schema=LINES)
            blank = nothing.with_columns(pl.lit(None, pl.String).alias(c) for c in zeek.ALIASES)
            return Decoded(blank, pl.DataFrame(schema=REJECTS), comments=lines.height)
        found = super().decode(kept, reason)
        found.comments += lines.height - kept.height
        return found


_STATES = "S0|S1|S2|S3|SF|REJ|RSTO|RSTR|RSTOS0|RSTRH|SH|SHR|OTH|-"
_BEGINS = (
    r"(?:^|[^\d.])(\d{9,10}\.\d{1,9})\t([^\t]+)\t([\da-fA-F:.]+)\t(\d+)\t([\da-fA-F:.]+)\t(\d+)\t([a-z_0-9]+)\t([^\t]*)"
    rf"\t([\d.]+|-)\t([^\t]*)\t([^\t]*)\t({_STATES})(?:\t[TF-]){{0,2}}\t"
)
"""A conn record up to its flags of local ends, of which older releases wrote one."""
_RECORD = _BEGINS + r"(\d+|-)\t[^\t]*\t([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)(?:\t|$)"
_CONN = rf"\t(?:{_STATES.removesuffix('|-')})\t(?:[TF-]\t){{0,2}}\d+\t[a-zA-Z^-]*\t"
"""What of a conn record no other log has: its state, the bytes missed and the history."""
_OTHER = r"(?:^|[^\d.])\d{9,10}\.\d{1,9}\t"
"""How records of all logs begin."""
_NAMES = ("ts", "uid", "src", "src_port", "dest", "dest_port", "proto", "service", "duration", "orig_bytes",
          "resp_bytes", "conn_state", "missed_bytes", "orig_pkts", "orig_ip_bytes", "resp_pkts",
          "resp_ip_bytes")  # fmt: skip


class LineDecoder(Stateless):
    """Lines of which some are conn records, as they are or as messages."""

    def decode(self, lines: pl.DataFrame, reason: str) -> Decoded:
        """See Decoder."""
        comments = lines["raw"].str.starts_with("#")
        lines = lines.filter(~comments)
        text = syslog.with_tabs(pl.col("raw")).str.replace_all(r"\t", "\t", literal=True)  # As other relays do.
        found = lines.with_columns(text=text, system=syslog.host(pl.col("raw")))
        found = found.with_columns(pl.col("text").str.extract_groups(_RECORD).struct.rename_fields(_NAMES).alias("r"))
        found = found.unnest("r").with_columns(
            detail=pl.when(pl.col("ts").is_not_null())
            .then(None)
            .when(pl.col("text").str.contains(_BEGINS))
            .then(pl.lit("a conn record without its counters"))
            .when(pl.col("text").str.contains(_CONN))
            .then(pl.lit("a conn record whose fields are not those of a stock conn.log"))
            .when(~syslog.is_message() & ~pl.col("text").str.contains(_OTHER))
            .then(pl.lit("neither a record of Zeek's nor a message of syslog"))
        )
        bad = found.filter(pl.col("detail").is_not_null())
        broken = rejected(bad, reason, "detail")
        fields = found.filter(pl.col("detail").is_null()).drop("text", "detail")
        return Decoded(fields, broken, comments=int(comments.sum()))


_CSV = replace(
    ZEEK_COLUMNS,
    name="zeek_csv",
    family="zeek",
    contract=Contract("resp_ip_bytes", "orig_ip_bytes", "IP", "ts", "one a row; the first line names the columns"),
    marks=re.compile(
        (
            r"(?i)\A(?!#|[^\n]*\b(?:session_start_time|metadata_type)\b)"  # Vectra's `ts` is a session's end.
            rf'[^\n]*?(?:^|[{_DELIMITERS}]) *"?id[._]orig_h"? *(?:[{_DELIMITERS}]|\r?\n|\Z)'
            r"|\A(?!#separator[ \t]+(?:\\x(?:2c|3b|7c)|[,;|])[ \r\n])(?:#[^\n]*\n)*?"
            r"#(?:fields[,;|]|(?=ts[,;|\t]))[^\n]*id[._]orig_h"
        ).encode()
    ),
    strong=True,
    decoder=lambda options: TableDecoder(_LAYOUT, header=options.header),
    columns=None,
    blanks=True,
    idle=frozenset(("uid", "proto", "service", "write_ts", "system", "vlan")),
)
_KINDS = {name: "s" for name in ("uid", "src", "dest", "proto", "service", "conn_state", "system", "path")}
_KINDS |= {"ts": "t", "write_ts": "t"}
_SENTINEL = {
    ours: [f"{name}_{_KINDS.get(ours, 'd')}{end}" for name in spelled for end in ("", " [utc]")]
    for ours, spelled in zeek.ALIASES.items()
}
"""Columns of Sentinel's tables that Corelight fills: the fields' names, with the kind of value behind them."""
_VECTRA = {
    ours: [f"{name}{end}" for name in spelled for end in ("", "_s", "_d", "_t")]
    for ours, spelled in {
        **{n: zeek.ALIASES[n] for n in ("uid", "src", "src_port", "dest", "dest_port", "proto", "service")},
        **{n: zeek.ALIASES[n] for n in ("conn_state", "orig_pkts", "resp_pkts", "orig_ip_bytes", "resp_ip_bytes")},
        **{"ts": ("session_start_time",), "end": ("ts",), "write_ts": ("ts",)},
        **{"system": ("sensor_uid",), "path": ("metadata_type",)},
    }.items()
}
"""Fields of Vectra's sessions, also as columns of Sentinel's table. Its `duration` is not in seconds, as Zeek's is: the
times tell how long a session lasted."""
_SESSIONS = replace(
    ZEEK_COLUMNS,
    name="vectra",
    family="zeek",
    contract=Contract(
        "resp_ip_bytes", "orig_ip_bytes", "IP", "session_start_time", "one a session; `ts` is its end, as Vectra has it"
    ),
    marks=re.compile(
        rb'\A(?=[\s\S]*"id[._]orig_h(?:_s)?"\s*:)[\s\S]*'
        rb'"(?:session_start_time(?:_d)?"\s*:|metadata_type(?:_s)?"\s*:\s*"metadata_)'
    ),
    strong=True,
    decoder=json_decoder(_VECTRA),
    columns=None,
    json=True,
    flows=lambda: pl.coalesce(pl.col("path").str.ends_with("isession"), pl.col("ts").is_not_null()),
    ignored={},
    idle=frozenset(("uid", "proto", "service", "conn_state", "system")),
)
_TABLE_JSON = replace(
    ZEEK_COLUMNS,
    name="zeek_sentinel",
    family="zeek",
    contract=Contract("resp_ip_bytes_d", "orig_ip_bytes_d", "IP", "ts_t", "one a row of Sentinel's Corelight tables"),
    marks=re.compile(rb'"id_orig_h_s"\s*:'),
    strong=True,
    decoder=json_decoder(_SENTINEL),
    columns=None,
    json=True,
)
_TABLE_CSV = replace(
    _CSV,
    name="zeek_sentinel_csv",
    contract=replace(_TABLE_JSON.contract, records="as JSON; the first line names the columns"),
    marks=re.compile(rb"(?i)\A(?![^\n]*\b(?:session_start_time_d|metadata_type_s)\b)[^\n]*\bid_orig_h_s\b"),
    decoder=delimited(Layout(aliases=_SENTINEL, header=re.compile(r"(?i)\bid_orig_h_s\b"), unset=ABSENT)),
    idle=None,
)
_SYSLOG = replace(
    _CSV,
    name="zeek_lines",
    contract=replace(_CSV.contract, records="one a line, in the order of a stock conn.log; other logs are ignored"),
    marks=re.compile(
        r"(?m)\A(?![\s\S]*^#(?:separator|fields|path|set_separator)\b)[\s\S]*?^(?:[^\t\n]{{0,300}}?[^\d.\t\n])?"
        r"\d{{9,10}}\.\d{{1,9}}{tab}C\w+{tab}[\da-fA-F:.]+{tab}\d+{tab}[\da-fA-F:.]+{tab}\d+{tab}"
        r"[a-z_]+{tab}[^\n]{{0,200}}?{tab}(?:{states}){tab}[TF-]{tab}".format(
            tab=rf"(?:{syslog.TAB}|\\t)", states=_STATES
        ).encode()
    ),
    decoder=lambda _: LineDecoder(),
    ends_lines=True,
    idle=None,
)
ZEEK_TABLES: tuple[Form, ...] = (_CSV, _SYSLOG, _SESSIONS, _TABLE_JSON, _TABLE_CSV)

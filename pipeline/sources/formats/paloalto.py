"""Palo Alto Networks TRAFFIC logs: PAN-OS CSV behind any syslog header, and the web interface's exports by theirs.

Source: PAN-OS traffic log fields, which fix the order of columns (bytes, then sent by the client, then received by it).
Threat, system and other logs are no flows; what keys mean in CEF and LEEF is in `paloalto_headed`.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass, replace

import polars as pl

from pipeline.addresses import NOWHERE
from pipeline.sources.base import rejected
from pipeline.sources.declared import Contract, Decoded, Form, Stateless, Wrapped
from pipeline.sources.delimited import Layout, delimited
from pipeline.sources.formats import paloalto_headed
from pipeline.sources.orienting import has_counters
from pipeline.sources.texts import syslog

COLUMNS = {
    "received": 1,
    "serial": 2,
    "subtype": 4,
    "generated": 6,
    "src": 7,
    "dest": 8,
    "src_nat": 9,
    "dest_nat": 10,
    "service": 14,
    "reporter": 15,
    "session": 22,
    "src_port": 24,
    "dest_port": 25,
    "proto": 29,
    "action": 30,
    "orig_ip_bytes": 32,
    "resp_ip_bytes": 33,
    "started": 35,
    "duration": 36,
    "orig_pkts": 44,
    "resp_pkts": 45,
    "device": 52,
    "precise": 102,
}
"""Our name of a field -> its place, counted from 0; the columns are only ever added to at the end.

Each virtual system that a session passes logs it."""

_WIDTH = max(COLUMNS.values()) + 1
_LEAST = 38
"""Columns without which the elapsed time may be cut short."""
_STAMP = r'"?\d{4}[/-]\d\d[/-]\d\d[T ]\d\d:\d\d:\d\d[^",]*"?'
_CELL = r'"?[^",]*"?'
_PLACED = rf"^{_CELL},{_STAMP},{_CELL},"
"""A record whose first cell is all that stands before it: no header, or one without commas and quotes."""
_BEHIND = rf'^.*?("?[^\s",]*"?,{_STAMP},{_CELL},"?[A-Z][A-Z-]*"?,.*)$'
_BEHEADED = rf'^{_STAMP},{_CELL},"?[A-Z][A-Z-]*"?,'
"""A record without the first cell, of which nothing is read."""
_SPACED = rf',[ \t]*{_STAMP}[ \t]*,[ \t]*{_CELL}[ \t]*,[ \t]*"?[A-Z][A-Z-]*"?[ \t]*,'
"""A record with blanks around its commas, as programs write that took it apart and put it together again."""
_RECORD = rf'(?:^|[\s",]){_STAMP},{_CELL},"?[A-Z][A-Z-]*"?,'
_TRAFFIC = rf'^{_CELL},{_STAMP},{_CELL},"?TRAFFIC"?,'
_ANY_TRAFFIC = rf'{_STAMP},{_CELL},"?TRAFFIC"?,'
_FINE = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)"
"""The high-resolution time of a record, the only cell that is one."""
_FINE_CELL = rf'^.*,"?({_FINE})"?(?:,[^,]*){{0,40}}$'
_CELLS = r'^(?:[^",]*|"(?:[^"]|"")*")(?:,(?:[^",]*|"(?:[^"]|"")*"))*$'
_TWICE = "an end or a byte counter that is given twice"
_UNTOLD = "no subtype, so that an ended session is like one that begins"
_BLOCKED = ("deny", "drop", "drop-icmp", "drop icmp", "reset-client", "reset-server", "reset-both", "block")


@dataclass
class PaloAltoDecoder(Stateless):
    """PAN-OS lines, cut at their commas; only TRAFFIC records are cut."""

    zone: str

    def decode(self, lines: pl.DataFrame, reason: str) -> Decoded:
        """See Decoder."""
        if not lines["raw"].str.contains(paloalto_headed.VENDOR, literal=True).any():
            return self._placed(lines, reason)
        pairs = lines.select(paloalto_headed.is_headed()).to_series()
        by_keys, by_place = self._headed(lines.filter(pairs), reason), self._placed(lines.filter(~pairs), reason)
        fields = pl.concat([by_place.fields, by_keys.fields], how="diagonal").sort("source_line")
        return Decoded(fields, pl.concat([by_place.broken, by_keys.broken]))

    def _headed(self, lines: pl.DataFrame, reason: str) -> Decoded:
        """Records of keys and values."""
        lines = lines.with_columns(
            traffic=paloalto_headed.traffic().fill_null(value=False), twice=paloalto_headed.told_twice()
        )
        records = paloalto_headed.records(lines.filter(pl.col("traffic") & ~pl.col("twice")), self.zone)
        untold = records.filter(pl.col("subtype").is_null())
        bad = pl.concat(
            [
                lines.filter(pl.col("traffic") & pl.col("twice")).select("source_line", "raw", fault=pl.lit(_TWICE)),
                untold.select("source_line", "raw", fault=pl.lit(_UNTOLD)),
            ]
        )
        broken = rejected(bad.sort("source_line"), reason, "fault")
        records = records.filter(pl.col("subtype").is_not_null())
        fields = _settled(records, records["offset"], self.zone).with_columns(type=pl.lit("TRAFFIC"))
        others = lines.filter(~pl.col("traffic")).select("source_line", "raw", type=pl.lit("other"))
        return Decoded(pl.concat([fields, others], how="diagonal"), broken)

    def _placed(self, lines: pl.DataFrame, reason: str) -> Decoded:
        """Records of columns."""
        lines = _behind_headers(lines)
        text = pl.col("text")
        lines = lines.with_columns(
            fault=pl.lit(None, pl.String),
            traffic=text.str.contains(_TRAFFIC),
            few=text.str.count_matches(",") < _LEAST - 1,  # As a literal it costs thrice as much.
            quotes=text.str.contains('"', literal=True),
            more=text.str.count_matches("TRAFFIC") > 1,
        )
        doubtful = lines.select(~pl.col("traffic") | pl.col("few") | pl.col("quotes") | pl.col("more")).to_series()
        if doubtful.any():
            faults = lines.filter(doubtful).select(_fault()).to_series()
            lines = lines.with_columns(lines["fault"].scatter(doubtful.arg_true(), faults))
        bad = lines.filter(pl.col("fault").is_not_null())
        short = pl.when(pl.col("fault") == "too few columns").then(pl.lit("too_few_fields")).otherwise(pl.lit(reason))
        reasons = bad.select(short).to_series()
        broken = rejected(bad, reasons, "fault")
        return Decoded(self._fields(lines.filter(pl.col("fault").is_null())), broken)

    def _fields(self, lines: pl.DataFrame) -> pl.DataFrame:
        """TRAFFIC records with their fields, and the lines of others as they are."""
        traffic = lines.filter("traffic")
        cells = _cut(traffic["text"])
        fields = pl.concat([traffic.select("source_line", "raw"), cells], how="horizontal")
        fields = _with_fine_time(fields)
        fields = _settled(fields, _offset(fields), self.zone).with_columns(type=pl.lit("TRAFFIC"))
        others = lines.filter(~pl.col("traffic")).select("source_line", "raw", type=pl.lit("other"))
        return pl.concat([fields, others], how="diagonal")


def _with_fine_time(fields: pl.DataFrame) -> pl.DataFrame:
    """Records with their high-resolution time where it is not at its place.

    The links of an SD-WAN stand before it as one cell in braces, of which PAN-OS does not quote the commas.
    """
    lacking = fields.select(
        pl.col("raw").str.contains("{", literal=True) & ~pl.col("precise").str.contains(f"^{_FINE}$").fill_null(False)
    ).to_series()
    if not lacking.any():
        return fields
    found = fields["raw"].filter(lacking).str.extract(_FINE_CELL)
    return fields.with_columns(fields["precise"].scatter(lacking.arg_true(), found))


def _fault() -> pl.Expr:
    """What is wrong with a line that is not plainly a TRAFFIC record."""
    text = pl.col("text")
    return (
        pl.when(~text.str.contains(_RECORD) & ~syslog.is_message())
        .then(pl.lit("no PAN-OS record"))
        .when(text.str.count_matches(_ANY_TRAFFIC) > pl.col("traffic").cast(pl.UInt32))
        .then(pl.lit("another record within it"))
        .when(pl.col("traffic") & pl.col("few"))
        .then(pl.lit("too few columns"))
        .when(pl.col("traffic") & pl.col("quotes") & ~text.str.contains(_CELLS))
        .then(pl.lit("quotes that do not enclose whole cells"))
    )


def _behind_headers(lines: pl.DataFrame) -> pl.DataFrame:
    """Lines with `text`, in which the record's first cell is all that stands before its receive time."""
    placed = lines["raw"].str.contains(_PLACED)
    if placed.all():
        return lines.with_columns(text="raw")
    spaced, raw = ~placed & lines["raw"].str.contains(_SPACED), pl.col("raw")
    lines = lines.with_columns(text=pl.when(spaced).then(raw.str.replace_all(r"[ \t]*,[ \t]*", ",")).otherwise(raw))
    text, placed = pl.col("text"), lines["text"].str.contains(_PLACED)
    whole = pl.when(text.str.contains(_BEHEADED)).then(pl.concat_str(pl.lit(","), text)).otherwise(text)
    behind = pl.coalesce(text.str.extract(_BEHIND), whole)
    return lines.with_columns(pl.when(placed).then(text).otherwise(behind).alias("text"))


def _cut(text: pl.Series) -> pl.DataFrame:
    """One column a field; columns that a record lacks are null."""
    names = [f"c{i}" for i in range(_WIDTH)]
    data = pl.concat([pl.Series([",".join(names)]), text]).str.join("\n").cast(pl.Binary).item()
    found = pl.read_csv(
        io.BytesIO(data),
        columns=[names[i] for i in COLUMNS.values()],
        schema=dict.fromkeys(names, pl.String),
        truncate_ragged_lines=True,
    )
    if found.height != len(text):  # The reader sees other line ends than we do.
        cells = [(next(csv.reader([line]), []) + [""] * _WIDTH)[:_WIDTH] for line in text]
        found = pl.DataFrame(cells, schema=dict.fromkeys(names, pl.String), orient="row")
    stripped = (pl.col(names[i]).str.strip_chars().alias(name) for name, i in COLUMNS.items())
    return found.select(stripped)


def _precise(fields: pl.DataFrame) -> pl.Series:
    """The offset of the high-resolution time that newer releases add."""
    return fields.select(syslog.offset_us(pl.col("precise"))).to_series()


def _offset(fields: pl.DataFrame) -> pl.Series:
    """How far the device's clock is ahead of UTC, where the record or its header says so."""
    precise = _precise(fields)
    if not precise.has_nulls():
        return precise
    head = pl.col("raw")  # Up to the first comma or quote; by a pattern it costs thrice as much.
    for end in ',"':
        head = head.str.split_exact(end, 1).struct.field("field_0")
    told = fields.select(iso=syslog.iso_text(head), wall=_wall("received"))
    header = syslog.believed_offset(pl.col("iso"), pl.col("wall"))
    return told.select(pl.coalesce(precise, header)).to_series()


def _wall(column: str) -> pl.Expr:
    """A time as the device's clock showed it."""
    iso = pl.col(column).str.slice(0, 19).str.replace_all("/", "-", literal=True).str.replace("T", " ", literal=True)
    return iso.str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us", strict=False)


def _settled(fields: pl.DataFrame, offset: pl.Series, zone: str) -> pl.DataFrame:
    """Fields with times as epoch microseconds, ends after translation, and the session's id."""
    fields = fields.with_columns(offset.alias("offset"))

    def epoch(column: str) -> pl.Series:
        known = pl.col("offset")
        if fields.select((pl.col(column).str.len_bytes() > 19).any()).item():
            known = pl.coalesce(syslog.offset_us(pl.col(column).str.slice(19)), known)
        wall = fields.select(_wall(column)).to_series()  # As an expression it would be read wherever it is named.
        return fields.select(syslog.epoch_of(pl.lit(wall), known, zone)).to_series()

    lasted = (pl.col("duration").cast(pl.Float64, strict=False) * 1e6).cast(pl.Int64, strict=False)
    moved = [
        pl.when((pl.col(c) != pl.col(end)) & ~pl.col(c).is_in(NOWHERE)).then(pl.col(c)).alias(c)
        for c, end in (("src_nat", "src"), ("dest_nat", "dest"))
    ]
    logged = epoch("precise")
    for column in ("generated", "received"):
        logged = logged.zip_with(logged.is_not_null(), epoch(column)) if logged.has_nulls() else logged
    told = fields.select(logged=pl.lit(logged), began=pl.lit(epoch("started")), lasted=lasted)
    began = pl.coalesce("began", pl.col("logged") - pl.col("lasted"))
    return fields.with_columns(
        told.select(syslog.as_text(began)).to_series().alias("ts"),
        told.select(syslog.as_text(pl.col("logged"))).to_series().alias("write_ts"),
        pl.concat_str("serial", "session", separator="/").alias("uid"),
        pl.coalesce("device", "serial").alias("system"),
        pl.col("action").str.to_lowercase(),
        pl.col("subtype").str.to_lowercase(),
        *moved,
    )


def _traffic() -> pl.Expr:
    return pl.col("type").str.to_uppercase() == "TRAFFIC"


def _blocked() -> pl.Expr:
    refused = pl.col("action").is_in(_BLOCKED).fill_null(value=False) & (pl.col("subtype") != "start")
    return _traffic() & (pl.col("subtype").is_in(["deny", "drop"]) | refused)


def _ended() -> pl.Expr:
    return _traffic() & (pl.col("subtype") == "end") & ~_blocked()


SYSLOG = Form(
    name="paloalto",
    vendor_product="Palo Alto Networks Firewall",
    layer="unknown",
    contract=Contract(
        "bytes received",
        "bytes sent",
        "as the device counts",
        "start time",
        "TRAFFIC records of subtype `end`, by their place in the line; CEF and LEEF by their keys",
    ),
    marks=re.compile(
        rb"(?:CEF: ?\d+|LEEF: ?[\d.]+)\|Palo Alto Networks\||"
        rb"(?s:\A(?![^\n]*\b[Bb]ytes[ _][Rr]eceived\b).*?"
        rb'\d{4}[/-]\d\d[/-]\d\d[ T]\d\d:\d\d:\d\d[^,"\n]{0,9}"?,[ \t]*"?[\w-]*"?[ \t]*,[ \t]*"?'
        rb"(?:TRAFFIC|THREAT|SYSTEM|CONFIG|HIPMATCH|USERID|GLOBALPROTECT|DECRYPTION|CORRELATION|AUTHENTICATION|SCTP)\b)"
    ),
    strong=True,
    ends_lines=True,
    decoder=lambda options: PaloAltoDecoder(options.timezone),
    flows=lambda: _ended() & has_counters(),
    ignored={
        "begin": lambda: _traffic() & (pl.col("subtype") == "start"),
        "blocked": _blocked,
        "no_counters": lambda: _ended() & ~has_counters(),
    },
    local_time=True,
)

_EXPORT = Layout(
    aliases={
        "type": ["type", "log type"],
        "subtype": ["threat/content type", "subtype", "sub type", "log subtype"],
        "received": ["receive time", "receive_time"],
        "generated": ["generate time", "generated time", "time_generated"],
        "precise": ["high resolution timestamp", "high_res_timestamp"],
        "started": ["start time", "start"],
        "duration": ["elapsed time (sec)", "elapsed time", "elapsed"],
        "serial": ["serial #", "serial number", "serial"],
        "session": ["session id", "sessionid"],
        "device": ["device name", "device_name"],
        "reporter": ["virtual system", "vsys"],
        "src": ["source address", "source ip", "source", "src"],
        "dest": ["destination address", "destination ip", "destination", "dst"],
        "src_port": ["source port", "sport"],
        "dest_port": ["destination port", "dport"],
        "src_nat": ["nat source ip", "natsrc"],
        "dest_nat": ["nat destination ip", "natdst"],
        "proto": ["ip protocol", "protocol", "proto"],
        "service": ["application", "app"],
        "action": ["action"],
        "orig_ip_bytes": ["bytes sent", "bytes_sent"],
        "resp_ip_bytes": ["bytes received", "bytes_received"],
        "orig_pkts": ["packets sent", "pkts_sent"],
        "resp_pkts": ["packets received", "pkts_received"],
    },
    header=re.compile(r'(?i)(?:^|[,;\t|])"?bytes[ _]received"?(?:[,;\t|]|$)'),
)


@dataclass
class ExportDecoder(Wrapped):
    """An export with a header line; a record without a type or subtype is a session that ended."""

    zone: str

    def decode(self, lines: pl.DataFrame, reason: str) -> Decoded:
        """See Decoder."""
        found = self.inner.decode(lines, reason)
        fields = found.fields.with_columns(pl.col("type").fill_null("TRAFFIC"), pl.col("subtype").fill_null("end"))
        return replace(found, fields=_settled(fields, _precise(fields), self.zone))


EXPORT = replace(
    SYSLOG,
    name="paloalto_csv",
    family="paloalto",
    contract=replace(SYSLOG.contract, records="exports of the web interface; the first line names the columns"),
    marks=re.compile(
        rb"(?i)\A(?=[^\n]*\b(?:threat/content type|receive[ _]time|time_generated|natsrc)\b)"
        rb'(?=[^\n]*\b(?:source(?: address| ip)?|src)"? ?(?:[,;\t|\r\n]|\Z))[^\n]*\bbytes[ _]received\b'
    ),
    ends_lines=False,
    decoder=lambda options: ExportDecoder(delimited(_EXPORT)(options), options.timezone),
)
PALO_ALTO = (SYSLOG, EXPORT)

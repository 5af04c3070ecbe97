"""Zscaler Internet Access: the firewall's sessions as its Nanolog Streaming Service writes them - JSON, pairs or CSV.

Source: Zscaler's page on the fields of firewall logs: `inbytes` are what the server sent to the client, `outbytes` what
the client sent; the client's ends (`csip`, `cdip`) are those before Zscaler, the server's (`ssip`, `sdip`) those behind
it. A log that sums up several sessions (`aggregate`) has the ends of the last one, so that its bytes are nobody's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from pipeline.addresses import NOWHERE
from pipeline.sources import instants
from pipeline.sources.base import ReadOptions, rejected
from pipeline.sources.declared import Contract, Decoded, Decoder, Form, Stateless, Wrapped
from pipeline.sources.delimited import Layout, delimited
from pipeline.sources.orienting import has_counters
from pipeline.sources.records import JsonDecoder
from pipeline.sources.spellings import ABSENT
from pipeline.sources.texts import key_values, syslog, zone_names

_NAMES: Mapping[str, Sequence[str]] = {
    "told": ("time", "datetime"),
    "epoch": ("epochtime",),
    "zone": ("tz",),
    "src": ("csip",),
    "src_port": ("csport",),
    "dest": ("cdip",),
    "dest_port": ("cdport",),
    "src_nat": ("ssip",),
    "dest_nat": ("sdip",),
    "proto": ("proto",),
    "service": ("nwsvc",),
    "seconds": ("duration",),
    "millis": ("durationms",),
    "resp_ip_bytes": ("inbytes",),
    "orig_ip_bytes": ("outbytes",),
    "action": ("action",),
    "aggregate": ("aggregate",),
    "sessions": ("numsessions",),
    "record_id": ("recordid",),
}
"""Our names of the fields, and theirs."""
_COLUMNS = (
    "time,login,dept,location,cdport,csport,sdport,ssport,csip,cdip,ssip,sdip,tsip,tunsport,tuntype,action,dnat,"
    "stateful,aggregate,nwsvc,nwapp,proto,ipcat,destcountry,avgduration,rulelabel,inbytes,outbytes,duration,durationms,"
    "numsessions,ipsrulelabel,threatcat,threatname,deviceowner,devicehostname"
)
"""The columns of its format CSV, which has no header."""
_ONCE = ("src", "dest", "src_port", "dest_port", "orig_ip_bytes", "resp_ip_bytes")

_WORDS = r"([A-Z][a-z]{2} +[A-Z][a-z]{2} +\d{1,2} \d\d:\d\d:\d\d \d{4})"
_KEYED = r'\b(?:date)?time="?(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d)'
_BARE = r"(?:^|[\s>])(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)[\t ]+\w+="
"""How lines of pairs tell their time: in words by default; with digits, under a key or none, in feeds for Splunk."""


@dataclass
class PairLines(Stateless):
    """Lines of pairs parted by tabs or blanks, behind the time in words."""

    def decode(self, lines: pl.DataFrame, reason: str) -> Decoded:
        """See Decoder."""
        whole = syslog.with_tabs(lines["raw"])
        frame = lines.with_columns(text=key_values.plain(whole), whole=whole)
        told = pl.col("text").str.contains(" (?:in|out)bytes=")
        twice = pl.any_horizontal(key_values.repeated("text", _NAMES[name][0]) for name in _ONCE)
        detail = (
            pl.when(pl.col("text").is_null())
            .then(pl.lit("a quote that does not close"))
            .when(~told & ~syslog.is_message())
            .then(pl.lit("no key 'inbytes'"))
            .when(twice)
            .then(pl.lit("an end or a byte counter that is given twice"))
        )
        frame = frame.with_columns(detail=detail)
        broken = rejected(frame.filter(pl.col("detail").is_not_null()), reason, "detail")
        good = frame.filter(pl.col("detail").is_null())
        found = key_values.values(good, "text", list(dict.fromkeys(k for names in _NAMES.values() for k in names)))
        fields = found.select(
            "source_line", "raw", "whole", **{ours: pl.coalesce(names) for ours, names in _NAMES.items()}
        )
        told = pl.coalesce(pl.col("whole").str.extract(pattern) for pattern in (_WORDS, _KEYED, _BARE))
        return Decoded(fields.with_columns(told=told).drop("whole"), broken)


@dataclass
class ZscalerDecoder(Wrapped):
    """Records of any of its formats; a session began its duration before it was logged."""

    zone: str

    def decode(self, lines: pl.DataFrame, reason: str) -> Decoded:
        """See Decoder."""
        found = self.inner.decode(lines, reason)
        fields = found.fields.with_columns(pl.col(pl.String).replace(["", "NA", "None"], None))
        words = pl.col("told").str.replace_all(" +", " ").str.to_datetime("%a %b %d %H:%M:%S %Y", strict=False)
        fields = fields.with_columns(told=pl.coalesce(words.dt.to_string("%Y-%m-%dT%H:%M:%S"), "told"))
        offset, zone = zone_names.offset_us(pl.col("zone"), self.zone), pl.col("zone")
        clock = pl.when(~zone_names.is_doubtful(zone, self.zone)).then(instants.epoch_us("told", self.zone))
        fields = fields.with_columns(
            logged=pl.coalesce(instants.epoch_us("epoch"), instants.epoch_us("told") - offset, clock),
            lasted=pl.coalesce(_number("millis") * 1e3, _number("seconds") * 1e6)
            .fill_null(0)
            .cast(pl.Int64, strict=False),
            **{c: pl.when(~pl.col(c).is_in(NOWHERE)).then(c) for c in ("src_nat", "dest_nat")},
            dest=pl.when(pl.col("dest").is_in(NOWHERE)).then("dest_nat").otherwise("dest"),
        )
        fields = fields.with_columns(
            syslog.as_text(pl.col("logged") - pl.col("lasted")).alias("ts"),
            syslog.as_text(pl.col("logged")).alias("write_ts"),
            (pl.col("lasted") / 1e6).cast(pl.String).alias("duration"),
            *(pl.col(c).str.to_lowercase() for c in ("proto", "service", "action", "aggregate")),
        )
        return replace(found, fields=fields.drop("told", "epoch", "zone", "seconds", "millis", "logged", "lasted"))


def _number(column: str) -> pl.Expr:
    """A number of at most some years; null for any other."""
    number = pl.col(column).cast(pl.Float64, strict=False)
    return pl.when(number.is_between(0, 1e11)).then(number)


def _session() -> pl.Expr:
    return pl.col("src").is_not_null() & pl.col("dest").is_not_null()


def _blocked() -> pl.Expr:
    return _session() & ~pl.col("action").str.starts_with("allow").fill_null(value=True)


def _several() -> pl.Expr:
    several = (pl.col("aggregate") == "yes") & (_number("sessions").fill_null(2) > 1)
    return _session() & ~_blocked() & several.fill_null(value=False)


def _told() -> pl.Expr:
    return _session() & ~_blocked() & ~_several()


def _zoned(inner: Decoder, options: ReadOptions) -> Decoder:
    return ZscalerDecoder(inner, options.timezone)


_LAYOUT = Layout(
    aliases=_NAMES,
    header=re.compile(r"\binbytes\b.*\boutbytes\b"),
    columns=tuple(_COLUMNS.split(",")),
    unset=ABSENT,
)
_JSON = Form(
    name="zscaler_json",
    family="zscaler",
    vendor_product="Zscaler Internet Access",
    layer="unknown",
    contract=Contract(
        "inbytes",
        "outbytes",
        "not said",
        "time - duration",
        "one a session; what sums up several (`aggregate`) is `several_ends`",
    ),
    marks=re.compile(rb'"(?:in|out)bytes"\s*:[^{}]*"c[sd]ip"\s*:|"c[sd]ip"\s*:[^{}]*"(?:in|out)bytes"\s*:'),
    strong=True,
    decoder=lambda options: _zoned(JsonDecoder(_NAMES, list), options),
    json=True,
    flows=lambda: _told() & has_counters(),
    ignored={"blocked": _blocked, "several_ends": _several, "no_counters": lambda: _told() & ~has_counters()},
    local_time=True,
)
_PAIRS = replace(
    _JSON,
    name="zscaler",
    contract=replace(_JSON.contract, records="as JSON, as pairs"),
    marks=re.compile(rb"(?m)^[^\n]*(?:\b|#011)csip=[^\n]*(?:\b|#011)(?:in|out)bytes=\d"),
    decoder=lambda options: _zoned(PairLines(), options),
    json=False,
    ends_lines=True,
)
_CSV = replace(
    _JSON,
    name="zscaler_csv",
    contract=replace(_JSON.contract, records="as JSON, in the order of the format CSV"),
    marks=re.compile(
        rb'(?m)^"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}"(?:,"[^"\n]*"){3}(?:,"\d{1,5}"){4}'
        rb'(?:,"[\da-fA-F.:]+"){5},'
    ),
    decoder=lambda options: _zoned(delimited(_LAYOUT)(options), options),
    json=False,
    blanks=True,
)
ZSCALER = (_JSON, _PAIRS, _CSV)

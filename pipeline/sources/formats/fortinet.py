"""FortiGate traffic logs as key=value lines, CEF, JSON or tables, with or without a syslog header; FortiAnalyzer's CSV.

Sources: the FortiOS log message reference (traffic logs, message ids, long-live sessions; CEF support, in which `out`
is what the client sent; that of FortiOS 4.0 for the keys of old). UTM and event logs repeat byte counters and are never
counted; the web interface's own exports are not read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import polars as pl

from pipeline.addresses import NOWHERE
from pipeline.sources import instants, json_lines
from pipeline.sources.base import rejected
from pipeline.sources.declared import Contract, Decoded, Form, Stateless, Wrapped
from pipeline.sources.delimited import Layout, delimited
from pipeline.sources.glances.pair_parts import PairParts
from pipeline.sources.glances.sight import Cut
from pipeline.sources.glances.templates import LASTED
from pipeline.sources.orienting import has_counters
from pipeline.sources.spellings import ABSENT
from pipeline.sources.texts import headed, key_values, syslog

_KEYS = ("logid", "eventtime", "srcip", "srcport", "dstip", "dstport", "proto", "service", "action", "duration",
         "sentbyte", "rcvdbyte", "sentpkt", "rcvdpkt", "sessionid", "devname", "transip", "tranip")  # fmt: skip
_INSTEAD = {"eventtime": ("date", "time", "tz"), "devname": ("devid",), "logid": ("rcvddelta",)}
"""Keys that are asked only where another is absent."""
_OLD = {
    **{"srcip": "src", "srcport": "src_port", "dstip": "dst", "dstport": "dst_port", "sentbyte": "sent"},
    **{"rcvdbyte": "rcvd", "sentpkt": "sent_pkt", "rcvdpkt": "rcvd_pkt", "transip": "tran_sip", "tranip": "tran_ip"},
    **{"sessionid": "SN", "logid": "log_id", "devid": "device_id", "action": "status"},
}
"""Keys -> what FortiOS 4 called them; 5.0 still said `status`."""
_JUDGED = {
    **{"ts": ("eventtime",), LASTED: ("duration",), "src": ("srcip",), "dest": ("dstip",), "src_port": ("srcport",)},
    **{"dest_port": ("dstport",), "resp_ip_bytes": ("rcvdbyte",), "orig_ip_bytes": ("sentbyte",)},
    **{"resp_pkts": ("rcvdpkt",), "orig_pkts": ("sentpkt",)},
    **{name: (name,) for name in ("type", "subtype", "logid", "action", "rcvddelta")},
    **{f"of old: {name}": (name,) for name in _OLD.values()},
}
"""Fields that decide what becomes of a line -> their keys; nothing of the other keys does where these are plain."""
_COUNTED = ("sentbyte", "rcvdbyte")
_MARK = "(?:dev(?:ice_)?id|log_?id)"
_BEGINS = (4, 15, 16)
"""Message ids of sessions that start: of another subtype, forward, local."""
_INTERIM = (20, 21)
"""Message ids of sessions that go on: forward, sniffer."""
REQUEST = "http-transaction"
"""The subtype of traffic logs of which each tells a request, whose bytes are those of a session, too."""
_BLOCKED = ("deny", "blocked", "drop", "dropped", "block")
_OWN = r"(?:FTNTFGT|FortinetFortiGate|ad\.)"
"""What stands in CEF before keys that have none there: a FortiGate's own prefixes, and that of a FortiAnalyzer."""
_CEF = {
    "logid": f"{_OWN}logid",
    "eventtime": f"{_OWN}eventtime",
    "tz": f"{_OWN}tz",
    "srcip": "src",
    "srcport": "spt",
    "dstip": "dst",
    "dstport": "dpt",
    "proto": "proto",
    "service": "app",
    "action": f"(?:act|{_OWN}action)",
    "duration": f"{_OWN}duration",
    "sentbyte": "out",
    "rcvdbyte": "in",
    "sentpkt": f"{_OWN}sentpkt",
    "rcvdpkt": f"{_OWN}rcvdpkt",
    "rcvddelta": f"{_OWN}rcvddelta",
    "sessionid": "externalI[dD]",
    "devname": "dvchost",
    "devid": "deviceExternalId",
    "transip": "sourceTranslatedAddress",
    "tranip": "destinationTranslatedAddress",
    "vd": f"{_OWN}vd",
}
"""Keys of ours -> the patterns of those of CEF."""
_JSON_KEYS = {
    **{key: (key,) for key in (*_KEYS, *sum(_INSTEAD.values(), ()), "type", "subtype", "vd")},
    "shipped": ("itime", "_time", "@timestamp"),
}
"""With the times of who received or shipped a record that lacks its own."""


@dataclass
class FortinetDecoder(Stateless):
    """Lines of pairs; only those of traffic logs are taken apart."""

    zone: str
    expects_header = False

    def cut(self) -> Cut:
        """See LucidDecoder."""
        return Cut(PairParts(_JUDGED, " "), separator=" ")

    def decode(self, lines: pl.DataFrame, reason: str) -> Decoded:
        """See Decoder."""
        if not lines["raw"].str.contains("|Fortinet|", literal=True).any():
            return self._pairs(lines, reason)
        headers = lines.select(headed.is_headed("raw", "Fortinet")).to_series()
        by_header, by_pairs = self._headed(lines.filter(headers), reason), self._pairs(lines.filter(~headers), reason)
        fields = pl.concat([by_pairs.fields, by_header.fields], how="diagonal").sort("source_line")
        return Decoded(fields, pl.concat([by_pairs.broken, by_header.broken]))

    def _headed(self, lines: pl.DataFrame, reason: str) -> Decoded:
        """Lines of CEF."""
        kind, number = headed.value("raw", "cat").str.extract(r"^(\w+)"), headed.part("raw", 3)
        twice = pl.any_horizontal(headed.repeated("raw", _CEF[key]) for key in (*_COUNTED, "srcip", "dstip"))
        kind = pl.coalesce(kind, headed.part("raw", 4).str.extract(r"^(\w+):"))
        request = pl.col("raw").str.contains(f"traffic:{REQUEST}", literal=True)
        lines = lines.with_columns(kind=pl.when(request).then(pl.lit(REQUEST)).otherwise(kind), twice=twice)
        is_traffic = (pl.col("kind") == "traffic").fill_null(value=False)
        bad = lines.filter(is_traffic & pl.col("twice")).with_columns(
            detail=pl.lit("an end or a byte counter that is given twice")
        )
        broken = rejected(bad, reason, "detail")
        traffic = lines.filter(is_traffic & ~pl.col("twice"))
        traffic = traffic.with_columns(headed.value("raw", theirs).alias(ours) for ours, theirs in _CEF.items())
        stated = pl.coalesce(headed.value("raw", key) for key in ("start", "rt"))
        stamp, utc = headed.dated(stated), pl.when(headed.in_utc(stated)).then(pl.lit("+00:00"))
        told = pl.when(headed.value("raw", "cn1Label") == "Duration").then(headed.value("raw", "cn1"))  # FortiOS 5.6.
        traffic = traffic.with_columns(
            date=stamp.str.slice(0, 10),
            time=stamp.str.slice(11, 8),
            tz=pl.coalesce(stamp.str.slice(19).str.extract(r"([+-]\d\d:?\d\d)$"), utc, "tz"),
            logid=pl.coalesce("logid", number),
            duration=pl.coalesce("duration", told),
        )
        fields = traffic.with_columns(_times(self.zone)).select("source_line", "raw", "kind", *_fields())
        other = pl.when(pl.col("kind") == REQUEST).then("kind").otherwise(pl.lit("other"))
        others = lines.filter(~is_traffic).select("source_line", "raw", kind=other)
        return Decoded(pl.concat([fields, others], how="diagonal"), broken)

    def _pairs(self, lines: pl.DataFrame, reason: str) -> Decoded:
        """Lines of key=value pairs."""
        frame = lines.with_columns(text=key_values.plain(lines["raw"]))
        frame = key_values.with_kind(frame, "type")
        if frame["text"].str.contains(REQUEST, literal=True).any():
            frame = frame.with_columns(_kind(key_values.value("text", "subtype")))
        traffic = pl.col("kind") == "traffic"
        once = [spelled for key in (*_COUNTED, "srcip", "dstip") for spelled in (key, _OLD[key])]
        told_twice = traffic & pl.any_horizontal(key_values.repeated("text", key) for key in once)
        hides = ~pl.col("kind").is_in(["traffic", REQUEST]) & pl.col("raw").str.contains('type="?traffic')
        other = pl.col("kind").is_null() & ~(syslog.is_message() & ~pl.col("text").str.contains(f" {_MARK}="))
        detail = (
            pl.when(pl.col("text").is_null() & traffic.fill_null(value=True))
            .then(pl.lit("a quote that does not close"))
            .when(other)
            .then(pl.lit("no key 'type'"))
            .when(told_twice)
            .then(pl.lit("an end or a byte counter that is given twice"))
            .when(hides)
            .then(pl.lit("another message within it"))
        )
        frame = frame.with_columns(detail=detail)
        bad, good = frame.filter(pl.col("detail").is_not_null()), frame.filter(pl.col("detail").is_null())
        broken = rejected(bad, reason, "detail")
        return Decoded(self._fields(good), broken)

    def _fields(self, good: pl.DataFrame) -> pl.DataFrame:
        """Traffic lines with their fields, and the others as they are."""
        traffic = good.filter(pl.col("kind") == "traffic")
        traffic = key_values.values(traffic, "text", _KEYS)
        lacking = [k for key, instead in _INSTEAD.items() if traffic[key].has_nulls() for k in instead]
        traffic = key_values.values(traffic, "text", lacking)
        absent = [k for keys in _INSTEAD.values() for k in keys if k not in lacking]
        traffic = traffic.with_columns(pl.lit(None, pl.String).alias(k) for k in absent)
        old = {key: name for key, name in _OLD.items() if traffic[key].has_nulls()}
        traffic = key_values.values(traffic, "text", list(old.values()))
        traffic = traffic.with_columns(pl.coalesce(key, name).alias(key) for key, name in old.items())
        traffic = traffic.with_columns(_domain(traffic["text"]).alias("vd"))
        fields = traffic.with_columns(_times(self.zone)).select("source_line", "raw", "kind", *_fields())
        others = good.filter((pl.col("kind") != "traffic").fill_null(value=True)).select("source_line", "raw", "kind")
        return pl.concat([fields, others], how="diagonal")


def _domain(text: pl.Series) -> pl.Expr:
    """The virtual domain of plain lines, which most devices have one of: then it is looked for as it stands."""
    first = text.head(1).str.extract(r" (vd=[^ ]+) ").to_list()
    if first and first[0] and text.str.contains(f" {first[0]} ", literal=True).all():
        return pl.lit(first[0].removeprefix("vd=").strip('"'))
    return key_values.value("text", "vd")


@dataclass
class FortinetJson(Stateless):
    """Lines of JSON with the keys of the pairs."""

    zone: str

    def decode(self, lines: pl.DataFrame, reason: str) -> Decoded:
        """See Decoder."""
        found, broken = json_lines.decode(lines, _JSON_KEYS, reason)
        return Decoded(_of_keys(found, self.zone), broken)


@dataclass
class FortinetTable(Wrapped):
    """Rows under the keys of the pairs; without a type, the log's number tells that it is of traffic."""

    zone: str

    def decode(self, lines: pl.DataFrame, reason: str) -> Decoded:
        """See Decoder."""
        found = self.inner.decode(lines, reason)
        traffic = pl.when(pl.col("logid").str.zfill(10).str.starts_with("00")).then(pl.lit("traffic"))
        return replace(found, fields=_of_keys(found.fields.with_columns(pl.coalesce("type", traffic)), self.zone))


def _of_keys(found: pl.DataFrame, zone: str) -> pl.DataFrame:
    """Records whose keys are columns as fields; one that lacks its own time has that of who received it."""
    fields = found.rename({"type": "kind"}).with_columns(_kind(pl.col("subtype")), _times(zone))
    fields = fields.with_columns(pl.coalesce("logged", instants.epoch_us("shipped", zone)).alias("logged"))
    return fields.select("source_line", "raw", "kind", *_fields())


def _kind(subtype: pl.Expr) -> pl.Expr:
    """The kind of a record, of which those of requests are another."""
    request = (pl.col("kind") == "traffic") & (subtype == REQUEST)
    return pl.when(request).then(pl.lit(REQUEST)).otherwise("kind").alias("kind")


def _times(zone: str) -> pl.Expr:
    """`logged`, epoch microseconds: eventtime, or the device's date and time with its offset, or in the zone.

    Pipelines that know eventtime for a time write it as ISO 8601; it is of UTC, as the number was.
    """
    parts = pl.col("eventtime").str.extract_groups(r"^(\d+)(?:\.(\d{1,6})\d*)?$")
    whole, fraction = parts.struct.field("1"), parts.struct.field("2").str.pad_end(6, "0").fill_null("0")
    number, digits = whole.cast(pl.Int64, strict=False), whole.str.len_bytes()
    scaled = (
        pl.when(digits >= 18).then(number // 1_000).when(digits >= 15).then(number)
        .when(digits >= 12).then(number * 1_000).when(digits >= 9).then(number * 1_000_000 + fraction.cast(pl.Int64))
    )  # fmt: skip
    stamp = pl.concat_str("date", pl.lit(" "), "time")
    wall = stamp.str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us", strict=False)
    parts = pl.col("tz").str.extract_groups(r"([+-])(\d\d?):?(\d\d)?")
    hours, minutes = (parts.struct.field(n).cast(pl.Int64, strict=False) for n in ("2", "3"))
    ahead = (hours * 3_600 + minutes.fill_null(0) * 60) * 1_000_000
    offset = pl.when(parts.struct.field("1") == "-").then(-ahead).otherwise(ahead)
    written = pl.when(pl.col("eventtime").str.contains(":", literal=True)).then(instants.epoch_us("eventtime", "UTC"))
    return pl.coalesce(scaled, written, syslog.epoch_of(wall, offset, zone)).alias("logged")


def _fields() -> list[pl.Expr]:
    """The fields of records; a session starts its duration before it is logged."""
    lasted = (pl.col("duration").cast(pl.Float64, strict=False).fill_null(0) * 1e6).cast(pl.Int64, strict=False)
    message = pl.col("logid").cast(pl.Int64, strict=False) % 1_000_000
    unnumbered = message.is_null() & (pl.col("action") == "accept") & pl.col("rcvddelta").is_not_null()
    moved = [pl.when(~pl.col(c).is_in(NOWHERE)).then(pl.col(c)) for c in ("transip", "tranip")]
    return [
        syslog.as_text(pl.col("logged") - lasted).alias("ts"),
        syslog.as_text(pl.col("logged")).alias("write_ts"),
        pl.col("sessionid").alias("uid"),
        pl.col("srcip").alias("src"),
        pl.col("srcport").alias("src_port"),
        pl.col("dstip").alias("dest"),
        pl.col("dstport").alias("dest_port"),
        pl.col("proto"),
        pl.col("service").str.to_lowercase(),
        pl.col("duration"),
        pl.col("rcvdbyte").alias("resp_ip_bytes"),
        pl.col("sentbyte").alias("orig_ip_bytes"),
        pl.col("rcvdpkt").alias("resp_pkts"),
        pl.col("sentpkt").alias("orig_pkts"),
        pl.coalesce("devname", "devid").alias("system"),
        moved[0].alias("src_nat"),
        moved[1].alias("dest_nat"),
        pl.col("vd").alias("reporter"),  # Each virtual domain that a session passes logs it.
        (message.is_in(_INTERIM) | unnumbered).fill_null(value=False).alias("interim"),
        pl.col("action").str.to_lowercase().is_in(_BLOCKED).fill_null(value=False).alias("blocked"),
        (message.is_in(_BEGINS) | (pl.col("action") == "start")).fill_null(value=False).alias("begin"),
    ]


def _allowed() -> pl.Expr:
    return (pl.col("kind") == "traffic") & ~pl.col("blocked") & ~pl.col("begin")


_PAIRS = Form(
    name="fortinet",
    vendor_product="Fortinet FortiGate",
    layer="unknown",
    contract=Contract(
        "rcvdbyte",
        "sentbyte",
        "as the device counts",
        "eventtime - duration",
        "`type=traffic` lines; message 20 is interim, cumulative",
    ),
    marks=re.compile(
        rb"CEF: ?\d+\|Fortinet\|Forti[Gg]ate|"
        rb"(?m:^(?=[^\n]{0,2000}?\b" + _MARK.encode() + rb'="*\w)[^\n]{0,2000}?\btype="*(?:traffic|utm|event)\b)'
        rb'|(?m:^"?itime="*\d{10}\b[^\n]{0,2000}?\btype="*(?:traffic|utm|event)\b)'
    ),
    strong=True,
    ends_lines=True,
    decoder=lambda options: FortinetDecoder(options.timezone),
    flows=lambda: _allowed() & has_counters(),
    accounting=lambda: pl.when(pl.col("interim")).then(pl.lit("cumulative")),
    ignored={
        "blocked": lambda: pl.col("blocked"),
        "begin": lambda: pl.col("begin") & ~pl.col("blocked"),
        "no_counters": lambda: _allowed() & ~has_counters(),
        "requests": lambda: pl.col("kind") == REQUEST,
    },
    local_time=True,
    idle=frozenset(),
)
_JSON = replace(
    _PAIRS,
    name="fortinet_json",
    family="fortinet",
    marks=re.compile(rb'"(?:devid|logid|sentbyte|rcvdbyte)"\s*:[^{}]*"type"\s*:\s*"(?:traffic|utm|event)"|'
                     rb'"type"\s*:\s*"(?:traffic|utm|event)"[^{}]*"(?:devid|logid|sentbyte|rcvdbyte)"\s*:'),
    decoder=lambda options: FortinetJson(options.timezone),
    json=True,
    strong=False,
    ends_lines=False,
    idle=None,
)  # fmt: skip
_LAYOUT = Layout(
    aliases={ours: tuple(key.lower() for key in keys) for ours, keys in _JSON_KEYS.items()},
    header=re.compile(r"\bsrcip\b"),
    unset=ABSENT,
)
_TABLE = replace(
    _PAIRS,
    name="fortinet_csv",
    family="fortinet",
    contract=replace(_PAIRS.contract, records="as pairs; the first line names the keys"),
    marks=re.compile(
        rb"\A(?=[^\n]*\bsrcip\b)(?=[^\n]*\bdstip\b)(?=[^\n]*\b(?:type|logid)\b)[^\n={]*\b(?:sent|rcvd)byte\b[^\n=]*(?:\n|\Z)"
    ),
    decoder=lambda options: FortinetTable(delimited(_LAYOUT)(options), options.timezone),
    ends_lines=False,
    blanks=True,
    idle=None,
)
FORTINET = (_PAIRS, _JSON, _TABLE)

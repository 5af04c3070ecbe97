"""CEF and LEEF of any device that tells the bytes of connections, where its vendor has no format of its own here.

Sources: ArcSight's Common Event Format, QRadar's Log Event Extended Format (srcBytes are what the source sent), and
vendors' guides, as Zscaler's on its Nanolog Streaming Service. What a vendor means otherwise than most do is told in
`sentinel`, whose table CommonSecurityLog holds the same keys under other names. Messages without bytes are no flows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import polars as pl

from pipeline.addresses import NOWHERE
from pipeline.sources.base import rejected
from pipeline.sources.declared import Contract, Decoded, Stateless
from pipeline.sources.formats.sentinel import COMMON_SECURITY_LOG, SentinelDecoder, as_vendors_mean
from pipeline.sources.orienting import has_counters
from pipeline.sources.texts import headed, syslog, zone_names

_KEYS = {
    "src": ("src", "c6a2"),
    "src_port": ("spt", "srcPort"),
    "dest": ("dst", "c6a3"),
    "dest_port": ("dpt", "dstPort"),
    "proto": ("proto",),
    "service": ("app",),
    "resp_ip_bytes": ("in", "bytesIn", "dstBytes"),
    "orig_ip_bytes": ("out", "bytesOut", "srcBytes"),
    "action": ("act", "action"),
    "system": ("dvchost", "deviceExternalId", "dvc"),
    "uid": ("externalId",),
    "src_nat": ("sourceTranslatedAddress", "srcPostNAT"),
    "dest_nat": ("destinationTranslatedAddress", "dstPostNAT"),
    "number1": ("cn1",),
    "number2": ("cn2", "numsessions"),
    "number3": ("cn3",),
    "label3": ("cn3Label",),
    "string4": ("cs4", "aggregate"),
    "milliseconds": ("durationms",),
    "seconds": ("duration",),
    "way": ("deviceDirection", "dir"),
}
"""Our names of fields -> keys of CEF and of LEEF."""
_TIMES = {"ts": ("start",), "end": ("end",), "write_ts": ("rt", "devTime", "end")}
_ONCE = ("in", "out", "srcBytes", "dstBytes", "src", "dst")
_NOWHERE = (*NOWHERE, "")
_BEFORE = r"^(.*?)(?:CEF: ?\d|LEEF: ?[\d.])"
_BEGINS = r"(?:CEF: ?\d+|LEEF: ?[\d.]+)\|"
_PAIR = r" +([A-Za-z][\w.\[\]-]*=)"


@dataclass
class HeadedLines(Stateless):
    """Lines of CEF or LEEF as the columns of CommonSecurityLog."""

    zone: str

    def decode(self, lines: pl.DataFrame, reason: str) -> Decoded:
        """See Decoder."""
        frame = lines.with_columns(text=headed.plain(lines["raw"]), vendor=headed.part("raw", 0))
        twice = pl.any_horizontal(headed.repeated("text", key) for key in _ONCE)
        detail = (
            pl.when(pl.col("vendor").is_null() & ~syslog.is_message())
            .then(pl.lit("no header of CEF or LEEF"))
            .when(pl.col("vendor").is_not_null() & twice)
            .then(pl.lit("an end or a byte counter that is given twice"))
            .when(pl.col("raw").str.count_matches(_BEGINS) > 1)
            .then(pl.lit("another message within it"))
        )
        frame = frame.with_columns(detail=detail)
        broken = rejected(frame.filter(pl.col("detail").is_not_null()), reason, "detail")
        fields, assumed = self._fields(frame.filter(pl.col("detail").is_null()).drop("detail"))
        return Decoded(fields, broken, warnings={"year_assumed": assumed} if assumed else {})

    def _fields(self, frame: pl.DataFrame) -> tuple[pl.DataFrame, int]:
        """Messages with our fields, and of how many the year was assumed."""
        keys = {**_KEYS, **{f"_{ours}": theirs for ours, theirs in _TIMES.items()}}
        found = frame.with_columns(
            **{ours: pl.coalesce(headed.value("text", key) for key in theirs) for ours, theirs in keys.items()},
            **{ours: headed.part("text", nth) for ours, nth in (("product", 1), ("class", 3), ("name", 4))},
            more=pl.col("text").str.replace_all(_PAIR, ";${1}"),
        )
        leef = headed.is_leef("raw")  # Its header has no name, and may have the action for the event.
        found = found.with_columns(
            activity=pl.when(leef).then(headed.value("text", "cat")).otherwise("name"),
            action=pl.coalesce("action", pl.when(leef).then("class")),
        )
        told = [headed.told(pl.col(f"_{c}")).alias(f"_{c}") for c in _TIMES]
        zones = [headed.zone_of(pl.col(f"_{c}")).alias(f"_{c}_zone") for c in _TIMES]
        found = found.with_columns(*told, *zones).with_columns(self._sure(c) for c in _TIMES)
        known = (headed.epoch_us(f"_{c}", f"_{c}_zone", self.zone) for c in _TIMES)
        found = found.with_columns(syslog.as_text(us).alias(c) for c, us in zip(_TIMES, known, strict=True))
        head = pl.concat_str(frame["raw"].str.extract(_BEFORE), pl.col("_write_ts"), separator=" ", ignore_nulls=True)
        times = syslog.times(found.select(head).to_series(), self.zone)
        lasted = pl.coalesce(pl.col("milliseconds").cast(pl.Float64, strict=False) / 1e3, *_labelled())
        found = pl.concat([found, times], how="horizontal").with_columns(
            write_ts=pl.coalesce("write_ts", syslog.as_text(pl.col("time"))),
            assumed=pl.col("assumed") & pl.col("write_ts").is_null() & has_counters(),
            more=pl.concat_str(
                "more", pl.lit(";duration=") + pl.coalesce(lasted.cast(pl.String), "seconds"), ignore_nulls=True
            ),
            **{c: pl.when(~pl.col(c).is_in(_NOWHERE)).then(c) for c in ("src_nat", "dest_nat")},
        )
        names = [c for c in (*_KEYS, *_TIMES) if c not in ("milliseconds", "seconds")]
        wanted = ("source_line", "raw", "vendor", "product", "class", "activity", "more", *names)
        return found.select(wanted), int(found["assumed"].sum())

    def _sure(self, column: str) -> pl.Expr:
        """A time as text, unless its zone may be several."""
        doubtful = zone_names.is_doubtful(pl.col(f"_{column}_zone"), self.zone)
        return pl.when(~doubtful).then(f"_{column}").alias(f"_{column}")


def _labelled() -> list[pl.Expr]:
    """Seconds of a number that its label calls a duration."""
    found = list[pl.Expr]()
    for n in (1, 2, 3):
        label = (pl.col("label3") if n == 3 else headed.value("text", f"cn{n}Label")).str.to_lowercase()
        number = pl.col(f"number{n}").cast(pl.Float64, strict=False)
        seconds = pl.when(label.str.contains(r"ms\b|milli")).then(number / 1e3).otherwise(number)
        found.append(pl.when(label.str.contains("duration|elapsed")).then(seconds))
    return found


CEF = replace(
    COMMON_SECURITY_LOG,
    name="cef",
    family="cef",
    vendor_product="CEF",
    contract=Contract(
        "in, or dstBytes",
        "out, or srcBytes",
        "as the device counts",
        "start, or rt - duration",
        "CEF and LEEF of other vendors' devices; one a message that tells bytes",
    ),
    marks=re.compile(
        rb"(?m)^(?=[^\n]*(?:\b|#011)src=)[^\n]*?"
        rb"\b(?:CEF: ?\d+\|(?!Cisco\|Firepower\|)[^\n]*[| \t](?:in|out|bytesIn|bytesOut)=\d"
        rb"|LEEF: ?[\d.]+\|[^\n]*(?:\b|#011)(?:src|dst)Bytes=\d)"
    ),
    strong=False,
    decoder=lambda options: SentinelDecoder(HeadedLines(options.timezone), as_vendors_mean),
    json=False,
    ends_lines=True,
)

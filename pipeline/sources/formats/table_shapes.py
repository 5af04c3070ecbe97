"""Odd shapes of a user's own table: times in two columns, other units, a direction beside one count of bytes.

What a source's mapping says of them is put right here before records are judged; which mappings are allowed is checked
in `pipeline.mapping`, and how tables become records is in `table`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import polars as pl

from pipeline.mapping import NAMES, UNITS, ColumnMapping
from pipeline.schemas import MAX_FLOW_BYTES
from pipeline.sources import spellings
from pipeline.sources import zeek_columns as conn
from pipeline.sources.columns import TIMES
from pipeline.sources.declared import Decoded, Wrapped

_IN = ("in", "inbound", "ingress", "incoming", "input", "rx", "received", "receive", "recv", "rcvd", "download", "down",
       "downstream", "downlink")  # fmt: skip
_OUT = ("out", "outbound", "egress", "outgoing", "output", "tx", "sent", "send", "transmit", "transmitted", "upload",
        "up", "upstream", "uplink")  # fmt: skip
"""Words for the two ways of bytes between an end and another, as seen from the first."""
_ENDS = (("src", "dest"), ("src_port", "dest_port"), ("src_nat", "dest_nat"))


@dataclass
class JoinedDecoder(Wrapped):
    """A decoder of records whose times are in two columns, of the day and of the time of day: these become one text."""

    def decode(self, lines: pl.DataFrame, reason: str) -> Decoded:
        """See Decoder."""
        found = self.inner.decode(lines, reason)
        there = set(found.fields.columns)
        joined = [_joined(c) for c in TIMES if {c, f"{c}_clock"} <= there]
        return replace(found, fields=found.fields.with_columns(joined))


def _joined(time: str) -> pl.Expr:
    """A day and a time of day as one text; a day whose own text tells midnight, as databases write it, is cut."""
    day = pl.col(time).cast(pl.String).str.strip_chars().str.replace(r"[T ]00:00:00(?:\.0+)?$", "")
    return pl.concat_str(day, pl.lit(" "), pl.col(f"{time}_clock").cast(pl.String).str.strip_chars()).alias(time)


def is_odd(mapping: ColumnMapping) -> bool:
    """Whether records must be put right before they are judged."""
    return bool(mapping.units) or "direction" in dict(mapping.fields)


def put_right(mapping: ColumnMapping) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """What puts numbers of other units, and ends whose bytes went the other way, right."""
    scales = [(NAMES[name], *UNITS[unit]) for name, unit in mapping.units]

    def made(fields: pl.DataFrame) -> pl.DataFrame:
        schema = fields.schema
        scaled = [
            (_lasted if ours == "duration" else _counted)(ours, times, by, is_text=schema[ours] == pl.String)
            for ours, times, by in scales
            if ours in schema
        ]
        fields = fields.with_columns(scaled)
        return fields.with_columns(_turned(fields.schema)) if "sent_way" in schema else fields

    return made


def _lasted(ours: str, times: int, by: int, *, is_text: bool) -> pl.Expr:
    """A duration in seconds; one that is written with its units stays as it is."""
    seconds = pl.col(ours).cast(pl.Float64, strict=False) * times / by
    return pl.coalesce(seconds.cast(pl.String), ours).alias(ours) if is_text else seconds.alias(ours)


def _counted(ours: str, times: int, by: int, *, is_text: bool) -> pl.Expr:
    """A count in bytes, rounded where a fraction of a unit is told; one beyond belief stays so."""
    whole = conn.count(ours) if is_text else pl.col(ours).cast(pl.Int64, strict=False)
    exact = (
        pl.when(whole.abs() <= MAX_FLOW_BYTES // times * by).then(whole * times // by).otherwise(whole.sign() * _MUCH)
    )
    if not is_text:
        return exact.alias(ours)
    real = pl.when(~pl.col(ours).str.contains(spellings.DOUBTFUL)).then(pl.col(ours).cast(pl.Float64, strict=False))
    rounded = pl.when(real.abs() < MAX_FLOW_BYTES / times * by).then((real * times / by).round().cast(pl.Int64))
    told = pl.when(whole.is_not_null()).then(exact).otherwise(rounded)
    return pl.coalesce(told.cast(pl.String), ours).alias(ours)


_MUCH = 2 * MAX_FLOW_BYTES


def _turned(schema: pl.Schema) -> list[pl.Expr]:
    """Ends in the direction of their bytes; where the word for it is unknown, it stands for an end, which it is not."""
    word = pl.col("sent_way").cast(pl.String).str.strip_chars().str.to_lowercase()
    inward, known = word.is_in(_IN).fill_null(False), word.is_in((*_IN, *_OUT)).fill_null(False)
    pairs = [p for a, b in _ENDS if a in schema and b in schema for p in ((a, b), (b, a))]
    ends = [pl.when(inward).then(pl.col(b)).otherwise(pl.col(a)).alias(a) for a, b in pairs]
    unknown = pl.concat_str(pl.lit("direction "), word.fill_null("none"))
    return [
        pl.when(known).then(end).otherwise(unknown).alias("src") if end.meta.output_name() == "src" else end
        for end in ends
    ]

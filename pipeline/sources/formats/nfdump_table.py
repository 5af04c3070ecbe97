"""nfdump's tables for people (-o line, long, extended, biline, bilong, fmt) as fields; large numbers come rounded.

What the columns mean is in `nfdump_fields`, which columns a table in a format of one's own has in `nfdump_layout`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import polars as pl

from pipeline.sources.base import rejects_frame
from pipeline.sources.declared import Decoded
from pipeline.sources.formats.nfdump_fields import Tally, merged, settle
from pipeline.sources.formats.nfdump_layout import NUMBER, layout_of, rows_of
from pipeline.sources.reverse import Reverse

_ROW = (
    r"^(?<ts>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?)\s+(?<duration>(?:\d+d\s+)?-?[\d:.]+)\s+(?<proto>\S+)\s+"
    r"(?<from>\S+)\s+(?<arrow><?->)\s+(?<to>\S+)\s+(?:(?<flags>[.CEUAPRSF]{6,8}|0x[0-9a-f]+)\s+\d+\s+)?"
    rf"(?<n1>{NUMBER})\s+(?<n2>{NUMBER})\s+(?<n3>{NUMBER})(?:\s+(?<n4>{NUMBER}))?(?:\s.*)?$"
)
_ABOUT = (
    r"^(?:Date (?:first seen|flow start)|Summary:|Time window:|Total flows processed:|Sys:|Aggregated flows|Top \d|"
    r"Ident:|Flow summary|Blocks skipped|Byte limit|No matching flow)"
)
_SCALES = {"K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}


def _plain(text: pl.Expr) -> pl.Expr:
    """A number without its unit: 639.7 M is 639700000, to the precision that was printed."""
    parts = text.str.extract_groups(r"^(\d+(?:\.\d+)?)\s([KMGT])$").struct
    factor = parts.field("2").replace_strict(_SCALES, default=None, return_dtype=pl.Float64)
    scaled = (parts.field("1").cast(pl.Float64) * factor).round().cast(pl.Int64, strict=False)
    return pl.coalesce(scaled.cast(pl.String), text)


def _ends(column: str, address: str, port: str) -> list[pl.Expr]:
    """10.1.0.11:40001 or 2001:db8::1.40001 as address and port; an IPv6 address that was cut short stays unreadable."""
    text = pl.col(column).str.replace_all(r"\([^)]*\)", "")
    parts = text.str.extract_groups(r"^(?:(\d+\.\d+\.\d+\.\d+):|([0-9a-fA-F:]+)\.)([\d.]+)$").struct
    known = pl.coalesce(parts.field("1"), parts.field("2"), text)
    return [known.alias(address), parts.field("3").alias(port)]


@dataclass
class TableDecoder:
    """nfdump -o line, long, extended, biline, bilong and fmt: tables for people, large numbers rounded."""

    tally: Tally = field(default_factory=Tally)
    reverse: Reverse = field(default_factory=Reverse)
    layout: str = ""
    """The header of a table in a format of one's own that lines go on with."""

    def state(self) -> dict[str, Any]:
        """Sums since the last Summary, the evidence of both directions, and the columns."""
        return {"tally": self.tally.state(), "reverse": self.reverse.state(), "layout": self.layout}

    def resume(self, state: dict[str, Any]) -> None:
        """Take them up."""
        self.tally.resume(state["tally"])
        self.reverse = Reverse(**state["reverse"])
        self.layout = state["layout"]

    def unfinished(self) -> list[tuple[int, str]]:
        """No record spans lines."""
        return []

    def decode(self, lines: pl.DataFrame, reason: str) -> Decoded:
        """See Decoder."""
        parts, heads = self._parts(lines)
        told, head = pl.col("ts", "in_bytes", "out_bytes").is_not_null(), pl.col("source_line").is_in(heads)
        row = pl.any_horizontal(told) & ~head
        about = ~row & (pl.col("raw").str.contains(_ABOUT) | head)
        rest = parts.filter(~row & ~about)
        whole = pl.col("raw").str.extract(r"^Summary: .*total bytes: (\d+),")
        summaries = parts.filter(about & pl.col("raw").str.starts_with("Summary:"))
        marks = summaries.select("source_line", total=whole.cast(pl.Float64, strict=False))
        found = parts.filter(row)
        wrong = self.tally.mismatches(found, marks, pl.col("rounded"))
        rounded = int(found["rounded"].sum())
        fields, odd = settle(found.drop("rounded"), self.reverse)
        warnings = merged(odd, {"summary_mismatch": wrong, "rounded_bytes": rounded})
        broken = rejects_frame(rest["source_line"], reason, "no flow of nfdump's tables", rest["raw"])
        return Decoded(fields, broken, comments=parts.filter(about).height, warnings=warnings)

    def _parts(self, lines: pl.DataFrame) -> tuple[pl.DataFrame, list[int]]:
        """(lines with their columns, null in those that are no rows; which lines are headers)."""
        named = (pl.col("raw").str.contains(f"{side} IP Addr", literal=True) for side in ("Src", "Dst"))
        heads = lines.filter(*named)
        numbers, told = heads["source_line"], [self.layout, *map(layout_of, heads["raw"])]
        self.layout = told[-1]
        if not any(told):
            return _by_shape(lines), numbers.to_list()
        under = numbers.search_sorted(lines["source_line"], side="right")
        pieces = [(told[i], lines.filter(under == i)) for i in range(len(told))]
        parts = [_by_header(piece, layout) if layout else _by_shape(piece) for layout, piece in pieces]
        return pl.concat(parts), numbers.to_list()


def _by_shape(lines: pl.DataFrame) -> pl.DataFrame:
    """Lines with the columns of the tables that nfdump names itself."""
    rows = lines.with_columns(pl.col("raw").str.extract_groups(_ROW).alias("_row")).unnest("_row")
    both = pl.col("arrow") == "<->"
    sizes = {
        "in_packets": pl.when(both).then("n2").otherwise("n1"),
        "in_bytes": pl.when(both).then("n4").otherwise("n2"),
        "out_packets": pl.when(both).then("n1"),
        "out_bytes": pl.when(both).then("n3"),
    }
    ends = (*_ends("from", "src", "src_port"), *_ends("to", "dest", "dest_port"))
    none = {c: pl.lit(None, pl.String) for c in ("end", "way", "system")}
    return rows.select("source_line", "raw", "ts", "duration", "proto", "flags", *ends, *_counted(sizes), **none)


def _by_header(lines: pl.DataFrame, layout: str) -> pl.DataFrame:
    """Lines with the columns that a header names, in the order of the others'."""
    rows = rows_of(lines, layout)
    sizes = {c: pl.col(c) for c in ("in_packets", "in_bytes", "out_packets", "out_bytes")}
    joined = rows.select("source_line", *_ends("from", "src", "src_port"), *_ends("to", "dest", "dest_port"))
    ends = [pl.coalesce(c, pl.lit(joined[c])).alias(c) for c in ("src", "src_port", "dest", "dest_port")]
    more = ("end", "way", "system")
    return rows.select("source_line", "raw", "ts", "duration", "proto", "flags", *ends, *_counted(sizes), *more)


def _counted(sizes: dict[str, pl.Expr]) -> list[pl.Expr]:
    """Counters as plain numbers, and whether those of bytes are rounded."""
    rounded = pl.any_horizontal(sizes[c].str.contains(r"[KMGT]$").fill_null(False) for c in ("in_bytes", "out_bytes"))
    return [*(_plain(e).alias(name) for name, e in sizes.items()), rounded.alias("rounded")]

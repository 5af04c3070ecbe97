"""nfdump's tables for people (-o line, long, extended, biline, bilong) as fields; large numbers come rounded.

What the columns mean is in `nfdump_fields`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import polars as pl

from pipeline.sources.base import rejects_frame
from pipeline.sources.declared import Decoded
from pipeline.sources.formats.nfdump_fields import Tally, merged, settle
from pipeline.sources.reverse import Reverse

_NUMBER = r"\d+(?:\.\d+)?(?:\s[KMGT]\b)?"
_ROW = (
    r"^(?<ts>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?)\s+(?<duration>(?:\d+d\s+)?-?[\d:.]+)\s+(?<proto>\S+)\s+"
    r"(?<from>\S+)\s+(?<arrow><?->)\s+(?<to>\S+)\s+(?:(?<flags>[.CEUAPRSF]{6,8}|0x[0-9a-f]+)\s+\d+\s+)?"
    rf"(?<n1>{_NUMBER})\s+(?<n2>{_NUMBER})\s+(?<n3>{_NUMBER})(?:\s+(?<n4>{_NUMBER}))?(?:\s.*)?$"
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
    """nfdump -o line, long, extended, biline and bilong: tables for people, large numbers rounded."""

    tally: Tally = field(default_factory=Tally)
    reverse: Reverse = field(default_factory=Reverse)

    def state(self) -> dict[str, Any]:
        """Sums since the last Summary, and the evidence of both directions."""
        return {"tally": self.tally.state(), "reverse": self.reverse.state()}

    def resume(self, state: dict[str, Any]) -> None:
        """Take both up."""
        self.tally.resume(state["tally"])
        self.reverse = Reverse(**state["reverse"])

    def unfinished(self) -> list[tuple[int, str]]:
        """No record spans lines."""
        return []

    def decode(self, lines: pl.DataFrame, reason: str) -> Decoded:
        """See Decoder."""
        parts = lines.with_columns(pl.col("raw").str.extract_groups(_ROW).alias("_row")).unnest("_row")
        row = pl.col("ts").is_not_null()
        about = ~row & pl.col("raw").str.contains(_ABOUT)
        rest = parts.filter(~row & ~about)
        whole = pl.col("raw").str.extract(r"^Summary: .*total bytes: (\d+),")
        summaries = parts.filter(about & pl.col("raw").str.starts_with("Summary:"))
        marks = summaries.select("source_line", total=whole.cast(pl.Float64, strict=False))
        found, rounded = _table(parts.filter(row))
        wrong = self.tally.mismatches(found, marks, pl.col("rounded"))
        fields, odd = settle(found.drop("rounded"), self.reverse)
        warnings = merged(odd, {"summary_mismatch": wrong, "rounded_bytes": rounded})
        broken = rejects_frame(rest["source_line"], reason, "no flow of nfdump's tables", rest["raw"])
        return Decoded(fields, broken, comments=parts.filter(about).height, warnings=warnings)


def _table(rows: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Rows of a table as columns named as in the CSV and whether bytes are rounded; how many are."""
    both = pl.col("arrow") == "<->"
    sizes = {
        "in_packets": pl.when(both).then("n2").otherwise("n1"),
        "in_bytes": pl.when(both).then("n4").otherwise("n2"),
        "out_packets": pl.when(both).then("n1"),
        "out_bytes": pl.when(both).then("n3"),
    }
    rounded = pl.any_horizontal(sizes[c].str.contains(r"[KMGT]$").fill_null(False) for c in ("in_bytes", "out_bytes"))
    found = rows.select(
        "source_line",
        "raw",
        "ts",
        "duration",
        "proto",
        "flags",
        *_ends("from", "src", "src_port"),
        *_ends("to", "dest", "dest_port"),
        *(_plain(e).alias(name) for name, e in sizes.items()),
        rounded=rounded,
    )
    return found, int(found["rounded"].sum())

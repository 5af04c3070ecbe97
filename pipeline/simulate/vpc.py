"""Writing simulated sessions as AWS VPC flow logs: version 2 text, a record for each direction and ten minutes.

The servers' network interfaces report, so that nothing is told twice; a record's bytes are those of its interval.
What the sessions are is decided in `pipeline.simulate.sessions`.
"""

from __future__ import annotations

import datetime as dt
import gzip
from pathlib import Path

import polars as pl

HEADER = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"
)
_ACCOUNT = "123456789012"
_WINDOW = 600
"""Seconds: the longest interval of aggregation, AWS's default."""


def records(flows: pl.DataFrame) -> pl.DataFrame:
    """Records of both directions in the order of the header's columns (AWS, "Flow log records", version 2).

    Counters of an interval are the session's in equal parts, whole and with nothing lost. An interval in which nothing
    went a direction has no record of it.
    """
    first, last = pl.col("start") // 1_000_000, (pl.col("start") + pl.col("duration")) // 1_000_000
    windows = flows.with_columns(first=first, last=last, count=(last - first) // _WINDOW + 1)
    windows = windows.with_columns(pl.int_ranges("count").alias("window")).explode("window", empty_as_null=False)
    sides = [
        _side(windows, "_in", ("resp_h", "resp_p"), ("orig_h", "orig_p")),
        _side(windows, "_out", ("orig_h", "orig_p"), ("resp_h", "resp_p")),
    ]
    return pl.concat(sides).filter(pl.col("bytes") > 0).sort("end", "start", "srcaddr", "dstaddr", "srcport", "dstport")


def _side(windows: pl.DataFrame, side: str, source: tuple[str, str], target: tuple[str, str]) -> pl.DataFrame:
    def part(counter: str) -> pl.Expr:
        whole, count, number = pl.col(counter + side), pl.col("count"), pl.col("window")
        return whole // count + (number < whole % count).cast(pl.Int64)

    begin = pl.col("first") + pl.col("window") * _WINDOW
    return windows.select(
        pl.lit(2).alias("version"),
        pl.lit(_ACCOUNT).alias("account-id"),
        (pl.lit("eni-0") + pl.col("resp_h").str.replace_all(".", "", literal=True).str.zfill(16)).alias("interface-id"),
        pl.col(source[0]).alias("srcaddr"),
        pl.col(target[0]).alias("dstaddr"),
        pl.col(source[1]).alias("srcport"),
        pl.col(target[1]).alias("dstport"),
        pl.when(pl.col("proto") == "udp").then(17).otherwise(6).alias("protocol"),
        part("packets").clip(1).alias("packets"),
        part("bytes").alias("bytes"),
        begin.alias("start"),
        pl.min_horizontal(begin + _WINDOW - 1, "last").alias("end"),
        pl.lit("ACCEPT").alias("action"),
        pl.lit("OK").alias("log-status"),
    )


def write_day(flows: pl.DataFrame, folder: Path, day: dt.date) -> int:
    """One day's records in folder/YYYY-MM-DD/vpcflowlogs.log.gz; the lines written, without the header."""
    path = folder / day.isoformat() / "vpcflowlogs.log.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = records(flows)
    text = HEADER + "\n" + lines.write_csv(include_header=False, separator=" ", quote_style="never")
    path.write_bytes(gzip.compress(text.encode(), compresslevel=5, mtime=0))
    return lines.height

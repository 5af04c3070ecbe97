"""Writing simulated connections as Zeek writes its conn.log: tab-separated, gzipped, rotated by day.

A record stands in the file of the day its session ended, as Zeek logs at the end. What the sessions are is decided in
`pipeline.simulate.traffic`.
"""

from __future__ import annotations

import datetime as dt
import gzip
from pathlib import Path

import polars as pl

from pipeline.days import day_of
from pipeline.schemas import UTC_TIME

_FIELDS = (
    ("ts", "time"),
    ("uid", "string"),
    ("id.orig_h", "addr"),
    ("id.orig_p", "port"),
    ("id.resp_h", "addr"),
    ("id.resp_p", "port"),
    ("proto", "enum"),
    ("service", "string"),
    ("duration", "interval"),
    ("orig_bytes", "count"),
    ("resp_bytes", "count"),
    ("conn_state", "string"),
    ("local_orig", "bool"),
    ("local_resp", "bool"),
    ("missed_bytes", "count"),
    ("history", "string"),
    ("orig_pkts", "count"),
    ("orig_ip_bytes", "count"),
    ("resp_pkts", "count"),
    ("resp_ip_bytes", "count"),
    ("tunnel_parents", "set[string]"),
    ("ip_proto", "count"),
)


def header(opened: str) -> str:
    """The lines above the records; opened is Zeek's time form."""
    names, types = zip(*_FIELDS, strict=True)
    lines = [
        "#separator \\x09",
        "#set_separator\t,",
        "#empty_field\t(empty)",
        "#unset_field\t-",
        "#path\tconn",
        f"#open\t{opened}",
        "#fields\t" + "\t".join(names),
        "#types\t" + "\t".join(types),
    ]
    return "\n".join(lines) + "\n"


def records(flows: pl.DataFrame) -> pl.DataFrame:
    """Connections of `traffic.company_flows` as the text columns of a conn.log, in its order."""

    def seconds(column: str) -> pl.Expr:
        whole, part = pl.col(column) // 1_000_000, pl.col(column) % 1_000_000
        return pl.concat_str(whole.cast(pl.String), pl.lit("."), part.cast(pl.String).str.zfill(6))

    history = (
        pl.when(pl.col("state") == "S0")
        .then(pl.lit("S"))
        .when(pl.col("state") == "REJ")
        .then(pl.lit("Sr"))
        .otherwise(pl.lit("ShADadfF"))
    )
    return flows.select(
        seconds("start").alias("ts"),
        "uid",
        "orig_h",
        "orig_p",
        "resp_h",
        "resp_p",
        "proto",
        "service",
        seconds("duration").alias("duration"),
        "payload_out",
        "payload_in",
        "state",
        pl.lit("T").alias("local_orig"),
        pl.lit("F").alias("local_resp"),
        pl.lit("0").alias("missed"),
        history.alias("history"),
        "packets_out",
        "bytes_out",
        "packets_in",
        "bytes_in",
        pl.lit("-").alias("tunnel"),
        pl.when(pl.col("proto") == "udp").then(17).otherwise(6).alias("ip_proto"),
    )


def write_days(flows: pl.DataFrame, folder: Path, timezone: str) -> list[Path]:
    """One gzipped conn.log a day of session end, in folder/YYYY-MM-DD/; the same flows give the same bytes."""
    ended = (pl.col("start") + pl.col("duration").fill_null(0)).cast(UTC_TIME)
    dated = flows.with_columns(_end=ended).with_columns(day_of("_end", timezone).alias("_day"))
    return [
        _write(folder, key[0], part.drop("_end", "_day"))
        for key, part in dated.partition_by("_day", as_dict=True, maintain_order=True).items()
    ]


def _write(folder: Path, day: dt.date, flows: pl.DataFrame) -> Path:
    path = folder / day.isoformat() / "conn.00:00:00-00:00:00.log.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    body = records(flows).write_csv(include_header=False, separator="\t", null_value="-", quote_style="never")
    closed = (day + dt.timedelta(days=1)).isoformat()
    text = header(f"{day}-00-00-00") + body + f"#close\t{closed}-00-00-00\n"
    path.write_bytes(gzip.compress(text.encode(), compresslevel=5, mtime=0))
    return path

"""A big synthetic conn.log with a known answer: one day of connections, a tenth of them to twenty mail servers."""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from pipeline.simulate.zeek import header

DAY = dt.date(2026, 11, 2)
_CHUNK = 250_000
_DAY_US = 86_400_000_000


@dataclass(frozen=True)
class BigLog:
    """The file, its servers and what the daily sums must add up to."""

    path: Path
    servers: tuple[str, ...]
    lines: int
    mail_bytes: int


def servers(count: int = 20) -> tuple[str, ...]:
    """Mail servers scattered over the documentation networks."""
    draw = random.Random(5)
    nets = ("192.0.2", "198.51.100", "203.0.113", "10.77.3")
    return tuple(f"{nets[i % 4]}.{draw.randrange(1, 255)}" for i in range(count))


def write_big_log(path: Path, lines: int) -> BigLog:
    """Write a log of so many records, in chunks, so that memory stays flat."""
    mail, total = servers(), 0
    with path.open("wb") as out:
        out.write(header("2026-11-02-00-00-00").encode())
        for start in range(0, lines, _CHUNK):
            frame = _chunk(start, min(_CHUNK, lines - start), lines, mail)
            total += int(frame.filter(pl.col("resp_h").is_in(list(mail)))["resp_ip_bytes"].sum())
            out.write(frame.write_csv(separator="\t", include_header=False, quote_style="never").encode())
    return BigLog(path, mail, lines, total)


def _chunk(start: int, count: int, lines: int, mail: tuple[str, ...]) -> pl.DataFrame:
    base = int(dt.datetime.combine(DAY, dt.time(), dt.UTC).timestamp()) * 1_000_000
    i = pl.col("i")

    def draw(name: str, size: int) -> pl.Expr:
        return (i.hash(seed=sum(map(ord, name))) % size).cast(pl.Int64)

    def address(prefix: str, name: str, blocks: int) -> pl.Expr:
        block, host = draw(name, blocks), draw(f"{name} host", 250) + 1
        return pl.concat_str(pl.lit(prefix), block.cast(pl.String), pl.lit("."), host.cast(pl.String))

    at = base + (i * (_DAY_US // lines)).cast(pl.Int64)
    is_mail = draw("mail", 10) == 0
    server = pl.lit(pl.Series(mail)).gather(draw("server", len(mail)))
    size = draw("size", 90_000) + 60
    return pl.DataFrame({"i": pl.int_range(start, start + count, eager=True)}).select(
        ts=pl.concat_str(at // 1_000_000, pl.lit("."), (at % 1_000_000).cast(pl.String).str.zfill(6)),
        uid=pl.concat_str(pl.lit("C"), i.hash(seed=1).cast(pl.String)),
        orig_h=address("10.20.", "client", 40),
        orig_p=draw("port", 28_000) + 32_768,
        resp_h=pl.when(is_mail).then(server).otherwise(address("100.64.", "web", 200)),
        resp_p=pl.when(is_mail).then(993).otherwise(443),
        proto=pl.lit("tcp"),
        service=pl.lit("ssl"),
        duration=pl.concat_str(draw("seconds", 90).cast(pl.String), pl.lit(".125000")),
        orig_bytes=draw("out", 5_000),
        resp_bytes=size,
        conn_state=pl.lit("SF"),
        local_orig=pl.lit("T"),
        local_resp=pl.lit("F"),
        missed_bytes=pl.lit(0),
        history=pl.lit("ShADadFf"),
        orig_pkts=draw("packets", 60) + 2,
        orig_ip_bytes=draw("out", 5_000) + 400,
        resp_pkts=draw("packets", 60) + 3,
        resp_ip_bytes=size + 520,
        tunnel_parents=pl.lit("-"),
        ip_proto=pl.lit(6),
    )

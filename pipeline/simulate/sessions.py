"""Cutting the daily bytes of a world into mail sessions that add up to them, to the byte.

Every session begins and ends on its day, so that each way of writing logs tells the same daily sums. Who receives how
much is decided in `pipeline.simulate.world`, and how a sensor writes a session down in `zeek`, `suricata` and `vpc`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import polars as pl

from pipeline.days import day_bounds_utc
from pipeline.simulate.draws import Draws, micros
from pipeline.simulate.traffic import on_the_wire, session_start

_MINUTE = 60_000_000
_FEW = 10_000
"""A day of fewer bytes is one session: no part of it shall be empty."""


def server_addresses(count: int) -> tuple[str, ...]:
    """The mail servers of a world's logs."""
    return tuple(f"192.0.2.{10 + i}" for i in range(count))


def daily_sessions(daily: pl.DataFrame, *, seed: int, timezone: str, servers: Sequence[str]) -> pl.DataFrame:
    """Sessions for rows of a day, src_ip (IPv4) and bytes_in; the rows of a day always become the same sessions.

    Returns:
        The columns of `traffic.company_flows`, ordered by end; bytes_in of a client's sessions sum to its daily bytes.
    """
    draw = Draws(seed, "world sessions")
    rows = _plan(daily, timezone, draw)
    rows = rows.with_columns(
        volume=_parts(draw), start=session_start(draw, pl.col("weekend")), imap=draw.uniform("imap") < 0.6
    )
    flows = on_the_wire(
        rows.with_columns(
            uid=draw.uid("uid"),
            duration=draw.log_normal("length", 25.0 * _MINUTE, 1.0, 2.5).round().cast(pl.Int64),
            orig_h=pl.col("src_ip"),
            orig_p=draw.integer("port", 32_768, 60_999),
            resp_h=draw.one_of("server", servers),
            resp_p=pl.when("imap").then(993).otherwise(443).cast(pl.Int64),
            proto=pl.lit("tcp"),
            service=pl.lit("ssl"),
            state=pl.lit("SF"),
            upload=pl.lit(False),
            reply=draw.log_normal("reply", 3_000.0, 0.7).round().cast(pl.Int64),
        )
    )
    left = rows["day_end"] - 1 - flows["start"]  # rows are still in one order
    flows = flows.with_columns(pl.min_horizontal("duration", left).alias("duration"))
    return flows.sort(pl.col("start") + pl.col("duration"), "uid")


def _plan(daily: pl.DataFrame, timezone: str, draw: Draws) -> pl.DataFrame:
    """One row a session, with the key of its random numbers: the calendar day, the address and its number."""
    bounds = [(day, *map(micros, day_bounds_utc(day, timezone))) for day in daily["day"].unique().sort()]
    calendar = pl.DataFrame(bounds, schema=["day", "day_start", "day_end"], orient="row")
    octets = pl.col("src_ip").str.split_exact(".", 3)
    address = sum((octets.struct[i].cast(pl.UInt64) * 256 ** (3 - i) for i in range(4)), pl.lit(0, pl.UInt64))
    ordinal = (pl.col("day") - dt.date(1, 1, 1)).dt.total_days().cast(pl.UInt64)
    plan = daily.select("day", "src_ip", "bytes_in").join(calendar, on="day").sort("day", "src_ip")
    plan = plan.with_columns(key=(ordinal * 2**32 + address) * 2**8, weekend=pl.col("day").dt.weekday() > 5)
    many = pl.when("weekend").then(draw.integer("few", 1, 2)).otherwise(draw.integer("many", 3, 8))
    length = pl.col("day_end") - pl.col("day_start")
    plan = plan.with_columns(count=pl.when(pl.col("bytes_in") < _FEW).then(1).otherwise(many), day_length=length)
    rows = plan.with_columns(pl.int_ranges("count").alias("session")).explode("session", empty_as_null=False)
    return rows.with_columns(pl.col("key") + pl.col("session").cast(pl.UInt64))


def _parts(draw: Draws) -> pl.Expr:
    """Each session's whole bytes: differences of rounded running sums, the last of which is the day's."""
    party = ("day", "src_ip")
    share = draw.log_normal("share", 1.0, 0.9)
    until = pl.col("bytes_in") * (share.cum_sum().over(party) / share.sum().over(party))
    until = pl.when(pl.col("session") == pl.col("count") - 1).then("bytes_in").otherwise(until.floor().cast(pl.Int64))
    return until - until.shift(1).over(party).fill_null(0)

"""What a record says of itself: whose it is, its direction and size, and which records lie near each other in time.

Every step of counting once reads records by these; the steps are in `pipeline.counting.once` and
`pipeline.counting.sensors`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from pipeline.counting.attribution import end_time

KEY = ("src_ip", "src_port", "dest_ip", "dest_port", "transport")
"""What the records of one flow have in common, whoever made them."""
OBSERVER = ("source", "dvc", "reporter")
"""Who made a record."""
ORDER = ("source_file", "source_line", "source")
"""Which record it is: files of two sources outside of the site may have one name."""
LAYERS = ("ip", "payload", "other")
BYTES = tuple(f"{layer}_bytes_{side}" for layer in LAYERS for side in ("in", "out"))
COUNTS = (*BYTES, "packets_in", "packets_out", "missed_bytes", "total_bytes")


@dataclass(frozen=True)
class Rules:
    """How records are brought together."""

    window: dt.timedelta = dt.timedelta(minutes=10)
    """Records of the same ends and ports that lie no farther apart may be of one session."""
    sensors: tuple[str, ...] = ()
    """Sensors (dvc or source) in order of preference where several saw a flow; the others come after them."""
    edges: tuple[dt.datetime, ...] = ()
    """Where the day begins and ends, where of sessions that last over these only some of the records may be there."""


DEFAULT_RULES = Rules()


def side_told() -> pl.Expr:
    """In or out where the record knows the bytes of that direction only, else both."""
    known = {
        side: pl.any_horizontal(pl.col(c).is_not_null() for c in BYTES if c.endswith(f"_{side}"))
        for side in ("in", "out")
    }
    return (
        pl.when(known["in"] == known["out"])
        .then(pl.lit("both"))
        .when(known["in"])
        .then(pl.lit("in"))
        .otherwise(pl.lit("out"))
    )


def size_told() -> pl.Expr:
    """The bytes of both directions, each by its best layer, or what a record says that they are together."""
    ways = (pl.coalesce(f"{layer}_bytes_{side}" for layer in LAYERS) for side in ("in", "out"))
    return pl.max_horizontal(pl.sum_horizontal(ways), pl.col("total_bytes").fill_null(0))


def has_ends() -> pl.Expr:
    """Whether a record has a time and both ports, by which it can be told from others."""
    return pl.all_horizontal(pl.col(c).is_not_null() for c in ("start_time", "src_port", "dest_port"))


def in_runs(flows: pl.DataFrame, key: Sequence[str], gap: dt.timedelta, begin: str = "start_time") -> pl.DataFrame:
    """Flows in order of key and time with `_run`: one number for rows of a key with no longer silence between them.

    Args:
        flows: records.
        key: what the records of a run have in common.
        gap: the longest silence within a run.
        begin: the column that says from when on a record tells.
    """
    flows = flows.sort(*key, begin, *ORDER, nulls_last=True, maintain_order=True)
    flows = flows.with_columns(_key=pl.struct(key).rle_id())
    silent = pl.col(begin) - end_time().cum_max().shift().over("_key") > gap
    first = pl.col("_key") != pl.col("_key").shift()
    return flows.with_columns(_run=(first.fill_null(True) | silent.fill_null(True)).cum_sum()).drop("_key")


def split(flows: pl.DataFrame, condition: pl.Expr) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(rows that meet the condition, the others)."""
    mask = flows.select(condition.fill_null(False).alias("m"))["m"]
    return (flows, flows.clear()) if mask.all() else (flows.filter(mask), flows.filter(~mask))

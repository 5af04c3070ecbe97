"""What a day did to everybody: effects of the day on the fleet and on groups, and how much a client follows them.

Each client's effects come from the other clients alone, so that nobody's jump explains itself. What is left of a
client's volume afterwards is judged elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import polars as pl

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Numbers = TypeVar("Numbers", pl.Expr, "npt.NDArray[np.float64]")
FLOOR_BYTES = 1e5
"""Added before logarithms: differences far below it are no difference."""
_OTHERS_WEIGHT = 30
"""So many others make an effect count half."""
_FOLLOWS_WEIGHT = 1.0
"""What the fleet (for a role) or the role (for a client) does weighs as much as one day that fell by the factor e."""
_FOLLOWS_MOST = 1.5
_FELT = 0.2
"""A day with a smaller effect says nothing of who follows it: it is mostly chance, which nobody follows."""


def log_volume(column: str) -> pl.Expr:
    """ln(bytes + 100 kB); null where the bytes are unknown."""
    return (pl.col(column).cast(pl.Float64) + FLOOR_BYTES).log()


def volume_of(log_volume: pl.Expr) -> pl.Expr:
    """The inverse of log_volume, in bytes."""
    return log_volume.exp() - FLOOR_BYTES


def adjusted(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with each client's log volume freed from the days' effects.

    Args:
        rows: one row a (client, day): client, role, group, day, y = log volume, and past = whether the row belongs to
            the past that a client is compared with.

    Returns:
        The rows with usual (M_c, the median of the client's past y; null without one), day_effect (E_gd),
        follows (how much of an effect the client usually shows: 0 not at all, 1 like the fleet), shift = follows x
        day_effect, and level = y - shift.
    """
    past_y = pl.when("past").then("y")
    rows = rows.with_columns(usual=past_y.median().over("client"))
    rows = rows.with_columns(residual=pl.col("y") - pl.col("usual"))
    rows = medians_of_others(rows)
    rows = rows.with_columns(day_effect=day_effect(*(pl.col(c) for c in ("fleet", "fleet_n", "peers", "peers_n"))))
    rows = rows.with_columns(follows=_follows("role", 1.0)).with_columns(follows=_follows("client", pl.col("follows")))
    rows = rows.with_columns(shift=pl.col("follows") * pl.col("day_effect"))
    return rows.with_columns(level=pl.col("y") - pl.col("shift"))


def medians_of_others(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with fleet, fleet_n, peers and peers_n: medians and numbers of the others' residuals of the day."""
    return _others(_others(rows, ["day"], "fleet"), ["day", "role", "group"], "peers")


def day_effect(fleet: Numbers, fleet_n: Numbers, peers: Numbers, peers_n: Numbers) -> Numbers:
    """The day's effect on a client, from the medians and numbers of the others of the fleet and of its group."""
    of_fleet = fleet * fleet_n / (fleet_n + _OTHERS_WEIGHT)
    return (peers_n * peers + _OTHERS_WEIGHT * of_fleet) / (peers_n + _OTHERS_WEIGHT)


def _follows(who: str, prior: float | pl.Expr) -> pl.Expr:
    """Ridge regression of past residuals on the days' effects, drawn towards a prior slope.

    Servers and gateways keep their volume on weekends and holidays; without this, most of their spread would be the
    fleet's calendar.
    """
    effect, residual = pl.col("day_effect"), pl.col("residual")
    past = pl.col("past") & residual.is_not_null() & (effect.abs() >= _FELT)
    together = pl.when(past).then(effect * residual).sum().over(who)
    size = pl.when(past).then(effect * effect).sum().over(who)
    return ((together + _FOLLOWS_WEIGHT * prior) / (size + _FOLLOWS_WEIGHT)).clip(0, _FOLLOWS_MOST)


def _others(rows: pl.DataFrame, keys: list[str], name: str) -> pl.DataFrame:
    """Median and number of the residuals of the other rows with the same keys; the median is 0 where there are none.

    Leaving one value out of n sorted ones moves their median to a neighbour: with a, b, c the ones around the middle,
    it is told from where the own value lies.
    """
    values = pl.col("residual").drop_nulls().sort()
    middle = rows.group_by(keys).agg(values, k=pl.col("residual").count())
    half = pl.col("k").cast(pl.Int64) // 2
    at = {n: pl.col("residual").list.get(half + i, null_on_oob=True) for n, i in (("a", -1), ("b", 0), ("c", 1))}
    middle = middle.select(*keys, "k", **at)
    own, a, b, c = (pl.col(n) for n in ("residual", "a", "b", "c"))
    even = pl.when(own.is_null()).then((a + b) / 2).when(own <= a).then(b).otherwise(a)
    odd = pl.when(own.is_null()).then(b).when(own < b).then((b + c) / 2).when(own > b).then((a + b) / 2)
    median = pl.when(pl.col("k") % 2 == 0).then(even).otherwise(odd.otherwise((a + c) / 2))
    others = pl.col("k").cast(pl.Int64) - own.is_not_null().cast(pl.Int64)
    joined = rows.join(middle, on=keys, how="left", maintain_order="left", nulls_equal=True)
    return joined.with_columns(
        pl.when(others > 0).then(median).otherwise(0.0).alias(name), others.alias(f"{name}_n")
    ).drop("a", "b", "c", "k")

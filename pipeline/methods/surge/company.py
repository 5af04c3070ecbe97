"""Company: whether others of a client's group are unusual on the same day, too, more of them than chance would have.

One theft may rob several hosts of a group at once, none of them much. What is unusual for one client is told elsewhere.
"""

from __future__ import annotations

import polars as pl

UNUSUAL_QUANTILE = 0.99
"""A client-day above this quantile of past surprises is unusual."""
_LEAST_OTHERS = 2


def company(rows: pl.DataFrame, unusual: float, usual_rate: float) -> pl.Series:
    """-ln of the chance of as many unusual others in the client's role and group; 0 with fewer than two, or no group.

    Chance is a Poisson law with the past's rate, or the day's rate outside of the group where that is higher: a
    mailing to all is nobody's company. The client's own volume plays no part, explained days are nobody's company.

    Args:
        rows: all rows of whole days: day, role, group, surprise, explained_by.
        unusual: surprises from here on are unusual.
        usual_rate: the past's share of unusual client-days.
    """
    group = ["day", "role", "group"]
    open_day = pl.col("explained_by").is_null() & pl.col("surprise").is_not_null()
    over = (open_day & (pl.col("surprise") >= unusual).fill_null(False)).cast(pl.Int64)
    counted = rows.select(
        named=pl.col("group").is_not_null(),
        others=over.sum().over(group) - over,
        size=open_day.sum().cast(pl.Int64).over(group) - open_day.cast(pl.Int64),
        elsewhere=over.sum().over("day") - over.sum().over(group),
        rest=(open_day.sum().over("day").cast(pl.Int64) - open_day.sum().over(group).cast(pl.Int64)).clip(1),
    )
    rate = pl.max_horizontal(pl.lit(usual_rate), pl.col("elsewhere") / pl.col("rest"))
    counted = counted.with_columns(mean=pl.col("size") * rate)
    import scipy.stats  # noqa: PLC0415 - brings NumPy, and most commands never score

    chance = pl.Series(scipy.stats.poisson.logsf((counted["others"] - 1).to_numpy(), counted["mean"].to_numpy()))
    together = pl.col("named") & (pl.col("others") >= _LEAST_OTHERS)
    return counted.select(company=pl.when(together).then(-chance).otherwise(0.0))["company"]

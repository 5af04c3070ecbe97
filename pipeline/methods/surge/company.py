"""Company: whether more of a client's group are unusual on the same day than chance would make so.

One theft may rob several hosts of a group at once, none of them of much. What is unusual for a single client is decided
elsewhere.
"""

from __future__ import annotations

import polars as pl

from pipeline.methods.surge.centre import LEAST_CHANCE
from pipeline.methods.surge.rarity import LIKE

UNUSUAL_QUANTILE = 0.99
"""A client-day above this quantile of past surprises is unusual."""
LEAST_OTHERS = 2
LEADERS = 2
"""So many of a group speak for its company: one alert is enough for one theft, and another client may hide it."""


def company(rows: pl.DataFrame, unusual: float, usual_rate: float) -> pl.DataFrame:
    """How rare each client's company is, and from which surprise on the client speaks for it.

    Chance is a Poisson law with the past's rate, or the day's rate outside of the group where that is higher: a
    mailing to all is nobody's company. The client's own volume plays no part. Explained days are nobody's company,
    yet count among those who could have been: of a group that a mailing explains, just the unusual ones are left.

    Args:
        rows: all rows of whole days: day, role, group, surprise, explained_by.
        unusual: surprises from here on are unusual.
        usual_rate: the past's share of unusual client-days.

    Returns:
        company: -ln of the chance of as many unusual others in the client's role and group; 0 with fewer than two, or
        no group. company_from: the least surprise that is unusual and among the two largest of the group.
    """
    group = ["day", "role", "group"]
    known = pl.col("surprise").is_not_null()
    over = (pl.col("explained_by").is_null() & (pl.col("surprise") >= unusual)).fill_null(False)
    seen = rows.select(*group, "surprise", known=known, over=over)
    groups = seen.group_by(group).agg(
        pl.col("known", "over").sum().cast(pl.Int64).name.suffix("_all"),
        largest=pl.col("surprise").filter("over").top_k(LEADERS + 1).sort(descending=True),
    )
    groups = groups.with_columns(
        elsewhere=pl.col("over_all").sum().over("day") - pl.col("over_all"),
        rest=(pl.col("known_all").sum().over("day") - pl.col("known_all")).clip(1),
        last_place=pl.col("largest").list.get(LEADERS - 1, null_on_oob=True),
        next_place=pl.col("largest").list.get(LEADERS, null_on_oob=True),
    ).drop("largest")
    seen = seen.join(groups, on=group, how="left", maintain_order="left", nulls_equal=True)
    rate = pl.max_horizontal(pl.lit(usual_rate), pl.col("elsewhere") / pl.col("rest"))
    leading = pl.col("over") & (pl.col("surprise") >= pl.col("last_place"))
    second = pl.when(leading).then("next_place").otherwise("last_place")
    counted = seen.select(
        others=pl.col("over_all") - pl.col("over"),
        mean=(pl.col("known_all") - pl.col("known")) * rate,
        named=pl.col("group").is_not_null(),
        company_from=leading_from(unusual, second),
    )
    return counted.select(pl.when("named").then(together(counted)).otherwise(0.0).alias("company"), "company_from")


def leading_from(unusual: float, second: pl.Expr) -> pl.Expr:
    """The least surprise that is unusual and no less, but for rounding, than the second largest of the others."""
    return pl.max_horizontal(pl.lit(unusual), second * (1 - LIKE))


def together(counted: pl.DataFrame) -> pl.Series:
    """Of each row -ln of the chance of as many (others) where some number (mean) is usual; 0 of fewer than two."""
    import scipy.stats  # noqa: PLC0415 - brings NumPy, and most commands never score

    chance = scipy.stats.poisson.logsf((counted["others"] - 1).to_numpy(), counted["mean"].to_numpy())
    many = pl.col("others") >= LEAST_OTHERS
    return counted.select(pl.when(many).then(-pl.Series(chance).clip(-LEAST_CHANCE)).otherwise(0.0)).to_series()

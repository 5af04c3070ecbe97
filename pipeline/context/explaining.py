"""Which client-days known events explain: a client's own events all of its days, shared ones as far as others show it.

Events are often dated a day early, so a client's own may explain the day after, too. Where events come from, a
site's file or a simulated world, does not matter here.
"""

from __future__ import annotations

import datetime as dt

import polars as pl

_BEYOND_OTHERS, _OTHERS_QUANTILE = 2.0, 0.9
_LATE_TIMES = 2
"""What an event announced came a day late where the day after it has so many times the bytes of its own day."""


def shared_explanations(rows: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """The client-days that events of a group, or of all, explain: day, client, cause.

    A row is explained only up to twice the 90 % quantile of the ratios of the others of its group to their own medians:
    a theft on the day of a mailing is seen, in a group of few clients, too. Where a client has no others, nothing shows
    what an event of its group did to it; of everybody's the fleet does.

    Args:
        rows: day, client, group, bytes.
        events: day, group (null: everybody), cause.
    """
    columns = ["day", "client", "cause"]
    if events.is_empty():
        return rows.clear().select("day", "client", cause=pl.lit(None, pl.String))
    told, everybody = _ratios(rows).join(events.select("day").unique(), on="day", how="semi"), pl.col("group").is_null()
    in_group, in_fleet = _others_ratio(told, ["day", "group"]), _others_ratio(told, ["day"])
    told = told.with_columns(in_group.alias("of_group"), pl.coalesce(in_group, in_fleet).alias("of_all"))
    in_line = pl.col("ratio") <= _BEYOND_OTHERS * pl.col("limit")
    of_groups = told.rename({"of_group": "limit"}).join(events.filter(~everybody), on=["day", "group"])
    of_all = told.rename({"of_all": "limit"}).join(events.filter(everybody).drop("group"), on="day")
    return pl.concat([f.filter(in_line).select(columns) for f in (of_groups, of_all)])


def late_explanations(rows: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """The client-days that are explained by events of the day before, dated a day early: day, client, cause.

    Only where the client received far more than on the event's own day: else what it announced has come in time.

    Args:
        rows: day, client, bytes; a client without a row on a day that others have received nothing.
        events: day, client, cause, of clients by name; those of days without any row say nothing of the day after.
    """
    after = pl.col("day") + dt.timedelta(days=1)
    known = events.join(rows.select("day").unique(), on="day", how="semi")
    late = rows.join(known.select(after, "client", "cause"), on=["day", "client"])
    late = late.join(rows.select(after, "client", before="bytes"), on=["day", "client"], how="left")
    return late.filter(pl.col("bytes") > _LATE_TIMES * pl.col("before").fill_null(0)).select("day", "client", "cause")


def _ratios(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with their ratio to the client's usual day; null without one, or where that is nothing."""
    usual = pl.col("bytes").rolling_median_by("day", "30d", closed="left").over("client", order_by="day")
    return rows.with_columns(usual=usual).with_columns(
        ratio=pl.when(pl.col("usual") > 0).then(pl.col("bytes") / pl.col("usual"))
    )


def _others_ratio(rows: pl.DataFrame, keys: list[str]) -> pl.Series:
    """For each row the quantile of the ratios of the other rows with its keys, as if its own were not there.

    Of sorted values without the one at place i the j-th is the j-th of all below i, and the next one from there on.
    """
    known = rows.select(*keys, "ratio", place=pl.col("ratio").rank("ordinal").over(keys).cast(pl.Int64) - 1)
    ordered = known.group_by(keys).agg(
        all=pl.col("ratio").drop_nulls().sort(), n=pl.col("ratio").count().cast(pl.Int64)
    )
    known = known.join(ordered, on=keys, how="left", maintain_order="left", nulls_equal=True)
    at = (pl.col("n") - 2) * _OTHERS_QUANTILE
    low = at.floor().cast(pl.Int64)

    def other(j: pl.Expr) -> pl.Expr:
        return pl.col("all").list.get(j + (j >= pl.col("place")).cast(pl.Int64), null_on_oob=True)

    between = other(low) + (at - low) * (other(low + 1) - other(low)).fill_null(0.0)
    return known.select(quantile=pl.when(pl.col("n") > 1).then(between)).to_series()

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

    A row is explained only up to twice the 90 % quantile of its group's ratios to their own medians: a theft on the day
    of a mailing is seen.

    Args:
        rows: day, client, group, bytes.
        events: day, group (null: everybody), cause.
    """
    columns = ["day", "client", "cause"]
    if events.is_empty():
        return rows.clear().select("day", "client", cause=pl.lit(None, pl.String))
    common, everybody = _in_line(rows), pl.col("group").is_null()
    of_groups = common.join(events.filter(~everybody), on=["day", "group"])
    of_all = common.join(events.filter(everybody).drop("group"), on="day")
    return pl.concat([f.select(columns) for f in (of_groups, of_all)])


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


def _in_line(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows whose ratio to the client's usual day is not far beyond those of its group on that day."""
    usual = pl.col("bytes").rolling_median_by("day", "30d", closed="left").over("client", order_by="day")
    ratio = rows.with_columns(ratio=pl.col("bytes") / usual)
    limit = _BEYOND_OTHERS * pl.col("ratio").quantile(_OTHERS_QUANTILE, "linear").over("day", "group")
    return ratio.filter(pl.col("ratio") <= limit).select(rows.columns)

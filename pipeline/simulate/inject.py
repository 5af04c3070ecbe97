"""Planting thefts of stated sizes into a copy of anybody's own daily table, to see whether they would be found.

The table given is never changed. Whole simulated worlds, with their own thefts, are made in `pipeline.simulate.world`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from pipeline.errors import Location, NilometerError
from pipeline.exact import INT64_MAX

_LARGEST = 10**15


class InjectionError(NilometerError):
    """A theft cannot be planted into this table as asked."""


@dataclass(frozen=True, kw_only=True)
class Injection:
    """A theft to plant: so many bytes more, up to 10^15, for one client on one day."""

    client: str
    day: dt.date
    size: int

    def __post_init__(self) -> None:
        if not 0 <= self.size <= _LARGEST:
            raise ValueError(f"theft at {self.client}: size must be in 0..10^15")


def inject(daily: pl.DataFrame, thefts: Sequence[Injection]) -> pl.DataFrame:
    """Plant thefts into a copy of a daily table.

    Args:
        daily: one row a (day: Date, client: String), with bytes: integer, null when unknown; more columns are kept, and
            are null in rows that only a theft made.
        thefts: what to plant; no client-day can be robbed twice.

    Returns:
        The copy, sorted by day and client, with bytes as Int64, which stop at the largest one; an unknown count on a
        robbed day is taken for 0. A theft of nothing on a day without a row leaves no row.

    Raises:
        InjectionError: the table is of another form, or a client-day would be robbed twice.
    """
    _check(daily)
    stolen = pl.DataFrame(
        [(t.day, t.client, t.size) for t in thefts],
        schema={"day": pl.Date, "client": pl.String, "_extra": pl.Int64},
        orient="row",
    )
    _refuse_repeated(stolen, "would be robbed twice.", "Keep the thefts apart.")
    joined = daily.with_columns(_seen=True).join(stolen, on=["day", "client"], how="full", coalesce=True)
    before = pl.col("bytes").cast(pl.Int128).clip(upper_bound=INT64_MAX)
    after = (before.fill_null(0) + pl.col("_extra")).clip(upper_bound=INT64_MAX)
    joined = joined.filter(pl.col("_seen") | (pl.col("_extra") > 0)).with_columns(
        bytes=pl.when(pl.col("_extra").is_null()).then(before).otherwise(after).cast(pl.Int64)
    )
    return joined.sort("day", "client").select(daily.columns)


def _check(daily: pl.DataFrame) -> None:
    wanted = {"day": daily.schema.get("day") == pl.Date, "client": daily.schema.get("client") == pl.String}
    wanted["bytes"] = bool(daily.schema.get("bytes", pl.Null).is_integer())
    for column, fits in wanted.items():
        if not fits:
            found = daily.schema.get(column)
            what = "is missing" if found is None else f"is {found}"
            remedy = "A daily table has day (Date), client (String) and bytes (an integer)."
            raise InjectionError(f"the column {what}.", where=Location(column=column), remedy=remedy)
    _refuse_repeated(daily, "has several rows.", "Give one measure's rows, one a day.")


def _refuse_repeated(rows: pl.DataFrame, fault: str, remedy: str) -> None:
    """Raise InjectionError where a client has several rows on a day."""
    keys = rows.select("day", "client")
    for day, client in keys.filter(keys.is_duplicated()).sort("day", "client").head(1).rows():
        raise InjectionError(f"{client} {fault}", where=Location(day=str(day)), remedy=remedy)

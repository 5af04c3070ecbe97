"""What a row of each table between flows and scores must not be, and the small tools that all profiles count with.

An expression that is true of a faulty row serves twice: summed it is a number of the profile, as a filter it finds the
rows to show.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import polars as pl

from pipeline.addresses import canonical_frame
from pipeline.days import day_bounds_utc
from pipeline.schemas import DAILY_TRAFFIC, TRAFFIC_BASELINE, Table
from pipeline.site import Site
from pipeline.storage import checked, columns_of, day_name


def schema_faults(site: Site, table: Table, day: dt.date) -> int:
    """Columns that are missing, of another type, or too many."""
    return len(schema_differences(site, table, day))


def schema_differences(site: Site, table: Table, day: dt.date) -> list[dict[str, str]]:
    """Each column that differs: what it should be and what it is."""
    # The file itself: a day whose columns differ is not scanned as its table at all.
    stored = site.storage.paths([day_name(table.name, day)])
    found = columns_of(checked(stored[0])) if stored else dict(table.schema)
    names = [*table.schema, *(c for c in found if c not in table.schema)]
    return [
        {"column": n, "wanted": str(table.schema.get(n, "no such column")), "found": str(found.get(n, "missing"))}
        for n in names
        if table.schema.get(n) != found.get(n)
    ]


def row_of(frame: pl.LazyFrame, **numbers: pl.Expr) -> dict[str, Any]:
    """The numbers, in one streaming pass."""
    return frame.select(**numbers).collect(engine="streaming").row(0, named=True)


def share(part: float, whole: float) -> float | None:
    """A part of a whole; None of nothing."""
    return part / whole if whole else None


def lacks_a_value(table: Table) -> pl.Expr:
    """True of a row that lacks a value which every row of the table must have: no comparison with it would tell."""
    return pl.any_horizontal(pl.col(c.name).is_null() for c in table.columns if not c.nullable)


def daily_faults(site: Site, day: dt.date) -> dict[str, pl.Expr]:
    """What a row of daily_traffic must not be."""
    first, end = day_bounds_utc(day, site.settings.timezone)
    times = [~pl.col(c).is_between(first, end, closed="left") for c in ("first_start", "last_start")]
    counts = pl.col("flows") < 1, pl.col("flows_unknown").is_between(0, pl.col("flows")).not_(), pl.col("servers") < 1
    return {
        "nulls": lacks_a_value(DAILY_TRAFFIC),
        "duplicate_keys": pl.struct("measure", "client").is_duplicated(),
        "other_days": pl.col("day") != day,
        "negative_bytes": pl.col("bytes") < 0,
        "impossible_counts": pl.any_horizontal(*counts),
        "times_out_of_day": pl.any_horizontal(*times, pl.col("last_start") < pl.col("first_start")),
        "bad_addresses": pl.col("client").is_in(bad_addresses(site, day)),
    }


def bad_addresses(site: Site, day: dt.date) -> list[str]:
    """The day's clients that are no address in its one spelling."""
    clients = site.storage.scan(DAILY_TRAFFIC, [day]).select(pl.col("client").drop_nulls().unique()).collect()
    found = canonical_frame(clients["client"])
    return found.filter(pl.col("ip").ne_missing(pl.col("raw")))["raw"].to_list()


def baseline_faults(day: dt.date) -> dict[str, pl.Expr]:
    """What a row of traffic_baseline must not be."""
    deviation, average = pl.col("stdev_bytes"), pl.col("avg_bytes")
    client, rows, values = pl.col("scope") == "client", pl.col("n_past_rows"), pl.col("n_past_values")
    return {
        "nulls": lacks_a_value(TRAFFIC_BASELINE),
        "duplicate_keys": pl.struct("measure", "lookback_days", "scope", "client").is_duplicated(),
        "other_days": pl.col("day") != day,
        "out_of_window": client & ~(rows.is_between(1, pl.col("window_days")) & values.is_between(0, rows)),
        "bad_deviations": (deviation < 0) | ~deviation.is_finite() | (deviation.is_null() & (values >= 2)),
        "bad_averages": (average < 0) | ~average.is_finite() | (average.is_null() & (values >= 1)),
    }

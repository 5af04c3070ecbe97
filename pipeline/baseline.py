"""Window statistics of the past, per client and for the whole fleet, from daily traffic.

A baseline covers days before its day only, and says how much of its window was there. Today's part is added by the
methods.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise

import polars as pl

from pipeline import exact
from pipeline.days import window_days
from pipeline.detections.model import Measure
from pipeline.schemas import TRAFFIC_BASELINE

STAGE_VERSION = 2
_INT64_END = 1 << 63
_CLIENTS_A_PART = 125_000
_SUMS = ("client", "n_past_rows", "n_past_values", "avg_bytes", "stdev_bytes", "sum_bytes", "sum_squares")


def build_baseline(
    history: pl.LazyFrame,
    day: dt.date,
    series: Sequence[tuple[Measure, int]],
    *,
    start: dt.date,
    present: Collection[dt.date],
    untold: Mapping[str, Collection[dt.date]] | None = None,
) -> pl.DataFrame:
    """Rows of TRAFFIC_BASELINE for one day.

    Args:
        history: stored rows of DAILY_TRAFFIC of at least the longest window.
        day: the day the baseline is for; its rows are not looked at.
        series: (measure, lookback days) pairs.
        start: the site's first day; no window reaches before it.
        present: days of daily traffic that are stored.
        untold: series -> those of them that were made without it.
    """
    lost = untold or {}
    frames = [_one(history, day, m, n, start, set(present) - set(lost.get(m.id, ()))) for m, n in series]
    return TRAFFIC_BASELINE.conform(pl.concat(frames)) if frames else TRAFFIC_BASELINE.empty()


def _one(
    history: pl.LazyFrame, day: dt.date, measure: Measure, lookback: int, start: dt.date, present: Collection[dt.date]
) -> pl.DataFrame:
    window = window_days(day, lookback, start)
    seen = len(set(window) & set(present))
    past = history.filter(
        (pl.col("measure") == measure.id)
        & (pl.col("day") < day)
        & (pl.col("day") >= day - dt.timedelta(days=lookback))
        & (pl.col("day") >= start)
    )
    clients = pl.concat([_clients(part) for part in _parts(past)])
    return pl.concat([clients, _fleet(clients)]).select(
        day=pl.lit(day),
        measure=pl.lit(measure.id),
        lookback_days=pl.lit(lookback, pl.Int64),
        scope=pl.col("scope"),
        **{name: pl.col(name) for name in _SUMS},
        window_days=pl.lit(len(window), pl.Int64),
        window_days_present=pl.lit(seen, pl.Int64),
        window_complete=pl.lit(seen == len(window)),
    )


def _parts(past: pl.LazyFrame) -> list[pl.LazyFrame]:
    """The window cut by ranges of clients, so that memory follows the range and not the fleet.

    Stored days are sorted by client, so a range reads its own row groups only. The cuts come from the busiest day;
    where they lie changes no result.
    """
    client = pl.col("client")
    days = past.group_by("day").len().sort("len", "day").collect(engine="streaming")
    busiest = past.filter(pl.col("day").is_in(days["day"][-1:].implode()))
    names = busiest.select(client.drop_nulls().sort()).collect(engine="streaming")["client"]
    cuts = names.gather_every(_CLIENTS_A_PART)[1:]
    if cuts.is_empty():
        return [past]
    middle = [(client >= low) & (client < high) for low, high in pairwise(cuts)]
    # The last range also holds the rows without a client.
    last = (client >= cuts[-1]) | client.is_null()
    return [past.filter(wanted) for wanted in (client < cuts[0], *middle, last)]


def _clients(past: pl.LazyFrame) -> pl.DataFrame:
    """One row a client: machine integers where they cannot wrap, Python integers for the few others.

    With n values of at most m bytes, n m < 2^63 keeps n x (sum of squares) and (sum)^2 below 2^126, inside Int128.
    Integer sums do not depend on the order of rows, so the streaming engine may add them. Each float is then one
    rounding of an exact integer, a division and a root: within 2^-51 of the true value.
    """
    x, n = pl.col("bytes").cast(pl.Int128), pl.col("n_past_values")
    sums = (
        past.group_by("client")
        .agg(
            n_past_rows=pl.len().cast(pl.Int64),
            n_past_values=pl.col("bytes").count().cast(pl.Int64),
            total=x.sum(),
            squares=(x * x).sum(),
            largest=x.abs().max().fill_null(0),
        )
        .collect(engine="streaming")
    )
    fits = n * pl.col("largest") < _INT64_END
    spread = (n * pl.col("squares") - pl.col("total") * pl.col("total")).cast(pl.Float64)
    common = sums.filter(fits).select(
        "client",
        "n_past_rows",
        "n_past_values",
        avg_bytes=pl.when(n > 0).then(pl.col("total").cast(pl.Float64) / n),
        stdev_bytes=pl.when(n > 1).then((spread / (n * (n - 1))).sqrt()),
        sum_bytes=pl.col("total").cast(pl.String),
        sum_squares=pl.col("squares").cast(pl.String),
        scope=pl.lit("client"),
    )
    huge = sums.filter(~fits).select("client", "n_past_rows", "n_past_values")
    return common if huge.is_empty() else pl.concat([common, _huge_clients(past, huge)])


def _huge_clients(past: pl.LazyFrame, huge: pl.DataFrame) -> pl.DataFrame:
    limbs = (
        past.join(huge.lazy().select("client"), on="client", how="semi", nulls_equal=True)
        .group_by("client")
        .agg(exact.power_sums())
        .collect(engine="streaming")
    )
    rows = huge.join(limbs, on="client", nulls_equal=True).iter_rows()
    return pl.concat([_row("client", c, n, values, *exact.join_limbs(*parts)) for c, n, values, *parts in rows])


def _fleet(clients: pl.DataFrame) -> pl.DataFrame:
    """The fleet leaves out flows without a client; a rule that keeps them adds that client's row (R5)."""
    named = clients.filter(pl.col("client").is_not_null())
    rows, values = (int(named[c].sum()) for c in ("n_past_rows", "n_past_values"))
    return _row("fleet", None, rows, values, exact.add_texts(named["sum_bytes"]), exact.add_texts(named["sum_squares"]))


def _row(scope: str, client: str | None, rows: int, values: int, total: int, squares: int) -> pl.DataFrame:
    row = {
        "client": client,
        "n_past_rows": rows,
        "n_past_values": values,
        "avg_bytes": exact.mean(values, total),
        "stdev_bytes": exact.stdev(values, total, squares),
        "sum_bytes": str(total),
        "sum_squares": str(squares),
        "scope": scope,
    }
    return pl.DataFrame([row], schema={c: TRAFFIC_BASELINE.schema[c] for c in row})

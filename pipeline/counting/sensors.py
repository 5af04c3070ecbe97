"""Flows that several sensors saw: whose records count, so that each byte of each direction counts once.

Which records one sensor repeats by itself is decided in `pipeline.counting.once`.
"""

from __future__ import annotations

import datetime as dt

import polars as pl

from pipeline.counting.attribution import end_time
from pipeline.counting.records import (
    BYTES,
    KEY,
    LAYERS,
    OBSERVER,
    Rules,
    has_ends,
    in_runs,
    side_told,
    size_told,
    split,
)

_UNKNOWN, _PORTS = "unknown", KEY[:-1]
_SKEW = dt.timedelta(seconds=60)
"""Two sensors tell of one flow when what they saw overlaps but for this: clocks differ, and stretches are cut apart."""


def one_sensor(flows: pl.DataFrame, rules: Rules) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Of flows that several sensors saw, the records of one: (kept, lost).

    One that saw both directions counts first; then a preferred one; then IP bytes before other layers, which must not
    mix; then who saw more bytes; then who tells of it in one record. Where none saw both, each direction has its own:
    where packets come and go on different ways, each sensor has 0 for what it did not see.
    """
    observer = pl.struct(OBSERVER)
    if flows.select(observer.n_unique()).item() < 2:
        return flows, flows.clear()
    flows = _with_transport(flows)
    # Of ends that each tell what they saw, ports may be unknown to both: Azure's sums of an interval name one only.
    seen = has_ends() | (pl.col("start_time").is_not_null() & pl.col("reporter").is_not_null())
    shared, others = split(flows, seen & (observer.n_unique().over(KEY) > 1))
    if shared.is_empty():
        return flows, flows.clear()
    chosen, lost = _chosen(_begun(shared, rules), rules)
    return pl.concat([others, chosen.select(flows.columns)]), lost.select(flows.columns)


def _chosen(shared: pl.DataFrame, rules: Rules) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(the records that count, those that they repeat); what lies beside those that count is judged without them.

    A session may go over from one sensor to another, as where a router takes the place of its neighbour.
    """
    chosen: list[pl.DataFrame] = []
    lost: list[pl.DataFrame] = []
    left = shared
    while not left.is_empty():
        runs, left = _best_of_runs(left, rules)
        for part, found in zip((chosen, lost), split(runs, pl.col("_best")), strict=True):
            part.append(found.select(shared.columns))
    return pl.concat(chosen), pl.concat(lost)


def _best_of_runs(shared: pl.DataFrame, rules: Rules) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(records with whether their sensor is the best of their run, those that lie beside all of the best sensor's)."""
    runs = _by_side(in_runs(shared, KEY, _SKEW, "_begin"))
    best = _ranked(runs, rules).unique(("_run", "_side"), keep="first", maintain_order=True)
    best = best.select("_run", "_side", *OBSERVER, _best=pl.lit(value=True))
    runs = runs.join(best, on=("_run", "_side", *OBSERVER), how="left", nulls_equal=True, maintain_order="left")
    third = runs.filter(pl.col("_run") == pl.col("_run").shift(2))["_run"].unique()
    if third.is_empty():  # In a run of two, one reaches to the other.
        return runs, shared.clear()
    longer, runs = split(runs, pl.col("_run").is_in(third.implode()))
    beside, longer = split(longer, pl.col("_best").is_null() & ~_reached())
    return pl.concat([runs, longer]), beside.select(shared.columns)


def _reached() -> pl.Expr:
    """Whether a record lies no farther than a minute from one of its run and side that counts.

    All of a run do where one that counts does not tell how long it lasted, so that it may have lasted through it.
    """
    best, place = pl.col("_best"), ("_run", "_side")
    endless = (best & pl.col("duration").is_null() & (pl.col("accounting") != "delta")).any().over(place)
    before = pl.when(best).then(end_time()).cum_max().forward_fill().over(place)
    after = pl.when(best).then("_begin").backward_fill().over(place)
    near = (pl.col("_begin") - before <= _SKEW).fill_null(False) | (after - end_time() <= _SKEW).fill_null(False)
    return endless | near


def _with_transport(flows: pl.DataFrame) -> pl.DataFrame:
    """Records of an unknown transport have that of the others between the same ports, where these agree on one."""
    known = pl.col("transport") != _UNKNOWN
    if flows.select(known.all() | ~known.any()).item():
        return flows
    mine, others = split(flows, ~known & has_ends())
    told = others.filter(known).group_by(_PORTS).agg(pl.col("transport").unique().alias("_told"))
    told = told.filter(pl.col("_told").list.len() == 1).with_columns(pl.col("_told").list.first())
    mine = mine.join(told, on=_PORTS, how="left", maintain_order="left")
    mine = mine.with_columns(transport=pl.coalesce("_told", "transport"))
    return pl.concat([others, mine.select(flows.columns)])


def _begun(shared: pl.DataFrame, rules: Rules) -> pl.DataFrame:
    """Add `_begin`, from when on a record counts: its start, unless it is a stretch without a duration.

    Such a one (Azure's tuples have the time of their report) began with the one before it, the window ago at most.
    """
    reported = (pl.col("accounting") == "delta") & pl.col("duration").is_null()
    if not shared.select(reported.any()).item():
        return shared.with_columns(_begin="start_time")
    before = pl.col("start_time").shift().over(*OBSERVER, *KEY, order_by="start_time")
    since = pl.max_horizontal(before, pl.col("start_time") - max(rules.window, _SKEW))
    return shared.with_columns(_begin=pl.when(reported).then(since).otherwise("start_time"))


def _by_side(runs: pl.DataFrame) -> pl.DataFrame:
    """With `_in`, `_out` (what a record saw) and `_side`: both where one saw both, else the one that a record tells of.

    What a sensor has 0 for, and another one saw, is unknown to it.
    """
    seen = {
        s: pl.any_horizontal(pl.col(c).fill_null(0) > 0 for c in BYTES if c.endswith(f"_{s}")) for s in ("in", "out")
    }
    runs = runs.with_columns(_in=seen["in"], _out=seen["out"], _told=side_told())
    both = pl.col("_in") & pl.col("_out")
    of_run = runs.group_by("_run").agg(  # Cheaper than windows: most runs have two records.
        _any=(pl.col("_in") | pl.col("_out")).any(), _both=both.any(), _whole=(pl.col("_told") == "both").any()
    )
    runs = runs.join(of_run, on="_run", how="left", maintain_order="left")
    whole = pl.col("_both") | (~pl.col("_any") & pl.col("_whole"))
    one = pl.when("_in").then(pl.lit("in")).when("_any").then(pl.lit("out")).otherwise("_told")
    runs = runs.with_columns(_side=pl.when(whole).then(pl.lit("both")).otherwise(one))
    if runs.select((pl.col("_side") == "both").all()).item():
        return runs
    apart = (pl.col("_side") != pl.col("_side").first()).any().over("_run")
    unseen = [
        pl.when(apart & (pl.col("_side") != side) & (pl.col(c) == 0)).then(None).otherwise(c).alias(c)
        for side in ("in", "out")
        for c in (*BYTES, f"packets_{side}")
        if c.endswith(f"_{side}")
    ]
    return runs.with_columns(unseen)


def _ranked(shared: pl.DataFrame, rules: Rules) -> pl.DataFrame:
    """One row a run, side and sensor, the one that counts first.

    Of a session over midnight each day knows the whole record, and some of the stretches only: there it weighs double,
    so that both days choose alike, but where the stretches are more than twice as much.
    """
    order = {name: rank for rank, name in enumerate(rules.sensors)}
    over = [(pl.col("start_time") < e) & (end_time() > e) & (pl.col("accounting") != "delta") for e in rules.edges]
    size = size_told().cast(pl.Int128) * (1 + pl.any_horizontal(False, *over).cast(pl.Int8))
    wish = [pl.col(c).replace_strict(order, default=len(order), return_dtype=pl.Int64) for c in ("dvc", "source")]
    layer = [pl.any_horizontal(pl.col(f"{n}_bytes_{s}").is_not_null() for s in ("in", "out")) for n in LAYERS[:2]]
    rank = pl.when(layer[0]).then(0).when(layer[1]).then(1).otherwise(2)
    sensor = {"half": ~(pl.col("_in").any() & pl.col("_out").any()), "wish": pl.min_horizontal(wish).min()}
    sensor |= {"layer": rank.min(), "size": 0 - size.sum(), "parts": (pl.col("accounting") == "delta").any()}
    found = shared.group_by("_run", "_side", *OBSERVER).agg(**sensor)
    return found.sort("_run", "_side", *sensor, *OBSERVER, nulls_last=True)

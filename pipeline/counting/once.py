"""Counting each byte once: pure functions on raw flows that know what a record repeats.

A record told twice, an interim record, the same flow seen by a second sensor, the two directions of one session, and
the stretches of a long one each become one flow, and the number dropped for each reason is returned. Which byte layer
counts is decided in `pipeline.counting.layers`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import polars as pl

from pipeline.counting.attribution import Attribution, end_time
from pipeline.counting.records import (
    COUNTS,
    DEFAULT_RULES,
    KEY,
    LAYERS,
    OBSERVER,
    ORDER,
    Rules,
    has_ends,
    in_runs,
    side_told,
    size_told,
    split,
)
from pipeline.counting.sensors import one_sensor

_RECORD = (*OBSERVER, "uid", "_at", *KEY)
_MIRRORED = (
    ("src_ip", "dest_ip"),
    ("src_port", "dest_port"),
    ("src_translated_ip", "dest_translated_ip"),
    ("packets_in", "packets_out"),
    *((f"{layer}_bytes_in", f"{layer}_bytes_out") for layer in LAYERS),
)
_MOST = 2.0**62
"""No estimate is larger; a float beyond cannot be a whole number of 64 bits."""
_LEAST_RATE = 64
"""Packets of one size at one instant that are taken for one multiplied: no device samples more than 1 in so many."""
_TICK = dt.timedelta(milliseconds=1)
_ROUNDING = dt.timedelta(seconds=2)
"""Without the sensor's id, interim records are of one session when no more lies between them: clocks round."""


@dataclass(frozen=True)
class Dropped:
    """Records that were not counted as flows of their own, by reason."""

    interim: int = 0
    """Interim records of sessions, superseded by a later or final record."""
    duplicates: int = 0
    """Records that were delivered twice."""
    other_sensors: int = 0
    """Records of flows that another sensor, or the device at the other end, tells of."""
    paired: int = 0
    """Records of one direction that were joined to the record of the other."""
    merged: int = 0
    """Later stretches of a session that is reported in stretches: their bytes were added to the first."""

    def plus(self, other: Dropped) -> Dropped:
        """Both together."""
        return Dropped(**{k: v + asdict(other)[k] for k, v in asdict(self).items()})


def estimated(column: str) -> pl.Expr:
    """A counter of 1 in n packets times n (`sampling_rate`), to the next whole number; exact where all are counted."""
    times = (pl.col(column).cast(pl.Float64) * pl.col("sampling_rate")).round().clip(upper_bound=_MOST)
    return pl.when(pl.col("sampling_rate") > 1).then(times.cast(pl.Int64)).otherwise(column).alias(column)


def count_once(
    flows: pl.DataFrame, rules: Rules = DEFAULT_RULES, within: Attribution | None = None
) -> tuple[pl.DataFrame, Dropped]:
    """One row a flow, and how many records were dropped for each reason.

    Args:
        flows: rows of RAW with source and source_file; all records of a session that are to be known of.
        rules: window and preferred sensors.
        within: count only what belongs to this day; the other records help to tell what those repeat.
    """
    dropped = dict.fromkeys(("duplicates", "interim", "other_sensors", "paired"), 0)
    if flows.is_empty():
        return flows, Dropped()
    flows = _by_order(flows)
    rules = rules if within is None else replace(rules, edges=(within.first, within.end))
    for reason, step in zip(dropped, (_told_once, _last_of_sessions, one_sensor, _paired), strict=True):
        flows, lost = step(flows, rules)
        dropped[reason] = (lost if within is None else lost.filter(within.holds())).height
    if within is not None:
        flows = within.cut(flows.filter(within.holds()), COUNTS)
    flows, merged, paired = _merged(flows, rules)
    dropped["paired"] += paired
    return flows, Dropped(**dropped, merged=merged)


def needs_sessions(flows: pl.LazyFrame) -> bool:
    """Whether records of one flow may start at different instants; else equal starts bring together what is one."""
    odd = (pl.col("accounting") != "final") | (side_told() != "both") | pl.col("record_id").is_not_null()
    several = [(c.min() != c.max()) | (c.has_nulls() & (c.count() > 0)) for c in map(pl.col, OBSERVER)]
    asked = flows.select(pl.any_horizontal(odd.any(), *several))
    return bool(asked.collect(engine="streaming").item())


# Which end began


def _by_order(flows: pl.DataFrame) -> pl.DataFrame:
    """Turn one-way records of which nothing says who began: of the same ports, who sent first did.

    What another record of the same ends says counts before that; of two that began at once, the higher port did.
    A record that nothing answers stays as it is.
    """
    open_ends = (pl.col("orientation") == "unknown") & (side_told() != "both") & has_ends()
    if not flows.select(open_ends.any()).item():
        return flows
    ends = {
        side: pl.concat_str(
            pl.col(f"{side}_port").cast(pl.String).str.zfill(5), pl.lit(" "), pl.col(f"{side}_ip"), ignore_nulls=True
        )
        for side in ("src", "dest")
    }
    flows = flows.with_columns(**{f"_{side}": text for side, text in ends.items()}).with_columns(
        _open=open_ends, _low=pl.min_horizontal("_src", "_dest"), _high=pl.max_horizontal("_src", "_dest")
    )
    mine, others = split(flows, pl.struct("_low", "_high", "transport").is_in(_pairs_of(flows)))
    mine = mine.sort("_open", "start_time", pl.col("_src") != pl.col("_high"), *ORDER, maintain_order=True)
    pair = ("_low", "_high", "transport")
    both_ways = pl.col("_src").n_unique().over(pair) > 1
    told = (~pl.col("_open")).any().over(pair)
    turned = pl.col("_open") & (pl.col("_src") != pl.col("_src").first().over(pair))
    mine = mine.with_columns(
        _turned=turned,
        orientation=pl.when(pl.col("_open") & (both_ways | told)).then(pl.lit("order")).otherwise("orientation"),
    )
    mine = mine.with_columns(_mirrored(pl.col("_turned")))
    return pl.concat(
        [
            mine.select(c for c in flows.columns if not c.startswith("_")),
            others.select(c for c in flows.columns if not c.startswith("_")),
        ]
    )


def _pairs_of(flows: pl.DataFrame) -> pl.Expr:
    pairs = flows.filter("_open").select(pl.struct("_low", "_high", "transport").alias("pair"))["pair"].unique()
    return pl.lit(pairs).implode()


def _mirrored(turned: pl.Expr) -> list[pl.Expr]:
    """Expressions that swap the ends and counters of turned rows."""
    swapped = [
        pl.when(turned).then(pl.col(b)).otherwise(pl.col(a)).alias(a)
        for pair in _MIRRORED
        for a, b in (pair, pair[::-1])
    ]
    other_end = pl.col("reporter").replace({"src": "dest", "dest": "src"})
    return [*swapped, pl.when(turned).then(other_end).otherwise("reporter").alias("reporter")]


# Told once


def _told_once(flows: pl.DataFrame, rules: Rules) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Without records delivered twice: (kept, lost); the longest, then the largest, then the first counts.

    A record is known by its own id; else by sensor, the sensor's id, start (to the millisecond) and ends. Without the
    sensor's id, records that start at the same microsecond between the same ports are one flow; without time or ports,
    none is taken for another. Stretches of a session are the same only when their counters agree too, and a record of
    one direction gives way to one of both. Samples of packets are the same only in different files: see `_is_sample`.
    """
    del rules
    flows, columns = _with_instants(flows), flows.columns
    told_apart = pl.col("uid").is_not_null() | has_ends()
    as_stretch = pl.when(pl.col("accounting").is_in(["delta", "update"])).then(pl.struct("duration", *COUNTS).hash())
    at_once = pl.col("_at").is_duplicated() | pl.col("record_id").is_not_null()
    half = (pl.col("accounting") == "final") & (side_told() != "both")
    counters = pl.when(~half.any()).then(as_stretch)  # A half gives way to a stretch of both directions, too.
    keys = flows.filter(at_once).select(  # No others can be the same; hashing all would cost more than the rest.
        by_id=pl.when(pl.col("record_id").is_not_null()).then(pl.struct("source", "record_id").hash()),
        by_ends=pl.when(told_apart).then(pl.struct(*_RECORD, counters.alias("counters")).hash()),
    )
    repeated = keys.select((pl.col(c).is_not_null() & pl.col(c).is_duplicated()).alias(c) for c in keys.columns)
    if not repeated.select(pl.any_horizontal(pl.all()).any()).item():
        return flows.select(columns), flows.select(columns).clear()
    same_id = ("source", "record_id")
    kept, lost = _first_of(flows, pl.col("record_id").is_not_null(), same_id)
    alike = (*_RECORD, "_counters", "_side")
    kept = kept.with_columns(_counters=as_stretch, _side=side_told())
    nth = pl.col("source_line").rank("ordinal").over(*alike, "source_file")
    kept = kept.with_columns(_nth=pl.when(_is_sample()).then(nth))
    same = (*alike, "_nth")
    kept, again = _first_of(kept, told_apart & (pl.col("accounting") != "cumulative"), same)
    whole = ((pl.col("_side") == "both") & (size_told() > 0)).any().over(_RECORD)
    gives_way = told_apart & (pl.col("_side") != "both") & (pl.col("accounting") == "final") & whole
    halves, kept = split(kept, gives_way)
    return kept.select(columns), pl.concat(f.select(columns) for f in (lost, again, halves))


def _with_instants(flows: pl.DataFrame) -> pl.DataFrame:
    """Add `_at`, the start to compare records by: records of one id within a millisecond share it, as copies round."""
    key = (*OBSERVER, "uid", *KEY)
    alike = (pl.col("uid").is_not_null() & pl.col("uid").is_duplicated() & (pl.col("accounting") == "final")).alias("m")
    mine, others = split(flows, alike)
    others = others.with_columns(_at="start_time")
    if mine.is_empty():
        return others
    mine = mine.sort(*key, "start_time", *ORDER, nulls_last=True, maintain_order=True)
    apart = (pl.struct(key).rle_id().diff() != 0) | (pl.col("start_time").diff() > _TICK)
    mine = mine.with_columns(_at=pl.col("start_time").first().over(apart.fill_null(value=True).cum_sum()))
    return pl.concat([others, mine])


def _is_sample() -> pl.Expr:
    """Whether a record is one packet of n, whose counters may be multiplied already.

    Those of one datagram of sFlow have one time, and in a download one size: each counts, as often as one file has it.
    """
    packets, rate = pl.max_horizontal("packets_in", "packets_out"), pl.col("sampling_rate").fill_null(1.0)
    told = (rate > 1) & (packets.fill_null(1) <= rate)
    multiplied = (packets >= _LEAST_RATE) & (size_told() % packets == 0)
    return (pl.col("accounting") == "delta") & (pl.col("duration").fill_null(0) == 0) & (told | multiplied)


def _first_of(flows: pl.DataFrame, applies: pl.Expr, key: Sequence[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(rows without repetitions by key, the repetitions): the longest stays, then the largest, then the first."""
    mine, others = split(flows, applies)
    mine = mine.sort(
        pl.col("duration").fill_null(-1),
        size_told(),
        *ORDER,
        descending=[True, True, *(False for _ in ORDER)],
        maintain_order=True,
    )
    first = mine.select(pl.struct(key).is_first_distinct().alias("m"))["m"]
    return pl.concat([others, mine.filter(first)]), mine.filter(~first)


# Long sessions


def _last_of_sessions(flows: pl.DataFrame, rules: Rules) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Without interim records whose counters a later record of the session includes: (kept, lost)."""
    flows, updates = _updated(flows, rules)
    kept, lost = _superseded(flows, rules)
    return kept, pl.concat([updates, lost])


def _updated(flows: pl.DataFrame, rules: Rules) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Drop updates, which count a stretch each, of sessions whose end counts the whole; others become stretches.

    So does an ASA's NSEL (Cisco's guide: an update counts since the last one, a teardown since the beginning).
    """
    update = pl.col("accounting") == "update"
    if not flows.select(update.any()).item():
        return flows, flows.clear()
    key = (*OBSERVER, "uid", *KEY)
    asked = flows.filter(update).select(key).unique()
    of_those = update | (pl.col("accounting") == "final")
    mine = flows.join(asked, on=key, how="semi", nulls_equal=True).filter(of_those)
    others = flows.join(mine.select(*ORDER), on=ORDER, how="anti")
    runs = in_runs(mine, key, rules.window)
    whole = (pl.col("accounting") == "final").any().over("_run")
    gone, stay = split(runs, update & whole)
    stay = stay.with_columns(accounting=pl.when(update).then(pl.lit("delta")).otherwise("accounting"))
    return pl.concat([others, stay.drop("_run")]), gone.drop("_run")


def _superseded(flows: pl.DataFrame, rules: Rules) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Without records of counters since the beginning that a later one includes: (kept, lost)."""
    interim = pl.col("accounting") == "cumulative"
    if not flows.select(interim.any()).item():
        return flows, flows.clear()
    kept, lost = [], []
    for known, key, gap in (
        (pl.col("uid").is_not_null(), (*OBSERVER, "uid", *KEY), rules.window),
        (pl.col("uid").is_null() & has_ends(), (*OBSERVER, *KEY), _ROUNDING),
    ):
        asked = flows.filter(known & interim).select(key).unique()
        mine = flows.join(asked, on=key, how="semi", nulls_equal=True).filter(known & (pl.col("accounting") != "delta"))
        flows = flows.join(mine.select(*ORDER), on=ORDER, how="anti")
        runs = in_runs(mine, key, gap).sort(
            interim,
            pl.col("duration").fill_null(-1),
            size_told(),
            *ORDER,
            descending=[False, True, True, *(True for _ in ORDER)],
            maintain_order=True,
        )
        superseded = interim & (pl.col("_run").is_duplicated() & ~pl.col("_run").is_first_distinct())
        gone, stay = split(runs, superseded)
        kept.append(stay.drop("_run"))
        lost.append(gone.drop("_run"))
    return pl.concat([*kept, flows]), pl.concat(lost)


# Two directions of one session


def _paired(flows: pl.DataFrame, rules: Rules) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Records of one direction with the counters of the other direction's: (kept, lost).

    The n-th record of one direction belongs to the n-th of the other among those of the same ends with no more than
    the window between them; the earlier one stays.
    """
    halves, others = split(flows, (side_told() != "both") & (pl.col("accounting") == "final") & has_ends())
    if halves.is_empty():
        return flows, flows.clear()
    runs = in_runs(halves, ("source", *KEY), rules.window).with_columns(_side=side_told())
    runs = runs.with_columns(_nth=pl.int_range(pl.len()).over("_run", "_side"))
    pair = ("_run", "_nth")
    first = pl.int_range(pl.len()).over(pair) == 0
    filled = [pl.coalesce(c, pl.col(c).max().over(pair)).alias(c) for c in COUNTS]
    ends = (end_time().max().over(pair) - pl.col("start_time")).dt.total_microseconds()
    duration = pl.when(pl.len().over(pair) > 1).then(ends).otherwise("duration").alias("duration")
    kept, lost = split(runs.with_columns(*filled, duration, _first=first), pl.col("_first"))
    return pl.concat([others, kept.select(flows.columns)]), lost.select(flows.columns)


# Stretches


def _merged(flows: pl.DataFrame, rules: Rules) -> tuple[pl.DataFrame, int, int]:
    """Stretches of a session as one flow: (flows, stretches added to the first, halves joined to the other half)."""
    stretches, others = split(flows, (pl.col("accounting") == "delta") & has_ends())
    if stretches.is_empty():
        return flows, 0, 0
    runs = in_runs(stretches, ("source", *KEY), rules.window)
    sums = [pl.when(pl.col(c).count() > 0).then(pl.col(c).sum()).alias(c) for c in COUNTS]
    rest = [c for c in flows.columns if c not in (*COUNTS, "duration", "_run")]
    end = (end_time().max() - pl.col("start_time").first()).dt.total_microseconds()
    found = runs.group_by("_run", maintain_order=True).agg(
        *(pl.col(c).first() for c in rest),
        *sums,
        duration=pl.when(pl.col("duration").count() > 0).then(end),
        _both=side_told().n_unique() > 1,
    )
    paired = int(found["_both"].sum())
    merged = stretches.height - found.height - paired
    return pl.concat([others, found.select(flows.columns)]), merged, paired

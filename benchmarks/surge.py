"""Measures the surge method on simulated worlds: recall of each class of theft, and false alerts against the budget.

Run: python -m benchmarks.surge FIRST LAST, with `--help` for more. Seeds below 100 are for choosing, those from 100 on
for telling. Intervals are 95 % over worlds.
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from collections.abc import Iterator

import numpy as np
import polars as pl

from pipeline.detections.budget import PER
from pipeline.methods.surge import Params, calibrated, raw_scores
from pipeline.simulate.settings import BASKETS, WorldSettings
from pipeline.simulate.world import World, make_world

TICKETS = ("resync", "re_enrolment", "migration", "onboarding", "attachments", "export", "backup_full", "leave_return")
"""Causes that somebody wrote down; who holds an address is known from leases, not from tickets."""


def by_holder(world: World, rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of addresses as rows of who held them on the day."""
    leases = world.leases.sort("day").with_columns(holder="asset-" + pl.col("client").cast(pl.String)).drop("client")
    held = rows.sort("day").join_asof(leases, on="day", by="src_ip", strategy="backward", check_sortedness=False)
    return held.with_columns(src_ip=pl.coalesce("holder", "src_ip")).drop("holder")


def daily_of(world: World, explained: float, *, leases: bool = False) -> pl.DataFrame:
    """The daily rows with a share of the known events as explanations, by holder where leases are known."""
    events = world.events.filter(pl.col("src_ip").is_not_null() & pl.col("cause").is_in(TICKETS))
    picked = events.sample(fraction=explained, seed=world.settings.seed, shuffle=True)
    days = picked.select("src_ip", explained_by="cause", day=pl.date_ranges("first", "last")).explode("day")
    known = days.group_by("src_ip", "day").agg(pl.col("explained_by").min())
    rows = world.daily.join(known, on=["src_ip", "day"], how="left")
    rows = by_holder(world, rows) if leases else rows
    return rows.rename({"src_ip": "client", "bytes_in": "bytes"})


def judge(
    world: World, explained: float, params: Params, *, leases: bool = False, confirmed: bool = False
) -> pl.DataFrame:
    """Every row of the days after the warm-up with what it is and whether it alerts, folded cases apart."""
    daily = daily_of(world, explained, leases=leases)
    days = daily["day"].unique().sort().to_list()
    after, scored = days[world.settings.warmup_days :], days[max(world.settings.warmup_days - params.calibration, 0) :]
    labels = by_holder(world, world.labels) if leases else world.labels
    labels = labels.select("day", "attack_id", "cause", client="src_ip")
    thefts = labels.filter(pl.col("attack_id").is_not_null())
    if confirmed:
        verdicts = confirming(daily, scored, after, thefts, params)
    else:
        verdicts = raised(calibrated(raw_scores(daily, scored, params), after, params))
    new_case = (pl.col("case_day") == pl.col("day")).any()
    alerts = verdicts.group_by("day", "client").agg(pl.lit(True).alias("alert"), new_case.alias("counts"), "channel")
    rows = daily.filter(pl.col("day").is_in(after)).join(labels, on=["day", "client"], how="left")
    return rows.join(alerts, on=["day", "client"], how="left").with_columns(pl.col("alert", "counts").fill_null(False))


def raised(verdicts: pl.DataFrame) -> pl.DataFrame:
    """The verdicts of which somebody is told."""
    return verdicts.filter(pl.col("alert") & pl.col("explained_by").is_null())


def confirming(
    daily: pl.DataFrame, scored: list[dt.date], after: list[dt.date], thefts: pl.DataFrame, params: Params
) -> pl.DataFrame:
    """The verdicts where each theft that is found is written into the known events before the next day is judged.

    What past days expected stays as it was; a site would make those days again, too.
    """
    raw, found = raw_scores(daily, [day for day in scored if day < after[0]], params), []
    for day in after:
        raw = pl.concat([raw, raw_scores(daily, [day], params)])
        alerts = raised(calibrated(raw, [day], params))
        found.append(alerts)
        told = alerts.join(thefts, on=["day", "client"], how="semi").select("day", "client", told=pl.lit("theft"))
        daily, raw = (_explaining(rows, told) for rows in (daily, raw))
    return pl.concat(found)


def _explaining(rows: pl.DataFrame, told: pl.DataFrame) -> pl.DataFrame:
    """The rows with what was told of some."""
    joined = rows.join(told.unique(), on=["day", "client"], how="left", maintain_order="left")
    return joined.with_columns(explained_by=pl.coalesce("explained_by", "told")).drop("told")


def measure(world: World, rows: pl.DataFrame) -> dict[str, float]:
    """False alerts a day per 10,000 active clients, and the recall of each basket and of some attacks, in %."""
    benign = rows.filter(pl.col("attack_id").is_null())
    found = rows.filter(pl.col("attack_id").is_not_null() & pl.col("alert"))["attack_id"]
    thefts = world.thefts.with_columns(found=pl.col("attack_id").is_in(found.implode()))
    told = {"false": PER * benign["counts"].sum() / benign.height}
    for basket in BASKETS:
        told[basket] = 100.0 * float(np.mean(thefts.filter(pl.col("basket") == basket)["found"].to_numpy()))
    for attack in ("slow_5x", "weekend_20x", "multi_10x", "new_200x"):
        told[attack] = 100.0 * float(np.mean(thefts.filter(pl.col("attack") == attack)["found"].to_numpy()))
    return told


def worlds(first: int, last: int) -> Iterator[World]:
    """The worlds of a range of seeds, last included."""
    for seed in range(first, last + 1):
        yield make_world(WorldSettings(seed=seed))


def main() -> None:
    """Print a line a measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("first", type=int)
    parser.add_argument("last", type=int)
    parser.add_argument("--explained", type=float, default=0.0)
    parser.add_argument("--budget", type=float, default=20.0)
    parser.add_argument("--leases", action="store_true", help="who holds an address is known")
    parser.add_argument("--confirmed", action="store_true", help="thefts that are found become known events")
    asked = parser.parse_args()
    params = Params(budget=asked.budget)
    found = [
        measure(w, judge(w, asked.explained, params, leases=asked.leases, confirmed=asked.confirmed))
        for w in worlds(asked.first, asked.last)
    ]
    print(f"{len(found)} worlds, budget {asked.budget}, {asked.explained:.0%} of the known events given")
    for name in found[0]:
        values = np.array([f[name] for f in found])
        half = 1.96 * values.std(ddof=1) / np.sqrt(values.size) if values.size > 1 else float("nan")
        print(f"{name:12} {values.mean():6.1f}  +- {half:4.1f}   worlds {values.min():.1f} .. {values.max():.1f}")
    sys.exit(0)


if __name__ == "__main__":
    main()

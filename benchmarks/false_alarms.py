"""How often an ordinary day fails the expectations that compare it with the days before, on simulated companies.

Run: python -m benchmarks.false_alarms FIRST LAST [--clients N ...]. Worlds have no theft and no fault of a sensor;
working days that are holidays for all are told apart, once as the site that names no calendar sees them, and left out
of the history by their own kind as the site that names one does. Half of the clients are seen by each of two sensors.
"""

from __future__ import annotations

import argparse
import datetime as dt
from collections import Counter
from collections.abc import Iterator

import polars as pl

from data_quality.chances import silence
from data_quality.compared import LEAST_SPREAD, clients_beside, flows_beside, servers_beside
from data_quality.counts import FlowCounts
from data_quality.specs import check_specs
from pipeline.simulate.sessions import daily_sessions, server_addresses
from pipeline.simulate.settings import WorldSettings
from pipeline.simulate.world import World, make_world

DAYS, WARM = 126, 21
SERVERS = server_addresses(3)
LIMITS = {
    e["kwargs"]["column"]: e["kwargs"]["min_value"]
    for s in check_specs()
    for e in s.expectations
    if e["kwargs"]["column"].endswith("_chance")
}


def counts_of(rows: pl.DataFrame, seed: int) -> FlowCounts:
    """A simulated day's counts."""
    flows = daily_sessions(rows, seed=seed, timezone="UTC", servers=SERVERS)
    hour = pl.from_epoch(pl.col("start"), time_unit="us").dt.hour()
    sensor = pl.when(pl.col("orig_h").hash(7) % 2 == 0).then(pl.lit("a")).otherwise(pl.lit("b"))
    found: dict[tuple[str, str], list[int]] = {}
    for name, at, n in flows.group_by(sensor.alias("dvc"), hour.alias("hour")).len().iter_rows():
        found.setdefault(("core", name), [0] * 24)[at] = n
    servers = dict(flows.group_by("resp_h").len().iter_rows())
    clients = flows.group_by(sensor.alias("dvc")).agg(pl.col("orig_h").n_unique()).iter_rows()
    return FlowCounts({k: tuple(v) for k, v in found.items()}, servers, {("core", name): n for name, n in clients})


def judged(world: World, *, calendar: bool) -> Iterator[tuple[bool, list[str]]]:
    """Of every day after the warm-up: whether it is a holiday, and the expectations that fail."""
    days = world.calendar["day"].to_list()
    holidays = set(world.calendar.filter("holiday")["day"])
    off = set(world.calendar.filter("off")["day"]) if calendar else set()
    kinds = {d: "free day" if d in off else d.strftime("%A") for d in days}
    by_day = {d: rows for (d,), rows in world.daily.partition_by("day", as_dict=True).items()}
    empty = world.daily.clear()
    flows = {d: counts_of(by_day[d], world.settings.seed) if d in by_day else FlowCounts({}, {}, {}) for d in days}
    series = {d: {"m": (r.height, r["bytes_in"].median())} for d in days if (r := by_day.get(d, empty)) is not None}
    for day in days[WARM:]:
        past = [d for d in days if day - dt.timedelta(days=56) <= d < day]
        found = flows_beside(flows[day], {d: flows[d] for d in past}, kinds, kinds[day], list(range(24)))
        found |= clients_beside(series[day], {d: series[d] for d in past}, kinds, kinds[day], ["m"])
        window = past[-30:]
        seen = {d: flows[d].clients for d in window}
        silent = silence(kinds[day], set(flows[day].sensors), seen, kinds, LEAST_SPREAD)
        found["silent_sensors_chance"] = silent.chance
        servers = servers_beside(flows[day], {d: flows[d] for d in past}, kinds, kinds[day], SERVERS)
        found["silent_servers_chance"] = servers.chance if flows[day].flows and not silent.silent else None
        yield day in holidays, [c for c, least in LIMITS.items() if isinstance(v := found.get(c), float) and v < least]


def main() -> None:
    """Print a table of failures a thousand days."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("first", type=int)
    parser.add_argument("last", type=int)
    parser.add_argument("--clients", type=int, nargs="+", default=[5, 50, 500])
    parser.add_argument("--calendar", action="store_true", help="the site names a calendar of free days")
    asked = parser.parse_args()
    print(f"limits: {LIMITS}")
    for clients in asked.clients:
        for holiday in (False, True):
            counted: Counter[str] = Counter()
            for seed in range(asked.first, asked.last + 1):
                groups = max(1, min(12, clients // 4))
                settings = WorldSettings(
                    seed=seed, clients=clients, days=DAYS, groups=groups, attacks=(), sensor_gap_per_day=0.0
                )
                for is_holiday, failed in judged(make_world(settings), calendar=asked.calendar):
                    if is_holiday == holiday:
                        counted.update(["days", *failed, *(["any"] if failed else [])])
            days = counted.pop("days", 0)
            told = ", ".join(f"{name} {n} ({1000 * n / days:.1f})" for name, n in sorted(counted.items()))
            print(
                f"{clients:6} clients, {days:5} {'holidays' if holiday else 'ordinary days'}: {told or 'none'}",
                flush=True,
            )


if __name__ == "__main__":
    main()

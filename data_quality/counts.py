"""Counts of stored days: one streaming pass over a day's flows, and what is kept of it for later days to compare with.

A day's own counts always come from its rows; those of earlier days from small tables beside them, which are made again
when what they were made from has changed. What the counts mean is in the profiles.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from zoneinfo import ZoneInfo

import polars as pl

from data_quality.sharing import shared
from pipeline import clocks
from pipeline.context.load import load_input
from pipeline.counting.direction import evidence, server_end
from pipeline.days import day_bounds_utc, window_days
from pipeline.errors import NilometerError
from pipeline.flows import lines_read
from pipeline.schemas import (
    ACCOUNTINGS,
    ACTIONS,
    BYTES_LAYERS,
    DAILY_TRAFFIC,
    FLOW_COUNTS,
    FLOWS,
    ORIENTATIONS,
    TRAFFIC_COUNTS,
    TRANSPORTS,
    Table,
)
from pipeline.site import Site
from pipeline.storage import DAMAGE

WINDOW = 56
"""Past days that a day is compared with, where they are stored: eight of each weekday."""
STAGE_VERSION = 1
_QUARTER_US = 900_000_000
CLOSED_WORDS = {
    "transport": TRANSPORTS,
    "action": ACTIONS,
    "bytes_layer": BYTES_LAYERS,
    "accounting": ACCOUNTINGS,
    "orientation": ORIENTATIONS,
}
_NEEDED = ("start_time", "src_ip", "dest_ip", "source", "dvc", *CLOSED_WORDS)
"""What every flow must have, as far as it is looked at: to read ids and file names costs more than all the rest."""
Sensor = tuple[str, str]
"""(source, dvc)."""


@dataclass(frozen=True)
class FlowCounts:
    """The flows of one day by sensor and hour of the day in the site's zone, by server, and the clients by sensor."""

    sensors: Mapping[Sensor, tuple[int, ...]]
    servers: Mapping[str, int]
    clients: Mapping[Sensor, int]

    @cached_property
    def flows(self) -> int:
        """All flows."""
        return sum(sum(hours) for hours in self.sensors.values())

    @cached_property
    def hours(self) -> tuple[int, ...]:
        """Flows of all sensors by hour."""
        return tuple(sum(by_hour) for by_hour in zip(*self.sensors.values(), strict=True)) or (0,) * 24

    def rows(self, day: dt.date) -> pl.DataFrame:
        """As rows of FLOW_COUNTS."""
        found = [("sensor", s, n, h, c) for (s, n), hours in self.sensors.items() for h, c in enumerate(hours) if c]
        found += [("server", "", ip, -1, c) for ip, c in self.servers.items()]
        found += [("clients", s, n, -1, c) for (s, n), c in self.clients.items()]
        names = ("subject", "source", "name", "hour", "count")
        frame = pl.DataFrame(found, schema={n: FLOW_COUNTS.schema[n] for n in names}, orient="row")
        return FLOW_COUNTS.conform(frame.with_columns(day=pl.lit(day)))

    @classmethod
    def of_rows(cls, rows: pl.DataFrame) -> FlowCounts:
        """From rows of FLOW_COUNTS."""
        sensors: dict[Sensor, list[int]] = {}
        servers: dict[str, int] = {}
        clients: dict[Sensor, int] = {}
        for subject, source, name, hour, count in rows.select("subject", "source", "name", "hour", "count").iter_rows():
            if subject == "sensor":
                sensors.setdefault((source, name), [0] * 24)[hour] = count
            elif subject == "server":
                servers[name] = count
            else:
                clients[(source, name)] = count
        return cls({k: tuple(v) for k, v in sensors.items()}, servers, clients)


@dataclass(frozen=True)
class FlowsPass:
    """What one look at a day's flows found: sums over all of them, evidence of direction by source, and counts."""

    sums: Mapping[str, int]
    evidence: Mapping[str, Mapping[str, int]]
    counts: FlowCounts


def flows_pass(site: Site, day: dt.date) -> FlowsPass:
    """The day's flows as they are stored now, looked at once in a validation."""
    return shared(("flows", site.storage.place, day), lambda: _look(site, day))


def _look(site: Site, day: dt.date) -> FlowsPass:
    stored = site.storage.scan(FLOWS, [day])
    watched = {side: pl.col(f"{side}_category").is_not_null() for side in ("src", "dest")}
    server = server_end(watched["src"], watched["dest"])
    seen = pl.col("server").is_not_null()
    faults = {"flows": pl.len()} | {name: fault.sum() for name, fault in flow_faults(site, day).items()}
    faults["nulls"] = pl.sum_horizontal(pl.col(c).null_count() for c in _NEEDED)
    told = {name: e for name, e in evidence().items() if name != "of_all"} | {"of_all": seen.sum()}
    # A flow without its sensor is a fault, of which `nulls` tells; it is counted under no name.
    sensor = [pl.col(c).fill_null("") for c in ("source", "dvc")]
    quarter = (pl.col("start_time").to_physical() // _QUARTER_US).alias("quarter")
    address = pl.when(server == "dest").then("dest_ip").when(server == "src").then("src_ip").alias("ip")
    groups, servers, clients = pl.collect_all(
        [
            stored.with_columns(server=server).group_by(*sensor, quarter).agg(**faults, **told),
            stored.group_by(address).agg(count=pl.len()).filter(pl.col("ip").is_not_null()),
            stored.group_by(*sensor).agg(clients=pl.col("src_ip").approx_n_unique()).sort("source", "dvc"),
        ],
        engine="streaming",
    )
    sums = groups.select(pl.col(list(faults)).sum()).row(0, named=True)
    by_source = groups.group_by("source").agg(pl.col(list(told)).sum()).sort("source")
    counts = FlowCounts(
        _by_hour(groups, site.settings.timezone),
        dict(servers.sort("ip").iter_rows()),
        {(source, dvc): n for source, dvc, n in clients.iter_rows()},
    )
    return FlowsPass(sums, {row.pop("source"): row for row in by_source.iter_rows(named=True)}, counts)


def flow_faults(site: Site, day: dt.date) -> dict[str, pl.Expr]:
    """What a flow must not be, or should rarely be: expressions that are true, or null, of the rows in question."""
    first, end = day_bounds_utc(day, site.settings.timezone)
    return {
        "nulls": pl.any_horizontal(pl.col(c).is_null() for c in _NEEDED),
        "out_of_day": ~pl.col("start_time").is_between(first, end, closed="left"),
        "negative_bytes": pl.any_horizontal(
            (pl.col(c) < 0).fill_null(False) for c in ("bytes_in", "bytes_out", "bytes")
        ),
        "negative_durations": pl.col("duration").to_physical() < 0,
        # Short words are compared faster one by one than looked up.
        "unknown_words": pl.any_horizontal(
            pl.all_horizontal(pl.col(c) != word for word in words) for c, words in CLOSED_WORDS.items()
        ),
        "unknown_bytes": pl.col("bytes_in").is_null(),
        "zero_bytes": (pl.col("bytes_in") == 0) & (pl.col("bytes_out") == 0),
    }


def _by_hour(groups: pl.DataFrame, timezone: str) -> dict[Sensor, tuple[int, ...]]:
    """Quarters of an hour since 1970 as hours of the site's day: zones differ by quarters of an hour."""
    start = clocks.shown(pl.from_epoch(pl.col("quarter") * 900).dt.replace_time_zone("UTC"), timezone)
    found: dict[Sensor, list[int]] = {}
    told = groups.filter(pl.col("quarter").is_not_null()).select(
        "source", "dvc", start.dt.hour().alias("hour"), "flows"
    )
    for source, dvc, hour, flows in told.iter_rows():
        found.setdefault((source, dvc), [0] * 24)[hour] += flows
    return {sensor: tuple(found[sensor]) for sensor in sorted(found)}


def hours_of(day: dt.date, timezone: str) -> list[int]:
    """The hours that the day has: one is missing where clocks go forward."""
    first, end = day_bounds_utc(day, timezone)
    steps = range(int((end - first).total_seconds()) // 900)
    zone = ZoneInfo(timezone)
    return sorted({(first + dt.timedelta(minutes=15 * n)).astimezone(zone).hour for n in steps})


def past_flow_counts(site: Site, day: dt.date) -> dict[dt.date, FlowCounts]:
    """The counts of the days before that were read; days that cannot be read are left out."""
    days = window_days(day, WINDOW, site.settings.start_date)
    made = {d: shared(("flow_counts", site.storage.place, d), partial(_kept_flows, site, d)) for d in days}
    return {d: counts for d, counts in made.items() if counts is not None}


def _kept_flows(site: Site, day: dt.date) -> FlowCounts | None:
    record = site.storage.record("flows", day)
    if record is None or lines_read(record.facts) == 0:
        return None
    zone = clocks.zone_key(site.settings.timezone)
    inputs = {"flows": record.fingerprint, "timezone": zone, "stage": str(STAGE_VERSION)}
    rows = _kept(site, FLOW_COUNTS, day, inputs, lambda: flows_pass(site, day).counts.rows(day))
    return None if rows is None else FlowCounts.of_rows(rows)


def _kept(
    site: Site, table: Table, day: dt.date, inputs: Mapping[str, str], make: Callable[[], pl.DataFrame]
) -> pl.DataFrame | None:
    """The counts of a day, made when they are not there or of other inputs; None when they cannot be made."""
    try:
        record = site.storage.record(table.name, day)
        if record is not None and dict(record.inputs) == dict(inputs):
            return site.storage.read_day(table, day)
    except (NilometerError, *DAMAGE):
        pass  # A damaged table of counts is made again.
    try:
        rows = make()
    except (NilometerError, *DAMAGE):
        return None
    site.storage.write_day(table, day, rows, inputs=inputs)
    return rows


def traffic_counts(site: Site, day: dt.date) -> pl.DataFrame:
    """Rows of TRAFFIC_COUNTS of a day, from its daily traffic as it is stored now."""
    counted = (
        site.storage.scan(DAILY_TRAFFIC, [day])
        .group_by("measure")
        .agg(clients=pl.len().cast(pl.Int64), flows=pl.col("flows").sum(), typical=pl.col("bytes").median())
        .with_columns(day=pl.lit(day))
        .collect()
    )
    return TRAFFIC_COUNTS.conform(counted)


def past_traffic_counts(site: Site, day: dt.date) -> dict[dt.date, dict[str, tuple[int, float | None]]]:
    """Of the days before that were read: measure -> (clients, typical value)."""
    found = {}
    for d in window_days(day, WINDOW, site.settings.start_date):
        rows = shared(("traffic_counts", site.storage.place, d), partial(_kept_traffic, site, d))
        if rows is not None:
            found[d] = {m: (n, v) for m, n, v in rows.select("measure", "clients", "typical").iter_rows()}
    return found


def _kept_traffic(site: Site, day: dt.date) -> pl.DataFrame | None:
    flows, record = site.storage.record("flows", day), site.storage.record("daily_traffic", day)
    if record is None or flows is None or lines_read(flows.facts) == 0:
        return None
    inputs = {"daily_traffic": record.fingerprint, "stage": str(STAGE_VERSION)}
    return _kept(site, TRAFFIC_COUNTS, day, inputs, lambda: traffic_counts(site, day))


def kinds(site: Site, days: list[dt.date]) -> dict[dt.date, Hashable]:
    """The kind of each day: off where the site's calendar says so, else its weekday."""
    off = shared(("off", site.storage.place), lambda: _days_off(site))
    return {d: "free day" if off is not None and off(d) else d.strftime("%A") for d in days}


def _days_off(site: Site) -> Callable[[dt.date], bool] | None:
    file = site.settings.context.files.get("calendar")
    if file is None:
        return None
    try:
        table = load_input(site.root, "calendar", file)
    except NilometerError:
        return None  # `inputs_valid` says so.
    return lambda day: bool(table.on(day)["off"].any())

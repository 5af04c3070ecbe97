"""One row of numbers a day and check: what Great Expectations judges.

Each profile is a pass over a stored day in Polars; the limits are in the suites, and nothing is judged here. A number
that cannot be told is null, and so fails.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import polars as pl

from data_quality import drift, own
from data_quality.firing import canary_found
from pipeline.daily import conserved, measure_totals
from pipeline.days import day_bounds_utc
from pipeline.direction import NEEDED, Direction, judge, server_end
from pipeline.schemas import ANOMALY_SCORES, DAILY_TRAFFIC, FLOWS, STATES, TRAFFIC_BASELINE, Table
from pipeline.site import Site

FEW_ALERTS = 3
"""Alerts of one day that are never called many, however small the fleet."""

Profile = dict[str, float | int | None]


def _schema_faults(site: Site, table: Table, day: dt.date) -> int:
    found = site.storage.scan(table, [day]).collect_schema()
    return sum(found.get(c.name) != c.dtype for c in table.columns) + len(set(found) - set(table.schema))


def _row(frame: pl.LazyFrame, **numbers: pl.Expr) -> dict[str, Any]:
    return frame.select(**numbers).collect().row(0, named=True)


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def flows_valid(site: Site, day: dt.date) -> Profile:
    """Lines read, schema, required values, times inside the day, negative bytes, bytes that go the wrong way."""
    record = site.storage.record("flows", day)
    first, end = day_bounds_utc(day, site.settings.timezone)
    start = pl.col("start_time")
    row = _row(
        site.storage.scan(FLOWS, [day]),
        nulls=pl.sum_horizontal(pl.col(c).null_count() for c in ("start_time", "src_ip", "dest_ip")),
        out_of_day=(~start.is_between(first, end, closed="left")).sum(),
        negative_bytes=((pl.col("bytes_in") < 0).sum() + (pl.col("bytes_out") < 0).sum()),
    )
    return {
        "lines_read": record.facts.get("lines", 0) if record else 0,
        "schema_faults": _schema_faults(site, FLOWS, day),
        "wrong_direction_sources": sum(d.refused for d in day_directions(site, day)),
        **row,
    }


def day_directions(site: Site, day: dt.date) -> list[Direction]:
    """What the day's own flows say of each source's direction."""
    server = server_end(pl.col("src_category").is_not_null(), pl.col("dest_category").is_not_null())
    flows = site.storage.scan(FLOWS, [day]).select(*NEEDED, server=server).filter(pl.col("server").is_not_null())
    return judge(flows.collect(engine="streaming"))


def flows_complete(site: Site, day: dt.date) -> Profile:
    """Shares of flows with unknown bytes, of lines set aside, and of records dropped as duplicates."""
    record = site.storage.record("flows", day)
    facts = record.facts if record else {}
    row = _row(site.storage.scan(FLOWS, [day]), n=pl.len(), unknown=pl.col("bytes_in").null_count())
    lines = facts.get("lines", 0)
    return {
        "unknown_bytes_share": row["unknown"] / row["n"] if row["n"] else 0.0,
        "quarantined_share": _share(facts.get("quarantined", 0), lines),
        "duplicates_share": facts.get("duplicates", 0) / max(facts.get("records", 0), 1),
    }


def daily_traffic_valid(site: Site, day: dt.date) -> Profile:
    """Key uniqueness, the right day, negative bytes, and conservation as integers: of distinct counts, their flows."""
    stored = site.storage.scan(DAILY_TRAFFIC, [day])
    row = _row(
        stored,
        duplicate_keys=pl.struct("measure", "client").is_duplicated().sum(),
        other_days=(pl.col("day") != day).sum(),
        negative_bytes=(pl.col("bytes") < 0).sum(),
    )
    columns = (pl.col(c).cast(pl.Int128).sum() for c in ("bytes", "flows"))
    sums = {m: {"bytes": b, "flows": n} for m, b, n in stored.group_by("measure").agg(*columns).collect().iter_rows()}
    totals = measure_totals(site.storage.scan(FLOWS, [day]), site.measures)
    return {
        "schema_faults": _schema_faults(site, DAILY_TRAFFIC, day),
        **row,
        "sum_mismatches": sum(int(sums.get(m.id, {}).get(conserved(m)) or 0) != totals[m.id] for m in site.measures),
    }


def traffic_baseline_valid(site: Site, day: dt.date) -> Profile:
    """Sample counts within the window, deviations known and not negative, a fleet row a series."""
    client = pl.col("scope") == "client"
    row = _row(
        site.storage.scan(TRAFFIC_BASELINE, [day]),
        out_of_window=(client & ~pl.col("n_past_rows").is_between(1, pl.col("window_days"))).sum(),
        bad_deviations=(
            (pl.col("stdev_bytes") < 0) | (pl.col("stdev_bytes").is_null() & (pl.col("n_past_values") >= 2))
        ).sum(),
        fleet_rows=(pl.col("scope") == "fleet").sum(),
    )
    return {
        "out_of_window": row["out_of_window"],
        "bad_deviations": row["bad_deviations"],
        "missing_fleet_rows": len(site.series) - row["fleet_rows"],
    }


def sample_counts(site: Site, day: dt.date) -> Profile:
    """How many of the day's clients have enough samples, and how much of the window was there."""
    stored = site.storage.scan(ANOMALY_SCORES, [day])
    row = _row(
        stored,
        n=pl.len(),
        enough=pl.col("gate_samples").sum(),
        least=pl.col("n").min(),
        median=pl.col("n").median(),
        most=pl.col("n").max(),
    )
    window = _row(
        site.storage.scan(TRAFFIC_BASELINE, [day]),
        days=pl.col("window_days").max(),
        present=pl.col("window_days_present").min(),
    )
    return {
        "share_clients_enough": _share(row["enough"] or 0, row["n"]),
        "clients_enough": row["enough"],
        "window_days_share": _share(window["present"] or 0, window["days"] or 0),
        "samples_min": row["least"],
        "samples_median": row["median"],
        "samples_max": row["most"],
    }


def anomaly_scores_valid(site: Site, day: dt.date) -> Profile:
    """One score for every client and rule, finite distances, and alerts that agree with the gates."""
    stored = site.storage.scan(ANOMALY_SCORES, [day])
    distance = pl.col("num_standard_deviations_away_from_server_average")
    own = pl.col("num_standard_deviations_away_from_client_average")
    row = _row(
        stored,
        duplicate_keys=pl.struct("rule_id", "client").is_duplicated().sum(),
        not_finite=((~distance.is_finite()).sum() + (~own.is_finite()).sum()),
        absent_distances=(distance.is_null() & (pl.col("stdev_bytes") > 0) & pl.col("bytes").is_not_null()).sum(),
        gate_mismatches=((pl.col("state") == "alert") != _gates(site)).sum(),
        unknown_states=(~pl.col("state").is_in(STATES)).sum(),
    )
    return {**row, "missing_or_extra": _key_differences(site, day)}


def _gates(site: Site) -> pl.Expr:
    """Whether a score passes what its rule asks: all gates, or those of its reference, and its floor."""
    passed = {c: pl.col(c).fill_null(False) for c in ("gate_samples", "gate_fleet", "gate_client")}
    gates = pl.all_horizontal(*passed.values())
    for rule in site.rules_of("seed"):
        asked = ("gate_samples", *["gate_fleet"] * rule.asks_others, *["gate_client"] * rule.asks_own)
        mine = pl.all_horizontal(*(passed[c] for c in asked)) & (pl.col("bytes") >= rule.floor).fill_null(False)
        gates = pl.when(pl.col("rule_id") == rule.id).then(mine).otherwise(gates)
    return gates


def _key_differences(site: Site, day: dt.date) -> int:
    """Scores without a daily row and daily rows without a score, over all rules."""
    today = site.storage.scan(DAILY_TRAFFIC, [day])
    scored = site.storage.scan(ANOMALY_SCORES, [day])
    total = 0
    for rule in site.rules_of("seed"):
        want = (
            today.filter(pl.col("measure") == rule.measure.id)
            .select(client=pl.col("client").fill_null("null") if rule.null_client == "literal" else pl.col("client"))
            .drop_nulls()
        )
        have = scored.filter(pl.col("rule_id") == rule.id).select("client")
        for left, right in ((want, have), (have, want)):
            total += left.join(right, on="client", how="anti").select(pl.len()).collect().item()
    return total


def alert_rate(site: Site, day: dt.date) -> Profile:
    """Share of the day's scores that alert, beyond the few that any fleet may have on one day."""
    row = _row(site.storage.scan(ANOMALY_SCORES, [day]), n=pl.len(), alerts=(pl.col("state") == "alert").sum())
    beyond = max(0, row["alerts"] - FEW_ALERTS)
    return {"alert_share": beyond / row["n"] if row["n"] else 0.0, "alerts": row["alerts"]}


PROFILES: dict[str, Callable[[Site, dt.date], Profile]] = {
    "flows_valid": flows_valid,
    "flows_complete": flows_complete,
    "daily_traffic_valid": daily_traffic_valid,
    "traffic_baseline_valid": traffic_baseline_valid,
    "sample_counts": sample_counts,
    "anomaly_scores_valid": anomaly_scores_valid,
    "alert_rate": alert_rate,
    "canary_found": canary_found,
    **drift.PROFILES,
    **own.PROFILES,
}

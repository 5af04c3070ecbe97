"""A few of the rows that did not meet an expectation: a query beside each profile, run only where one failed.

Rows are shown as plain data; making them harmless on a page belongs to who shows them. Expectations about whole days,
such as chances, have no rows to show.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable

import polars as pl

from data_quality.compared import silent_sensors
from data_quality.counts import flow_faults
from data_quality.inputs import missing_categories
from data_quality.outputs import alert_faults, score_faults, unalerted, unscored
from data_quality.profiles import facts_of
from data_quality.results import day_quality
from data_quality.rows import baseline_faults, daily_faults, schema_differences
from data_quality.surge import mismatched, surge_faults, unscored_by_surge
from pipeline.daily import conserved, measure_totals
from pipeline.schemas import (
    ALERTS,
    ANOMALY_SCORES,
    DAILY_TRAFFIC,
    FLOWS,
    SURGE_SCORES,
    TABLES,
    TRAFFIC_BASELINE,
    Table,
)
from pipeline.site import Site

ROWS = 5
LONGEST = 100
"""Characters of a value that are shown."""

_SHOWN = {
    "flows": ("source_file", "source_line", "start_time", "src_ip", "dest_ip", "bytes_in", "bytes_out"),
    "daily_traffic": ("day", "measure", "client", "bytes", "flows", "flows_unknown", "first_start", "last_start"),
    "traffic_baseline": ("measure", "scope", "client", "n_past_rows", "n_past_values", "avg_bytes", "stdev_bytes"),
    "anomaly_scores": ("rule_id", "client", "bytes", "n", "state", "gate_samples", "gate_fleet", "gate_client"),
    "surge_scores": ("rule_id", "client", "bytes", "n", "expected", "excess", "t", "surprise", "slow", "new"),
    "alerts": ("alert_id", "rule_id", "day", "client", "quality"),
}
Query = Callable[[Site, dt.date], pl.LazyFrame | pl.DataFrame | list[dict[str, str]]]


def sample(site: Site, day: dt.date, check: str, expectation: str) -> str | None:
    """JSON of up to five rows; None where there is no query for it."""
    query = SAMPLES.get((check, expectation))
    if query is None:
        return None
    found = query(site, day)
    rows = found if isinstance(found, list) else found.lazy().head(ROWS).collect(engine="streaming").to_dicts()
    shown = [{k: str(v)[:LONGEST] for k, v in row.items() if v is not None} for row in rows[:ROWS]]
    return json.dumps(shown) if shown else None


def _rows(table: Table, faults: Callable[[Site, dt.date], dict[str, pl.Expr]], name: str) -> Query:
    columns = _SHOWN[table.name]
    return lambda site, day: site.storage.scan(table, [day]).filter(faults(site, day)[name]).select(columns)


def _alert_faults(site: Site, day: dt.date) -> dict[str, pl.Expr]:
    return alert_faults(site, day, day_quality(site, day))


def _schema(table: Table) -> Query:
    return lambda site, day: schema_differences(site, table, day)


def _mismatches(site: Site, day: dt.date) -> list[dict[str, str]]:
    """Series whose rows do not add up to their flows."""
    totals = measure_totals(site.storage.scan(FLOWS, [day]), site.measures)
    rows = site.storage.read_day(DAILY_TRAFFIC, day)
    found = []
    for measure in site.measures:
        column = conserved(measure)
        stored = sum(v for v in rows.filter(pl.col("measure") == measure.id)[column] if v is not None)
        if stored != totals[measure.id]:
            found.append({"measure": measure.id, "rows": str(stored), "flows": str(totals[measure.id])})
    return found


def _reasons(site: Site, day: dt.date) -> list[dict[str, str]]:
    """What lines were set aside for, the commonest first."""
    reasons = facts_of(site, day).get("quarantined_by_reason", {})
    return [{"reason": r, "lines": str(n)} for r, n in sorted(reasons.items(), key=lambda item: -item[1])]


def _apart(site: Site, day: dt.date) -> list[dict[str, str]]:
    """Sensors whose clocks are apart, and by how much, the commonest first."""
    at = facts_of(site, day).get("clocks_apart", {}).get("at", [])
    return [{"sensor": a, "later": b, "minutes": str(m), "flows": str(n)} for a, b, m, n in at]


def _missing(site: Site, day: dt.date) -> list[dict[str, str]]:
    return [{"category": c} for c in missing_categories(site, day)]


def _silent(site: Site, day: dt.date) -> list[dict[str, str]]:
    return [{"source": s, "sensor": n} for s, n in silent_sensors(site, day).silent]


def _counted(wanted: pl.Expr) -> Query:
    """Scores whose number of samples is at fault."""
    columns = ("rule_id", "client", "n", "window_days")
    return lambda site, day: site.storage.scan(ANOMALY_SCORES, [day]).filter(wanted).select(columns)


def _alerting(site: Site, day: dt.date) -> pl.LazyFrame:
    scores = site.storage.scan(ANOMALY_SCORES, [day]).filter(pl.col("state") == "alert")
    return scores.select("rule_id", "client", "bytes", "avg_bytes", "per_source_avg_bytes").sort(
        "bytes", descending=True
    )


def _mismatched(site: Site, day: dt.date) -> pl.DataFrame | list[dict[str, str]]:
    found = mismatched(site, day)
    return [] if found is None else found.select(_SHOWN["surge_scores"])


def _unscored_by_surge(site: Site, day: dt.date) -> pl.DataFrame | list[dict[str, str]]:
    found = unscored_by_surge(site, day)
    return [] if found is None else found


_FLOW_FAULTS = {
    "flows_valid": ("nulls", "out_of_day", "negative_bytes", "negative_durations", "unknown_words"),
    "flows_complete": ("unknown_bytes_share", "zero_bytes_share"),
}
SAMPLES: dict[tuple[str, str], Query] = {
    **{
        (check, name): _rows(FLOWS, flow_faults, name.removesuffix("_share"))
        for check, names in _FLOW_FAULTS.items()
        for name in names
    },
    **{
        ("daily_traffic_valid", name): _rows(DAILY_TRAFFIC, daily_faults, name)
        for name in (
            "nulls",
            "duplicate_keys",
            "other_days",
            "negative_bytes",
            "impossible_counts",
            "times_out_of_day",
            "bad_addresses",
        )
    },
    **{
        ("traffic_baseline_valid", name): _rows(TRAFFIC_BASELINE, lambda _, day: baseline_faults(day), name)
        for name in ("nulls", "duplicate_keys", "other_days", "out_of_window", "bad_averages", "bad_deviations")
    },
    **{
        ("anomaly_scores_valid", name): _rows(ANOMALY_SCORES, score_faults, name)
        for name in (
            "nulls",
            "duplicate_keys",
            "other_days",
            "not_finite",
            "absent_distances",
            "gate_mismatches",
            "unknown_states",
        )
    },
    **{
        ("alerts_valid", name): _rows(ALERTS, _alert_faults, name)
        for name in ("nulls", "duplicate_keys", "other_days", "unknown_rules", "wrong_quality", "bad_evidence")
    },
    **{
        ("surge_scores_valid", name): _rows(SURGE_SCORES, surge_faults, name)
        for name in (
            "nulls",
            "duplicate_keys",
            "other_days",
            "unknown_rules",
            "out_of_window",
            "not_finite",
            "impossible_values",
            "absent_scores",
        )
    },
    ("surge_scores_valid", "score_mismatches"): _mismatched,
    ("surge_scores_valid", "missing_or_extra"): _unscored_by_surge,
    **{(f"{name}_valid", "schema_faults"): _schema(TABLES[name]) for name in _SHOWN},
    ("flows_valid", "readable_share"): _reasons,
    ("flows_complete", "quarantined_share"): _reasons,
    ("flows_complete", "quarantined_rise_chance"): _reasons,
    ("flows_complete", "unknown_reasons"): _reasons,
    ("flows_complete", "clocks_apart_share"): _apart,
    ("flow_counts", "silent_sensors_chance"): _silent,
    **{("inputs_valid", name): _missing for name in ("categories_missing", "rules_watching")},
    ("daily_traffic_valid", "sum_mismatches"): _mismatches,
    ("sample_counts", "share_clients_enough"): _counted(~pl.col("gate_samples")),
    ("sample_counts", "samples_over_window"): _counted(pl.col("n") > pl.col("window_days") + 1),
    ("anomaly_scores_valid", "missing_or_extra"): unscored,
    ("alerts_valid", "missing_or_extra"): unalerted,
    ("anomaly_scores_valid", "alert_share"): _alerting,
}
"""The query of each expectation that has rows to show, by check and expectation."""

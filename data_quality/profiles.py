"""One row of numbers a day and check: what Great Expectations judges, and the registry of who makes them.

Each profile is a pass over a stored day in Polars; the limits are in the suites, and nothing is judged here. A number
that cannot be told is None, and fails unless its expectation says that it may be unknown; why is said in a note beside
it. Comparisons with earlier days are in `compared`, what comes from outside in `inputs`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

import polars as pl

from data_quality import drift, own
from data_quality.compared import Profile, client_counts, flow_counts, note
from data_quality.counts import flows_pass
from data_quality.firing import canary_found
from data_quality.inputs import inputs_valid, quarantined
from data_quality.outputs import alerts_valid, anomaly_scores_valid
from data_quality.rows import baseline_faults, daily_faults, row_of, schema_faults, share
from data_quality.surge import surge_scores_valid
from pipeline.counting.direction import verdict_of
from pipeline.daily import conserved, measure_totals
from pipeline.flows import lines_read
from pipeline.schemas import ANOMALY_SCORES, DAILY_TRAFFIC, FLOWS, TRAFFIC_BASELINE
from pipeline.site import Site
from pipeline.stored.series import windows_digest


def facts_of(site: Site, day: dt.date) -> Mapping[str, Any]:
    """What the day's flows say of how they were read."""
    record = site.storage.record("flows", day)
    return record.facts if record else {}


def flows_valid(site: Site, day: dt.date) -> Profile:
    """Lines read and accounted for, schema, required values, times, counts and words, bytes that go the wrong way."""
    if faults := schema_faults(site, FLOWS, day):
        return {"schema_faults": faults}
    found, facts = flows_pass(site, day), facts_of(site, day)
    wrong = [v for source, e in found.evidence.items() if (v := verdict_of(source, e)).refused]
    accounts = ("read", "others", "ignored", "comments", "quarantined")
    known = "read" in facts
    good, aside = (facts["read"] + facts["others"] if known else 0), facts.get("quarantined", 0)
    readable = share(good, good + aside) if known and lines_read(facts) else None
    return {
        "lines_read": lines_read(facts),
        "lines_unaccounted": abs(facts["lines"] - sum(facts[a] for a in accounts)) if known else None,
        note("lines_unaccounted"): "" if known else "cannot tell: the day was made before lines were accounted by day",
        "quarantined": aside,
        "readable_share": readable,
        note("readable_share"): "" if readable is not None else "cannot tell: no record was read",
        "schema_faults": 0,
        "wrong_direction_sources": len(wrong),
        **{k: found.sums[k] for k in ("nulls", "out_of_day", "negative_bytes", "negative_durations", "unknown_words")},
    }


def flows_complete(site: Site, day: dt.date) -> Profile:
    """Shares of flows with unknown or no bytes, or overlapping another, of lines set aside, and of repeated records."""
    facts, sums = facts_of(site, day), flows_pass(site, day).sums
    none = (
        {} if sums["flows"] else {note(c): "cannot tell: no flow" for c in ("unknown_bytes_share", "zero_bytes_share")}
    )
    records, looked = facts.get("records", 0), bool(sums["flows"]) and "overlapping" in facts
    return {
        "unknown_bytes": sums["unknown_bytes"],
        "unknown_bytes_share": share(sums["unknown_bytes"], sums["flows"]),
        "zero_bytes": sums["zero_bytes"],
        "zero_bytes_share": share(sums["zero_bytes"], sums["flows"]),
        **none,
        "duplicates": facts.get("duplicates", 0),
        "duplicates_share": share(facts.get("duplicates", 0), records),
        note("duplicates_share"): "" if records else "cannot tell: no record",
        "overlapping": facts.get("overlapping"),
        "overlapping_share": share(facts["overlapping"], sums["flows"]) if looked else None,
        note("overlapping_share"): "" if looked else "cannot tell: no flow, or the day was made before",
        **_clocks_apart(facts, sums["flows"]),
        **quarantined(site, day, facts),
    }


def _clocks_apart(facts: Mapping[str, Any], flows: int) -> Profile:
    """Flows that another sensor reports too, whole half hours earlier."""
    told = facts.get("clocks_apart") if flows else None
    return {
        "clocks_apart": told["flows"] if told else None,
        "clocks_apart_share": share(told["flows"], flows) if told else None,
        note("clocks_apart_share"): "" if told else "cannot tell: no flow, or the day was made before",
    }


def daily_traffic_valid(site: Site, day: dt.date) -> Profile:
    """Keys, values that can be, the right day, and conservation as integers: of distinct counts, their flows."""
    if faults := schema_faults(site, DAILY_TRAFFIC, day):
        return {"schema_faults": faults}
    stored = site.storage.scan(DAILY_TRAFFIC, [day])
    row = row_of(stored, **{name: fault.sum() for name, fault in daily_faults(site, day).items()})
    columns = (pl.col(c).cast(pl.Int128).sum() for c in ("bytes", "flows"))
    sums = {m: {"bytes": b, "flows": n} for m, b, n in stored.group_by("measure").agg(*columns).collect().iter_rows()}
    totals = measure_totals(site.storage.scan(FLOWS, [day]), site.measures)
    wrong = [m.id for m in site.measures if int(sums.get(m.id, {}).get(conserved(m)) or 0) != totals[m.id]]
    return {"schema_faults": 0, **row, "sum_mismatches": len(wrong), **_known_share(site, stored)}


def _known_share(site: Site, stored: pl.LazyFrame) -> Profile:
    """Of the flows behind the rules' series, how many say what the series sums or counts."""
    mine = stored.filter(pl.col("measure").is_in([m.id for m in site.measures]))
    told = row_of(mine, flows=pl.col("flows").sum(), unknown=pl.col("flows_unknown").sum())
    known = share(told["flows"] - told["unknown"], told["flows"])
    text = f"{told['unknown']:,} of {told['flows']:,} unknown" if told["flows"] else "cannot tell: nobody had traffic"
    return {"known_share": known, note("known_share"): text}


def traffic_baseline_valid(site: Site, day: dt.date) -> Profile:
    """Sample counts within the window, averages and deviations that can be, a fleet row a series that adds up."""
    if faults := schema_faults(site, TRAFFIC_BASELINE, day):
        return {"schema_faults": faults}
    stored = site.storage.scan(TRAFFIC_BASELINE, [day])
    row = row_of(stored, **{name: fault.sum() for name, fault in baseline_faults(day).items()})
    series = ["measure", "lookback_days"]
    named = (pl.col("scope") == "client") & pl.col("client").is_not_null()
    of_clients = stored.filter(named).group_by(series).agg(rows=pl.col("n_past_rows").sum())
    fleets = stored.filter(pl.col("scope") == "fleet").select(*series, "n_past_rows").collect()
    told = set(fleets.select(series).iter_rows())
    added = fleets.join(of_clients.collect(), on=series, how="left").with_columns(pl.col("rows").fill_null(0))
    record = site.storage.record(TRAFFIC_BASELINE.name, day)
    fit = record is None or record.inputs.get("series") == windows_digest(site)
    return {
        "schema_faults": 0,
        **row,
        "missing_fleet_rows": len(told ^ {(measure.id, days) for measure, days in site.series}) if fit else None,
        note("missing_fleet_rows"): "" if fit else "cannot tell: made for other series or windows; the day is stale",
        "fleet_mismatches": added.filter(pl.col("rows") != pl.col("n_past_rows")).height,
    }


def sample_counts(site: Site, day: dt.date) -> Profile:
    """How many of the day's clients have enough samples, how many they have, and how much of the window was there."""
    n = pl.col("n")
    quantiles = {f"samples_p{q}": n.quantile(q / 100) for q in (10, 50, 90)}
    row = row_of(
        site.storage.scan(ANOMALY_SCORES, [day]),
        scored=pl.len(),
        enough=pl.col("gate_samples").sum(),
        over=(n > pl.col("window_days") + 1).sum(),
        least=n.min(),
        most=n.max(),
        **quantiles,
    )
    window = row_of(
        site.storage.scan(TRAFFIC_BASELINE, [day]),
        days=pl.col("window_days").max(),
        present=(pl.col("window_days_present") / pl.col("window_days").replace(0, None)).min(),
    )
    asked = min((r.minimum_data_samples for r in site.rules_of("seed")), default=1)
    unknown = ""
    if (days := window["days"] or 0) + 1 < asked:
        unknown = f"cannot tell: the window has {days} days, {asked} samples are asked for"
    elif row["scored"] == 0:
        unknown = "cannot tell: nobody was scored"
    return {
        "scored": row["scored"],
        "clients_enough": None if unknown else row["enough"],
        "clients_too_few": row["scored"] - (row["enough"] or 0),
        "share_clients_enough": None if unknown else share(row["enough"] or 0, row["scored"]),
        **({note(c): unknown for c in ("clients_enough", "share_clients_enough")} if unknown else {}),
        "window_days_share": window["present"],
        note("window_days_share"): "" if window["present"] is not None else "cannot tell: no day before this one",
        "samples_over_window": row["over"],
        "samples_min": row["least"],
        **{name: row[name] for name in quantiles},
        "samples_max": row["most"],
    }


PROFILES: dict[str, Callable[[Site, dt.date], Profile]] = {
    "flows_valid": flows_valid,
    "flows_complete": flows_complete,
    "flow_counts": flow_counts,
    "inputs_valid": inputs_valid,
    "daily_traffic_valid": daily_traffic_valid,
    "client_counts": client_counts,
    "traffic_baseline_valid": traffic_baseline_valid,
    "sample_counts": sample_counts,
    "anomaly_scores_valid": anomaly_scores_valid,
    "canary_found": canary_found,
    "surge_scores_valid": surge_scores_valid,
    "alerts_valid": alerts_valid,
    **drift.PROFILES,
    **own.PROFILES,
}
"""The profile of each check, by its name: a check's suite judges the columns of its profile."""

"""Profiles of what the rules made of a day: scores, alerts, how many there are, and whether a planted theft is found.

What the numbers may be is in the suites.
"""

from __future__ import annotations

import datetime as dt
import json

import polars as pl

from data_quality.compared import Profile, note
from data_quality.results import day_quality
from data_quality.rows import lacks_a_value, row_of, schema_faults
from data_quality.surge import alerting
from pipeline.schemas import ALERTS, ANOMALY_SCORES, DAILY_TRAFFIC, STATES
from pipeline.site import Site

FEW_ALERTS = 3
"""Alerts of one day that are never called many, however small the fleet."""


def score_faults(site: Site, day: dt.date) -> dict[str, pl.Expr]:
    """What a score must not be: expressions that are true of the rows in question."""
    distance = pl.col("num_standard_deviations_away_from_server_average")
    own = pl.col("num_standard_deviations_away_from_client_average")
    spread = (("stdev_bytes", distance), ("per_source_stdev_bytes", own))
    absent = (away.is_null() & (pl.col(deviation) > 0).fill_null(False) for deviation, away in spread)
    return {
        "nulls": lacks_a_value(ANOMALY_SCORES),
        "duplicate_keys": pl.struct("rule_id", "client").is_duplicated(),
        "other_days": pl.col("day") != day,
        "not_finite": ~distance.is_finite().fill_null(True) | ~own.is_finite().fill_null(True),
        "absent_distances": pl.any_horizontal(absent) & pl.col("bytes").is_not_null(),
        "gate_mismatches": (pl.col("state") == "alert") != _gates(site),
        "unknown_states": ~pl.col("state").is_in(STATES),
    }


def anomaly_scores_valid(site: Site, day: dt.date) -> Profile:
    """One score for every client and rule, finite distances, and alerts that agree with the gates."""
    if faults := schema_faults(site, ANOMALY_SCORES, day):
        return {"schema_faults": faults}
    stored = site.storage.scan(ANOMALY_SCORES, [day])
    asked = {name: fault.sum() for name, fault in score_faults(site, day).items()}
    row = row_of(stored, **asked, scored=pl.len(), alerts=(pl.col("state") == "alert").sum())
    told = {"missing_or_extra": unscored(site, day).select(pl.len()).collect().item()}
    return {"schema_faults": 0, **told, **_alert_share(row.pop("scored"), row["alerts"]), **row}


def _gates(site: Site) -> pl.Expr:
    """Whether a score passes what its rule asks: all gates, or those of its reference, and its floor."""
    passed = {c: pl.col(c).fill_null(False) for c in ("gate_samples", "gate_fleet", "gate_client")}
    gates = pl.all_horizontal(*passed.values())
    for rule in site.rules_of("seed"):
        asked = ("gate_samples", *["gate_fleet"] * rule.asks_others, *["gate_client"] * rule.asks_own)
        mine = pl.all_horizontal(*(passed[c] for c in asked)) & (pl.col("bytes") >= rule.floor).fill_null(False)
        gates = pl.when(pl.col("rule_id") == rule.id).then(mine).otherwise(gates)
    return gates


def unscored(site: Site, day: dt.date) -> pl.LazyFrame:
    """Scores without a daily row and daily rows without a score, over all rules: rule_id, client, where it is."""
    today = site.storage.scan(DAILY_TRAFFIC, [day])
    scored = site.storage.scan(ANOMALY_SCORES, [day])
    parts = [pl.LazyFrame(schema={"rule_id": pl.String, "client": pl.String, "only_in": pl.String})]
    for rule in site.rules_of("seed"):
        want = (
            today.filter(pl.col("measure") == rule.measure.id)
            .select(client=pl.col("client").fill_null("null") if rule.null_client == "literal" else pl.col("client"))
            .drop_nulls()
        )
        have = scored.filter(pl.col("rule_id") == rule.id).select("client")
        for name, left, right in (("daily_traffic", want, have), ("anomaly_scores", have, want)):
            only = left.join(right, on="client", how="anti")
            parts.append(only.select(rule_id=pl.lit(rule.id), client="client", only_in=pl.lit(name)))
    return pl.concat(parts)


def _alert_share(scored: int, alerts: int) -> Profile:
    """Share of the day's scores that alert, beyond the few that any fleet may have on one day."""
    if not scored:
        return {"alert_share": None, note("alert_share"): "cannot tell: nobody was scored"}
    return {"alert_share": max(0, alerts - FEW_ALERTS) / scored}


def alert_faults(site: Site, day: dt.date, quality: str) -> dict[str, pl.Expr]:
    """What an alert must not be: expressions that are true of the rows in question."""
    evidence = pl.col("evidence").map_elements(_is_no_object, return_dtype=pl.Boolean)
    return {
        "nulls": lacks_a_value(ALERTS),
        "duplicate_keys": pl.struct("rule_id", "client").is_duplicated() | pl.col("alert_id").is_duplicated(),
        "other_days": pl.col("day") != day,
        "unknown_rules": ~pl.col("rule_id").is_in([r.id for r in site.rules]),
        "wrong_quality": pl.col("quality") != quality,
        "bad_evidence": evidence.fill_null(True) | pl.col("message").fill_null("").eq(""),
    }


def _is_no_object(text: str) -> bool:
    try:
        return not isinstance(json.loads(text), dict)
    except ValueError:
        return True


def alerts_valid(site: Site, day: dt.date) -> Profile:
    """An alert for every score that alerts and no other, of rules in force, with evidence and the day's quality."""
    if faults := schema_faults(site, ALERTS, day):
        return {"schema_faults": faults}
    stored = site.storage.scan(ALERTS, [day])
    row = row_of(stored, **{n: fault.sum() for n, fault in alert_faults(site, day, day_quality(site, day)).items()})
    by_surge = alerting(site, day)
    wrong = _unalerted(site, day, by_surge)
    told = (
        ""
        if by_surge is not None
        else "of method seed alone: the scores of method surge have changed since, the day is stale"
    )
    return {"schema_faults": 0, **row, "missing_or_extra": wrong.height, note("missing_or_extra"): told}


def unalerted(site: Site, day: dt.date) -> pl.DataFrame:
    """Scores that alert without an alert, and alerts without such a score: rule_id, client, where it is."""
    return _unalerted(site, day, alerting(site, day))


def _unalerted(site: Site, day: dt.date, by_surge: pl.DataFrame | None) -> pl.DataFrame:
    key = ["rule_id", "client"]
    alerts = site.storage.scan(ALERTS, [day]).select(key).collect()
    state = pl.col("state") == "alert"
    seed = site.storage.scan(ANOMALY_SCORES, [day]).filter(state).select(key).collect()
    found = {"seed": ("anomaly_scores", seed), "surge": ("surge_scores", by_surge)}
    parts = [alerts.clear().with_columns(only_in=pl.lit("", pl.String))]
    for method, (table, scores) in found.items():
        mine = pl.col("rule_id").is_in([r.id for r in site.rules_of(method)])
        if scores is not None:
            sides = ((table, scores.filter(mine), alerts), ("alerts", alerts.filter(mine), scores))
            parts += [
                a.join(b, on=key, how="anti", nulls_equal=True).with_columns(only_in=pl.lit(n)) for n, a, b in sides
            ]
    return pl.concat(parts)

"""Alerts of the surge method: one a client and day, with all that explains it, and the volume that would not alert.

Which clients alert is decided in `pipeline.methods.surge`; the seed's alerts are in `pipeline.alerts`.
"""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import polars as pl

from pipeline.acceptance import admission
from pipeline.alerts import Traffic, alert_of, deed, human
from pipeline.days import day_start
from pipeline.detections.model import Rule
from pipeline.methods.surge import calibrated
from pipeline.schemas import ALERTS, ANOMALY_SCORES, FLOWS
from pipeline.site import Site
from pipeline.surge.days import verdict_days, verdict_rows
from pipeline.wording import rate

_SERVER = "num_standard_deviations_away_from_server_average"
_CLIENT = "num_standard_deviations_away_from_client_average"
_SHOWN = (
    "addresses",
    "group",
    "role",
    "quiet",
    "n",
    "first_seen",
    "last_similar",
    "own_p50",
    "own_p95",
    "own_max",
    "group_p50",
    "day_effect",
    "follows",
    "expected",
    "excess",
    "ratio",
    "t",
    "nu",
)
_VERDICT = ("channel", "score", "rarity", "company", "rate", "limit", "rank", "least_volume", "case_day", "campaign")
_SHOWN_ADDRESSES = 3
_WORST = ("critical", "high", "medium", "low")
_CHANNELS = {"shot": "one large day", "slow": "many larger days", "new": "a client hardly seen before"}


def surge_alerts(site: Site, day: dt.date, quality: str) -> pl.DataFrame:
    """Rows of ALERTS of every rule of the method; a day without surge scores has none."""
    days = verdict_days(site, day)
    present = sum(site.storage.has("surge_scores", d) for d in days[:-1])
    seed = site.storage.read_day(ANOMALY_SCORES, day)
    start = day_start(day, site.settings.timezone).astimezone(dt.UTC)
    window = {"calibration_days": len(days) - 1, "calibration_days_present": present}
    rows = []
    for rule in site.rules_of("surge"):
        raw = verdict_rows(site, day, rule)
        found = calibrated(raw, [day], rule.surge).filter("alert")
        facts = raw.filter((pl.col("day") == day) & pl.col("client").is_in(found["client"].implode()))
        holders = dict(facts.select("addresses", "client").explode("addresses").iter_rows())
        traffic = Traffic.of(site.storage.scan(FLOWS, [day]), rule, holders)
        for row in facts.iter_rows(named=True):
            verdicts = found.filter(pl.col("client") == row["client"]).to_dicts()
            told = row | window | {"verdicts": verdicts, "seed": _seed_view(seed, row["addresses"], rule)}
            rows.append(_alert(told, rule, traffic, start, quality))
    return ALERTS.conform(pl.DataFrame(rows, schema=ALERTS.schema))


def _seed_view(scores: pl.DataFrame, addresses: list[str], rule: Rule) -> list[dict[str, Any]]:
    """What rules of method seed say of the client's addresses on this day, by the rule's own series."""
    same = pl.col("measure").is_in([m.id for m in rule.measures])
    mine = scores.filter(same & pl.col("client").is_in(addresses)).sort("bytes", "rule_id", descending=[True, False])
    columns = "rule_id", "measure", "client", "state", "avg_bytes"
    return mine.select(*columns, from_fleet=_SERVER, from_own=_CLIENT).to_dicts()


def _alert(row: dict[str, Any], rule: Rule, traffic: Traffic, start: dt.datetime, quality: str) -> dict[str, Any]:
    # Columns are named by the rule's own field: what the other direction had is told in the evidence alone.
    seed: dict[str, Any] = next((s for s in row["seed"] if s["measure"] == rule.measure.id), {})
    return alert_of(rule, row["day"], row["client"], start, quality) | {
        rule.subject: row["addresses"][0],
        rule.field: row["bytes"],
        f"avg_{rule.field}": seed.get("avg_bytes"),
        f"per_source_avg_{rule.field}": row["own_avg"],
        _SERVER: seed.get("from_fleet"),
        _CLIENT: seed.get("from_own"),
        "window_complete": row["calibration_days"] == row["calibration_days_present"],
        "message": _message(row, rule, quality),
        "evidence": json.dumps(_evidence(row, rule, traffic), sort_keys=True, default=str),
    }


def _message(row: dict[str, Any], rule: Rule, quality: str) -> str:
    first = min(row["verdicts"], key=lambda v: v["rate"] / v["limit"])
    text = (
        f"{row['client']}{_at(row)} {deed(rule, row['bytes'])} on {row['day']}, where "
        f"{human(row['expected'])} was expected ({_CHANNELS[first['channel']]}, {_severity(row)}); as much or more is "
        f"expected of {rate(first['rate'])} in 10,000 clients a day."
    )
    if first["explained_by"]:
        text += f" Explained by: {first['explained_by']}."
    if first["campaign"]:
        text += f" It is one of {first['campaign']} clients of {row['group']} that alert together."
    if first["case_day"] < row["day"]:
        text += f" It continues a case that, by what is rare now, began on {first['case_day']}."
    text += admission(quality)
    if row["calibration_days_present"] < row["calibration_days"]:
        text += f" Only {row['calibration_days_present']} of {row['calibration_days']} past days told how rare it is."
    return text


def _at(row: dict[str, Any]) -> str:
    """Where an asset was, as its name alone finds nothing in logs."""
    return "" if row["addresses"] == [row["client"]] else f" ({', '.join(row['addresses'][:_SHOWN_ADDRESSES])})"


def _severity(row: dict[str, Any]) -> str:
    return str(min((v["severity"] for v in row["verdicts"]), key=_WORST.index))


def _evidence(row: dict[str, Any], rule: Rule, traffic: Traffic) -> dict[str, Any]:
    seen = (row["day"] - row["first_seen"]).days if row["first_seen"] else 0
    return {c: row[c] for c in _SHOWN} | {
        "severity": _severity(row),
        "risk": max(v["risk"] for v in row["verdicts"]),
        "channels": [{c: v[c] for c in _VERDICT} for v in row["verdicts"]],
        "explained_by": row["explained_by"],
        "days_since_first_seen": seen,
        "seed": [{**s, "alerts": s["state"] == "alert"} for s in row["seed"]],
        "calibration_days": row["calibration_days"],
        "calibration_days_present": row["calibration_days_present"],
        "rule_version": rule.version,
        "rule_fingerprint": rule.fingerprint,
        "top_servers": traffic.servers.get(row["client"], []),
        "top_flows": traffic.flows.get(row["client"], []),
        "runbook": list(rule.runbook),
    }

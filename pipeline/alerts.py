"""From scores to alerts: the seed's own columns, a stable id, the evidence, and one sentence an analyst understands.

Which clients alert was decided by the method; nothing is judged again here. Other export formats than the seed's table
do not belong here.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from typing import Any

import polars as pl

from pipeline.daily import measured
from pipeline.days import day_start
from pipeline.detections.model import Rule
from pipeline.schemas import ALERTS
from pipeline.storage import digest

STAGE_VERSION = 1
_SERVER = "num_standard_deviations_away_from_server_average"
_CLIENT = "num_standard_deviations_away_from_client_average"
_TOP = 5


def alert_id(rule_id: str, day: dt.date, client: str) -> str:
    """The same rule, day and client always give the same id."""
    return "nilo-" + digest(rule_id, day.isoformat(), client)[:16]


def build_alerts(
    scores: pl.DataFrame, rules: Sequence[Rule], flows: pl.LazyFrame, day: dt.date, timezone: str, quality: str
) -> pl.DataFrame:
    """Rows of ALERTS for one day; flows are the day's FLOWS rows, for the evidence."""
    known = {r.id: r for r in rules}
    hits = scores.filter(pl.col("state") == "alert").sort("rule_id", "client")
    start = day_start(day, timezone).astimezone(dt.UTC)
    rows = [_alert(row, known[row["rule_id"]], flows, day, start, quality) for row in hits.iter_rows(named=True)]
    return ALERTS.conform(pl.DataFrame(rows, schema=ALERTS.schema))


def _alert(
    row: dict[str, Any], rule: Rule, flows: pl.LazyFrame, day: dt.date, start: dt.datetime, quality: str
) -> dict[str, Any]:
    field = rule.field
    blank: dict[str, Any] = dict.fromkeys(ALERTS.schema.names())
    return blank | {
        "alert_id": alert_id(rule.id, day, row["client"]),
        "rule_id": rule.id,
        "rule_title": rule.title,
        "day": day,
        "_time": start,
        "client": row["client"],
        rule.subject: row["client"],
        field: row["bytes"],
        f"avg_{field}": row["avg_bytes"],
        f"per_source_avg_{field}": row["per_source_avg_bytes"],
        _SERVER: row[_SERVER],
        _CLIENT: row[_CLIENT],
        "techniques": list(rule.attack),
        "quality": quality,
        "window_complete": row["window_complete"],
        "message": _message(row, rule, day, quality),
        "evidence": json.dumps(_evidence(row, rule, flows), sort_keys=True),
    }


def _message(row: dict[str, Any], rule: Rule, day: dt.date, quality: str) -> str:
    verb = "received" if rule.field == "bytes_in" else "was sent"
    average = row["per_source_avg_bytes"]
    times = f", {row['bytes'] / average:,.1f} times its own average of {human(average)}" if average else ""
    text = f"{row['client']} {verb} {human(row['bytes'])} from email servers on {day}{times}."
    if quality != "verified":
        text += f" The day's data is {quality}."
    if not row["window_complete"]:
        text += f" Only {row['window_days_present']} of {row['window_days']} past days were there to compare with."
    return text


def human(size: float) -> str:
    """Bytes in decimal units, three digits."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(size) < 1000:
            return f"{size:,.0f} {unit}" if unit == "B" else f"{size:,.3g} {unit}"
        size /= 1000
    return f"{size:,.4g} TB"


def _evidence(row: dict[str, Any], rule: Rule, flows: pl.LazyFrame) -> dict[str, Any]:
    k = float(rule.threshold)
    picked = measured(flows, rule.measure).filter(pl.col(rule.subject) == row["client"])
    server, port = ("dest_ip", "dest_port") if rule.subject == "src_ip" else ("src_ip", "src_port")
    servers = (
        picked.group_by(ip=server)
        .agg(bytes=pl.col(rule.field).sum(), flows=pl.len())
        .sort(["bytes", "ip"], descending=[True, False])
        .head(_TOP)
        .collect()
    )
    top = (
        picked.sort([rule.field, "source_file", "source_line"], descending=[True, False, False], nulls_last=True)
        .head(_TOP)
        .select(
            "flow_uid",
            pl.col("start_time").dt.to_string("iso:strict").alias("start"),
            pl.col(server).alias("server"),
            pl.col(port).alias("port"),
            pl.col(rule.field).alias("bytes"),
            "source_file",
            "source_line",
        )
        .collect()
    )
    return {
        "n": row["n"],
        "window_days": row["window_days"],
        "window_days_present": row["window_days_present"],
        "fleet": {
            "n": row["fleet_n"],
            "avg": row["avg_bytes"],
            "stdev": row["stdev_bytes"],
            "threshold": row["avg_bytes"] + k * row["stdev_bytes"],
        },
        "client": {
            "n": row["n_past_values"],
            "avg": row["per_source_avg_bytes"],
            "stdev": row["per_source_stdev_bytes"],
            "threshold": row["per_source_avg_bytes"] + k * row["per_source_stdev_bytes"],
        },
        "top_servers": servers.to_dicts(),
        "top_flows": top.to_dicts(),
        "runbook": list(rule.runbook),
    }


def seed_table(alerts: pl.DataFrame, rule: Rule, timezone: str) -> pl.DataFrame:
    """Exactly the seed's columns in its order (R13): volume descending, then client; _time with the zone's offset."""
    field = rule.field
    names = [rule.subject, "_time", field, f"avg_{field}", f"per_source_avg_{field}", _SERVER, _CLIENT]
    found = alerts.filter(pl.col("rule_id") == rule.id).sort(
        [pl.col("day"), pl.col(field), pl.col(rule.subject)], descending=[False, True, False]
    )
    times = [
        t.astimezone(day_start(d, timezone).tzinfo).isoformat() for t, d in found.select("_time", "day").iter_rows()
    ]
    return found.with_columns(pl.Series("_time", times, dtype=pl.String)).select(names)

"""From scores to alerts: the seed's own columns, a stable id, the evidence, and one sentence an analyst understands.

Which clients alert was decided by the method; nothing is judged again here. Other export formats than the seed's table
do not belong here.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from pipeline.daily import known_sum, measured
from pipeline.days import day_start
from pipeline.detections.model import Rule
from pipeline.methods.seed import NULL_CLIENT
from pipeline.schemas import ALERTS
from pipeline.storage import digest

STAGE_VERSION = 2
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
    start = day_start(day, timezone).astimezone(dt.UTC)
    rows = []
    for rule in rules:
        hits = scores.filter((pl.col("rule_id") == rule.id) & (pl.col("state") == "alert"))
        traffic = _Traffic.of(flows, rule, hits["client"])
        rows += [_alert(row, rule, traffic, start, quality) for row in hits.iter_rows(named=True)]
    return ALERTS.conform(pl.DataFrame(rows, schema=ALERTS.schema))


@dataclass(frozen=True)
class _Traffic:
    """The largest servers and flows of each alerting client, read in one pass for all of them."""

    servers: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    flows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    @classmethod
    def of(cls, flows: pl.LazyFrame, rule: Rule, clients: pl.Series) -> _Traffic:
        """The traffic behind a rule's alerts."""
        if clients.is_empty():
            return cls()
        client = pl.col(rule.subject)
        if rule.null_client == "literal":
            client = client.fill_null(NULL_CLIENT)
        server, port = ("dest_ip", "dest_port") if rule.subject == "src_ip" else ("src_ip", "src_port")
        picked = (
            measured(flows, rule.measure)
            .filter(client.is_in(clients.implode()))
            .select(
                client.alias("client"),
                "flow_uid",
                pl.col("start_time").dt.to_string("iso:strict").alias("start"),
                pl.col(server).alias("server"),
                pl.col(port).alias("port"),
                pl.col(rule.field).alias("bytes"),
                "source",
                "source_file",
                "source_line",
            )
            .collect(engine="streaming")
        )
        servers = picked.group_by("client", ip="server").agg(bytes=known_sum("bytes"), flows=pl.len())
        return cls(_largest(servers, "ip"), _largest(picked, "source", "source_file", "source_line"))


def _largest(rows: pl.DataFrame, *order: str) -> dict[str, list[dict[str, Any]]]:
    """The largest few rows of each client."""
    keys = ["bytes", *order]
    ordered = rows.sort(keys, descending=[True, *[False] * len(order)], nulls_last=True)
    found: dict[str, list[dict[str, Any]]] = {}
    for row in ordered.group_by("client", maintain_order=True).head(_TOP).iter_rows(named=True):
        found.setdefault(row.pop("client"), []).append(row)
    return found


def _alert(row: dict[str, Any], rule: Rule, traffic: _Traffic, start: dt.datetime, quality: str) -> dict[str, Any]:
    name = rule.field
    blank: dict[str, Any] = dict.fromkeys(ALERTS.schema.names())
    return blank | {
        "alert_id": alert_id(rule.id, row["day"], row["client"]),
        "rule_id": rule.id,
        "rule_title": rule.title,
        "day": row["day"],
        "_time": start,
        "client": row["client"],
        rule.subject: row["client"],
        name: row["bytes"],
        f"avg_{name}": row["avg_bytes"],
        f"per_source_avg_{name}": row["per_source_avg_bytes"],
        _SERVER: row[_SERVER],
        _CLIENT: row[_CLIENT],
        "techniques": list(rule.attack),
        "quality": quality,
        "window_complete": row["window_complete"],
        "message": _message(row, rule, quality),
        "evidence": json.dumps(_evidence(row, rule, traffic), sort_keys=True),
    }


def _message(row: dict[str, Any], rule: Rule, quality: str) -> str:
    verb = "received" if rule.field == "bytes_in" else "was sent"
    average = row["per_source_avg_bytes"]
    times = f", {row['bytes'] / average:,.1f} times its own average of {human(average)}" if average else ""
    text = f"{row['client']} {verb} {human(row['bytes'])} from email servers on {row['day']}{times}."
    if quality != "verified":
        text += f" The day's data is {quality}."
    if not row["window_complete"]:
        text += f" Only {row['window_days_present']} of {row['window_days']} past days were there to compare with."
    return text


def human(size: float) -> str:
    """Bytes in decimal units, three digits."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(size) < 999.5:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB" if abs(size) < 999.5 else f"{size:,.0f} TB"


def _evidence(row: dict[str, Any], rule: Rule, traffic: _Traffic) -> dict[str, Any]:
    k = float(rule.threshold)
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
        "top_servers": traffic.servers.get(row["client"], []),
        "top_flows": traffic.flows.get(row["client"], []),
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

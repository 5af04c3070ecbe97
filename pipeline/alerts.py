"""From scores to alerts: the seed's own columns, a stable id, the evidence, and one sentence an analyst understands.

Which clients alert was decided by the method; nothing is judged again here. Other export formats than the seed's table
do not belong here.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from pipeline.acceptance import admission
from pipeline.daily import flow_bytes, known_sum, measured
from pipeline.days import day_start
from pipeline.detections.model import Measure, Rule
from pipeline.exact import INT64_MAX
from pipeline.methods.seed import NULL_CLIENT
from pipeline.schemas import ALERTS
from pipeline.storage import digest

STAGE_VERSION = 7
_SERVER = "num_standard_deviations_away_from_server_average"
_CLIENT = "num_standard_deviations_away_from_client_average"
_TOP = 5
_COUNTED = {"flows": "flows", "peers": "other ends", "ports": "ports"}


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
        traffic = Traffic.of(flows, rule, {c: c for c in hits["client"]})
        rows += [_alert(row, rule, traffic, start, quality) for row in hits.iter_rows(named=True)]
    return ALERTS.conform(pl.DataFrame(rows, schema=ALERTS.schema))


@dataclass(frozen=True)
class Traffic:
    """The largest servers and flows of each alerting client, read in one pass for all of them."""

    servers: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    flows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    @classmethod
    def of(cls, flows: pl.LazyFrame, rule: Rule, holders: Mapping[str, str]) -> Traffic:
        """The traffic behind a rule's alerts; holders tells whose an alerting client's address is."""
        if not holders:
            return cls()
        addresses, whose = pl.Series(holders.keys()), pl.col("client").replace_strict(holders, return_dtype=pl.String)
        parts = [_behind(flows, m, addresses, literal=rule.null_client == "literal") for m in rule.measures]
        picked = pl.concat(parts).collect(engine="streaming").with_columns(whose)
        servers = picked.group_by("client", ip="server").agg(bytes=known_sum("bytes"), flows=pl.len())
        by = "bytes" if rule.in_bytes else "flows"
        return cls(_largest(servers, by, "ip"), _largest(picked, "bytes", "source", "source_file", "source_line"))


def _behind(flows: pl.LazyFrame, measure: Measure, clients: pl.Series, *, literal: bool) -> pl.LazyFrame:
    """The flows of one series that belong to the clients."""
    client = pl.col(measure.subject).fill_null(NULL_CLIENT) if literal else pl.col(measure.subject)
    server = measure.peer
    port = server.replace("ip", "port")
    return (
        measured(flows, measure)
        .filter(client.is_in(clients.implode()))
        .select(
            client.alias("client"),
            pl.col(measure.subject).alias("address"),
            pl.lit("client" if measure.subject == "src_ip" else "server").alias("initiator"),
            "flow_uid",
            pl.col("start_time").dt.to_string("iso:strict").alias("start"),
            pl.col(server).alias("server"),
            pl.col(port).alias("port"),
            flow_bytes(measure).clip(upper_bound=INT64_MAX).cast(pl.Int64).alias("bytes"),
            "source",
            "source_file",
            "source_line",
        )
    )


def _largest(rows: pl.DataFrame, by: str, *order: str) -> dict[str, list[dict[str, Any]]]:
    """The largest few rows of each client."""
    keys = [by, *order]
    ordered = rows.sort(keys, descending=[True, *[False] * len(order)], nulls_last=True)
    found: dict[str, list[dict[str, Any]]] = {}
    for row in ordered.group_by("client", maintain_order=True).head(_TOP).iter_rows(named=True):
        found.setdefault(row.pop("client"), []).append(row)
    return found


def _alert(row: dict[str, Any], rule: Rule, traffic: Traffic, start: dt.datetime, quality: str) -> dict[str, Any]:
    values = {rule.field: row["bytes"], f"avg_{rule.field}": row["avg_bytes"]}
    values |= {f"per_source_avg_{rule.field}": row["per_source_avg_bytes"]}
    shared = alert_of(rule, row["day"], row["client"], start, quality)
    return {**shared, **(values if rule.field in shared else {})} | {
        rule.subject: row["client"],
        _SERVER: row[_SERVER],
        _CLIENT: row[_CLIENT],
        "window_complete": row["window_complete"],
        "message": _message(row, rule, quality),
        "evidence": json.dumps(_evidence(row, rule, traffic), sort_keys=True),
    }


def alert_of(rule: Rule, day: dt.date, client: str, start: dt.datetime, quality: str) -> dict[str, Any]:
    """A row of ALERTS with what is the same under every method; the other columns are None.

    Args:
        rule: the rule that alerts.
        day: the day judged.
        client: who alerts.
        start: the day's first instant.
        quality: the day's.
    """
    blank: dict[str, Any] = dict.fromkeys(ALERTS.schema.names())
    return blank | {
        "alert_id": alert_id(rule.id, day, client),
        "rule_id": rule.id,
        "rule_title": rule.title,
        "day": day,
        "_time": start,
        "client": client,
        "techniques": list(rule.attack),
        "quality": quality,
    }


def _message(row: dict[str, Any], rule: Rule, quality: str) -> str:
    average = row["per_source_avg_bytes"]
    times = f", {row['bytes'] / average:,.1f} times its own average of {amount(average, rule.field)}" if average else ""
    text = f"{row['client']} {deed(rule, row['bytes'])} on {row['day']}{times}."
    text += admission(quality)
    if not row["window_complete"]:
        text += f" Only {row['window_days_present']} of {row['window_days']} past days were there to compare with."
    return text


def deed(rule: Rule, value: int) -> str:
    """What the client did: the series in words."""
    number, began = amount(value, rule.field), rule.subject == "src_ip"
    other = "other host"
    if (rule.category_side == "dest") == began:
        other = rule.category.replace("_", " ").replace("-", " ")
    others = _several(other)
    if rule.field == "peers":
        return f"had flows with 1 {other}" if value == 1 else f"had flows with {value:,} different {others}"
    if rule.field in ("flows", "ports"):
        return f"had {number} with {others}" if rule.field == "flows" else f"used {number} with {others}"
    if rule.field == "bytes":
        return f"exchanged {number} with {others}"
    if (rule.field == "bytes_out") == began:
        return f"sent {number} to {others}"
    return f"{'received' if began else 'was sent'} {number} from {others}"


def _several(noun: str) -> str:
    """The plural of a category's words; what ends in s is taken for one."""
    if noun.endswith("y") and not noun.endswith(("ay", "ey", "oy", "uy")):
        return noun[:-1] + "ies"
    return noun if noun.endswith("s") else noun + ("es" if noun.endswith(("x", "ch", "sh")) else "s")


def amount(value: float, field: str) -> str:
    """A value with its unit: bytes, or a count of flows, other ends or ports."""
    if field.startswith("bytes"):
        return human(value)
    number = f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"
    noun = _COUNTED.get(field, field)
    return f"{number} {noun[:-1] if value == 1 and field in _COUNTED else noun}"


def human(size: float) -> str:
    """Bytes in decimal units, three digits."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(size) < 999.5:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB" if abs(size) < 999.5 else f"{size:,.0f} TB"


def _evidence(row: dict[str, Any], rule: Rule, traffic: Traffic) -> dict[str, Any]:
    fleet = row["fleet_n"], row["avg_bytes"], row["stdev_bytes"]
    own = row["n_past_values"], row["per_source_avg_bytes"], row["per_source_stdev_bytes"]
    return {
        **_beyond_seed(row, rule),
        "n": row["n"],
        "window_days": row["window_days"],
        "window_days_present": row["window_days_present"],
        "fleet": _compared(*fleet, float(rule.fleet_threshold)),
        "client": _compared(*own, float(rule.own_threshold)),
        "top_servers": traffic.servers.get(row["client"], []),
        "top_flows": traffic.flows.get(row["client"], []),
        "runbook": list(rule.runbook),
    }


def _compared(n: int, average: float | None, deviation: float | None, k: float) -> dict[str, Any]:
    """One reference; a rule that does not ask for it may alert where it is unknown."""
    known = average is not None and deviation is not None
    threshold = average + k * deviation if average is not None and deviation is not None and known else None
    return {"n": n, "avg": average, "stdev": deviation, "threshold": threshold}


def _beyond_seed(row: dict[str, Any], rule: Rule) -> dict[str, Any]:
    """What the seed has no word for: other settings of the rule, and a value that has no column of its own."""
    settings = {"settings": rule.beyond_seed} if rule.beyond_seed else {}
    return settings if rule.field in ALERTS.schema else settings | {"value": row["bytes"], "field": rule.field}


def evidence_of(text: str | None) -> dict[str, Any]:
    """The evidence of a stored alert, whatever wrote it: empty where it is no JSON object."""
    try:
        found = json.loads(text or "{}", parse_constant=lambda _: None)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def with_values(alerts: pl.DataFrame) -> pl.DataFrame:
    """Alerts with their value, the averages to compare it with, and its field, whatever is counted.

    Adds `value` (Int64), `avg_value`, `per_source_avg_value` (Float64) and `field`; bytes have columns of their own,
    other values stand in the evidence.
    """
    told = pl.col("evidence").str
    found = {
        "value": (told.json_path_match("$.value").cast(pl.Int64, strict=False), ""),
        "avg_value": (told.json_path_match("$.fleet.avg").cast(pl.Float64, strict=False), "avg_"),
        "per_source_avg_value": (
            told.json_path_match("$.client.avg").cast(pl.Float64, strict=False),
            "per_source_avg_",
        ),
    }
    counted = told.json_path_match("$.field")
    columns = {
        name: pl.when(counted.is_null()).then(pl.coalesce(f"{prefix}bytes_in", f"{prefix}bytes_out")).otherwise(value)
        for name, (value, prefix) in found.items()
    }
    return alerts.with_columns(**columns, field=counted.fill_null("bytes"))


def seed_table(alerts: pl.DataFrame, rule: Rule, timezone: str) -> pl.DataFrame:
    """Exactly the seed's columns in its order (R13): volume descending, then client; _time with the zone's offset.

    A rule of another field has its own name in place of bytes_in.
    """
    field = rule.field
    names = [rule.subject, "_time", field, f"avg_{field}", f"per_source_avg_{field}", _SERVER, _CLIENT]
    mine = alerts.filter(pl.col("rule_id") == rule.id)
    if field not in ALERTS.schema:
        values = {field: "value", f"avg_{field}": "avg_value", f"per_source_avg_{field}": "per_source_avg_value"}
        mine = with_values(mine).with_columns(**{name: pl.col(of) for name, of in values.items()})
    found = mine.sort([pl.col("day"), pl.col(field), pl.col(rule.subject)], descending=[False, True, False])
    return found.with_columns(zoned_times(found, timezone)).select(names)


def zoned_times(alerts: pl.DataFrame, timezone: str) -> pl.Series:
    """The column _time as ISO text with the zone's offset."""
    rows = alerts.select("_time", "day").iter_rows()
    times = [t.astimezone(day_start(d, timezone).tzinfo).isoformat() for t, d in rows]
    return pl.Series("_time", times, dtype=pl.String)

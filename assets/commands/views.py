"""How days, alerts and files look on the command line. Reading and judging them belongs to the pipeline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from assets.reporting import screen
from pipeline.alerts import amount, human, with_values
from pipeline.detections.model import Rule
from pipeline.insight.identify import Identified
from pipeline.sources.named import ONCE, doubtful, meaning
from pipeline.stored.status import DayStatus

TABLES = ("flows", "daily_traffic", "traffic_baseline", "anomaly_scores", "alerts")


def show_days(days: Sequence[DayStatus]) -> None:
    """One line a day: state, quality, rows of each table, reasons."""
    rows = []
    for day in days:
        counts = [f"{day.tables[t].rows:,}" if t in day.tables else "-" for t in TABLES]
        rows.append([day.day, day.state, day.quality if day.tables else "-", *counts, "; ".join(day.reasons)])
    screen.table(["day", "state", "quality", *TABLES, "why"], rows, right=TABLES)


def show_alerts(alerts: pl.DataFrame, doubtful: int = 0, *, rules: Iterable[Rule]) -> None:
    """One line an alert, the largest volume of a day first; doubtful days are those whose silence means nothing.

    Severities are told where one is an alert's own: low are those that a known event explains.
    """
    if alerts.is_empty():
        have = "has" if doubtful == 1 else "have"
        but = f" But {doubtful:,} of the days {have} no verdict, or one that rests on doubtful data."
        screen.say(f"No alert.{but if doubtful else ''}")
        return
    ordered = with_values(alerts).with_columns(severity=pl.col("evidence").str.json_path_match("$.severity"))
    by = ["day", "value", "client", "rule_id", "alert_id"]
    ordered = ordered.sort(by, descending=[c == "value" for c in by], nulls_last=True)
    of_rules = {rule.id: rule.severity for rule in rules} if ordered["severity"].count() else None
    value = "bytes" if (ordered["field"] == "bytes").all() else "value"
    columns = ["day", "client", value, "usually", "sd from fleet", "sd from own", "quality"]
    columns += ["rule", "alert"] if of_rules is None else ["severity", "rule", "alert"]
    rows = [_alert_cells(row, of_rules) for row in ordered.iter_rows(named=True)]
    screen.table(columns, rows, right=columns[2:6])


def _alert_cells(row: Mapping[str, Any], of_rules: Mapping[str, str] | None) -> list[object]:
    """One alert; its severity, or that of its rule, stands among the cells where those of rules are given."""
    usual = row["per_source_avg_value"]
    away = [row[f"num_standard_deviations_away_from_{w}_average"] for w in ("server", "client")]
    severity = [] if of_rules is None else [row["severity"] or of_rules.get(row["rule_id"], "-")]
    return [
        row["day"],
        row["client"],
        "-" if row["value"] is None else amount(row["value"], row["field"]),
        "-" if usual is None else amount(usual, row["field"]),
        *("-" if a is None else f"{a:,.2f}" for a in away),
        row["quality"],
        *severity,
        row["rule_id"],
        row["alert_id"],
    ]


_LAYERS = {
    None: "no bytes",
    "ip": "IP bytes",
    "payload": "payload bytes",
    "l2": "bytes of frames",
    "unknown": "bytes as the log counts",
}


def _untimed(number: int) -> str:
    return f" ({number:,} untimed: {meaning('untimed')}; a site's days set them aside)" if number else ""


def show_file(found: Identified) -> None:
    """A block of lines about one file."""
    facts = found.as_dict()
    screen.say(found.file)
    if found.error:
        screen.say(f"  error       {found.error}")
        return
    spans = f"{facts['first']} .. {facts['last']}" if facts["first"] else "-"
    lines = {
        "format": facts["encoding"] or "no data",
        "lines": f"{facts['lines']:,} = {facts['flows']:,} flows + {facts['comments']:,} comments + "
        f"{facts['ignored']:,} ignored + {sum(facts['rejected'].values()):,} rejected",
        "bytes in": f"{facts['bytes_in']:,}",
        "bytes out": f"{facts['bytes_out']:,} ({_LAYERS[facts['bytes_layer']]})",
        "flow starts": spans + _untimed(facts["untimed"]),
    }
    for name, text in lines.items():
        screen.say(f"  {name:<11} {text}")
    for told in [f"{n:,} {reason}: {meaning(reason)}" for reason, n in facts["rejected"].items()] or ["none"]:
        screen.say(f"  {'rejected':<11} {told}")
    for server in facts["servers"]:
        screen.say(f"  {'mail server':<11} {server['ip']} port {server['port']}: {human(server['bytes_in'])}")
    if found.direction is not None:
        screen.say(f"  {'direction':<11} {found.direction.verdict}: {found.direction.message}")
    if facts["ignored"] and not facts["flows"] and not facts["warnings"]:
        screen.say(f"  {'no flows':<11} no record is one: is it another log of the product, such as its alerts?")
    for kind, n in ({k: facts[k] for k in ONCE if facts[k]} | facts["warnings"]).items():
        label = "warning" if doubtful({kind: n}) else "records"
        screen.say(f"  {label:<11} {n:,} {kind}: {meaning(kind)}")
    if found.suggestion:
        screen.say("  for nilometer.yaml, to be checked:")
        for line in found.suggestion.splitlines():
            screen.say(f"    {line}")

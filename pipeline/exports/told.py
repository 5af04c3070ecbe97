"""Stored alerts as the exports tell them: with their evidence unfolded, their severity, and the bounds of their day.

Rows may be of another version or damaged: whatever they lack, each is told. What a format calls its fields is decided
in the format.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from pipeline.alerts import evidence_of
from pipeline.days import day_bounds_utc
from pipeline.detections.model import Rule

SEVERITIES = ("low", "medium", "high", "critical")
Told = dict[str, Any]


def told_rows(alerts: pl.DataFrame, timezone: str, rules: Mapping[str, Rule]) -> Iterator[Told]:
    """The rows in their order; `evidence` is an object whose lists of flows and servers hold objects alone."""
    for row in alerts.iter_rows(named=True):
        evidence, rule = evidence_of(row["evidence"]), rules.get(row["rule_id"])
        lists = {name: objects(evidence, name) for name in ("top_flows", "top_servers") if name in evidence}
        start, end = day_bounds_utc(row["day"], timezone)
        told = {"evidence": evidence | lists, "severity": _severity(evidence, rule)}
        yield row | told | {"techniques": row["techniques"] or [], "start": start, "end": end}


def severities(alerts: pl.DataFrame, rules: Mapping[str, Rule]) -> list[str]:
    """Those of the rows, in their order: the alert's own, else its rule's."""
    rows = alerts.select("rule_id", "evidence").iter_rows()
    return [_severity(evidence_of(evidence), rules.get(rule_id)) for rule_id, evidence in rows]


def _severity(evidence: Told, rule: Rule | None) -> str:
    severity = evidence.get("severity")
    return severity if severity in SEVERITIES else rule.severity if rule else "medium"


def objects(evidence: Told, name: str) -> list[Told]:
    """A list of the evidence, of objects alone."""
    found = evidence.get(name)
    return [e for e in found if isinstance(e, dict)] if isinstance(found, list) else []

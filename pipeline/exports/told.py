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
        severity = evidence.get("severity")
        if severity not in SEVERITIES:
            severity = rule.severity if rule else "medium"
        told = {"evidence": evidence | lists, "severity": severity, "techniques": row["techniques"] or []}
        yield row | told | {"start": start, "end": end}


def objects(evidence: Told, name: str) -> list[Told]:
    """A list of the evidence, of objects alone."""
    found = evidence.get(name)
    return [e for e in found if isinstance(e, dict)] if isinstance(found, list) else []

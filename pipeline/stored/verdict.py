"""What an alert says, in the few numbers by which two verdicts on the same client and day are compared.

They are read from stored alerts of any method. Keeping them belongs to `pipeline.stored.verdicts`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from pipeline.alerts import evidence_of, with_values
from pipeline.schemas import QUALITIES

_SEVERITIES = ("low", "medium", "high", "critical")
_GATES = {"fleet": ("fleet",), "group": ("fleet",), "own": ("client",)}
"""Reference of a rule -> its gates, as evidence names them; any other has both."""


@dataclass(frozen=True)
class Verdict:
    """One published alert."""

    rule_id: str
    client: str
    message: str
    value: int | None
    """The day's volume or count."""
    field: str
    usual: float | None
    """The client's own average."""
    margin: float | None
    """How many times the value's distance from the average exceeds the one that would just alert, at the nearer gate;
    of method surge how many times rarer than the limit. None: without bound, as the past never varied."""
    severity: str | None
    """Of method surge."""
    risk: float | None
    """Of method surge."""
    quality: str
    window_complete: bool

    @property
    def strength(self) -> tuple[float, ...]:
        """What decides which of two verdicts is the stronger: severity, margin, then the trust in the data, volume."""
        return (
            _SEVERITIES.index(self.severity) if self.severity in _SEVERITIES else -1,
            self.risk or 0.0,
            math.inf if self.margin is None else self.margin,
            -QUALITIES.index(self.quality) if self.quality in QUALITIES else -len(QUALITIES),
            self.window_complete,
            self.value or 0,
            -(self.usual or 0.0),
        )


def verdicts_in(alerts: pl.DataFrame) -> dict[str, Verdict]:
    """The verdicts of a frame of ALERTS, by alert id."""
    return {r["alert_id"]: _verdict(r, evidence_of(r["evidence"])) for r in with_values(alerts).iter_rows(named=True)}


def _verdict(row: Mapping[str, Any], evidence: Mapping[str, Any]) -> Verdict:
    return Verdict(
        rule_id=row["rule_id"],
        client=row["client"],
        message=row["message"],
        value=row["value"],
        field=row["field"],
        usual=row["per_source_avg_value"],
        margin=_finite(_rarity(evidence) if "channels" in evidence else _distance(row["value"], evidence)),
        severity=evidence.get("severity"),
        risk=evidence.get("risk"),
        quality=row["quality"],
        window_complete=row["window_complete"],
    )


def _distance(value: int | None, evidence: Mapping[str, Any]) -> float:
    """(value - average) : (threshold - average), at the nearer of the gates that the rule has."""
    found = [math.inf]
    for name in _GATES.get(evidence.get("settings", {}).get("reference"), ("fleet", "client")):
        gate = evidence.get(name, {})
        average, threshold = gate.get("avg"), gate.get("threshold")
        if value is not None and average is not None and threshold is not None and threshold != average:
            found.append((value - average) / (threshold - average))
    return min(found)


def _rarity(evidence: Mapping[str, Any]) -> float:
    """Limit : rate, of the channel where it is largest."""
    rates = [(c["limit"], c["rate"]) for c in evidence["channels"]]
    return max((limit / rate if rate else math.inf for limit, rate in rates), default=math.inf)


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None

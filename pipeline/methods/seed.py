"""The seed detection, exactly: fleet and own gate, all strict, for every client of the day.

Today is inside the fleet's statistics and outside the client's own, as in the original search; that it masks itself is
part of it. Better methods are other modules. R-numbers are the rules of the seed's specification (docs/detection.md).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

import polars as pl

from pipeline import exact
from pipeline.detections.model import Rule
from pipeline.schemas import ANOMALY_SCORES

NULL_CLIENT = "null"
STAGE_VERSION = 1


@dataclass(frozen=True)
class Sums:
    """Exact power sums of known values, and the number of rows they came from."""

    rows: int = 0
    n: int = 0
    total: int = 0
    squares: int = 0

    def plus(self, other: Sums) -> Sums:
        """Both together."""
        return Sums(self.rows + other.rows, self.n + other.n, self.total + other.total, self.squares + other.squares)

    def deviation(self, zero_for_one: bool) -> float | None:
        """Sample standard deviation; of one value 0 or unknown (R8)."""
        return 0.0 if self.n == 1 and zero_for_one else exact.stdev(self.n, self.total, self.squares)


def score(today: pl.DataFrame, baseline: pl.DataFrame, rule: Rule, day: dt.date) -> pl.DataFrame:
    """Rows of ANOMALY_SCORES: one a client of the day.

    Args:
        today: DAILY_TRAFFIC rows of the day.
        baseline: TRAFFIC_BASELINE rows of the day.
        rule: the rule.
        day: the day judged.
    """
    now = today.filter(pl.col("measure") == rule.measure.id)
    past = baseline.filter((pl.col("measure") == rule.measure.id) & (pl.col("lookback_days") == rule.lookback_days))
    if rule.null_client == "drop":
        now = now.filter(pl.col("client").is_not_null())
    if now.is_empty() or past.is_empty():
        return ANOMALY_SCORES.empty()
    fleet = _fleet(now, past, rule)
    own = {r["client"]: _sums(r) for r in past.filter(pl.col("scope") == "client").iter_rows(named=True)}
    window = past.select("window_days", "window_days_present", "window_complete").row(0, named=True)
    judge = _Judge(rule, fleet)
    rows = [
        {
            "day": day,
            "rule_id": rule.id,
            "measure": rule.measure.id,
            **window,
            **judge.judge(client, value, own.get(client, Sums())),
        }
        for client, value in now.select("client", "bytes").iter_rows()
    ]
    types = {c: t for c, t in ANOMALY_SCORES.schema.items()}
    return ANOMALY_SCORES.conform(pl.DataFrame(rows, schema_overrides=types, infer_schema_length=None))


def _sums(row: dict[str, Any]) -> Sums:
    return Sums(row["n_past_rows"], row["n_past_values"], int(row["sum_bytes"]), int(row["sum_squares"]))


def _fleet(now: pl.DataFrame, past: pl.DataFrame, rule: Rule) -> Sums:
    """R7: all known values of the window, today's included."""
    fleet = _sums(past.filter(pl.col("scope") == "fleet").row(0, named=True))
    if rule.null_client == "literal":
        for row in past.filter((pl.col("scope") == "client") & pl.col("client").is_null()).iter_rows(named=True):
            fleet = fleet.plus(_sums(row))
    limbs = now.select(*exact.power_sums()).row(0)
    total, squares = exact.join_limbs(*limbs)
    return fleet.plus(Sums(now.height, now["bytes"].count(), total, squares))


class _Judge:
    """Judges the clients of one day against one fleet."""

    def __init__(self, rule: Rule, fleet: Sums) -> None:
        self._rule, self._fleet = rule, fleet
        self._zero = rule.stdev_of_one == "zero"
        self._mean = exact.mean(fleet.n, fleet.total)
        self._deviation = fleet.deviation(self._zero)
        self._gate = _float_gate(self._mean, self._deviation, rule)

    def judge(self, client: str | None, value: int | None, own: Sums) -> dict[str, Any]:
        """One client's row."""
        rule, n = self._rule, own.rows + 1
        mean, deviation = exact.mean(own.n, own.total), own.deviation(self._zero)
        gate_samples = n >= rule.minimum_data_samples
        gate_fleet = self._exceeds(value, self._fleet, self._gate)
        gate_client = self._exceeds(value, own, _float_gate(mean, deviation, rule))
        return {
            "client": NULL_CLIENT if client is None else client,
            "bytes": value,
            "n": n,
            "n_past_values": own.n,
            "fleet_n": self._fleet.n,
            "avg_bytes": self._mean,
            "stdev_bytes": self._deviation,
            "per_source_avg_bytes": mean,
            "per_source_stdev_bytes": deviation,
            "num_standard_deviations_away_from_server_average": _distance(value, self._mean, self._deviation),
            "num_standard_deviations_away_from_client_average": _distance(value, mean, deviation),
            "gate_samples": gate_samples,
            "gate_fleet": gate_fleet,
            "gate_client": gate_client,
            "state": self._state(gate_samples and bool(gate_fleet) and bool(gate_client), own.n, gate_samples),
        }

    def _exceeds(self, value: int | None, sums: Sums, gate: float | None) -> bool | None:
        """R10, strict: floats decide where they clearly can, exact integers near the gate."""
        if value is None or gate is None:
            return None
        if abs(value - gate) > 1e-9 * max(abs(gate), float(value), 1.0):
            return value > gate
        return exact.exceeds(
            value, sums.n, sums.total, sums.squares, self._rule.threshold, stdev_of_one_is_zero=self._zero
        )

    @staticmethod
    def _state(alert: bool, known: int, enough: bool) -> str:
        if alert:
            return "alert"
        if known == 0:
            return "no_history"
        return "normal" if enough else "learning"


def _float_gate(mean: float | None, deviation: float | None, rule: Rule) -> float | None:
    return None if mean is None or deviation is None else mean + float(rule.threshold) * deviation


def _distance(value: int | None, mean: float | None, deviation: float | None) -> float | None:
    """R11, R12: null when the deviation is 0 or unknown."""
    if value is None or mean is None or not deviation:
        return None
    return exact.round_half_up(abs(value - mean) / deviation)

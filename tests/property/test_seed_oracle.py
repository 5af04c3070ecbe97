"""The pipeline against the naive reading of the seed detection, on generated windows and on generated flows."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from fractions import Fraction

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.alerts import build_alerts, seed_table
from pipeline.daily import build_daily
from pipeline.days import day_bounds_utc, day_of
from pipeline.schemas import FLOWS
from tests.examples import examples
from tests.oracle import seed as oracle
from tests.property.seed_cases import RULES, TWIN, Case, cases, daily_frame, flow_frame, run_pipeline

PROFILE = settings(suppress_health_check=list(HealthCheck))
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Africa/Cairo", "Asia/Kathmandu")
CLOCK_CHANGES = (
    dt.date(2018, 11, 4),  # Sao Paulo: the day begins at 01:00. New York: 25 hours.
    dt.date(2018, 2, 17),  # Sao Paulo: 25 hours, the last one twice.
    dt.date(2026, 3, 29),  # Berlin: 23 hours.
    dt.date(2026, 10, 25),  # Berlin: 25 hours.
    dt.date(2026, 3, 8),  # New York: 23 hours.
    dt.date(2026, 4, 24),  # Cairo: the day begins at 01:00.
    dt.date(2026, 6, 15),  # None.
)
SERVER_Z = "num_standard_deviations_away_from_server_average"
CLIENT_Z = "num_standard_deviations_away_from_client_average"


def same_float(found: float | None, expected: float | None) -> bool:
    return found == expected if found is None or expected is None else found == pytest.approx(expected, rel=1e-12)


def same_distance(found: float | None, z_squared: Fraction | None) -> bool:
    """Equal to the exactly rounded distance; beside a tie one hundredth apart is the float's right."""
    if found is None or z_squared is None:
        return found is None and z_squared is None
    expected = oracle.rounded_distance(z_squared)
    if same_float(found, expected):
        return True
    return oracle.distance_to_tie(z_squared) < 1e-12 and abs(found - (expected or 0.0)) < 0.010001


def assert_same_verdict(row: dict[str, object], verdict: oracle.Verdict) -> None:
    exact = ("client", "value", "n", "gate_samples", "gate_fleet", "gate_client", "state")
    assert [row["bytes" if c == "value" else c] for c in exact] == [getattr(verdict, c) for c in exact]
    assert (row["fleet_n"], row["n_past_values"]) == (verdict.fleet.n, verdict.own.n)
    for prefix, side in (("", verdict.fleet), ("per_source_", verdict.own)):
        mean = None if side.mean is None else float(side.mean)
        assert same_float(row[f"{prefix}avg_bytes"], mean)  # type: ignore[arg-type]
        assert same_float(row[f"{prefix}stdev_bytes"], side.deviation)  # type: ignore[arg-type]
    assert same_distance(row[SERVER_Z], verdict.server_z_squared)  # type: ignore[arg-type]
    assert same_distance(row[CLIENT_Z], verdict.client_z_squared)  # type: ignore[arg-type]


def assert_same_alerts(case: Case, scores: pl.DataFrame, verdicts: list[oracle.Verdict], zone: str) -> None:
    alerts = build_alerts(scores, [case.rule], FLOWS.empty().lazy(), case.day, zone, "verified")
    table = seed_table(alerts, case.rule, zone)
    expected = oracle.alert_rows(verdicts, case.day, zone=zone, twin=case.twin)
    assert table.height == len(expected)
    for found, row in zip(table.iter_rows(named=True), expected, strict=True):
        assert list(found) == list(row)
        assert list(found.values())[:3] == list(row.values())[:3]
        assert all(same_float(a, b) for a, b in zip(list(found.values())[3:5], list(row.values())[3:5], strict=True))  # type: ignore[arg-type]


def test_every_verdict_equals_the_naive_reading() -> None:
    seen: Counter[str] = Counter()

    @settings(PROFILE, max_examples=examples(670))
    @given(cases(), st.sampled_from(ZONES))
    def check(case: Case, zone: str) -> None:
        verdicts = case.verdicts()
        scores = run_pipeline(daily_frame(case.rows, case.rule), case.rule, case.day, case.start)
        assert scores.height == len(verdicts)
        for row, verdict in zip(scores.iter_rows(named=True), verdicts, strict=True):
            assert_same_verdict(row, verdict)
        if any(v.state == "alert" for v in verdicts):
            assert_same_alerts(case, scores, verdicts, zone)
        seen.update(v.state for v in verdicts)
        seen.update(at_gate(v, case) for v in verdicts)

    check()
    assert min(seen[s] for s in ("alert", "normal", "learning", "no_history", "beside a gate")) >= 40, seen


def at_gate(verdict: oracle.Verdict, case: Case) -> str:
    x, k = verdict.value, case.numbers.threshold
    if x is None:
        return "unknown"
    turns = any(s.above(x + 1, k) is True and s.above(x - 1, k) is False for s in (verdict.own, verdict.fleet))
    return "beside a gate" if turns else "clear"


CATEGORIES = st.sampled_from([(), ("email_server",), ("web", "email_server"), ("web",)])
BYTES = st.one_of(st.none(), st.integers(0, 9), st.integers(0, 10**15))


@st.composite
def flows_near_midnight(draw: st.DrawFn) -> tuple[str, dt.date, list[oracle.Flow]]:
    """Flows within hours of the ends of a day, many of them on days when the zone's clocks change."""
    zone, day = draw(st.sampled_from(ZONES)), draw(st.sampled_from(CLOCK_CHANGES))
    flows = []
    for _ in range(draw(st.integers(0, 12))):
        midnight = oracle.start_of(day + dt.timedelta(days=draw(st.integers(0, 1))), zone).astimezone(dt.UTC)
        shift = draw(st.sampled_from([-7_200_000_000, -3_600_000_000, -1, 0, 1, 3_599_999_999, 3_600_000_000]))
        flows.append(
            oracle.Flow(
                midnight + dt.timedelta(microseconds=shift),
                draw(st.sampled_from(["10.0.0.1", "10.0.0.2", None])),
                draw(st.sampled_from(["192.0.2.10", "192.0.2.11"])),
                draw(BYTES),
                draw(BYTES),
                draw(CATEGORIES),
                draw(CATEGORIES),
            )
        )
    return zone, day, flows


@settings(PROFILE, max_examples=examples(130))
@given(flows_near_midnight())
def test_daily_rows_from_flows_equal_the_naive_sums(case: tuple[str, dt.date, list[oracle.Flow]]) -> None:
    zone, day, flows = case
    low, high = day_bounds_utc(day, zone)
    frame = flow_frame(flows)
    of_day = frame.filter(day_of("start_time", zone) == day)
    assert of_day.equals(frame.filter(pl.col("start_time").is_between(low, high, closed="left")))
    daily = build_daily(of_day, [r.measure for r in RULES], day)
    for rule in RULES:
        found = daily.filter(pl.col("measure") == rule.measure.id).select("day", "client", "bytes").rows()
        expected = oracle.daily_rows(flows, zone=zone, twin=rule.id == TWIN)
        assert found == [r for r in expected if r[0] == day]

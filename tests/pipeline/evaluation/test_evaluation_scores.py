"""The baselines' scores against naive implementations, one client-day at a time, and DuckDB."""

import math
import statistics
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.detections.budget import PER
from pipeline.evaluation.grid import CALIBRATION_DAYS, Grid, expected_alerts
from pipeline.evaluation.scores import METHODS, client_z, scores, seed
from tests.pipeline.evaluation.fleets import day, fleet, name

Naive = Callable[[list[float], float, list[float]], float]
"""(own past, today, all others of the window and today) -> score."""


def standard(past: list[float], today: float, least: float = 0.0) -> float:
    spread = max(statistics.stdev(past), least)
    away = today - statistics.fmean(past)
    return away / spread if spread else (0.0 if away == 0 else math.copysign(math.inf, away))


def naive_seed(past: list[float], today: float, fleet_rows: list[float]) -> float:
    return min(standard(past, today), (today - statistics.fmean(fleet_rows)) / statistics.stdev(fleet_rows))


def log(values: list[float]) -> list[float]:
    return [math.log(v + 1e5) for v in values]


def naive_log(past: list[float], today: float, fleet_rows: list[float]) -> float:
    return standard(log(past), math.log(today + 1e5), 0.1)


def naive_mad(past: list[float], today: float, fleet_rows: list[float]) -> float:
    logs = log(past)
    middle = statistics.median(logs)
    spread = 1.4826 * statistics.median([abs(v - middle) for v in logs])
    return (math.log(today + 1e5) - middle) / max(spread, 0.1)


def naive_ewma(past: list[float], today: float, fleet_rows: list[float]) -> float:
    first, *rest = log(past)
    mean, variance = first, 0.0
    for value in rest:
        away = value - mean
        mean, variance = mean + 0.2 * away, 0.8 * (variance + 0.2 * away**2)
    return (math.log(today + 1e5) - mean) / max(math.sqrt(variance), 0.1)


NAIVE: dict[str, Naive] = {
    "seed": naive_seed,
    "client_z": lambda past, today, _: standard(past, today),
    "client_log_z": naive_log,
    "client_mad": naive_mad,
    "client_ewma": naive_ewma,
}


def naive_scores(daily: pl.DataFrame, method: str, when: int) -> dict[str, float]:
    volumes = {(d, c): float(x) for d, c, x in daily.iter_rows()}
    window = [day(d) for d in range(max(when - 30, 0), when)]
    rows = [v for (d, _), v in volumes.items() if d in window or d == day(when)]
    found = {}
    for (d, client), today in volumes.items():
        past = [volumes[w, client] for w in window if (w, client) in volumes]
        if d == day(when) and len(past) >= 3:
            found[client] = NAIVE[method](past, today, rows)
    return found


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("when", [4, 17, 45])
def test_scores_equal_the_naive_ones(method: str, when: int) -> None:
    daily = fleet(12, 46, seed=when, present=0.6)
    grid = Grid.of(daily)
    found = grid.rows([day(when)], scores(grid.volume, method, [when]), "score")
    expected = naive_scores(daily, method, when)
    assert dict(found.select("src_ip", "score").iter_rows()) == pytest.approx(expected, rel=1e-9)
    assert len(expected) > 2


def test_client_z_equals_a_window_query_of_duckdb(tmp_path: Path) -> None:
    daily = fleet(30, 50, seed=3, present=0.7)
    grid = Grid.of(daily)
    days = range(20, 50)
    found = grid.rows([day(d) for d in days], scores(grid.volume, "client_z", days), "score")
    query = """
        SELECT day, src_ip, (bytes_in - avg(bytes_in) OVER w) / stddev_samp(bytes_in) OVER w AS score
        FROM read_parquet(?) WINDOW w AS (PARTITION BY src_ip ORDER BY day
            RANGE BETWEEN INTERVAL 30 DAYS PRECEDING AND INTERVAL 1 DAY PRECEDING)
        QUALIFY count(*) OVER w >= 3 AND day >= ?
    """
    daily.write_parquet(tmp_path / "daily.parquet")
    with duckdb.connect() as connection:
        rows = connection.execute(query, [str(tmp_path / "daily.parquet"), day(20)]).fetchall()
    expected = {(d, c): z for d, c, z in rows}
    assert {(d, c): z for d, c, z in found.iter_rows()} == pytest.approx(expected, rel=1e-9)


def test_the_seed_score_passes_three_exactly_when_the_rule_alerts() -> None:
    """Worked case E2 of the seed's specification: a alerts with 1000, 950, 500, 200, and not with 150, 130."""
    a, b = [100.0, 110.0, 90.0, 105.0, 95.0], [100.0, 100.0, 110.0, 90.0, 100.0, 100.0]
    for last, alert in ((1_000.0, True), (950.0, True), (500.0, True), (200.0, True), (150.0, False), (130.0, False)):
        rows = np.array([[*a, last], b]).T
        assert (seed(rows[:-1], rows[-1])[0] > 3) == alert, last


def test_a_flat_past_is_infinitely_far_below_and_too_few_days_give_no_score() -> None:
    past = np.array([[5.0, 5.0, np.nan], [5.0, 5.0, 1.0], [5.0, 5.0, 2.0]])
    found = client_z(past, np.array([6.0, 5.0, 9.0]))
    assert found[:2].tolist() == [math.inf, 0.0]
    assert math.isnan(found[2])


@given(st.floats(1.0, 1e15), st.integers(3, 30))
def test_a_flat_past_has_no_spread_whatever_its_volume(volume: float, n: int) -> None:
    past = np.full((n, 1), volume)
    assert client_z(past, np.array([volume]))[0] == 0
    assert client_z(past, np.array([volume * 2]))[0] == math.inf


def test_days_without_any_row_are_days_of_the_window() -> None:
    daily = fleet(3, 50).filter(~pl.col("day").is_between(day(10), day(40)))
    grid = Grid.of(daily)
    assert grid.volume.shape == (50, 3)
    assert grid.rows([day(41)], scores(grid.volume, "client_z", [41]), "score").is_empty()
    assert grid.rows([day(44)], scores(grid.volume, "client_z", [44]), "score").height == 3


def naive_expected(rows: dict[tuple[int, int], float], aside: set[tuple[int, int]], when: int) -> dict[int, float]:
    past = {k: v for k, v in rows.items() if when - CALIBRATION_DAYS <= k[0] < when}
    found = {}
    for (d, c), score in rows.items():
        if d == when:
            higher = sum(1 for k, v in past.items() if k not in aside and v >= score)
            found[c] = PER * higher / len(past)
    return found


def test_the_expectation_counts_past_scores_that_are_as_high() -> None:
    rng = np.random.default_rng(1)
    rows = {(d, c): float(rng.integers(0, 9)) for d in range(40) for c in range(6) if rng.random() < 0.8}
    aside = {k for k in rows if rng.random() < 0.1}
    values, hidden = np.full((40, 6), np.nan), np.zeros((40, 6), bool)
    for key, value in rows.items():
        values[key], hidden[key] = value, key in aside
    found = expected_alerts(values, ~np.isnan(values), hidden, [5, 39])
    for when in (5, 39):
        got = {c: found[when, c] for c in range(6) if not np.isnan(found[when, c])}
        assert got == pytest.approx(naive_expected(rows, aside, when))
    assert np.isnan(found[[0, 4, 6, 38]]).all()


def test_a_score_that_nobody_had_before_is_not_expected_and_infinite_ones_are_equals() -> None:
    values = np.array([[1.0, 2.0], [math.inf, 1.0], [math.inf, 3.0]])
    found = expected_alerts(values, np.ones((3, 2), bool), np.zeros((3, 2), bool), [1, 2])
    assert found[1].tolist() == [0.0, PER]
    assert found[2].tolist() == [PER / 4, PER / 4]


@pytest.mark.parametrize("method", ["client_z", "client_log_z", "client_ewma"])
def test_equal_days_of_machines_are_equally_rare_whatever_the_order_of_their_pasts(method: str) -> None:
    """A backup's weekly full copy: sums of equal pasts differ in their last digits, and by these a day seemed rare."""
    usual = np.random.default_rng(1).integers(10**6, 10**8, 60).astype(float)
    factor = 1.0 if method == "client_z" else usual[:, None]
    weekly = np.array([[8.0 if (d + c) % 7 == 0 else 1.0 for d in range(80)] for c in range(60)])
    volume = (usual[:, None] * weekly / factor * 10_000_019).T.round()
    found = expected_alerts(scores(volume, method, range(41, 80)), volume > 0, np.zeros(volume.shape, bool), [79])
    assert found[79][weekly[:, 79] == 8] == pytest.approx(PER / 7)


def test_rows_outside_the_grid_are_masked_away() -> None:
    grid = Grid.of(fleet(3, 5))
    rows = pl.DataFrame({"day": [day(2), day(9), day(2)], "src_ip": [name(1), name(1), "192.0.2.1"]})
    assert grid.mask(rows).sum() == 1

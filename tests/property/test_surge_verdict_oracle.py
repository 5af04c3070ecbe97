"""Surge's verdicts against a naive reading of docs/surge.md, on small fleets of many kinds."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict

import numpy as np
import polars as pl
import pytest

from pipeline.methods.surge import CHANNELS, Params, calibrated, raw_scores
from tests.oracle.surge_verdict import Row, Verdicts

FIRST = dt.date(2026, 1, 5)
DAYS = 75
NEAR = pytest.approx
KINDS = ("steady", "weekends", "comes_and_goes", "explained", "wave", "heavy")


def fleet(kind: str, seed: int) -> pl.DataFrame:
    """40 to 60 clients in groups and roles, some of whom are robbed; `kind` says what else befalls them."""
    rng = np.random.default_rng(seed)
    rows = []
    clients = 60 if kind == "weekends" else 40
    begins = rng.integers(0, DAYS, clients) if kind == "comes_and_goes" else np.zeros(clients)
    for client in range(clients):
        usual, spread = rng.normal(16, 1), abs(rng.normal(0.5, 0.2))
        for day in range(DAYS):
            when = FIRST + dt.timedelta(days=day)
            resting = kind == "weekends" and when.weekday() >= 5 and client % 5 > 1
            if day < begins[client] or resting or rng.random() < 0.05:
                continue
            volume = rng.pareto(1.1) * 1e6 if kind == "heavy" else np.exp(usual + spread * rng.standard_t(4))
            volume *= 30 if rng.random() < 0.015 else 1
            volume *= 4 if day > 60 and client == 7 else 1
            volume += 10**9 if kind == "wave" and day in {50, 51} and client % 2 else 0
            volume += 5 * 10**9 if day == DAYS - 1 and client % 4 == 1 and client < 25 else 0
            why = "ticket" if kind == "explained" and rng.random() < 0.06 else None
            role = ("nat" if client % 13 == 5 else "client") if client % 17 != 3 else None
            rows.append((when, f"c{client:02}", int(volume), f"g{client % 4}" if client % 19 else None, role, why))
    names = ("day", "client", "bytes", "group", "role", "explained_by")
    return pl.DataFrame(rows, schema=names, orient="row", schema_overrides={"explained_by": pl.String})


@pytest.mark.parametrize(("kind", "budget"), [*((kind, 1_500.0) for kind in KINDS), ("wave", 20.0)])
def test_verdicts_equal_a_naive_reading(kind: str, budget: float) -> None:
    params = Params(window=10, calibration=56 if kind == "weekends" else 28, budget=budget)
    days = [FIRST + dt.timedelta(days=d) for d in range(DAYS)]
    daily = fleet(kind, KINDS.index(kind))
    raw = raw_scores(daily, days, params)
    by_day: dict[dt.date, list[Row]] = defaultdict(list)
    for row in raw.iter_rows(named=True):
        by_day[row["day"]].append(row)
    naive = Verdicts(by_day, days[-1], budget, params.shares, params.calibration)
    found = {(r["client"], r["channel"]): r for r in calibrated(raw, days[-1:], params).iter_rows(named=True)}
    judged = [(r, c, told) for r in by_day[days[-1]] for c in CHANNELS if (told := naive.rated(r, c)) is not None]
    assert found.keys() == {(r["client"], c) for r, c, _ in judged}
    today = by_day[days[-1]]
    for row, channel, (score, rate) in judged:
        got = found[row["client"], channel]
        assert (got["score"], got["rate"]) == (NEAR(score, rel=1e-9, abs=1e-12), NEAR(rate, rel=1e-7))
        assert got["alert"] == naive.alerts(row, channel)
        if got["alert"]:
            assert got["severity"] == naive.severity(row, rate, naive.limit(channel))
            assert got["campaign"] == naive.campaign(row, channel)
            assert got["case_day"] == (naive.case_day(row) if channel == "slow" else days[-1])
            for less, alert in ((0, True), (1, False)):
                by_day[days[-1]] = changed(daily, row["client"], got["least_volume"] - less, params)
                mine = next(r for r in by_day[days[-1]] if r["client"] == row["client"])
                assert naive.alerts(mine, channel) is alert
            by_day[days[-1]] = today


def changed(daily: pl.DataFrame, client: str, volume: int, params: Params) -> list[Row]:
    """Raw scores of the last day, of all clients, had one received so much."""
    mine = (pl.col("day") == pl.col("day").max()) & (pl.col("client") == client)
    robbed = daily.with_columns(bytes=pl.when(mine).then(volume).otherwise("bytes"))
    return raw_scores(robbed, [daily["day"].max()], params).to_dicts()  # type: ignore[list-item]

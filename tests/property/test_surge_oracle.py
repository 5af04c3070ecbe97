"""The surge method against a naive reading of it, on generated fleets."""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.methods.surge import Params, raw_scores
from pipeline.methods.surge.rarity import Excesses
from pipeline.methods.surge.tail import fit_tail
from tests.examples import examples
from tests.oracle import surge as oracle

LAST = dt.date(2026, 6, 30)
WINDOW = 8
PARAMS = Params(window=WINDOW)
NAMES = ("192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5", "192.0.2.6", "192.0.2.7")
NEAR = pytest.approx


def frame(rows: list[oracle.Row]) -> pl.DataFrame:
    """The rows as a frame, in the order given."""
    names = ("day", "client", "bytes", "group", "role", "explained_by")
    types = (pl.Date, pl.String, pl.Int64, pl.String, pl.String, pl.String)
    return pl.DataFrame([[getattr(r, n) for r in rows] for n in names], schema=dict(zip(names, types, strict=True)))


def volumes() -> st.SearchStrategy[int]:
    """Bytes of a day: nothing, equal, usual, huge."""
    return st.one_of(st.just(0), st.just(10**7), st.integers(10**5, 10**8), st.integers(0, 2**50))


@st.composite
def fleets(draw: st.DrawFn) -> list[oracle.Row]:
    """A few clients with gaps in their days, roles and groups, some of their days explained; some move on a day."""
    rows = []
    for name in NAMES[: draw(st.integers(2, len(NAMES)))]:
        group, role = draw(st.sampled_from(["a", "a", "b", None])), draw(st.sampled_from(["client", "client", "nat"]))
        seen, moved = draw(st.sets(st.integers(0, WINDOW + 12), max_size=20)), draw(st.integers(0, 3 * WINDOW))
        for ago in sorted(seen):
            why = draw(st.sampled_from([None] * 9 + ["resync"]))
            at = (group, role) if ago < moved else ("z", "client")
            rows.append(oracle.Row(LAST - dt.timedelta(ago), name, draw(volumes()), *at, why))
    return draw(st.permutations(rows))


def judged(rows: list[oracle.Row]) -> bool:
    first = LAST - dt.timedelta(WINDOW)
    return any(r.day == LAST for r in rows) and any(first <= r.day < LAST and not r.explained_by for r in rows)


@settings(max_examples=examples(40), suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(fleets().filter(judged))
def test_raw_scores_equal_a_naive_reading(rows: list[oracle.Row]) -> None:
    found = raw_scores(frame(rows), [LAST], PARAMS)
    wanted = oracle.raw_scores(rows, LAST, WINDOW)
    assert found["client"].to_list() == [w.row.client for w in wanted]
    for got, want in zip(found.iter_rows(named=True), wanted, strict=True):
        assert got["n"] == want.n
        assert got["quiet"] == want.quiet
        assert (got["slow"] is None) == (want.slow is None)
        assert got["slow"] is None or got["slow"] == NEAR(want.slow, rel=1e-9, abs=1e-9)
        if math.isnan(want.t):
            assert got["t"] is got["surprise"] is got["excess"] is got["new"] is None
            continue
        assert got["t"] == NEAR(want.t, rel=1e-9, abs=1e-9)
        assert got["surprise"] == NEAR(want.surprise, rel=1e-9, abs=1e-9)
        assert got["excess"] == NEAR(want.excess, rel=1e-9, abs=1e-2)
        assert (got["new"] is None) == (want.new is None)
        assert got["new"] is None or got["new"] == NEAR(want.new, rel=1e-9, abs=1e-9)


@st.composite
def pools(draw: st.DrawFn) -> list[oracle.Raw]:
    """Raw scores of some clients over a month, with ties."""
    found = []
    for name in NAMES[: draw(st.integers(1, 5))]:
        for ago in draw(st.sets(st.integers(1, 28), max_size=20)):
            row = oracle.Row(LAST - dt.timedelta(ago), name, 10**7, None, "client")
            score = draw(st.sampled_from([-1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0]))
            found.append(oracle.Raw(row, 9, draw(st.sampled_from([0.0, 1e6, 1e7])), 0.0, 0.0, score, False))
    return found


@settings(max_examples=examples(70))
@given(pools(), st.floats(-2, 6))
def test_the_slow_tail_counts_cases_as_a_naive_reading_does(pool: list[oracle.Raw], threshold: float) -> None:
    rows = pl.DataFrame(
        {
            "day": [r.row.day for r in pool],
            "client": [r.row.client for r in pool],
            "slow": [r.slow for r in pool],
        },
        schema={"day": pl.Date, "client": pl.String, "slow": pl.Float64},
    ).sort("client", "day")
    before = rows.select(pl.col("slow").rolling_max_by("day", window_size="7d", closed="left").over("client"))["slow"]
    tail = fit_tail(rows["slow"], 1000, before)
    at = tail.points.search_sorted(threshold, side="left")
    seen = tail.counts[at] if at < tail.counts.len() else 0
    assert seen == oracle.slow_counts(pool, threshold)


@settings(max_examples=examples(20))
@given(st.integers(0, 2**32), st.integers(1, 12), st.integers(0, 60))
def test_what_befell_many_on_one_day_counts_as_a_naive_reading_does(seed: int, days: int, flood: int) -> None:
    rng = np.random.default_rng(seed)
    scores = [np.round(rng.exponential(1.0, 40), 1) for _ in range(days + 1)]
    scores[-2] = np.concatenate([scores[-2], np.round(rng.uniform(3, 9, flood), 1)])
    days_of = [LAST - dt.timedelta(i + 9) if i < days else None for i, s in enumerate(scores) for _ in s]
    tail = fit_tail(pl.Series(np.concatenate(scores)), 1000, days=pl.Series(days_of, dtype=pl.Date))
    highest = tail.points.len() - int(tail.points.len() * 0.1)
    for place in range(highest, tail.points.len()):
        if place == 0 or tail.points[place] != tail.points[place - 1]:
            threshold = tail.points[place]
            wanted = oracle.bounded_count([s.tolist() for s in scores[:-1]], scores[-1].tolist(), threshold)
            assert tail.counts[place] == wanted


@settings(max_examples=examples(35))
@given(pools().filter(bool))
def test_rarity_is_the_share_of_past_days_with_as_much_excess(pool: list[oracle.Raw]) -> None:
    rows = pl.DataFrame(
        {"role": [r.row.role for r in pool], "quiet": [r.quiet for r in pool], "excess": [r.excess for r in pool]},
        schema={"role": pl.String, "quiet": pl.Boolean, "excess": pl.Float64},
    )
    excesses = Excesses.of(rows)
    for past in (True, False):
        wanted = [oracle.rarity(pool, r, member=past) for r in pool]
        assert excesses.rarity(rows, past=past).to_list() == NEAR(wanted, rel=1e-12)

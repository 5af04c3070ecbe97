"""Evaluations of built-in worlds: what a request holds, that processes change nothing, and no regression of quality."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline.evaluation import run
from pipeline.evaluation.judge import COST, FOUND
from pipeline.evaluation.report import Report
from pipeline.evaluation.run import LOOKALIKE_RATES, all_detectors, base_settings, judge_labelled, judge_worlds, tasks
from pipeline.simulate.settings import default_attacks
from tests.pipeline.evaluation.fleets import fleet, world

GOLDEN = Path(__file__).parents[2] / "golden" / "evaluation"
RECALL, RATE = 0.05, 0.35
"""How far a recall may fall, and a rate of false alerts may move towards or beyond its budget."""
SMALL = base_settings(clients=250, days=60, thefts=2)


@pytest.fixture(scope="module")
def small() -> Report:
    return judge_worlds(tasks([100], SMALL, 0.0), processes=1)


def regressions(found: Report, golden: str) -> list[str]:
    """What is worse than the stored figures, which `nilometer evaluate --json` printed (see the name of the file)."""
    stored = json.loads((GOLDEN / f"{golden}.json").read_text(encoding="utf-8"))
    now = found.as_dict()
    keys = ("method", "budget", "basket")
    recall = {tuple(r[k] for k in keys): r for r in now["results"]}
    worse = [
        f"{key}: {recall[key]['recall']:.2f} of {r['recall']:.2f}"
        for r in stored["results"]
        if recall[key := tuple(r[k] for k in keys)]["recall"] < r["recall"] - RECALL
        or recall[key]["events"] != r["events"]
    ]
    cost = {(c["method"], c["budget"]): c["per_day_per_10k"] for c in now["false_alerts"]}
    return worse + [
        f"{c['method']} {c['budget']}: {cost[c['method'], c['budget']]:.1f}, not {c['per_day_per_10k']:.1f} a day"
        for c in stored["false_alerts"]
        if abs(cost[c["method"], c["budget"]] - c["per_day_per_10k"])
        > RATE * max(c["per_day_per_10k"], c["budget"] or 1)
    ]


def test_detection_of_a_small_world_is_no_worse_than_it_was(small: Report) -> None:
    assert regressions(small, "worlds-1-clients-250-days-60-thefts-2") == []


@pytest.mark.slow
def test_detection_of_five_worlds_is_no_worse_than_it_was() -> None:
    found = judge_worlds(tasks(range(100, 105), base_settings(clients=1_500, days=75), 0.8), processes=2)
    assert regressions(found, "worlds-5-clients-1500-explained-0.8") == []


def test_the_gate_sees_a_lost_theft_and_a_flood(small: Report) -> None:
    golden = "worlds-1-clients-250-days-60-thefts-2"
    blind = small.results.with_columns(recall=pl.lit(0.0))
    assert len(regressions(Report(blind, small.false_alerts), golden)) >= 3
    flood = small.false_alerts.with_columns(pl.col("per_day_per_10k") * 3 + 9)
    assert len(regressions(Report(small.results, flood), golden)) == small.false_alerts.height


def test_every_method_is_judged_at_every_budget_on_every_basket(small: Report) -> None:
    names = [d.name for d in all_detectors()]
    assert names[:3] == ["surge", "seed", "seed_native"]
    assert {"client_z", "client_log_z", "client_mad", "client_ewma"} <= set(names)
    budgets = small.false_alerts.group_by("method", maintain_order=True).agg("budget")
    assert budgets.rows() == [(n, [None] if n == "seed_native" else [1.0, 5.0, 20.0]) for n in names]
    baskets = {a.basket for a in default_attacks()}
    assert set(small.results["basket"]) == baskets
    assert small.results.height == small.false_alerts.height * len(baskets)


@pytest.mark.slow
def test_processes_change_nothing() -> None:
    work = tasks([100, 101], SMALL, 0.5)
    alone, shared = judge_worlds(work, processes=1), judge_worlds(work, processes=2)
    assert alone.results.equals(shared.results)
    assert alone.false_alerts.equals(shared.false_alerts)


def test_sensitivity_moves_every_rate_of_lookalikes_and_nothing_else() -> None:
    work = tasks([7, 8], SMALL, 0.5, sensitivity=True)
    assert [(t.settings.seed, t.suffix) for t in work] == [
        (7, ""),
        (8, ""),
        (7, ", lookalikes x0.5"),
        (8, ", lookalikes x0.5"),
        (7, ", lookalikes x2"),
        (8, ", lookalikes x2"),
    ]
    plain, half, double = work[0].settings, work[2].settings, work[4].settings
    moved = {n for n in vars(plain) if getattr(half, n) != getattr(plain, n)}
    assert moved == set(LOOKALIKE_RATES)
    assert double.resync_per_year == 2 * plain.resync_per_year
    assert run.scaled(plain, 1e6).attachments_per_day == 1.0
    assert {t.explained for t in work} == {0.5}


def test_ablations_are_methods_of_their_own() -> None:
    more = {d.name for d in all_detectors(ablations=True)} - {d.name for d in all_detectors()}
    assert more == {"surge, no groups", "surge, no roles", "surge, shot alone", "surge, no slow"}


def test_a_world_from_elsewhere_is_judged_by_all_methods() -> None:
    daily = fleet(30, 52, seed=2)
    found = judge_labelled(world(daily, [("t", "strange basket", 50, 1)]), 0.0)
    assert set(found.results["basket"]) == {"strange basket"}
    assert found.results["events"].unique().to_list() == [1]
    assert found.false_alerts["method"].unique(maintain_order=True).to_list() == [d.name for d in all_detectors()]


def test_progress_is_told_by_world(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[Any, ...]] = []
    empty = pl.DataFrame(schema=FOUND), pl.DataFrame(schema=COST)
    monkeypatch.setattr(run, "_task", lambda task: empty)
    judge_worlds(tasks([1, 2], SMALL, 0.0), 1, lambda *step: told.append(step))
    assert told == [("worlds", 1, 2), ("worlds", 2, 2)]

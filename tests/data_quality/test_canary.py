"""The daily canary: it lives on whole days, dies when any gate of the scoring moves, and says when nobody can alert."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from assets.checks import _evaluation
from data_quality.results import CheckOutcome, results_of
from data_quality.specs import check_specs
from pipeline.baseline import build_baseline
from pipeline.detections import Rule, load_rules
from pipeline.methods import METHODS, seed
from pipeline.schemas import DAILY_TRAFFIC, TRAFFIC_BASELINE
from pipeline.site import Site, open_site
from pipeline.trials.canary import Canary, canary
from tests.data_quality.days import run_check
from tests.worlds import CONFIG, SEED

SPEC = next(s for s in check_specs() if s.name == "canary_found")
RULE = next(r for r in load_rules({}, lookback_days=30) if r.id == SEED)
DAY = dt.date(2026, 10, 9)


def rows(days: int, clients: int = 5) -> pl.DataFrame:
    told = [
        {
            "day": DAY - dt.timedelta(days=n),
            "measure": RULE.measure.id,
            "client": f"10.0.0.{c}",
            "bytes": 1_000 + 100 * ((n * 7 + c * 3) % 5),
        }
        for n in range(days)
        for c in range(clients)
    ]
    return DAILY_TRAFFIC.conform(pl.DataFrame(told))


def inputs(days: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    found = rows(days)
    present = found["day"].unique().to_list()
    past = build_baseline(found.lazy(), DAY, [(RULE.measure, 30)], start=min(present), present=present)
    return found.filter(pl.col("day") == DAY), past


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Day DAY of a site, stored as far as the scores need."""
    (tmp_path / "nilometer.yaml").write_text(CONFIG, encoding="utf-8")
    return open_site(tmp_path)


def store(site: Site, days: int) -> CheckOutcome:
    today, past = inputs(days)
    twin = build_baseline(DAILY_TRAFFIC.empty().lazy(), DAY, site.series, start=DAY, present=[])
    others = twin.filter(pl.col("measure") != RULE.measure.id)
    site.storage.write_day(DAILY_TRAFFIC, DAY, today, inputs={})
    site.storage.write_day(TRAFFIC_BASELINE, DAY, pl.concat([past, others]), inputs={})
    from pipeline.stored.stages import make_scores

    make_scores(site, DAY)
    return run_check(SPEC, site, DAY)


def failing(outcome: CheckOutcome) -> set[str]:
    return {o["expectation"] for o in outcome.outcomes if not o["passed"]}


def broken(change: Callable[[Rule], Rule]) -> Callable[..., pl.DataFrame]:
    def score(today: pl.DataFrame, baseline: pl.DataFrame, rule: Rule, day: dt.date, *_: object) -> pl.DataFrame:
        return seed.score(today, baseline, change(rule), day)

    return score


def lives(planted: Canary) -> bool:
    """Whether the rule does what the power map says of it."""
    return planted.found and planted.quiet


def test_a_canary_lives_is_the_same_again_and_leaves_the_days_rows_alone() -> None:
    today, past = inputs(9)
    before = today.clone()
    first = canary(today, past, RULE, DAY)
    assert lives(first)
    assert first.client is not None
    assert canary(today.sample(fraction=1.0, shuffle=True, seed=1), past, RULE, DAY) == first
    assert today.equals(before)


def test_another_client_that_alerts_is_neither_drawn_nor_taken_for_the_canary() -> None:
    today, past = inputs(30)
    loud = pl.when(pl.col("client") == "10.0.0.3").then(10**6).otherwise("bytes")
    today = today.with_columns(bytes=loud)
    found = canary(today, past, RULE, DAY)
    assert lives(found)
    assert found.client not in (None, "10.0.0.3")


def test_other_days_draw_other_clients() -> None:
    today, past = inputs(9)
    drawn = {canary(today, past, RULE, DAY + dt.timedelta(days=n)).client for n in range(20)}
    assert len(drawn) > 2


FAULTS: list[tuple[str, Callable[[Rule], Rule]]] = [
    ("canaries_missed", lambda r: r.with_numbers({"deviation_threshold": "3.01"})),
    ("canaries_missed", lambda r: r.with_numbers({"minimum_data_samples": 30})),
    ("canaries_false", lambda r: r.with_numbers({"deviation_threshold": "2.99"})),
]


@pytest.mark.parametrize(("expectation", "fault"), FAULTS)
def test_a_moved_gate_kills_the_canary(
    site: Site, monkeypatch: pytest.MonkeyPatch, expectation: str, fault: Callable[[Rule], Rule]
) -> None:
    assert failing(store(site, 9)) == set()
    monkeypatch.setitem(METHODS, "seed", broken(fault))
    outcome = run_check(SPEC, site, DAY)
    assert failing(outcome) == {expectation}
    assert set(results_of(site, DAY).filter(~pl.col("passed"))["severity"]) == {"error"}
    assert _evaluation(SPEC, str(DAY), outcome, None).severity == dg.AssetCheckSeverity.ERROR


def test_a_gate_of_whole_numbers_that_is_not_strict_kills_it(monkeypatch: pytest.MonkeyPatch) -> None:
    today, past = inputs(9)

    def loose(rows: pl.DataFrame, baseline: pl.DataFrame, rule: Rule, day: dt.date, *_: object) -> pl.DataFrame:
        return seed.score(rows.with_columns(pl.col("bytes") + 1), baseline, rule, day)

    monkeypatch.setitem(METHODS, "seed", loose)
    assert not canary(today, past, RULE, DAY).quiet


def test_a_day_on_which_nobody_can_alert_says_so_as_a_warning(site: Site) -> None:
    outcome = store(site, 3)
    assert failing(outcome) == {"rules_that_can_alert", "rules_that_cannot_today"}
    assert _evaluation(SPEC, str(DAY), outcome, None).severity == dg.AssetCheckSeverity.WARN
    rows = {r["expectation"]: r for r in results_of(site, DAY).filter(~pl.col("passed")).to_dicts()}
    assert {r["severity"] for r in rows.values()} == {"warning"}
    assert "nilometer power" in rows["rules_that_can_alert"]["remedy"]
    told = rows["rules_that_cannot_today"]["remedy"]
    assert f"{SEED}, judged at 03:00 of the day after over 2026-09-09 to 2026-10-09" in told
    assert "no client has more than 3 of minimum_data_samples = 4 days" in told


def test_nobody_can_alert_in_a_window_of_ten_rows() -> None:
    few = rows(5, clients=2)
    present = few["day"].unique().to_list()
    past = build_baseline(few.lazy(), DAY, [(RULE.measure, 30)], start=min(present), present=present)
    today = few.filter(pl.col("day") == DAY)
    assert canary(today, past, RULE, DAY).client is None
    assert lives(canary(today, past, RULE.with_numbers({"deviation_threshold": "2.5"}), DAY))
    assert RULE.threshold == Fraction(3)

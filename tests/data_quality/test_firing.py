"""Whether every rule can alert, told by a check: rule and reason by name, and the canary of the surge method."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import pipeline.trials.canary
from data_quality.specs import check_specs
from pipeline.methods.surge import judged
from pipeline.simulate.inject import Injection, inject
from pipeline.site import Site
from pipeline.trials.firing import Firing, firing
from tests.data_quality.days import run_check
from tests.stored_days import Extra, stored_site
from tests.worlds import SEED, TWIN, day

SPEC = next(s for s in check_specs() if s.name == "canary_found")
SURGE = "mail_volume_surge"
DAYS = 16
LAST = day(DAYS - 1)


def stored(
    folder: Path, rules: str, days: int = DAYS, clients: int = 30, first: int = 0, extra: Extra | None = None
) -> Site:
    return stored_site(folder, rules, days, clients=clients, first=first, extra=extra)


def told(site: Site, of: dt.date = LAST) -> dict[str, Firing]:
    return {f.rule_id: f for f in firing(site, of)}


def failing(site: Site, of: dt.date = LAST) -> dict[str, str]:
    return {o["expectation"]: o["remedy"] for o in run_check(SPEC, site, of).outcomes if not o["passed"]}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return stored(tmp_path_factory.mktemp("whole"), f"rules: {{{SURGE}: {{budget: 300}}}}\n")


def test_both_methods_find_their_canaries_and_a_rule_without_clients_is_not_counted(whole: Site) -> None:
    found = told(whole)
    assert {r: (f.canary.found, f.canary.quiet) for r, f in found.items() if f.clients} == dict.fromkeys(
        (SEED, SURGE), (True, True)
    )
    assert (found[TWIN].clients, found[TWIN].why) == (0, "")
    assert found[SURGE].able > 0
    assert failing(whole) == {}


def test_the_surge_canary_is_drawn_by_the_day_and_writes_nothing(whole: Site) -> None:
    before = {p: p.read_bytes() for p in sorted(whole.root.rglob("*")) if p.is_file()}
    assert told(whole)[SURGE].canary == told(whole)[SURGE].canary
    assert {p: p.read_bytes() for p in sorted(whole.root.rglob("*")) if p.is_file()} == before


def with_budget(factor: float) -> Callable[..., dict[str, pl.DataFrame]]:
    def moved(today: pl.DataFrame, calibration: Any, params: Any) -> dict[str, pl.DataFrame]:
        return judged(today, calibration, type(params)(budget=params.budget * factor))

    return moved


def a_byte_more(rows: pl.DataFrame, thefts: list[Injection]) -> pl.DataFrame:
    return inject(rows, [replace(theft, size=theft.size + 1) for theft in thefts])


@pytest.mark.parametrize(("factor", "expectation"), [(0.99, "canaries_missed"), (1.01, "canaries_false")])
def test_a_budget_that_moves_by_a_hundredth_kills_the_surge_canary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, factor: float, expectation: str
) -> None:
    # Under so small a budget the rate moves with every byte. Under that of `whole` it leaps at the canary's threshold,
    # from over ten times the limit to under half of it, so that a budget moved a little changes no verdict there.
    site = stored(tmp_path, f"rules: {{{SURGE}: {{budget: 80}}}}\n")
    monkeypatch.setattr(pipeline.trials.canary, "judged", with_budget(factor))
    found = failing(site)
    assert set(found) == {expectation}
    assert found[expectation].endswith(SURGE)


def test_a_single_byte_kills_the_surge_canary(whole: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline.trials.canary, "inject", a_byte_more)
    assert set(failing(whole)) == {"canaries_false"}


def test_surge_without_enough_scored_days_is_named_as_learning(tmp_path: Path) -> None:
    site = stored(tmp_path, f"rules: {{{SURGE}: true}}\n", first=DAYS - 4)
    found = failing(site)
    assert set(found) == {"rules_that_cannot_today"}
    assert f"{SURGE}, judged at" in found["rules_that_cannot_today"]
    assert (
        "3 of the 7 scored days before are there; 2026-10-14 is the first day it can"
        in found["rules_that_cannot_today"]
    )


def test_a_surge_rule_of_slow_alone_counts_the_days_that_slow_has_scored(tmp_path: Path) -> None:
    site = stored(tmp_path, f"rules: {{{SURGE}: {{shares: {{slow: 1}}}}}}\n")
    assert "0 of the 7 scored days before are there; 2026-10-23 is the first day it can" in told(site)[SURGE].why


def test_surge_without_scores_of_the_day_is_left_to_the_day_that_has_them(tmp_path: Path) -> None:
    site = stored(tmp_path, f"rules: {{{SURGE}: true}}\n", first=DAYS)
    assert set(told(site)) == {SEED, TWIN}


def test_a_window_of_ten_rows_names_the_bound(tmp_path: Path) -> None:
    site = stored(tmp_path, "", days=5, clients=2)
    told_of = failing(site, day(4))["rules_that_cannot_today"]
    assert "the window of the fleet holds at most N = 10 rows" in told_of
    assert "(N-1)/sqrt(N)" in told_of
    assert "3 take 11" in told_of


def test_groups_of_one_client_and_few_days_name_the_bound_of_the_group(tmp_path: Path) -> None:
    site = stored(tmp_path, f"rules: {{{SEED}: {{reference: group}}}}\n", days=8)
    told_of = failing(site, day(7))
    assert "the window of each group holds at most N = 8 rows" in told_of["rules_that_cannot_today"]
    enough = stored(tmp_path / "more", f"rules: {{{SEED}: {{reference: group}}}}\n", days=11)
    assert failing(enough, day(10)) == {}


def test_the_numbers_of_an_obstacle_are_the_best_that_any_client_of_the_rule_has(tmp_path: Path) -> None:
    seen_today = {(SEED, "10.0.0.2"): 5}
    site = stored(tmp_path / "few", "", days=3, clients=2, extra=seen_today)
    assert "no client has more than 3 of minimum_data_samples = 4 days" in told(site, day(2))[SEED].why
    grouped = stored(tmp_path / "groups", f"rules: {{{SEED}: {{reference: group}}}}\n", 8, 2, extra=seen_today)
    assert "each group holds at most N = 9 rows" in told(grouped, day(7))[SEED].why


def test_a_rule_that_can_never_alert_is_an_error_that_says_what_to_change(tmp_path: Path) -> None:
    site = stored(tmp_path, f"rules: {{{SEED}: {{lookback_days: 3, minimum_data_samples: 5}}}}\n")
    (bad,) = (o for o in run_check(SPEC, site, LAST).outcomes if o["expectation"] == "rules_that_never_can")
    assert not bad["passed"]
    assert bad.get("severity", SPEC.severity) == "error"
    assert f"{SEED}, judged at 03:00" in bad["remedy"]
    assert "its window holds 4; raise lookback_days or lower minimum_data_samples" in bad["remedy"]


def test_sibling_rules_have_canaries_of_their_own(tmp_path: Path) -> None:
    for change in ("reference: own", "fill: zero", "floor: 900_000_000", "fleet_includes_day: false"):
        site = stored(tmp_path / change.replace(": ", "-"), f"rules: {{{SEED}: {{{change}}}}}\n")
        planted = told(site)[SEED].canary
        assert (planted.found, planted.quiet) == (True, True), change

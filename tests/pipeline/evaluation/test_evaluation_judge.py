"""Judging by counting: worlds of a few thefts and detectors whose alerts are known beforehand."""

import datetime as dt
from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest

from pipeline.detections.budget import PER
from pipeline.evaluation.context import EXPLAINED, Context
from pipeline.evaluation.detectors import Detector, native_seed, scored, single
from pipeline.evaluation.judge import alerts, judge
from pipeline.evaluation.scores import METHODS
from tests.pipeline.evaluation.fleets import NO_CONTEXT, always, day, fleet, name, never, told, world

CLIENTS, DAYS = 10, 60
JUDGED = 15 * CLIENTS
SLOW = [("slow-1", "slow", d, 3) for d in (49, 50, 51)]
THEFTS = [("shot-1", "material", 46, 1), ("shot-2", "material", 50, 2), *SLOW]


def counts(found: pl.DataFrame) -> dict[str, tuple[int, int]]:
    """Basket -> (events, detected)."""
    rows = found.group_by("basket").agg(pl.len(), pl.col("detected").sum()).iter_rows()
    return {basket: (events, hits) for basket, events, hits in rows}


def explained(*cells: tuple[int, int]) -> Context:
    rows = [(day(d), name(c), "resync") for d, c in cells]
    return Context(pl.DataFrame(rows, schema=EXPLAINED, orient="row"))


def test_a_detector_that_always_alerts_finds_all_and_costs_every_row_without_a_theft() -> None:
    found, cost = judge(world(fleet(CLIENTS, DAYS), THEFTS), always(), NO_CONTEXT, [1.0])
    assert counts(found) == {"material": (2, 2), "slow": (1, 1)}
    assert cost.row(0) == ("always", 1.0, JUDGED - 5, JUDGED)


def test_a_detector_that_never_alerts_finds_nothing_and_costs_nothing() -> None:
    found, cost = judge(world(fleet(CLIENTS, DAYS), THEFTS), never(), NO_CONTEXT, [1.0])
    assert counts(found) == {"material": (2, 0), "slow": (1, 0)}
    assert found["days_to_detect"].to_list() == [None] * 3
    assert cost["false_alerts"].to_list() == [0]


def test_a_perfect_detector_costs_nothing() -> None:
    perfect = told([(d, c, 0.0) for _, _, d, c in THEFTS])
    found, cost = judge(world(fleet(CLIENTS, DAYS), THEFTS), perfect, NO_CONTEXT, [1.0])
    assert found["detected"].all()
    assert cost["false_alerts"].to_list() == [0]


def test_an_alert_on_another_client_or_day_finds_no_theft() -> None:
    beside = told([(46, 2, 0.0), (47, 1, 0.0)])
    found, cost = judge(world(fleet(CLIENTS, DAYS), THEFTS), beside, NO_CONTEXT, [1.0])
    assert not found["detected"].any()
    assert cost["false_alerts"].to_list() == [2]


def test_alerts_of_the_warmup_and_thefts_that_begin_in_it_do_not_count() -> None:
    thefts = [("early", "slow", 44, 1), ("early", "slow", 45, 1), ("late", "slow", 45, 2)]
    early = told([(44, 1, 0.0), (44, 5, 0.0), (45, 1, 0.0)])
    found, cost = judge(world(fleet(CLIENTS, DAYS), thefts), early, NO_CONTEXT, [1.0])
    assert found["attack_id"].to_list() == ["late"]
    assert cost["false_alerts"].to_list() == [0]  # the row of the early theft is no false alert


def test_a_lookalike_is_a_false_alert_unless_it_is_explained() -> None:
    lookalike = world(fleet(CLIENTS, DAYS), causes=[("resync", 50, 4)])
    alert = told([(50, 4, 0.0)])
    assert judge(lookalike, alert, NO_CONTEXT, [1.0])[1]["false_alerts"].to_list() == [1]
    assert judge(lookalike, alert, explained((50, 4)), [1.0])[1]["false_alerts"].to_list() == [0]


def test_a_theft_hidden_by_an_explanation_is_missed() -> None:
    hit = told([(46, 1, 0.0), (49, 3, 0.0), (50, 3, 0.0)])
    found, _ = judge(world(fleet(CLIENTS, DAYS), THEFTS), hit, explained((46, 1), (49, 3)), [1.0])
    assert counts(found) == {"material": (2, 0), "slow": (1, 1)}


@pytest.mark.parametrize(("alert", "working_days"), [(49, 0), (50, 1), (53, 4), (54, 5), (55, 5), (56, 5), (57, 6)])
def test_time_to_detect_counts_working_days_from_the_first_day_of_the_theft(alert: int, working_days: int) -> None:
    assert day(49).weekday() == 0
    thefts = [("slow", "slow", d, 1) for d in range(49, 58)]
    alerts_of_it = told([(57, 1, 0.0), (alert, 1, 0.0)] if alert != 57 else [(57, 1, 0.0)])
    found, _ = judge(world(fleet(CLIENTS, DAYS), thefts), alerts_of_it, NO_CONTEXT, [1.0])
    assert found["days_to_detect"].to_list() == [working_days]


def test_two_thefts_of_one_client_and_day_are_both_found() -> None:
    thefts = [("a", "material", 50, 1), ("b", "slow", 50, 1), ("b", "slow", 51, 1)]
    found, _ = judge(world(fleet(CLIENTS, DAYS), thefts), told([(50, 1, 0.0)]), NO_CONTEXT, [1.0])
    assert found.select("attack_id", "detected").rows() == [("a", True), ("b", True)]


def test_a_budget_is_a_limit_of_the_expectation_and_shares_part_it() -> None:
    rows = told([(50, 1, 1.0), (50, 2, 1.01), (50, 3, 20.0)])
    assert alerts(rows.expect(fleet(4, 60), NO_CONTEXT, [day(50)]), rows, 1.0)["src_ip"].to_list() == [name(1)]
    frame = pl.DataFrame(
        {"day": [day(50)] * 3, "src_ip": list("abc"), "channel": ["shot", "slow", "else"], "expected": [3.0, 3.0, 0.0]}
    )
    parted = Detector("parted", never().expect, shares={"shot": 0.7, "slow": 0.2})
    assert alerts(frame, parted, 5.0)["src_ip"].to_list() == ["a"]


def test_alerts_that_fold_into_a_case_are_no_new_ones() -> None:
    frame = pl.DataFrame(
        {
            "day": [day(d) for d in (46, 50, 57, 65, 47)],
            "src_ip": ["a", "a", "a", "a", "b"],
            "channel": ["slow"] * 5,
            "expected": [0.0] * 5,
        }
    )
    slow = Detector("slow", never().expect, shares={"slow": 1.0}, fold_days={"slow": 7})
    assert alerts(frame, slow, 1.0).rows() == [(day(46), "a"), (day(47), "b"), (day(65), "a")]


def test_what_folds_is_asked_for_days_before_the_first_judged_and_costs_nothing_there() -> None:
    daily = fleet(2, DAYS)

    def expect(daily: pl.DataFrame, context: Context, days: Sequence[dt.date]) -> pl.DataFrame:
        seen = daily.filter(pl.col("day").is_in([d for d in days if d in (day(40), day(44), day(46))]))
        return seen.select("day", "src_ip", channel=pl.lit("slow"), expected=pl.lit(0.0))

    slow = Detector("slow", expect, shares={"slow": 1.0}, fold_days={"slow": 3})
    cost = judge(world(daily, [("t", "slow", 50, 1)]), slow, NO_CONTEXT, [1.0])[1]
    assert cost["false_alerts"].to_list() == [0]  # the case of the 44th day goes on
    alone = Detector("slow", expect, shares={"slow": 1.0}, fold_days={"slow": 1})
    assert judge(world(daily, [("t", "slow", 50, 1)]), alone, NO_CONTEXT, [1.0])[1]["false_alerts"].to_list() == [2]


def test_a_native_threshold_is_judged_once_and_without_a_budget() -> None:
    daily = fleet(CLIENTS, DAYS)
    spike = pl.when((pl.col("day") == day(50)) & (pl.col("src_ip") == name(2))).then(10**12).otherwise("bytes_in")
    found, cost = judge(world(daily.with_columns(bytes_in=spike), THEFTS), native_seed(), NO_CONTEXT)
    assert found["budget"].to_list() == [None] * 3
    assert found.filter("detected")["attack_id"].to_list() == ["shot-2"]
    assert cost.select("budget", "false_alerts").rows() == [(None, 0)]


def coin(seed: int) -> Detector:
    """Draws a share of 0..1 for each row: an alert at a budget has exactly the budget's chance."""

    def expect(daily: pl.DataFrame, context: Context, days: Sequence[dt.date]) -> pl.DataFrame:
        rows = daily.filter(pl.col("day").is_in(list(days))).select("day", "src_ip")
        draws = np.random.default_rng(seed).random(rows.height)
        return single(rows.with_columns(expected=pl.Series(PER * draws)))

    return Detector("coin", expect)


def test_a_coin_realises_its_budget_and_finds_thefts_at_the_base_rate() -> None:
    daily = fleet(200, 75)
    thefts = [(f"t{d}-{c}", "material", d, c) for d in range(45, 75) for c in range(0, 200, 2)]
    found, cost = judge(world(daily, thefts), coin(1), NO_CONTEXT, [500.0])
    realised = PER * cost["false_alerts"].item() / 3_000  # of 3,000 rows without a theft
    assert realised == pytest.approx(500, abs=4 * 500**0.5 / 0.3**0.5)
    assert found["detected"].mean() == pytest.approx(0.05, abs=4 * (0.05 * 0.95 / 3_000) ** 0.5)


@pytest.mark.parametrize("method", METHODS)
def test_thresholds_of_past_scores_realise_the_budget_where_nothing_happens(method: str) -> None:
    quiet = world(fleet(150, 90, seed=4))
    _, cost = judge(quiet, scored(method), NO_CONTEXT, [100.0, 400.0])
    realised = (PER * cost["false_alerts"] / cost["client_days"]).to_list()
    # Scores of the first calibrated days have shorter windows, so the rate is near the budget and not on it.
    assert realised == [pytest.approx(100, rel=0.5), pytest.approx(400, rel=0.35)]


@pytest.mark.parametrize("method", METHODS)
def test_shuffled_labels_give_the_base_rate(method: str) -> None:
    daily = fleet(150, 75, seed=5)
    rng = np.random.default_rng(0)
    cells = rng.choice(30 * 150, 1_500, replace=False)
    thefts = [(f"t{i}", "material", 45 + int(i) // 150, int(i) % 150) for i in cells]
    found, cost = judge(world(daily, thefts), scored(method), NO_CONTEXT, [300.0])
    rate = cost["false_alerts"].item() / (30 * 150 - 1_500)
    assert 0.01 < rate < 0.06
    assert found["detected"].mean() == pytest.approx(rate, abs=4 * (rate / 1_000) ** 0.5)


@pytest.mark.parametrize("method", METHODS)
def test_a_larger_budget_finds_no_less_and_costs_no_less(method: str) -> None:
    daily = fleet(60, 70, seed=6)
    big = (pl.col("day") >= day(60)) & (pl.col("src_ip") <= name(12))
    loud = daily.with_columns(bytes_in=pl.when(big).then(pl.col("bytes_in") * 6).otherwise("bytes_in"))
    thefts = [(f"t{c}", "material", 60, c) for c in range(10)]
    budgets = [1.0, 5.0, 20.0, 100.0, 1_000.0]
    found, cost = judge(world(loud, thefts), scored(method), NO_CONTEXT, budgets)
    hits = found.group_by("budget").agg(pl.col("detected").sum()).sort("budget")["detected"]
    assert hits.is_sorted()
    assert cost.sort("budget")["false_alerts"].is_sorted()
    assert hits[-1] > hits[0]


@pytest.mark.parametrize("method", METHODS)
def test_other_names_for_the_clients_change_nothing(method: str) -> None:
    daily = fleet(40, 60, seed=7, present=0.8)
    swap = dict(zip(map(name, range(40)), map(name, np.random.default_rng(1).permutation(40)), strict=True))
    plain = scored(method).expect(daily, NO_CONTEXT, [day(d) for d in range(45, 60)])
    renamed = daily.with_columns(pl.col("src_ip").replace_strict(swap))
    other = scored(method).expect(renamed, NO_CONTEXT, [day(d) for d in range(45, 60)])
    assert (
        plain.with_columns(pl.col("src_ip").replace_strict(swap))
        .sort("day", "src_ip")
        .equals(other.sort("day", "src_ip"))
    )


@pytest.mark.parametrize("method", METHODS)
def test_later_rows_change_no_earlier_expectation(method: str) -> None:
    daily = fleet(40, 70, seed=8, present=0.8)
    days = [day(d) for d in range(45, 60)]
    before = scored(method).expect(daily.filter(pl.col("day") < day(60)), NO_CONTEXT, days)
    names = [name(c) for c in range(40, 60)]
    newcomers = fleet(60, 70, seed=9).filter((pl.col("day") >= day(60)) & pl.col("src_ip").is_in(names))
    after = scored(method).expect(pl.concat([daily, newcomers]), NO_CONTEXT, days)
    assert before.height > 450
    assert before.equals(after)

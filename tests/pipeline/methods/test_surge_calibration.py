"""What alerts at all, and who may spend which part of the budget: the surge method's calibration."""

from __future__ import annotations

import random

import numpy as np
import polars as pl
import pytest

from pipeline.methods.surge import Params, calibrated, raw_scores
from pipeline.methods.surge.calibration import kind_budgets
from pipeline.methods.surge.centre import LEAST_CHANCE, surprise
from pipeline.methods.surge.company import company
from pipeline.methods.surge.tail import fit_tail
from tests.pipeline.methods.test_methods_surge import PARAMS, day, day_of, fleet, verdicts, with_extra


def test_a_fleet_in_which_nothing_ever_changes_alerts_nobody() -> None:
    # On day 87 sums of equal logarithms end in another bit than before: half of the clients were unusual together.
    there = np.random.default_rng(3).random((90, 25)) < 0.8
    cells = [(day(int(n)), f"10.0.0.{c}", 1_000) for n, c in zip(*np.nonzero(there), strict=True)]
    flat = pl.DataFrame(cells, schema={"day": pl.Date, "client": pl.String, "bytes": pl.Int64}, orient="row")
    flat = flat.with_columns(group=pl.lit("10.0.0"), role=pl.lit("client"))
    assert verdicts(flat, 87).filter("alert").is_empty()
    stolen = verdicts(with_extra(flat, "10.0.0.7", {87: 10**9}), 87)
    assert stolen.filter("alert")["client"].unique().to_list() == ["10.0.0.7"]


def test_a_slow_case_alerts_on_its_larger_days_alone() -> None:
    daily = with_extra(fleet(300), "10.0.0.7", {n: 80_000_000 for n in range(64, 75)})
    least = pl.when((pl.col("client") == "10.0.0.7") & (pl.col("day") == day(75))).then(1_000).otherwise("bytes")
    raw = raw_scores(daily.with_columns(bytes=least), [day(n) for n in range(8, 76)], PARAMS)
    found = calibrated(raw, [day(74), day(75)], PARAMS).filter(channel="slow", client="10.0.0.7")
    assert found["alert"].to_list() == [True, False]


def test_machines_of_a_few_volumes_do_not_alert_by_next_to_nothing_whatever_the_day_did() -> None:
    """Sessions of 3 kB, 144 a day or one less; on the last day most have one less, which moves what is expected."""

    def sessions(client: int, n: int) -> int:
        fewer = client < 22 if n == 35 else (client + 3 * n) % 10 < 4
        return 144 - fewer

    rows = [(day(n), f"10.0.0.{c}", 3_000 * sessions(c, n)) for n in range(36) for c in range(40)]
    daily = pl.DataFrame(rows, schema={"day": pl.Date, "client": pl.String, "bytes": pl.Int64}, orient="row")

    def alerting(volumes: pl.DataFrame) -> list[str]:
        found = calibrated(raw_scores(volumes, [day(n) for n in range(10, 36)], PARAMS), [day(35)], PARAMS)
        return found.filter("alert")["client"].unique().sort().to_list()

    assert alerting(daily) == []
    assert alerting(with_extra(daily, "10.0.0.7", {35: 10**5})) == ["10.0.0.7"]


def past_of(sizes: dict[tuple[str | None, bool], int], days: int = 50) -> pl.DataFrame:
    """Past rows of roles, a fifth of the days quiet."""
    rows = [
        (role, quiet, day(5 * (n % (days // 5)) + (0 if quiet else 1 + n // (days // 5) % 4)))
        for (role, quiet), size in sizes.items()
        for n in range(size)
    ]
    return pl.DataFrame(rows, schema={"role": pl.String, "quiet": pl.Boolean, "day": pl.Date}, orient="row")


@pytest.mark.parametrize(
    ("sizes", "budgets"),
    [
        ({("client", False): 9_600, ("nat", False): 400}, {("client", None): 9_505, ("nat", None): 495}),
        ({("client", False): 9_900, ("nat", False): 100}, {("client", None): 9_834, ("nat", None): 166}),
        ({("client", False): 9_951, ("nat", False): 49}, {("client", None): 9_951}),
        (
            {("client", False): 6_000, ("server", False): 3_700, (None, False): 300},
            {("client", None): 6_000, ("server", None): 3_700},
        ),
        ({}, {}),
    ],
)
def test_a_small_role_may_spend_a_twentieth_of_the_budget_and_all_together_no_more_than_it(
    sizes: dict[tuple[str | None, bool], int], budgets: dict[tuple[str, bool | None], int]
) -> None:
    assert kind_budgets(past_of(sizes)) == budgets


@pytest.mark.parametrize(
    ("quiet", "budgets"),
    [
        (400, {("client", True): 1_200, ("client", False): 8_800}),
        (2_000, {("client", True): 2_000, ("client", False): 8_000}),
        (299, {("client", None): 10_000}),
    ],
)
def test_quiet_days_have_a_part_between_their_clients_and_their_days(
    quiet: int, budgets: dict[tuple[str, bool | None], int]
) -> None:
    assert kind_budgets(past_of({("client", False): 10_000 - quiet, ("client", True): quiet})) == budgets


def test_last_digits_of_sums_make_no_day_rarer_than_its_equals() -> None:
    """Machines that receive one of three volumes: sums of equal pasts differ in a last digit."""
    draw, volumes = random.Random(5), (10_000_019, 40_000_003, 80_000_153)
    rows = [
        (day(n), f"c{client:02}", draw.choices(volumes, (96, 2, 2))[0], "client")
        for n in range(49)
        for client in range(90)
    ]
    names = ("day", "client", "bytes", "role")
    params = Params(window=12, calibration=28)
    raw = raw_scores(pl.DataFrame(rows, schema=names, orient="row"), [day(n) for n in range(10, 49)], params)
    days = [day(n) for n in range(42, 49)]
    rounded = raw.with_columns(pl.col("surprise", "slow", "excess", "new").round_sig_figs(11))
    # Other scores never alert, and those of nothing differ by more than a part of themselves.
    plain, other = (calibrated(r, days, params).filter(pl.col("score") > 1e-6) for r in (raw, rounded))
    assert plain.select("client", "channel", "alert").equals(other.select("client", "channel", "alert"))
    assert plain["rate"].to_list() == pytest.approx(other["rate"].to_list(), rel=1e-6)
    assert plain.height > 50


def test_scores_in_a_run_of_near_ones_are_as_rare_as_the_run() -> None:
    """Full copies of nearly equal volumes: 2,400 scores within 1e-6, each less than 1e-9 of itself from the next."""
    rng = np.random.default_rng(1)
    near = np.sort(20 + 1e-6 * rng.random(2_400))
    past = pl.Series(np.concatenate([rng.exponential(1, 12_000), near, [30.0, 31.0, 32.0, 33.0, 34.0]]))
    tail = fit_tail(past, past.len())
    rates = tail.rate(pl.Series([near[0], *near[1_200::400], near[-1], near[-1] * (1 + 5e-10)]))
    assert rates.to_list() == pytest.approx([10_000 * 2_405 / past.len()] * rates.len(), rel=1e-12)
    above = tail.rate(pl.Series([near[-1] * (1 + 2e-9), 20.1]))
    assert above.to_list() == pytest.approx([10_000 * 5 / past.len()] * 2)


def test_a_score_as_high_as_the_anchor_but_for_rounding_is_no_rarer() -> None:
    """Where the highest scores are all alike the tail is steep: a last digit went down it."""
    past = pl.Series([1.0] * 200 + [9.0 + 1e-14 * n for n in range(40)] + [9.0000001] * 2)
    tail = fit_tail(past, past.len())
    assert tail.rate(pl.Series([9.0, 9.0 + 4e-13, 9.0 + 4e-9])).n_unique() == 1
    rates = tail.rate(pl.Series(np.linspace(8.999999, 9.00001, 4_001)))
    assert (rates.diff().drop_nulls() <= 0).all()


@pytest.mark.parametrize("digits", [(0.0,), (0.0, 4e-15), (0.0, 2e-15, 4e-15, 9e-15)])
def test_a_tail_is_the_same_whatever_the_last_digits_of_its_scores(digits: tuple[float, ...]) -> None:
    """Machines: many scores are equal to the bit, and some differ from these in a last digit."""
    levels = [1.0] * 400 + [9.0] * 40 + [11.0] * 12 + [12.0] * 2
    past = pl.Series([v + digits[n % len(digits)] for n, v in enumerate(levels)])
    found, plain = fit_tail(past, 454), fit_tail(pl.Series(levels), 454)
    asked = pl.Series([0.5, 1.0, 5.0, 9.0, 9.0 + 8e-15, 10.0, 11.0, 11.0 + 4e-15, 11.5, 12.0, 12.0 + 9e-15, 13.0])
    assert found.rate(asked).to_list() == pytest.approx(plain.rate(asked).to_list())
    assert found.anchor_count == plain.anchor_count == 14
    assert found.least_score(300.0) == pytest.approx(plain.least_score(300.0))


def test_who_speaks_for_a_group_is_not_told_by_last_digits() -> None:
    equal = [9.0, 9.0 + 2e-15, 9.0 - 2e-15, 9.0 - 4e-15]
    found = company(day_of({"a": [(s, None) for s in equal], "b": [(0.0, None)] * 9}), 5.0, 0.01)
    assert [s >= least for s, least in zip(equal, found["company_from"], strict=False)] == [True] * 4


def test_company_of_hundreds_is_a_number_still() -> None:
    """Infinite scores among past ones leave no tail: nothing alerted for 56 days."""
    many = day_of({"a": [(9.0, None)] * 500 + [(0.0, None)] * 600, "b": [(0.0, None)] * 9})
    assert company(many, 5.0, 0.001)["company"].max() == LEAST_CHANCE
    told = surprise(pl.Series([1.0, 1e9]), pl.Series([366.0, 366.0]))
    assert told.to_list() == [pytest.approx(1.839, abs=1e-3), LEAST_CHANCE]

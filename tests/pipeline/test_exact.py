"""Exact sums, means, deviations and gates, where machine integers and floats would go wrong."""

from __future__ import annotations

import math
from fractions import Fraction

import polars as pl
import pytest

from pipeline import exact

THREE = Fraction(3)
BIG = 2**63 - 1


def sums(values: list[int]) -> tuple[int, int, int]:
    return len(values), sum(values), sum(v * v for v in values)


@pytest.mark.parametrize(
    "values", [[], [0], [7], [BIG] * 9, [10**15, 10**15 + 1], [2**31 - 1, 2**31, 2**31 + 1], [-5, 3, -(2**62)]]
)
def test_limb_sums_equal_the_sums_of_whole_numbers(values: list[int]) -> None:
    frame = pl.DataFrame({"bytes": values}, schema={"bytes": pl.Int64})
    assert exact.join_limbs(*frame.select(exact.power_sums()).row(0)) == sums(values)[1:]


def test_limb_sums_leave_unknown_values_out() -> None:
    frame = pl.DataFrame({"bytes": [None, 3, None, 4]}, schema={"bytes": pl.Int64})
    assert exact.join_limbs(*frame.select(exact.power_sums()).row(0)) == (7, 25)


@pytest.mark.parametrize(
    "numbers", [[], [0, 1], [2**126, 2**126, 2**126], [2**127 - 1, 2**127, 10**60], [-(2**127), 5], [-3, -(10**50)]]
)
def test_texts_of_any_size_add_up(numbers: list[int]) -> None:
    assert exact.add_texts(pl.Series("s", [str(n) for n in numbers], dtype=pl.String)) == sum(numbers)


def test_a_mean_is_unknown_without_values_and_correctly_rounded_with_them() -> None:
    assert exact.mean(0, 0) is None
    assert exact.mean(3, 2**63) == 2**63 / 3
    assert exact.mean(2, 2**54 + 6) == 2.0**53 + 4


def test_a_deviation_is_unknown_below_two_values() -> None:
    assert exact.stdev(0, 0, 0) is None
    assert exact.stdev(1, 5, 25) is None
    assert exact.variance(2, 2, 4) == 2


def test_a_deviation_survives_a_tiny_spread_around_a_huge_mean() -> None:
    assert exact.stdev(*sums([10**15, 10**15 + 1, 10**15 + 2])) == 1.0
    assert exact.stdev(*sums([BIG, BIG - 1])) == math.sqrt(0.5)


def test_the_gate_is_the_largest_whole_number_that_does_not_pass() -> None:
    whole = sums([1, 1, 1, 5])
    assert exact.gate(*whole, THREE, stdev_of_one_is_zero=True) == 8
    assert exact.gate(*whole, Fraction(1, 3), stdev_of_one_is_zero=True) == 2
    assert exact.gate(*sums([100, 110, 90, 105, 95]), THREE, stdev_of_one_is_zero=True) == 123


@pytest.mark.parametrize(("x", "passes"), [(7, False), (8, False), (9, True)])
def test_a_value_at_the_gate_does_not_pass_it(x: int, passes: bool) -> None:
    assert exact.exceeds(x, *sums([1, 1, 1, 5]), THREE, stdev_of_one_is_zero=True) is passes


def test_a_gate_is_told_apart_from_its_neighbours_beyond_float_precision() -> None:
    m = 10**17
    at = (2 + 2 * 3) * m
    values = sums([m, m, m, 5 * m])
    found = [exact.exceeds(x, *values, THREE, stdev_of_one_is_zero=True) for x in (at - 1, at, at + 1)]
    assert found == [False, False, True]
    assert float(at) == float(at + 1)


def test_the_deviation_of_one_value_is_zero_or_unknown() -> None:
    assert exact.gate(1, 7, 49, THREE, stdev_of_one_is_zero=True) == 7
    assert exact.exceeds(8, 1, 7, 49, THREE, stdev_of_one_is_zero=True) is True
    assert exact.exceeds(8, 1, 7, 49, THREE, stdev_of_one_is_zero=False) is None
    assert exact.exceeds(8, 2, 14, 98, THREE, stdev_of_one_is_zero=False) is True
    assert exact.exceeds(8, 0, 0, 0, THREE, stdev_of_one_is_zero=True) is None


@pytest.mark.parametrize("k", [Fraction(k) for k in ("0", "1/2", "1", "5/4", "2")])
@pytest.mark.parametrize("others", [[], [5], [0, 10], [3, 3, 3], [0, 0, 1, 90], [7] * 9])
def test_the_least_value_beside_others_is_the_first_one_that_passes(others: list[int], k: Fraction) -> None:
    def passes(x: int) -> bool:
        every = [Fraction(v) for v in (*others, x)]
        mean = sum(every) / len(every)
        spread = sum((v - mean) ** 2 for v in every) / max(len(every) - 1, 1)
        return x > mean and (x - mean) ** 2 > k * k * spread

    first = next((x for x in range(400) if passes(x)), None)
    assert exact.least_beside(*sums(others), k) == first


@pytest.mark.parametrize(
    ("z", "rounded"), [(0.125, 0.13), (0.135, 0.14), (3.1749, 3.17), (0.345001, 0.35), (0.0, 0.0), (0.004, 0.0)]
)
def test_rounding_goes_up_at_the_half_and_leaves_two_digits(z: float, rounded: float) -> None:
    assert pl.select(exact.round_half_up(pl.lit(z))).item() == rounded


def test_every_hundredth_is_the_nearest_float() -> None:
    hundredths = pl.DataFrame({"n": range(20_000)})
    found = hundredths.select(exact.round_half_up(pl.col("n") / 100 + 0.001)).to_series().to_list()
    assert found == [n / 100 for n in range(20_000)]

"""Exact arithmetic for sums, means and deviations of byte counts.

Byte sums pass 2^63 and sums of squares pass 2^127, where machine integers wrap silently; here they do not. Floats come
from exact integers only, so that they never depend on the order of rows.
"""

from __future__ import annotations

import math
from decimal import Context, Decimal
from fractions import Fraction

import polars as pl

_LIMB = 1 << 31
_WIDE = Context(prec=60)


def power_sums() -> list[pl.Expr]:
    """Aggregations of column `bytes` whose limbs never wrap: x = h 2^31 + l, so each product is below 2^64."""
    x = pl.col("bytes").cast(pl.Int128)
    high, low = x // _LIMB, x % _LIMB
    return [
        high.sum().alias("h"),
        low.sum().alias("l"),
        (high * high).sum().alias("hh"),
        (high * low).sum().alias("hl"),
        (low * low).sum().alias("ll"),
    ]


def join_limbs(h: int, low: int, hh: int, hl: int, ll: int) -> tuple[int, int]:
    """(sum, sum of squares) from limb sums, as Python integers."""
    return h * _LIMB + low, hh * _LIMB * _LIMB + 2 * hl * _LIMB + ll


def mean(n: int, total: int) -> float | None:
    """The mean, correctly rounded; None without values."""
    return float(Fraction(total, n)) if n else None


def variance(n: int, total: int, squares: int) -> Fraction | None:
    """The sample variance (n-1), exact; None below two values."""
    return Fraction(n * squares - total * total, n * (n - 1)) if n > 1 else None


def stdev(n: int, total: int, squares: int) -> float | None:
    """The sample standard deviation, rounded once from 60 digits; None below two values."""
    v = variance(n, total, squares)
    if v is None:
        return None
    return float(_WIDE.sqrt(_WIDE.divide(Decimal(v.numerator), Decimal(v.denominator))))


def exceeds(x: int, n: int, total: int, squares: int, k: Fraction, *, stdev_of_one_is_zero: bool) -> bool | None:
    """Whether x > mean + k x stdev, in exact arithmetic; None when mean or deviation is unknown (R8, R10)."""
    v = variance(n, total, squares)
    if v is None and n == 1 and stdev_of_one_is_zero:
        v = Fraction(0)
    if n == 0 or v is None:
        return None
    distance = x - Fraction(total, n)
    if distance <= 0:
        return False
    return distance * distance > k * k * v


def round_half_up(z: float) -> float:
    """Splunk's round(z, 2) (R12)."""
    return math.floor(z * 100 + 0.5) / 100

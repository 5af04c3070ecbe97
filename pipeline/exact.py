"""Exact arithmetic for sums, means, deviations and gates of byte counts.

Byte sums pass 2^63 and sums of squares pass 2^127, where machine integers wrap silently; here they do not. Floats come
from exact integers only, so that they never depend on the order of rows.
"""

from __future__ import annotations

import math
from decimal import Context, Decimal
from fractions import Fraction

import polars as pl

INT64_MAX = 2**63 - 1
"""The largest value that a table holds."""
_LIMB = 1 << 31
_WIDE = Context(prec=60)


def power_sums() -> list[pl.Expr]:
    """Aggregations of column `bytes` whose limbs never wrap: x = h 2^31 + l, so each product is at most 2^64."""
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


def add_texts(numbers: pl.Series) -> int:
    """The exact sum of a column of decimal integers of any size."""
    whole = numbers.cast(pl.Int128, strict=False)
    x = pl.col(whole.name)
    high, low = whole.to_frame().select((x // _LIMB).sum().alias("high"), (x % _LIMB).sum().alias("low")).row(0)
    return int(high) * _LIMB + int(low) + sum(int(text) for text in numbers.filter(whole.is_null()))


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


def gate(n: int, total: int, squares: int, k: Fraction, *, stdev_of_one_is_zero: bool) -> int | None:
    """The largest whole number that mean + k x stdev reaches; None when mean or deviation is unknown (R8, R10).

    A whole x lies above the gate exactly when x > this. With k = p/q and w = n squares - total^2 the gate is
    (total q (n-1) + sqrt(p^2 n (n-1) w)) / (n q (n-1)), and flooring the root first does not change the floor.
    """
    if n == 0 or (n == 1 and not stdev_of_one_is_zero):
        return None
    if n == 1:
        return total
    p, q, spread = k.numerator, k.denominator, n * squares - total * total
    return (total * q * (n - 1) + math.isqrt(p * p * n * (n - 1) * spread)) // (n * q * (n - 1))


def exceeds(x: int, n: int, total: int, squares: int, k: Fraction, *, stdev_of_one_is_zero: bool) -> bool | None:
    """Whether x > mean + k x stdev, in exact arithmetic; None when mean or deviation is unknown (R8, R10)."""
    limit = gate(n, total, squares, k, stdev_of_one_is_zero=stdev_of_one_is_zero)
    return None if limit is None else x > limit


def least_beside(n: int, total: int, squares: int, k: Fraction) -> int | None:
    """The smallest whole x above mean + k x stdev of n other values and x itself (R7); None when no x ever is.

    x moves the gate it must pass. With d = n x - total (n times the distance from the others' mean),
    w = n squares - total^2 and k = p/q, x passes exactly when d > 0 and d^2 (q^2 n^2 - p^2 (n+1)) > p^2 (n+1)^2 w:
    mean and variance of all n+1 values, written by those of the n others. Without room on the left no x passes, which
    is the bound (N-1)/sqrt(N) <= k.
    """
    p, q = k.numerator, k.denominator
    room = q * q * n * n - p * p * (n + 1)
    if room <= 0:  # So it is without any other value.
        return None
    d = math.isqrt(p * p * (n + 1) * (n + 1) * (n * squares - total * total) // room) + 1
    return -(-(d + total) // n)


def round_half_up(z: pl.Expr) -> pl.Expr:
    """Splunk's round(z, 2) (R12)."""
    # Polars divides by a literal through its reciprocal, which leaves 0.35000000000000003; round restores the nearest.
    return ((z * 100 + 0.5).floor() / 100).round(2)

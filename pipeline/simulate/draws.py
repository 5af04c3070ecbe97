"""Random numbers as Polars expressions: a pure function of seed, stream name and row key.

A counter-based generator (SplitMix64) makes every row's numbers independent of row order, of threads and of how many
rows there are, so that a longer or shorter world repeats the rows it shares with another. What the numbers mean (who
downloads how much) belongs to the modules that draw them.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import itertools
import math
import string
from collections.abc import Sequence

import polars as pl

_GOLDEN = 0x9E3779B97F4A7C15
_MIX_1, _MIX_2 = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_TRIPLES = pl.Series(["".join(t) for t in itertools.product(_BASE62, repeat=3)])


def _u64(value: int) -> pl.Expr:
    return pl.lit(value, dtype=pl.UInt64)


class Draws:
    """The random streams of one seed; `key` is the UInt64 column that tells rows apart."""

    def __init__(self, seed: int, topic: str, key: str = "key") -> None:
        self._prefix, self._key = f"{seed}:{topic}", key

    def bits(self, name: str) -> pl.Expr:
        """64 random bits a row (Steele, Lea & Flood 2014, SplitMix64; UInt64 arithmetic of Polars wraps)."""
        start = int.from_bytes(hashlib.blake2b(f"{self._prefix}:{name}".encode(), digest_size=8).digest(), "big")
        z = pl.col(self._key).cast(pl.UInt64) * _u64(_GOLDEN) + _u64(start)
        z = (z ^ (z // _u64(1 << 30))) * _u64(_MIX_1)
        z = (z ^ (z // _u64(1 << 27))) * _u64(_MIX_2)
        return z ^ (z // _u64(1 << 31))

    def uniform(self, name: str) -> pl.Expr:
        """A float in [0, 1), from the upper 53 bits."""
        return (self.bits(name) // _u64(1 << 11)).cast(pl.Float64) * 2.0**-53

    def normal(self, name: str, limit: float = 3.0) -> pl.Expr:
        """A standard normal number (Box-Muller), held within +-limit."""
        radius = (-2.0 * (1.0 - self.uniform(f"{name}/radius")).log()).sqrt()
        angle = 2.0 * math.pi * self.uniform(f"{name}/angle")
        return (radius * angle.cos()).clip(-limit, limit)

    def log_normal(self, name: str, median: float | pl.Expr, sigma: float, limit: float = 3.0) -> pl.Expr:
        """A log-normal number with this median and standard deviation of its logarithm."""
        return (self.normal(name, limit) * sigma).exp() * median

    def integer(self, name: str, low: int, high: int) -> pl.Expr:
        """An Int64 in low..high, both included."""
        return (self.bits(name) % _u64(high - low + 1)).cast(pl.Int64) + low

    def one_of(self, name: str, values: Sequence[str]) -> pl.Expr:
        """One of the values, all equally likely."""
        return pl.lit(pl.Series(values)).gather(self.bits(name) % _u64(len(values)))

    def uid(self, name: str) -> pl.Expr:
        """A connection id as Zeek writes them: C and 15 base-62 characters."""
        left, right = self.bits(f"{name}/left"), self.bits(f"{name}/right")
        size = len(_TRIPLES)
        numbers = (left % size, left // size % size, left // size**2 % size, right % size, right // size % size)
        return pl.concat_str(pl.lit("C"), *(pl.lit(_TRIPLES).gather(n) for n in numbers))


def micros(time: dt.datetime) -> int:
    """The time in microseconds since the epoch, to the second."""
    return int(time.timestamp()) * 1_000_000

"""Times as logs write them, in epoch microseconds: numbers of any unit and ISO 8601, with a zone or without.

Other spellings of times are made plain in `spellings` first; what a time means for a flow belongs to the formats.
"""

from __future__ import annotations

from functools import lru_cache, partial

import polars as pl

from pipeline import clocks
from pipeline.sources import spellings

_DAY_ENDS = r"T24:(00:00(?:\.0+)?(?:Z|[+-][0-9]{2}:[0-9]{2})?)$"
"""Midnight at the end of a day, which is an hour 24 in ISO 8601."""


def epoch_us(column: str, zone: str = "UTC") -> pl.Expr:
    """Expression: epoch microseconds of a text time: seconds, ms, us or ns by size, or ISO 8601.

    A time without a zone is of the given one: the earlier of two at the end of summer time, none in the hour that its
    beginning skips.
    """
    iso = partial(_iso_us, zone=zone)
    return spellings.mostly(pl.col(column).str.strip_chars(), _number_us, iso, pl.Int64())


def _iso_us(text: pl.Expr, zone: str) -> pl.Expr:
    iso = text.str.replace(r"^([0-9]{4}-[0-9]{2}-[0-9]{2}) ", "${1}T")
    iso = iso.str.replace(r"([+-][0-9]{2})([0-9]{2})$", "${1}:${2}")
    ends_day = iso.str.contains("T24:00:00", literal=True)
    iso = pl.when(ends_day).then(iso.str.replace(_DAY_ENDS, "T00:${1}")).otherwise(iso)
    later = pl.duration(days=ends_day.cast(pl.Int64))
    zoned = iso.str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False)
    plain = iso.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit="us", strict=False)
    return pl.coalesce(zoned + later, clocks.instants(plain + later, zone)).dt.epoch("us")


def number_us(text: pl.Expr) -> pl.Expr:
    """Epoch microseconds of numbers as text, as in `scaled_us`; null of all else, and of what may be rounded."""
    # As an expression alone each number would be read again wherever it is named.
    return text.map_batches(_number_us, return_dtype=pl.Int64, is_elementwise=True)


def _number_us(texts: pl.Series) -> pl.Series:
    rounded = bool(texts.str.contains("E+", literal=True).any())
    numbers = texts.to_frame("text").select(_numbers(rounded=rounded))
    return numbers.select(_scaled()).to_series()


# Made once: making them costs as much as reading some thousand times.
@lru_cache(maxsize=2)
def _numbers(*, rounded: bool) -> list[pl.Expr]:
    text = pl.col("text")
    certain = pl.when(~text.str.contains(spellings.ROUNDED)).then(text) if rounded else text
    real, whole = certain.cast(pl.Float64, strict=False), text.cast(pl.Int64, strict=False)
    return [real.alias("number"), whole.alias("whole")]


@lru_cache(maxsize=1)
def _scaled() -> pl.Expr:
    return scaled_us(pl.col("number"), pl.col("whole"))


def scaled_us(number: pl.Expr, whole: pl.Expr) -> pl.Expr:
    """Epoch microseconds of numbers that are seconds, ms, us or ns by their size.

    Args: the numbers as Float64; those that are whole as Int64, which has the digits that a float lacks.
    """
    number = pl.when(number.is_finite()).then(number)
    scaled = (
        pl.when(number.abs() < 1e11)
        .then((number * 1e6).round())
        .when(number.abs() < 1e14)
        .then((number * 1e3).round())
        .when(number.abs() < 1e17)
        .then(pl.coalesce(whole.cast(pl.Float64), number))
        # As ns less were before 1991; what is written so are .NET's ticks or Windows' own time, of today.
        .when(number.abs().is_between(6.6e17, 9e18))
        .then((number / 1e3).round())
    )
    exact = pl.when(whole.abs().is_between(10**14, 10**17 - 1)).then(whole)
    return pl.coalesce(exact, scaled.cast(pl.Int64, strict=False))


_OWN_UNIT = 10**14
"""From here on `scaled_us` takes a whole number for microseconds: 3 March 1973."""


def as_text(us: pl.Expr) -> pl.Expr:
    """Epoch microseconds as text that is read as the same instant again.

    A clock that was never set begins in 1970: what it shows is written in seconds, as so few microseconds would be
    taken for a larger unit, three weeks of them for a day of our years.
    """
    return us.cast(pl.Int64, strict=False).map_batches(_as_text, return_dtype=pl.String, is_elementwise=True)


def _as_text(us: pl.Series) -> pl.Series:
    text, early = us.cast(pl.String), us.abs() < _OWN_UNIT
    return text.zip_with(~early.fill_null(value=False), (us / 1e6).cast(pl.String)) if early.any() else text

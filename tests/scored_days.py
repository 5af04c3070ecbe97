"""Raw scores of surge a day at a time, each worked out once for all tests whose worlds are equal until then.

A day's scores depend on its window and the ten days before that alone, as
`test_days_scored_alone_equal_days_scored_together` shows; what is proved of them otherwise is proved without this.
"""

import datetime as dt
from dataclasses import replace
from functools import cache
from io import BytesIO

import polars as pl

from pipeline.methods.surge import Params, raw_scores


def scored(daily: pl.DataFrame, day: dt.date, params: Params) -> pl.DataFrame:
    """The day's raw scores: RAW_SCHEMA."""
    known = pl.col("day").is_between(day - dt.timedelta(days=params.window + 10), day)
    return _scored(daily.filter(known).serialize(), day, params.window)


@cache
def _scored(rows: bytes, day: dt.date, window: int) -> pl.DataFrame:
    return raw_scores(pl.DataFrame.deserialize(BytesIO(rows)), [day], replace(Params(), window=window))

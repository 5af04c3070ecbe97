"""Landed rows as they are stored: the columns that tell rows apart, and in the footer those of one text or of nothing.

A log fills some twenty columns of RAW, and a third of these with the same text in every row; writing and reading them
row by row would cost as much as all the others. Which rows are landed is decided in `pipeline.lander`; what is made of
them, in `pipeline.flows`.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from pipeline.sources.base import RAW
from pipeline.storage import Storage, read_footer

ROW_GROUP_SIZE = 65_536
SAME = "same"
"""The footer's key: the one text of a column, or null where it holds nothing."""


def write_landed(storage: Storage, name: str, rows: pl.DataFrame, code: int) -> None:
    """Store rows of RAW under a name; code is the version of the program's reading."""
    told = rows.drop("source_line")  # Which stays, so that the file knows how many rows it holds.
    same = {values.name: values[0] for values in told if _is_same(values)}
    storage.write_parquet(name, rows.drop(same), {"code": code, SAME: same}, row_group_size=ROW_GROUP_SIZE)


def scan_landed(path: Path) -> pl.LazyFrame:
    """The stored rows, with the columns that the file or its footer has; raises StorageError at a footer not ours."""
    rows = pl.scan_parquet(path, glob=False, hive_partitioning=False)
    same = read_footer(path).get(SAME, {})
    return rows.with_columns(pl.lit(value, RAW[c]).alias(c) for c, value in same.items())


def _is_same(values: pl.Series) -> bool:
    """Whether all values are one text, or all unknown."""
    if values.null_count():
        return values.null_count() == values.len()
    return values.dtype == pl.String and values[0] == values[-1] and bool((values == values[0]).all())

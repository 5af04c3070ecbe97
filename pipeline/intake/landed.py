"""How landed rows are stored: columns whose values differ as Parquet, columns of one text or of nothing in the footer.

A log fills some twenty columns of RAW, and a third of these with the same text in every row; writing and reading them
row by row would cost as much as all the others. Which rows are landed is decided in `pipeline.intake.lander`; what is
made of them, in `pipeline.flows`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import polars as pl

from pipeline.sources.base import RAW
from pipeline.storage import Storage, read_footer

ROW_GROUP_SIZE = 65_536
Told = Mapping[str, str | None]
"""Columns that hold one value in a whole file."""
_SMALL = 1 << 20
"""Bytes below which files share a scan; for larger ones, adding a file's facts to each row would cost more."""
_PATH = "path of the file"
SAME = "same"
"""The footer's key: the one text of a column, or null where it holds nothing."""


def write_landed(storage: Storage, name: str, rows: pl.DataFrame, code: int) -> None:
    """Store rows of RAW under a name; code is the version of the program's reading."""
    told = rows.drop("source_line")  # Which stays, so that the file knows how many rows it holds.
    same = {values.name: values[0] for values in told if _is_same(values)}
    storage.write_parquet(name, rows.drop(same), {"code": code, SAME: same}, row_group_size=ROW_GROUP_SIZE)


def scan_landed(path: Path) -> pl.LazyFrame:
    """The stored rows, with the columns that the file or its footer has; raises StorageError at a footer not ours."""
    return _scan_one(path, read_footer(path).get(SAME, {}))


def scan_files(files: Sequence[tuple[Path, Told]]) -> Iterator[pl.LazyFrame]:
    """The stored rows of all files, each row with what is known of its file, in any order.

    Small files that store the same columns share a scan: each scan costs some milliseconds whenever it is collected.
    """
    shared: dict[tuple[str, ...], list[tuple[Path, Told]]] = {}
    for path, about in files:
        told = {**read_footer(path).get(SAME, {}), **about}
        if path.stat().st_size < _SMALL:
            shared.setdefault(tuple(told), []).append((path, told))
        else:
            yield _scan_one(path, told)
    for columns, alike in shared.items():
        known = {c: [told[c] for _, told in alike] for c in columns}
        names = pl.LazyFrame({_PATH: [str(p) for p, _ in alike], **known}, schema_overrides=_types(columns))
        rows = pl.scan_parquet([p for p, _ in alike], include_file_paths=_PATH, glob=False, hive_partitioning=False)
        yield rows.join(names, on=_PATH, how="left").drop(_PATH)


def _scan_one(path: Path, told: Told) -> pl.LazyFrame:
    types = _types(told)
    rows = pl.scan_parquet(path, glob=False, hive_partitioning=False)
    return rows.with_columns(pl.lit(value, types[c]).alias(c) for c, value in told.items())


def _types(columns: Iterable[str]) -> dict[str, pl.DataType]:
    return {c: RAW.get(c, pl.String()) for c in columns}


def _is_same(values: pl.Series) -> bool:
    """Whether all values are one text, or all unknown."""
    if values.null_count():
        return values.null_count() == values.len()
    return values.dtype == pl.String and values[0] == values[-1] and bool((values == values[0]).all())

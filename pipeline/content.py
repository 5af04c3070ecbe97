"""The hash of a table's logical content, so that days can be compared without reading them, and rows cut in groups.

What is hashed of a table is a part of every stored fingerprint: a change makes every stored day another one. Files and
their footers belong to `pipeline.storage`.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator

import polars as pl

_HASHED_ROWS = 16_384
"""Rows that are hashed at once: few enough for their text to stay near the processor. A part of the definition."""


class ContentHash:
    """Hash of a table's logical content, slice by slice: names, order and values, not the bytes of its file.

    SHA-256 over stretches of so many rows, counted from the first row, so that slices do not show. Of each stretch:
    its rows; the columns that hold one value throughout, as CSV of one row; the others as CSV of all rows. Times and
    durations are written as numbers.
    """

    def __init__(self) -> None:
        self._hasher = hashlib.sha256()
        self._rest: pl.DataFrame | None = None
        self.rows = 0

    def update(self, frame: pl.DataFrame) -> None:
        """Take in the next rows."""
        known = [frame] if self._rest is None else [self._rest, frame]
        *whole, self._rest = in_groups(known, _HASHED_ROWS)
        for stretch in whole:
            self._hasher.update(_as_text(stretch))
        self.rows += frame.height

    @property
    def fingerprint(self) -> str:
        """128 bits, hex."""
        hasher = self._hasher.copy()
        if self._rest is not None:
            hasher.update(_as_text(self._rest))
        return hasher.hexdigest()[:32]


def _as_text(frame: pl.DataFrame) -> memoryview:
    """What is hashed of a stretch of rows."""
    lists = [_joined(frame[c]) for c, t in frame.schema.items() if t == pl.List]
    # Times as numbers: writing them out as dates costs more than all the rest.
    times = [pl.col(c).to_physical() for c, t in frame.schema.items() if t in (pl.Datetime, pl.Duration)]
    plain = frame.with_columns(*lists, *times)
    same = [s.name for s in plain if _is_one_value(s)]
    text = io.BytesIO(f"{frame.height} rows, {len(same)} columns of one value\n".encode())
    text.seek(0, io.SEEK_END)
    for part in (plain.select(same).head(1), plain.drop(same)):
        if part.width:
            part.write_csv(text, null_value="\\N", quote_style="necessary")
    return text.getbuffer()


def _joined(lists: pl.Series) -> pl.Series:
    """The texts of each list as one; where each holds one text or is unknown, as categories mostly are, those texts."""
    if (lists.list.len().fill_null(1) == 1).all():
        return lists.explode()
    return lists.list.join("\x1f", ignore_nulls=False)


def _is_one_value(values: pl.Series) -> bool:
    """Whether all values are the same, or all unknown."""
    unknown = values.null_count()
    return unknown == values.len() or (unknown == 0 and values[0] == values[-1] and bool((values == values[0]).all()))


def content_fingerprint(frame: pl.DataFrame) -> str:
    """Hash of a frame's logical content."""
    content = ContentHash()
    content.update(frame)
    return content.fingerprint


def in_groups(frames: Iterable[pl.DataFrame], rows: int) -> Iterator[pl.DataFrame]:
    """The rows of all frames, in order, in frames of so many rows in one piece each; the last may have fewer."""
    rest: pl.DataFrame | None = None
    for frame in frames:
        rest = frame if rest is None or rest.is_empty() else pl.concat([rest, frame])
        for start in range(0, rest.height - rows, rows):
            yield rest.slice(start, rows).rechunk()
        rest = rest.slice(max(0, (rest.height - 1) // rows) * rows)
    if rest is not None:
        yield rest.rechunk()

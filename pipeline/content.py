"""The hash of a table's logical content, so that days can be compared without reading them, and rows cut in groups.

What is hashed of a table is a part of every stored fingerprint: a change makes every stored day another one. Files and
their footers belong to `pipeline.storage`.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator

import polars as pl
from blake3 import blake3

_HASHED_ROWS = 65_536
"""Rows that are hashed at once: few enough to stay near the processor. A part of the definition."""


class ContentHash:
    """Hash of a table's logical content, slice by slice: names, order and values, not the bytes of its file.

    BLAKE3 over stretches of so many rows, counted from the first row, so that slices do not show. Of each stretch:
    its rows; the columns that hold one value throughout, as CSV of one row; the others as Arrow writes them to a file,
    with nothing for what is unknown, and which values are. Times and durations are numbers, lists are texts.
    """

    def __init__(self) -> None:
        self._hasher = blake3()
        self._rest: pl.DataFrame | None = None
        self.rows = 0

    def update(self, frame: pl.DataFrame) -> None:
        """Take in the next rows."""
        self.rows += frame.height
        if self._rest is not None and self._rest.height:
            frame = pl.concat([self._rest, frame])
        whole = frame.height // _HASHED_ROWS * _HASHED_ROWS
        for start in range(0, whole, _HASHED_ROWS):
            self._hasher.update(_as_bytes(frame.slice(start, _HASHED_ROWS).rechunk()))
        self._rest = frame.slice(whole)

    @property
    def fingerprint(self) -> str:
        """128 bits, hex."""
        hasher = self._hasher.copy()
        if self._rest is not None and (self._rest.height or not self.rows):
            hasher.update(_as_bytes(self._rest.rechunk()))
        return hasher.hexdigest()[:32]


def _as_bytes(frame: pl.DataFrame) -> memoryview:
    """What is hashed of a stretch of rows."""
    lists = [s for c, t in frame.schema.items() if t == pl.List for s in _texts(frame[c])]
    times = [pl.col(c).to_physical() for c, t in frame.schema.items() if t.is_temporal()]
    plain = frame.with_columns(*lists, *times)
    same = [s.name for s in plain if _is_one_value(s)]
    found = io.BytesIO(f"{frame.height} rows, {len(same)} columns of one value\n".encode())
    found.seek(0, io.SEEK_END)
    if same:
        plain.select(same).head(1).write_csv(found, null_value="\\N", quote_style="necessary")
    if len(same) < plain.width:
        _filled(plain.drop(same)).write_ipc(found, compression="uncompressed", compat_level=pl.CompatLevel.oldest())
    return found.getbuffer()


def _filled(frame: pl.DataFrame) -> pl.DataFrame:
    """With nothing (0, an empty text) where a value is unknown, which may else hold anything, and columns of which."""
    # As bits, truths would end in some of what lay in memory before.
    frame = frame.with_columns(pl.col(pl.Boolean).cast(pl.UInt8))
    unknown = [s for s in frame if s.null_count()]
    filled = [s.fill_null("" if s.dtype == pl.String else 0) for s in unknown]
    which = [s.is_null().cast(pl.UInt8).alias(f"{s.name} is unknown") for s in unknown]
    return frame.with_columns(*filled, *which).rechunk()


def _texts(lists: pl.Series) -> list[pl.Series]:
    """Lists of texts as columns that tell them apart: the texts of each as one and, where needed, how many they are.

    Where each holds one text or is unknown, as categories mostly are, it is that text.
    """
    count = lists.list.len().alias(f"{lists.name} count")
    if (count.fill_null(1) == 1).all():
        texts = lists.explode()
        return [texts] if texts.null_count() == lists.null_count() else [texts, count]
    named = lists.list.eval(pl.element().fill_null("\x00"))
    return [named.list.join("\x1f"), count]


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

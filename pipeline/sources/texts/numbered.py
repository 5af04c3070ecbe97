"""Lines of text with their numbers: cut out of a block, or put by to be read later.

They are frames of source_line and raw, or one text that needs no block to be kept. What the lines say is up to the
readers.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from pipeline.sources.base import Block, looks_compressed


@dataclass(frozen=True)
class Lines:
    """Some lines of a stretch: their text, each with its end, and their numbers."""

    text: bytes
    numbers: pl.Series

    @classmethod
    def of(cls, frame: pl.DataFrame, wanted: pl.Series) -> Lines:
        """Of columns source_line, raw those wanted; the text is a copy, so that the stretch need not be kept for it."""
        raw, numbers = (frame[c].filter(wanted) for c in ("raw", "source_line"))
        text = raw.str.join("\n").cast(pl.Binary).item() + b"\n" if len(raw) else b""
        return cls(text, numbers)

    @property
    def frame(self) -> pl.DataFrame:
        """The inverse of `of`."""
        return pl.DataFrame({"raw": self.text.decode()[:-1].split("\n")}).with_columns(self.numbers)


def text_lines(stretch: Block) -> pl.DataFrame:
    """All lines with their numbers: source_line, raw; bytes that are not UTF-8 are written as escapes."""
    text = stretch.data.decode("utf-8", errors="backslashreplace")
    return _numbered(pl.DataFrame({"raw": text.removesuffix("\n").split("\n")}, schema={"raw": pl.String}), stretch)


def cut_lines(stretch: Block) -> pl.DataFrame | None:
    """The same as `text_lines`, made faster; None where Polars would cut the text into other lines."""
    data = stretch.data
    if looks_compressed(data):
        return None
    try:
        frame = pl.scan_lines(data, name="raw").collect()
    except pl.exceptions.PolarsError:
        data = data.decode("utf-8", errors="backslashreplace").encode()
        frame = pl.scan_lines(data, name="raw").collect()
    if frame["raw"].str.len_bytes().sum() + frame.height != len(data):
        return None  # It drops carriage returns.
    return _numbered(frame, stretch)


def _numbered(frame: pl.DataFrame, stretch: Block) -> pl.DataFrame:
    first = stretch.first_line
    return frame.with_columns(source_line=pl.int_range(first, first + frame.height, dtype=pl.Int64, eager=True))

"""Quoted cells of delimited text: which lines are whole records, which leave a quote open, where that record ends.

The rules are those of RFC 4180 as Python's csv module reads them: a quote opens a cell only at its beginning, and is
doubled inside. What cells mean, and what becomes of lines, belongs to `delimited`.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence

import polars as pl

MAX_RECORD_LINES = 64
"""Lines that one record may span inside quotes; more is taken for a stray quote."""

_WIDE = 5
"""Columns from which on it is no chance that both of two lines have as many cells: less cannot tell of a flow."""

csv.field_size_limit(64 * 1024 * 1024)  # A cell may be as long as a line.


ABOVE_HEADER = r'"?sep=[^\w"]"?|#TYPE [^\r\n]*|#[ \t][^\r\n,;\t|]*'
"""Lines that may stand above the one that names the columns: what parts the cells, as spreadsheets are told it; the
type of the objects that PowerShell exports; a remark."""
_QUOTED = re.compile(r'"(?:[^"]|"")*"')
_BLANKS = re.compile(r"[ \t]*([,;|\t])[ \t]*")
_OTHERS = ";\t|"
"""Delimiters of other countries' spreadsheets and of other tools."""


def tidied(header: str) -> str:
    """A line that names columns, without quotes and blanks around its cells, and with commas between them."""
    header = _BLANKS.sub(r"\1", header.replace('"', "").strip(" \r\ufeff"))
    delimiter = max(f",{_OTHERS}", key=header.count)
    return header if delimiter == "," else header.replace(delimiter, ",")


class Quoting:
    """How one delimiter and double quotes group text into cells."""

    def __init__(self, delimiter: str) -> None:
        self.delimiter = delimiter
        d = re.escape(delimiter)
        self._strict = rf'^(?:"(?:[^"]|"")*"|[^"{d}]*)(?:{d}(?:"(?:[^"]|"")*"|[^"{d}]*))*$'
        cell = rf'(?:"(?:[^"]|"")*+"|(?!")[^{d}]*+)'
        self._closed = re.compile(rf"{cell}(?:{d}{cell})*+")
        self._open = re.compile(rf'(?:{cell}{d})*+"(?:[^"]|"")*+')

    def plain(self, text: pl.Series) -> pl.Series:
        """Which lines are whole records in which quotes stand only around cells."""
        quotes = text.str.contains('"', literal=True)
        return ~quotes | text.str.contains(self._strict) if quotes.any() else ~quotes

    def cuts(self, text: pl.Series) -> pl.Series:
        """Delimiters between the cells of plain lines."""
        if text.str.contains('"', literal=True).any():
            text = text.str.replace_all(_QUOTED.pattern, "")
        return text.str.count_matches(self.delimiter, literal=True)

    def opens(self, text: str) -> bool:
        """Whether the text ends inside a quoted cell."""
        return self._open.fullmatch(text) is not None

    def cells(self, text: str) -> list[str] | None:
        """The cells of one record; None when its quotes do not stand as they should."""
        if self._closed.fullmatch(text) is None:
            return None
        try:
            return next(csv.reader([text], delimiter=self.delimiter, strict=True))
        except (csv.Error, StopIteration):
            return None

    def end(self, texts: Sequence[str], width: int | None) -> int | None:
        """Index of the line with which the record of the first, open one ends.

        The number of lines when they end inside it; None when the quote is a stray one: nothing closes it, or not
        where a cell may end, or the record has another number of cells than there are columns, or the first line and
        the next have each as many as there are columns.
        """
        if width is not None and width >= _WIDE and len(texts) > 1 and self._pieces(texts[:2]) == [width, width]:
            return None
        text = texts[0]
        for at, line in enumerate(texts[1:MAX_RECORD_LINES], 1):
            text = f"{text}\n{line}"
            if self.opens(text):
                continue
            found = self.cells(text)
            return at if found is not None and (width is None or len(found) == width) else None
        return len(texts) if len(texts) < MAX_RECORD_LINES else None

    def _pieces(self, texts: Sequence[str]) -> list[int]:
        """How many cells each line has where a quote that does not close is text."""
        return [_QUOTED.sub("", text).count(self.delimiter) + 1 for text in texts]

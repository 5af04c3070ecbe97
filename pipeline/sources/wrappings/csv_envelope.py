"""Logs inside a table that was exported: the line of another format as the text of one cell.

Searches over logs (Splunk, CloudWatch Logs Insights, Kibana, Microsoft Sentinel, QRadar) export what they found as CSV
with the line in a column. The cell is taken out here, line numbers stay those of the file, and the reader of the format
inside does the rest. A cell may hold several lines of which each is a record. Of a format that is JSON elsewhere each
row may be a record, whose fields are columns.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

import polars as pl

from pipeline.sources.base import Account, Block, Parsed, Reader, merge, rejects_frame
from pipeline.sources.texts import struct_text
from pipeline.sources.texts.quoting import ABOVE_HEADER, MAX_RECORD_LINES, Quoting
from pipeline.sources.wrappings import shipped

COLUMNS = ("_raw", "@message", "message", "event.original", "raw", "log", "textpayload", "syslogmessage",
           "full_message", "payloadasutf", "utf8_payload", "@rawstring")  # fmt: skip
"""Columns that hold the line, in lower case, the first that there is; the last are Azure's, Graylog's, QRadar's and
LogScale's."""
MARK = "csv:"
"""Before the column's name, in the name of an encoding."""
ROWS = "*"
"""What stands for a column where each row is a record, as one of JSON whose fields became columns."""
_DELIMITERS = ",;\t|"
_WIDEST, _ABOVE = 1 << 16, re.compile(ABOVE_HEADER)


def column_of(header: str) -> str | None:
    """The column that a table with this first line has the lines of a log in; None when it has none."""
    names = _names(Quoting(",").cells(header[:_WIDEST].rstrip("\r")))
    return next((c for c in COLUMNS if c in names), None)


def others_of(header: str) -> list[str]:
    """All columns of a table with this first line, in lower case, by whose cells it may be seen that they hold lines.

    Those alone that have a name of their own, which the name of an encoding may have in it.
    """
    names = _names(Quoting(",").cells(header[:_WIDEST].rstrip("\r")))
    return [c for c in names if names.count(c) == 1 and c and "@" not in c and c not in COLUMNS]


def _names(cells: Sequence[str] | None) -> list[str]:
    return [c.lower() for c in _written(cells)]


def _written(cells: Sequence[str] | None) -> list[str]:
    return [c.strip(' "\ufeff') for c in cells or ()]


class Cells:
    """The cells of one column, one a line: a header and the further lines of a record become empty lines."""

    def __init__(self, column: str, form: str | None = None, parts: Callable[[str], list[str]] | None = None) -> None:
        """Args: parts gives the records that a cell's text holds."""
        self._quoting, self._column, self._form = Quoting(","), column, form
        self._parts = parts or (lambda text: [" ".join(text.splitlines())])
        self.header: list[str] | None = None
        """The columns' names as they are written."""
        self.held: list[str] = []
        """Lines of a record that is not at its end yet."""

    @property
    def delimiter(self) -> str:
        """What parts the cells."""
        return self._quoting.delimiter

    def parted_by(self, delimiter: str) -> None:
        """Take another delimiter."""
        self._quoting = Quoting(delimiter)

    def take(self, lines: Sequence[str], *, last: bool = False) -> list[str]:
        """The texts of lines that come next; of a record that they do not end, those are held back but at the end."""
        texts, out, at = [*self.held, *(line.rstrip("\r") for line in lines)], list[str](), 0
        while at < len(texts):
            size = self._size(texts[at : at + MAX_RECORD_LINES])
            if size is None and not last:
                break
            size = size or 1
            found = self._cell("\n".join(texts[at : at + size]))
            out += [*found, *[""] * (size - len(found))]
            at += size
        self.held = texts[at:]
        return out

    def _size(self, texts: Sequence[str]) -> int | None:
        """How many lines the record of the first one has; None when they end inside it."""
        if not self._quoting.opens(texts[0]):
            return 1
        end = self._quoting.end(texts, None if self.header is None else len(self.header))
        return None if end == len(texts) else 1 if end is None else end + 1

    def _cell(self, record: str) -> list[str]:
        """The text in the column, a record a line; a row that has none stays as it is, on one line."""
        cells = self._quoting.cells(record)
        names = _names(cells)
        if self._column in names and (self.header is None or names == _names(self.header)):
            self.header = _written(cells)
            return [""]
        if self.header is None and _ABOVE.fullmatch(record):
            return [""]
        if cells is None or self.header is None or len(cells) != len(self.header):
            return [" ".join(record.splitlines())]
        around = dict(zip(self.header, cells, strict=True))
        texts = self._parts(cells[_names(self.header).index(self._column)])
        return [shipped.dressed(around, text, self._form) if text else text for text in texts]


class Rows(Cells):
    """Rows as objects of JSON under the names of their columns, one a line; cells that hold JSON are opened."""

    def __init__(self) -> None:
        super().__init__(ROWS)

    def take(self, lines: Sequence[str], *, last: bool = False) -> list[str]:
        """See Cells; the header shows what parts the cells."""
        first = next((line for line in lines if line.strip() and not _ABOVE.fullmatch(line.rstrip("\r"))), "")
        if self.header is None and first:
            self.parted_by(max(_DELIMITERS, key=first.count))
        return super().take(lines, last=last)

    def _cell(self, record: str) -> list[str]:
        cells = self._quoting.cells(record)
        if self.header is None:
            self.header = None if _ABOVE.fullmatch(record) or not record.strip() else _written(cells)
            return [""]
        if cells is None or len(cells) != len(self.header):
            return [" ".join(record.splitlines())]
        if _written(cells) == self.header:
            return [""]
        return [json.dumps({name: _opened(cell) for name, cell in zip(self.header, cells, strict=True) if cell})]


def _opened(cell: str) -> Any:
    """What a cell holds: the list, object or struct that it is, else its text."""
    if not cell.startswith(("[", "{")):
        return cell
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):
        return cell if (found := struct_text.struct(cell)) is None else found


class CsvEnvelopeReader:
    """Reads the blocks of one exported table with the reader of what is in its cells, or of its rows as JSON."""

    def __init__(self, inner: Reader, column: str, parts: Callable[[str], list[str]] | None = None) -> None:
        self._inner = inner
        self._cells = Rows() if column == ROWS else Cells(column, inner.format, parts)
        self.format, self.resumable = inner.format, inner.resumable
        self._next = 1
        """The number of the first line that the reader inside has not seen."""

    def state(self) -> dict[str, Any]:
        """The header, the lines held back, and what the reader inside must know."""
        return {
            "header": self._cells.header,
            "held": self._cells.held,
            "delimiter": self._cells.delimiter,
            "inside": self._inner.state(),
            "next": self._next,
        }

    def resume(self, state: dict[str, Any]) -> None:
        """Go on where a reader with this state stopped."""
        self._cells.parted_by(state["delimiter"])
        self._cells.header, self._cells.held, self._next = state["header"], list(state["held"]), int(state["next"])
        self._inner.resume(state["inside"])

    def read(self, block: Block) -> Parsed:
        """Read one block of lines."""
        lines = block.data.removesuffix(b"\n").decode("utf-8", errors="backslashreplace").split("\n")
        first = block.first_line - len(self._cells.held)
        texts = self._cells.take(lines, last=block.unterminated)
        self._next = first + len(texts)
        if not texts:
            return Parsed()
        end = "" if block.unterminated else "\n"
        data = ("\n".join(texts) + end).encode("utf-8", errors="surrogatepass")
        return self._inner.read(Block(data, first, len(texts), block.unterminated))

    def finish(self) -> Parsed:
        """What the reader inside has left, and the lines of a record that did not end."""
        held = self._cells.held
        numbers = pl.Series(range(self._next, self._next + len(held)), dtype=pl.Int64)
        reason = "incomplete_last_line"
        rejects = rejects_frame(numbers, reason, None, pl.Series(held, dtype=pl.String))
        account = Account(lines=len(held))
        account.quarantined.update([reason] * len(held))
        return merge([self._inner.finish(), Parsed(rejects=rejects, account=account)])

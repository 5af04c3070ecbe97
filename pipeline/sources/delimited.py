"""Delimited text as records: CSV and its kin, with a header, without one, or with headers again and again.

Quoted cells may hold the delimiter and line ends. A line with too few or too many fields is set aside alone, and so is
one that says two things in columns of one name; a header that comes again, of the same columns or of others, is no row.
What the columns mean belongs to the formats.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import polars as pl

from pipeline.addresses import canonical_address
from pipeline.sources.base import LINES, REJECTS, ReadOptions, rejects_frame
from pipeline.sources.declared import Decoded, Decoder
from pipeline.sources.glances.cell_parts import CellParts
from pipeline.sources.glances.sight import Cut
from pipeline.sources.texts.quoting import ABOVE_HEADER, MAX_RECORD_LINES, Quoting, tidied

Aliases = Mapping[str, Sequence[str]]
"""Our name of a field -> the column's spellings in lower case, the first with a value wins."""
_NUMBER = re.compile(r"[-+]?\d[\d.:+\- TZ]*")
_BLANKS = b" \t\v\f\r"
"""What may stand around the values of cells, of ASCII."""
_ABOVE = re.compile(ABOVE_HEADER)


@dataclass(frozen=True)
class Layout:
    """How a format's lines are laid out."""

    aliases: Aliases
    header: re.Pattern[str]
    """What every header line holds; whether a line is one is then told by its cells."""
    delimiter: str = ","
    columns: tuple[str, ...] | None = None
    """The columns of lines before any header; None when a header must come first."""
    quoted: bool = True
    """Whether double quotes group a cell."""
    trailing: bool = True
    """Whether lines may end in delimiters that the header lacks."""
    clean: Callable[[pl.Series], pl.Series] | None = None
    """What makes a line plain before it is cut, such as taking a syslog header off."""
    unset: tuple[str, ...] = ()
    """Cells that stand for no value, beside the empty one."""
    lacks: Callable[[frozenset[str]], str] | None = None
    """What is missing to read records under a header that names these fields of ours; empty when nothing is."""
    absent: str = "no header line before it"
    """What is wrong with lines that come before any header."""
    others: str = ";\t|"
    """Delimiters that a header may show instead, such as those of other countries' spreadsheets; a comma is one where
    there are any."""
    whole: re.Pattern[str] | None = None
    """Last cells that cannot be the beginning of a longer one, where the file ends without a line end."""


def delimited(layout: Layout) -> Callable[[ReadOptions], Decoder]:
    """The decoder of a form whose lines are delimited."""
    return lambda options: DelimitedDecoder(layout, header=options.header)


@dataclass
class _Walk:
    """What the lines of a block are, beside records of one line each."""

    headers: list[tuple[int, list[str], str]] = field(default_factory=list)
    """Row, the columns that it names, and what parts them."""
    joined: dict[int, str] = field(default_factory=dict)
    """Row -> the whole text of the record that begins there."""
    continued: list[int] = field(default_factory=list)
    held: int | None = None
    """The row at which a record begins that the block does not end."""


@dataclass
class DelimitedDecoder:
    """Lines of one delimited file as records, by the header in force."""

    layout: Layout
    columns: list[str] | None = None
    held: list[tuple[int, str]] = field(default_factory=list)
    """Lines of a record that is not at its end yet."""
    expects_header: bool = True
    """Whether nothing was read yet, so that a header may come."""
    header: str = ""
    """The header that the source tells; those in the file hold all the same."""

    def __post_init__(self) -> None:
        """Start with the columns that hold before any header."""
        self._quoting = Quoting(self.layout.delimiter)
        self._delimiters = self.layout.delimiter + (f"{self.layout.others}," if self.layout.others else "")
        self._spelled = re.compile(self.layout.header.pattern, self.layout.header.flags | re.IGNORECASE)
        self._known = {s for spellings in self.layout.aliases.values() for s in spellings}
        if self.header:
            self._take_told()
        elif self.columns is None and self.layout.columns is not None:
            self.columns = list(self.layout.columns)

    def _take_told(self) -> None:
        """Start with the columns that the source's header names; where it names none of ours, no line can be read."""
        clean = self.layout.clean
        text = clean(pl.Series([self.header]))[0] if clean is not None else self.header
        self.columns = self._as_header(text, first=True)
        self.layout = replace(self.layout, absent="the source's header names no two columns of this format")

    def state(self) -> dict[str, Any]:
        """The columns and the delimiter in force, and the lines of a record that is not at its end."""
        return {"columns": self.columns, "held": self.held, "delimiter": self.layout.delimiter}

    def resume(self, state: dict[str, Any]) -> None:
        """Take up the columns, their delimiter and the open record."""
        self.columns, self.expects_header = state["columns"], False
        self._use(state.get("delimiter", self.layout.delimiter))
        self.held = [(int(line), text) for line, text in state["held"]]

    def unfinished(self) -> list[tuple[int, str]]:
        """The lines of a record that did not come to its end."""
        return self.held

    def cut(self) -> Cut | None:
        """See LucidDecoder."""
        if self.columns is None or self.held or self._header_fault() is not None or self._repeated():
            return None
        how = self.layout
        parts = CellParts(how.aliases, self.columns, how.delimiter, quoted=how.quoted, trailing=how.trailing)
        spans = (lambda text: not self._quoting.plain(text).all()) if how.quoted else None
        return Cut(parts, separator=how.delimiter, whole=True, key=(how.delimiter, *self.columns), spans=spans)

    def decode(self, lines: pl.DataFrame, reason: str) -> Decoded:
        """See Decoder."""
        self.expects_header = False
        if self.held:
            before = pl.DataFrame(self.held, schema=LINES, orient="row")
            lines, self.held = pl.concat([before, lines]), []
        clean = self.layout.clean
        lines = lines.with_columns(text=clean(lines["raw"]) if clean is not None else "raw").with_row_index()
        lines, told = self._without_told(lines)
        delimiter, walk = self.layout.delimiter, self._walk(lines["text"])
        self._use(delimiter)
        if walk.held is not None:
            self.held = list(lines[walk.held :].select("source_line", "raw").iter_rows())
            lines = lines[: walk.held]
        lines = _with_joined(lines, walk)
        parts, at = [], 0
        for row, header, delimiter in walk.headers:
            if row > at:
                parts.append(self._records(lines.filter(pl.col("index").is_between(at, row, closed="left")), reason))
            self.columns, at = header, row + 1
            self._use(delimiter)
        parts.append(self._records(lines.filter(pl.col("index") >= at) if at else lines, reason))
        comments = told + len(walk.headers) + len(walk.continued)
        records, rejects = parts[0] if len(parts) == 1 else map(pl.concat, zip(*parts, strict=True))
        return Decoded(records, rejects, comments=comments)

    def _use(self, delimiter: str) -> None:
        """Cut lines at another delimiter from here on."""
        if delimiter != self.layout.delimiter:
            self.layout = replace(self.layout, delimiter=delimiter)
            self._quoting = Quoting(delimiter)

    def _without_told(self, lines: pl.DataFrame) -> tuple[pl.DataFrame, int]:
        """Lines without the first ones that may stand above a header."""
        told = 0
        while self.columns is None and told < lines.height and _ABOVE.fullmatch(lines["text"][told]):
            told += 1
        return (lines[told:].drop("index").with_row_index(), told) if told else (lines, 0)

    # Lines as headers, records, and records over several lines

    def _walk(self, text: pl.Series) -> _Walk:
        """Look at the lines that are not plainly one record each."""
        walk, width, at = _Walk(), len(self.columns) if self.columns else None, 0
        if width is not None and self._all_plain(text):
            return walk
        odd = text.str.contains(self.layout.header.pattern)
        if width is None and len(odd):
            odd[0] = True  # As a first header, it may be spelled in other ways.
        if self.layout.quoted:
            odd |= ~self._quoting.plain(text)
        for row in odd.arg_true().to_list():
            if row < at:
                continue
            if (header := self._as_header(text[row], first=width is None)) is not None:
                walk.headers.append((row, header, self.layout.delimiter))
                width = len(header)
            elif self.layout.quoted and self._quoting.opens(text[row]):
                texts = text[row : row + MAX_RECORD_LINES].to_list()
                end = self._quoting.end(texts, width)
                if end == len(texts):
                    walk.held = row
                    break
                if end is not None:
                    walk.joined[row] = "\n".join(texts[: end + 1])
                    walk.continued += range(row + 1, row + end + 1)
                    at = row + end + 1
        return walk

    def _all_plain(self, text: pl.Series) -> bool:
        """Whether no line has a quote or what every header holds: asked of all lines as one text, which is faster."""
        whole = text.str.join("\n")
        if self.layout.quoted and whole.str.contains('"', literal=True).any():
            return False
        # What a line holds the whole does, too, where both ends of a line count as ends.
        return not whole.str.contains(f"(?m){self.layout.header.pattern}").any()

    def _as_header(self, text: str, *, first: bool) -> list[str] | None:
        """The columns that a line names: two of ours at least, and but for the first header no address or number."""
        if not self.layout.header.search(text) and not (first and self._spelled.search(tidied(text))):
            return None
        names = self._names(self._quoting, text)
        for other in self._delimiters if not self._names_ours(names) else "":
            if other != self.layout.delimiter and self._names_ours(found := self._names(Quoting(other), text)):
                self._use(other)
                names = found
                break
        if not self._names_ours(names):
            return None
        return None if not first and any(_NUMBER.fullmatch(n) or canonical_address(n) for n in names) else names

    def _names_ours(self, names: Sequence[str]) -> bool:
        return len(self._known.intersection(names)) >= 2

    def _names(self, quoting: Quoting, text: str) -> list[str]:
        """The cells of a line as names of columns."""
        return [c.strip(' \t"\ufeff').lower() for c in self._cells(quoting, text) or ()]

    def _cells(self, quoting: Quoting, text: str) -> list[str] | None:
        """The cells of one record; None when its quotes do not stand as they should."""
        return quoting.cells(text) if self.layout.quoted else text.split(quoting.delimiter)

    # Records as fields

    def _records(self, lines: pl.DataFrame, reason: str) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Lines under one header as (records, rejects)."""
        width = len(self.columns or ())
        fault = self._header_fault()
        if fault is not None or reason == "incomplete_last_line":
            return self._each(lines, width, reason, fault)
        if not self._repeated() and (cells := self._cut_alike(lines["text"], width)) is not None:
            return self._named(lines, cells), _none()
        plain = self._plain(lines["text"], width)
        if self.layout.trailing and not plain.all():
            lines = lines.with_columns(text=self._without_trailing(lines["text"], width))
            plain = self._plain(lines["text"], width)
        clean = lines.filter(plain)
        cells = None if self._repeated() else self._cut(clean["text"], width)
        if cells is None:
            return self._each(lines, width, reason, None)
        named = self._named(clean, cells)
        if clean.height == lines.height:
            return named, _none()
        others, rejects = self._each(lines.filter(~plain), width, reason, None)
        return pl.concat([named, others]).sort("source_line"), rejects

    def _plain(self, text: pl.Series, width: int) -> pl.Series:
        """Which records the fast reader may cut."""
        fits = self._cuts(text) + 1 == width
        if not self.layout.quoted:
            return fits
        return fits & self._quoting.plain(text) & ~text.str.contains("\n", literal=True)

    def _cuts(self, text: pl.Series) -> pl.Series:
        """At how many places each record would be cut, were it plain."""
        return (
            self._quoting.cuts(text)
            if self.layout.quoted
            else text.str.count_matches(self.layout.delimiter, literal=True)
        )

    def _without_trailing(self, text: pl.Series, width: int) -> pl.Series:
        """Lines without the one empty cell that they have more than the header."""
        longer = self._cuts(text) == width
        if self.layout.quoted:
            longer &= self._quoting.plain(text)
        shorter = text.str.replace(rf"{re.escape(self.layout.delimiter)}\s*$", "")
        return text.zip_with(~longer, shorter)

    def _each(
        self, lines: pl.DataFrame, width: int, reason: str, header: tuple[str, str] | None
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The careful path: every line by itself."""
        rows, bad = list[list[str]](), list[tuple[str, str] | None]()
        for text in lines["text"]:
            found = self._cells(self._quoting, text)
            fault = header or self._fault(found, width, reason) or self._cut_short(text, found, reason)
            bad.append(fault)
            if fault is None and found is not None:
                rows.append([_only(cell) if "\n" in cell else cell for cell in found[:width]])
        good = pl.Series([b is None for b in bad], dtype=pl.Boolean)
        schema = {f"c{i}": pl.String for i in range(width)}
        cells = pl.DataFrame(rows, schema=schema, orient="row") if rows else pl.DataFrame(schema=schema)
        lost = lines.filter(~good)
        reasons, details = (pl.Series([b[i] for b in bad if b], dtype=pl.String) for i in (0, 1))
        return self._named(lines.filter(good), _stripped(cells)), rejects_frame(
            lost["source_line"], reasons, details, lost["raw"]
        )

    def _header_fault(self) -> tuple[str, str] | None:
        """Why no line can be read under the header in force: (reason, detail)."""
        if self.columns is None:
            return "no_header", self.layout.absent
        has = frozenset(n for n, spellings in self.layout.aliases.items() if set(spellings) & set(self.columns))
        lacking = self.layout.lacks(has) if self.layout.lacks is not None else ""
        return ("missing_fields", f"the header lacks {lacking}") if lacking else None

    def _fault(self, cells: list[str] | None, width: int, reason: str) -> tuple[str, str] | None:
        """What is wrong with a line: (reason, detail)."""
        last = reason == "incomplete_last_line"
        if cells is None:
            return reason, "a quote that does not close"
        if len(cells) < width:
            return (reason if last else "too_few_fields"), f"{len(cells)} of {width}"
        if len(cells) > width and not (self.layout.trailing and not any(c.strip() for c in cells[width:])):
            return "too_many_fields", f"{len(cells)} of {width}"
        return self._contradiction(cells)

    def _repeated(self) -> dict[str, list[int]]:
        """Columns in use that the header names more than once, as a join of two tables does: where they stand."""
        columns = self.columns or []
        return {c: at for c in self._known.intersection(columns) if len(at := _positions(columns, c)) > 1}

    def _contradiction(self, cells: Sequence[str]) -> tuple[str, str] | None:
        """Whether cells of one name say different things: (reason, detail)."""
        for name, at in self._repeated().items():
            said = dict.fromkeys(value for i in at if (value := cells[i].strip()) not in ("", *self.layout.unset))
            if len(said) > 1:
                return "bad_line", f"the header names {name} {len(at)} times, and the line says {' and '.join(said)}"
        return None

    def _cut_short(self, text: str, cells: list[str] | None, reason: str) -> tuple[str, str] | None:
        """Whether the last line of a file may have lost the end of a value: a cut number still looks like one."""
        if reason != "incomplete_last_line" or not cells or (self.columns or [""])[-1] not in self._known:
            return None
        whole = self.layout.whole is not None and self.layout.whole.fullmatch(cells[-1].strip())
        if whole or (self.layout.quoted and text.endswith('"')) or len(cells) > len(self.columns or ()):
            return None
        return reason, "the file ends inside this line"

    def _cut_alike(self, text: pl.Series, width: int) -> pl.DataFrame | None:
        """Lines without quotes that all have as many cells as there are columns, cut; None where they may have others.

        They have no more cells on the whole, and none of them has fewer, as each has a last one.
        """
        if width < 2 or text.is_empty() or not self._used():
            return None
        data: bytes = text.str.join("\n").cast(pl.Binary).item()
        if data.count(self.layout.delimiter.encode()) != len(text) * (width - 1):
            return None
        if self.layout.quoted and b'"' in data:
            return None
        found = self._read(data, len(text), width, {*self._used(), width - 1}, quoted=False)
        if found is None or found[f"c{width - 1}"].has_nulls():
            return None
        return _stripped(found, data.replace(b" ", b"") if self.layout.delimiter == " " else data)

    def _cut(self, text: pl.Series, width: int) -> pl.DataFrame | None:
        """Plain lines cut at their delimiters, the cells in use; None when the reader sees other lines than we do."""
        if text.is_empty() or not self._used():
            return pl.DataFrame(schema={f"c{i}": pl.String for i in range(width)})
        quoted = self.layout.quoted and bool(text.str.contains('"', literal=True).any())
        data: bytes = text.str.join("\n").cast(pl.Binary).item()
        found = self._read(data, len(text), width, self._used(), quoted=quoted)
        return None if found is None else _stripped(found, data)

    def _used(self) -> list[int]:
        """The columns in use."""
        return [i for i, name in enumerate(self.columns or ()) if name in self._known]

    def _read(
        self, data: bytes, height: int, width: int, used: Collection[int], *, quoted: bool
    ) -> pl.DataFrame | None:
        """Columns of `height` lines; None when the reader sees another number."""
        try:
            found = pl.read_csv(
                io.BytesIO(data + b"\n"),
                has_header=False,
                separator=self.layout.delimiter,
                quote_char='"' if quoted else None,
                schema={f"c{i}": pl.String for i in range(width)},
                columns=sorted(used),
            )
        except pl.exceptions.PolarsError:
            return None
        return found if found.height == height else None

    def _named(self, lines: pl.DataFrame, cells: pl.DataFrame) -> pl.DataFrame:
        """Cells as fields; of a column's spellings, and of those given twice, the first with a value counts."""
        fields = pl.DataFrame(schema=dict.fromkeys(self.layout.aliases, pl.String))
        if cells.width and cells.height:
            aliases = tuple((name, tuple(spellings)) for name, spellings in self.layout.aliases.items())
            fields = cells.select(_picked(aliases, tuple(self.columns or ()), ("", *self.layout.unset)))
        if not cells.height and lines.height:  # No column is in use.
            fields = lines.select(pl.lit(None, pl.String).alias(n) for n in self.layout.aliases)
        return pl.concat([lines.select("source_line", "raw"), fields], how="horizontal")


def _stripped(cells: pl.DataFrame, data: bytes | None = None) -> pl.DataFrame:
    """Cells without blanks around them, of which there are none where the bytes that they were cut from have none."""
    if data is not None and data.isascii() and not any(blank in data for blank in _BLANKS):
        return cells
    return cells.select(pl.all().str.strip_chars())


# Made once for a header: making so many expressions costs as much as reading some thousand records.
@lru_cache(maxsize=256)
def _picked(
    aliases: tuple[tuple[str, tuple[str, ...]], ...], columns: tuple[str, ...], marks: tuple[str, ...]
) -> list[pl.Expr]:
    """Our fields from the cells c0, c1 and so on; marks are those without a value."""
    picked = []
    for name, spellings in aliases:
        there = [pl.col(f"c{i}") for s in spellings if s in columns for i in _positions(columns, s)]
        filled = [pl.when(~c.is_in(marks)).then(c) for c in there]
        picked.append((pl.coalesce(filled) if filled else pl.lit(None, pl.String)).alias(name))
    return picked


def _positions(columns: Sequence[str], name: str) -> list[int]:
    return [i for i, column in enumerate(columns) if column == name]


def _only(cell: str) -> str:
    """The value that a cell gives a line each, again and again, as Splunk writes a field with several values."""
    values = {value.strip() for value in cell.splitlines()}
    return values.pop() if len(values) == 1 else cell


def _with_joined(lines: pl.DataFrame, walk: _Walk) -> pl.DataFrame:
    """Lines with continued ones taken into the line that began their record."""
    if not walk.joined:
        return lines
    whole = pl.DataFrame(
        {"index": list(walk.joined), "whole": list(walk.joined.values())},
        schema={"index": lines.schema["index"], "whole": pl.String},
    )
    gone = pl.Series(walk.continued, dtype=lines.schema["index"]).implode()
    lines = lines.filter(~pl.col("index").is_in(gone)).join(whole, on="index", how="left", maintain_order="left")
    return lines.with_columns(pl.coalesce("whole", c).alias(c) for c in ("raw", "text")).drop("whole")


def _none() -> pl.DataFrame:
    return pl.DataFrame(schema=REJECTS)

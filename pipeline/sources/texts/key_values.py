"""Lines of key=value pairs, read from left to right: what stands inside quotes is never taken for a key.

Values or whole pairs may be quoted or not, pairs parted by spaces, tabs or commas. A line whose quotes hold nothing
that looks like a pair is searched as it stands; of any other the doubtful quotes are emptied first. Which keys there
are belongs to the formats.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

_HEAD = r'^(?:[^="]*[ >:])?\x{FEFF}?'
"""What stands before the first key: a priority, a syslog header, and RFC 5424's mark of UTF-8."""
_PLAIN = r'^[^"]*(?:"[^"=\\]*"[^"]*)*$'
"""All quotes close, and none holds an equals sign or an escape."""
_QUOTED = r'"(?:([^"=\\]*)"|(?:[^"\\]|\\.)*")'
_OPENED = r'^([^"]*(?:"[^"=\\]*"[^"]*)*)"[^"]*$'
"""What stands before a quote that does not close."""
_COMMAS = r'^ \w+=(?:"[^"]*"|[^ ",]*),\w+='
_COMMA = r'("[^"]*")|,'
_CELLED = '(?:^|,)"\\w+='
_CELLS = r'^(?:(?:"\w+=(?:[^"]|"")*"|""|\w+=[^",]*|)(?:,|$))+$'
"""Pairs that are cells of CSV, in which a quote is written twice."""
_INNER = r'=""([^"]*)"""(,|$)'
"""A value of such a cell that has quotes of its own around it, to the end of the cell."""
_CELL = r'(?:^|,)"(\w+)=((?:[^"]|"")*)"'


def plain(lines: pl.Series) -> pl.Series:
    """Lines in which ` key=` can only be a key; null where a quote does not close."""
    if lines.str.contains("\t", literal=True).any():
        lines = lines.str.replace_all("\t", " ", literal=True)
    celled = (lines.str.starts_with('"') | lines.str.contains(',"', literal=True)).fill_null(value=False)
    if celled.any():
        cells = lines.str.contains(_CELLED) & lines.str.contains(_CELLS)
        lines = lines.scatter(cells.arg_true(), _uncelled(lines.filter(cells)))
    text = lines.str.replace(_HEAD, " ")
    sure = text.str.contains(_PLAIN)
    if not sure.all():
        emptied = text.filter(~sure).str.replace_all(_QUOTED, '"${1}"')
        emptied = emptied.to_frame("t").select(pl.when(pl.col("t").str.contains(_PLAIN)).then("t")).to_series()
        text = text.to_frame("t").with_row_index().to_series(1).scatter((~sure).arg_true(), emptied)
    commas = text.str.contains(_COMMAS).fill_null(value=False)
    if commas.any():
        text = text.scatter(commas.arg_true(), text.filter(commas).str.replace_all(_COMMA, "${1} "))
    return text


def _uncelled(lines: pl.Series) -> pl.Series:
    """Lines whose pairs are cells, with quotes around the values alone; a quote inside one becomes an apostrophe."""
    bare = lines.str.replace_all(_INNER, '=${1}"${2}').str.replace_all(r'((?:^|,)"\w+=)""([^",])', "${1}'${2}")
    doubled = bare.str.replace_all(r'([^,=])""', "${1}'")
    return doubled.str.replace_all(_CELL, ' ${1}="${2}"')


def with_kind(frame: pl.DataFrame, key: str) -> pl.DataFrame:
    """Plain lines (`raw`, `text`) with the value of a key as `kind`; of one that was cut, what tells it before that."""
    frame = frame.with_columns(value("text", key).alias("kind"))
    cut = frame["text"].is_null()
    if not cut.any():
        return frame
    whole = frame["raw"].filter(cut).str.replace_all("\t", " ", literal=True).str.replace(_HEAD, " ")
    before = whole.str.replace_all(_QUOTED, '"${1}"').str.extract(_OPENED, 1)
    kinds = before.to_frame("before").select(value("before", key)).to_series()
    return frame.with_columns(frame["kind"].scatter(cut.arg_true(), kinds))


def value(column: str, key: str) -> pl.Expr:
    """The first value of a key in plain lines, without its quotes; null where the key is absent or has none."""
    return pl.col(column).str.extract(f' {key}=("[^"]+"|[^ "][^ ]*)').str.strip_chars('"').alias(key)


def values(frame: pl.DataFrame, column: str, keys: Sequence[str]) -> pl.DataFrame:
    """The frame of plain lines with one more text column a key; a key that no line has costs next to nothing."""
    there = {key: frame[column].str.contains(f" {key}=", literal=True).any() for key in keys}
    return frame.with_columns(value(column, k) if there[k] else pl.lit(None, pl.String).alias(k) for k in keys)


def repeated(column: str, key: str) -> pl.Expr:
    """Whether a key stands in a plain line more than once."""
    return pl.col(column).str.count_matches(f" {re.escape(key)}=") > 1  # As a literal it costs thrice as much.

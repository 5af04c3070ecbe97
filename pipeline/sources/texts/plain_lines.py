"""The lines of a block as they stand, with their numbers, and without what only ends or pads them.

What lines say belongs to the readers; lines that are told or put by at a glance are in `numbered`.
"""

from __future__ import annotations

import io
from functools import lru_cache

import polars as pl

from pipeline.sources.base import Account, Block, looks_compressed
from pipeline.sources.texts import json_text

_ESCAPED = ("#000", "#012", "#015")
"""A NUL or a line end as rsyslog writes control characters: # and three octal digits."""
_ESCAPED_END = r"[ \t]*(?:#(?:000|012|015))+$"
_FEW = 1 << 16
"""Bytes up to which lines are cut here, as to have them cut costs half a millisecond whatever they are."""


def whole_lines(block: Block, *, json: bool = False) -> pl.DataFrame:
    """The block's lines (source_line, raw) as they stand; bytes that are not UTF-8 are written as escapes.

    In JSON such an escape would spoil the line: there U+FFFD stands for them.
    """
    raw = _split(json_text.plain(block.data) if json else block.data, "replace" if json else "backslashreplace")
    block.counted(len(raw))
    numbers = pl.int_range(block.first_line, block.first_line + len(raw), dtype=pl.Int64, eager=True)
    return pl.DataFrame({"source_line": numbers, "raw": raw})


def bare_lines(lines: pl.DataFrame, *, strip: bool = True) -> tuple[pl.DataFrame, Account]:
    """Lines without carriage returns, and without blanks around them, but for blank ones; and their account so far.

    Some devices end their messages with a NUL or a line end, which a syslog server keeps, or writes as rsyslog does.
    """
    told = lines.with_columns(bare=pl.col("raw").str.strip_chars(" \t\r\0"))
    seen = told.select(_sizes()).row(0, named=True)
    if strip and seen["escaped"]:
        told = told.with_columns(bare=pl.col("bare").str.replace(_ESCAPED_END, ""))
        seen = told.select(_sizes()).row(0, named=True)
    account = Account(lines=lines.height)
    if seen["least"] and (seen["bare"] == seen["raw"] or not (strip or seen["returns"])):
        return lines, account
    account.comments = int((told["bare"] == "").sum())
    text = pl.col("bare") if strip else pl.col("raw").str.strip_chars_end("\r")
    return told.filter(pl.col("bare") != "").select("source_line", raw=text), account


@lru_cache(maxsize=1)
def _sizes() -> list[pl.Expr]:
    """What tells whether all lines are bare already."""
    bare, raw = pl.col("bare"), pl.col("raw")
    return [
        bare.str.len_bytes().min().alias("least"),
        bare.str.len_bytes().sum().alias("bare"),
        raw.str.len_bytes().sum().alias("raw"),
        raw.str.ends_with("\r").any().alias("returns"),
        pl.any_horizontal(bare.str.ends_with(end).any() for end in _ESCAPED).alias("escaped"),
    ]


def _split(data: bytes, errors: str) -> pl.Series:
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n")
    if (len(data) > _FEW or not data) and b"\r" not in data and not looks_compressed(data):
        try:
            return pl.scan_lines(io.BytesIO(data), name="raw").collect()["raw"]
        except pl.exceptions.PolarsError:
            pass
    text = data.decode("utf-8", errors=errors)
    return pl.Series("raw", text.removesuffix("\n").split("\n"), dtype=pl.String)

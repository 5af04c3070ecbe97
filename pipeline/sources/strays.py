"""Lines that say nothing to the reader of their file, and may be its records in another envelope or encoding.

A shipper that is upgraded at noon goes on in the same file with its lines in objects, or without. Here is told which
lines of a block deserve another look; whoever chose the reader takes it, as only that knows all others.
"""

from __future__ import annotations

import polars as pl

from pipeline.sources.base import REJECTS, STRAYS, Account, Parsed
from pipeline.sources.columns import TIMES

_SAYS_NOTHING = {*TIMES, "system", "source_line", "raw", "odd", "beside"}
"""What the envelope of any shipper may tell: when and where, and nothing of a flow."""
_NO_RECORDS = ("bad_json", "bad_line", "too_few_fields", "too_many_fields", "no_header", "incomplete_last_line")
"""Reasons of lines that are none of their file's records as they stand."""


def among_ignored(fields: pl.DataFrame, flows: pl.Series, *, json: bool) -> pl.DataFrame | None:
    """Of decoded records those that are no flows, and in which nothing was found of what the format asks for.

    Of formats whose records are no objects, those that are.
    """
    if "raw" not in fields.columns or fields.height != len(flows):
        return None
    names = [n for n in fields.columns if n not in _SAYS_NOTHING]
    ignored = fields.filter(~flows)
    if ignored.is_empty() or not names:
        return None
    silent = pl.all_horizontal(pl.col(n).is_null() for n in names) if json else pl.col("raw").str.starts_with("{")
    found = ignored.filter(silent, pl.col("raw").is_not_null())
    return found.select("source_line", "raw", reason=pl.lit(None, pl.String)) if found.height else None


def among_broken(lines: pl.DataFrame, broken: pl.DataFrame, *, json: bool) -> pl.DataFrame | None:
    """Of lines (source_line, raw) those that were set aside as no records, whole.

    Args:
        lines: all of them.
        broken: the ones that were set aside (REJECTS).
        json: whether records are objects; of other formats only objects may be theirs in another envelope.
    """
    if broken.is_empty():
        return None
    reasons = broken.filter(pl.col("reason").is_in(_NO_RECORDS)).select("source_line", "reason")
    found = lines.select("source_line", "raw").join(reasons, on="source_line", maintain_order="left")
    found = found if json else found.filter(pl.col("raw").str.starts_with("{"))
    return found if found.height else None


def together(*parts: pl.DataFrame | None) -> pl.DataFrame | None:
    """All of them; None where there are none."""
    found = [p for p in parts if p is not None]
    return pl.concat(found) if found else None


def replaced(parsed: Parsed, strays: pl.DataFrame, more: Parsed) -> Parsed:
    """The result of a block with some of its lines read otherwise.

    Args:
        parsed: of the whole block.
        strays: the lines (STRAYS).
        more: what they are as lines 1, 2 and so on.
    """
    numbers, reasons = strays["source_line"], strays["reason"].drop_nulls()
    account = Account(lines=-strays.height, ignored=-strays["reason"].null_count())
    account.quarantined.subtract(reasons.to_list())
    for part in (parsed.account, more.account):
        account.add(part)
    account.quarantined += type(account.quarantined)()  # Without the reasons that none is left of.
    gone = pl.col("source_line").is_in(numbers.implode()) & pl.col("reason").is_in(reasons.implode())
    return Parsed(
        rows=pl.concat([parsed.rows, _numbered(more.rows, numbers)]).sort("source_line", maintain_order=True),
        rejects=pl.concat([parsed.rejects.filter(~gone), _numbered(more.rejects, numbers)]).select(REJECTS.names()),
        others=together(parsed.others, more.others),
        span=_span(parsed, more),
        account=account,
        strays=None if more.strays is None else _numbered(more.strays, numbers).select(STRAYS.names()),
    )


def _numbered(frame: pl.DataFrame, numbers: pl.Series) -> pl.DataFrame:
    """Rows of lines 1, 2 and so on as those of the lines with these numbers."""
    at = (frame["source_line"] - 1).clip(0, len(numbers) - 1)
    return frame.with_columns(numbers.gather(at).alias("source_line"))


def _span(*parts: Parsed) -> tuple[int, int] | None:
    spans = [p.span for p in parts if p.span]
    return (min(s[0] for s in spans), max(s[1] for s in spans)) if spans else None

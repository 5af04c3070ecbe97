"""Lines from which their file's reader can make nothing, and which may be its records in another envelope or encoding.

A shipper that is upgraded at noon goes on in the same file with its lines in objects, or without. This module finds the
lines of a block that deserve another look; that look is taken by whoever chose the reader, as only it knows the others.
"""

from __future__ import annotations

import polars as pl

from pipeline.sources.base import REJECTS, STRAYS, Account, Parsed
from pipeline.sources.columns import TIMES

_OBJECT = '{"'
"""How an object begins as shippers write it."""
_SAYS_NOTHING = {*TIMES, "system", "source_line", "raw", "odd", "beside"}
"""What the envelope of any shipper may tell: when and where, and nothing of a flow."""
_SOME = 20
_NO_RECORDS = (
    *("bad_json", "bad_line", "missing_fields", "too_few_fields", "too_many_fields", "no_header"),
    "incomplete_last_line",
)
"""Reasons of lines that are none of their file's records as they stand."""


def among_ignored(decoded: pl.DataFrame, fields: pl.DataFrame, flows: pl.Series, *, json: bool) -> pl.DataFrame | None:
    """Of decoded records those that are no flows, and in which nothing was found of what the format asks for.

    Where there are none such, those without ends: decoders may say something of any record. Of formats whose records
    are no objects, those that hold one.

    Args:
        decoded: the records as their lines told them.
        fields: with all that follows from it.
        flows: which of them are flows.
        json: whether records are objects.
    """
    if "raw" not in decoded.columns or decoded.height != fields.height:
        return None
    wanted = ~flows & decoded["raw"].is_not_null()
    if json:
        ignored = decoded.filter(wanted & fields["src"].is_null() & fields["dest"].is_null())
        names = [n for n in decoded.columns if n not in _SAYS_NOTHING]
        silent = ignored.filter(pl.all_horizontal(pl.col(n).is_null() for n in names))
        found = silent if silent.height else ignored
    else:
        found = decoded.filter(wanted).filter(pl.col("raw").str.contains(_OBJECT, literal=True))
    return found.select("source_line", "raw", reason=pl.lit(None, pl.String)) if found.height else None


def some_ignored(fields: pl.DataFrame, flows: pl.Series) -> pl.Series | None:
    """A few of the lines that are no flows, from all over the block."""
    if "raw" not in fields.columns or flows.all():
        return None
    ignored = fields["raw"].filter(~flows).drop_nulls()
    return ignored.gather_every(max(1, -(-len(ignored) // _SOME)))


def among_broken(lines: pl.DataFrame, broken: pl.DataFrame, *, json: bool) -> pl.DataFrame | None:
    """Of lines (source_line, raw) those that were set aside as no records, whole.

    Args:
        lines: all of them.
        broken: the ones that were set aside (REJECTS).
        json: whether records are objects; of other formats only what holds one may be theirs in another envelope.
    """
    if broken.is_empty():
        return None
    reasons = broken.filter(pl.col("reason").is_in(_NO_RECORDS)).select("source_line", "reason")
    found = lines.select("source_line", "raw").join(reasons, on="source_line", maintain_order="left")
    found = found if json else found.filter(pl.col("raw").str.contains(_OBJECT, literal=True))
    return found if found.height else None


def together(*parts: pl.DataFrame | None) -> pl.DataFrame | None:
    """All of them; None where there are none."""
    found = [p for p in parts if p is not None]
    return pl.concat(found) if found else None


def replaced(parsed: Parsed, strays: pl.DataFrame, more: Parsed) -> Parsed:
    """The result of a block with some of its lines read in another way; lines that yield nothing there either stay.

    Args:
        parsed: of the whole block.
        strays: the lines (STRAYS), all of those of the block or some.
        more: what they are as lines 1, 2 and so on.
    """
    numbers, left = strays["source_line"], pl.DataFrame(schema=STRAYS) if more.strays is None else more.strays
    again = strays.filter(numbers.is_in(numbers.gather(left["source_line"] - 1).implode()))
    account, rejects = Account(), pl.concat([_without(parsed.rejects, strays), _kept(parsed.rejects, again)])
    account.add(parsed.account)
    account.add(more.account)
    for some in (strays, left):
        _discount(account, some)
    _discount(account, again, by=1)
    told = _numbered(_without(more.rejects, left), numbers)
    return Parsed(
        rows=pl.concat([parsed.rows, _numbered(more.rows, numbers)]).sort("source_line", maintain_order=True),
        rejects=pl.concat([rejects, told]).select(REJECTS.names()).sort("source_line", maintain_order=True),
        others=together(parsed.others, more.others),
        span=_span(parsed, more),
        account=account,
        strays=together(_others(parsed.strays, strays), again if again.height else None),
        ignored=parsed.ignored,
    )


def without(parsed: Parsed, waiting: pl.DataFrame) -> Parsed:
    """The result of a block without some strays that were set aside: they wait, and are lines of it all the same."""
    for reason in waiting["reason"].to_list():
        parsed.account.quarantined[reason] -= 1
    parsed.account.quarantined = +parsed.account.quarantined
    parsed.rejects = _without(parsed.rejects, waiting)
    parsed.strays = _others(parsed.strays, waiting)
    return parsed


def _others(strays: pl.DataFrame | None, some: pl.DataFrame) -> pl.DataFrame | None:
    """Strays without some of them; None where none is left."""
    left = None if strays is None else strays.join(some, on="source_line", how="anti", maintain_order="left")
    return left if left is not None and left.height else None


def _discount(account: Account, strays: pl.DataFrame, by: int = -1) -> None:
    """Take the lines out of an account, or into it."""
    account.lines += by * strays.height
    account.ignored += by * strays["reason"].null_count()
    for reason in strays["reason"].drop_nulls().to_list():
        account.quarantined[reason] += by
    account.quarantined = +account.quarantined  # Without the reasons that none is left of.


def _kept(rejects: pl.DataFrame, strays: pl.DataFrame) -> pl.DataFrame:
    return rejects.join(strays, on=["source_line", "reason"], how="semi", maintain_order="left")


def _without(rejects: pl.DataFrame, strays: pl.DataFrame) -> pl.DataFrame:
    return rejects.join(strays, on=["source_line", "reason"], how="anti", maintain_order="left")


def _numbered(frame: pl.DataFrame, numbers: pl.Series) -> pl.DataFrame:
    """Rows of lines 1, 2 and so on as those of the lines with these numbers."""
    at = (frame["source_line"] - 1).clip(0, len(numbers) - 1)
    return frame.with_columns(numbers.gather(at).alias("source_line"))


def _span(*parts: Parsed) -> tuple[int, int] | None:
    spans = [p.span for p in parts if p.span]
    return (min(s[0] for s in spans), max(s[1] for s in spans)) if spans else None

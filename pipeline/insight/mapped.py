"""Whether a table of the user's own has the columns that its source's fields name, told from its beginning.

Reading it tells that, too, but for JSON, whose records may lack a key: a name that is spelled wrongly is then a count
of bytes that no record knows. Which mappings are allowed is checked in `pipeline.mapping`.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from pipeline.errors import SourceError
from pipeline.mapping import COUNTERS, REQUIRED, ColumnMapping
from pipeline.sources import reader_of
from pipeline.sources.base import Block, ReadOptions
from pipeline.sources.fields import MAX_FIELDS, MAX_NAME, layout_of
from pipeline.sources.tables import TableReader

_NEEDED = (*REQUIRED, *COUNTERS)


def lacking(path: Path, name: str, encoding: str, head: bytes, options: ReadOptions) -> str | None:
    """What a file lacks of what its source maps, in words; None where it lacks nothing or is no table of such a source.

    Args:
        path: where the file is.
        name: the file's name in messages.
        encoding: what it is.
        head: its first bytes; empty where it is Parquet.
        options: those of its source.
    """
    if options.mapping is None:
        return None
    if encoding == "table_parquet":
        try:
            TableReader(encoding, options).locate(path, name)
        except SourceError as error:
            return error.message
        return None
    absent = _keys(head, options.mapping) if encoding == "table_json" else _columns(head, encoding, options)
    return f"{name}: {absent}. Correct the source's fields." if absent else None


def _keys(head: bytes, mapping: ColumnMapping) -> str | None:
    """Which keys that a flow needs no record has, where the first records have others of them, or all in other case."""
    found = layout_of(head, {}).fields
    needed = {f"{key} ({field})": key[:MAX_NAME] in found for field, key in mapping.fields if field in _NEEDED}
    if len(found) >= MAX_FIELDS or all(needed.values()):
        return None
    if not any(needed.values()):  # Records of another kind may come first.
        written = {name.lower(): name for name in found}
        cased = {key: written.get(key.lower()) for field, key in mapping.fields if field in _NEEDED}
        if not all(cased.values()):
            return None
        names = ", ".join(f"{name} for {key}" for key, name in cased.items())
        return f"its records have {names}, and keys of JSON are read as they are written"
    return f"none of its first records has {', '.join(text for text, known in needed.items() if not known)}"


def _columns(head: bytes, encoding: str, options: ReadOptions) -> str | None:
    """What the reader says of a header that lacks columns, or of lines without one."""
    lines = head[: head.rfind(b"\n") + 1] or head
    rejects = reader_of(encoding)(options).read(Block(lines, 1, lines.count(b"\n"))).rejects
    told = rejects.filter(pl.col("reason").is_in(["missing_fields", "no_header"]))["detail"]
    return told[-1] if len(told) else None

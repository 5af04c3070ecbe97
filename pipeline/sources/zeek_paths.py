"""Which of Zeek's logs is the connection log, by its path, columns and values.

What its columns mean is in `zeek_columns`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from pipeline.sources.zeek_columns import BY_SPELLING, BYTE_COUNTERS

CONN_PATHS = ("conn", "conn_red", "conn_long", "open_conn")
SUMS_PATH = "conn_agg"
"""Corelight's log of several connections a record."""
WARNING = "no_byte_columns"
"""What is said of flows of a log in which no column counts bytes."""
_SPLIT = "conn-"
"""How the parts begin that Zeek's manual divides the log into."""
_KIN = r"(?:^|[^A-Za-z])conn(?:[^A-Za-z]|$)"
"""The names that sites give to conn logs of their own filters: conn_mail, mail_conn, /data/logs/conn, conn.log."""


def is_conn(path: str, fields: Sequence[str]) -> bool:
    """Whether a log of this type (Zeek's #path or _path) and these columns is the connection log or its kin.

    Of names that are not Zeek's the columns tell, too: no other log has a connection's state and bytes.
    """
    named = {BY_SPELLING.get(f) for f in fields}
    shown = "conn_state" in named and not named.isdisjoint(BYTE_COUNTERS)
    kin = path != SUMS_PATH and shown and re.search(_KIN, path) is not None
    return path in CONN_PATHS or path.startswith(_SPLIT) or kin


def uncounted(fields: Sequence[str], flows: int) -> dict[str, int]:
    """What is odd about flows of a log with these columns: that none of them counts bytes, so that they are unknown."""
    named = {BY_SPELLING.get(f) for f in fields}
    return {WARNING: flows} if flows and named.isdisjoint(BYTE_COUNTERS) else {}


def is_conn_expr() -> pl.Expr:
    """The same of a record's path and values; without a path, a state or a counter tells."""
    path, counted = pl.col("path"), pl.any_horizontal(pl.col(c).is_not_null() for c in BYTE_COUNTERS)
    state = pl.col("conn_state").is_not_null()
    kin = path.str.contains(_KIN) & (path != SUMS_PATH) & state & counted
    named = path.is_in(CONN_PATHS) | path.str.starts_with(_SPLIT)
    return pl.when(path.is_null()).then(state | counted).otherwise(named | kin)

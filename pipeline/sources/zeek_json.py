"""Reader of Zeek's JSON conn records: one object a line, or one array for the whole file.

Streams that mix log types are split by `_path`; a line that is not one JSON object is set aside alone. How JSON becomes
text is in `json_lines`; values and addresses are judged in `zeek_columns`.
"""

from __future__ import annotations

import polars as pl

from pipeline.sources import json_lines
from pipeline.sources import zeek_columns as zeek
from pipeline.sources.base import Account, Parsed, merge
from pipeline.sources.records import JsonReader

_CONN_MARKS = ("conn_state", "orig_ip_bytes", "resp_ip_bytes", "orig_bytes", "resp_bytes")


class ZeekJsonReader(JsonReader):
    """Reads the blocks of one file of Zeek JSON."""

    format = "zeek"

    def _read(self, lines: pl.DataFrame, account: Account, reason: str) -> Parsed:
        if lines.is_empty():
            return merge([Parsed(account=account)])
        fields, broken = json_lines.decode(lines, zeek.ALIASES, reason)
        account.quarantined.update(broken["reason"].to_list())
        conn, ignored = _conn_records(fields)
        account.ignored = ignored
        typed, unreadable = zeek.read_text(conn, self._options)
        account.quarantined.update(unreadable["reason"].to_list())
        parsed = Parsed(account=account, rejects=pl.concat([broken, unreadable]))
        self._settle(parsed, typed, lambda kept: zeek.to_raw(kept, self._options, interim=False))
        return parsed


def _conn_records(fields: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Records of the connection log, and the number of other records.

    A type that is named decides; without one, a record is a connection when it has a state or byte counters.
    """
    marked = pl.any_horizontal(pl.col(c).is_not_null() for c in _CONN_MARKS)
    conn = pl.when(pl.col("path").is_not_null()).then(zeek.is_conn_path_expr("path")).otherwise(marked)
    kept = fields.filter(conn)
    return kept, fields.height - kept.height

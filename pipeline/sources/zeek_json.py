"""Reader of Zeek's JSON conn records: one object a line, or one array for the whole file.

Streams that mix log types are split by `_path`; a line that is not one JSON object is set aside alone. Polars decodes
clean blocks and Python any other, to the same text. Values and addresses are judged in `zeek_columns`.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import polars as pl

from pipeline.sources import zeek_columns as zeek
from pipeline.sources.base import Account, Block, Parsed, ReadOptions, cut, merge, rejects_frame

_SPELLINGS = tuple(zeek.BY_SPELLING)
_FLAT: dict[str, pl.DataType] = {s: pl.String() for s in _SPELLINGS}
_ENDS = ("orig_h", "orig_p", "resp_h", "resp_p")
_NESTED = _FLAT | {"id": pl.Struct({end: pl.String() for end in _ENDS})}
_HAS_NESTED = r'"id"\s*:\s*\{'
"""Some shippers unfold the dotted keys id.orig_h, .. into an object of its own."""
_SURROGATE = r"\\u[dD][89a-fA-F]"
"""Polars takes half of a surrogate pair for a NUL."""
_CONN_MARKS = ("conn_state", "orig_ip_bytes", "resp_ip_bytes", "orig_bytes", "resp_bytes")


class ZeekJsonReader:
    """Reads the blocks of one file of Zeek JSON."""

    format = "zeek"

    def __init__(self, options: ReadOptions) -> None:
        self._options = options

    def state(self) -> dict[str, Any]:
        """JSON lines carry everything themselves."""
        return {}

    def resume(self, state: dict[str, Any]) -> None:
        """Nothing to take up."""

    def read(self, block: Block) -> Parsed:
        """Read one block of lines."""
        text = block.data.decode("utf-8", errors="backslashreplace")
        lines = pl.DataFrame({"raw": text.removesuffix("\n").split("\n")}, schema={"raw": pl.String})
        lines = lines.with_row_index("source_line", block.first_line).with_columns(
            pl.col("source_line").cast(pl.Int64), pl.col("raw").str.strip_chars(" \t\r")
        )
        account = Account(lines=block.lines)
        account.comments = lines.filter(pl.col("raw") == "").height
        lines = lines.filter(pl.col("raw") != "")
        return self._read(lines, account, "incomplete_last_line" if block.unterminated else "bad_json")

    def read_array(self, data: bytes) -> Parsed:
        """A file that is one JSON array of records; the record's number stands for its line."""
        records = json.loads(data.decode("utf-8", errors="replace"), object_pairs_hook=_first_wins)
        raw = [json.dumps(r, separators=(",", ":")) for r in records]
        lines = pl.DataFrame(
            {"source_line": range(1, len(raw) + 1), "raw": raw}, schema={"source_line": pl.Int64, "raw": pl.String}
        )
        return self._read(lines, Account(lines=len(raw)), "bad_json")

    def _read(self, lines: pl.DataFrame, account: Account, reason: str) -> Parsed:
        if lines.is_empty():
            return merge([Parsed(account=account)])
        fields, broken = _decode(lines, reason)
        account.quarantined.update(broken["reason"].to_list())
        conn, ignored = _conn_records(fields)
        account.ignored = ignored
        typed, unreadable = zeek.read_text(conn, self._options)
        account.quarantined.update(unreadable["reason"].to_list())
        parsed = Parsed(account=account, rejects=pl.concat([broken, unreadable]))
        if typed.height:
            first, last = typed.select(pl.col("ts").min().alias("a"), pl.col("ts").max().alias("b")).row(0)
            parsed.span = (first, last) if first is not None else None
            kept, others = zeek.select_watched(typed, self._options)
            parsed.rows = zeek.to_raw(kept, self._options, interim=False)
            parsed.others = zeek.mail_port_others(others)
            account.flows, account.others = kept.height, others.height
            account.warnings.update(zeek.odd_flows(kept))
        return parsed


def _decode(lines: pl.DataFrame, reason: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Lines as text columns named as in ALIASES, and the lines that are not one JSON object."""
    found = _decode_block(lines["raw"])
    if found is None:
        return _decode_each(lines, reason)
    return _named(pl.concat([lines, found], how="horizontal")), rejects_frame(*_nothing())


def _decode_block(raw: pl.Series) -> pl.DataFrame | None:
    """All lines at once, one column a spelling; None when any is not plainly an object of plain values."""
    if not (raw.str.starts_with("{") & raw.str.ends_with("}")).all() or raw.str.contains(_SURROGATE).any():
        return None
    nested = raw.str.contains(_HAS_NESTED).any()
    try:
        decoded = raw.str.json_decode(pl.Struct(_NESTED if nested else _FLAT))
    except pl.exceptions.PolarsError:
        return None
    if decoded.null_count() or len(decoded) != len(raw):
        return None
    frame = decoded.struct.unnest()
    if not nested:
        return frame
    ends = [pl.coalesce(f"id.{end}", pl.col("id").struct.field(end)).alias(f"id.{end}") for end in _ENDS]
    return frame.with_columns(ends).drop("id")


def _decode_each(lines: pl.DataFrame, reason: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The careful path: every line by itself, values as the text that the fast path would give."""
    good: dict[str, list[Any]] = {name: [] for name in ("source_line", "raw", *_SPELLINGS)}
    bad: list[tuple[int, str, str]] = []
    for line, raw in lines.select("source_line", "raw").iter_rows():
        try:
            values = _object(raw)
        except (ValueError, RecursionError) as error:
            bad.append((line, cut(str(error)), raw))
            continue
        good["source_line"].append(line)
        good["raw"].append(raw)
        for spelling in _SPELLINGS:
            good[spelling].append(values.get(spelling))
    frame = pl.DataFrame(
        good, schema={"source_line": pl.Int64, "raw": pl.String, **dict.fromkeys(_SPELLINGS, pl.String)}
    )
    columns = list(zip(*bad, strict=True)) if bad else [(), (), ()]
    rejects = rejects_frame(
        pl.Series(columns[0], dtype=pl.Int64),
        pl.Series([reason] * len(bad), dtype=pl.String),
        pl.Series(columns[1], dtype=pl.String),
        pl.Series(columns[2], dtype=pl.String),
    )
    return _named(frame), rejects


def _object(raw: str) -> dict[str, str | None]:
    """A line's known fields as text; raises ValueError when the line is not one JSON object."""
    record = json.loads(raw, object_pairs_hook=_first_wins, parse_constant=_refuse, parse_float=_real, parse_int=_whole)
    if not isinstance(record, dict):
        raise ValueError("not an object")
    ends = record.get("id")
    if isinstance(ends, dict):
        for end in _ENDS:
            if record.get(f"id.{end}") is None:
                record[f"id.{end}"] = ends.get(end)
    return {name: _text(record[name]) for name in _SPELLINGS if name in record}


def _first_wins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of a key given twice the first value counts."""
    return dict(reversed(pairs))


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _real(text: str) -> str:
    """A number as Polars writes it: never with an exponent, whole numbers without a point."""
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"{text} is too large a number")
    return f"{Decimal(repr(value)):f}".removesuffix(".0")


def _whole(text: str) -> str:
    """An integer as it stands."""
    return str(int(text))


def _text(value: Any) -> str | None:
    """A JSON value as text; lists and objects stay JSON, so that they are refused as numbers, not as a line."""
    if isinstance(value, str):
        value.encode()  # Half a surrogate pair is no text: a ValueError.
        return value
    return None if value is None else json.dumps(value)


def _named(frame: pl.DataFrame) -> pl.DataFrame:
    """One column a field: the first spelling that has a value."""
    return frame.select(
        "source_line", "raw", *(pl.coalesce(*spellings).alias(name) for name, spellings in zeek.ALIASES.items())
    )


def _conn_records(fields: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Records of the connection log, and the number of other records.

    A type that is named decides; without one, a record is a connection when it has a state or byte counters.
    """
    marked = pl.any_horizontal(pl.col(c).is_not_null() for c in _CONN_MARKS)
    conn = pl.when(pl.col("path").is_not_null()).then(zeek.is_conn_path_expr("path")).otherwise(marked)
    kept = fields.filter(conn)
    return kept, fields.height - kept.height


def _nothing() -> tuple[pl.Series, pl.Series, pl.Series, pl.Series]:
    return (
        pl.Series([], dtype=pl.Int64),
        pl.Series([], dtype=pl.String),
        pl.Series([], dtype=pl.String),
        pl.Series([], dtype=pl.String),
    )

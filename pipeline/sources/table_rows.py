"""Parquet of any format that is JSON elsewhere, or whose column holds a shipper's lines: each row as one line of JSON.

The few formats that are read from columns without that detour, and what is wrong with a file that is of none, are in
`tables`. Row numbers stand for lines; a file is read whole, never gone on with.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from pipeline.addresses import canonical_address
from pipeline.errors import SourceError
from pipeline.sources import columns, reader_of, registry, tables
from pipeline.sources.base import Block, Parsed, PatientReader, Reader, ReadOptions
from pipeline.sources.parquet_schema import in_utc
from pipeline.sources.texts import packed
from pipeline.sources.wrappings.envelope import SIGN

ROWS = 50_000
"""Rows that are lines at once."""
_SURE, _LOOKED_AT = 3, 200
"""Rows that show most files whose columns are read, at a tenth of the cost; rows that must show what any other is."""
_TYPED = frozenset(("zeek_json", "vpc_json", "ocsf", "suricata", "ecs", "cim_json", "gcp"))
"""What is read from its columns, or refused with what they lack."""
_PAIR = {"key", "value"}
_ENCODER = msgspec.json.Encoder(enc_hook=str, decimal_format="number")


def table_encoding(path: Path, wanted: str, name: str) -> str:
    """The encoding of a Parquet file by what its rows are as JSON, or by the names of its columns.

    Args and what it raises: see `tables.table_encoding`.
    """
    found = _encoding_of_rows(path, wanted, name)
    if found is not None and SIGN not in found:
        return found
    try:
        return tables.table_encoding(path, wanted, name)
    except SourceError:
        if found is None:
            raise
        return found


def table_reader(encoding: str, options: ReadOptions) -> tables.TableReader | RowReader:
    """The reader of a file of an encoding that `table_encoding` gave."""
    return tables.TableReader(encoding, options) if encoding in tables.FORMS else RowReader(encoding, options)


def _encoding_of_rows(path: Path, wanted: str, name: str) -> str | None:
    """What the first rows are as lines of JSON; None where they are nothing, or what columns show."""
    if wanted == "table":
        return None
    found = None
    for most in (_SURE, _LOOKED_AT):
        try:
            head = _lines(path, name, 0, most, frozenset())
        except SourceError:
            return None
        found = registry.another_form(head.decode().splitlines(), wanted)
        if found in _TYPED:
            return None
    return found


class RowReader:
    """Reads one Parquet file with the reader of an encoding of JSON."""

    def __init__(self, encoding: str, options: ReadOptions) -> None:
        self._reader: Reader = reader_of(encoding)(options)
        self.format = self._reader.format

    def read_table(self, path: Path, name: str | None = None) -> Iterator[Parsed]:
        """The file's rows, a batch at a time; every row is accounted for. Raises SourceError for a damaged file."""
        name = path.name if name is None else name
        reader, height, utc = self._reader, tables.height_of(path, name), in_utc(path)
        for first in range(0, height, ROWS):
            block = Block(_lines(path, name, first, ROWS, utc), first + 1, min(ROWS, height - first))
            yield from reader.read_on(block) if isinstance(reader, PatientReader) else [reader.read(block)]
        yield from reader.settle() if isinstance(reader, PatientReader) else []
        yield reader.finish()


def _lines(path: Path, name: str, first: int, most: int, utc: Collection[tuple[str, ...]]) -> bytes:
    rows = tables.rows_of(path, name, first, most)
    lines: bytes = tables.guarded(lambda: lines_of(rows, utc), name)
    return lines


def lines_of(rows: pl.DataFrame, utc: Collection[tuple[str, ...]] = ()) -> bytes:
    """Rows as lines of JSON, without the values that they lack.

    Args:
        rows: some of a file's.
        utc: the paths of columns whose times are of UTC, though they have no zone.
    """
    ends = {n: _unpacked(rows[n]) for n, d in rows.schema.items() if d == pl.Binary and _holds_packed(rows[n])}
    plain = columns.with_times_as_text(rows.with_columns(**ends) if ends else rows, utc)
    return b"".join(_ENCODER.encode(_told(row)) + b"\n" for row in plain.iter_rows(named=True))


def _holds_packed(values: pl.Series) -> bool:
    """Whether a column packs addresses: some of them are no text, though the bytes of others may look like one."""
    return any(len(v) in packed.SIZES and packed.printed(v) is None for v in values.drop_nulls())


def _unpacked(values: pl.Series) -> pl.Series:
    """Such a column as text; addresses in it that are text already stay."""
    return pl.Series(values.name, [None if v is None else _address(v) for v in values], dtype=pl.String)


def _address(value: bytes) -> str:
    text = packed.printed(value)
    if len(value) not in packed.SIZES or (text is not None and canonical_address(text) is not None):
        return _text(value)
    return packed.address(value)


def _told(value: Any) -> Any:
    """A value as JSON has it: a map is an object, packed addresses and other bytes are text."""
    if isinstance(value, Mapping):
        return {key: _told(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        if value and all(isinstance(pair, dict) and pair.keys() == _PAIR for pair in value):
            return {str(pair["key"]): _told(pair["value"]) for pair in value if pair["value"] is not None}
        return [_told(inner) for inner in value]
    return _text(value) if isinstance(value, bytes) else value


def _text(value: bytes) -> str:
    """Bytes as text, others as hexadecimal digits."""
    text = packed.told(value)
    return value.hex() if text is None else text

"""Avro's container files as lines of JSON, one a record: a stream, as of a compressed file.

Azure's event hubs capture what they are sent so, and Kafka Connect, BigQuery and Spark write it. Apache's own library
reads them, within its limits for hostile files (decision 18). The values of a union stand without the names of their
branches; times are ISO 8601, other bytes than text are Base64. What the records mean belongs to the readers of JSON.
"""

from __future__ import annotations

import datetime as dt
import decimal
import io
import itertools
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

import msgspec
from avro import schema as schemas
from avro.codecs import KNOWN_CODECS
from avro.datafile import CODEC_KEY, SCHEMA_KEY, DataFileReader
from avro.errors import AvroException, IgnoredLogicalType
from avro.io import BinaryDecoder, DatumReader

from pipeline.errors import Location, SourceError
from pipeline.sources.texts import packed

_PIECE = 1 << 20
"""Bytes of lines that are made at once, whatever a block holds."""
_VALUES = 1_000_000
"""Values that a record may have; each may take 100 bytes of memory."""
_LONGEST = 16
"""Bytes that a decimal may have, and digits behind its point."""
_LOCAL = {"local-timestamp-millis": 10**3, "local-timestamp-micros": 10**6, "local-timestamp-nanos": 10**9}
"""Times without a zone, which the library takes for numbers -> units a second."""
_ENCODER = msgspec.json.Encoder(decimal_format="number")


def open_container(path: Path) -> IO[bytes]:
    """The file's records as lines of JSON.

    Raises:
        SourceError: here where its header cannot be read; OSError while reading where it is broken or cut.
    """
    return cast("IO[bytes]", io.BufferedReader(_Lines(path.open("rb"), str(path)), 1 << 18))


class _Values(DatumReader):
    """Reads values; a time beyond the years that are written is none, one without a zone is text without one.

    The library bounds the bytes that values take, but few bytes, or none, may hold very many values.
    """

    _made = 0

    def read(self, decoder: BinaryDecoder) -> object:
        """See DatumReader: one record."""
        self._made = 0
        return super().read(decoder)

    def read_data(self, writers_schema: schemas.Schema, readers_schema: schemas.Schema, decoder: BinaryDecoder) -> Any:
        """See DatumReader; the bytes of a number are read before it turns out to be no time."""
        self._made += 1
        if self._made > _VALUES:
            raise AvroException(f"a record of more than {_VALUES:,} values")
        kind = str(writers_schema.get_prop("logicalType"))
        if kind == "decimal" and writers_schema.type in ("bytes", "fixed"):
            size = writers_schema.size if isinstance(writers_schema, schemas.FixedSchema) else decoder.read_long()
            return _decimal(decoder.read(size), writers_schema.get_prop("scale"))
        try:
            value = super().read_data(writers_schema, readers_schema, decoder)
            return _shown(value, _LOCAL[kind]) if kind in _LOCAL and isinstance(value, int) else value
        except (OverflowError, ValueError):
            if writers_schema.type not in ("int", "long"):
                raise
            return None


def _decimal(value: bytes, scale: object) -> decimal.Decimal | None:
    """A number of a decimal scale; None of one that no counter is, as to make it takes time without end."""
    scale = 0 if scale is None else scale
    if len(value) > _LONGEST or not isinstance(scale, int) or not 0 <= scale <= _LONGEST:
        return None
    return decimal.Decimal(int.from_bytes(value, "big", signed=True)).scaleb(-scale)


def _shown(time: int, unit: int) -> str:
    """What a clock showed, told as so many units a second since 1970."""
    return (dt.datetime(1970, 1, 1) + dt.timedelta(microseconds=time * 10**6 // unit)).isoformat()  # noqa: DTZ001


class _Container(DataFileReader):
    """Reads blocks, each of which must end with the file's mark, under whatever names.

    Polars gives records no name, and columns those that they have, with points and blanks, which Avro does not allow.
    """

    _begun = False

    def __init__(self, file: IO[bytes], values: _Values) -> None:
        super().__init__(file, values)
        told = json.loads((self.get_meta(SCHEMA_KEY) or b"").decode())
        named = json.dumps(_named(told, itertools.count()))
        values.writers_schema = schemas.parse(named, validate_names=False)

    @property  # type: ignore[misc]
    def schema(self) -> str:
        """See DataFileReader, which would parse it strictly: a schema of nothing, until the file's own is parsed."""
        return '"null"'

    def _skip_sync(self) -> bool:
        """See DataFileReader: it is asked before the first block, too, where there is no mark but the header's."""
        found = super()._skip_sync()
        if not found and self._begun:
            raise AvroException("a block does not end with the file's mark")
        self._begun = True
        return found


def _named(schema: Any, numbers: Iterator[int]) -> Any:
    """A schema in which what must have a name and has none is given one."""
    if isinstance(schema, list):
        return [_named(one, numbers) for one in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: _named(schema[key], numbers) for key in ("type", "items", "values", "fields") if key in schema}
    if schema.get("type") in ("record", "enum", "fixed") and not schema.get("name"):
        inner["name"] = f"unnamed_{next(numbers)}"
    return {**schema, **inner}


class _Lines(io.RawIOBase):
    """The records of one file as lines; its end is only an end where a block has ended."""

    def __init__(self, file: IO[bytes], name: str) -> None:
        self._file, self._left = file, memoryview(b"")  # Of a view a rest is no copy.
        try:
            self._records = _opened(file, name)
        except BaseException:
            file.close()
            raise
        self._pieces = self._told()

    def readable(self) -> bool:
        """It is only read."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill the buffer as far as one piece goes; 0 only at the end."""
        if not self._left:
            self._left = memoryview(next(self._pieces, b""))
        size = min(len(buffer), len(self._left))
        buffer[:size], self._left = self._left[:size], self._left[size:]
        return size

    def _told(self) -> Iterator[bytes]:
        """All records as lines, some at once."""
        lines = bytearray()
        try:
            for record in self._records:
                lines += _ENCODER.encode(_plain(record)) + b"\n"
                if len(lines) > _PIECE:
                    yield bytes(lines)
                    lines.clear()
        except Exception as error:  # What hostile bytes make of a library's reader is of any kind.
            raise OSError(f"the Avro file is broken or cut ({_said(error)})") from error
        if lines:
            yield bytes(lines)

    def close(self) -> None:
        """Close the file, too."""
        self._file.close()
        super().close()


def _opened(file: IO[bytes], name: str) -> DataFileReader:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", IgnoredLogicalType)  # Their values stay what they are.
            found = _Container(file, _Values())
        codec = (found.get_meta(CODEC_KEY) or b"null").decode()
        if codec not in KNOWN_CODECS:
            raise AvroException(f"its codec {codec!r} is none of {', '.join(sorted(KNOWN_CODECS))}")
    except Exception as error:
        raise SourceError(
            f"is an Avro file whose header cannot be read ({_said(error)}).",
            where=Location(file=name),
            remedy="Bring a whole copy, or write it as Parquet or as JSON lines.",
        ) from error
    return found


def _said(error: Exception) -> str:
    return str(error).partition("\n")[0][:200] or type(error).__name__


def _plain(value: Any) -> Any:
    """A value as JSON can have it; what is null is left out of objects, as it tells nothing."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items() if one is not None}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return packed.told(value) or packed.in_base64(value) if isinstance(value, bytes) else value

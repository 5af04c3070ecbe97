"""Avro's container files as lines of JSON, one a record: a stream, as of a compressed file.

Source: the Apache Avro specification 1.12 (container files, binary encoding, logical types). Azure's event hubs capture
what they are sent so, and Kafka Connect, BigQuery and Spark write it. The values of a union stand without the names of
their branches; times are ISO 8601, other bytes than text are Base64. What the records mean belongs to the readers of
JSON, what a value of a schema becomes to `avro_schema`.
"""

from __future__ import annotations

import bz2
import io
import json
import lzma
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, cast

import msgspec
import zstandard

from pipeline.errors import Location, SourceError
from pipeline.sources.avro_schema import Broken, Decode, decoder_of, long_at

MAGIC = b"Obj\x01"
_SYNC = 16
_LONGEST = 9
"""Bytes of a number of a block; a larger one is none of a file that there can be."""
_MOST = 1 << 28
"""Bytes that one block may have, folded or not; writers end theirs at some thousands."""
_RECORD = 1 << 21
"""Bytes that one record may have: as values and as JSON it takes some hundred times as much memory."""
_PIECE = 1 << 20
"""Bytes of lines that are made at once, whatever a block holds."""
_WINDOW = 1 << 27
"""Bytes that zstd may look back."""
_HEADER = 1 << 20
"""Bytes that the file's header may have, and in which it is looked for."""
_ENCODER = msgspec.json.Encoder()


def open_container(path: Path) -> IO[bytes]:
    """The file's records as lines of JSON.

    Raises:
        SourceError: here where its codec or schema is unknown; OSError while reading where it is broken or cut.
    """
    return cast("IO[bytes]", io.BufferedReader(_Records(path.open("rb"), str(path)), 1 << 18))


class _Records(io.RawIOBase):
    """The records of one file as lines; its end is only an end where a block has ended."""

    def __init__(self, file: IO[bytes], name: str) -> None:
        self._file, self._left = file, memoryview(b"")  # Of a view a rest is no copy.
        try:
            meta, self._sync = self._header()
            self._unfold, self._decode = _codec(meta, name), _decoder(meta, name)
        except (SourceError, OSError, EOFError):
            self._file.close()
            raise
        self._pieces = self._unfolded()

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

    def _header(self) -> tuple[dict[str, bytes], bytes]:
        """(what the file says of itself, the mark behind each of its blocks)."""
        head = self._file.read(_HEADER)
        try:
            meta, at = _METADATA(head, len(MAGIC))
        except (Broken, IndexError) as error:
            raise OSError(f"the header of the Avro file is broken or cut ({error})") from error
        sync = head[at : at + _SYNC]
        if len(sync) < _SYNC:
            raise EOFError("the Avro file ends within its header")
        self._file.seek(at + _SYNC)
        return {name: value for name, value in meta.items() if isinstance(value, bytes)}, sync

    def _unfolded(self) -> Iterator[bytes]:
        """All records as lines, some at once."""
        while (block := self._block()) is not None:
            yield from self._lines(*block)

    def _block(self) -> tuple[bytes, int] | None:
        """The next block and how many records it has; None at the end of the file."""
        if (count := self._long(may_end=True)) is None:
            return None
        size = self._long()
        if size is None or count < 0 or not 0 <= size <= _MOST:
            raise OSError("a block of the Avro file is broken: its size is none")
        data, sync = self._file.read(size), self._file.read(_SYNC)
        if len(data) < size or len(sync) < _SYNC:
            raise EOFError("the Avro file ends within a block")
        if sync != self._sync:
            raise OSError("a block of the Avro file is broken: it does not end with the file's mark")
        return data, count

    def _lines(self, data: bytes, count: int) -> Iterator[bytes]:
        """So many records as lines; they must be all that the block holds."""
        lines = bytearray()
        try:
            for value in self._values(self._unfold(data), count):
                lines += _ENCODER.encode(value) + b"\n"
                if len(lines) > _PIECE:
                    yield bytes(lines)
                    lines.clear()
        except _FAULTS as error:
            raise OSError(f"a block of the Avro file is broken ({error})") from error
        if lines:
            yield bytes(lines)

    def _values(self, text: bytes, count: int) -> Iterator[Any]:
        """So many records, which must be all of the text; of a long one some are read at once."""
        if count > len(text):
            raise Broken(f"{count} records in {len(text)} bytes")
        part, begun, at, told = text[:_RECORD], 0, 0, 0
        while told < count:
            try:
                value, at = self._decode(part, at)
            except (Broken, IndexError) as error:
                if begun + len(part) == len(text):
                    raise
                if not at:
                    raise Broken(f"{error}, in the first {_RECORD:,} bytes of a record") from error
                begun, at = begun + at, 0
                part = text[begun : begun + _RECORD]
            else:
                told += 1
                yield value
        if begun + at != len(text):
            raise Broken("it holds more than its records")

    def _long(self, *, may_end: bool = False) -> int | None:
        """The next number of the file; None where it ends before it and may."""
        data = b""
        while not data or data[-1] & 0x80:
            byte = self._file.read(1) if len(data) < _LONGEST else b""
            if not byte and not data and may_end:
                return None
            if not byte:
                raise EOFError("the Avro file ends within a block")
            data += byte
        return long_at(data, 0)[0]

    def close(self) -> None:
        """Close the file, too."""
        self._file.close()
        super().close()


def _codec(meta: Mapping[str, bytes], name: str) -> Callable[[bytes], bytes]:
    codec = meta.get("avro.codec", b"null").decode("utf-8", errors="replace")
    if codec not in _CODECS:
        raise SourceError(
            f"is an Avro file whose codec is {codec!r}.",
            where=Location(file=name),
            remedy=f"Write it with one of these: {', '.join(_CODECS)}.",
        )
    return _CODECS[codec]


def _decoder(meta: Mapping[str, bytes], name: str) -> Decode:
    try:
        return decoder_of(json.loads(meta["avro.schema"]))
    except (Broken, KeyError, ValueError, TypeError, RecursionError) as error:
        raise SourceError(
            f"is an Avro file whose schema cannot be read ({error}).",
            where=Location(file=name),
            remedy="Write it as Parquet or as JSON lines.",
        ) from error


def _inflated(data: bytes) -> bytes:
    return _whole(zlib.decompressobj(wbits=-15), data)


def _whole(decoder: zlib._Decompress | bz2.BZ2Decompressor | lzma.LZMADecompressor, data: bytes) -> bytes:
    """All that a decoder makes of a block, which must end with it."""
    text = decoder.decompress(data, _MOST)
    if not decoder.eof:
        raise Broken("it unfolds too far, or is cut")
    return text


def _from_zstd(data: bytes) -> bytes:
    with zstandard.ZstdDecompressor(max_window_size=_WINDOW).stream_reader(data) as stream:
        text: bytes = stream.read(_MOST + 1)
    if len(text) > _MOST:
        raise Broken("it unfolds too far")
    return text


def _from_snappy(data: bytes) -> bytes:
    """Snappy's raw format, of Google's description, without the four bytes of a checksum behind it."""
    size, at = _varint(data, 0)
    if size > _MOST:
        raise Broken("it unfolds too far")
    out, end = bytearray(), len(data) - 4
    while at < end:
        tag, kind = data[at], data[at] & 3
        at += 1
        if kind == 0:
            length = (tag >> 2) + 1
            if length > 60:
                more = length - 60
                length, at = int.from_bytes(data[at : at + more], "little") + 1, at + more
            out += data[at : min(at + length, end)]
            at += length
        else:
            width = (0, 1, 2, 4)[kind]
            back = int.from_bytes(data[at : at + width], "little") | ((tag & 0xE0) << 3 if kind == 1 else 0)
            length = (tag >> 2 & 7) + 4 if kind == 1 else (tag >> 2) + 1
            at += width
            _copy(out, back, length)
        if len(out) > size:
            break
    if len(out) != size or at != end or zlib.crc32(out) != int.from_bytes(data[end:], "big"):
        raise Broken("its checksum is another")
    return bytes(out)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, and where the next byte is."""
    number = shift = 0
    while data[at] & 0x80 and shift < 32:
        number |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
    return number | data[at] << shift, at + 1


def _copy(out: bytearray, back: int, length: int) -> None:
    """Append what stands some bytes back, which may be made of what is appended."""
    if not 0 < back <= len(out):
        raise Broken("it refers to what is not there")
    start = len(out) - back
    if back >= length:
        out += out[start : start + length]
    else:
        piece = bytes(out[start:])
        out += (piece * (length // back + 1))[:length]


_CODECS: dict[str, Callable[[bytes], bytes]] = {
    "null": bytes,
    "deflate": _inflated,
    "snappy": _from_snappy,
    "zstandard": _from_zstd,
    "bzip2": lambda data: _whole(bz2.BZ2Decompressor(), data),
    "xz": lambda data: _whole(lzma.LZMADecompressor(memlimit=1 << 29), data),
}
_FAULTS = (Broken, IndexError, ValueError, RecursionError, OverflowError, zlib.error, lzma.LZMAError, OSError, EOFError,
           zstandard.ZstdError)  # fmt: skip
_METADATA = decoder_of({"type": "map", "values": "bytes"}, raw=True)

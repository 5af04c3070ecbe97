"""Bytes that are no log as they stand: zip archives of one file, UTF-16 text, gzip in gzip, and what is no log at all.

An archive or text is recognised by its first bytes and read as a stream, so memory stays flat. What can hold no flow
record, such as a packet capture, is named, so that its owner knows what to do with it.
"""

from __future__ import annotations

import codecs
import gzip
import io
import re
import zipfile
from pathlib import Path
from typing import IO, cast

from pipeline.errors import Location, SourceError

ZIP = b"PK\x03\x04"
_GZIP = b"\x1f\x8b"
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_UTF_32 = codecs.BOM_UTF32_LE
_UNMARKED_16 = {"utf-16-le": re.compile(rb"(?:[\t\r\n -~]\0){3}"), "utf-16-be": re.compile(rb"(?:\0[\t\r\n -~]){3}")}
"""How UTF-16 begins without its mark, as the younger half of a log does that was parted by its size."""
_PARTS_16 = {
    "utf-16-le": re.compile(rb"\n(?:\xff\xfe)?(?:[\t\r\n -~]\0){3}"),
    "utf-16-be": re.compile(rb"\n(?:\xfe\xff)?(?:\0[\t\r\n -~]){3}"),
}
"""How a part in UTF-16 begins behind a line of UTF-8, as where PowerShell was told to append to a log."""
PART_BYTES = 8
"""How many bytes of a part tell that it is one."""
_PLAIN_BYTES = 16
_PARTS_8 = {
    "utf-16-le": re.compile(rb"(?<=\n\0)[\t\r\n -~]{%d}" % _PLAIN_BYTES),
    "utf-16-be": re.compile(rb"(?<=\0\n)[\t\r\n -~]{%d}" % _PLAIN_BYTES),
}
"""How a part in UTF-8 begins behind a line of UTF-16, as where a shell appends to what PowerShell wrote."""
MAGIC_BYTES = 6
"""How many of a file's first bytes tell what it is."""
_CHUNK = 1 << 16
_UNPACK = "Unpack it, and name the logs in it."
_RECOMPRESS = "Unpack it, or compress it with gzip, zstd, bzip2 or xz."
_TO_PARQUET = "Write it as Parquet or as JSON lines."
_PCAP = ("a packet capture, no log of flows", "Make flows of it first, such as with `zeek -r FILE`.")
_KINDS = (
    *(
        (0, magic, *_PCAP)
        for magic in (b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\x4d\x3c\xb2\xa1", b"\x0a\x0d\x0d\x0a")
    ),
    (257, b"ustar", "a tar archive", _UNPACK),
    (0, ZIP, "a zip archive within a compressed file", _UNPACK),
    (0, b"\x1f\x8b", "compressed more than twice", "Unfold it once."),
    (0, b"\x28\xb5\x2f\xfd", "compressed twice", "Unfold it once."),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (0, b"Rar!", "a rar archive", _UNPACK),
    (0, b"\xd0\xcf\x11\xe0", "an old Office document", "Export the table in it as CSV."),
    (0, b"SQLite format 3\x00", "a database of SQLite", "Export the table in it as CSV."),
    (0, b"Obj\x01", "an Avro file within a compressed one", "Unfold it: Avro compresses its blocks itself."),
    (0, b"ARROW1\0", "a file of Arrow", _TO_PARQUET),
    (0, b"PARE", "Parquet that is encrypted", "Write it without encryption."),
    (0, b"ElfFile\x00", "an event log of Windows", "Export what it holds of flows as CSV."),
    (0, b"PK\x05\x06", "an empty zip archive", "Name the logs that it was to hold."),
    (0, b"\x5d\0\0", "compressed with lzma, the predecessor of xz", _RECOMPRESS),
    (0, b"\x1f\x9d", "compressed with compress, of old Unix", _RECOMPRESS),
    (0, b"\x04\x22\x4d\x18", "compressed with lz4", _RECOMPRESS),
    (0, b"\xff\x06\0\0sNaPpY", "compressed with Snappy", _RECOMPRESS),
    *((0, magic, "text in UTF-32", "Write it in UTF-8.") for magic in (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)),
    (0, b"%PDF-", "a PDF document", "Export the table in it as CSV."),
)
"""Place, bytes there, what such a file is and what to do about it."""
_PAGE = re.compile(rb"\s*(?:<!DOCTYPE\s+html|<html)\b", re.IGNORECASE)


def only_nuls(name: str) -> SourceError:
    """What is wrong with a file that has no other byte."""
    return SourceError(
        "holds nothing but NULs, as where a machine lost its power before it wrote.",
        where=Location(file=name),
        remedy="Replace the file with a whole copy, or remove it.",
    )


def refuse_kind(head: bytes, name: str) -> None:
    """Raise SourceError when the first bytes are those of something that is no log."""
    if head and not head.strip(b"\0"):
        raise only_nuls(name)
    if _PAGE.match(head):
        raise SourceError(
            "is a web page, as where a login or an error came in place of the log.",
            where=Location(file=name),
            remedy="Fetch the log again.",
        )
    for at, magic, what, remedy in _KINDS:
        if head.startswith(magic, at):
            raise SourceError(f"is {what}.", where=Location(file=name), remedy=remedy)


def utf_16_of(head: bytes) -> str | None:
    """Which UTF-16 text that begins so is in, with the mark that Windows puts before it, or without; None if none."""
    if head.startswith(UTF_16):
        return None if head.startswith(_UTF_32) else "utf-16"
    return next((name for name, begin in _UNMARKED_16.items() if begin.match(head)), None)


def open_zip(path: Path) -> IO[bytes]:
    """The one file in a zip archive; raises SourceError when there are several, or one that cannot be read."""
    where = Location(file=path.name)
    try:
        archive = zipfile.ZipFile(path)
        files = [i for i in archive.infolist() if not i.is_dir() and not i.filename.startswith("__MACOSX/")]
        if len(files) != 1:
            names = ", ".join(repr(i.filename) for i in files[:3]) + (" and more" if len(files) > 3 else "")
            what = f"is a zip archive of {len(files)} files" + (f" ({names})" if files else "")
            raise SourceError(f"{what}; one of exactly one file can be read.", where=where, remedy=_UNPACK)
        return archive.open(files[0])
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        raise SourceError(f"is a zip archive that cannot be read: {error}.", where=where, remedy=_UNPACK) from error


class Recoded(io.RawIOBase):
    """UTF-16 text as UTF-8; what is no character becomes the mark of replacement. A part in UTF-8 ends it."""

    def __init__(self, stream: IO[bytes], encoding: str) -> None:
        self._stream, self._input, self._output, self._ended = stream, b"", b"", False
        self._decoder: codecs.IncrementalDecoder | None = codecs.getincrementaldecoder(encoding)(errors="replace")
        self._plain = _PARTS_8.get(encoding)

    def readable(self) -> bool:
        """It is only read."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill the buffer as far as one chunk goes; 0 only at the end."""
        while not self._output and not self._ended:
            data = self._stream.read(_CHUNK)
            self._ended = not data
            self._output = self._recoded(self._input + data) if self._decoder is not None else data
        size = min(len(buffer), len(self._output))
        buffer[:size], self._output = self._output[:size], self._output[size:]
        return size

    def _recoded(self, data: bytes) -> bytes:
        """A chunk as UTF-8; the beginning of a line at its end waits for the rest, as another part may begin there."""
        assert self._decoder is not None
        plain = self._plain or _PARTS_8["utf-16-be" if data.startswith(codecs.BOM_UTF16_BE) else "utf-16-le"]
        self._plain, self._input = plain, b""
        if part := plain.search(data):
            text = self._decoder.decode(data[: part.start()], final=True)
            self._decoder = None
            return text.encode("utf-8", errors="replace") + data[part.start() :]
        last = data.rfind(b"\n", max(0, len(data) - _PLAIN_BYTES - 2))
        if last > 0 and not self._ended:
            data, self._input = data[: last - 1], data[last - 1 :]
        return self._decoder.decode(data, final=self._ended).encode("utf-8", errors="replace")

    def close(self) -> None:
        """Close the stream below, too."""
        self._stream.close()
        super().close()


class _Returned(io.RawIOBase):
    """A stream some of whose bytes were read already and are to be read again."""

    def __init__(self, data: bytes, stream: IO[bytes]) -> None:
        self._data, self._stream = data, stream

    def readable(self) -> bool:
        """It is only read."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill the buffer; 0 only at the end."""
        if not self._data:
            self._data = self._stream.read(len(buffer))
        size = min(len(buffer), len(self._data))
        buffer[:size], self._data = self._data[:size], self._data[size:]
        return size

    def close(self) -> None:
        """Close the stream below, too."""
        self._stream.close()
        super().close()


def part_in_16(data: bytes, ahead: bytes, *, begins_line: bool) -> tuple[int, str] | None:
    """Where, behind a line of UTF-8, a part in UTF-16 begins, and in which; None where none does.

    Args:
        data: some bytes of a file.
        ahead: a few that come behind them.
        begins_line: whether a line begins with them.
    """
    if b"\0" not in data and b"\0" not in ahead:
        return None
    before = b"\n" if begins_line else b""
    text = before + data + ahead
    found = [(m.start() + 1 - len(before), n) for n, p in _PARTS_16.items() if (m := p.search(text))]
    first = min(found, default=None)
    return first if first is not None and first[0] < len(data) else None


def from_part_on(data: bytes, stream: IO[bytes], encoding: str) -> IO[bytes]:
    """A stream whose text is in UTF-16 from some bytes on that were read already, as UTF-8."""
    return io.BufferedReader(Recoded(cast("IO[bytes]", io.BufferedReader(_Returned(data, stream))), encoding))


def put_back(data: bytes, stream: IO[bytes]) -> IO[bytes]:
    """A stream that begins with some bytes that were read of it already."""
    return io.BufferedReader(_Returned(data, stream))


def once_more(stream: IO[bytes]) -> IO[bytes]:
    """A stream, unfolded where gzip lies in it, as where a delivery stream compresses what is compressed already."""
    peeked = stream.peek(len(_GZIP)) if hasattr(stream, "peek") else b""
    if not peeked.startswith(_GZIP) or (isinstance(stream, io.BufferedReader) and isinstance(stream.raw, io.FileIO)):
        return stream
    return cast("IO[bytes]", gzip.GzipFile(fileobj=stream, mode="rb"))


def as_utf_8(stream: IO[bytes]) -> IO[bytes]:
    """A stream that can be looked into, as it is or recoded from UTF-16."""
    encoding = utf_16_of(stream.peek(MAGIC_BYTES) if hasattr(stream, "peek") else b"")
    return stream if encoding is None else io.BufferedReader(Recoded(stream, encoding))

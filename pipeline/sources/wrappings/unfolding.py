"""Bytes that are no log as they stand: zip archives of one file, UTF-16 text, gzip in gzip, and what is no log at all.

An archive or text is recognised by its first bytes and read as a stream, so memory stays flat. What can hold no flow
record, such as a packet capture, is named, so that its owner knows what to do with it.
"""

from __future__ import annotations

import codecs
import gzip
import io
import zipfile
from pathlib import Path
from typing import IO, cast

from pipeline.errors import Location, SourceError

ZIP = b"PK\x03\x04"
_GZIP = b"\x1f\x8b"
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_UTF_32 = codecs.BOM_UTF32_LE
_CHUNK = 1 << 16
_UNPACK = "Unpack it, and name the logs in it."
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
    (0, b"Obj\x01", "an Avro file", "Write it as Parquet or as JSON lines."),
    (0, b"ElfFile\x00", "an event log of Windows", "Export what it holds of flows as CSV."),
)
"""Place, bytes there, what such a file is and what to do about it."""


def refuse_kind(head: bytes, name: str) -> None:
    """Raise SourceError when the first bytes are those of something that is no log."""
    for at, magic, what, remedy in _KINDS:
        if head.startswith(magic, at):
            raise SourceError(f"is {what}.", where=Location(file=name), remedy=remedy)


def is_utf_16(head: bytes) -> bool:
    """Whether text begins with the mark that Windows puts before UTF-16."""
    return head.startswith(UTF_16) and not head.startswith(_UTF_32)


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
    """UTF-16 text as UTF-8; what is no character becomes the mark of replacement."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._output = stream, b""
        self._decoder = codecs.getincrementaldecoder("utf-16")(errors="replace")

    def readable(self) -> bool:
        """It is only read."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill the buffer as far as one chunk goes; 0 only at the end."""
        ended = False
        while not self._output and not ended:
            data = self._stream.read(_CHUNK)
            ended = not data
            self._output = self._decoder.decode(data, final=ended).encode("utf-8", errors="replace")
        size = min(len(buffer), len(self._output))
        buffer[:size], self._output = self._output[:size], self._output[size:]
        return size

    def close(self) -> None:
        """Close the stream below, too."""
        self._stream.close()
        super().close()


def once_more(stream: IO[bytes]) -> IO[bytes]:
    """A stream, unfolded where gzip lies in it, as where a delivery stream compresses what is compressed already."""
    peeked = stream.peek(len(_GZIP)) if hasattr(stream, "peek") else b""
    if not peeked.startswith(_GZIP) or (isinstance(stream, io.BufferedReader) and isinstance(stream.raw, io.FileIO)):
        return stream
    return cast("IO[bytes]", gzip.GzipFile(fileobj=stream, mode="rb"))


def as_utf_8(stream: IO[bytes]) -> IO[bytes]:
    """A stream that can be looked into, as it is or recoded from UTF-16."""
    peeked = stream.peek(len(_UTF_32)) if hasattr(stream, "peek") else b""
    return cast("IO[bytes]", io.BufferedReader(Recoded(stream))) if is_utf_16(peeked) else stream

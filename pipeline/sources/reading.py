"""From a file on disk to blocks of whole lines: decompression by content, and guards on size, ratio and line length.

Bytes are streamed, so memory stays flat whatever the file's size. What the lines mean belongs to the readers.
"""

from __future__ import annotations

import errno
import gzip
import io
import lzma
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import IO, Any, TypeVar, cast

import zstandard

from pipeline.disk import exists, is_dir, is_file
from pipeline.errors import Location, SourceError
from pipeline.settings import LimitSettings
from pipeline.sources import avro, nfcapd
from pipeline.sources.base import Block, begins_as_json
from pipeline.sources.wrappings import streams, unfolding
from pipeline.sources.wrappings.documents import may_be_long

T = TypeVar("T")

BLOCK_BYTES = 16 * 1024 * 1024
MAX_ARRAY_BYTES = 512 * 1024 * 1024
"""Bytes of a file that is one JSON document: it must be held in memory, often as one line."""
_LOOK_AHEAD = 1 << 14
_KEPT_PIECE = (1 << 25) - (1 << 13)
"""The largest piece that teaches glibc, when it is let go, to keep pieces of up to its size and to map none anew."""
_RATIO_FREE_BYTES = 64 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"
_NO_MEMBER = "Not a gzipped file"
"""What Python says of bytes behind a member of gzip that begin no other."""
PARQUET = b"PAR1"
"""How a Parquet file begins."""
_REMEDIES: dict[int | None, str] = {
    errno.ENOENT: "Correct its name; or where it was renamed meanwhile, run its day again.",
    errno.EACCES: "Let the user that reads it have the right to.",
}
_UNFOLDABLE = {
    "too much memory": "Its window is larger than 128 MB: compress it without `--long` and run its day again.",
    "usage limit": "Its dictionary is larger than 500 MB: compress it as `xz -9` does and run its day again.",
    streams.BEHIND: "Unfold it, and compress it anew, or replace it with a whole copy; then run its day again.",
    "Dictionary mismatch": "It lacks its dictionary: compress it without `-D` and run its day again.",
}
"""What to do about whole files, by a part of what their decoder says."""
READ_ERRORS = (OSError, EOFError, zlib.error, lzma.LZMAError, zstandard.ZstdError, zipfile.BadZipFile)


def _said(error: BaseException) -> str:
    """What is wrong, as an error says it."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return streams.BEHIND if text.startswith(_NO_MEMBER) else text


def _remedy(error: BaseException) -> str:
    known = [remedy for part, remedy in _UNFOLDABLE.items() if part in _said(error)]
    known += [_REMEDIES[number] for number in [getattr(error, "errno", None)] if number in _REMEDIES]
    return [*known, "Replace the file with a whole copy and run its day again."][0]


@cache
def _teach_to_keep(size: int) -> None:
    """Let a piece of memory go, once: see _KEPT_PIECE; later ones would be filled with zeros first."""
    bytes(size)


def compression_of(head: bytes) -> str:
    """Name of the compression by its magic number, or 'plain'; nfcapd's binary files unfold by a program.

    Avro and UTF-16 count as one: such text is not read as it lies on disk.
    """
    for magic, name in (
        (b"\x1f\x8b", "gzip"),
        (streams.ZSTD, "zstd"),
        (b"BZh", "bzip2"),
        (b"\xfd7zXZ\x00", "xz"),
        (unfolding.ZIP, "zip"),
        (avro.MAGIC, "avro"),
    ):
        if head.startswith(magic):
            return name
    if streams.SKIPPABLE.match(head):
        return "zstd"
    if unfolding.utf_16_of(head) is not None:
        return "utf-16"
    return "nfcapd" if nfcapd.is_nfcapd(head) else "plain"


def open_bytes(path: Path) -> IO[bytes]:
    """The file's decompressed bytes as a stream, UTF-8 text; what they are is recognised by content, not by name."""
    stream = _unfolded(path)
    try:
        return unfolding.as_utf_8(unfolding.once_more(stream))
    except (SourceError, *READ_ERRORS):
        stream.close()
        raise


def _unfolded(path: Path) -> IO[bytes]:
    with path.open("rb") as handle:
        kind = compression_of(handle.read(unfolding.MAGIC_BYTES))
    openers: dict[str, Callable[[Path], Any]] = {
        "gzip": gzip.open,
        "zstd": streams.open_zstd,
        "bzip2": streams.open_bzip2,
        "xz": streams.open_xz,
        "zip": unfolding.open_zip,
        "nfcapd": nfcapd.open_program,
        "avro": avro.open_container,
    }
    return cast("IO[bytes]", openers[kind](path) if kind in openers else path.open("rb"))


class LineStream:
    """The decompressed bytes of one file, handed out as blocks of whole lines, with guards.

    Raises SourceError for files that cannot be read to their end, are too large, unfold too far, or hold a line that
    is too long; the message says which.
    """

    def __init__(self, path: Path, limits: LimitSettings, name: str) -> None:
        self._path, self._limits, self._name = path, limits, name
        self._where = Location(file=name)
        self.bytes_read = 0
        self._begins_line = True
        """Whether a line begins where the stream is."""
        self._begun = False
        self._guard(self._check_kind)
        stored = self._guard(path.stat)
        self._stored, self.written_ns = stored.st_size, stored.st_mtime_ns
        self.is_table = self._guard(self._looks_like_table)
        """Whether the file is Parquet, which has no lines."""
        self._stream: IO[bytes] = self._guard(lambda: open_bytes(path))

    def _check_kind(self) -> None:
        if not exists(self._path):
            raise FileNotFoundError(2, "No such file or directory")
        if is_dir(self._path):
            raise SourceError(
                "is a folder.", where=self._where, remedy="Name the files in it, such as with folder/*.log."
            )
        if not is_file(self._path):
            raise SourceError(
                "is not a regular file.",
                where=self._where,
                remedy="Name regular files only; write what comes through a pipe into one first.",
            )

    def _looks_like_table(self) -> bool:
        with self._path.open("rb") as handle:
            return handle.read(len(PARQUET)) == PARQUET

    def _guard(self, action: Callable[[], T]) -> T:
        try:
            return action()
        except SourceError as error:
            raise SourceError(error.what, where=self._where, remedy=error.remedy) from error
        except READ_ERRORS as error:
            after = f" after {self.bytes_read:,} bytes" if self.bytes_read else ""
            raise SourceError(
                f"cannot be read{after}: {_said(error)}.",
                where=self._where,
                remedy=_remedy(error),
            ) from error

    def read(self, size: int) -> bytes:
        """Up to size bytes, none only at the end.

        Byte order marks where lines begin are dropped, as files have them that were put behind each other; a part that
        is in UTF-16 becomes UTF-8. NULs before the first line are passed over.
        """
        self.pass_nuls()
        data: bytes = self._guard(lambda: self._stream.read(size))
        part = (
            None if self.is_table else unfolding.part_in_16(data, self._ahead_of(data), begins_line=self._begins_line)
        )
        if part is not None:
            at, encoding = part
            self._stream, data = unfolding.from_part_on(data[at:], self._stream, encoding), data[:at]
        self.bytes_read += len(data)
        self._check_bounds()
        text = data if self.is_table else self._without_marks(data)
        self._begins_line = data.endswith(b"\n") or (self._begins_line and not data)
        return text if text or not (data or part) else self.read(size)

    def pass_nuls(self) -> None:
        """Go past the NULs that a file begins with.

        A log has such a hole that was cut to nothing while its writer went on where it was (logrotate's copytruncate).
        """
        if self._begun or self.is_table:
            return
        self._begun = True
        stream = cast("Any", self._stream)
        if not hasattr(stream, "peek") or self._guard(lambda: stream.peek(1))[:1] != b"\0":
            return
        while data := self._guard(lambda: stream.read(BLOCK_BYTES)):
            text = data.lstrip(b"\0")
            self.bytes_read += len(data) - len(text)
            self._check_bounds()
            if text:
                self._stream = unfolding.put_back(text, stream)
                return
        raise unfolding.only_nuls(self._name)

    def _ahead_of(self, data: bytes) -> bytes:
        """The next few bytes, where a line has just begun whose first bytes tell in what it is written."""
        most, stream = unfolding.PART_BYTES, cast("Any", self._stream)
        begun = 0 < len(data) - data.rfind(b"\n", -most) - 1 < most
        ahead: bytes = self._guard(lambda: stream.peek(most)[:most]) if begun and hasattr(stream, "peek") else b""
        return ahead

    def _without_marks(self, data: bytes) -> bytes:
        """Bytes without the byte order marks that begin lines."""
        if b"\xef" not in data:
            return data
        data = data[len(_BOM) :] if self._begins_line and data.startswith(_BOM) else data
        return data.replace(b"\n" + _BOM, b"\n")

    def read_some(self, size: int) -> bytes:
        """What the first bytes unfold to, up to size: of a file that is cut short, more than `read` can give."""
        self.pass_nuls()
        stream: Any = self._stream  # All of these streams are buffered and have read1.
        data: bytes = self._guard(lambda: stream.read1(size))
        return data.removeprefix(_BOM)

    def _check_bounds(self) -> None:
        if self.bytes_read > self._limits.max_file_bytes:
            raise SourceError(
                f"holds more than {self._limits.max_file_bytes:,} bytes.",
                where=self._where,
                remedy="Raise limits.max_file_bytes if the file is right.",
            )
        if self.bytes_read > _RATIO_FREE_BYTES and self.bytes_read > self._limits.max_ratio * max(self._stored, 1):
            raise SourceError(
                f"unfolds to more than {self._limits.max_ratio:,} times its size.",
                where=self._where,
                remedy="Raise limits.max_ratio if the file is right.",
            )

    def blocks(self, first_line: int = 1, block_bytes: int = BLOCK_BYTES) -> Iterator[Block]:
        """The rest of the file in blocks of whole lines; a last line without its end is a block of its own."""
        line, longest = first_line, 0
        _teach_to_keep(max(block_bytes + _LOOK_AHEAD, _KEPT_PIECE))
        while data := self.read(block_bytes + self._ahead(block_bytes)):
            if not longest:
                self._check_ends(data)
                longest = self._longest(data)
            if not data.endswith(b"\n"):
                data += self._to_line_end(longest)
            self._check_lines(data, line, longest)
            end = data.rfind(b"\n") + 1
            if end:
                block = Block(data if end == len(data) else data[:end], line)
                yield block
                line += block.lines
            if end < len(data):
                yield Block(data[end:], line, 1, unterminated=True)

    def _ahead(self, size: int) -> int:
        """How many bytes after a position the line goes on, so that it need not be joined from two pieces.

        0 where that cannot be told without reading: in what is unfolded, and of very long lines.
        """
        if not isinstance(self._stream, io.BufferedReader) or not isinstance(self._stream.raw, io.FileIO):
            return 0
        at = self._stream.tell() + size - 1
        return max(0, self._guard(lambda: os.pread(self._stream.fileno(), _LOOK_AHEAD, at)).find(b"\n"))

    def _longest(self, head: bytes) -> int:
        """Bytes that a line of a file that begins so may have."""
        limit = self._limits.max_line_bytes
        return max(limit, MAX_ARRAY_BYTES) if may_be_long(head[: limit + 1]) else limit

    def _to_line_end(self, longest: int) -> bytes:
        """The rest of the line that was begun; not all of it where that is longer than a line may be."""
        more: bytes = self._guard(lambda: self._stream.readline(longest + 1))
        self.bytes_read += len(more)
        self._check_bounds()
        self._begins_line = more.endswith(b"\n")
        return more

    def _check_ends(self, data: bytes) -> None:
        """Refuse text whose lines end in carriage returns alone: all of it would be one line, or one comment."""
        if b"\n" not in data and data.count(b"\r") > 1 and not begins_as_json(data):
            raise SourceError(
                "has lines that end in carriage returns alone, as old Macs wrote them.",
                where=self._where,
                remedy="Give it line feeds, such as with: tr '\\r' '\\n'",
            )

    def _check_lines(self, data: bytes, first_line: int, longest: int) -> None:
        """Refuse a line that is too long, wherever the block ends."""
        at = 0
        while len(data) - at > longest:
            end = data.rfind(b"\n", at, at + longest + 1)
            if end < 0:
                raise SourceError(
                    f"has a line of more than {longest:,} bytes.",
                    where=Location(file=self._name, line=first_line + data.count(b"\n", 0, at)),
                    remedy="Raise limits.max_line_bytes if the line is right.",
                )
            at = end + 1

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

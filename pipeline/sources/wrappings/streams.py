"""Files of bzip2, xz and zstd, of any number of streams behind each other, read to their very end or not at all.

Python's own readers take whatever they cannot unfold behind a first stream for the end of the file, so that a padded or
damaged one loses its rest without a word; gzip's reader does not.
One rule holds for all four: zeros behind a stream are padding, and anything else refuses the file.
"""

from __future__ import annotations

import bz2
import io
import lzma
import re
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, cast

import zstandard

_INPUT = 1 << 16
_OUTPUT = 1 << 20
"""Bytes that are unfolded at once, at most."""
_XZ_MEMORY = 1 << 29
"""What a decoder of xz may take: eight times what `xz -9` asks for; a hostile header may ask for 4 GB."""

_ZSTD_INPUT = 1 << 10
"""Bytes given to zstd at once: they unfold to at most 32 MB, however hostile they are."""
ZSTD = b"\x28\xb5\x2f\xfd"
SKIPPABLE = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18")
"""How a frame begins that holds no data, as pzstd writes one before each that does."""
BEHIND = "other bytes lie behind its compressed ones"
"""What is wrong with a file in which a stream is followed by neither zeros nor another stream."""


class _Streams(io.RawIOBase):
    """The streams of a file as one; zeros between and behind them are padding, anything else is an error."""

    def __init__(self, path: Path, decoder: Callable[[], Any], magic: bytes) -> None:
        self._file, self._begin, self._magic = path.open("rb"), decoder, magic
        self._decoder: Any = None
        self._input = b""

    def readable(self) -> bool:
        """It is only read."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill the buffer as far as one step of the decoder goes; 0 only at the end."""
        size = min(len(buffer), _OUTPUT)
        while size:
            if self._decoder is None and not self._next_stream():
                return 0
            data: bytes = self._decoder.decompress(self._fed(), max_length=size)
            if self._decoder.eof:
                self._input, self._decoder = self._decoder.unused_data, None
            if data:
                buffer[: len(data)] = data
                return len(data)
        return 0

    def _fed(self) -> bytes:
        """What the decoder is to have next; nothing while it has enough."""
        if not self._decoder.needs_input:
            return b""
        data, self._input = self._input or self._file.read(_INPUT), b""
        if not data:
            raise EOFError("the compressed stream ends before its end mark")
        return data

    def _next_stream(self) -> bool:
        """Go to where a stream begins; False where the file ends."""
        while not (rest := self._input.lstrip(b"\0")):
            self._input = self._file.read(_INPUT)
            if not self._input:
                return False
        while len(rest) < len(self._magic) and (more := self._file.read(_INPUT)):
            rest += more
        if not self._magic.startswith(rest[: len(self._magic)]):
            raise OSError(BEHIND)
        self._input, self._decoder = rest, self._begin()
        return True

    def close(self) -> None:
        """Close the file, too."""
        self._file.close()
        super().close()


class _ZstdStream(io.RawIOBase):
    """A zstd file of any number of frames; a frame cut short is an error, as it is for the other compressions."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb", buffering=1 << 18)
        self._decoder = zstandard.ZstdDecompressor().decompressobj()
        self._input, self._output, self._inside = b"", b"", False

    def readable(self) -> bool:
        """It is only read."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill the buffer as far as what is unfolded goes; 0 only at the end."""
        while not self._output and self._fill():
            pass
        size = min(len(buffer), len(self._output))
        buffer[:size], self._output = self._output[:size], self._output[size:]
        return size

    def _fill(self) -> bool:
        if not self._input:
            self._input = self._file.read(_ZSTD_INPUT)
        if not self._input:
            if self._inside:
                raise EOFError("the zstd frame ends before its end mark")
            return False
        if not self._inside and not self._next_frame():
            return bool(self._input)
        self._output, self._inside = self._decoder.decompress(self._input), True
        if self._decoder.eof:
            self._input, self._inside = self._decoder.unused_data, False
        else:
            self._input = b""
        return True

    def _next_frame(self) -> bool:
        """Go to where a frame begins; False where only padding was left of what had been read."""
        if not (rest := self._input.lstrip(b"\0")):
            self._input = self._file.read(_ZSTD_INPUT)
            return False
        while len(rest) < len(ZSTD) and (more := self._file.read(_ZSTD_INPUT)):
            rest += more
        if not ZSTD.startswith(rest[: len(ZSTD)]) and not SKIPPABLE.match(rest):
            raise OSError(BEHIND)
        self._input, self._decoder = rest, zstandard.ZstdDecompressor().decompressobj()
        return True

    def close(self) -> None:
        """Close the file, too."""
        self._file.close()
        super().close()


def open_bzip2(path: Path) -> IO[bytes]:
    """What a file of bzip2 unfolds to."""
    return cast("IO[bytes]", io.BufferedReader(_Streams(path, bz2.BZ2Decompressor, b"BZh")))


def open_xz(path: Path) -> IO[bytes]:
    """What a file of xz unfolds to."""
    return cast("IO[bytes]", io.BufferedReader(_Streams(path, _xz, b"\xfd7zXZ\0")))


def _xz() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)


def open_zstd(path: Path) -> IO[bytes]:
    """What a file of zstd unfolds to."""
    return cast("IO[bytes]", io.BufferedReader(_ZstdStream(path)))

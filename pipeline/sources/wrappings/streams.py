"""Files of bzip2 and xz, of any number of streams behind each other, read to their very end or not at all.

Python's own readers take whatever they cannot unfold behind a first stream for the end of the file, so that a padded or
damaged one loses its rest without a word. gzip's reader does not; zstd's frames are read in `pipeline.sources.reading`.
"""

from __future__ import annotations

import bz2
import io
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, cast

_INPUT = 1 << 16
_OUTPUT = 1 << 20
"""Bytes that are unfolded at once, at most."""
_XZ_MEMORY = 1 << 29
"""What a decoder of xz may take: eight times what `xz -9` asks for; a hostile header may ask for 4 GB."""


class _Streams(io.RawIOBase):
    """The streams of a file as one; zeros between and behind them are padding, anything else is an error."""

    def __init__(self, path: Path, decoder: Callable[[], Any]) -> None:
        self._file, self._begin = path.open("rb"), decoder
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
        self._input, self._decoder = rest, self._begin()
        return True

    def close(self) -> None:
        """Close the file, too."""
        self._file.close()
        super().close()


def open_bzip2(path: Path) -> IO[bytes]:
    """What a file of bzip2 unfolds to."""
    return cast("IO[bytes]", io.BufferedReader(_Streams(path, bz2.BZ2Decompressor)))


def open_xz(path: Path) -> IO[bytes]:
    """What a file of xz unfolds to."""
    return cast("IO[bytes]", io.BufferedReader(_Streams(path, _xz)))


def _xz() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)

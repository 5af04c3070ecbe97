"""A file's content as it is once decompressed: its size, where that can be told at a glance, and its hash.

Two files of one content are one log; which of them counts is decided in `pipeline.intake.landing`.
"""

from __future__ import annotations

import struct
from pathlib import Path

from blake3 import blake3

from pipeline.intake.found import FoundFile
from pipeline.settings import LimitSettings
from pipeline.sources.reading import LineStream, compression_of

CHUNK_BYTES = 1 << 20
"""Bytes that are read at once where a file is only hashed."""


def content_size(path: Path, size: int) -> int | None:
    """The decompressed size, where it can be told without reading the file."""
    try:
        with path.open("rb") as handle:
            kind = compression_of(handle.read(6))
            if kind == "gzip" and size >= 18:
                handle.seek(-4, 2)
                return int(struct.unpack("<I", handle.read(4))[0])
    except OSError:
        return None
    return size if kind == "plain" else None


def hash_content(file: FoundFile, limits: LimitSettings, most: int | None = None) -> tuple[str, int]:
    """Hash and size of the decompressed content, or of its first bytes up to the most; raises SourceError."""
    stream, hasher = LineStream(file.path, limits, file.name), blake3()
    try:
        stream.pass_nuls()
        while data := stream.read(CHUNK_BYTES if most is None else max(0, min(CHUNK_BYTES, most - stream.bytes_read))):
            hasher.update(data)
    finally:
        stream.close()
    return hasher.hexdigest(), stream.bytes_read

"""Readers of flow-log formats: which one a file needs by its first bytes, and how to get it.

All formats are known to `registry`, whose modules take longer to load than many a command runs. It is asked only when a
file is read that is not plainly Zeek's own conn.log. Nothing of days, storage or detections belongs here.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.sources.base import Reader, ReaderFactory, ReadOptions

_ZEEK_BEGINS, _ZEEK_NAMES = b"#separator \\x09\n", b"\n#fields\t"


def detect(head: bytes, wanted: str, name: str, header: str = "") -> str | None:
    """The encoding of a file by its first bytes, or None when it has no data at all.

    Args:
        head: the first bytes of its text.
        wanted: the format that was asked for, or auto.
        name: the file's name in messages.
        header: the line that names the columns, where its source tells it.

    Raises:
        SourceError: the content is of no known format, or not of the one that was asked for.
    """
    if wanted == "zeek" and head.startswith(_ZEEK_BEGINS) and _ZEEK_NAMES in head:
        return "zeek_tsv"
    from pipeline.sources import registry  # noqa: PLC0415 - loads every format

    return registry.detect(head, wanted, name, header)


def reader_of(encoding: str) -> ReaderFactory:
    """What makes a reader of an encoding, which goes on with others of its format where a file does.

    Raises KeyError for an encoding that nothing is known of.
    """
    if encoding == "zeek_tsv":
        from pipeline.sources.formats.zeek_tsv import ZeekTsvReader  # noqa: PLC0415 - loads no more than is read

        return partial(_reader, ZeekTsvReader, encoding)
    from pipeline.sources import registry  # noqa: PLC0415 - loads every format

    return partial(_reader, registry.READERS[encoding], encoding)


def _reader(factory: ReaderFactory, encoding: str, options: ReadOptions) -> Reader:
    from pipeline.sources.changing import changing  # noqa: PLC0415 - loads Polars

    return changing(factory(options), encoding, options)

"""Records of JSON whose keys a shipper or database wrote in its own way: in upper case, in camel case, behind a mark.

Snowflake writes `FLOW_START`, Graylog's GELF `_flow_start`, others `flowStart`: each key is given the spelling that the
reader of the format knows. Only formats are read so whose keys nobody else has; when, is decided in `registry`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from pipeline.sources import zeek_columns as zeek
from pipeline.sources.base import Block, DocumentReader, Parsed, Reader, ReaderAround
from pipeline.sources.formats.suricata import FIELDS

SPELLING = "spelling"
"""What stands for an envelope in the name of an encoding that is read so."""
_KEY = re.compile(rb'(?<!\\)"([A-Za-z_@][\w.@]{0,100})"(?=\s*:)')


def _bare(key: bytes) -> bytes:
    return key.lower().replace(b"_", b"")


def _known(spellings: Iterable[str]) -> dict[bytes, bytes]:
    """The keys of records by what is left of them without case and underscores; of two alike the first."""
    paths = list(dict.fromkeys(spellings))
    keys = dict.fromkeys([*paths, *(step for path in paths for step in path.split("."))])
    found = dict[bytes, bytes]()
    for key in keys:
        found.setdefault(_bare(key.encode()), key.encode())
    return found


KEYS: Mapping[str, Mapping[bytes, bytes]] = {
    "suricata": _known(s for spelled in FIELDS.values() for s in spelled),
    "zeek_json": _known(s for ours, spelled in zeek.ALIASES.items() for s in spelled if ours != "system"),
}
"""Encodings whose records are known by their keys in any spelling, and how these are spelled."""


def respelled(data: bytes, keys: Mapping[bytes, bytes]) -> bytes:
    """Text of JSON with the keys as they are known."""
    return _KEY.sub(lambda m: b'"' + keys.get(_bare(m[1]), m[1]) + b'"', data)


class RespelledReader(ReaderAround):
    """Reads the blocks of one file with the reader of the format, whose keys are spelled anew."""

    def __init__(self, inner: Reader, keys: Mapping[bytes, bytes]) -> None:
        super().__init__(inner)
        self._keys = keys

    def read(self, block: Block) -> Parsed:
        """Read one block."""
        data = respelled(block.data, self._keys)
        return self._inner.read(Block(data, block.first_line, block.lines, block.unterminated))

    def read_array(self, data: bytes) -> Parsed:
        """A file that is one JSON document; raises ValueError when it is none."""
        assert isinstance(self._inner, DocumentReader)
        return self._inner.read_array(respelled(data, self._keys))

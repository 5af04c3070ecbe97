"""Readers of flow-log formats, and the registry that finds the right one by content or by name.

A format is a module with a reader class; it becomes known by one line in READERS. Nothing of days, storage or
detections belongs here.
"""

from __future__ import annotations

import re

from pipeline.errors import Location, SourceError
from pipeline.sources.base import ReaderFactory
from pipeline.sources.zeek_json import ZeekJsonReader
from pipeline.sources.zeek_tsv import ZeekTsvReader

READERS: dict[str, ReaderFactory] = {"zeek_tsv": ZeekTsvReader, "zeek_json": ZeekJsonReader}
"""Encoding of a format -> its reader."""

_ZEEK_KEYS = re.compile(rb'"(?:id[._]orig_h|_path|conn_state|orig_ip_bytes|uid)"\s*:')
_ADDRESS = rb"(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-fA-F:]+:[0-9a-fA-F:]+)"
_ZEEK_CUT = re.compile(rb"^\d{9,10}\.\d{1,9}\t[^\n]*?" + _ADDRESS + rb"\t", re.MULTILINE)
_ZEEK_HEADER = re.compile(rb"^#(?:separator|fields|path|set_separator)\b", re.MULTILINE)


def detect(head: bytes, wanted: str, name: str) -> str | None:
    """The encoding of a file by its first bytes, or None when it has no data at all.

    Raises:
        SourceError: the content is of no known format, or not of the one that was asked for.
    """
    text = head.lstrip()
    if not text:
        return None
    if text[:1] in (b"{", b"[") and (wanted == "zeek" or _ZEEK_KEYS.search(head)):
        return "zeek_json"
    if _ZEEK_HEADER.search(head):
        return "zeek_tsv"
    if _ZEEK_CUT.search(head) or (wanted == "zeek" and b"\x00" not in head):
        return "zeek_tsv"
    what = "is of no known format" if wanted == "auto" else f"does not look like {wanted}"
    raise SourceError(
        f"{what}; it starts with {text[:40]!r}.",
        where=Location(file=name),
        remedy="Known formats: zeek (conn.log, tab-separated or JSON). Narrow the source's path, or name the format.",
    )

"""Readers of flow-log formats, and the registry that finds the right one by content or by name.

A format is a module with a reader class; it becomes known by one line in READERS. Nothing of days, storage or
detections belongs here.
"""

from __future__ import annotations

import re
from functools import partial

from pipeline.errors import Location, SourceError
from pipeline.sources.base import ReaderFactory
from pipeline.sources.forms import FORMS
from pipeline.sources.records import RecordReader
from pipeline.sources.zeek_json import ZeekJsonReader
from pipeline.sources.zeek_tsv import ZeekTsvReader

READERS: dict[str, ReaderFactory] = {
    "zeek_tsv": ZeekTsvReader,
    "zeek_json": ZeekJsonReader,
    **{name: partial(RecordReader, form) for name, form in FORMS.items()},
}
"""Encoding of a format -> its reader."""

FORMATS: dict[str, tuple[str, ...]] = {"zeek": ("zeek_tsv", "zeek_json"), **{name: (name,) for name in FORMS}}
"""Format, as nilometer.yaml names it -> its encodings."""

_ZEEK_KEYS = re.compile(rb'"(?:id[._]orig_h|_path|conn_state|orig_ip_bytes|uid)"\s*:')
_JSON_KEYS: dict[str, re.Pattern[bytes]] = {
    "suricata": re.compile(rb'"event_type"\s*:\s*"'),
    "ocsf": re.compile(rb'"class_uid"\s*:|"(?:src|dst)_endpoint"\s*:'),
    "zeek_json": _ZEEK_KEYS,
    "ecs": re.compile(rb'"(?:source|destination)"\s*:\s*\{|"(?:source|destination)\.ip"\s*:'),
    "cim": re.compile(rb'"(?:All_Traffic\.)?bytes_(?:in|out)"\s*:'),
}
"""What the first bytes of each JSON format hold; the first that fits wins."""
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
    if text[:1] in (b"{", b"[") and wanted != "zeek" and (found := _json_format(head, wanted)) is not None:
        return found
    if wanted not in ("auto", "zeek"):
        raise _unknown(text, wanted, name)
    if text[:1] in (b"{", b"[") and (wanted == "zeek" or _ZEEK_KEYS.search(head)):
        return "zeek_json"
    if _ZEEK_HEADER.search(head):
        return "zeek_tsv"
    if _ZEEK_CUT.search(head) or (wanted == "zeek" and b"\x00" not in head):
        return "zeek_tsv"
    raise _unknown(text, wanted, name)


def _json_format(head: bytes, wanted: str) -> str | None:
    """The JSON format whose marks are in the head; one that is asked for needs no more than an object."""
    for name, marks in _JSON_KEYS.items():
        if wanted in ("auto", name) and marks.search(head):
            return name
    return wanted if wanted in FORMS else None


def _unknown(text: bytes, wanted: str, name: str) -> SourceError:
    what = "is of no known format" if wanted == "auto" else f"does not look like {wanted}"
    return SourceError(
        f"{what}; it starts with {text[:40]!r}.",
        where=Location(file=name),
        remedy=f"Known formats: {', '.join(FORMATS)}. Narrow the source's path, or name the format.",
    )

r"""Text of JSON as decoders take it: bytes that are no UTF-8, and halves of surrogate pairs, spoil no record.

RFC 8259 asks for UTF-8 (section 8.1), and leaves open what an escape such as \ud800 without its other half is (section
8.2). Writers that pass a name on as they got it produce both. Neither stands in a number or an address, so that the
rest of the line is as good as ever; each becomes U+FFFD, which Unicode keeps for what cannot be told.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

FAULTS = (msgspec.MsgspecError, ValueError, RecursionError)
"""What decoding a line may raise."""
_HEX = rb"[0-9a-fA-F]{2}"
_HALF = re.compile(
    rb"(\\\\|\\u[dD][89abAB]" + _HEX + rb"\\u[dD][c-fC-F]" + _HEX + rb")|\\u[dD][89a-fA-F]" + _HEX,
)
"""A half of a pair; an escaped backslash and a whole pair are passed over."""


def without_halves(data: bytes) -> bytes:
    """The text with every half of a surrogate pair replaced; as long as it was."""
    # A single byte is looked for ten times as fast as three.
    if b"\\" not in data or (b"\\ud" not in data and b"\\uD" not in data):
        return data
    return _HALF.sub(lambda found: found[1] or b"\\ufffd", data)


def loads(line: bytes | str) -> Any:
    """The value of one JSON text; raises one of FAULTS where it is none."""
    try:
        return msgspec.json.decode(line)
    except FAULTS:
        text = line if isinstance(line, bytes) else line.encode("utf-8", errors="replace")
        if not text.startswith(b"{"):
            raise
        return msgspec.json.decode(as_utf_8(text))


def as_utf_8(data: bytes) -> bytes:
    """The text as UTF-8 without halves of pairs."""
    return without_halves(data).decode("utf-8", errors="replace").encode()

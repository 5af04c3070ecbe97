r"""Text of JSON as decoders take it: bytes that are no UTF-8, and halves of surrogate pairs, spoil no record.

RFC 8259 asks for UTF-8 (section 8.1), and leaves open what an escape such as \ud800 without its other half is (section
8.2). Writers that pass a name on as they got it produce both. Neither stands in a number or an address, so that the
rest of the line is as good as ever; each becomes U+FFFD, which Unicode keeps for what cannot be told. Values that
MongoDB's extended JSON and Avro's JSON encoding put into objects of their own are taken out of them.
"""

from __future__ import annotations

import datetime as dt
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
_WRAPPED = re.compile(
    rb'\{\s*"\$(?:(?P<number>number(?:Long|Int|Double|Decimal))"\s*:\s*'
    rb'"(?P<digits>-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?)"'
    rb'|(?:oid|uuid)"\s*:\s*(?P<text>"[^"\\]*")|date"\s*:\s*(?:(?P<iso>"[^"\\]*")|(?P<ms>-?\d+)'
    rb'|\{\s*"\$numberLong"\s*:\s*"(?P<long>-?\d+)"\s*\}))\s*\}'
)
"""A value of MongoDB's extended JSON, as its specification names the types; a date is milliseconds since 1970."""
_BRANCH = re.compile(
    rb'\{"(?:string"\s*:\s*(?P<text>"[^"\\]*(?:\\.[^"\\]*)*")|boolean"\s*:\s*(?P<truth>true|false)'
    rb'|(?:int|long|float|double)"\s*:\s*(?P<number>-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?))\s*\}'
)
"""A value of one of Avro's unions in its JSON encoding, which names the branch."""
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def plain(data: bytes) -> bytes:
    """The text without halves of surrogate pairs, and with plain values where MongoDB's or Avro's name their types."""
    return unwrapped(without_halves(data))


def unwrapped(data: bytes) -> bytes:
    """The text with plain values in the place of extended JSON's objects, and of those that name a union's branch."""
    data = _BRANCH.sub(lambda found: found[found.lastgroup or 0], data)
    # The sign alone is looked for first: among so many quotes the pair is found at a tenth of the speed.
    return _WRAPPED.sub(_unwrapped, data) if b"$" in data and b'"$' in data else data


def _unwrapped(found: re.Match[bytes]) -> bytes:
    """The value that an object of extended JSON stands for."""
    if (plain := found["digits"] or found["text"] or found["iso"]) is not None:
        return plain
    try:
        time = _EPOCH + dt.timedelta(milliseconds=int(found["ms"] or found["long"]))
    except (OverflowError, ValueError):  # Python reads no number of thousands of digits.
        return found[0]
    return f'"{time.isoformat(timespec="milliseconds").replace("+00:00", "Z")}"'.encode()


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
    """The text as UTF-8, plain."""
    return plain(data).decode("utf-8", errors="replace").encode()

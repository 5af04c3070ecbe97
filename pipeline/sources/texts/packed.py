"""Values that are bytes, as cells of Parquet and Avro have them: the text that they are, or an address that is packed.

What other bytes become, and whether all of a column are addresses, belongs to the readers of those files.
"""

from __future__ import annotations

import base64
import ipaddress
import re

SIZES = (4, 16)
"""Bytes of a packed address."""
_GZIP = b"\x1f\x8b"
_SHORTEST_GZIP = 18
"""Bytes of gzip of nothing; fewer that begin so are the address 31.139.x.x or any others."""
_LONGEST = 16
"""Bytes up to which chance may make text of what is none: a hash, an address or a number."""
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_LINE_ENDS = dict.fromkeys(map(ord, "\t\r\n"), " ")
_BOM = "\ufeff"


def printed(value: bytes) -> str | None:
    """The text that bytes are; None where they are none. Longer ones may have what cannot be printed, and line ends."""
    try:
        text = value.decode()
    except ValueError:
        return None
    if len(value) > _LONGEST:  # A message; .NET's writers put a byte order mark before it.
        return None if _CONTROL.search(text) else text.removeprefix(_BOM)
    plain = text if len(value) in SIZES else text.translate(_LINE_ENDS)
    return text if plain.isprintable() else None


def told(value: bytes) -> str | None:
    """The text that bytes are, the address that they pack, or gzip in Base64; None where they are nothing of it."""
    if (text := printed(value)) is not None:
        return text
    if len(value) in SIZES:
        return address(value)
    return in_base64(value) if value.startswith(_GZIP) and len(value) >= _SHORTEST_GZIP else None


def address(value: bytes) -> str:
    """The address that 4 or 16 bytes pack."""
    return str(ipaddress.ip_address(value))


def in_base64(value: bytes) -> str:
    """Any bytes as text."""
    return base64.b64encode(value).decode()

"""A JSON document that lacks its end, as where a download broke off: what of it is whole.

Only a fault at the very end is taken for a cut: behind one in the middle lie records that nothing would tell of. What
records there are in the whole part belongs to `documents`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"|["\[\]{}]', re.DOTALL)
_CLOSES = {"{": "}", "[": "]"}
_LAST = 6
"""Characters of a literal, number or escape that was cut: nothing behind a fault so near the end can be a record."""


@dataclass(frozen=True)
class WholePart:
    """What of a document is whole, and what is left."""

    value: Any
    """The document, whose list ends with its last whole element."""
    left: str
    """What stands behind that, as one line: the beginning of the next, or of nothing the mark that opens the list."""


def whole_part(text: str, at: int, error: json.JSONDecodeError) -> WholePart | None:
    """The whole part of the document that begins there; None where it is not just cut, or no element is whole.

    Args:
        text: the document, whose first fault the error is.
        at: where the document begins.
        error: what its decoder said.
    """
    if not (error.msg.startswith("Unterminated string") or error.pos >= len(text.rstrip()) - _LAST):
        return None
    found = _last_whole(text, at)
    if found is None:
        return None
    end, closers = found
    try:
        value = json.loads(text[at:end] + closers)
    except (ValueError, RecursionError):
        return None
    left = " ".join(text[end:].split("\n")).strip(" \t\r,")
    return WholePart(value, left or "[")


def _last_whole(text: str, at: int) -> tuple[int, str] | None:
    """(where the last whole element ends of the outermost list that is open at the end, what closes the document).

    An element is an object or a list, as records are. Where no list is open, where the last one was closed.
    """
    stack, ends, closed = list[str](), list[int](), None
    for token in _TOKEN.finditer(text, at):
        mark = token[0]
        if mark in _CLOSES:
            stack.append(_CLOSES[mark])
            ends.append(0)
        elif mark in ("]", "}"):
            if not stack or stack.pop() != mark:
                return None
            ends.pop()
            if ends:
                ends[-1] = token.end()
            if mark == "]":
                closed = token.end(), "".join(reversed(stack))
        elif mark == '"':
            break
    if "]" not in stack:
        return closed
    outermost = stack.index("]")
    return (ends[outermost], "".join(reversed(stack[: outermost + 1]))) if ends[outermost] else None

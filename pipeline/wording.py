"""Words that many messages share: a number with its noun, and the faults that pydantic finds in a file people write.

Only words that hold everywhere are here; where a fault is, and what is allowed there, is told by its reader.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

_WHOLE = "must be a whole number, in digits alone"
_WORDS = {
    "extra_forbidden": "unknown key",
    "missing": "this key is required",
    "model_type": "must be a mapping of keys to values",
    "dict_type": "must be a mapping of keys to values",
    "tuple_type": "must be a list",
    "string_type": "must be text; put it in quotes if it looks like a number",
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "too_short": "must hold at least one value",
}
_MUST = (
    (r"^Value error, ", ""),
    (r"^Input should be ", "must be "),
    (r"^String should match pattern ", "must match the pattern "),
    (r", unable to parse .*$", ""),
)
_PYTHON_DAY = re.compile(r"datetime\.date\((\d+), (\d+), (\d+)\)", re.ASCII)


def fault_text(fault: Any) -> str:
    """What one of pydantic's error details says, in our words where it has some."""
    text = str(fault["msg"])
    for theirs, ours in _MUST:
        text = re.sub(theirs, ours, text, flags=re.DOTALL)
    text = _PYTHON_DAY.sub(lambda found: str(dt.date(*map(int, found.groups()))), text)
    return _WORDS.get(fault["type"], text)


def counted(number: int, noun: str, several: str = "") -> str:
    """A number with its noun, in the singular for one."""
    return f"{number:,} {noun if number == 1 else several or noun + 's'}"


def rate(number: float) -> str:
    """A rate or chance in three digits at most, and never as a power of ten where it is large."""
    return f"{number:.3g}" if number < 1000 else f"{number:,.0f}"

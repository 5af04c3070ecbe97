"""What our messages call the faults that pydantic finds in a file that people write.

Only words that hold for every such file are here; where a fault is, and what is allowed there, is told by its reader.
"""

from __future__ import annotations

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


def fault_text(fault: Any) -> str:
    """What one of pydantic's error details says, in our words where it has some."""
    text = str(fault["msg"])
    for theirs, ours in _MUST:
        text = re.sub(theirs, ours, text, flags=re.DOTALL)
    return _WORDS.get(fault["type"], text)

"""What our messages call the faults that pydantic finds in a file that people write.

Only words that hold for every such file are here; where a fault is, and what is allowed there, is told by its reader.
"""

from __future__ import annotations

from typing import Any

_WORDS = {
    "extra_forbidden": "unknown key",
    "missing": "this key is required",
    "model_type": "must be a mapping of keys to values",
    "dict_type": "must be a mapping of keys to values",
    "tuple_type": "must be a list",
    "string_type": "must be text; put it in quotes if it looks like a number",
}


def fault_text(fault: Any) -> str:
    """What one of pydantic's error details says, in our words where it has some."""
    return _WORDS.get(fault["type"], str(fault["msg"]).removeprefix("Value error, "))

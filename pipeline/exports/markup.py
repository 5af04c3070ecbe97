"""Text within HTML and SVG, whatever data holds: nothing in it is markup, is hidden, or turns what stands beside it.

Names come from logs and from people, and a page is opened by a browser, so every word of a page or picture goes through
here. What pages and pictures look like is decided where they are made.
"""

from __future__ import annotations

import re
from html import escape

_NO_TEXT = re.compile(
    "[^\t\n\r\x20-\x7e\xa0-\u200a\u200c\u200d\u2010-\u2027\u202f-\u2065\u206a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
)
"""What XML does not know, and what has no width or a direction of its own."""


def text(words: object) -> str:
    """Words as they stand in an element or in an attribute's quotes; what is no text is a replacement character."""
    return escape(_NO_TEXT.sub("\ufffd", "" if words is None else str(words)))


def tag(name: str, *inner: str, **attributes: object) -> str:
    """An element around markup that is ready; its attributes' values are not, and are escaped here.

    Args:
        name: of the element.
        inner: markup.
        attributes: those that are None are left out; `class_` stands for class.
    """
    told = "".join(f' {n.rstrip("_").replace("_", "-")}="{text(v)}"' for n, v in attributes.items() if v is not None)
    return f"<{name}{told}>{''.join(inner)}</{name}>"

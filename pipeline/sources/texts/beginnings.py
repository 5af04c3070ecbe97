"""What may stand before a file's first record, and is no part of it.

Which of it is taken off when, before a format is looked for, is decided in `registry`.
"""

from __future__ import annotations

import re

from pipeline.sources.texts.quoting import ABOVE_HEADER

CUT_RECORD = re.compile(rb"\A[^\n{][^\n]*\}[ \t]*\r?\n(?=\s*\{)")
"""The end of a record whose beginning went with the older half of a log that was rotated by its size."""
WORDS_ABOVE = re.compile(rb'\A(?:[^\n{\[\0]*\r?\n){1,3}(?=\{ ?")')
"""What a program says before the records that it prints, where both came into one file."""
BLANK_LINES = re.compile(rb"\A(?:[ \t]*\r?\n)+")
ABOVE = re.compile(rb"\A\s*(?:(?:" + ABOVE_HEADER.encode() + rb")\s*?\r?\n)+")
"""First lines that may stand above the header of a table."""
NULS = re.compile(rb"\A\0+(?=[\s -~])")
"""What a machine that lost its power leaves before the first line that it writes again."""

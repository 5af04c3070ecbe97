"""The pattern of a source's path, a glob in which `{day}` stands for a day: checked, and made a regular expression.

Which files there are is found in `pipeline.intake.files`, and which objects in `pipeline.intake.remote`.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from pipeline.objects import is_url, split_glob

DAY_MARK = "{day}"
_PIECES = re.compile(r"(\{day\}|\*\*/?|\*|\?|\[[^\]]*\])")


def check_glob(text: str) -> str:
    """The pattern as it is; raises ValueError with what is allowed where it could never match what it seems to say."""
    if is_url(text):
        split_glob(text)
    if "\x00" in text or not PurePosixPath(text).name:
        raise ValueError("must be a file path or glob, such as logs/{day}/conn*.log*")
    if any("**" in part and part != "**" for part in PurePosixPath(text).parts):
        raise ValueError("must have '**' only as a whole folder name, such as logs/**/conn*.log*")
    if ".." in PurePosixPath(text).parts:
        raise ValueError("must not climb with '..'; give the absolute path instead")
    if set("{}") & set(text.replace(DAY_MARK, "")):
        raise ValueError("must have braces as {day} only; other parts of a name are matched by *, ? and [...]")
    try:
        if re.search(r"\[!?\]", text):
            raise re.error("empty set")
        pattern_regex(text)
    except re.error:
        raise ValueError("has [...] that matches nothing; write characters or a range, such as [0-9]") from None
    return text


_OF_TABLES = re.compile(
    r"_(?:delta_log|spark_metadata|temporary|metadata|common_metadata|SUCCESS|(?:started|committed)_.*)"
)
"""What Spark, Delta Lake and Hive keep beside the files of a table: logs of their own, and files that are written."""


def is_hidden(name: str, pattern: str) -> bool:
    """Whether a name has a part that is no log, which only patterns match that have such a part themselves.

    Those are parts that begin with a dot, as shells leave them out, too: files on their way (rsync), file systems'
    snapshots, what editors, macOS and NFS leave; and what programs keep beside the files of a table.
    """
    wanted = PurePosixPath(pattern).parts
    dotted = not any(part[0] in ".[" for part in wanted)
    beside = not any(part[0] in "_[" for part in wanted)
    parts = PurePosixPath(name).parts
    return any((dotted and p.startswith(".")) or (beside and _OF_TABLES.fullmatch(p)) for p in parts)


def pattern_regex(pattern: str) -> re.Pattern[str]:
    """A glob with {day} as a regular expression over relative paths; it captures the day of the first one."""
    out, seen = "", False
    for piece in _PIECES.split(pattern):
        if piece == DAY_MARK:
            out += r"(?P<day>\d{4}-\d\d-\d\d)" if not seen else r"\d{4}-\d\d-\d\d"
            seen = True
        elif piece.startswith("**"):
            out += "(?:.*/)?" if piece == "**/" else ".*"
        elif piece == "*":
            out += "[^/]*"
        elif piece == "?":
            out += "[^/]"
        elif piece.startswith("["):
            out += piece.replace("[!", "[^")
        else:
            out += re.escape(piece)
    return re.compile(rf"(?s:{out})\Z")

"""The site's context as its files are now; a file that did not change is parsed once in a process.

Files lie inside the site: links that lead out of it, and what is no regular file, are refused.
"""

from __future__ import annotations

import functools
import stat
from pathlib import Path

from pipeline.context.checking import checked_rows
from pipeline.context.columns import INPUTS
from pipeline.context.model import NOTHING, Context, ContextTable
from pipeline.context.reading import MAX_BYTES, read_rows
from pipeline.errors import ConfigError, Location
from pipeline.settings import ContextSettings
from pipeline.storage import digest


def load_context(root: Path, settings: ContextSettings) -> Context:
    """All inputs of a site.

    Raises:
        ConfigError: of the first broken input; the others are named in it.
    """
    if not settings.files:
        return NOTHING
    tables, faults = [], []
    for name, file in settings.files.items():
        try:
            tables.append(load_input(root, name, file))
        except ConfigError as error:
            faults.append(error)
    if faults:
        also = "".join(f" Also: {f.message}" for f in faults[1:])
        raise ConfigError(faults[0].what, where=faults[0].where, remedy=faults[0].remedy + also)
    return _context(tuple(tables))


def load_input(root: Path, name: str, file: str) -> ContextTable:
    """One input, checked; raises ConfigError when it cannot be used."""
    path = root / file
    try:
        real = path.resolve(strict=True)
        info = real.stat()
        if not real.is_relative_to(root.resolve()):
            raise _refused(file, name, "is a link out of the site's folder", "Copy the file.")
        if not stat.S_ISREG(info.st_mode):
            raise _refused(file, name, "is not a regular file", "Name a CSV or Parquet file.")
        if info.st_size > MAX_BYTES:
            raise _refused(file, name, f"is larger than {MAX_BYTES:,} bytes", "Leave old rows out, or write Parquet.")
        return _parsed(real, file, name, (info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns))
    except (OSError, RuntimeError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise _refused(file, name, f"cannot be read ({why})", "Correct the path, or take the key out.") from error


def _refused(file: str, name: str, why: str, remedy: str) -> ConfigError:
    return ConfigError(f"{why}.", where=Location(file=file, key=f"context.{name}"), remedy=remedy)


@functools.lru_cache(maxsize=len(INPUTS))
def _parsed(path: Path, file: str, name: str, _state: tuple[int, ...]) -> ContextTable:
    """The state makes a changed file another one."""
    with path.open("rb") as handle:
        data = handle.read(MAX_BYTES + 1)[:MAX_BYTES]
    raw = read_rows(data, file, INPUTS[name])
    rows = checked_rows(raw, INPUTS[name])
    return ContextTable(name, file, raw.frame.height, rows, digest(data), raw.unread)


@functools.lru_cache(maxsize=2)
def _context(tables: tuple[ContextTable, ...]) -> Context:
    """Equal tables share what was told of their days."""
    return Context({t.name: t for t in tables})

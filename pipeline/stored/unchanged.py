"""Whether anything that stored days are judged by has changed, by names, sizes and times of files; none is opened.

A full look at years of days takes seconds of CPU, and sensors look once a minute; they leave it out while nothing has
changed. What a full look finds is in `pipeline.stored.stale` and `pipeline.stored.status`.
"""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

from pipeline.disk import exists
from pipeline.objects.local import LocalObjects
from pipeline.site import PROJECT, Site
from pipeline.storage import digest

ROOMS = ("pipeline", "data_quality", "assets")
"""The program's packages, which lie side by side."""
ALIVE = "alive"
"""The folder of what tells which processes there are: its files change at every look."""


def mark(site: Site, last: dt.date) -> str | None:
    """Hash of all that a look at a site's stored days depends on, logs excepted; the program's own files are a part.

    None where that cannot be told: files come and go meanwhile, or the tables lie in an object store, where to list
    them costs what a look does.

    Args:
        site: as it is configured now.
        last: the last day that a look takes in.
    """
    if not isinstance(site.storage.objects, LocalObjects):
        return None
    context = (site.root / name for name in site.settings.context.files.values())
    try:
        files = [*_below(site.storage.root, ALIVE), *map(_stamp, context)]
        files += [line for room in ROOMS for line in _below(PROJECT / room, "__pycache__")]
    except OSError:
        return None
    return digest(repr(site.settings), repr(site.known_rules), last.isoformat(), *files)


def _below(folder: Path, but: str) -> list[str]:
    """A line for each file at any depth, but in folders of that name; what begins with a dot is unfinished."""
    waiting, lines = [str(folder)], []
    while waiting:
        with os.scandir(waiting.pop()) as found:
            for each in found:
                if each.is_dir(follow_symlinks=False):
                    waiting += [each.path] if each.name != but else []
                elif not each.name.startswith("."):
                    lines.append(_line(each.path, each.stat()))
    return sorted(lines)


def _stamp(path: Path) -> str:
    return _line(str(path), path.stat()) if exists(path) else f"{path} is not there"


def _line(path: str, stat: os.stat_result) -> str:
    return f"{path} {stat.st_size} {stat.st_mtime_ns} {stat.st_ino}"

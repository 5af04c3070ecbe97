"""Temporaries: how they are named while something is written, and how those of processes that died are cleared away.

They lie in folders of this machine; objects of a store appear whole. How a file is replaced is in `pipeline.storage`.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from pipeline.disk import exists, is_dir

_OLD_SECONDS = 86_400
"""A temporary older than this is no longer being written, whoever has its maker's number now."""


def temporary_suffix() -> str:
    """How the name of a temporary file or folder ends, which begins with a dot: it tells who made it."""
    return f".{os.getpid()}.tmp"


def _is_left_over(path: Path) -> bool:
    """Whether a temporary's maker is gone, or its number is another process's by now, as its age tells."""
    maker = path.name.split(".")[-2]
    if not maker.isdecimal():
        return False
    try:
        if int(maker) != os.getpid():
            os.kill(int(maker), 0)
            return time.time() - path.stat().st_mtime > _OLD_SECONDS
    except PermissionError:
        return False
    except (OSError, OverflowError):
        return exists(path)
    return True


def remove_leftovers(folder: Path) -> int:
    """Delete what killed processes left half-written below a folder; how many files and folders that were."""
    found = [p for p in folder.rglob(".*.tmp") if _is_left_over(p)]
    for path in found:
        if is_dir(path):
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return len(found)

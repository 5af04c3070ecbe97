"""Where a site's bytes lie: a folder, or an object store, behind one small interface.

Names are paths below the root with '/' between their parts. What the bytes mean - tables, footers, markers - belongs to
`pipeline.storage`; which objects a source has, to `pipeline.intake.remote`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pipeline.objects.base import Objects
from pipeline.objects.client import needs_extra
from pipeline.objects.local import LocalObjects
from pipeline.objects.urls import Option, check_options, check_options_of, is_url, parse_url, split_glob

__all__ = [
    "CACHE_FOLDER",
    "LocalObjects",
    "Objects",
    "Option",
    "check_options",
    "check_options_of",
    "cloud_objects",
    "is_url",
    "parse_url",
    "split_glob",
]

CACHE_FOLDER = "cache"
"""The folder of a site for copies of objects; it may be deleted whenever nothing runs."""


def cloud_objects(text: str, options: Mapping[str, Option], workspace: Path) -> Objects:
    """The objects below a URL, with a folder for copies of them; raises ConfigError when they cannot be opened."""
    url = parse_url(text)
    needs_extra(text)
    from pipeline.objects.cloud import CloudObjects  # noqa: PLC0415 - needs an extra

    return CloudObjects(url, options, workspace)

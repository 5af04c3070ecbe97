"""A first guess at the `nilometer.yaml` entries for a file: its source and the mail servers seen in it.

A guess to be read by a person before it is used. What the file holds was found by `pipeline.insight.identify`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

import yaml

from pipeline.sources.forms import FORMS
from pipeline.sources.wrappings.envelope import SIGN

_ISO_DAY = re.compile(r"(?<!\d)\d{4}-\d\d-\d\d(?!\d)")
_SUFFIX = re.compile(r"\.(?:gz|zst|bz2|xz)$")
_NAME = re.compile(r"[^A-Za-z0-9_-]+")


def pattern_of(path: PurePath) -> str:
    """The path as a glob: the first day as {day}, other numbers and a compression's suffix as *."""
    *folders, name = path.parts
    name = _SUFFIX.sub("*", name)
    pieces = [*folders, name]
    at = next((i for i, p in enumerate(pieces) if _ISO_DAY.search(p)), None)
    found = []
    for i, piece in enumerate(pieces):
        day = _ISO_DAY.search(piece) if i == at else None
        if day:
            found.append(f"{_wild(piece[: day.start()])}{{day}}{_wild(piece[day.end() :])}")
        else:
            found.append(_wild(piece) if i == len(pieces) - 1 or _ISO_DAY.search(piece) else piece)
    return str(PurePath(*found))


def _wild(text: str) -> str:
    return re.sub(r"\*+", "*", re.sub(r"\d+(?:[-_.:T]*\d+)*", "*", text))


def suggestion(
    path: Path,
    family: str,
    encoding: str,
    servers: Sequence[Mapping[str, Any]],
    *,
    swapped: bool,
    also: Sequence[str] = (),
    told: Mapping[str, str] | None = None,
) -> str:
    """YAML for `sources` and `inventory`; the inventory only where mail servers were seen.

    What the user told of the file to have it read stands in the source, too.
    Other formats whose lines are in the file, too, have a source each with the same path.
    """
    name = _NAME.sub("-", _wild(path.name.split(".")[0]).replace("*", "")).strip("-_") or family
    source: dict[str, Any] = {"name": name[:64], "format": family, "path": pattern_of(path), **(told or {})}
    form = FORMS.get(encoding.partition(SIGN)[0])
    if form is not None and form.local_time:
        source["timezone"] = "UTC"
    if swapped:
        source["swap_bytes"] = True
    rest = [{"name": f"{name[:50]}-{other}", "format": other, "path": source["path"]} for other in also]
    found: dict[str, Any] = {"sources": [source, *rest]}
    addresses = list(dict.fromkeys(s["ip"] for s in servers))
    if addresses:
        found["inventory"] = [{"address": ip, "category": "email_server"} for ip in addresses]
    return yaml.safe_dump(found, sort_keys=False, allow_unicode=True)

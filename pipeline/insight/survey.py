"""A look over a site's sources without reading them: how many files, what they are, and which days they reach over.

Only the beginnings of some files are looked at, so the answer comes at once for any number of logs.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.errors import SourceError
from pipeline.insight.mapped import lacking
from pipeline.intake.files import list_files
from pipeline.intake.found import FoundFile
from pipeline.intake.peek import peek
from pipeline.intake.reading_options import options_for
from pipeline.settings import LimitSettings, SourceSettings
from pipeline.site import Site
from pipeline.sources import detect
from pipeline.sources.base import HEAD_BYTES, ReadOptions
from pipeline.sources.reading import LineStream
from pipeline.sources.table_rows import table_encoding
from pipeline.sources.watch import Watch
from pipeline.wording import counted

SAMPLE = 20
"""Files of a source that are looked into."""
_Owners = dict[Path, SourceSettings]
"""Which source has a file first."""


@dataclass
class SourceSurvey:
    """What one source has."""

    source: str
    files: int = 0
    bytes: int = 0
    looked_into: int = 0
    formats: Counter[str] = field(default_factory=Counter)
    """Encoding -> files, among those looked into."""
    first: str | None = None
    last: str | None = None
    """Earliest and latest flow start (UTC) at the ends of the files looked into."""
    problems: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON lines."""
        return {"what": "source", **self.__dict__, "formats": dict(sorted(self.formats.items()))}


def survey(site: Site, now: dt.datetime) -> list[SourceSurvey]:
    """Every source of the site."""
    limits, owners = site.settings.limits, _Owners()
    return [_survey(site, s, options_for(s, limits, now, Watch(None)), owners) for s in site.settings.sources]


def _survey(site: Site, source: SourceSettings, options: ReadOptions, owners: _Owners) -> SourceSurvey:
    listing = list_files(site.root, source)
    found = SourceSurvey(source.name, len(listing.files), sum(f.size for f in listing.files))
    found.problems = [p.message for p in listing.problems] + _read_twice(source, listing.files, owners)
    spans: list[int] = []
    for file in _sample(listing.files):
        found.looked_into += 1
        try:
            encoding, head = _format(file, source, site.settings.limits)
        except SourceError as error:
            found.problems.append(error.message)
            continue
        found.formats[encoding or "no data"] += 1
        if encoding and (fault := lacking(file.path, file.name, encoding, head, options)):
            found.problems.append(fault)
        spans += peek(file, source.format, site.settings.limits, options) or []
    if spans:
        found.first, found.last = (
            dt.datetime.fromtimestamp(t / 1e6, dt.UTC).isoformat() for t in (min(spans), max(spans))
        )
    return found


def _read_twice(source: SourceSettings, files: list[FoundFile], owners: _Owners) -> list[str]:
    """What is to be said of files that sources named before have too; owners learns those that none has."""
    paths = [f.place for f in files if isinstance(f.place, Path)]
    others = [owners[path] for path in paths if path in owners]
    # A relay's file of several vendors has a source for each.
    shared = Counter(o.name for o in others if o.format == source.format or "auto" in (o.format, source.format))
    owners.update((path, source) for path in paths if path not in owners)
    return [
        f"key sources.{source.name}.path: {n} of its {counted(len(files), 'file')} {'is' if n == 1 else 'are'} source "
        f"{other}'s too: each is read twice, as if two sensors had seen its flows, which count once. Narrow one path."
        for other, n in shared.items()
    ]


def _sample(files: list[FoundFile]) -> list[FoundFile]:
    """At most SAMPLE files, evenly over the names, the first and the last among them."""
    if len(files) <= SAMPLE:
        return files
    return [files[round(i * (len(files) - 1) / (SAMPLE - 1))] for i in range(SAMPLE)]


def _format(file: FoundFile, source: SourceSettings, limits: LimitSettings) -> tuple[str | None, bytes]:
    """(what a file is, its first bytes; none of a table of columns)."""
    stream = LineStream(file.path, limits, file.name)
    try:
        if stream.is_table:
            return table_encoding(file.path, source.format, file.name), b""
        head = stream.read_some(HEAD_BYTES)
        return detect(head, source.format, file.name, source.header or ""), head
    finally:
        stream.close()

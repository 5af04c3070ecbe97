"""Landed files that the configuration names no more: their rows stay in the landing, and count in no day.

A source that was taken out of `nilometer.yaml` takes its rows with it, and so does a file that is there and that its
source's path matches no longer; both come back unread when they are named again. A file that is gone keeps its rows, as
nobody can tell a log that was deleted from one that is no longer wanted. A source that was only given another name
keeps everything. Which files there are is found in `pipeline.intake.files`; URLs are not looked at here.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pipeline.disk import seen
from pipeline.globs import is_hidden, pattern_regex
from pipeline.intake.files import split_pattern
from pipeline.intake.ledger import Entry, Ledger
from pipeline.intake.quarantine import give_lines, quarantine_name
from pipeline.objects import is_url
from pipeline.settings import SourceSettings
from pipeline.storage import Storage


@dataclass(frozen=True)
class Moved:
    """A file that is known under another source's name now."""

    former: str
    """The name of its quarantined lines before."""
    entry: Entry


def settle(ledger: Ledger, sources: Collection[SourceSettings], site_root: Path) -> list[Moved]:
    """Mark the entries that no source names, and give those of a renamed source to its new name; what was moved."""
    moved = _rename(ledger, sources)
    configured = {s.name: s for s in sources}
    by_source: dict[str, list[Entry]] = {}
    for (name, _), entry in ledger.entries.items():
        by_source.setdefault(name, []).append(entry)
    for name, entries in by_source.items():
        source = configured.get(name)
        if source is None or is_url(source.path):
            for entry in entries:
                entry.left_out = source is None
        else:
            _match(entries, source, ledger.sources.get(name, source.path), site_root)
    kept = {s for s, _ in ledger.entries}
    ledger.sources = {n: p for n, p in ledger.sources.items() if n in kept} | {s.name: s.path for s in sources}
    return moved


def move_quarantine(storage: Storage, moved: Collection[Moved]) -> None:
    """Keep the quarantined lines of moved files under their new names, and delete what has the former ones."""
    for file in moved:
        give_lines(storage, file.former, file.entry)


def _rename(ledger: Ledger, sources: Collection[SourceSettings]) -> list[Moved]:
    """A source with the path of one that is gone, and a name that was not known, is that source."""
    names, moved = {s.name for s in sources}, list[Moved]()
    for new in (s for s in sources if s.name not in ledger.sources):
        gone = [n for n, path in ledger.sources.items() if path == new.path and n not in names]
        if len(gone) != 1:
            continue
        for entry in [e for (s, _), e in ledger.entries.items() if s == gone[0]]:
            former = quarantine_name(entry)
            del ledger.entries[(entry.source, entry.name)]
            entry.source = new.name
            ledger.entries[(entry.source, entry.name)] = entry
            moved.append(Moved(former, entry))
        ledger.sources[new.name] = ledger.sources.pop(gone[0])
    return moved


def _match(entries: Collection[Entry], source: SourceSettings, former: str, site_root: Path) -> None:
    """Mark those of a source's entries that its path does not match and whose files are there."""
    matches, (_, pattern) = _pattern(site_root, source.path), split_pattern(site_root, source.path)
    folders = {_folder(site_root, path) for path in (source.path, former) if not is_url(path)}
    for entry in entries:
        found = matches.match(entry.name)
        if found is not None and not is_hidden(found["rest"], pattern):
            entry.left_out = False
        elif not entry.left_out:
            entry.left_out = any(seen((folder / entry.name).is_file) for folder in folders)


def _folder(site_root: Path, path: str) -> Path:
    """What the names of a source's files are relative to."""
    root, _ = split_pattern(site_root, path)
    return site_root if root.is_relative_to(site_root) else root


def _pattern(site_root: Path, path: str) -> re.Pattern[str]:
    """A source's path as a regular expression over its files' names; `rest` is what stands behind its folder."""
    root, pattern = split_pattern(site_root, path)
    inside = root.relative_to(site_root) if root.is_relative_to(site_root) else PurePosixPath()
    folder = "".join(re.escape(f"{p}/") for p in inside.parts)
    return re.compile(f"{folder}(?P<rest>{pattern_regex(pattern).pattern})")

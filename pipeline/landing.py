"""Landing: every file is parsed once in its life, whatever days it holds, into Parquet parts and a ledger.

A day's flows are made from the parts that hold the day, so a monthly file costs one read and a re-run reads no text
at all. Rows stay raw here: de-duplication, byte layers and categories are decided in `pipeline.flows`.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import struct
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.errors import SourceError
from pipeline.files import FoundFile, Listing, list_files
from pipeline.inventory import Inventory
from pipeline.lander import CHUNK_BYTES, CODE_VERSION, FileLander, LandingFolders
from pipeline.ledger import Entry, Ledger
from pipeline.peek import peek
from pipeline.settings import InventoryEntry, LimitSettings, Settings, SourceSettings
from pipeline.sources.base import ReadOptions
from pipeline.sources.reading import LineStream, compression_of
from pipeline.sources.watch import Watch
from pipeline.storage import digest

Progress = Callable[[str, int, int], None]
"""Called with (stage, files done, files in all)."""


@dataclass
class LandingReport:
    """What one landing did."""

    listed: int = 0
    landed: int = 0
    bytes_read: int = 0
    problems: list[SourceError] = field(default_factory=list)
    """Globs without files, links out of the root, files that could not be read."""


class Landing:
    """The landing of one site: its folder, ledger and the rules for what to keep."""

    def __init__(self, site_root: Path, storage_root: Path, settings: Settings, now: dt.datetime) -> None:
        self.root = storage_root / "landing"
        self.folders = LandingFolders(self.root, storage_root / "quarantine")
        self._site_root, self._settings, self._now = site_root, settings, now
        self._inventory = Inventory(settings.inventory)
        self.ledger = Ledger.load(self.root / "ledger.jsonl")
        self._watches: dict[str, Watch] = {}

    # Which files

    def land(self, days: Collection[dt.date], progress: Progress | None = None) -> LandingReport:
        """Land every new or changed file that may hold one of the days."""
        report, todo = LandingReport(), []
        for source in self._settings.sources:
            listing = list_files(self._site_root, source)
            report.listed += len(listing.files)
            report.problems += listing.problems
            self._mark_missing(source, listing)
            todo += [(source, f) for f in listing.files if self._wanted(source, f, days)]
        for index, (source, file) in enumerate(todo):
            entry = self._land_file(source, file)
            if progress is not None:
                progress("landing", index + 1, len(todo))
            report.landed += entry.state == "landed"
            report.bytes_read += file.size
            if index % 64 == 63:
                self._save()
        self._save()
        report.problems += [SourceError(e.reason) for e in self.ledger.entries.values() if e.may_hurt(days)]
        return report

    def pending(self, days: Collection[dt.date]) -> dict[dt.date, list[str]]:
        """Files that a landing would read now, by the asked days that they may hold."""
        found: dict[dt.date, list[str]] = {}
        for source in self._settings.sources:
            for file in list_files(self._site_root, source).files:
                for day in days if self._is_new(source, file) else ():
                    if self._may_hold(source, file, [day]):
                        found.setdefault(day, []).append(file.name)
        return found

    def _mark_missing(self, source: SourceSettings, listing: Listing) -> None:
        there = {f.name for f in listing.files}
        for entry in list(self.ledger.entries.values()):
            if entry.source != source.name:
                continue
            entry.missing = entry.name not in there
            if entry.missing and entry.state in ("failed", "peeked"):
                del self.ledger.entries[(entry.source, entry.name)]

    def _is_new(self, source: SourceSettings, file: FoundFile) -> bool:
        entry = self.ledger.entries.get((file.source, file.name))
        if entry is None or (entry.size, entry.mtime_ns) != (file.size, file.mtime_ns):
            return True
        return entry.state == "peeked" or (entry.state == "landed" and self._lacks_networks(source, entry))

    def _wanted(self, source: SourceSettings, file: FoundFile, days: Collection[dt.date]) -> bool:
        entry = self.ledger.entries.get((file.source, file.name))
        retry = entry is not None and entry.state == "failed"
        return (retry or self._is_new(source, file)) and self._may_hold(source, file, days)

    def _may_hold(self, source: SourceSettings, file: FoundFile, days: Collection[dt.date]) -> bool:
        """Whether flows of one of the days may be in the file, by its path or by a look at both ends.

        A log holds sessions by their end, so it may hold starts of max_session_days before; one day of slack is for
        the zone of the path.
        """
        slack, session = dt.timedelta(days=1), dt.timedelta(days=max(1, source.max_session_days))
        if file.day is not None:
            return any(file.day - session <= d <= file.day + slack for d in days)
        span = self._peek(source, file)
        if span is None:
            return True
        first, last = (dt.datetime.fromtimestamp(us / 1e6, dt.UTC).date() for us in span)
        return any(first - session - slack <= d <= last + session + slack for d in days)

    def _peek(self, source: SourceSettings, file: FoundFile) -> list[int] | None:
        """A look at both ends of the file; taken once for the same bytes."""
        entry = self.ledger.entries.get((file.source, file.name))
        if entry is not None and (entry.size, entry.mtime_ns) == (file.size, file.mtime_ns):
            if entry.state == "failed":
                return None  # Its beginning does not tell where it ends.
            if entry.peek:
                return entry.peek
        span = peek(file, source.format, self._settings.limits, self._options(source, None))
        if entry is None or entry.state == "peeked":
            entry = self._entry(file, "peeked")
            self.ledger.entries[(file.source, file.name)] = entry
        if (entry.size, entry.mtime_ns) == (file.size, file.mtime_ns):
            entry.peek = span
        return span

    # Which rows

    def _networks_key(self, source: SourceSettings) -> str:
        if source.keep == "all":
            return f"*{CODE_VERSION}"
        key = digest(str(CODE_VERSION), self._settings.timezone, *self._inventory.prefixes)
        self.ledger.networks[key] = list(self._inventory.prefixes)
        return key

    def _lacks_networks(self, source: SourceSettings, entry: Entry) -> bool:
        """Whether the inventory has gained a network since the file was landed that is valid in the file's days."""
        if entry.watched in (f"*{CODE_VERSION}", self._networks_key(source)):
            return False
        if source.keep == "all" or entry.watched not in self.ledger.networks:
            return True
        had = Inventory([InventoryEntry(address=a, category=("known",)) for a in self.ledger.networks[entry.watched]])
        gained = [e for e in self._inventory.entries if not had.covers(e.address)]
        spans = [(p.first_day, p.last_day) for p in entry.all_parts if p.first_day and p.last_day]
        return any(
            (g.valid_from is None or g.valid_from.isoformat() <= last)
            and (g.valid_to is None or g.valid_to.isoformat() > first)
            for g in gained
            for first, last in spans
        )

    def _options(self, source: SourceSettings, watch: Watch | None) -> ReadOptions:
        latest = self._now + dt.timedelta(days=self._settings.limits.future_days)
        return ReadOptions(watch or Watch(None), int(latest.timestamp() * 1e6))

    def _watch(self, source: SourceSettings) -> Watch:
        kind = source.keep
        if kind not in self._watches:
            self._watches[kind] = Watch(None if kind == "all" else self._inventory)
        return self._watches[kind]

    # Reading one file

    def _entry(self, file: FoundFile, state: str) -> Entry:
        old = self.ledger.entries.get((file.source, file.name))
        return Entry(
            file.source,
            file.name,
            file.size,
            file.mtime_ns,
            state,
            old.first_seen if old else self._now.isoformat(timespec="seconds"),
            day=file.day.isoformat() if file.day else None,
            peek=old.peek if old else None,
        )

    def _land_file(self, source: SourceSettings, file: FoundFile) -> Entry:
        old = self.ledger.entries.get((file.source, file.name))
        entry = self._entry(file, "landed")
        try:
            if not self._is_copy(file, entry):
                entry.watched = self._networks_key(source)
                options = self._options(source, self._watch(source))
                FileLander(self.folders, self._settings, source, file, options).run(entry, old)
        except SourceError as error:
            entry.state, entry.reason = "failed", error.message
            entry.parts, entry.tail, entry.resume = [], None, None
            day = file.named_day
            entry.day = day.isoformat() if day else entry.day
            entry.peek = peek(file, source.format, self._settings.limits, self._options(source, None), head_only=True)
        self._replace(old, entry)
        return entry

    def _is_copy(self, file: FoundFile, entry: Entry) -> bool:
        """Whether the file has the content of another landed one; looked into only where the sizes agree."""
        size = _content_size(file.path, file.size)
        others = [
            e
            for e in self.ledger.entries.values()
            if e.source == file.source and e.name != file.name and e.state == "landed"
        ]
        if size is None or not any(e.content_bytes % (1 << 32) == size % (1 << 32) and e.content_bytes for e in others):
            return False
        entry.content, entry.content_bytes = _hash_content(file, self._settings.limits)
        if any(e.content == entry.content for e in others):
            entry.state = "duplicate"
            return True
        return False

    def _replace(self, old: Entry | None, entry: Entry) -> None:
        """Put the entry in the ledger; rows of the old self go, or move to a copy that is still there."""
        self.ledger.entries[(entry.source, entry.name)] = entry
        kept = {name for e in self.ledger.entries.values() for p in e.all_parts for name in p.files}
        if old is None:
            return
        gone = [name for p in old.all_parts for name in p.files if name not in kept]
        heir = next(
            (
                e
                for e in self.ledger.entries.values()
                if e.state == "duplicate" and e.content == old.content and e.source == old.source and not e.missing
            ),
            None,
        )
        if gone and heir is not None and old.content != entry.content:
            heir.state, heir.parts, heir.tail = "landed", old.parts, old.tail
            heir.resume, heir.watched, heir.encoding = old.resume, old.watched, old.encoding
            return
        for name in gone:
            (self.root / name).unlink(missing_ok=True)

    def _save(self) -> None:
        self.ledger.save(self.root / "ledger.jsonl")


def _content_size(path: Path, size: int) -> int | None:
    """The decompressed size, where it can be told without reading the file."""
    try:
        with path.open("rb") as handle:
            kind = compression_of(handle.read(6))
            if kind == "gzip" and size >= 18:
                handle.seek(-4, 2)
                return int(struct.unpack("<I", handle.read(4))[0])
    except OSError:
        return None
    return size if kind == "plain" else None


def _hash_content(file: FoundFile, limits: LimitSettings) -> tuple[str, int]:
    """Hash and size of the decompressed content."""
    stream, hasher = LineStream(file.path, limits, file.name), hashlib.sha256()
    try:
        while data := stream.read(CHUNK_BYTES):
            hasher.update(data)
    finally:
        stream.close()
    return hasher.hexdigest(), stream.bytes_read

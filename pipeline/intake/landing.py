"""Landing: every file is parsed once in its life, whatever days it holds, into Parquet parts and a ledger.

A day's flows are made from the parts that hold the day, so a monthly file costs one read and a re-run reads no text
at all. Rows stay raw here: de-duplication, byte layers and categories are decided in `pipeline.flows`.
"""

from __future__ import annotations

import datetime as dt
from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from pipeline.errors import Location, SourceError, StorageError
from pipeline.intake import left_out, redating, upkeep
from pipeline.intake.ahead import Ahead, FileReader, Reading, reading_ahead
from pipeline.intake.asked import Asked, Span
from pipeline.intake.fetching import Fetching, fetching_ahead
from pipeline.intake.file_content import content_size, hash_content
from pipeline.intake.files import Listing, list_files
from pipeline.intake.found import FoundFile
from pipeline.intake.keeping import Keeping
from pipeline.intake.lander import landed_name
from pipeline.intake.ledger import LEDGER, Entry, Ledger
from pipeline.intake.peek import SMALL_BYTES, peek, reach
from pipeline.intake.quarantine import give_lines, quarantine_name
from pipeline.intake.reading_options import options_for
from pipeline.intake.rotation import began_anew
from pipeline.settings import Settings, SourceSettings
from pipeline.sources.base import ReadOptions
from pipeline.sources.watch import Watch
from pipeline.storage import Storage

SAVED, SAVED_PART = 64, 8
"""The ledger, which is written whole, is stored after so many files, but not before an eighth of those it knows."""
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


@dataclass(frozen=True)
class News:
    """A log that a landing would read now."""

    name: str
    """Source and file."""
    known: bool
    """Whether it, or another content of it, was landed before."""
    same: bool = field(default=False, compare=False)
    """Whether the file is as it was, and what is kept of it changed: by the inventory, the zone or the program."""


class Landing:
    """The landing of one site: its ledger and the rules for what to keep; everything lies in the site's storage."""

    def __init__(self, site_root: Path, storage: Storage | Path, settings: Settings, now: dt.datetime) -> None:
        self.storage = Storage(storage) if isinstance(storage, Path) else storage
        self.unlisted: dict[str, SourceError] = {}
        """Sources of whose files not all could be listed, and why (see `pipeline.intake.untold`)."""
        self._site_root, self._settings, self._now = site_root, settings, now
        self.ledger = Ledger.load(self.storage)
        self._keeping = Keeping(settings, self.ledger)
        self._reader = FileReader(self.storage, settings, now, self._keeping.watch)
        self._moved = left_out.settle(self.ledger, settings.sources, site_root)
        upkeep.drop_lost(self.ledger, self.storage)
        self._gone: list[str] = []
        self._replaced: list[Entry] = []
        self._alike: dict[tuple[str, str | int], set[str]] = {}
        for entry in self.ledger.entries.values():
            self._remember(entry)

    # Which files

    def land(
        self, days: Collection[dt.date], progress: Progress | None = None, *, reread: bool = False
    ) -> LandingReport:
        """Land every new or changed file that may hold one of the days; with reread also those pruned since."""
        report, asked = LandingReport(), Asked(days)
        self.unlisted, self._replaced = {}, []
        self.ledger.changed()
        left_out.move_quarantine(self.storage, self._moved)
        upkeep.sweep(self.ledger, self.storage)
        if self.ledger.damaged:
            report.problems.append(self._damaged_ledger())
        found = self._found(report)
        redating.redate(self.ledger, self.storage, self._settings)
        todo = deque((s, f) for s, f in found.values() if self._wanted(s, f, asked, reread))
        files = [f for _, f in todo]
        with (
            reading_ahead(self.storage, self._settings, self._now, files) as ahead,
            fetching_ahead(files, wanted=not ahead.room) as fetching,
        ):
            self._land_all(todo, found, asked, (ahead, fetching), report, progress)
        self._save()
        there = {key: file for key, (_, file) in found.items()}
        report.problems += began_anew(self._replaced, self.ledger, there, self._settings.limits)
        report.problems += [p for e in self.ledger.entries.values() if (p := e.problem(days)) is not None]
        return report

    def _land_all(
        self,
        todo: deque[tuple[SourceSettings, FoundFile]],
        found: Mapping[tuple[str, str], tuple[SourceSettings, FoundFile]],
        asked: Asked,
        helpers: tuple[Ahead, Fetching],
        report: LandingReport,
        progress: Progress | None,
    ) -> None:
        (ahead, fetching), done, saved = helpers, 0, 0
        while todo:
            for source, file in islice(todo, ahead.room):
                if ahead.considers(file) and not (isinstance(file.place, Path) and self._may_be_copy(file)):
                    ahead.give(self._reading(source, file, asked))
            fetching.ask(file for _, file in todo)
            source, file = todo.popleft()
            fetching.wait(file)
            entry, copy = self._land_file(source, file, asked, ahead)
            if copy is not None and (copy.source, copy.name) in found:
                todo.append(found[(copy.source, copy.name)])
            done += 1
            if progress is not None:
                progress("landing", done, done + len(todo))
            report.landed += entry.state == "landed"
            report.bytes_read += file.size if entry.state != "peeked" else 0
            if done - saved >= max(SAVED, len(self.ledger.entries) // SAVED_PART):
                self._save()
                saved = done

    def _found(self, report: LandingReport) -> dict[tuple[str, str], tuple[SourceSettings, FoundFile]]:
        """The files of all sources by source and name, in order; what is not among them is marked as missing."""
        found: dict[tuple[str, str], tuple[SourceSettings, FoundFile]] = {}
        for source in self._settings.sources:
            listing = list_files(self._site_root, source)
            report.listed += len(listing.files)
            report.problems += listing.problems
            if listing.whole:
                self._mark_missing(source, listing)
            if listing.hiding:
                self.unlisted[source.name] = listing.hiding[0]
            found |= {(f.source, f.name): (source, f) for f in listing.files}
        return found

    def _damaged_ledger(self) -> SourceError:
        return SourceError(
            f"{self.ledger.damaged} lines of the ledger do not read; the logs they spoke of are read again.",
            where=Location(file=self.storage.objects.where(LEDGER)),
            remedy="Rows of logs that are gone are in no table any more that is made from now on; what was readable is "
            f"kept as {upkeep.DAMAGED_LEDGER}: remove it when nothing is to be saved from it.",
        )

    def mend(self, day: dt.date) -> bool:
        """Read the logs again whose landed rows of the day are damaged; whether there were any.

        Raises:
            StorageError: such a log is gone.
        """
        broken = {(e.source, e.name): why for e in self.ledger.feeding(day) if (why := upkeep.damage(e, self.storage))}
        there = {(f.source, f.name) for s in self._settings.sources for f in list_files(self._site_root, s).files}
        for key, why in broken.items():
            if key not in there:
                raise StorageError(
                    f"{why}. These are rows of {key[1]}, which is gone.",
                    where=Location(day=day.isoformat()),
                    remedy="Bring the log back, or remove the damaged file to go on without its rows.",
                )
        for key in broken:
            del self.ledger.entries[key]
        if broken:
            self.land([day])
        return bool(broken)

    def pending(self, days: Collection[dt.date]) -> dict[dt.date, list[News]]:
        """Files that a landing would read now, by the asked days that they may hold."""
        found, asked = dict[dt.date, list[News]](), Asked(days)
        for source in self._settings.sources:
            for file in list_files(self._site_root, source).files:
                if self._is_new(source, file):
                    for day in self._concerned(source, file, asked):
                        found.setdefault(day, []).append(self._news(file))
        return found

    def unread(self, days: Collection[dt.date]) -> dict[str, tuple[int, int]]:
        """Files that a landing of the days would read, as far as sizes and times of files tell: (size, time) by name.

        No file is opened, so that a look at thousands is cheap. A file that is named here may turn out to hold none
        of the days; it is then known as such, and named no more.
        """
        found, asked = {}, Asked(days)
        for source in self._settings.sources:
            for file in list_files(self._site_root, source).files:
                if self._is_new(source, file) and self._could_hold(source, file, asked):
                    found[f"{file.source}/{file.name}"] = (file.size, file.mtime_ns)
        return found

    def _could_hold(self, source: SourceSettings, file: FoundFile, asked: Asked) -> bool:
        """Whether the file may hold one of the days, by its path and by what is remembered of it."""
        entry = self.ledger.entries.get((file.source, file.name))
        if entry is not None and asked.named(entry.days_concerned):
            return True
        known = entry is not None and entry.identity == file.identity
        seen = known and entry is not None and entry.peek and self._keeping.holds_still(source, entry)
        return asked.may_be_in(self._reach(source, file)) if file.day is not None or seen else bool(asked.days)

    def _news(self, file: FoundFile) -> News:
        entry = self.ledger.entries.get((file.source, file.name))
        known = entry is not None and entry.state != "peeked"
        return News(
            f"{file.source}/{file.name}", known, known and entry is not None and entry.identity == file.identity
        )

    def _mark_missing(self, source: SourceSettings, listing: Listing) -> None:
        there = {f.name for f in listing.files}
        copied = {e.content for e in self.ledger.entries.values() if e.state == "duplicate"}
        for entry in [e for e in self.ledger.entries.values() if e.source == source.name]:
            entry.missing = entry.name not in there
            if entry.missing and entry.state in ("failed", "peeked"):
                del self.ledger.entries[(entry.source, entry.name)]
            elif entry.missing and entry.state == "landed" and entry.content in copied:
                self._hand_over(entry)

    def _is_new(self, source: SourceSettings, file: FoundFile) -> bool:
        entry = self.ledger.entries.get((file.source, file.name))
        if entry is None or entry.identity != file.identity:
            return True
        if entry.pruned:
            return False
        return entry.state == "peeked" or (entry.state == "landed" and self._keeping.differs(source, entry))

    def _wanted(self, source: SourceSettings, file: FoundFile, asked: Asked, reread: bool) -> bool:
        entry = self.ledger.entries.get((file.source, file.name))
        retry = entry is not None and (entry.state == "failed" or (reread and entry.pruned))
        touched = entry is not None and entry.may_differ(file.changed_ns)
        if not (retry or touched or self._is_new(source, file)):
            return False
        if self._is_told_by_reading(file, entry) or (entry is not None and asked.named(entry.days_concerned)):
            return True
        return asked.may_be_in(self._reach(source, file))

    @staticmethod
    def _is_told_by_reading(file: FoundFile, entry: Entry | None) -> bool:
        """Whether nothing is known of the file, and a look at both ends would cost as much as reading it."""
        unknown = entry is None or (entry.state == "peeked" and entry.identity != file.identity)
        return unknown and file.day is None and file.size < SMALL_BYTES

    def _concerned(self, source: SourceSettings, file: FoundFile, asked: Asked) -> list[dt.date]:
        """The days that the file may hold, as it is now or as it was when it was landed."""
        entry = self.ledger.entries.get((file.source, file.name))
        held = asked.named(entry.days_concerned) if entry is not None else []
        if len(held) == len(asked.days):
            return held
        return sorted({*held, *asked.within(self._reach(source, file))})

    def _reach(self, source: SourceSettings, file: FoundFile) -> Span | None:
        """The days on which flows in the file may start, by its path or by a look at both ends; None for any day.

        A log holds sessions by their end, so it may hold starts of max_session_days before; one day of slack is for
        the zone of the path.
        """
        if file.day is None:
            return reach(self._peek(source, file), source)
        slack, session = dt.timedelta(days=1), dt.timedelta(days=max(1, source.max_session_days))
        return file.day - session, file.day + slack

    def _peek(self, source: SourceSettings, file: FoundFile) -> list[int] | None:
        """A look at both ends of the file; taken once for the same bytes."""
        entry = self.ledger.entries.get((file.source, file.name))
        if entry is not None and entry.identity == file.identity and not entry.may_differ(file.changed_ns):
            if entry.state == "failed":
                return None  # Its beginning does not tell where it ends.
            if entry.peek and self._keeping.holds_still(source, entry):
                return entry.peek
        span = peek(file, source.format, self._settings.limits, self._options(source, None))
        if entry is None or entry.state == "peeked":
            entry = replace(self._entry(file, "peeked"), watched=self._keeping.reading(source))
            self.ledger.entries[(file.source, file.name)] = entry
        if entry.identity == file.identity:
            entry.peek = span
        return span

    def _options(self, source: SourceSettings, watch: Watch | None) -> ReadOptions:
        return options_for(source, self._settings.limits, self._now, watch or Watch(None))

    def prune(self, entries: Collection[Entry]) -> None:
        """Delete the landed rows of the files; the ledger still knows what they held, so nothing is read unasked."""
        for part in [p for e in entries for p in e.all_parts if p.files]:
            self._gone += [landed_name(name) for name in part.files]
            part.files, part.pruned = [], True
        self._save()

    # Reading one file

    def _entry(self, file: FoundFile, state: str) -> Entry:
        old = self.ledger.entries.get((file.source, file.name))
        same = old is not None and old.identity == file.identity
        return Entry(
            file.source,
            file.name,
            file.size,
            file.mtime_ns,
            state,
            old.first_seen if old else self._now.isoformat(timespec="seconds"),
            day=file.day.isoformat() if file.day else None,
            peek=old.peek if old and same else None,
            etag=file.etag,
            changed_ns=file.changed_ns,
        )

    def _reading(self, source: SourceSettings, file: FoundFile, asked: Asked) -> Reading:
        """How the file is to be read, by what is known now."""
        old, entry = self.ledger.entries.get((file.source, file.name)), self._entry(file, "landed")
        entry.watched = self._keeping.key(source)
        return Reading(source, file, entry, old, asked.days if self._is_told_by_reading(file, old) else None)

    def _land_file(
        self, source: SourceSettings, file: FoundFile, asked: Asked, ahead: Ahead
    ) -> tuple[Entry, Entry | None]:
        """Land one file: (its entry, a copy of its former self that must now be landed for its own sake)."""
        old = self.ledger.entries.get((file.source, file.name))
        reading, entry = self._reading(source, file, asked), self._entry(file, "landed")
        read = ahead.take(reading)
        try:
            twin = self._twin_before(file, entry)
            if twin is None:
                read = read or self._reader.read(reading)
                entry = read.entry
                if read.error is not None:
                    raise read.error
                if read.unwanted:
                    entry = replace(self._entry(file, "peeked"), peek=entry.peek, watched=self._keeping.reading(source))
                twin = self._twin(entry)
            if twin is not None:
                self._as_copy(entry, twin)
        except SourceError as error:
            if old is not None and old.state == "landed" and file.is_gone:
                entry = old  # Renamed or deleted meanwhile: what was read of it stays, as of any log that is gone.
            else:
                self._as_failed(source, file, entry, error)
                entry.former = [] if old is None else old.days_known
        file.release()
        if entry.state in ("failed", "duplicate"):
            self._gone += [landed_name(f) for f in read.written] if read else []
            self._gone.append(quarantine_name(entry))
        return entry, self._replace(old, entry)

    def _as_failed(self, source: SourceSettings, file: FoundFile, entry: Entry, error: SourceError) -> None:
        entry.state, entry.reason = "failed", error.message
        entry.parts, entry.tail, entry.resume, entry.content = [], None, None, ""
        entry.day = file.named_day.isoformat() if file.named_day else entry.day
        entry.peek = peek(file, source.format, self._settings.limits, self._options(source, None), head_only=True)

    # Copies: one content is landed once, and stays with a file that is there

    def _twin_before(self, file: FoundFile, entry: Entry) -> Entry | None:
        """The landed file with the same content, before reading this one; looked into only where the sizes agree."""
        if not self._may_be_copy(file):
            return None
        entry.content, entry.content_bytes = hash_content(file, self._settings.limits)
        return self._twin(entry)

    def _may_be_copy(self, file: FoundFile) -> bool:
        """Whether another file's content has the size of this one's."""
        size = content_size(file.path, file.size)
        return size is not None and bool(self._alike.get((file.source, size % (1 << 32)), set()) - {file.name})

    def _twin(self, entry: Entry) -> Entry | None:
        """Another landed file with the entry's content, if there is any record in it: quiet files all look alike."""
        return next((e for e in self._others_like(entry) if e.state == "landed" and e.account.records), None)

    def _others_like(self, entry: Entry) -> list[Entry]:
        """The other files of the source that have the entry's content."""
        names = sorted(self._alike.get((entry.source, entry.content), set()) - {entry.name})
        found = [e for n in names if (e := self.ledger.entries.get((entry.source, n))) is not None]
        return [e for e in found if e.content == entry.content]

    def _remember(self, entry: Entry) -> None:
        """Keep the entry's content and its size in mind; a file that changes is not forgotten, only asked in vain."""
        if entry.content:
            for key in (entry.content, entry.content_bytes % (1 << 32)):
                self._alike.setdefault((entry.source, key), set()).add(entry.name)

    def _as_copy(self, entry: Entry, twin: Entry) -> None:
        """Make the entry a copy of its twin, or its heir when the twin's file is gone."""
        entry.state, entry.parts, entry.tail, entry.resume = "duplicate", [], None, None
        if twin.missing:
            self.ledger.entries[(entry.source, entry.name)] = entry
            self._remember(entry)
            self._hand_over(twin)

    def _hand_over(self, gone: Entry) -> None:
        """Give the rows of a vanished file to a copy of it that is still there, if there is one."""
        heir = next((e for e in self._others_like(gone) if e.state == "duplicate" and not e.missing), None)
        if heir is None:
            return
        heir.state, heir.parts, heir.tail, heir.resume = "landed", gone.parts, gone.tail, gone.resume
        heir.watched, heir.encoding, heir.layout = gone.watched, gone.encoding, gone.layout
        del self.ledger.entries[(gone.source, gone.name)]
        give_lines(self.storage, quarantine_name(gone), heir)
        self._gone.append(quarantine_name(gone))

    def _replace(self, old: Entry | None, entry: Entry) -> Entry | None:
        """Put the entry in the ledger; rows of its old self go. Returns a copy of that, if it is to be landed now."""
        self.ledger.entries[(entry.source, entry.name)] = entry
        self._remember(entry)
        if old is None:
            return None
        kept = {f for p in entry.all_parts for f in p.files}
        self._gone += [landed_name(f) for p in old.all_parts for f in p.files if f not in kept]
        grown = bool(old.parts) and entry.parts[: len(old.parts)] == old.parts
        if old.state != "landed" or grown or old.content == entry.content:
            return None
        copy = next((e for e in self._others_like(old) if e.state == "duplicate" and not e.missing), None)
        if copy is not None:
            copy.state, entry.former = "peeked", []
        else:
            self._replaced.append(old)
        return copy

    def _save(self) -> None:
        """Store the ledger; only then may files go that an older one spoke of."""
        upkeep.keep_damaged(self.ledger, self.storage)
        self.ledger.save(self.storage)
        for name in sorted(set(self._gone) - upkeep.used_files(self.ledger)):
            self.storage.remove(name)
        self._gone = []

"""The ledger of landed files: what was seen when, what it held, and what became of every line.

It is the memory of the landing, one JSON line a file, replaced atomically. The rows themselves are Parquet parts
beside it; both are a cache, and deleting them costs time, never truth.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from pipeline.days import day_range
from pipeline.errors import Location, SourceError
from pipeline.sources.base import Account
from pipeline.sources.named import meaning
from pipeline.storage import Storage

LANDING = "landing"
"""Below it, in the storage, lie the ledger and all landed rows."""
LEDGER = f"{LANDING}/ledger.jsonl"

_UNREADABLE = (ValueError, LookupError, TypeError, AttributeError)


@dataclass
class Part:
    """A landed stretch of a file: its rows in Parquet, and the account of its lines."""

    key: str
    content: str = ""
    """Hash of where the stretch begins and of the file's content up to its end: a part of a day's inputs."""
    account: Account = field(default_factory=Account)
    rows: dict[str, int] = field(default_factory=dict)
    """Kept rows a site day."""
    first_day: str | None = None
    last_day: str | None = None
    """Days that its readable flows span, others included."""
    last_end: str | None = None
    """The last day on which a kept row ends."""
    files: list[str] = field(default_factory=list)
    """Parquet files with the rows, as names below LANDING."""
    servers: list[list[Any]] = field(default_factory=list)
    """The largest mail servers among the others: day, address, port, flows, bytes, hashes of clients."""
    pruned: bool = False
    """The rows were deleted on purpose; what they were is still known here."""

    def covers(self, day: dt.date) -> bool:
        """Whether a flow of this day was read here, watched or not."""
        text = day.isoformat()
        spans = self.first_day is not None and self.last_day is not None and self.first_day <= text <= self.last_day
        return spans or text in self.rows

    def reaches(self, day: dt.date) -> bool:
        """Whether a kept row may last into this day, or begin on it."""
        last = max(self.last_day or "", self.last_end or "")
        return self.first_day is not None and self.first_day <= day.isoformat() <= last


@dataclass
class Entry:
    """One file of one source, as last seen."""

    source: str
    name: str
    size: int
    mtime_ns: int
    state: str
    """landed, failed, peeked (not yet needed) or duplicate (same content as another file of the source)."""
    first_seen: str
    reason: str = ""
    content: str = ""
    """BLAKE3 of the decompressed content, without a byte order mark."""
    content_bytes: int = 0
    encoding: str | None = None
    watched: str = ""
    """Key of what rows were kept, and of the zone their days are of; it ends in '*' when all were kept."""
    day: str | None = None
    """The day that the path states."""
    peek: list[int] | None = None
    """First and last flow start, epoch microseconds: of all that was read, or from a look at both ends."""
    resume: dict[str, Any] | None = None
    """Where to go on when the file has grown: offset, line, prefix hash, reader state."""
    parts: list[Part] = field(default_factory=list)
    tail: Part | None = None
    """A last line without its end; read again when the file grows."""
    missing: bool = False
    """The file is gone; its rows stay."""
    etag: str = ""
    """Of an object: the store's tag of this version."""
    changed_ns: int = 0
    """The file system's own time of the last change (see `FoundFile`); 0 where it was not looked at."""
    layout: list[Any] = field(default_factory=list)
    """Which fields its records have (Layout.as_list); empty when it names none."""
    former: list[str] = field(default_factory=list)
    """Of a failed file the days, ISO, that it held when it could be read: they lack its rows."""
    left_out: bool = False
    """No source names the file any more (`pipeline.intake.left_out`): its rows stay and count in no day."""

    @property
    def identity(self) -> tuple[int, int, str]:
        """What stays the same while the file is unchanged."""
        return self.size, self.mtime_ns, self.etag

    def may_differ(self, changed_ns: int) -> bool:
        """Whether the file may have other content in the same size and time: worth a look when its days are run.

        A copy of a whole site has such times, too, so that this alone makes no day stale.
        """
        return not self.pruned and self.changed_ns not in (0, changed_ns)

    @property
    def all_parts(self) -> list[Part]:
        """Parts and tail."""
        return [*self.parts, self.tail] if self.tail else self.parts

    @property
    def pruned(self) -> bool:
        """Whether rows of the file were deleted on purpose: it is read again only when that is asked for."""
        return any(p.pruned for p in self.all_parts)

    @property
    def days_spanned(self) -> int:
        """Days from the first to the last readable flow; 0 when there is none."""
        spans = [(p.first_day, p.last_day) for p in self.all_parts if p.first_day and p.last_day]
        if not spans:
            return 0
        first, last = min(f for f, _ in spans), max(last for _, last in spans)
        return (dt.date.fromisoformat(last) - dt.date.fromisoformat(first)).days + 1

    def may_hurt(self, days: Collection[dt.date]) -> bool:
        """Whether the file could not be read and belongs to one of the days, or to unknown ones."""
        if self.state != "failed" or self.missing or self.left_out:
            return False
        return self.day is None or not {self.day, *self.former}.isdisjoint(d.isoformat() for d in days)

    def problem(self, days: Collection[dt.date]) -> SourceError | None:
        """What is wrong with the file, where it belongs to one of the days, or to unknown ones."""
        if self.may_hurt(days):
            return SourceError(self.reason)
        if self.state != "landed" or self.missing or self.left_out:
            return None
        if not any(p.account.quarantined for p in self.all_parts):
            return None
        account, aside = self.account, sum(self.account.quarantined.values())
        if account.flows or account.others or account.ignored >= aside:
            return None
        if self.day is not None and dt.date.fromisoformat(self.day) not in days:
            return None
        reasons = ", ".join(f"{n:,} {reason}" for reason, n in sorted(account.quarantined.items()))
        most = max(sorted(account.quarantined), key=lambda reason: account.quarantined[reason])
        return SourceError(
            f"has no {'flow' if account.ignored else 'line'} that could be read: {reasons}.",
            where=Location(file=self.name),
            remedy=f"By {most} is meant: {meaning(most)}. Each is kept with what is wrong in the storage, below "
            f"quarantine/{self.source}.",
        )

    def fails(self, day: dt.date, timezone: str) -> bool:
        """Whether the file could not be read and surely belongs to the day: by its path, its first lines, its past."""
        if not self.may_hurt([day]):
            return False
        if day.isoformat() in {self.day, *self.former}:
            return True
        if self.day is not None or self.peek is None:
            return False
        first, last = (dt.datetime.fromtimestamp(us / 1e6, ZoneInfo(timezone)).date() for us in self.peek)
        return first <= day <= last

    def parts_of(self, day: dt.date) -> list[Part]:
        """The stretches that hold the day; all of them when the file belongs to it by its path alone."""
        return [p for p in self.all_parts if p.covers(day)] or self.all_parts

    @property
    def account(self) -> Account:
        """What became of all lines of the file."""
        total = Account()
        for part in self.all_parts:
            total.add(part.account)
        return total

    @property
    def days_held(self) -> set[str]:
        """The days it belongs to, ISO, by its flows or by its path: those that `holds` is true for."""
        days = {self.day} if self.day else set[str]()
        for part in self.all_parts:
            days.update(part.rows)
            if part.first_day is not None and part.last_day is not None:
                span = dt.date.fromisoformat(part.first_day), dt.date.fromisoformat(part.last_day)
                days.update(d.isoformat() for d in day_range(*span))
        return days

    @property
    def days_concerned(self) -> set[str]:
        """The days, ISO, that it belongs to, or did while it could be read."""
        return {*self.former, *(self.days_held if self.state == "landed" and not self.left_out else ())}

    @property
    def days_known(self) -> list[str]:
        """The days, ISO, that it held when it could last be read."""
        return sorted(self.days_held) if self.state == "landed" else self.former

    @property
    def days_reached(self) -> set[str]:
        """Days, ISO, on which it has no flow of its own, but sessions that may last into them."""
        days = set[str]()
        for part in self.all_parts:
            if part.last_day is not None and part.last_end is not None and part.last_day < part.last_end:
                span = dt.date.fromisoformat(part.last_day), dt.date.fromisoformat(part.last_end)
                days.update(d.isoformat() for d in day_range(*span))
        return days - self.days_held

    def holds(self, day: dt.date) -> bool:
        """Whether the file was read and belongs to this day, by its flows or its path; it may still be left out."""
        if self.state != "landed":
            return False
        return any(p.covers(day) for p in self.all_parts) or self.day == day.isoformat()


_Index = dict[str, list[Entry]]


@dataclass
class Ledger:
    """All entries of a site, by (source, name), and the network sets they were filtered by."""

    entries: dict[tuple[str, str], Entry] = field(default_factory=dict)
    networks: dict[str, list[str]] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    """The path of each source, as it was configured last."""
    damaged: int = 0
    """Lines of the stored ledger that did not read."""
    _by_day: tuple[_Index, _Index] | None = field(default=None, init=False, repr=False, compare=False)
    """The landed files by the days that they hold, and by those that their sessions last into."""

    def feeding(self, day: dt.date) -> list[Entry]:
        """The landed files that belong to a day, in order; from an index that holds until `changed`."""
        return list(self._indexes()[0].get(day.isoformat(), ()))

    def made_from(self, day: dt.date, rule: str) -> list[tuple[Entry, list[Part]]]:
        """The files that a day's flows are made from, each with the stretches that matter.

        These are the files that feed the day. Where a record of a session may count on another day than one that
        repeats it - one source tells of it whole and another in stretches, or an interim record counts by its end -
        sessions that only last into the day are looked at too.

        Args:
            day: the day.
            rule: by what flows belong to a day (`counting.attribute`).
        """
        fed, reaching = self.feeding(day), self._indexes()[1].get(day.isoformat(), [])
        if not fed or (rule != "end" and len({e.source for e in (*fed, *reaching)}) == 1):
            return [(e, e.parts_of(day)) for e in fed]
        lasting = {id(e): [p for p in e.all_parts if p.covers(day) or p.reaches(day)] for e in (*fed, *reaching)}
        return [(e, lasting[id(e)] or e.all_parts) for e in (*fed, *reaching)]

    def _indexes(self) -> tuple[_Index, _Index]:
        if self._by_day is None:
            held, reached = _Index(), _Index()
            for _, entry in sorted(self.entries.items()):
                if entry.state == "landed" and not entry.left_out:
                    for day in entry.days_held:
                        held.setdefault(day, []).append(entry)
                    for day in entry.days_reached:
                        reached.setdefault(day, []).append(entry)
            self._by_day = held, reached
        return self._by_day

    def set_aside(self, day: dt.date) -> list[Entry]:
        """The landed files that hold a day and that no source names any more, in order."""
        return [e for _, e in sorted(self.entries.items()) if e.left_out and e.holds(day)]

    def changed(self) -> None:
        """Entries were added, replaced or taken away, or hold other days."""
        self._by_day = None

    def save(self, storage: Storage) -> None:
        """Replace the stored ledger."""
        lines = [json.dumps({"networks": self.networks, "sources": self.sources}, sort_keys=True)]
        lines += [json.dumps(_plain(self.entries[k]), sort_keys=True) for k in sorted(self.entries)]
        self.changed()
        storage.write_text(LEDGER, "\n".join(lines) + "\n")

    @classmethod
    def load(cls, storage: Storage) -> Ledger:
        """The stored ledger, or an empty one; what the lines that do not read spoke of is landed again.

        Raises:
            OSError, StorageError: it cannot be opened or reached, which is not the same as there being none.
        """
        ledger, data = cls(), storage.objects.read(LEDGER)
        if data is None:
            return ledger
        first, *lines = data.splitlines() or [b""]
        try:
            header = json.loads(first)
            ledger.networks, ledger.sources = dict(header["networks"]), dict(header.get("sources", {}))
        except _UNREADABLE:
            ledger.damaged += 1
        for line in lines:
            try:
                entry = _entry(json.loads(line))
                ledger.entries[(entry.source, entry.name)] = entry
            except _UNREADABLE:
                ledger.damaged += 1
        return ledger


def _plain(entry: Entry) -> dict[str, Any]:
    tail = _plain_part(entry.tail) if entry.tail else None
    return {**vars(entry), "parts": [_plain_part(p) for p in entry.parts], "tail": tail}


def _plain_part(part: Part) -> dict[str, Any]:
    return {**vars(part), "account": part.account.as_dict()}


def _entry(data: dict[str, Any]) -> Entry:
    parts = [_part(p) for p in data.pop("parts")]
    tail = data.pop("tail")
    return Entry(**data, parts=parts, tail=_part(tail) if tail else None)


def _part(data: dict[str, Any]) -> Part:
    return Part(**{**data, "account": Account.from_dict(data["account"])})

"""Which rows of a log are kept, and whether those of one that was read are what would be kept today.

The answer follows from the program, the settings of the source and the networks of the inventory; a key of them stands
with each file in the ledger. Which files are read is decided in `landing`.
"""

from __future__ import annotations

import datetime as dt

from pipeline.intake.lander import CODE_VERSION
from pipeline.intake.ledger import Entry, Ledger
from pipeline.intake.reading_options import reading_key
from pipeline.inventory import Inventory
from pipeline.settings import InventoryEntry, Settings, SourceSettings
from pipeline.sources.watch import Watch
from pipeline.storage import digest


class Keeping:
    """What a site keeps of its logs."""

    def __init__(self, settings: Settings, ledger: Ledger) -> None:
        self._settings, self._ledger = settings, ledger
        self._inventory = Inventory(settings.inventory)
        self._watches: dict[str, Watch] = {}

    def reading(self, source: SourceSettings) -> str:
        """The key of how a source's files are read, whatever is kept of them."""
        return reading_key(source, self._settings, CODE_VERSION)

    def key(self, source: SourceSettings) -> str:
        """That of which rows are kept, too; the ledger then knows the networks behind it."""
        reading = self.reading(source)
        if source.keep == "all":
            return f"{reading}*"
        key = reading + digest(*self._inventory.prefixes)
        self._ledger.networks[key] = list(self._inventory.prefixes)
        return key

    def holds_still(self, source: SourceSettings, entry: Entry) -> bool:
        """Whether a look at a file, if no more than a look was taken, would tell the same today."""
        return entry.state != "peeked" or entry.watched == self.reading(source)

    def differs(self, source: SourceSettings, entry: Entry) -> bool:
        """Whether the file would land differently today: by code, zone, or a network valid in the file's days."""
        (reading, _, kept), key = entry.watched.rpartition("/"), self.key(source)
        if reading != key.rpartition("/")[0]:
            return True
        if kept == "*" or entry.watched == key:
            return False
        if source.keep == "all" or entry.watched not in self._ledger.networks:
            return True
        had = Inventory([InventoryEntry(address=a, category=("known",)) for a in self._ledger.networks[entry.watched]])
        gained = [e for e in self._inventory.entries if not had.covers(e.address)]
        spans = [
            (p.first_day, self._lasting(source, p.last_day)) for p in entry.all_parts if p.first_day and p.last_day
        ]
        return any(
            (g.valid_from is None or g.valid_from.isoformat() <= last)
            and (g.valid_to is None or g.valid_to.isoformat() > first)
            for g in gained
            for first, last in spans
        )

    def _lasting(self, source: SourceSettings, day: str) -> str:
        """The last day that sessions may matter to that began on a day: it alone, or those that they last into."""
        if self._settings.counting.attribute == "start" and len(self._settings.sources) == 1:
            return day
        return (dt.date.fromisoformat(day) + dt.timedelta(days=max(1, source.max_session_days))).isoformat()

    def watch(self, source: SourceSettings) -> Watch:
        """Which addresses are watched in a source's files; sources that keep the same share what was learnt."""
        kind = source.keep
        if kind not in self._watches:
            self._watches[kind] = Watch(None if kind == "all" else self._inventory)
        return self._watches[kind]

"""What has been read of each source's files so far, all days together, told from the ledger alone.

No file is opened and no table read, so that every run can tell it. What one day holds is in
`pipeline.insight.day_facts`, what lies in the folders now in `pipeline.insight.survey`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.intake.ledger import Entry


@dataclass
class Holding:
    """One source, as far as its files have been read."""

    source: str
    files: int = 0
    """Files that were read; a copy of another one is none."""
    failed: int = 0
    """Files that are there and could not be read."""
    lines: int = 0
    flows: int = 0
    """Lines that are flows, of watched servers or of others."""
    set_aside: int = 0
    """Lines that could not be read."""
    first_day: str | None = None
    last_day: str | None = None
    """Days of the site that its flows span, ISO; None where it has none."""

    def take(self, entry: Entry) -> None:
        """Count one of its files."""
        self.files += entry.state == "landed"
        self.failed += entry.state == "failed" and not entry.missing
        for part in entry.all_parts:
            self.lines += part.account.lines
            self.flows += part.account.flows + part.account.others
            self.set_aside += part.account.quarantined.total()
            self.first_day = min(filter(None, (self.first_day, part.first_day)), default=None)
            self.last_day = max(filter(None, (self.last_day, part.last_day)), default=None)


def holdings(sources: Sequence[str], entries: Iterable[Entry]) -> list[Holding]:
    """One a source, in their order; files that no source names any more count nowhere."""
    found = {name: Holding(name) for name in sources}
    for entry in entries:
        if entry.source in found and not entry.left_out:
            found[entry.source].take(entry)
    return list(found.values())

"""Logs that began anew under their name: whether another file of the source has what they held before.

A log that is rotated leaves its lines in a file of another name. Where no source names that one, they count no more,
as those of any file that was replaced; here that is said. Which rows count is decided in `pipeline.intake.landing`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pipeline.errors import Location, SourceError
from pipeline.intake.file_content import hash_content
from pipeline.intake.found import FoundFile
from pipeline.intake.ledger import Entry, Ledger
from pipeline.settings import LimitSettings
from pipeline.wording import counted


def began_anew(
    before: Sequence[Entry], ledger: Ledger, files: Mapping[tuple[str, str], FoundFile], limits: LimitSettings
) -> list[SourceError]:
    """What is to be said of logs that began anew, where no newer file begins with what they held.

    One began anew when it is empty, or all its flows come after those it held, however long it is by now; else it was
    put right.

    Args:
        before: what was known of logs that were replaced in this landing.
        ledger: what is known now.
        files: the files that are there, by source and name.
        limits: of the site.
    """
    found = []
    for old in before:
        new = ledger.entries.get((old.source, old.name))
        if new is None or new.state != "landed" or not _comes_after(new, old):
            continue
        mine = [f for f in files.values() if f.source == old.source and f.name != old.name]
        if not _moved(old, mine, ledger, limits):
            found.append(
                SourceError(
                    f"began anew: {counted(old.account.records, 'record')} had been read of it before, "
                    f"{new.account.records:,} now; no other file has them, and they count no more.",
                    where=Location(file=old.name),
                    remedy="If it was rotated, let the source's path match the rotated logs, too; "
                    "if it is an export, have each written under a name of its own.",
                )
            )
    return found


def _comes_after(new: Entry, old: Entry) -> bool:
    """Whether all that a log holds now is later than what it held, or nothing is left of that."""
    if new.peek is None or old.peek is None:
        return not new.account.records and bool(old.account.records)
    return new.peek[0] > old.peek[1]


def _moved(old: Entry, files: Iterable[FoundFile], ledger: Ledger, limits: LimitSettings) -> bool:
    """Whether a file that was not there when the log was first read begins with what the log held, or may do so."""
    for file in files:
        entry = ledger.entries.get((file.source, file.name))
        if entry is None:
            return True  # It was not looked at, as it is of other days.
        if entry.first_seen >= old.first_seen and (entry.state != "landed" or entry.content_bytes >= old.content_bytes):
            try:
                if _begins_with(file, old, limits):
                    return True
            except SourceError:
                continue  # What it holds is told where it is read.
    return False


def _begins_with(file: FoundFile, old: Entry, limits: LimitSettings) -> bool:
    try:
        return hash_content(file, limits, old.content_bytes) == (old.content, old.content_bytes)
    finally:
        file.release()

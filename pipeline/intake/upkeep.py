"""Looking after the landing: rows that were lost or damaged are noticed, and files that nothing speaks of go.

A killed run may leave landed rows that the ledger never heard of, and a disk may spoil what it holds. What is landed,
and from which file, is decided in `pipeline.intake.landing`.
"""

from __future__ import annotations

from pipeline.disk import limit_met
from pipeline.errors import StorageError
from pipeline.intake.landed import scan_landed
from pipeline.intake.lander import landed_name
from pipeline.intake.ledger import LANDING, LEDGER, Entry, Ledger
from pipeline.intake.quarantine import QUARANTINED, quarantine_name
from pipeline.sources.base import RAW
from pipeline.storage import DAMAGE, Storage

DAMAGED_LEDGER = f"{LANDING}/ledger.damaged.jsonl"
"""A ledger with lines that do not read is kept under this name beside the new one."""


def drop_lost(ledger: Ledger, storage: Storage) -> None:
    """Forget files whose landed rows were deleted, and copies of files that are not known: they are landed again."""
    there = set(storage.objects.below(LANDING)) if ledger.entries else set()
    for key, entry in list(ledger.entries.items()):
        if not all(landed_name(f) in there for p in entry.all_parts for f in p.files):
            del ledger.entries[key]
    held = {(e.source, e.content) for e in ledger.entries.values() if e.state == "landed"}
    for key, entry in list(ledger.entries.items()):
        if entry.state == "duplicate" and (entry.source, entry.content) not in held:
            del ledger.entries[key]


def used_files(ledger: Ledger) -> set[str]:
    """The name of every file that holds rows or quarantined lines of a landed file."""
    landed = [e for e in ledger.entries.values() if e.state == "landed"]
    rows = {landed_name(f) for e in landed for p in e.all_parts for f in p.files}
    return rows | {quarantine_name(e) for e in landed}


def sweep(ledger: Ledger, storage: Storage) -> None:
    """Delete rows that no entry speaks of; while there is a damaged ledger, which might, they stay."""
    if not ledger.entries or ledger.damaged or storage.objects.exists(DAMAGED_LEDGER):
        return
    used = used_files(ledger)
    for folder in (LANDING, QUARANTINED):
        for name in storage.objects.below(folder):
            if name.endswith(".parquet") and name.count("/") == 2 and name not in used:
                storage.remove(name)


def keep_damaged(ledger: Ledger, storage: Storage) -> None:
    """Put a copy of a damaged ledger aside, before it is replaced."""
    data = storage.objects.read(LEDGER) if ledger.damaged else None
    if data is not None:
        storage.objects.put(DAMAGED_LEDGER, lambda p: p.write_bytes(data))
        ledger.damaged = 0


def damage(entry: Entry, storage: Storage) -> str:
    """Which of the entry's landed files cannot be read, and why; empty when all can."""
    for name in (landed_name(f) for p in entry.all_parts for f in p.files):
        where = storage.objects.where(name)
        try:
            found = scan_landed(storage.whole([name])[0]).collect()
            if lacking := sorted(set(RAW) - set(found.columns)):
                return f"{where}: lacks {', '.join(lacking)}"
        except StorageError as error:
            return f"{where}: {error.what}"
        except DAMAGE as error:
            if (fault := limit_met(error)) is not None:
                raise fault from error
            return f"{where}: {error}"
    return ""

"""Looking after the landing: rows that were lost or damaged are noticed, and files that nothing speaks of go.

A killed run may leave landed rows that the ledger never heard of, and a disk may spoil what it holds. What is landed,
and from which file, is decided in `pipeline.landing`.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from pipeline.errors import StorageError
from pipeline.lander import LandingFolders, quarantine_path
from pipeline.ledger import Entry, Ledger
from pipeline.sources.base import RAW
from pipeline.storage import DAMAGE, checked, replace_atomically

DAMAGED_LEDGER = "ledger.damaged.jsonl"
"""A ledger with lines that do not read is kept under this name beside the new one."""


def drop_lost(ledger: Ledger, rows: Path) -> None:
    """Forget files whose landed rows were deleted, and copies of files that are not known: they are landed again."""
    for key, entry in list(ledger.entries.items()):
        if not all((rows / name).exists() for p in entry.all_parts for name in p.files):
            del ledger.entries[key]
    held = {(e.source, e.content) for e in ledger.entries.values() if e.state == "landed"}
    for key, entry in list(ledger.entries.items()):
        if entry.state == "duplicate" and (entry.source, entry.content) not in held:
            del ledger.entries[key]


def used_files(ledger: Ledger, folders: LandingFolders) -> set[Path]:
    """Every file that holds rows or quarantined lines of a landed file."""
    landed = [e for e in ledger.entries.values() if e.state == "landed"]
    rows = {folders.rows / name for e in landed for p in e.all_parts for name in p.files}
    return rows | {quarantine_path(folders.quarantine, e) for e in landed}


def sweep(ledger: Ledger, folders: LandingFolders) -> None:
    """Delete rows that no entry speaks of; while there is a damaged ledger, which might, they stay."""
    if not ledger.entries or ledger.damaged or (folders.rows / DAMAGED_LEDGER).exists():
        return
    used = used_files(ledger, folders)
    for folder in (folders.rows, folders.quarantine):
        for path in set(folder.glob("*/*.parquet")) - used:
            path.unlink(missing_ok=True)


def keep_damaged(ledger: Ledger, path: Path) -> None:
    """Put a copy of a damaged ledger aside, before it is replaced."""
    if ledger.damaged and path.exists():
        replace_atomically(path.with_name(DAMAGED_LEDGER), lambda p: p.write_bytes(path.read_bytes()))
        ledger.damaged = 0


def damage(entry: Entry, rows: Path) -> str:
    """Which of the entry's landed files cannot be read, and why; empty when all can."""
    for name in (n for p in entry.all_parts for n in p.files):
        try:
            found = pl.read_parquet(checked(rows / name), hive_partitioning=False)
            if lacking := sorted(set(RAW) - set(found.columns)):
                return f"{rows / name}: lacks {', '.join(lacking)}"
        except StorageError as error:
            return f"{rows / name}: {error.what}"
        except DAMAGE as error:
            return f"{rows / name}: {error}"
    return ""

"""Lines that were set aside, with what is wrong with each: a file of them beside the landed rows of each log.

They are there to be looked at and feed no table, so that a damaged file of them stops nothing. Which lines are set
aside is decided by the readers, and how many there were is in the ledger.
"""

from __future__ import annotations

import polars as pl

from pipeline.disk import limit_met
from pipeline.errors import StorageError
from pipeline.intake.ledger import Entry
from pipeline.schemas import QUARANTINE
from pipeline.storage import DAMAGE, Storage, digest

QUARANTINED = "quarantine"
"""Below it, in the storage, lie the lines that were set aside."""
MAX_ROWS = 100_000
"""Lines of one log that are kept with their text; all are counted."""


def quarantine_name(entry: Entry) -> str:
    """Under which name the quarantined lines of a file are kept."""
    return f"{QUARANTINED}/{entry.source}/{digest(entry.name)}.parquet"


def kept_lines(storage: Storage, name: str) -> pl.DataFrame | None:
    """The lines that are kept under a name, none where there is no such file; None when it is damaged."""
    try:
        paths = storage.paths([name])
        return QUARANTINE.conform(pl.read_parquet(paths[0], glob=False)) if paths else QUARANTINE.empty()
    except StorageError:
        return None
    except DAMAGE as error:
        if (fault := limit_met(error)) is not None:
            raise fault from error
        return None


def give_lines(storage: Storage, former: str, entry: Entry) -> None:
    """Keep the lines that are kept under a former name as those of the entry, which has the same content."""
    lines = kept_lines(storage, former)
    if lines is not None and lines.height:
        _write(storage, entry, lines)


class SetAside:
    """The lines of one file that are set aside while it is read."""

    def __init__(self) -> None:
        self._frames: list[pl.DataFrame] = []
        self._rows = 0

    def take(self, rejects: pl.DataFrame) -> None:
        """Take in the next rows of REJECTS."""
        if rejects.height and self._rows < MAX_ROWS:
            self._frames.append(rejects)
            self._rows += rejects.height

    def write(self, storage: Storage, entry: Entry, before: pl.DataFrame) -> None:
        """Keep the lines of the file, behind those that were known before; a file without any has none."""
        if not self._frames and before.is_empty():
            storage.remove(quarantine_name(entry))
            return
        named = (r.with_columns(source=pl.lit(entry.source), source_file=pl.lit(entry.name)) for r in self._frames)
        whole = pl.concat([QUARANTINE.conform(before), *(QUARANTINE.conform(r) for r in named)])
        _write(storage, entry, whole.head(MAX_ROWS))


def _write(storage: Storage, entry: Entry, lines: pl.DataFrame) -> None:
    own = lines.with_columns(source=pl.lit(entry.source), source_file=pl.lit(entry.name))
    storage.write_parquet(quarantine_name(entry), QUARANTINE.conform(own), {"file": entry.name})

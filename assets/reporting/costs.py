"""What a stage's work costs: time, processor time, peak memory, bytes and rows; told of every day and of a whole run.

Costs are shown in Dagster, in logs and in metrics. They never enter stored tables, which are the same however long
their making took.
"""

from __future__ import annotations

import datetime as dt
import resource
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.schemas import TABLES
from pipeline.site import Site
from pipeline.storage import DayRecord, day_name

_PROCESS = Path("/proc/self")
_RESET_PEAK = "5"


@dataclass(frozen=True)
class Cost:
    """What making one day of one table took."""

    seconds: float
    cpu_seconds: float
    peak_memory_bytes: int
    """The process's largest resident size meanwhile; where the system cannot say so, since its start."""
    bytes_read: int = 0
    """Size of the stored files the day was made from."""
    bytes_written: int = 0

    def as_dict(self) -> dict[str, float | int]:
        """As Dagster plots it."""
        return {
            "seconds": round(self.seconds, 4),
            "cpu_seconds": round(self.cpu_seconds, 4),
            "peak_memory_bytes": self.peak_memory_bytes,
            "bytes_read": self.bytes_read,
            "bytes_written": self.bytes_written,
        }


class Meter:
    """Measures from its making on."""

    def __init__(self) -> None:
        self._resets = _reset_peak()
        self._begun, self._cpu = time.perf_counter(), time.process_time()

    def cost(self, bytes_read: int = 0, bytes_written: int = 0) -> Cost:
        """What it took until now."""
        seconds, cpu = time.perf_counter() - self._begun, time.process_time() - self._cpu
        return Cost(seconds, cpu, _peak(since_reset=self._resets), bytes_read, bytes_written)


def _reset_peak() -> bool:
    """Have the system count this process's peak memory anew; whether it can."""
    try:
        (_PROCESS / "clear_refs").write_text(_RESET_PEAK, encoding="ascii")
    except OSError:
        return False
    return True


def _peak(*, since_reset: bool) -> int:
    if since_reset:
        with suppress(OSError, ValueError, IndexError):
            status = (_PROCESS / "status").read_text(encoding="ascii", errors="replace")
            return int(status.split("VmHWM:")[1].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@dataclass
class Total:
    """What a stage came to over the days of a run."""

    stage: str
    days: int = 0
    failed: int = 0
    rows: int = 0
    lines: int = 0
    quarantined: int = 0
    cost: Cost = field(default_factory=lambda: Cost(0.0, 0.0, 0))

    def add(self, cost: Cost, record: DayRecord | None) -> None:
        """Take in a day; without a record it has failed."""
        mine = self.cost
        self.cost = Cost(
            mine.seconds + cost.seconds,
            mine.cpu_seconds + cost.cpu_seconds,
            max(mine.peak_memory_bytes, cost.peak_memory_bytes),
            mine.bytes_read + cost.bytes_read,
            mine.bytes_written + cost.bytes_written,
        )
        if record is None:
            self.failed += 1
            return
        self.days += 1
        self.rows += record.rows
        if record.table == "flows":
            self.lines += int(record.facts.get("lines", 0))
            self.quarantined += int(record.facts.get("quarantined", 0))


def bytes_of(site: Site, record: DayRecord, others: Iterable[str] = ()) -> tuple[int, int]:
    """Sizes of what a day was made from, as its record names it (and of other files), and of the day itself."""
    names = [*others]
    for key in record.inputs:
        table, _, day = key.partition("/")
        if table in TABLES:
            names.append(day_name(table, dt.date.fromisoformat(day) if day else record.day))
    return sum(map(site.storage.size, names)), site.storage.size(day_name(record.table, record.day))

"""What state each day is in - missing, done, stale or failed - and why: told from footers, never from file times.

A day is stale when a stage would now be made from other inputs than it was made from, or when a log is new or changed
that may hold the day. Making days up to date belongs to the runs.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline import stages, surge_days
from pipeline.context import INPUTS, load_context
from pipeline.errors import NilometerError
from pipeline.flows import flow_inputs
from pipeline.inventory import Inventory
from pipeline.landing import Landing
from pipeline.site import Site
from pipeline.storage import DayRecord, Storage

QualityOf = surge_days.QualityOf
_SHOWN_FILES = 3
_WORDS = {
    "files": "its logs changed",
    "inventory": "the inventory changed",
    "timezone": "the time zone changed",
    "measures": "the rules' series changed",
    "series": "the rules' windows changed",
    "start": "start_date changed",
    "rules": "a rule changed",
    "groups": "the groups changed",
    "site_groups": "the groups changed",
    "days_read": "other days of its window were read",
    "texts": "a rule's text changed",
    "quality": "the day's quality changed",
    "surge_rules": "a rule of method surge changed",
    "surge_stage": "the program changed",
    "stage": "the program changed",
}
_WORDS = {name: f"the context's {name} changed" for name in INPUTS} | _WORDS


@dataclass(frozen=True)
class TableStatus:
    """One stored table of a day."""

    rows: int
    fingerprint: str
    stale: str = ""
    """Why it would come out differently now; empty when it would not."""


@dataclass(frozen=True)
class DayStatus:
    """One day: its state, its quality, the reasons for both, and its tables."""

    day: dt.date
    state: str
    quality: str
    reasons: tuple[str, ...] = ()
    tables: Mapping[str, TableStatus] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The command line's contract: day, state, reasons, and rows and fingerprint of each table."""
        tables = {
            name: {"rows": t.rows, "fingerprint": t.fingerprint, "state": "stale" if t.stale else "done"}
            for name, t in self.tables.items()
        }
        return {
            "day": self.day.isoformat(),
            "state": self.state,
            "quality": self.quality,
            "reasons": list(self.reasons),
            "tables": tables,
        }


class _RememberingStorage(Storage):
    """Reads each footer once, as a window's days are looked at again and again."""

    def __init__(self, inner: Storage) -> None:
        super().__init__(inner.root)
        self._records: dict[tuple[str, dt.date], DayRecord | None] = {}

    def record(self, table: str, day: dt.date) -> DayRecord | None:
        key = (table, day)
        if key not in self._records:
            self._records[key] = super().record(table, day)
        return self._records[key]


def snapshot(site: Site) -> Site:
    """The same site with a storage that reads each footer once; for looking only."""
    seen = replace(site)
    seen.__dict__.update(site.__dict__ | {"storage": _RememberingStorage(site.storage)})
    return seen


def days_status(site: Site, landing: Landing, days: Sequence[dt.date], quality_of: QualityOf) -> list[DayStatus]:
    """The status of each of the days, in order; quality_of tells a stored day's quality."""
    seen, quality_of = snapshot(site), surge_days.remembering(quality_of)
    pending = landing.pending(days)
    inventory = site.inventory
    return [_status(seen, landing, inventory, day, quality_of, pending.get(day, [])) for day in days]


def _status(
    site: Site, landing: Landing, inventory: Inventory, day: dt.date, quality_of: QualityOf, pending: list[str]
) -> DayStatus:
    quality = quality_of(site, day)
    tables = _tables(site, landing, inventory, day, quality_of)
    failure = site.storage.failure(day)
    if failure is not None:
        stage, reasons = failure
        return DayStatus(day, "failed", quality, tuple(f"{stage}: {r}" for r in reasons), tables)
    news = [f"new or changed log: {name}" for name in pending[:_SHOWN_FILES]]
    if len(pending) > _SHOWN_FILES:
        news.append(f"{len(pending) - _SHOWN_FILES} more new or changed logs")
    if "alerts" not in tables:
        reason = "not scored; flows and daily traffic are there for later days" if tables else "never run"
        return DayStatus(day, "missing", quality, (reason, *news), tables)
    if site.rules_of("surge") and "surge_scores" not in tables:
        news.append("surge_scores: never made")
    stale = [f"{name}: {t.stale}" for name, t in tables.items() if t.stale]
    return DayStatus(day, "stale" if stale or news else "done", quality, (*stale, *news), tables)


def current_record(site: Site, landing: Landing, table: str, day: dt.date, quality_of: QualityOf) -> DayRecord | None:
    """A stored table of a day, if it would come out the same now; for running, so nothing is remembered."""
    try:
        record = site.storage.record(table, day)
        now = _inputs_now(site, landing, site.inventory, day, quality_of)[table]
        return record if record is not None and not _difference(record.inputs, now()) else None
    except NilometerError:
        return None


def _inputs_now(
    site: Site, landing: Landing, inventory: Inventory, day: dt.date, quality_of: QualityOf
) -> dict[str, Callable[[], dict[str, str]]]:
    """By table, how to tell what it would be made from now."""
    now: dict[str, Callable[[], dict[str, str]]] = {
        "flows": lambda: flow_inputs(landing, site.settings, inventory, day),
        "daily_traffic": lambda: stages.daily_inputs(site, day),
        "traffic_baseline": lambda: stages.baseline_inputs(site, day),
        "anomaly_scores": lambda: stages.score_inputs(site, day),
        "alerts": lambda: stages.alert_inputs(site, day, quality_of(site, day)),
    }
    if site.rules_of("surge"):
        now["surge_scores"] = lambda: surge_days.inputs(
            site, day, quality_of, load_context(site.root, site.settings.context)
        )
    return now


def _tables(
    site: Site, landing: Landing, inventory: Inventory, day: dt.date, quality_of: QualityOf
) -> dict[str, TableStatus]:
    found = {}
    for name, inputs in _inputs_now(site, landing, inventory, day, quality_of).items():
        try:
            record = site.storage.record(name, day)
            if record is not None:
                found[name] = TableStatus(record.rows, record.fingerprint, _difference(record.inputs, inputs()))
        except NilometerError as error:
            found[name] = TableStatus(0, "", error.message)
    return found


def _difference(stored: Mapping[str, str], now: Mapping[str, str]) -> str:
    """Why a table would come out differently, in words; empty when it would not."""
    changed = sorted(k for k in {*stored, *now} if stored.get(k) != now.get(k))
    window = [k for k in changed if "/" in k]
    reasons = [_WORDS.get(k, f"{k} changed") for k in changed if "/" not in k]
    if window:
        first = window[0].split("/", 1)[1]
        more = f" and {len(window) - 1} more" if len(window) > 1 else ""
        reasons.append(f"the window's day {first}{more} changed")
    return ", ".join(reasons)

"""What state each day is in - missing, done, stale or failed - and why: told from footers, never from file times.

A day is stale when a stage would now be made from other inputs than it was made from, or when a log is new or changed
that may hold the day. Making days up to date belongs to the runs.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from pipeline.context import load_context
from pipeline.context.model import Context
from pipeline.errors import NilometerError
from pipeline.flows import failed_files, flow_inputs
from pipeline.intake.landing import Landing, News
from pipeline.intake.unseen import unseen
from pipeline.site import Site
from pipeline.storage import DayRecord, Storage, digest
from pipeline.stored import reasons, stages
from pipeline.stored.now import can_be_made, how_to_make
from pipeline.stored.pruned import lost_input
from pipeline.surge import days as surge_days

QualityOf = surge_days.QualityOf
Unjudged = Callable[[Site, dt.date], Sequence[str]]
"""Names the checks of a stored day whose results are not of what is stored."""
_SHOWN_FILES = 3
_UNSCORED = "not scored; flows and daily traffic are there for later days"


@dataclass(frozen=True)
class TableStatus:
    """One stored table of a day."""

    rows: int
    fingerprint: str
    stale: str = ""
    """Why it would come out differently now; empty when it would not, or cannot be made again."""
    wanted: str = ""
    """Hash of what it would be made from now; empty when that is unknown."""
    note: str = ""
    """What was pruned, and so what it cannot be made from again."""
    pruned: bool = False

    @property
    def state(self) -> str:
        """done, stale or pruned."""
        return "pruned" if self.pruned else ("stale" if self.stale else "done")


@dataclass(frozen=True)
class DayStatus:
    """One day: its state, its quality, the reasons for both, and its tables."""

    day: dt.date
    state: str
    quality: str
    reasons: tuple[str, ...] = ()
    tables: Mapping[str, TableStatus] = field(default_factory=dict)
    wanted: str = ""
    """Of a failed day, hash of what the stage that failed, which may never have stored it, would be made from now."""

    def as_dict(self) -> dict[str, Any]:
        """The command line's contract: day, state, reasons, and rows and fingerprint of each table.

        A day that was never made has no quality: no_data is said of days whose logs were looked for.
        """
        tables = {
            name: {"rows": t.rows, "fingerprint": t.fingerprint, "state": t.state} for name, t in self.tables.items()
        }
        return {
            "day": self.day.isoformat(),
            "state": self.state,
            "quality": None if self.state == "missing" and not self.tables else self.quality,
            "reasons": list(self.reasons),
            "tables": tables,
        }


class _RememberingStorage(Storage):
    """Reads each footer once, as a window's days are looked at again and again."""

    def __init__(self, inner: Storage) -> None:
        super().__init__(inner.objects.still())
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


def days_status(
    site: Site,
    landing: Landing,
    days: Sequence[dt.date],
    quality_of: QualityOf,
    *,
    logs: bool = True,
    unjudged: Unjudged | None = None,
) -> list[DayStatus]:
    """The status of each of the days, in order.

    Args:
        site: the site.
        landing: what was read of its logs.
        days: the days asked for.
        quality_of: tells a stored day's quality.
        logs: whether to look for logs that were not read yet; else only what is stored is compared.
        unjudged: tells whether the checks of a day are of other data, which makes it stale; else nobody asks.
    """
    seen, quality_of = snapshot(site), surge_days.remembering(quality_of)
    pending = landing.pending(days) if logs else {}
    context = _context(site)
    found = [_status(seen, landing, day, quality_of, context, pending.get(day, [])) for day in days]
    return found if unjudged is None else [_with_checks(status, unjudged(seen, status.day)) for status in found]


def _with_checks(status: DayStatus, unjudged: Sequence[str]) -> DayStatus:
    """The status of a day some of whose checks judged other data; one that is not made keeps its state."""
    if not unjudged:
        return status
    state = "stale" if status.state == "done" else status.state
    reason = f"checks: {', '.join(unjudged)} judged other data than is stored, never ran, or crashed"
    return replace(status, state=state, reasons=(*status.reasons, reason))


def up_to_date(site: Site, landing: Landing | None, table: str, day: dt.date, quality_of: QualityOf) -> bool:
    """Whether a stored table of a day is what it would be now, and no stage has failed to make it.

    The landing is needed for flows alone.
    """
    failed = stages.failure_before(site, day, table, own=True)
    found = None if failed else _table(site, landing, table, day, quality_of, _context(site))
    return found is not None and not found.stale


def _context(site: Site) -> Callable[[], Context]:
    """The site's context, read when it is first needed, and once."""
    return cache(lambda: load_context(site.root, site.settings.context))


def _status(
    site: Site,
    landing: Landing,
    day: dt.date,
    quality_of: QualityOf,
    context: Callable[[], Context],
    pending: Sequence[News],
) -> DayStatus:
    quality = quality_of(site, day)
    names = [t for t in reasons.TABLES if t != "surge_scores" or site.rules_of("surge")]
    tables = {t: s for t in names if (s := _table(site, landing, t, day, quality_of, context)) is not None}
    failure = site.storage.failure(day)
    if failure is not None:
        stage, why = failure
        wanted = _wanted(site, landing, stage, day, quality_of, context)
        return DayStatus(day, "failed", quality, tuple(f"{stage}: {r}" for r in why), tables, wanted)
    scored = "alerts" in tables
    news = [_news_text(n, scored) for n in pending[:_SHOWN_FILES]]
    if len(pending) > _SHOWN_FILES:
        news.append(f"{len(pending) - _SHOWN_FILES} more new or changed files")
    notes = [f"{name}: {t.note}" for name, t in tables.items() if t.note]
    if tables and (less := unseen(landing, site.inventory, day)):
        notes.append(f"flows: {less}")
    if not scored:
        never = "never run" if can_be_made(site, day) else how_to_make(site, day)
        return DayStatus(day, "missing", quality, (_UNSCORED if tables else never, *news, *notes), tables)
    if site.rules_of("surge") and "surge_scores" not in tables:
        lost = lost_input(site, "surge_scores", day)
        (notes if lost else news).append(f"surge_scores: never made{f', and {lost}' if lost else ''}")
    stale = [f"{name}: {t.stale}" for name, t in tables.items() if t.stale]
    return DayStatus(day, "stale" if stale or news else "done", quality, (*stale, *news, *notes), tables)


def _news_text(news: News, scored: bool) -> str:
    if news.same:
        return f"file {news.name} did not change and is to be read anew"
    kind = "changed file" if news.known else "late file" if scored else "new file"
    return f"{kind} {news.name}"


def _table(
    site: Site, landing: Landing | None, name: str, day: dt.date, quality_of: QualityOf, context: Callable[[], Context]
) -> TableStatus | None:
    """One stored table of a day; None when it is not stored."""
    try:
        record = site.storage.record(name, day)
        if record is None:
            return None
        now = _inputs(site, landing, name, day, quality_of, context)
        changed, lost = "", lost_input(site, name, day, landing)
        if now != dict(record.inputs):
            known = stages.details(site, name, day, landing)
            if name == "flows" and landing is not None:
                known = reasons.with_left_out(known, landing, day)
            made = reasons.Made(now, known)
            changed = reasons.texts(reasons.differences(reasons.Made.of(record), made))
    except NilometerError as error:
        return TableStatus(0, "", error.message)
    return _judged(record, changed, lost, _hash(now))


def _inputs(
    site: Site, landing: Landing | None, name: str, day: dt.date, quality_of: QualityOf, context: Callable[[], Context]
) -> dict[str, str]:
    """What a table of a day would be made from now."""
    inputs: dict[str, Callable[[], dict[str, str]]] = {
        "flows": lambda: flow_inputs(landing, site.settings, site.inventory, day) if landing else {},
        "daily_traffic": lambda: stages.daily_inputs(site, day),
        "traffic_baseline": lambda: stages.baseline_inputs(site, day),
        "anomaly_scores": lambda: stages.score_inputs(site, day),
        "surge_scores": lambda: surge_days.inputs(site, day, quality_of, context()),
        "alerts": lambda: stages.alert_inputs(site, day, quality_of(site, day)),
    }
    return inputs[name]()


def _wanted(
    site: Site, landing: Landing, stage: str, day: dt.date, quality_of: QualityOf, context: Callable[[], Context]
) -> str:
    """Hash of what a stage would make a day from now; empty where that cannot be told."""
    if stage not in reasons.TABLES:  # A marker that does not read names none.
        return ""
    try:
        if stage == "flows":
            return flows_wanted(site, landing, day)
        return _hash(_inputs(site, landing, stage, day, quality_of, context))
    except NilometerError as error:
        return digest(error.message)


def flows_wanted(site: Site, landing: Landing, day: dt.date) -> str:
    """Hash of what a day's flows would be made from now, and of the files that would make it fail."""
    bad = failed_files(landing, day, site.settings.timezone)
    now = flow_inputs(landing, site.settings, site.inventory, day)
    return _hash(now | {f"failed {e.source}/{e.name}": "" for e in bad})


def _hash(inputs: Mapping[str, str]) -> str:
    return digest(json.dumps(inputs, sort_keys=True))


def _judged(record: DayRecord, changed: str, lost: str, wanted: str) -> TableStatus:
    """What cannot be made again is not stale for ever: it is kept as it was made, and says so."""
    stale = "" if record.pruned or lost else changed
    notes = [f"pruned on {record.pruned}"] if record.pruned else []
    if changed and lost:
        notes.append(f"{changed}, but {lost}: it is kept as it was made")
    return TableStatus(record.rows, record.fingerprint, stale, wanted, "; ".join(notes), bool(record.pruned))

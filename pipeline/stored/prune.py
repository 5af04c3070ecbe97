"""Retention: what of a site's storage is older than it should be kept, what of that must stay, and its deletion.

A plan only looks; carrying it out deletes file by file in an order that a crash cannot harm, and a second time goes on
where the first had stopped. Runs in Dagster's history belong to `assets.processes.history`; what a pruned day means to
the stages is in `pipeline.stored.pruned`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field

from pipeline.errors import ConfigError, StorageError
from pipeline.intake.lander import landed_name
from pipeline.intake.landing import Landing
from pipeline.intake.ledger import Entry
from pipeline.intake.quarantine import quarantine_name
from pipeline.site import Site
from pipeline.storage import day_name, day_named
from pipeline.stored.pruned import QUALITY
from pipeline.stored.status import snapshot

SCORING = ("traffic_baseline", "anomaly_scores", "surge_scores")
"""Tables whose days can be made again only from the daily traffic of their windows."""
SILENCE = 31
"""Days without flows, up to today, that ask for a look at the clock before anything goes."""
_AFTER = {
    "flows": "daily_traffic",
    "daily_traffic": "traffic_baseline",
    "traffic_baseline": "anomaly_scores",
    "anomaly_scores": "alerts",
    "surge_scores": "alerts",
}
"""What must have been made of a day before it may go."""


@dataclass
class Pile:
    """What would go of one table, and why some of what is old stays."""

    table: str
    keep: int
    """Days that are kept."""
    days: list[dt.date] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    """Names below the storage's root."""
    bytes: int = 0
    stays: dict[str, list[dt.date]] = field(default_factory=dict)
    """Reason -> old days that stay for it."""

    def stay(self, reason: str, day: dt.date) -> None:
        """Note that an old day stays."""
        self.stays.setdefault(reason, []).append(day)

    def as_dict(self) -> dict[str, object]:
        """The command line's contract."""
        return {
            "table": self.table,
            "keep_days": self.keep,
            "days": len(self.days),
            "first": str(self.days[0]) if self.days else None,
            "last": str(self.days[-1]) if self.days else None,
            "files": len(self.files),
            "bytes": self.bytes,
            "stays": {reason: len(days) for reason, days in self.stays.items()},
        }


@dataclass
class Plan:
    """All piles of a site."""

    piles: list[Pile]
    entries: list[Entry]
    """Files of the ledger whose landed rows go."""


def check_clock(site: Site, today: dt.date) -> None:
    """Raise ConfigError where no flow is known of the last SILENCE days: the site was idle, or the clock is ahead.

    A clock that is ahead makes days of no flows, too, which tell nothing.
    """
    days = sorted({*site.storage.days("flows"), *site.storage.pruned_days("flows")}, reverse=True)
    newest = next((d for d in days if _has_flows(site, d)), None)
    if newest is None or (silent := (today - newest).days) <= SILENCE:
        return
    raise ConfigError(
        f"the newest day with flows is {newest}, {silent} days before today ({today}) by this machine's clock.",
        remedy="Where the clock is ahead, set it: too much would go. Where it is right, and the site was idle: "
        "nilometer prune --yes --clock-is-right.",
    )


def _has_flows(site: Site, day: dt.date) -> bool:
    try:
        record = site.storage.record("flows", day)
    except (OSError, StorageError):
        return False
    return record is not None and record.rows > 0


def plan(site: Site, landing: Landing, today: dt.date) -> Plan:
    """What would go now; today is the site's day in progress."""
    site = snapshot(site)
    keep = {k: n for k, n in site.settings.retention.model_dump().items() if n is not None and k != "runs"}
    first = {table: today - dt.timedelta(days=n) for table, n in keep.items()}
    piles = {table: Pile(table, n) for table, n in keep.items()}
    entries: list[Entry] = []
    for table, pile in piles.items():
        if table == "landing":
            entries = _landing(site, landing, pile, first[table])
        elif table == "quarantine":
            _quarantine(site, landing, pile, first[table])
        elif table == "quality":
            _quality(site, pile, first[table])
        else:
            _days(site, pile, first, today)
    for pile in piles.values():
        pile.bytes = sum(site.storage.size(name) for name in pile.files)
    return Plan(list(piles.values()), entries)


def _days(site: Site, pile: Pile, first: dict[str, dt.date], today: dt.date) -> None:
    """The old days of a day table that nothing needs any more."""
    table = pile.table
    needed = _needed_from(site, table, first, today)
    for day in (d for d in site.storage.days(table) if d < first[table]):
        after = _AFTER.get(table)
        if needed is not None and day >= needed:
            pile.stay(f"days that can still be scored need them, from {needed} on", day)
        elif site.storage.failure(day) is not None:
            pile.stay("their day has failed", day)
        elif after is not None and _scored_or_first(site, table, day) and site.storage.record(after, day) is None:
            pile.stay(f"{after} was not made of them yet", day)
        else:
            pile.days.append(day)
            pile.files.append(day_name(table, day))


def _scored_or_first(site: Site, table: str, day: dt.date) -> bool:
    """Whether a later table is to be expected of the day: days of a window have flows and daily traffic only."""
    return table != "daily_traffic" or site.storage.record("alerts", day) is not None


def _needed_from(site: Site, table: str, first: dict[str, dt.date], today: dt.date) -> dt.date | None:
    """From which day on a table is in the window of a day that is kept, or that is still to be scored."""
    scored: tuple[str, ...]
    if table == "daily_traffic":
        past, scored = site.history_days, SCORING
    elif table == "surge_scores":
        past, scored = site.surge_days, ("anomaly_scores",)
    else:
        return None
    # The day that ended last may not have been scored yet.
    days = [today - dt.timedelta(days=1)]
    days += [d for t in scored for d in site.storage.days(t) if t not in first or d >= first[t]]
    return min(days) - dt.timedelta(days=past)


def _quality(site: Site, pile: Pile, first: dt.date) -> None:
    """The results of checks of old days; the days' quality itself is kept."""
    for name in site.storage.objects.below("quality"):  # One listing, as each costs requests in a store.
        day = day_named(name.split("/")[1])
        if day is None or day >= first:
            continue
        if day not in pile.days[-1:]:
            pile.days.append(day)
        pile.files.append(name)


def _last_day(entry: Entry) -> str:
    """The last day that anything of a file belongs to, or lasts into, ISO."""
    days = [d for p in entry.all_parts for d in (*p.rows, p.last_day or "", p.last_end or "")]
    return max([*days, entry.day or "", "" if any(days) or entry.day else entry.first_seen[:10]])


def _landing(site: Site, landing: Landing, pile: Pile, first: dt.date) -> list[Entry]:
    """Landed rows of files that hold old days only, and what a crash has left of such."""
    found, days = [], set[dt.date]()
    entries = list(landing.ledger.entries.values())
    for entry in entries:
        held = {dt.date.fromisoformat(d) for p in entry.all_parts for d in p.rows}
        files = _landed_files(entry)
        if not files or entry.state != "landed" or _last_day(entry) >= str(first):
            continue
        if wanted := sorted(d for d in held if site.storage.record("flows", d) is None):
            pile.stay("flows were not made of them yet", wanted[0])
            continue
        found.append(entry)
        days |= held
        pile.files += files
    known = {name for entry in entries for name in _landed_files(entry)}
    for source in sorted({s.name for s in site.settings.sources} | {e.source for e in entries}):
        pile.files += [n for n in site.storage.names(landed_name(source)) if n not in known]
    pile.days = sorted(days)
    return found


def _landed_files(entry: Entry) -> list[str]:
    return [landed_name(f) for part in entry.all_parts for f in part.files]


def _quarantine(site: Site, landing: Landing, pile: Pile, first: dt.date) -> None:
    """Quarantined lines of files that hold old days only; how many there were is still known."""
    days = set[dt.date]()
    for entry in landing.ledger.entries.values():
        name = quarantine_name(entry)
        if _last_day(entry) < str(first) and site.storage.size(name):
            pile.files.append(name)
            days.add(dt.date.fromisoformat(_last_day(entry)))
    pile.days = sorted(days)


Progress = Callable[[str, int, int], None]
QualityOf = Callable[[Site, dt.date], str]


def carry_out(
    site: Site, landing: Landing, wanted: Plan, today: dt.date, quality_of: QualityOf, progress: Progress
) -> None:
    """Delete what the plan lists. The site's lock must be held."""
    for pile in wanted.piles:
        if pile.table == "landing":
            landing.prune(wanted.entries)
        elif pile.table == "quality":
            for day in pile.days:
                site.storage.write_text(f"{QUALITY}/day={day}.txt", quality_of(site, day))
        elif pile.table != "quarantine":
            for day in pile.days:
                site.storage.prune_day(pile.table, day, today)
        for name in pile.files:
            site.storage.remove(name)
        progress(pile.table, len(pile.files), len(pile.files))

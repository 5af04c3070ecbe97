"""Landed rows of logs that are gone, put into the days of another zone or another way of counting.

A log that is there is read again when the site's zone or `counting.attribute` changes; of one that is gone only the
landed rows are left. They hold their times, so that which days they belong to can be told anew. What else was in the
file is known by the day alone: its first and last day are taken for the days that their noons lie in.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from zoneinfo import ZoneInfo

from pipeline import clocks
from pipeline.counting.attribution import days_held
from pipeline.errors import StorageError
from pipeline.intake.landed import scan_landed
from pipeline.intake.lander import landed_name
from pipeline.intake.ledger import Ledger, Part
from pipeline.settings import Settings
from pipeline.storage import DAMAGE, Storage

_DATED = re.compile(r"(?P<code>\d+/)(?P<zone>.*?)/(?P<rule>start|end|spread)/(?P<rest>.*)", re.DOTALL)
"""What `Entry.watched` begins with."""


def redate(ledger: Ledger, storage: Storage, settings: Settings) -> None:
    """Put rows of vanished files into their days anew, where other settings dated them; not those of damaged files."""
    zone, rule = settings.timezone, settings.counting.attribute
    key = clocks.zone_key(zone)
    for entry in ledger.entries.values():
        if entry.state != "landed" or not entry.missing or entry.pruned:
            continue
        found = _DATED.fullmatch(entry.watched)
        if found is None or (found["zone"], found["rule"]) == (key, rule):
            continue
        try:
            held = [_days(part, storage, zone, rule) for part in entry.all_parts]
        except (StorageError, *DAMAGE):
            continue  # What reads the rows says so.
        for part, days in zip(entry.all_parts, held, strict=True):
            _put(part, days, ZoneInfo(clocks.zone_named(found["zone"])), ZoneInfo(zone))
        former, entry.watched = entry.watched, f"{found['code']}{key}/{rule}/{found['rest']}"
        if former in ledger.networks:
            ledger.networks[entry.watched] = ledger.networks[former]


def read_by(watched: str) -> str:
    """How a file was read, without the data of the site's zone: they decide of which days its rows are."""
    found = _DATED.fullmatch(watched)
    if found is None:
        return watched
    return f"{found['code']}{clocks.zone_named(found['zone'])}/{found['rule']}/{found['rest']}"


def _days(part: Part, storage: Storage, zone: str, rule: str) -> dict[str, int]:
    """Kept rows of a stretch a site day."""
    total: Counter[str] = Counter()
    for path in storage.whole([landed_name(f) for f in part.files]):
        rows = scan_landed(path).select("start_time", "duration").collect()
        total.update(days_held(rows, zone, rule))
    return dict(sorted(total.items()))


def _put(part: Part, days: dict[str, int], was: ZoneInfo, now: ZoneInfo) -> None:
    ends = [_noon(d, was, now) for d in (part.first_day, part.last_day) if d is not None]
    part.rows, part.last_end = days, part.last_end and _noon(part.last_end, was, now)
    if known := sorted([*days, *ends]):
        part.first_day, part.last_day = known[0], known[-1]


def _noon(day: str, was: ZoneInfo, now: ZoneInfo) -> str:
    """The day in one zone that the noon of a day in another lies in."""
    noon = dt.datetime.combine(dt.date.fromisoformat(day), dt.time(12), was)
    return noon.astimezone(now).date().isoformat()

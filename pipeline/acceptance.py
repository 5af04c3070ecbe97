"""Who accepted an unverified day, when and why: an append-only record, one small file an event.

An acceptance covers the failures it was given for and the flows as they were; when either changes it holds no more. It
changes what a day counts as and hides no result. Which failures a day has is told by `data_quality`.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.errors import NilometerError
from pipeline.storage import Storage

FOLDER = "acceptance"
FIT = ("verified", "accepted")
"""Qualities of a day that others may be compared with, and that need no warning."""
ACCEPT, WITHDRAW = "accept", "withdraw"
MAX_TEXT = 500


def admission(quality: str) -> str:
    """The sentence with which an alert admits that its day is not verified; empty for one that is."""
    if quality == "verified":
        return ""
    told = "failed a check and was accepted by a person" if quality == "accepted" else f"is {quality}"
    return f" The day's data {told}."


@dataclass(frozen=True)
class Event:
    """One acceptance, or its withdrawal."""

    day: str
    action: str
    """accept or withdraw."""
    by: str
    reason: str
    at: str
    """ISO time, UTC."""
    failures: tuple[str, ...] = ()
    """What it covers: check/expectation, sorted."""
    flows: str = ""
    """Fingerprint of the day's flows at that time."""

    @property
    def words(self) -> str:
        """Who, when and why, in one phrase."""
        done = "accepted" if self.action == ACCEPT else "withdrawn"
        return f"{done} by {self.by} at {self.at}: {self.reason}"


def history(storage: Storage, day: dt.date) -> list[Event]:
    """All events of a day, in order; one that does not read stands as withdrawn, as nobody can tell what it says."""
    names = [n for n in storage.names(FOLDER) if n.startswith(f"{FOLDER}/{day.isoformat()}.")]
    return [_event(storage, n, day) for n in names]


def _event(storage: Storage, name: str, day: dt.date) -> Event:
    try:
        data: dict[str, Any] = json.loads(storage.read_text(name) or "")
        return Event(**{**data, "failures": tuple(data["failures"])})
    except (ValueError, TypeError, LookupError):
        return Event(day.isoformat(), WITHDRAW, "nobody", "this event cannot be read", "an unknown time")


def in_force(events: Sequence[Event], flows: str, failures: Sequence[str]) -> Event | None:
    """The acceptance that holds for a day with these flows and failures, or None."""
    last = events[-1] if events else None
    if last is None or last.action != ACCEPT:
        return None
    return last if last.flows == flows and last.failures == tuple(sorted(failures)) else None


def lapsed(events: Sequence[Event], flows: str, failures: Sequence[str]) -> str:
    """Why the last acceptance holds no more; empty when it does, or when there is none."""
    last = events[-1] if events else None
    if last is None or last.action != ACCEPT or in_force(events, flows, failures):
        return ""
    changed = "its flows changed" if last.flows != flows else "other checks fail now"
    return f"no longer {last.words} ({changed} since)"


def append(storage: Storage, event: Event) -> None:
    """Add an event behind those of its day; the caller holds the site's lock.

    Raises:
        NilometerError: the name or the reason is missing, or too long.
    """
    for what in ("by", "reason"):
        text = getattr(event, what)
        if not text.strip() or len(text) > MAX_TEXT:
            raise NilometerError(f"{what} must have 1 to {MAX_TEXT} characters.", remedy=f"Give one with --{what}.")
    number = len(history(storage, dt.date.fromisoformat(event.day))) + 1
    storage.write_text(f"{FOLDER}/{event.day}.{number:06d}.json", json.dumps(asdict(event), sort_keys=True) + "\n")

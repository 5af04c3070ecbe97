"""How a day stands, in words: its quality, what that rests on, and the acceptance of an unverified one.

The quality itself is told by `data_quality.results`, the record of acceptances is `pipeline.acceptance`; nothing is
judged here.
"""

from __future__ import annotations

import datetime as dt

from data_quality.results import blocking_failures, day_quality
from pipeline import acceptance
from pipeline.acceptance import ACCEPT, WITHDRAW, Event
from pipeline.errors import Location, NilometerError, StorageError
from pipeline.locks import site_lock
from pipeline.site import Site

_SHOWN = 4
NO_DATA = "no line of a log could be read for this day; that is not the same as no alert"


def reason(site: Site, day: dt.date, quality: str) -> str:
    """Why a day is of a quality; empty for a verified one."""
    if quality == "no_data":
        return NO_DATA
    if quality == "partial":
        return f"a part of the day is missing; see: nilometer quality --day {day}"
    if quality not in ("accepted", "unverified"):
        return ""
    failures = blocking_failures(site, day)
    events = acceptance.history(site.storage, day)
    try:
        flows = _flows(site, day)
    except StorageError:  # No fault of the other days, which must be told, too.
        return f"its flows cannot be read any more; see: nilometer status --day {day}"
    if quality == "accepted" and (held := acceptance.in_force(events, flows, failures)) is not None:
        return f"{held.words} (it failed {_listed(failures)})"
    text = f"a check that matters failed: {_listed(failures)}; see: nilometer quality --day {day}"
    lapsed = acceptance.lapsed(events, flows, failures)
    return f"{text}; {lapsed}" if lapsed else text


def _listed(failures: tuple[str, ...]) -> str:
    more = f" and {len(failures) - _SHOWN} more" if len(failures) > _SHOWN else ""
    return ", ".join(failures[:_SHOWN]) + more


def _flows(site: Site, day: dt.date) -> str:
    record = site.storage.record("flows", day)
    return record.fingerprint if record is not None else ""


def accept(site: Site, day: dt.date, by: str, why: str, now: dt.datetime) -> Event:
    """Accept an unverified day as it is.

    Raises:
        NilometerError: the day is not unverified, or the name or the reason cannot be used.
        BusyError: a run works on the site.
    """
    with site_lock(site.storage, wait=False):
        quality = day_quality(site, day)
        if quality != "unverified":
            raise NilometerError(
                f"it is {quality}; only an unverified day can be accepted.",
                where=Location(day=day.isoformat()),
                remedy=_INSTEAD[quality],
            )
        event = Event(day.isoformat(), ACCEPT, by, why, _stamp(now), blocking_failures(site, day), _flows(site, day))
        acceptance.append(site.storage, event)
        return event


_INSTEAD = {
    "verified": "Nothing is to be accepted: its alerts count as they are.",
    "partial": "Find the logs of the sensor that was silent and run the day; nobody can accept what was not read.",
    "no_data": "Find its logs and run it; nobody can accept what was not read.",
    "accepted": "Withdraw it first: nilometer quality accept DAY --withdraw.",
}


def withdraw(site: Site, day: dt.date, by: str, why: str, now: dt.datetime) -> Event:
    """Take the acceptance of a day back; the record keeps both.

    Raises:
        NilometerError: the day's last event is no acceptance.
        BusyError: a run works on the site.
    """
    with site_lock(site.storage, wait=False):
        events = acceptance.history(site.storage, day)
        if not events or events[-1].action != ACCEPT:
            raise NilometerError(
                "nobody has accepted this day.",
                where=Location(day=day.isoformat()),
                remedy="There is nothing to withdraw; name the day that was accepted.",
            )
        event = Event(day.isoformat(), WITHDRAW, by, why, _stamp(now), events[-1].failures, _flows(site, day))
        acceptance.append(site.storage, event)
        return event


def _stamp(now: dt.datetime) -> str:
    return now.astimezone(dt.UTC).isoformat(timespec="seconds")

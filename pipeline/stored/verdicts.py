"""The ledger of verdicts: every change of a published alert, for good, with its cause and when it was known.

One file of JSON lines a day: a head that says up to which stored alerts it goes and what those were made from, then
the changes, of which none is ever taken away. Tables hold no clock times; this is where they are. What a verdict is
decided by belongs to the methods.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import accumulate
from typing import Any

from pipeline.days import parse_day
from pipeline.errors import Location, StorageError
from pipeline.schemas import ALERTS
from pipeline.storage import DayRecord, Storage
from pipeline.stored.reasons import Made, Reason, root_differences
from pipeline.stored.verdict import Verdict, verdicts_in

FOLDER = "verdicts"
_OPEN = f"{FOLDER}/open.json"
_FIRST = Reason("first", "", "first verdict of the day")
_UNKNOWN = Reason("unknown", "", "made again; no input is known to have changed")


@dataclass(frozen=True)
class Change:
    """One line of the ledger: what became of an alert, why, and when that was known."""

    alert_id: str
    rule_id: str
    client: str
    day: str
    change: str
    """raised, strengthened, weakened or withdrawn."""
    number: int
    """Of the changes of this alert, from 1."""
    known_at: str | None
    """UTC; None for a change that is stored and not in the ledger yet, as its process died."""
    reasons: tuple[Reason, ...]
    verdict: Verdict | None
    """What was published; None when the alert was withdrawn."""

    def as_dict(self) -> dict[str, Any]:
        """As it stands in the ledger."""
        return {**asdict(self), "reasons": [r.as_dict() for r in self.reasons]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Change:
        """The inverse of as_dict."""
        verdict = data["verdict"]
        told = {"reasons": tuple(Reason(**r) for r in data["reasons"]), "verdict": verdict and Verdict(**verdict)}
        return cls(**{**data, **told})


@dataclass
class DayLedger:
    """The ledger of one day: what it knows of the stored alerts, and all changes."""

    alerts: str = ""
    """Fingerprint of the alerts that were last taken in; empty before the first."""
    roots: Mapping[str, Any] = field(default_factory=dict)
    """What the day's tables were made from then."""
    changes: list[Change] = field(default_factory=list)

    @property
    def standing(self) -> dict[str, Change]:
        """The last change of every alert that is not withdrawn."""
        last = {c.alert_id: c for c in self.changes}
        return {i: c for i, c in last.items() if c.change != "withdrawn"}


def settle(storage: Storage, day: dt.date, now: dt.datetime | None = None) -> list[Change]:
    """Take the stored alerts of a day into its ledger; what was new.

    It compares what is stored with what the ledger knows, so that it may come twice, or late, and adds nothing twice.
    A day that is not stored - never made, or removed on purpose - is no change.

    Raises:
        StorageError: the ledger of the day is damaged.
    """
    now = now or dt.datetime.now(dt.UTC)
    ledger, new = _compared(storage, day, now.isoformat(timespec="seconds"))
    if ledger is not None:
        storage.write_text(_name(day), _text(ledger))
    return new


def open_days(storage: Storage, days: Sequence[dt.date]) -> None:
    """Remember that alerts of these days are being made, until close_days."""
    storage.write_text(_OPEN, json.dumps([d.isoformat() for d in days]))


def close_days(storage: Storage) -> None:
    """All days that were opened are settled."""
    storage.remove(_OPEN)


def recover(storage: Storage) -> list[Change]:
    """Settle the days of a run that died while it made alerts; to be called under the site's lock.

    A day whose ledger is damaged stops no other: whoever asks for its history, or runs it, is told. It stays open.
    """
    try:
        text = storage.read_text(_OPEN)
        if text is None:
            return []
        days = [parse_day(d) for d in json.loads(text)]
    except (ValueError, TypeError):  # It was damaged: it may have been any of them.
        days = storage.days("alerts")
    found, left = list[Change](), list[dt.date]()
    for day in days:
        try:
            found += settle(storage, day)
        except StorageError:
            left.append(day)
    if left:
        open_days(storage, left)
    else:
        close_days(storage)
    return found


def day_changes(storage: Storage, day: dt.date) -> list[Change]:
    """All changes of a day, those too that are stored and not in the ledger yet."""
    ledger, _ = _compared(storage, day, None)
    return (ledger or _load(storage, day)).changes


def as_noted(changes: Sequence[Change]) -> list[tuple[str, Change]]:
    """A day's changes, each after the latest time that it or one before it was known at: clocks are set back.

    A change that is not in the ledger yet comes with an empty time.
    """
    latest = accumulate((c.known_at or "" for c in changes), max)
    return [(at if c.known_at else "", c) for at, c in zip(latest, changes, strict=True)]


def known_days(storage: Storage) -> list[dt.date]:
    """The days on which there was ever a verdict, whether they are stored by now or not, in order."""
    return sorted({_day(n) for n in storage.names(FOLDER) if n != _OPEN} | set(storage.days("alerts")))


def history(storage: Storage, alert_id: str) -> list[Change]:
    """All changes of one alert, first to last; empty when none of that id was ever published."""
    for day in reversed(known_days(storage)):
        if found := [c for c in day_changes(storage, day) if c.alert_id == alert_id]:
            return found
    return []


def _compared(storage: Storage, day: dt.date, known_at: str | None) -> tuple[DayLedger | None, list[Change]]:
    """(the ledger as it should be, what was new in it); None when it is as it should be."""
    record = _record(storage, day)
    if record is None:
        return None, []
    ledger = _load(storage, day)
    roots = record.facts.get("roots", {})
    if (ledger.alerts, ledger.roots) == (record.fingerprint, roots):
        return None, []
    try:
        now = verdicts_in(storage.read_day(ALERTS, day))
    except StorageError:  # They do not read to their end: they are taken in when they have been made again.
        return None, []
    why = _reasons(ledger, record)
    new = [_change(ledger, i, now.get(i), day, why, known_at) for i in _changed(ledger, now)]
    return DayLedger(record.fingerprint, roots, ledger.changes + new), new


def _record(storage: Storage, day: dt.date) -> DayRecord | None:
    """What the stored alerts of a day say of themselves; None when there are none, or it does not read."""
    with suppress(StorageError):
        return storage.record("alerts", day) if storage.has("alerts", day) else None
    return None


def _changed(ledger: DayLedger, now: Mapping[str, Verdict]) -> list[str]:
    """The alerts that came, went, or became stronger or weaker, in order."""
    was = {i: c.verdict for i, c in ledger.standing.items()}
    ids = [i for i in {*was, *now} if i not in was or i not in now or _direction(was[i], now[i])]
    return sorted(ids)


def _direction(was: Verdict | None, now: Verdict) -> int:
    """1 when the verdict became stronger, -1 when weaker, 0 when it is the same."""
    if was is None:
        return 1
    return (now.strength > was.strength) - (now.strength < was.strength)


def _change(
    ledger: DayLedger,
    alert_id: str,
    now: Verdict | None,
    day: dt.date,
    why: Sequence[Reason],
    known_at: str | None,
) -> Change:
    before = [c for c in ledger.changes if c.alert_id == alert_id]
    standing = ledger.standing.get(alert_id)
    if now is None:
        kind = "withdrawn"
    elif standing is None:
        kind = "raised"
    else:
        kind = "strengthened" if _direction(standing.verdict, now) > 0 else "weakened"
    rule, client = (now.rule_id, now.client) if now else (before[-1].rule_id, before[-1].client)
    told = tuple(r for r in why if r.kind != "rule" or r.name in (rule, "rules", "surge_rules", "texts"))
    return Change(alert_id, rule, client, day.isoformat(), kind, len(before) + 1, known_at, told or (_UNKNOWN,), now)


def _reasons(ledger: DayLedger, record: DayRecord) -> list[Reason]:
    """Why the stored alerts may differ from those the ledger knows."""
    if not ledger.alerts:
        return [_FIRST]
    was, now = (_made(r) for r in (ledger.roots, record.facts.get("roots", {})))
    return root_differences(was, now)


def _made(roots: Mapping[str, Any]) -> dict[str, Made]:
    return {table: Made.from_dict(made) for table, made in roots.items()}


# The file


def _name(day: dt.date) -> str:
    return f"{FOLDER}/day={day.isoformat()}.jsonl"


def _day(name: str) -> dt.date:
    return parse_day(name.rpartition("/")[2].removeprefix("day=").removesuffix(".jsonl"))


def _text(ledger: DayLedger) -> str:
    head = {"alerts": ledger.alerts, "roots": ledger.roots}
    lines = [head, *(c.as_dict() for c in ledger.changes)]
    return "".join(json.dumps(line, sort_keys=True) + "\n" for line in lines)


def _load(storage: Storage, day: dt.date) -> DayLedger:
    try:
        text = storage.read_text(_name(day))
        if text is None:
            return DayLedger()
        head, *lines = (json.loads(line) for line in text.splitlines())
        return DayLedger(head["alerts"], head["roots"], [Change.from_dict(line) for line in lines])
    except (ValueError, LookupError, TypeError) as error:
        raise StorageError(
            f"the history of a day's verdicts cannot be read ({error}).",
            where=Location(file=_name(day), day=day.isoformat()),
            remedy="Restore it from a backup, or move it away: a new one then begins with what is stored.",
        ) from error

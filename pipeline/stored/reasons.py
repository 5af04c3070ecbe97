"""Why a stored day would come out differently: the inputs of a stage compared, in words that name the cause.

A stage's inputs are few hashes; its details say what stands behind a hash - files, inventory entries, rules - so that
the one that changed can be named. Whether a day is stale is decided by the inputs alone, in `pipeline.stored.status`.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.context import INPUTS
from pipeline.detections.model import Rule
from pipeline.intake.landing import Landing
from pipeline.intake.redating import read_by
from pipeline.inventory import Inventory, valid_on
from pipeline.storage import DayRecord, digest

Parts = Mapping[str, str]
"""What stands behind one input: a name -> its content, in short."""
Details = Mapping[str, Parts]
"""Input -> its parts."""
LEFT_OUT = "left out"
"""In the place of a file's contents: no source names it any more."""

MOST_PARTS = 1_000
"""Of an input with more parts none is kept: footers stay small, and the reason names no part."""
SHOWN = 3
TABLES = ("flows", "daily_traffic", "traffic_baseline", "anomaly_scores", "surge_scores", "alerts")
_WORDS = {
    "files": "its logs changed",
    "inventory": "the inventory changed",
    "timezone": "the time zone changed",
    "edges": "the system has other time zone data, by which the day begins or ends at another time",
    "counting": "how flows are counted changed",
    "measures": "the rules' series changed",
    "series": "the rules' windows changed",
    "untold": "other days of its window were never counted for a rule",
    "start": "start_date changed",
    "rules": "a rule changed",
    "groups": "the groups changed",
    "site_groups": "the groups changed",
    "days_read": "other days of its window were read",
    "texts": "a rule's text changed",
    "written": "a rule changed",
    "quality": "the day's quality changed",
    "surge_rules": "a rule of method surge changed",
    "surge_stage": "the program changed",
    "stage": "the program changed",
}
_WORDS = {name: f"the context's {name} changed" for name in INPUTS} | _WORDS
_KINDS = {
    "files": "file",
    "rules": "rule",
    "surge_rules": "rule",
    "texts": "rule",
    "written": "rule",
    "stage": "program",
    "surge_stage": "program",
    "inventory": "inventory",
    "quality": "quality",
} | dict.fromkeys(INPUTS, "context")
_RULES = ("rules", "surge_rules", "texts", "written")
_SINGLE = {"files": "log", "inventory": "inventory entry"} | dict.fromkeys(_RULES, "rule")


@dataclass(frozen=True)
class Reason:
    """One cause of a change: its kind, the name of what changed, and a phrase that says it."""

    kind: str
    """file, inventory, rule, window, quality, context, program or setting."""
    name: str
    text: str

    def as_dict(self) -> dict[str, str]:
        """As it stands in JSON."""
        return {"kind": self.kind, "name": self.name, "text": self.text}


@dataclass(frozen=True)
class Made:
    """What a table was made from, or would be now."""

    inputs: Mapping[str, str]
    details: Details = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """As it stands in JSON."""
        return {"inputs": dict(self.inputs), "details": {k: dict(v) for k, v in self.details.items()}}

    @classmethod
    def of(cls, record: DayRecord) -> Made:
        """What a stored day was made from."""
        return cls(record.inputs, record.facts.get("details", {}))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Made:
        """The inverse of as_dict; tolerates what older versions left out."""
        return cls(data.get("inputs", {}), data.get("details", {}))


# What stands behind inputs


def of_flows(landing: Landing, inventory: Inventory, day: dt.date, rule: str) -> Details:
    """The files that a day's flows are made from, each with the contents of its stretches, and the inventory then."""
    files = {
        f"{entry.source}/{entry.name}": ",".join(p.content[:12] for p in parts) + f" {read_by(entry.watched)}"
        for entry, parts in landing.ledger.made_from(day, rule)
    }
    return _small({"files": files, "inventory": of_inventory(inventory, day)})


def with_left_out(details: Details, landing: Landing, day: dt.date) -> Details:
    """The same, and the files that would feed the day if a source named them still."""
    left = {f"{e.source}/{e.name}": LEFT_OUT for e in landing.ledger.set_aside(day)} if "files" in details else {}
    return {**details, "files": {**left, **details["files"]}} if left else details


def of_inventory(inventory: Inventory, day: dt.date) -> Parts:
    """The networks of the inventory on a day, each with its categories."""
    found: dict[str, set[str]] = {}
    for entry in inventory.entries:
        if valid_on(entry, day):
            found.setdefault(entry.address, set()).update(entry.category)
    return {address: ", ".join(sorted(found[address])) for address in sorted(found)}


def of_rules(rules: Iterable[Rule]) -> Parts:
    """Rules with their versions and what decides their verdicts."""
    return {r.id: f"{r.version} {r.fingerprint[:12]}" for r in rules}


def of_texts(rules: Iterable[Rule]) -> Parts:
    """Rules with their versions and titles."""
    return {r.id: f"{r.version} {r.title}" for r in rules}


def of_writing(rules: Iterable[Rule]) -> Parts:
    """Rules with their versions and what their alerts quote of them: thresholds, techniques, what to do."""
    return {r.id: f"{r.version} {digest(r.fingerprint, *r.attack, '', *r.runbook)[:12]}" for r in rules}


def _small(details: Details) -> Details:
    return {name: parts for name, parts in details.items() if len(parts) <= MOST_PARTS}


# Comparing


def differences(stored: Made, now: Made) -> list[Reason]:
    """Why a table would come out differently: what changed, by name where that is known; empty when nothing did."""
    changed = sorted(k for k in {*stored.inputs, *now.inputs} if stored.inputs.get(k) != now.inputs.get(k))
    both = {*stored.inputs} & {*now.inputs}
    if "stage" in changed:  # What another version did not ask for has not changed.
        changed = [k for k in changed if "/" in k or k in both]
    changed = [k for k in changed if k != "surge_stage" or k in both]  # A method that is switched on is no program.
    changed = [k for k in changed if k != "edges" or "timezone" not in changed]  # Another zone has other days anyway.
    found = []
    for key in (k for k in changed if "/" not in k):
        was, will = stored.details.get(key), now.details.get(key)
        named = _named(key, was, will) if was is not None and will is not None else []
        found += named or [_plain(key, stored.inputs.get(key), now.inputs.get(key))]
    return list(dict.fromkeys(found + _window([k for k in changed if "/" in k], stored.inputs, now.inputs)))


def root_differences(stored: Mapping[str, Made], now: Mapping[str, Made]) -> list[Reason]:
    """The first causes behind a day's last table: differences of all its tables, leaving out what they pass on."""
    found: list[Reason] = []
    for table in TABLES:
        pair = stored.get(table), now.get(table)
        if pair[0] is None or pair[1] is None:
            continue
        found += [r for r in differences(pair[0], pair[1]) if r.name not in TABLES]
    return list(dict.fromkeys(found))


def texts(reasons: Sequence[Reason]) -> str:
    """The phrases in one, each once, those beyond the first few of a kind counted."""
    lines, told = list[str](), Counter[str]()
    for kind, text in dict.fromkeys((r.kind, r.text) for r in reasons):
        told[kind] += 1
        if told[kind] <= SHOWN:
            lines.append(text)
    return ", ".join([*lines, *(f"{n - SHOWN} more of kind {kind}" for kind, n in told.items() if n > SHOWN)])


def _plain(key: str, was: str | None, now: str | None) -> Reason:
    """An input as a whole."""
    text = _WORDS.get(key, f"{key} changed")
    if key == "quality" and was and now:
        text = f"the day's quality changed from {was} to {now}"
    return Reason(_KINDS.get(key, "setting"), key, text)


def _named(key: str, was: Parts, now: Parts) -> list[Reason]:
    """The parts of an input that changed."""
    kind = _KINDS.get(key, "setting")
    names = [n for n in sorted({*was, *now}) if was.get(n) != now.get(n)]
    if key == "files":
        if names and all(_content(was.get(n)) == _content(now.get(n)) for n in names):
            return [Reason(kind, "", "its logs are read in another way")]
        if renamed := _renamed({n: was[n] for n in names if n in was}, {n: now[n] for n in names if n in now}):
            return [Reason("setting", "sources", f"source {old} is called {new} now") for old, new in renamed]
        names = [n for n in names if n in was or now[n] != LEFT_OUT]
    return [Reason(kind, n, _part_text(key, n, was.get(n), now.get(n))) for n in names]


def _renamed(was: Parts, now: Parts) -> list[tuple[str, str]]:
    """Sources by their old and new names, where nothing else changed of the files: each is SOURCE/NAME."""
    pairs = {(n.partition("/")[2], part): n.partition("/")[0] for n, part in was.items()}
    news = {(n.partition("/")[2], part): n.partition("/")[0] for n, part in now.items()}
    if not pairs or set(pairs) != set(news) or len(pairs) != len(was) or len(news) != len(now):
        return []
    return sorted({(pairs[k], news[k]) for k in pairs})


def _content(part: str | None) -> str | None:
    """The contents of a file's stretches, without how they are read."""
    return None if part is None else part.split(" ", 1)[0]


def _part_text(key: str, name: str, was: str | None, now: str | None) -> str:
    what = _SINGLE.get(key, key)
    if key == "files":
        return _file_text(name, was, now)
    if was is None:
        return f"{what} {name} was added" + (f" ({now})" if key == "inventory" else "")
    if now is None:
        return f"{what} {name} " + ("was removed" if key == "inventory" else "is no longer in force")
    if key == "inventory":
        return f"{what} {name} changed from {was} to {now}"
    versions = was.split(" ", 1)[0], now.split(" ", 1)[0]
    more = f" from version {versions[0]} to {versions[1]}" if versions[0] != versions[1] else ""
    return f"the text of rule {name} changed{more}" if key == "texts" and not more else f"rule {name} changed{more}"


def _file_text(name: str, was: str | None, now: str | None) -> str:
    if was is None:
        return f"late file {name}"
    if now == LEFT_OUT:
        return f"file {name} is of no source any more"
    if now is None:
        return f"file {name} holds the day no longer"
    old, new = _content(was), _content(now)
    if old == new:
        return f"file {name} is read in another way"
    return f"file {name} has grown" if str(new).startswith(f"{old},") else f"file {name} changed"


def _window(keys: Sequence[str], stored: Mapping[str, str], now: Mapping[str, str]) -> list[Reason]:
    """Days of a window that came, went or changed: keys are TABLE/DAY."""
    found: dict[str, Reason] = {}
    for key in keys:
        day = key.split("/", 1)[1]
        verb = "arrived" if key not in stored else "is no longer used" if key not in now else "changed"
        found.setdefault(day, Reason("window", day, f"window day {day} {verb}"))
    return [found[day] for day in sorted(found)]

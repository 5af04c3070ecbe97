"""`nilometer alerts --history` and `--changes`: what became of one alert, or of all, change by change.

The ledger is in `pipeline.stored.verdicts`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from assets.reporting import screen
from pipeline.alerts import amount
from pipeline.errors import StorageError
from pipeline.site import Site
from pipeline.stored.reasons import texts
from pipeline.stored.verdict import Verdict
from pipeline.stored.verdicts import Change, as_noted, day_changes, history, known_days


def print_history(site: Site, alert_id: str, *, as_json: bool) -> None:
    """Print all changes of an alert, first to last.

    Raises:
        StorageError: no alert of this id was ever published.
    """
    changes = history(site.storage, alert_id)
    if not changes:
        raise StorageError(
            f"no alert with the id {screen.plain(alert_id)!r} was ever published.",
            remedy="Ids stand in the last column of: nilometer alerts.",
        )
    if as_json:
        screen.json_lines(c.as_dict() for c in changes)
    else:
        _show(changes)


def told_days(site: Site) -> tuple[dt.date, dt.date]:
    """The first and last day with a history, wherever the site begins now."""
    days = [site.settings.start_date, *known_days(site.storage)]
    return min(days), max(days)


def print_changes(
    site: Site, days: Sequence[dt.date], rule_id: str | None, since: dt.datetime | None, *, as_json: bool
) -> None:
    """Print all changes of the verdicts of the days as they became known; what is not noted yet comes last.

    With since only those that were noted then or later, and those not noted yet. Where a clock was set back, a change
    comes after those of its day that were there before, as what was told last of an alert is what stands.

    Raises:
        ConfigError: no rule of that id is in force, and none ever raised an alert on these days.
        StorageError: the history of one of the days is damaged.
    """
    asked = set(days)
    told = [n for d in known_days(site.storage) if d in asked for n in as_noted(day_changes(site.storage, d))]
    if rule_id is not None and all(c.rule_id != rule_id for _, c in told):
        site.rule(rule_id)
    told = [(at, c) for at, c in told if rule_id in (None, c.rule_id) and _noted_from(at, since)]
    told.sort(key=lambda n: (not n[0], n[0], n[1].day, n[1].rule_id, n[1].client, n[1].number))
    found = [c for _, c in told]
    if as_json:
        screen.json_lines(c.as_dict() for c in found)
    elif not found:
        screen.say("No verdict changed.")
    else:
        rows = [
            [c.known_at or "not noted yet", c.day, c.client, c.change, *_cells(c.verdict)[:2], *_told(c)] for c in found
        ]
        columns = ["known at (UTC)", "day", "client", "change", "value", "usually", "rule", "alert", "why"]
        screen.table(columns, rows, right=columns[4:6])


def _told(change: Change) -> list[str]:
    return [change.rule_id, change.alert_id, texts(change.reasons)]


def _noted_from(at: str, since: dt.datetime | None) -> bool:
    return since is None or not at or dt.datetime.fromisoformat(at) >= since


def _show(changes: Sequence[Change]) -> None:
    first, last = changes[0], changes[-1]
    standing = "withdrawn" if last.verdict is None else "standing"
    screen.say(f"{first.alert_id}: {first.client} on {first.day}, rule {first.rule_id}; {standing}.")
    rows = [[c.known_at or "not noted yet", c.change, *_cells(c.verdict), texts(c.reasons)] for c in changes]
    columns = ["known at (UTC)", "change", "value", "usually", "times the limit", "severity", "quality", "why"]
    screen.table(columns, rows, right=columns[2:5])
    if (message := next((c.verdict.message for c in reversed(changes) if c.verdict), None)) is not None:
        screen.say(message if last.verdict else f"Last said: {message}")


def _cells(verdict: Verdict | None) -> list[str]:
    if verdict is None:
        return ["-"] * 5
    usually = "-" if verdict.usual is None else amount(verdict.usual, verdict.field)
    value = "-" if verdict.value is None else amount(verdict.value, verdict.field)
    margin = "without bound" if verdict.margin is None else f"{verdict.margin:,.2f}"
    return [value, usually, margin, verdict.severity or "-", verdict.quality]

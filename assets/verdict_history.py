"""`nilometer alerts --history`: what became of one alert, change by change. The ledger is in `pipeline.verdicts`."""

from __future__ import annotations

from collections.abc import Sequence

from assets import screen
from pipeline.alerts import amount
from pipeline.errors import StorageError
from pipeline.reasons import texts
from pipeline.site import Site
from pipeline.verdict import Verdict
from pipeline.verdicts import Change, history


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

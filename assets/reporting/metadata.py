"""Markdown for the Dagster UI: tables in which nothing that comes from data can become a link, an image or markup."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from shlex import quote
from typing import Any

import dagster as dg

from assets.reporting.screen import plain
from data_quality.results import day_quality
from data_quality.standing import reason
from pipeline.alerts import with_values
from pipeline.schemas import ALERTS
from pipeline.site import Site
from pipeline.stored.reasons import texts
from pipeline.stored.verdicts import Change

SHOWN_ALERTS = 20
GROUP = "nilometer"
"""The group of all assets: Dagster folds several groups, and the lineage would not show the chain at once."""
TECHNIQUES = {"attack/T1114": "", "attack/T1114.002": ""}
"""Tags of every asset: the ATT&CK techniques that the project looks for."""


def cell(value: object) -> str:
    """A value as inert Markdown text on one line."""
    text = plain(value)
    for sign in "\\`|[]!<>*_~&":
        text = text.replace(sign, f"\\{sign}")
    # An address that begins like a link would still be made one.
    return " ".join(text.replace("://", ":\u200b//").split())


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    lines += [f"| {' | '.join(cell(v) for v in row)} |" for row in rows]
    return "\n".join(lines)


def changes_of(changes: Sequence[Change]) -> dict[str, Any]:
    """What a run changed of the verdicts known before, as a table, with its causes."""
    if not changes:
        return {}
    # The rule's id is left out: it cannot break, and makes the page wider than a screen; the alert's id says it all.
    rows = [[c.alert_id, c.client, c.change, texts(c.reasons)] for c in changes[:SHOWN_ALERTS]]
    told = {"verdicts_changed": dg.MetadataValue.int(len(changes))}
    return told | {"verdict_changes": dg.MetadataValue.md(table(["alert", "client", "change", "why"], rows))}


def _line(alert: Mapping[str, Any]) -> str:
    """One alert, and the command that tells its evidence down to the line of the log."""
    why = f"nilometer explain {quote(alert['client'] or '')} {alert['day']}"
    return f"- {cell(alert['message'])} {cell(alert['rule_title'])} ({alert['alert_id']}). Why: {cell(why)}"


def alerts_of(site: Site, day: dt.date) -> dict[str, Any]:
    """The day's alerts as a list, the largest first, with what to do, and how the day stands."""
    found = site.storage.read_day(ALERTS, day)
    quality = day_quality(site, day)
    why = reason(site, day, quality)
    standing = {"quality": dg.MetadataValue.md(cell(f"{quality}{': ' if why else ''}{why}"))}
    if found.is_empty():
        return standing | ({"alerts": dg.MetadataValue.md("No alert.")} if quality in ("verified", "accepted") else {})
    largest = with_values(found).sort(["value", "client"], descending=[True, False], nulls_last=True).head(SHOWN_ALERTS)
    lines = [_line(a) for a in largest.iter_rows(named=True)]
    todo = [f"- {cell(step)}" for rule in site.rules if rule.id in found["rule_id"] for step in rule.runbook]
    more = (
        [f"- {found.height - SHOWN_ALERTS} more: `nilometer alerts --day {day}`"] if found.height > SHOWN_ALERTS else []
    )
    return standing | {
        "alerts": dg.MetadataValue.md("\n".join([*lines, *more, "\nWhat to do:\n", *dict.fromkeys(todo)]))
    }

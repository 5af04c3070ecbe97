"""Alerts as one page for a browser or a printer: a file that can be attached to a ticket and needs nothing beside it.

It runs no program and loads nothing. What a section of one alert holds is in `sheet`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Mapping, Sequence

import polars as pl

from pipeline.alerts import amount, with_values
from pipeline.days import days_in_a_row
from pipeline.detections.model import Rule
from pipeline.exports.markup import tag, text
from pipeline.exports.sheet import NOTHING, Past, badge, sheet, table, table_parts
from pipeline.exports.told import SEVERITIES, severities, told_rows
from pipeline.wording import counted

_STYLE = """
:root { color-scheme: light dark; --ink: #1d1d1f; --paper: #fff; --line: #d4d4d8; --soft: #6b6b70; }
@media (prefers-color-scheme: dark) { :root { --ink: #ececee; --paper: #19191b; --line: #3d3d42; --soft: #a3a3a8; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 62rem;
  margin: 2rem auto; padding: 0 1rem; overflow-wrap: break-word; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 0; } h3 { font-size: 1rem; margin-bottom: .3rem; }
small, figcaption { color: var(--soft); font-weight: normal; }
section { border-top: 1px solid var(--line); padding-top: 1.2rem; margin-top: 2rem; break-inside: avoid-page; }
.message { font-size: 1.05rem; } .scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .2rem .9rem .2rem 0; vertical-align: top; border-bottom: 1px solid var(--line); }
th { font-weight: 600; } th[scope=row], td:not(:last-child) { white-space: nowrap; }
body > .scroll td:last-child { min-width: 14rem; }
figure { margin: 1rem 0; } svg { width: 100%; height: auto; max-width: 44rem; display: block; }
figcaption { font-size: .85rem; } figcaption b { font-weight: normal; margin-right: 1rem; }
figcaption span { border-left: 1rem dashed; border-image: none; padding-left: .4rem; margin-right: 1rem; }
.badge { font-size: .8rem; font-weight: 600; padding: .1rem .5rem; border-radius: .6rem; color: #fff; }
.badge.low { background: #5b6770; }
.badge.high { background: #b4480a; } .badge.critical { background: #a3123a; } .badge.medium { background: #7a5c00; }
.notes { border-left: 4px solid #b4480a; padding-left: 1rem; margin: 1.5rem 0; } a { color: inherit; }
@media print {
  :root { color-scheme: light; --ink: #000; --paper: #fff; --line: #d4d4d8; --soft: #55555a; }
  body { margin: 0; padding: 0; max-width: none; } section { break-before: page; } tr { break-inside: avoid; }
  .scroll { overflow: visible; } table { font-size: .8rem; } .badge { print-color-adjust: exact; }
  td:last-child { overflow-wrap: anywhere; }
  body > .scroll td:last-child { min-width: 0; overflow-wrap: break-word; }
}
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


IN_FULL = 500
"""Alerts that have a section of their own. A section is 8 kB, and a browser asks for ten times as much memory."""


def html_page(
    alerts: pl.DataFrame,
    timezone: str,
    rules: Mapping[str, Rule],
    pasts: Mapping[str, Past],
    days: Sequence[dt.date],
    notes: Mapping[dt.date, str],
    stored: Mapping[str, Collection[dt.date]] | None = None,
) -> Iterator[str]:
    """The page, in parts: what was found, what is to be said of the days, a line an alert, and a section an alert.

    Args:
        alerts: rows of ALERTS.
        timezone: the site's.
        rules: by id.
        pasts: the days of each alert's client, by the alert's id; those `in_full` are asked for.
        days: which were asked for.
        notes: of days that have no verdict, or one that rests on doubtful data, and why.
        stored: the days of which there are such days of clients, by the rule's id.
    """
    by = ["day", "value", "client", "rule_id", "alert_id"]
    ordered = with_values(alerts).sort(by, descending=[c == "value" for c in by], nulls_last=True)
    full = in_full(ordered, rules)
    begin, end = _document(f"Nilometer: alerts {_span(days)}")
    yield begin
    yield tag("h1", text(f"Nilometer: alerts {_span(days)}")) + "\n"
    found = severities(ordered, rules)
    said = [text(_summary(found, ordered, days, notes)), " ", tag("small", text(f"Days are those of {timezone}."))]
    yield tag("p", *said) + "\n"
    yield _notes(notes) + "\n"
    if full.height < ordered.height:
        yield tag("p", text(_cut(full.height))) + "\n"
    yield from _overview(ordered, found, frozenset(full["alert_id"]))
    yield "\n"
    for row in told_rows(full, timezone, rules):
        known = (stored or {}).get(row["rule_id"])
        yield sheet(row, rules.get(row["rule_id"]), pasts.get(row["alert_id"], ()), known) + "\n"
    yield end


def in_full(alerts: pl.DataFrame, rules: Mapping[str, Rule]) -> pl.DataFrame:
    """Those of the alerts that a page tells in full, in their order: the gravest, and of these the largest."""
    if alerts.height <= IN_FULL:
        return alerts
    grave = pl.Series([SEVERITIES.index(s) for s in severities(alerts, rules)])
    ranked = with_values(alerts).select("value", "day", "client", "alert_id", grave=grave).with_row_index("row")
    # The id makes it the same ones in whatever order they are given: of two rules a client may have the same volume.
    by, down = ["grave", "value", "day", "client", "alert_id"], [True, True, False, False, False]
    first = ranked.sort(by, descending=down, nulls_last=True).head(IN_FULL)["row"].sort()
    return alerts[first]


def _cut(full: int) -> str:
    return (
        f"The {full:,} gravest alerts, and of these the largest, are told in full below; of the others there is only "
        "the line of the table. nilometer explain CLIENT DAY tells any of them; the page of a single day or rule tells "
        "more of them in full."
    )


def _document(title: str) -> tuple[str, str]:
    """What stands before the body's parts and after them."""
    head = [
        '<meta charset="utf-8"/>',
        f'<meta http-equiv="Content-Security-Policy" content="{text(_POLICY)}"/>',
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>',
        '<meta name="color-scheme" content="light dark"/>',
        tag("title", text(title)),
        f"<style>{_STYLE}</style>",
    ]
    return f'<!DOCTYPE html>\n<html lang="en">{tag("head", *head)}\n<body>', "</body></html>\n"


def _span(days: Sequence[dt.date]) -> str:
    if not days:
        return "of no day"
    return f"of {days[0]}" if days[0] == days[-1] else f"of {days[0]} to {days[-1]}"


def _summary(found: Sequence[str], alerts: pl.DataFrame, days: Sequence[dt.date], notes: Mapping[dt.date, str]) -> str:
    """How many alerts, by severity, and on how many of the days; the silence of a day with a note may be no answer."""
    by = [f"{n:,} {s}" for s in reversed(SEVERITIES) if (n := found.count(s))]
    on = counted(alerts["day"].n_unique(), "day")
    told = f"{counted(len(found), 'alert')} on {on} of {len(days):,}: {', '.join(by)}." if found else "No alert."
    return told + (f" Read first what is said of {counted(len(notes), 'day')}." if notes else "")


def _notes(notes: Mapping[dt.date, str]) -> str:
    if not notes:
        return ""
    return tag("div", table(([text(which), text(why)] for which, why in days_in_a_row(notes)), None), class_="notes")


def _overview(alerts: pl.DataFrame, found: Sequence[str], sections: Collection[str]) -> Iterator[str]:
    head = ("day", "client", "value", "usually", "severity", "quality", "rule")
    return table_parts(_lines(alerts, found, sections), head)


def _lines(alerts: pl.DataFrame, found: Sequence[str], sections: Collection[str]) -> Iterator[list[str]]:
    """A line an alert; its name leads to its section where it has one."""
    for row, severity in zip(alerts.drop("evidence").iter_rows(named=True), found, strict=True):
        sizes = [row[c] for c in ("value", "per_source_avg_value")]
        name, alert_id = text(row["client"] or NOTHING), row["alert_id"]
        yield [
            str(row["day"]),
            tag("a", name, href=f"#{alert_id}") if alert_id and alert_id in sections else name,
            *(NOTHING if s is None else text(amount(s, row["field"])) for s in sizes),
            badge(severity),
            text(row["quality"] or NOTHING),
            text(row["rule_title"] or row["rule_id"] or NOTHING),
        ]

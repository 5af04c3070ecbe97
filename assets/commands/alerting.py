"""Printing stored alerts as asked for, and naming the asked days that have no verdict, or a doubtful one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

import polars as pl

from assets.commands import views
from assets.reporting import screen
from data_quality.results import day_quality
from data_quality.standing import reason
from pipeline.acceptance import FIT
from pipeline.days import day_start
from pipeline.detections import Rule
from pipeline.errors import StorageError
from pipeline.exports import SIEM, alerts_csv, html_page, json_lines, seed_csv
from pipeline.schemas import ALERTS, DAILY_TRAFFIC, SURGE_SCORES
from pipeline.site import Site
from pipeline.stored.now import ahead, unscored
from pipeline.stored.outdated import SILENT, outdated
from pipeline.trials.pasts import Past, pasts, table_of


def print_alerts(site: Site, days: Sequence[dt.date], rule_id: str | None, form: str) -> int:
    """Print the alerts of the days; 1 when a day has no verdict or a doubtful one: neither is no alert."""
    rule = None if rule_id is None else site.rule(rule_id)
    qualities = {day: day_quality(site, day) for day in days}
    found, unread = _stored(site, days)
    now = pl.col("day").replace_strict(qualities, return_dtype=pl.String)
    found = found.with_columns(quality=now)  # A day may have been accepted since, or checked again.
    if rule is not None:
        found = found.filter(pl.col("rule_id") == rule.id)
    doubtful = _doubtful(site, qualities) | unread
    standing = {d: f"{q}: {why}" for d, q in qualities.items() if d not in doubtful and (why := reason(site, d, q))}
    asked = site.rules if rule is None else (rule,)
    told = [d for d, q in qualities.items() if d not in doubtful or (q == "unverified" and _has_verdict(site, d))]
    mute = _mute(site, [d for d in told if d not in unread], asked)
    behind = {day: _why_mute(rules) for day, rules in mute.items()}
    if form == "table":
        views.show_alerts(found, len(doubtful), rules=site.rules)
    elif form == "html":
        screen.raw(_page(site, found, days, [doubtful | standing, behind]))
    else:
        screen.raw(_as_text(site, found, rule, form))
    screen.warn_days(doubtful | standing)
    screen.warn_days(behind)
    return 1 if doubtful or any(len(rules) == len(asked) for rules in mute.values()) else 0


def _as_text(site: Site, found: pl.DataFrame, rule: Rule | None, form: str) -> str:
    """Alerts for another program."""
    if form == "jsonl":
        return json_lines(found, site.settings.timezone)
    if form in SIEM:
        return SIEM[form](found, site.settings.timezone, _every_rule(site))
    return _csv(site, found, rule)


def _every_rule(site: Site) -> dict[str, Rule]:
    """By id, those that are off too: they may have alerted before."""
    return {r.id: r for r in (*site.known_rules.values(), *site.rules)}


def _page(site: Site, found: pl.DataFrame, days: Sequence[dt.date], said: Sequence[Mapping[dt.date, str]]) -> str:
    """A page for a browser; what is said of days stands in it, as whoever reads it sees no stderr."""
    rules, drawn = _every_rule(site), dict[str, Past]()
    tables = {t.name: frozenset(site.storage.days(t.name)) for t in (DAILY_TRAFFIC, SURGE_SCORES)}
    stored = {rule_id: tables[table_of(rule).name] for rule_id, rule in rules.items()}
    for (day, rule_id), mine in found.group_by("day", "rule_id"):
        if isinstance(day, dt.date) and isinstance(rule_id, str) and rule_id in rules:
            known = _pasts(site, day, rules[rule_id], mine["client"].drop_nulls().to_list())
            drawn |= {i: known.get(c, ()) for i, c in mine.select("alert_id", "client").drop_nulls().iter_rows()}
    notes = {d: "; ".join(s[d] for s in said if d in s) for d in days if any(d in s for s in said)}
    return html_page(found, site.settings.timezone, rules, drawn, days, notes, stored)


def _pasts(site: Site, day: dt.date, rule: Rule, clients: Sequence[str]) -> dict[str, Past]:
    """The days of the clients, as far as they are stored and can be read: an alert is told without them, too."""
    try:
        return pasts(site, day, rule, clients)
    except (StorageError, OSError, pl.exceptions.PolarsError):
        return {}


def _stored(site: Site, days: Sequence[dt.date]) -> tuple[pl.DataFrame, dict[dt.date, str]]:
    """The alerts of the days, and the days whose alerts cannot be read, with why: they hide no other day's."""
    found, unread = [ALERTS.empty()], dict[dt.date, str]()
    for day in days:
        try:
            if site.storage.has("alerts", day):
                found.append(_told(site, day, site.storage.read_day(ALERTS, day)))
        except StorageError as error:
            unread[day] = error.message
    return pl.concat(found).sort("day", "rule_id", "client"), unread


def _told(site: Site, day: dt.date, stored: pl.DataFrame) -> pl.DataFrame:
    """The alerts of a day as they are shown, whatever wrote them: the day's name is known without a row's help."""
    start = day_start(day, site.settings.timezone).astimezone(dt.UTC)
    return stored.with_columns(pl.col("day").fill_null(day), pl.col("_time").fill_null(start))


def _mute(site: Site, days: Sequence[dt.date], rules: Sequence[Rule]) -> dict[dt.date, dict[str, str]]:
    """The scored days that some rules in force never judged, with these and why: their silence is not no alert."""
    found = {day: {r: how for r, how in outdated(site, day, rules).items() if how in SILENT} for day in days}
    return {day: mute for day, mute in found.items() if mute}


def _why_mute(rules: Mapping[str, str]) -> str:
    """In one line."""
    said = [(", ".join(r for r, how in rules.items() if how == why), why, todo) for why, todo in SILENT.items()]
    return ". ".join(f"{names} {why}{todo}" for names, why, todo in said if names)


def _csv(site: Site, found: pl.DataFrame, rule: Rule | None) -> str:
    """With one rule, asked for or the only one there is, exactly the seed's columns."""
    zone = site.settings.timezone
    if rule is None and len(site.rules) == 1 and (found["rule_id"] == site.rules[0].id).all():
        rule = site.rules[0]
    return alerts_csv(found, zone) if rule is None else seed_csv(found, rule, zone)


def _doubtful(site: Site, qualities: Mapping[dt.date, str]) -> dict[dt.date, str]:
    """The days without a verdict, or with one that rests on doubtful data, and why: their silence is not no alert."""
    found = {}
    for day, quality in qualities.items():
        if missing := _no_verdict(site, day):
            found[day] = missing
        elif early := ahead(site, day):
            found[day] = early
        elif quality not in FIT:
            found[day] = f"{quality}: {reason(site, day, quality)}"
    return found


def _has_verdict(site: Site, day: dt.date) -> bool:
    return _no_verdict(site, day) is None and not ahead(site, day)


def _no_verdict(site: Site, day: dt.date) -> str | None:
    failure = site.storage.failure(day)
    if failure is not None:
        return f"its last run failed ({failure[0]}: {failure[1][0]})"
    return None if site.storage.has("alerts", day) else unscored(site, day)

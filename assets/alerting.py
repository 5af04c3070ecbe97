"""Printing stored alerts as asked for, and naming the asked days that have no verdict, or a doubtful one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

import polars as pl

from assets import screen, views
from data_quality.checks import day_quality
from data_quality.standing import reason
from pipeline.acceptance import FIT
from pipeline.detections import Rule
from pipeline.errors import ConfigError
from pipeline.exports import SIEM, csv_text, json_lines, seed_csv
from pipeline.schemas import ALERTS
from pipeline.site import Site


def print_alerts(site: Site, days: Sequence[dt.date], rule_id: str | None, form: str) -> int:
    """Print the alerts of the days; 1 when a day has no verdict or a doubtful one: neither is no alert."""
    rule = _rule(site, rule_id)
    qualities = {day: day_quality(site, day) for day in days}
    stored = [site.storage.read_day(ALERTS, d) for d in days if site.storage.has("alerts", d)]
    found = pl.concat([ALERTS.empty(), *stored]).sort("day", "rule_id", "client")
    now = pl.col("day").replace_strict(qualities, return_dtype=pl.String)
    found = found.with_columns(quality=now)  # A day may have been accepted since, or checked again.
    if rule is not None:
        found = found.filter(pl.col("rule_id") == rule.id)
    doubtful = _doubtful(site, qualities)
    if form == "table":
        views.show_alerts(found, len(doubtful))
    elif form == "jsonl":
        screen.raw(json_lines(found, site.settings.timezone))
    elif form in SIEM:
        screen.raw(SIEM[form](found, site.settings.timezone, {r.id: r for r in site.rules}))
    elif rule is not None:
        screen.raw(seed_csv(found, rule, site.settings.timezone))
    else:
        screen.raw(csv_text(found))
    for day, quality in qualities.items():
        if why := doubtful.get(day) or reason(site, day, quality):
            screen.warn(screen.one_line(f"{day}: {why if day in doubtful else f'{quality}: {why}'}"))
    return 1 if doubtful else 0


def _rule(site: Site, rule_id: str | None) -> Rule | None:
    if rule_id is None:
        return site.rules[0] if len(site.rules) == 1 else None
    known = {r.id: r for r in site.rules}
    if rule_id not in known:
        raise ConfigError(f"unknown rule {rule_id!r}.", remedy=f"Rules in force: {', '.join(sorted(known))}.")
    return known[rule_id]


def _doubtful(site: Site, qualities: Mapping[dt.date, str]) -> dict[dt.date, str]:
    """The days without a verdict, or with one that rests on doubtful data, and why: their silence is not no alert."""
    found = {}
    for day, quality in qualities.items():
        if missing := _no_verdict(site, day):
            found[day] = missing
        elif quality not in FIT:
            found[day] = f"{quality}: {reason(site, day, quality)}"
    return found


def _no_verdict(site: Site, day: dt.date) -> str | None:
    failure = site.storage.failure(day)
    if failure is not None:
        return f"its last run failed ({failure[0]}: {failure[1][0]})"
    return None if site.storage.has("alerts", day) else f"not scored; run it: nilometer run --day {day}"

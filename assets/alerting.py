"""Printing stored alerts in the format asked for, and saying which of the asked days were never scored."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import polars as pl

from assets import screen, views
from data_quality.checks import day_quality
from pipeline.detections import Rule
from pipeline.errors import ConfigError
from pipeline.exports import csv_text, json_lines, seed_csv
from pipeline.schemas import ALERTS
from pipeline.site import Site


def print_alerts(site: Site, days: Sequence[dt.date], rule_id: str | None, form: str) -> int:
    """Print the alerts of the days; 1 when a day was not scored or failed, as no verdict is not no alert."""
    rule = _rule(site, rule_id)
    stored = [site.storage.read_day(ALERTS, d) for d in days if site.storage.has("alerts", d)]
    found = pl.concat([ALERTS.empty(), *stored]).sort("day", "rule_id", "client")
    if rule is not None:
        found = found.filter(pl.col("rule_id") == rule.id)
    if form == "table":
        views.show_alerts(found)
    elif form == "jsonl":
        screen.raw(json_lines(found, site.settings.timezone))
    elif rule is not None:
        screen.raw(seed_csv(found, rule, site.settings.timezone))
    else:
        screen.raw(csv_text(found))
    return _name_unscored(site, days)


def _rule(site: Site, rule_id: str | None) -> Rule | None:
    if rule_id is None:
        return site.rules[0] if len(site.rules) == 1 else None
    known = {r.id: r for r in site.rules}
    if rule_id not in known:
        raise ConfigError(f"unknown rule {rule_id!r}.", remedy=f"Rules in force: {', '.join(sorted(known))}.")
    return known[rule_id]


def _name_unscored(site: Site, days: Sequence[dt.date]) -> int:
    """Name the days without a verdict; 1 when there is one."""
    without = [(day, why) for day in days if (why := _no_verdict(site, day))]
    for day, why in without:
        screen.warn(f"{day}: {why}")
    return 1 if without else 0


def _no_verdict(site: Site, day: dt.date) -> str | None:
    failure = site.storage.failure(day)
    if failure is not None:
        return f"its last run failed ({failure[0]}: {failure[1][0]})"
    if not site.storage.has("alerts", day):
        return f"not scored; run it: nilometer run --day {day}"
    if day_quality(site, day) == "no_data":
        return "no log was read for this day; that is not the same as no alert"
    return None

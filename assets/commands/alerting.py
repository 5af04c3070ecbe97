"""Printing stored alerts as asked for, and naming the asked days that have no verdict, or a doubtful one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from assets.commands import views
from assets.reporting import screen
from data_quality.results import day_quality
from data_quality.standing import reason
from pipeline.acceptance import FIT
from pipeline.days import day_start
from pipeline.detections import Rule
from pipeline.errors import StorageError
from pipeline.exports import SIEM, alerts_csv, html_page, in_full, json_lines, seed_csv
from pipeline.schemas import ALERTS, DAILY_TRAFFIC, SURGE_SCORES
from pipeline.site import Site
from pipeline.storage import DAMAGE
from pipeline.stored.now import ahead, unscored
from pipeline.stored.outdated import SILENT, outdated
from pipeline.trials.pasts import Past, pasts, table_of

WHOLE = ("table", "html")
"""Forms that begin with something about all alerts; of the others each is written as it is read."""
_AT_ONCE = 1_000
_ORDER = ("day", "rule_id", "client", "alert_id")
"""The last leaves no two alike: the same rows are written in the same order each time."""


def print_alerts(site: Site, days: Sequence[dt.date], rule_id: str | None, form: str) -> int:
    """Print the alerts of the days; 1 when a day has no verdict or a doubtful one: neither is no alert."""
    rule = None if rule_id is None else site.rule(rule_id)
    stored = _Stored(site, {day: day_quality(site, day) for day in days}, rule)
    if form not in WHOLE:
        screen.parts(_as_texts(site, stored, form))
    found = pl.concat([ALERTS.empty(), *stored]) if form in WHOLE else ALERTS.empty()
    doubtful = _doubtful(site, stored.qualities) | stored.unread
    fit = {d: q for d, q in stored.qualities.items() if d not in doubtful}
    standing = {d: f"{q}: {why}" for d, q in fit.items() if (why := reason(site, d, q))}
    asked = site.rules if rule is None else (rule,)
    blind = [d for d in doubtful if stored.qualities.get(d) == "unverified" and d not in stored.unread]
    mute = _mute(site, [*fit, *(d for d in blind if _has_verdict(site, d))], asked)
    behind = {day: _why_mute(rules) for day, rules in mute.items()}
    if form == "table":
        views.show_alerts(found, len(doubtful), rules=site.rules)
    elif form == "html":
        screen.parts(_page(site, found, days, [doubtful | standing, behind]))
    screen.warn_days(doubtful | standing)
    screen.warn_days(behind)
    return 1 if doubtful or any(len(rules) == len(asked) for rules in mute.values()) else 0


@dataclass
class _Stored:
    """The alerts of days as they are shown, a frame a day, and what was found unreadable: it hides no other day's."""

    site: Site
    qualities: Mapping[dt.date, str]
    """Of the days as they are now: one may have been accepted since, or checked again."""
    rule: Rule | None
    unread: dict[dt.date, str] = field(default_factory=dict)
    """The days whose alerts could not be read, with why; known when all are gone through."""

    def __iter__(self) -> Iterator[pl.DataFrame]:
        for day, quality in self.qualities.items():
            if (found := self._read(day)) is not None:
                mine = pl.lit(True) if self.rule is None else pl.col("rule_id") == self.rule.id
                yield found.with_columns(quality=pl.lit(quality)).filter(mine).sort(_ORDER)

    def _read(self, day: dt.date) -> pl.DataFrame | None:
        """The rows, whatever wrote them: the day's name is known without a row's help."""
        start = day_start(day, self.site.settings.timezone).astimezone(dt.UTC)
        try:
            if not self.site.storage.has("alerts", day):
                return None
            stored = self.site.storage.read_day(ALERTS, day)
        except StorageError as error:
            self.unread[day] = error.message
            return None
        return stored.with_columns(pl.col("day").fill_null(day), pl.col("_time").fill_null(start))

    def all_of(self, rule_id: str) -> bool:
        """Whether the days hold alerts of one rule alone; of a day that cannot be read nothing is known."""
        ids = (self._rule_ids(day) for day in self.qualities)
        return all((found == rule_id).all() for found in ids)

    def _rule_ids(self, day: dt.date) -> pl.Series:
        """Nothing else of the rows, most of which is evidence."""
        try:
            return self.site.storage.scan(ALERTS, [day]).select("rule_id").collect()["rule_id"]
        except (StorageError, *DAMAGE):
            return pl.Series(dtype=pl.String)

    def rows(self) -> Iterator[pl.DataFrame]:
        """A few rows at a time, as a day of a flood may have many."""
        for found in self:
            yield from found.iter_slices(_AT_ONCE)


def _as_texts(site: Site, stored: _Stored, form: str) -> Iterator[str]:
    """Alerts for another program."""
    if form == "csv":
        yield from _csv(site, stored)
        return
    rules = _every_rule(site)
    for rows in stored.rows():
        zone = site.settings.timezone
        yield SIEM[form](rows, zone, rules) if form in SIEM else json_lines(rows, zone)


def _every_rule(site: Site) -> dict[str, Rule]:
    """By id, those that are off too: they may have alerted before."""
    return {r.id: r for r in (*site.known_rules.values(), *site.rules)}


def _page(
    site: Site, found: pl.DataFrame, days: Sequence[dt.date], said: Sequence[Mapping[dt.date, str]]
) -> Iterator[str]:
    """A page for a browser; what is said of days stands in it, as whoever reads it sees no stderr."""
    rules, drawn = _every_rule(site), dict[str, Past]()
    tables = {t.name: frozenset(site.storage.days(t.name)) for t in (DAILY_TRAFFIC, SURGE_SCORES)}
    stored = {rule_id: tables[table_of(rule).name] for rule_id, rule in rules.items()}
    for (day, rule_id), mine in in_full(found, rules).group_by("day", "rule_id"):
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


def _mute(site: Site, days: Sequence[dt.date], rules: Sequence[Rule]) -> dict[dt.date, dict[str, str]]:
    """The scored days that some rules in force never judged, with these and why: their silence is not no alert."""
    found = {day: {r: how for r, how in outdated(site, day, rules).items() if how in SILENT} for day in days}
    return {day: mute for day, mute in found.items() if mute}


def _why_mute(rules: Mapping[str, str]) -> str:
    """In one line."""
    said = [(", ".join(r for r, how in rules.items() if how == why), why, todo) for why, todo in SILENT.items()]
    return ". ".join(f"{names} {why}{todo}" for names, why, todo in said if names)


def _csv(site: Site, stored: _Stored) -> Iterator[str]:
    """With one rule, asked for or the only one there is, exactly the seed's columns."""
    zone, rule = site.settings.timezone, stored.rule
    if rule is None and len(site.rules) == 1 and stored.all_of(site.rules[0].id):
        rule = site.rules[0]
    if rule is None:
        yield alerts_csv(ALERTS.empty(), zone)
        yield from (alerts_csv(rows, zone, header=False) for rows in stored.rows())
    else:  # It has an order of its own within a day.
        yield seed_csv(ALERTS.empty(), rule, zone)
        yield from (seed_csv(found, rule, zone, header=False) for found in stored)


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

"""The surge method on stored days: which daily rows a day's raw scores are made from, and which scores judge it.

Only here unverified days are left out of windows: the seed uses every day. The method itself is in
`pipeline.methods.surge`, who a client is in `pipeline.surge.clients`; storing is in `pipeline.stored.stages`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

import polars as pl

from pipeline.context import Context
from pipeline.days import window_days
from pipeline.detections.model import Rule
from pipeline.methods.surge import raw_scores
from pipeline.methods.surge.slow import RECENT
from pipeline.schemas import DAILY_TRAFFIC, SURGE_SCORES
from pipeline.site import Site
from pipeline.storage import digest
from pipeline.surge.clients import client_days

STAGE_VERSION = 9
VERDICT_VERSION = 12
QualityOf = Callable[[Site, dt.date], str]


def remembering(quality_of: QualityOf) -> QualityOf:
    """Asks for each day's quality once: the windows of many days share their days."""
    known: dict[dt.date, str] = {}

    def remembered(site: Site, day: dt.date) -> str:
        if day not in known:
            known[day] = quality_of(site, day)
        return known[day]

    return remembered


def inputs(site: Site, day: dt.date, quality_of: QualityOf, context: Context) -> dict[str, str]:
    """What a day's surge scores are made from."""
    days = fit_days(site, day, site.surge_window, quality_of)
    records = {f"daily_traffic/{d}": site.storage.record("daily_traffic", d) for d in days}
    made_of = {k: r.fingerprint for k, r in records.items() if r is not None}
    return made_of | settled(site, day, days, context)


def settled(site: Site, day: dt.date, days: Sequence[dt.date], context: Context) -> dict[str, str]:
    """What a day's surge scores are made from beside the traffic of their days."""
    return context.fingerprints(days, day) | {
        "rules": rules_mark(site),
        "inventory": site.inventory.fingerprint(day),
        "site_groups": site.groups.fingerprint,
        "stage": str(STAGE_VERSION),
    }


def rules_mark(site: Site) -> str:
    """Hash of what scores depend on of the rules in force."""
    return digest(*(f"{r.id}/{r.lookback_days}/{[m.id for m in r.measures]}" for r in site.rules_of("surge")))


@dataclass(frozen=True)
class SurgeDay:
    """One day's rows of SURGE_SCORES, and the clients of it that the context leaves out."""

    frame: pl.DataFrame
    excluded: int


def scores(site: Site, day: dt.date, quality_of: QualityOf, context: Context) -> SurgeDay:
    """The scores of one day under every rule of the method."""
    fit = fit_days(site, day, site.surge_window, quality_of)
    frames, excluded = [], 0
    for rule in site.rules_of("surge"):
        stored = site.storage.scan(DAILY_TRAFFIC, of_rule(fit, rule, day))
        clients = client_days(stored, rule, site.inventory, day, context, site.groups)
        raw = raw_scores(clients.rows, [day], rule.surge, off=context.off(day))
        frames.append(raw.join(clients.addresses, on="client", how="left").with_columns(rule_id=pl.lit(rule.id)))
        excluded = max(excluded, clients.excluded)
    return SurgeDay(SURGE_SCORES.conform(pl.concat([SURGE_SCORES.empty(), *frames], how="diagonal")), excluded)


def of_rule(days: Iterable[dt.date], rule: Rule, day: dt.date) -> list[dt.date]:
    """Of a site's window the days that one rule's scores are made from: another may look further back."""
    return [d for d in days if d >= day - dt.timedelta(days=rule.surge.window + RECENT)]


def verdict_days(site: Site, day: dt.date) -> list[dt.date]:
    """The days whose scores are needed for a day's verdict: those that calibrate it, and the day."""
    return [*window_days(day, site.surge_days, site.settings.start_date), day]


def verdict_rows(site: Site, day: dt.date, rule: Rule) -> pl.DataFrame:
    """Stored raw scores of the rule on the day, and on the days that calibrate it, by day and client.

    Those before may be of an earlier version, so that the first day after an update needs no other made again.
    """
    *before, judged = verdict_days(site, day)
    past = site.storage.scan(SURGE_SCORES, before, earlier=True)
    stored = pl.concat([past, site.storage.scan(SURGE_SCORES, [judged])]).filter(pl.col("rule_id") == rule.id)
    return stored.sort("day", "client").collect()


def verdict_inputs(site: Site, day: dt.date, pruned: Collection[str] = ()) -> dict[str, str]:
    """What the surge method adds to what a day's alerts are made from; nothing without such a rule.

    Args:
        site: the site.
        day: the day.
        pruned: inputs of pruned days, by name, that the day's alerts were made from; other pruned days are none.
    """
    rules = site.rules_of("surge")
    if not rules:
        return {}
    records = {f"surge_scores/{d}": site.storage.record("surge_scores", d) for d in verdict_days(site, day)}
    return {k: r.fingerprint for k, r in records.items() if r is not None and (not r.pruned or k in pruned)} | {
        "surge_rules": digest(*(r.fingerprint for r in rules)),
        "surge_stage": str(VERDICT_VERSION),
    }


def fit_days(site: Site, day: dt.date, past: int, quality_of: QualityOf) -> list[dt.date]:
    """Those of the past days that are stored and fit to compare with, and the day itself."""
    window = window_days(day, past, site.settings.start_date)
    stored = [d for d in window if site.storage.has("daily_traffic", d)]
    return [*(d for d in stored if quality_of(site, d) != "unverified"), day]

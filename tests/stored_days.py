"""Sites whose days are stored without logs or Dagster: daily traffic as a test wants it, and scores made from it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl

from pipeline.schemas import ALERTS, ANOMALY_SCORES, DAILY_TRAFFIC
from pipeline.site import Site, open_site
from pipeline.stored.stages import make_baseline, make_scores, make_surge
from tests.worlds import CONFIG, SEED, day

Extra = Mapping[tuple[str, str], int]
"""(rule, client) -> bytes on top of the last day, by the rule's series."""


def stored_site(
    folder: Path, rules: str, days: int, *, clients: int = 30, first: int = 0, extra: Extra | None = None
) -> Site:
    """Log-normal clients, each in a subnet of its own, under the rules given as YAML; the last day is scored.

    Args:
        folder: where the site is made.
        rules: the line `rules: ...` of its configuration, or nothing.
        days: days stored.
        clients: clients with traffic on every day.
        first: the first day with surge scores, where such a rule is on.
        extra: what is added on the last day.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "nilometer.yaml").write_text(CONFIG + rules, encoding="utf-8")
    site = open_site(folder)
    series = {r.id: r.measure.id for r in site.known_rules.values()}
    rng = np.random.default_rng(3)
    level = rng.normal(16, 0.6, clients)
    for n in range(days):
        volume = np.exp(level + rng.normal(0, 0.4, clients)).astype(int).tolist()
        values = {(SEED, f"10.0.{c}.1"): v for c, v in enumerate(volume)}
        for key, more in (extra or {}).items():
            if n == days - 1:
                values[key] = values.get(key, 0) + more
        rows = [{"day": day(n), "measure": series[r], "client": c, "bytes": v} for (r, c), v in values.items()]
        site.storage.write_day(DAILY_TRAFFIC, day(n), DAILY_TRAFFIC.conform(pl.DataFrame(rows)), inputs={})
        if site.rules_of("surge") and n >= first:
            make_surge(site, day(n), lambda _site, _day: "verified")
    make_baseline(site, day(days - 1))
    make_scores(site, day(days - 1))
    return site


PRUNED = dt.date(2026, 11, 27)


def pruned_site(folder: Path) -> Site:
    """A site with one day, whose alerts and scores were pruned."""
    (folder / "nilometer.yaml").write_text(CONFIG, encoding="utf-8")
    site = open_site(folder)
    for table in (DAILY_TRAFFIC, ANOMALY_SCORES, ALERTS):
        site.storage.write_day(table, day(0), table.empty(), inputs={})
    for table in (ANOMALY_SCORES, ALERTS):
        site.storage.prune_day(table.name, day(0), PRUNED)
    return site

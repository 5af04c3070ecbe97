"""The canary: thefts planted into a copy of a day's rows, to see that the scoring still finds what the power map says.

One theft at a random client just suffices to alert, and one a byte smaller does not; both go through the method that
scores the site's days. Nothing of it is stored. How the outcome is judged belongs to the checks.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from pipeline.context import load_context
from pipeline.detections.model import Rule
from pipeline.methods import METHODS
from pipeline.methods.seed import NULL_CLIENT
from pipeline.methods.surge import judged, raw_scores
from pipeline.methods.surge.calibration import Calibration
from pipeline.methods.surroundings import Surroundings
from pipeline.schemas import DAILY_TRAFFIC, MAX_FLOW_BYTES
from pipeline.simulate.inject import Injection, inject
from pipeline.site import Site
from pipeline.surge.clients import client_days
from pipeline.surge.days import of_rule
from pipeline.trials.power import seed_power


@dataclass(frozen=True)
class Canary:
    """What became of the thefts at one client; without a client nobody can alert on the day."""

    rule_id: str
    client: str | None = None
    extra: int | None = None
    """Bytes planted; the smaller theft is a byte less."""
    found: bool = False
    """Whether the theft that suffices alerted."""
    quiet: bool = True
    """Whether the smaller one did not."""


def canary(
    today: pl.DataFrame,
    baseline: pl.DataFrame,
    rule: Rule,
    day: dt.date,
    around: Surroundings | None = None,
    power: pl.DataFrame | None = None,
) -> Canary:
    """Plant thefts at a client that the day draws from those that do not alert yet and can.

    Args:
        today: DAILY_TRAFFIC rows of the day; left as they are.
        baseline: TRAFFIC_BASELINE rows of the day.
        rule: a rule of method seed.
        day: the day, which also seeds the draw.
        around: the site's groups and the days read, for rules that ask for them.
        power: the rule's power map of the day, where it is known already.

    Raises:
        RuleError: the baseline was made without this rule's series.
    """
    rows = today.filter(pl.col("measure") == rule.measure.id)

    def alerts(theft: Injection) -> pl.DataFrame:
        scores = METHODS[rule.method](inject(rows, [theft]), baseline, rule, day, around)
        return scores.filter(pl.col("state") == "alert")

    return _planted(seed_power(today, baseline, rule, day, around) if power is None else power, rule, day, alerts)


def surge_canary(site: Site, rule: Rule, day: dt.date, power: pl.DataFrame, calibration: Calibration) -> Canary:
    """The same under a rule of method surge, from the rows that the day's stored scores were made from.

    Both thefts go the whole way from daily rows of the window to a verdict.

    Args:
        site: the site, with surge scores of the day.
        rule: a rule of method surge.
        day: the day, which also seeds the draw.
        power: the rule's power map of the day.
        calibration: what the stored scores of the days before say.

    Raises:
        ConfigError: an input of the context is broken.
    """
    record = site.storage.record("surge_scores", day)
    tables = (key.partition("/") for key in (record.inputs if record else {}))
    window = [dt.date.fromisoformat(d) for table, _, d in tables if table == "daily_traffic"]
    context = load_context(site.root, site.settings.context)
    stored = site.storage.scan(DAILY_TRAFFIC, of_rule(window, rule, day))
    rows = client_days(stored, rule, site.inventory, day, context, site.groups).rows

    def alerts(theft: Injection) -> pl.DataFrame:
        scores = raw_scores(inject(rows, [theft]), [day], rule.surge, off=context.off(day))
        return pl.concat(judged(calibration.with_company(scores), calibration, rule.surge).values()).filter("alert")

    return _planted(power, rule, day, alerts)


def _planted(
    power: pl.DataFrame,
    rule: Rule,
    day: dt.date,
    alerts: Callable[[Injection], pl.DataFrame],
) -> Canary:
    """Both thefts at the client drawn.

    Args:
        power: the rule's power map of the day.
        rule: the rule.
        day: the day.
        alerts: the day's rows that alert when a theft was planted.
    """
    # A theft larger than any flow record may claim would prove nothing.
    able = power.filter(pl.col("extra").is_between(1, MAX_FLOW_BYTES) & (pl.col("client") != NULL_CLIENT))
    if able.is_empty():
        return Canary(rule.id)
    chance = random.Random(f"{day}:{rule.id}:canary")  # noqa: S311 - a draw, nothing secret
    row = able.sort("client").row(chance.randrange(able.height), named=True)
    client, extra = row["client"], row["extra"]

    def found(stolen: int) -> bool:
        theft = Injection(client=client, day=day, size=stolen)
        return alerts(theft).filter(pl.col("client") == client).height > 0

    return Canary(rule.id, client, extra, found=found(extra), quiet=not found(extra - 1))

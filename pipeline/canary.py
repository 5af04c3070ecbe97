"""The canary: thefts planted into a copy of a day's rows, to see that the scoring still finds what the power map says.

One theft at a random client just suffices to alert, and one a byte smaller does not; both go through the method that
scores the site's days. Nothing of it is stored. How the outcome is judged belongs to the checks.
"""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import dataclass

import polars as pl

from pipeline.detections.model import Rule
from pipeline.methods import METHODS
from pipeline.methods.seed import NULL_CLIENT
from pipeline.power import seed_power
from pipeline.schemas import MAX_FLOW_BYTES
from pipeline.simulate.inject import Injection, inject


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

    @property
    def lives(self) -> bool:
        """Whether the rule does what the power map says of it."""
        return self.found and self.quiet


def canary(today: pl.DataFrame, baseline: pl.DataFrame, rule: Rule, day: dt.date) -> Canary:
    """Plant thefts at a client that the day draws from those that do not alert yet and can.

    Args:
        today: DAILY_TRAFFIC rows of the day; left as they are.
        baseline: TRAFFIC_BASELINE rows of the day.
        rule: a rule of method seed.
        day: the day, which also seeds the draw.

    Raises:
        RuleError: the baseline was made without this rule's series.
    """
    power = seed_power(today, baseline, rule, day)
    # A theft larger than any flow record may claim would prove nothing.
    able = power.filter(pl.col("extra").is_between(1, MAX_FLOW_BYTES) & (pl.col("client") != NULL_CLIENT)).sort(
        "client"
    )
    if able.is_empty():
        return Canary(rule.id)
    chance = random.Random(f"{day}:{rule.id}:canary")  # noqa: S311 - a draw, nothing secret
    client, extra = able.select("client", "extra").row(chance.randrange(able.height))

    def alerts(stolen: int) -> bool:
        rows = today.filter(pl.col("measure") == rule.measure.id)
        robbed, _ = inject(rows, [Injection(attack_id="canary", first=day, size=stolen, clients=(client,))])
        scores = METHODS[rule.method](robbed, baseline, rule, day)
        return scores.filter((pl.col("client") == client) & (pl.col("state") == "alert")).height > 0

    return Canary(rule.id, client, extra, found=alerts(extra), quiet=not alerts(extra - 1))

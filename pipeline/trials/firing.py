"""Whether each rule in force can alert at all: by its own numbers, and on the data of one stored day.

The arithmetic is in `pipeline.detections.fireability` and `pipeline.trials.power`, planted thefts are in
`pipeline.trials.canary`; here they are told of a site's day, rule by rule. What is too little to pass is decided by the
checks.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import polars as pl

from pipeline.detections.budget import CHANNELS
from pipeline.detections.fireability import fireability, rows_to_exceed
from pipeline.detections.model import Rule
from pipeline.methods.surge.calibration import LEAST_DAYS, Calibration, comparable_days
from pipeline.methods.surge.centre import ENOUGH_DAYS
from pipeline.schemas import ANOMALY_SCORES, DAILY_TRAFFIC, TRAFFIC_BASELINE
from pipeline.site import Site
from pipeline.stored.stages import surroundings
from pipeline.surge.days import verdict_rows
from pipeline.trials.canary import Canary, canary, surge_canary
from pipeline.trials.power import REASONS, seed_power, surge_power


@dataclass(frozen=True)
class Firing:
    """What one rule could do on a day."""

    rule_id: str
    never: bool
    """Whether its own numbers keep it from alerting on any day."""
    clients: int
    """Clients of the day that it judges."""
    able: int
    """Those of them that some volume would make alert."""
    why: str
    """Why it never can, or why nobody could today; empty where somebody could, or where nobody had traffic."""
    canary: Canary


def firing(site: Site, day: dt.date) -> list[Firing]:
    """Every rule in force that the day's tables were made under; surge only where its scores of the day are stored.

    Raises:
        RuleError: the baseline was made without a rule's series.
        ConfigError: an input of the context is broken.
    """
    today, past = (site.storage.read_day(t, day) for t in (DAILY_TRAFFIC, TRAFFIC_BASELINE))
    around, found = surroundings(site, day), []
    for rule in site.rules_of("seed"):
        power = seed_power(today, past, rule, day, around)
        found.append(_told(site, rule, day, power, canary(today, past, rule, day, around, power)))
    if not site.storage.has("surge_scores", day):
        return found
    for rule in site.rules_of("surge"):
        raw = verdict_rows(site, day, rule)
        calibration = Calibration.before(raw, day, rule.surge)
        power = surge_power(raw, rule, day, calibration)
        found.append(_told(site, rule, day, power, surge_canary(site, rule, day, power, calibration)))
    return found


def _told(site: Site, rule: Rule, day: dt.date, power: pl.DataFrame, planted: Canary) -> Firing:
    numbers, able = fireability(rule, site.settings.start_date), power["extra"].count()
    why = ""
    if not numbers.can_fire:
        why = numbers.explanation
    elif power.height and not able:
        reasons = power["reason"].value_counts(sort=True)["reason"].to_list()
        why = _because(site, rule, day, reasons[0])
    where = f"{rule.id}, judged {_when(site)} over {day - dt.timedelta(days=rule.lookback_days)} to {day}"
    return Firing(rule.id, not numbers.can_fire, power.height, able, f"{where}: {why}." if why else "", planted)


def _when(site: Site) -> str:
    return f"at {site.settings.schedule.hour:02}:{site.settings.schedule.minute:02} of the day after"


def _because(site: Site, rule: Rule, day: dt.date, reason: str) -> str:
    """The commonest obstacle of the day's clients, with the day's own numbers beside what the rule asks for."""
    if reason == "learning":
        return _learning(site, rule, day)
    if rule.method == "surge":
        return REASONS[reason]
    scores = site.storage.scan(ANOMALY_SCORES, [day]).filter(pl.col("rule_id") == rule.id)
    most = scores.select(pl.col("n").max(), pl.col("fleet_n").max()).collect().row(0, named=True)
    if reason == "too_few_samples":
        return f"no client has more than {most['n']} of minimum_data_samples = {rule.minimum_data_samples} days"
    if reason == "masked":
        whose = "of each group" if rule.by_group else "of the fleet"
        return (
            f"the window {whose} holds at most N = {most['fleet_n']} rows, none of which can lie further than "
            f"(N-1)/sqrt(N) deviations above their mean; {float(rule.fleet_threshold):g} take {rows_to_exceed(rule)}"
        )
    return REASONS[reason]


def _learning(site: Site, rule: Rule, day: dt.date) -> str:
    """Which scored days the first of the channels that still learn lacks, or else that nobody is known."""
    past = verdict_rows(site, day, rule).filter(pl.col("day") < day)
    for channel in (c for c in CHANNELS if rule.surge.spends(c)):
        days = comparable_days(past, *(("base_days", "slow") if channel == "slow" else ("n", "surprise"))).len()
        if days < LEAST_DAYS:
            alone = rule.with_numbers({"shares": {channel: rule.shares[channel]}})
            first = fireability(alone, site.settings.start_date).first_day
            return f"{days} of the {LEAST_DAYS} scored days before are there; {first} is the first day it can"
    return f"no client has {ENOUGH_DAYS} known days in the window before"

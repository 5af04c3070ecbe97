"""Judging stored days under any rule, in memory: what it would have said, and of each client that is silent, why.

Only daily traffic is read (and flows, where a rule's series is none of the site's), and nothing is stored. What is made
of two rules' verdicts belongs to `pipeline.trials.backtest`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import polars as pl

from pipeline.baseline import build_baseline
from pipeline.context import NOTHING, Context, load_context
from pipeline.daily import build_daily
from pipeline.days import window_days
from pipeline.detections.model import Measure, Rule
from pipeline.methods import METHODS
from pipeline.methods.surge import judged, raw_scores
from pipeline.methods.surge.calibration import AS_EXPECTED, Calibration
from pipeline.methods.surge.slow import RECENT
from pipeline.methods.surroundings import Surroundings
from pipeline.schemas import DAILY_TRAFFIC, FLOWS
from pipeline.simulate.inject import Injection, inject
from pipeline.site import Site
from pipeline.storage import DayRecord
from pipeline.stored.series import series_lacking
from pipeline.stored.stages import days_read
from pipeline.surge.clients import client_days
from pipeline.surge.days import QualityOf, fit_days
from pipeline.trials.power import seed_power, surge_power

CAUSES = {
    "above_both_gates": "alerts: above the fleet's and its own gate",
    "above_its_gate": "alerts: above the one gate that the rule asks",
    "flat_past": "alerts: its own past never varied, so that anything above it passes its own gate",
    "shot": "alerts: one large day",
    "slow": "alerts: many larger days",
    "new": "alerts: a client hardly seen before",
    "not_judged": "no row under this rule: traffic that it does not count, a server, or an unknown volume",
    "unknown_bytes": "its volume is unknown",
    "no_history": "no known day in the window before",
    "too_few_samples": "fewer days than minimum_data_samples",
    "deviation_unknown": "one past day tells no deviation",
    "others_unknown": "too few known days of the fleet or group before",
    "masked_by_fleet": "above its own gate, below the fleet's",
    "masked_by_group": "above its own gate, below its group's",
    "below_own_gate": "above the gate of the fleet or group, below its own",
    "below_both_gates": "below both gates",
    "below_its_gate": "below the one gate that the rule asks",
    "below_floor": "above what gates the rule asks, below its floor",
    "learning": "too few scored days before to tell what is rare, or no client with five known days",
    "no_channel": "no channel with a share of the budget judges it: new takes clients of under 4 days, slow of more",
    "not_rare_enough": "scores as high came more often than the budget allows",
    "as_expected": "not above what is expected of it by a hundredth",
}
VERDICTS = pl.Schema({"day": pl.Date, "client": pl.String, "bytes": pl.Int64, "alert": pl.Boolean, "cause": pl.String})
"""One row a (day, client) that the rule judges; cause is one of CAUSES."""
KNOBS = {"seed": "deviation_threshold", "surge": "budget"}
"""The number of each method that decides how much alerts."""


def trial(site: Site, rule: Rule, quality_of: QualityOf) -> SeedTrial | SurgeTrial:
    """The rule, ready to judge days of the site."""
    if rule.method == "seed":
        return SeedTrial(site, rule)
    return SurgeTrial(site, rule, quality_of, load_context(site.root, site.settings.context))


def without(days: Sequence[dt.date], others: Collection[dt.date]) -> list[dt.date]:
    """The days that are none of the others."""
    return [d for d in days if d not in others]


@dataclass(frozen=True)
class History:
    """A site's stored days under any series.

    What the site does not keep, or did not yet when a day was made, is made from the day's flows.
    """

    site: Site
    _records: dict[dt.date, DayRecord | None] = field(default_factory=dict)

    def rows(self, measures: Sequence[Measure], days: Sequence[dt.date]) -> pl.LazyFrame:
        """Rows of DAILY_TRAFFIC of the stored ones of the days."""
        storage, wanted = self.site.storage, {m.id: m for m in measures}
        kept = storage.scan(DAILY_TRAFFIC, days).filter(pl.col("measure").is_in(list(wanted)))
        parts = [kept]
        for day in days:
            lacking = self._lacking(day, measures, surely=False)
            if lacking:
                parts.append(build_daily(storage.scan(FLOWS, [day]), lacking, day).lazy())
        return pl.concat(parts)

    def untold(self, measures: Sequence[Measure], days: Sequence[dt.date]) -> list[dt.date]:
        """Those of the stored days that were made without one of the series, and whose flows were pruned."""
        gone = self.site.storage.pruned_days(FLOWS.name, among=set(days))
        stored = (d for d in gone if self.site.storage.has(DAILY_TRAFFIC.name, d))
        return [d for d in stored if self._lacking(d, measures, surely=True)]

    def _lacking(self, day: dt.date, wanted: Sequence[Measure], *, surely: bool) -> list[Measure]:
        """The wanted series that the stored day was not made for."""
        if day not in self._records:
            self._records[day] = self.site.storage.record(DAILY_TRAFFIC.name, day)
        if (record := self._records[day]) is None:
            return list(wanted)
        lacking = series_lacking(self.site, record, [m.id for m in wanted], surely=surely)
        return [m for m in wanted if m.id in lacking]


@dataclass(frozen=True)
class SeedTrial:
    """A rule of method seed on a site's days."""

    site: Site
    rule: Rule
    _inputs: dict[dt.date, SeedInputs] = field(default_factory=dict)

    @cached_property
    def _history(self) -> History:
        return History(self.site)

    def untold(self, days: Sequence[dt.date]) -> list[dt.date]:
        """Those of the stored days of which nobody counted its series, and nobody can any more."""
        return self._history.untold(self.rule.measures, days)

    def past(self, day: dt.date) -> list[dt.date]:
        """The days before it that it is judged by, stored or not."""
        return window_days(day, self.rule.lookback_days, self.site.settings.start_date)

    def inputs(self, day: dt.date) -> SeedInputs:
        """What the day is judged from; that of one day is kept."""
        if day not in self._inputs:
            start, lookback = self.site.settings.start_date, self.rule.lookback_days
            present = [d for d in self.past(day) if self.site.storage.has("daily_traffic", d)]
            present = without(present, self.untold(present))
            rows = self._history.rows([self.rule.measure], [*present, day])
            series = [(self.rule.measure, lookback)]
            past = build_baseline(rows, day, series, start=start, present=present)
            around = Surroundings(days_read(self.site, present), self.site.groups)
            self._inputs.clear()
            self._inputs[day] = SeedInputs(rows.filter(pl.col("day") == day).collect(), past, around)
        return self._inputs[day]

    def verdicts(self, day: dt.date, theft: Injection | None = None) -> pl.DataFrame:
        """Rows of VERDICTS of a day, or of a copy of it with a theft."""
        of = self.inputs(day)
        today = of.today if theft is None else inject(of.today, [theft])
        scores = METHODS[self.rule.method](today, of.past, self.rule, day, of.around)
        return scores.select("day", "client", "bytes", alert=pl.col("state") == "alert", cause=seed_cause(self.rule))

    def power(self, day: dt.date, knob: float | str) -> pl.DataFrame:
        """The power map of a day under another threshold."""
        both = {"fleet_deviation_threshold": None, "own_deviation_threshold": None}
        rule = self.rule.with_numbers({KNOBS["seed"]: str(knob), **both})
        of = self.inputs(day)
        return seed_power(of.today, of.past, rule, day, of.around)


@dataclass(frozen=True)
class SeedInputs:
    """The day's rows, the baseline made from the days before it, and what else a rule may ask for."""

    today: pl.DataFrame
    past: pl.DataFrame
    around: Surroundings


def seed_cause(rule: Rule) -> pl.Expr:
    """The first of the causes that holds; a gate that the rule does not ask counts as passed."""
    asks_own, asks_others, alert = pl.lit(rule.asks_own), pl.lit(rule.asks_others), pl.col("state") == "alert"
    own, others = pl.col("gate_client") | ~asks_own, pl.col("gate_fleet") | ~asks_others
    both = rule.asks_own and rule.asks_others
    cases = (
        (alert & asks_own & (pl.col("per_source_stdev_bytes") == 0), "flat_past"),
        (alert, "above_both_gates" if both else "above_its_gate"),
        (pl.col("bytes").is_null(), "unknown_bytes"),
        (asks_own & (pl.col("n_past_values") == 0), "no_history"),
        (pl.col("n") < rule.minimum_data_samples, "too_few_samples"),
        (asks_own & pl.col("gate_client").is_null(), "deviation_unknown"),
        (asks_others & pl.col("gate_fleet").is_null(), "others_unknown"),
        (own & others, "below_floor"),
        (asks_own & own, "masked_by_group" if rule.by_group else "masked_by_fleet"),
        (asks_others & others, "below_own_gate"),
    )
    below = "below_both_gates" if both else "below_its_gate"
    return pl.coalesce(*(pl.when(found.fill_null(False)).then(pl.lit(name)) for found, name in cases), pl.lit(below))


@dataclass(frozen=True)
class SurgeTrial:
    """A rule of method surge on a site's days.

    Raw scores of days still needed are kept, and of one day the rows behind them and its calibration: they follow
    from no theft of the day and from no budget.
    """

    site: Site
    rule: Rule
    quality_of: QualityOf
    context: Context = NOTHING
    _raw: dict[dt.date, pl.DataFrame] = field(default_factory=dict)
    _rows: dict[dt.date, pl.DataFrame] = field(default_factory=dict)
    _calibrations: dict[dt.date, Calibration] = field(default_factory=dict)

    @cached_property
    def _history(self) -> History:
        return History(self.site)

    def untold(self, days: Sequence[dt.date]) -> list[dt.date]:
        """Those of the stored days of which nobody counted one of its series, and nobody can any more."""
        return self._history.untold(self.rule.measures, days)

    def past(self, day: dt.date) -> list[dt.date]:
        """The days before it that it is judged by, stored or not."""
        reach = self.rule.surge.calibration + self.rule.surge.window + RECENT
        return window_days(day, reach, self.site.settings.start_date)

    def rows(self, day: dt.date) -> pl.DataFrame:
        """What the day's raw scores are made from: its window's days, unverified ones left out; one day's are kept."""
        if day not in self._rows:
            self._rows.clear()
            self._rows[day] = self._read(day)
        return self._rows[day]

    def _read(self, day: dt.date) -> pl.DataFrame:
        fit = fit_days(self.site, day, self.rule.surge.window + RECENT, self.quality_of)
        fit = without(fit, self.untold(fit))
        kept = self._history.rows(self.rule.measures, fit)
        return client_days(kept, self.rule, self.site.inventory, day, self.context, self.site.groups).rows

    def holders(self, day: dt.date) -> dict[str, str]:
        """Address -> the asset that held it on the day, where one is known: what the day's clients go by."""
        seen = self._history.rows(self.rule.measures, [day]).select("day", ip="client").drop_nulls().unique().collect()
        known = self.context.with_assets(seen).drop_nulls("asset")
        return dict(known.select("ip", "asset").iter_rows())

    def raw(self, day: dt.date) -> pl.DataFrame:
        """Raw scores of the days that calibrate a day, and of the day."""
        wanted = self._wanted(day)
        for gone in set(self._raw) - set(wanted):
            del self._raw[gone]
        for d in wanted:
            if d not in self._raw:
                self._raw[d] = self._scored(self.rows(d), d)
        return pl.concat([self._raw[d] for d in wanted])

    def _wanted(self, day: dt.date) -> list[dt.date]:
        before = window_days(day, self.rule.surge.calibration, self.site.settings.start_date)
        stored = [d for d in before if self.site.storage.has("daily_traffic", d)]
        return [*without(stored, self.untold(stored)), day]

    def _scored(self, rows: pl.DataFrame, day: dt.date) -> pl.DataFrame:
        return raw_scores(rows, [day], self.rule.surge, off=self.context.off(day))

    def calibration(self, day: dt.date) -> Calibration:
        """What the days before a day say of its scores; that of one day is kept."""
        if day not in self._calibrations:
            raw = self.raw(day)
            self._calibrations.clear()
            self._calibrations[day] = Calibration.before(raw, day, self.rule.surge)
        return self._calibrations[day]

    def verdicts(self, day: dt.date, theft: Injection | None = None) -> pl.DataFrame:
        """Rows of VERDICTS of a day, or of a copy of it with a theft."""
        calibration, raw = self.calibration(day), self.raw(day).filter(pl.col("day") == day)
        today = raw if theft is None else self._scored(inject(self.rows(day), [theft]), day)
        channels = judged(calibration.with_company(today), calibration, self.rule.surge).values()
        told = pl.concat(channels).sort("alert", "rate", "channel", descending=[True, False, False])
        best = told.group_by("client", maintain_order=True).first()
        rare = pl.when(AS_EXPECTED).then(pl.lit("as_expected")).otherwise(pl.lit("not_rare_enough"))
        silent = pl.coalesce(calibration.unjudged(self.rule.surge), rare)
        alert = pl.col("alert").fill_null(False)
        return today.join(
            best.select("client", "alert", "channel"), on="client", how="left", maintain_order="left"
        ).select("day", "client", "bytes", alert=alert, cause=pl.when(alert).then("channel").otherwise(silent))

    def power(self, day: dt.date, knob: float | str) -> pl.DataFrame:
        """The power map of a day under another budget."""
        rule = self.rule.with_numbers({KNOBS["surge"]: float(knob)})
        return surge_power(self.raw(day), rule, day, self.calibration(day))

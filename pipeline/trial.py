"""Judging stored days under any rule, in memory: what it would have said, and of each client that is silent, why.

Only daily traffic is read (and flows, where a rule's series is none of the site's), and nothing is stored. What is made
of two rules' verdicts belongs to `pipeline.backtest`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl

from pipeline.baseline import build_baseline
from pipeline.context import NOTHING, Context, load_context
from pipeline.daily import build_daily
from pipeline.days import window_days
from pipeline.detections.model import Measure, Rule
from pipeline.errors import RuleError
from pipeline.methods import METHODS
from pipeline.methods.surge import calibrated, raw_scores
from pipeline.methods.surge.calibration import LEAST_DAYS
from pipeline.methods.surge.slow import RECENT
from pipeline.power import POWER_MAP, seed_power, surge_power
from pipeline.schemas import DAILY_TRAFFIC, FLOWS
from pipeline.simulate.inject import Injection, inject
from pipeline.site import Site
from pipeline.surge_clients import client_days
from pipeline.surge_days import QualityOf, fit_days

CAUSES = {
    "above_both_gates": "alerts: above the fleet's and its own gate",
    "flat_past": "alerts: its own deviation is 0, so that one byte more than usual is enough",
    "shot": "alerts: one large day",
    "slow": "alerts: many larger days",
    "new": "alerts: a client hardly seen before",
    "not_judged": "no row under this rule: traffic of the other direction only, a server, or an unknown volume",
    "unknown_bytes": "its volume is unknown",
    "no_history": "no known day in the window before",
    "too_few_samples": "fewer days than minimum_data_samples",
    "deviation_unknown": "one past day tells no deviation",
    "masked_by_fleet": "above its own gate, below the fleet's",
    "below_own_gate": "above the fleet's gate, below its own",
    "below_both_gates": "below both gates",
    "learning": "too few scored days before to tell what is rare",
    "not_rare_enough": "scores as high came more often than the budget allows",
}
VERDICTS = pl.Schema({"day": pl.Date, "client": pl.String, "bytes": pl.Int64, "alert": pl.Boolean, "cause": pl.String})
"""One row a (day, client) that the rule judges; cause is one of CAUSES."""
KNOBS = {"seed": "deviation_threshold", "surge": "budget"}
"""The number of each method that decides how much alerts."""


def trial(site: Site, rule: Rule, quality_of: QualityOf) -> SeedTrial | SurgeTrial:
    """The rule, ready to judge days of the site."""
    if rule.method == "seed" and not rule.like_seed:
        raise RuleError(
            f"rule {rule.id} is judged otherwise than the seed ({', '.join(sorted(rule.beyond_seed))}), which a "
            "back-test cannot tell causes and costs of.",
            remedy="Try it without these keys, or run it on a copy of the site.",
        )
    if rule.method == "seed":
        return SeedTrial(site, rule)
    return SurgeTrial(site, rule, quality_of, load_context(site.root, site.settings.context))


def history(site: Site, measures: Sequence[Measure], days: Sequence[dt.date]) -> pl.LazyFrame:
    """Rows of DAILY_TRAFFIC of the stored ones of the days; a series that the site does not keep is made from flows."""
    known = {m.id for m in site.measures}
    kept = site.storage.scan(DAILY_TRAFFIC, days).filter(pl.col("measure").is_in([m.id for m in measures]))
    strange = [m for m in measures if m.id not in known]
    if not strange:
        return kept
    made = [build_daily(site.storage.scan(FLOWS, [d]), strange, d) for d in days if site.storage.has("flows", d)]
    return pl.concat([kept, *(f.lazy() for f in made)])


@dataclass(frozen=True)
class SeedTrial:
    """A rule of method seed on a site's days."""

    site: Site
    rule: Rule
    _inputs: dict[dt.date, tuple[pl.DataFrame, pl.DataFrame]] = field(default_factory=dict)

    def inputs(self, day: dt.date) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The day's rows, and the baseline made from the days before it; those of one day are kept."""
        if day not in self._inputs:
            start, lookback = self.site.settings.start_date, self.rule.lookback_days
            present = [d for d in window_days(day, lookback, start) if self.site.storage.has("daily_traffic", d)]
            rows = history(self.site, [self.rule.measure], [*present, day])
            series = [(self.rule.measure, lookback)]
            past = build_baseline(rows, day, series, start=start, present=present)
            self._inputs.clear()
            self._inputs[day] = rows.filter(pl.col("day") == day).collect(), past
        return self._inputs[day]

    def verdicts(self, day: dt.date, theft: Injection | None = None) -> pl.DataFrame:
        """Rows of VERDICTS of a day, or of a copy of it with a theft."""
        today, past = self.inputs(day)
        if theft is not None:
            today = inject(today, [theft])[0]
        scores = METHODS[self.rule.method](today, past, self.rule, day)
        return scores.select("day", "client", "bytes", alert=pl.col("state") == "alert", cause=seed_cause(self.rule))

    def power(self, day: dt.date, knob: float | str) -> pl.DataFrame:
        """The power map of a day under another threshold."""
        both = {"fleet_deviation_threshold": None, "own_deviation_threshold": None}
        rule = self.rule.with_numbers({KNOBS["seed"]: str(knob), **both})
        return seed_power(*self.inputs(day), rule, day)


def seed_cause(rule: Rule) -> pl.Expr:
    """One of CAUSES for a row of ANOMALY_SCORES under the rule."""
    own, fleet = (pl.col(c).fill_null(False) for c in ("gate_client", "gate_fleet"))
    cases = (
        ((pl.col("state") == "alert") & (pl.col("per_source_stdev_bytes") == 0), "flat_past"),
        (pl.col("state") == "alert", "above_both_gates"),
        (pl.col("bytes").is_null(), "unknown_bytes"),
        (pl.col("n_past_values") == 0, "no_history"),
        (pl.col("n") < rule.minimum_data_samples, "too_few_samples"),
        (pl.col("gate_client").is_null(), "deviation_unknown"),
        (own & ~fleet, "masked_by_fleet"),
        (fleet & ~own, "below_own_gate"),
    )
    return pl.coalesce(
        *(pl.when(found.fill_null(False)).then(pl.lit(name)) for found, name in cases), pl.lit("below_both_gates")
    )


@dataclass(frozen=True)
class SurgeTrial:
    """A rule of method surge on a site's days; raw scores of days still needed are kept."""

    site: Site
    rule: Rule
    quality_of: QualityOf
    context: Context = NOTHING
    _raw: dict[dt.date, pl.DataFrame] = field(default_factory=dict)

    def rows(self, day: dt.date) -> pl.DataFrame:
        """What the day's raw scores are made from: its window's days, unverified ones left out."""
        fit = fit_days(self.site, day, self.rule.surge.window + RECENT, self.quality_of)
        kept = history(self.site, self.rule.measures, fit)
        return client_days(kept, self.rule, self.site.inventory, day, self.context, self.site.groups).rows

    def raw(self, day: dt.date) -> pl.DataFrame:
        """Raw scores of the days that calibrate a day, and of the day."""
        wanted = self._wanted(day)
        for gone in set(self._raw) - set(wanted):
            del self._raw[gone]
        for d in wanted:
            if d not in self._raw:
                self._raw[d] = raw_scores(self.rows(d), [d], self.rule.surge, off=self.context.off(d))
        return pl.concat([self._raw[d] for d in wanted])

    def _wanted(self, day: dt.date) -> list[dt.date]:
        before = window_days(day, self.rule.surge.calibration, self.site.settings.start_date)
        return [*(d for d in before if self.site.storage.has("daily_traffic", d)), day]

    def verdicts(self, day: dt.date, theft: Injection | None = None) -> pl.DataFrame:
        """Rows of VERDICTS of a day, or of a copy of it with a theft."""
        raw = self.raw(day)
        if theft is not None:
            robbed = raw_scores(inject(self.rows(day), [theft])[0], [day], self.rule.surge, off=self.context.off(day))
            raw = pl.concat([raw.filter(pl.col("day") < day), robbed])
        told = calibrated(raw, [day], self.rule.surge).sort("alert", "rate", "channel", descending=[True, False, False])
        best = told.group_by("client", maintain_order=True).first()
        scored = raw.filter((pl.col("day") < day) & pl.col("surprise").is_not_null() & pl.col("explained_by").is_null())
        silent = "learning" if scored["day"].n_unique() < LEAST_DAYS else "not_rare_enough"
        alert = pl.col("alert").fill_null(False)
        return (
            raw.filter(pl.col("day") == day)
            .select("day", "client", "bytes")
            .join(best.select("client", "alert", "channel"), on="client", how="left", maintain_order="left")
            .select(
                "day", "client", "bytes", alert=alert, cause=pl.when(alert).then("channel").otherwise(pl.lit(silent))
            )
        )

    def power(self, day: dt.date, knob: float | str) -> pl.DataFrame:
        """The power map of a day under another budget."""
        raw = self.raw(day)
        rule = self.rule.with_numbers({KNOBS["surge"]: float(knob)})
        return surge_power(raw, rule, day) if raw.height else POWER_MAP.empty()

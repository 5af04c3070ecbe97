"""Two rules on the same stored days: what each alerts on, why the other is silent, and what either would have found.

Thefts are planted into copies of the site's own rows, one at a time. Everything is told in memory and nothing is
stored; how it is shown belongs to the command line and the picture.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from pipeline.detections.budget import PER
from pipeline.evaluation.report import wilson
from pipeline.methods.seed import NULL_CLIENT
from pipeline.simulate.inject import Injection
from pipeline.trials.trial import KNOBS, VERDICTS, SeedTrial, SurgeTrial

THEFTS = (10**7, 10**8, 5 * 10**8, 10**9, 10**10)
"""Sizes of planted thefts, in bytes."""
SWEEPS: dict[str, tuple[float, ...]] = {
    "seed": (1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0),
    "surge": (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0),
}
"""Thresholds and budgets that a back-test also tries."""
BOTH = "both"
Trial = SeedTrial | SurgeTrial
Step = Callable[[int, int], None]


def silent_step(done: int, of: int) -> None:
    """Told of progress, and says nothing."""


@dataclass(frozen=True)
class Backtest:
    """What two rules say of the same days.

    Attributes:
        daily: day, clients, first, second, both, already: clients judged by either, alerts of each and of both, and
            clients that could have been robbed but for an alert that is there without a theft.
        differences: by, cause_first, cause_second, alerts: alerts by who gives them and what each rule says of them.
        alerts: day, client, bytes, by, cause_first, cause_second: every alert of either.
        recall: rule, theft_bytes, events, detected, recall, low, high: planted thefts, by the real scoring.
        sweep: the same and knob, value, alerts, client_days, per_day_per_10k: other thresholds, by the power map;
            already: thefts left out of its events, as their clients alert at that threshold without one.
    """

    daily: pl.DataFrame
    differences: pl.DataFrame
    alerts: pl.DataFrame
    recall: pl.DataFrame
    sweep: pl.DataFrame

    def as_rows(self) -> list[dict[str, Any]]:
        """Every row of every part, marked with what it is."""
        parts = ("daily", "differences", "alerts", "recall", "sweep")
        return [{"what": p, **row} for p in parts for row in getattr(self, p).to_dicts()]


def compared(first: pl.DataFrame, second: pl.DataFrame, names: tuple[str, str]) -> pl.DataFrame:
    """One row a (day, client) on which either alerts: day, client, bytes, by, cause_first, cause_second.

    Args:
        first: VERDICTS of one rule.
        second: VERDICTS of the other, of the same days.
        names: what `by` calls the two; both together are "both".
    """
    joined = first.join(second, on=["day", "client"], how="full", coalesce=True, suffix="_second")
    one, two = (pl.col(c).fill_null(False) for c in ("alert", "alert_second"))
    by = pl.when(one & two).then(pl.lit(BOTH)).when(one).then(pl.lit(names[0])).otherwise(pl.lit(names[1]))
    return (
        joined.filter(one | two)
        .select(
            "day",
            "client",
            bytes=pl.when(one).then("bytes").otherwise("bytes_second"),
            by=by,
            cause_first=pl.col("cause").fill_null("not_judged"),
            cause_second=pl.col("cause_second").fill_null("not_judged"),
        )
        .sort("day", "client")
    )


def by_cause(alerts: pl.DataFrame) -> pl.DataFrame:
    """by, cause_first, cause_second, alerts: how many of the compared alerts, the most first."""
    keys = ["by", "cause_first", "cause_second"]
    return (
        alerts.group_by(keys).agg(alerts=pl.len().cast(pl.Int64)).sort("alerts", *keys, descending=[True, *[False] * 3])
    )


def backtest(
    trials: tuple[Trial, Trial],
    names: tuple[str, str],
    days: Sequence[dt.date],
    *,
    seed: int = 0,
    step: Step = silent_step,
) -> Backtest:
    """Both rules on all the days, and a theft of each size at one client a day.

    A theft is at a client with traffic on the day and before, drawn by the seed among those that both rules judge and
    neither alerts on anyway: an alert that is there without the theft finds nothing. Each is planted into a copy of its
    own, so that none masks another. An address and the asset that held it on the day are one client, under the asset's
    name; a rule that judges addresses is robbed at the busiest of them. Rules that count flows, other ends or ports are
    not robbed: so many bytes say nothing of those.
    """
    daily, alerts, thefts, swept = [], [pl.DataFrame(schema=_ALERTS)], [], []
    for number, day in enumerate(days, 1):
        holders = _holders(trials, day)
        verdicts = [_any([t], day, holders) for t in trials]
        first, second = (v.select(VERDICTS.names()) for v in verdicts)
        found = compared(first, second, names)
        alerts.append(found)
        pool = _robbable(verdicts)
        quiet = pool.join(found, on="client", how="anti")["client"]
        daily.append((day, *_counts(verdicts, found, names), pool.height - quiet.len()))
        plan = _plan(quiet, day, seed)
        for name, trial, judged in zip(names, trials, verdicts, strict=True):
            own_names = dict(judged.select("client", _OWN).iter_rows())
            mine = {size: own_names[client] for size, client in plan.items()} if trial.rule.in_bytes else {}
            thefts += _planted(name, trial, day, mine)
            swept += _swept(name, trial, day, mine)
        step(number, len(days))
    every = pl.concat(alerts)
    sizes = {"rule": pl.String, "theft_bytes": pl.Int64, "events": pl.Int64, "detected": pl.Int64}
    return Backtest(
        pl.DataFrame(daily, schema=_DAILY, orient="row"),
        by_cause(every),
        every,
        _summed(pl.DataFrame(thefts, schema=sizes, orient="row"), ["rule", "theft_bytes"]),
        _rated(pl.DataFrame(swept, schema=_SWEEP, orient="row")),
    )


def _counts(verdicts: Sequence[pl.DataFrame], found: pl.DataFrame, names: tuple[str, str]) -> tuple[int, ...]:
    """(clients judged by either rule, alerts of the one, of the other, of both) on a day."""
    clients = pl.concat([v.select("client") for v in verdicts]).n_unique()
    of_each = [found.filter(pl.col("by").is_in([n, BOTH])).height for n in names]
    return clients, *of_each, found.filter(pl.col("by") == BOTH).height


_ALERTS = pl.Schema(
    {c: VERDICTS[c] for c in ("day", "client", "bytes")}
    | dict.fromkeys(("by", "cause_first", "cause_second"), pl.String())
)
_DAILY = {"day": pl.Date, "clients": pl.Int64, "first": pl.Int64, "second": pl.Int64}
_DAILY |= {"both": pl.Int64, "already": pl.Int64}
_SWEEP = {"rule": pl.String, "knob": pl.String, "value": pl.Float64, "alerts": pl.Int64, "client_days": pl.Int64}
_SWEEP |= dict.fromkeys(("theft_bytes", "events", "already", "detected"), pl.Int64)


def compared_methods(
    firsts: Sequence[Trial], seconds: Sequence[Trial], names: tuple[str, str], days: Sequence[dt.date]
) -> pl.DataFrame:
    """The alerts of two groups of rules side by side, as of `compared`; a group alerts where one of its rules does.

    An address and the asset that held it on the day are one client, under the asset's name.
    """
    found = []
    for day in days:
        holders = _holders((*firsts, *seconds), day)
        first, second = (_any(trials, day, holders).select(VERDICTS.names()) for trials in (firsts, seconds))
        found.append(compared(first, second, names))
    return pl.concat([pl.DataFrame(schema=_ALERTS), *found])


_OWN = "own"


def _holders(trials: Sequence[Trial], day: dt.date) -> dict[str, str]:
    """Address -> the asset that held it on the day, as far as a rule of method surge knows it."""
    return {ip: asset for t in trials if isinstance(t, SurgeTrial) for ip, asset in t.holders(day).items()}


def _any(trials: Sequence[Trial], day: dt.date, holders: Mapping[str, str]) -> pl.DataFrame:
    """One verdict a client: an alert where there is one, else of the largest volume; own: its rule's name for it."""
    every = pl.concat([pl.DataFrame(schema=VERDICTS), *(t.verdicts(day) for t in trials)])
    every = every.with_columns(pl.col("client").replace(dict(holders)), pl.col("client").alias(_OWN))
    order = every.sort("alert", "bytes", "cause", descending=[True, True, False], nulls_last=True)
    return order.group_by("client", maintain_order=True).first().select(*VERDICTS.names(), _OWN)


def _robbable(told: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The clients that both rules judge by a past, by name."""
    pools = [v.filter(~pl.col("cause").is_in(["no_history", "unknown_bytes"])) for v in told]
    pool = pools[0].join(pools[1], on="client", how="semi").filter(pl.col("client") != NULL_CLIENT)
    return pool.select("client").sort("client")


def _plan(pool: pl.Series, day: dt.date, seed: int) -> dict[int, str]:
    """Who is robbed of how much on the day."""
    chance = random.Random(f"{seed}:{day}:backtest")  # noqa: S311 - a draw, nothing secret
    return {size: pool[chance.randrange(pool.len())] for size in THEFTS if pool.len()}


def _planted(name: str, trial: Trial, day: dt.date, plan: dict[int, str]) -> list[tuple[str, int, int, int]]:
    rows = []
    for size, client in plan.items():
        theft = Injection(client=client, day=day, size=size)
        hit = trial.verdicts(day, theft).filter((pl.col("client") == client) & pl.col("alert")).height
        rows.append((name, size, 1, hit))
    return rows


def _swept(name: str, trial: Trial, day: dt.date, plan: dict[int, str]) -> list[tuple[Any, ...]]:
    """What each threshold would cost on the day and find of its thefts, by the power map."""
    rows: list[tuple[Any, ...]] = []
    knob = KNOBS[trial.rule.method]
    for value in SWEEPS[trial.rule.method]:
        power = trial.power(day, value)
        told = power.select((pl.col("extra") == 0).sum()).item()
        needed = dict(power.select("client", "extra").iter_rows())
        for size in THEFTS:
            client = plan.get(size)
            extra = None if client is None else needed.get(client)
            already, hit = extra == 0, extra is not None and 0 < extra <= size
            event = client is not None and not already
            rows.append((name, knob, value, told, power.height, size, int(event), int(already), int(hit)))
    return rows


def _summed(rows: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    sums = rows.group_by(keys).agg(pl.exclude(keys).sum()).sort(keys)
    return sums.with_columns(wilson(pl.col("detected"), pl.col("events")))


def _rated(rows: pl.DataFrame) -> pl.DataFrame:
    found = _summed(rows, ["rule", "knob", "value", "theft_bytes"])
    cost = pl.when(pl.col("client_days") > 0).then(PER * pl.col("alerts") / pl.col("client_days"))
    return found.with_columns(per_day_per_10k=cost)

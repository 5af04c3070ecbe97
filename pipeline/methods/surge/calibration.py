"""From raw scores to alerts: how many false alerts a threshold at each score would give, against the channel's budget.

Only raw scores of the days before a day judge it; explained client-days are left out of them. Severity and folding
belong to the verdict.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from pipeline.detections.budget import Params
from pipeline.methods.surge.centre import surprising
from pipeline.methods.surge.company import UNUSUAL_QUANTILE, company
from pipeline.methods.surge.effects import volume_of
from pipeline.methods.surge.rarity import ENOUGH_ROWS, Excesses
from pipeline.methods.surge.raw import with_scores
from pipeline.methods.surge.slow import slow_level
from pipeline.methods.surge.tail import Tail, fit_tail

_RARITY_POWER = 3
_FEW_NEW = 30
_MOST_BYTES = 2**62
_CLOSE = 1e-9
_LEAST_PART = 0.05
"""The part of the budget that every role with scores enough may spend."""
LEAST_DAYS = 7
"""With fewer comparable days in its past a channel does not alert: a week has weekends."""


@dataclass(frozen=True)
class Calibration:
    """What the days before a day say of its scores."""

    excesses: Excesses
    tails: Mapping[tuple[str, str | None], Tail]
    """By channel and role; the role None stands for all."""
    unusual: float
    """Surprises from here on count as company."""
    usual_rate: float

    @classmethod
    def before(cls, raw: pl.DataFrame, day: dt.date, params: Params) -> Calibration:
        """From the raw scores of the past days of the calibration."""
        past = raw.filter(pl.col("day").is_between(day - dt.timedelta(days=params.calibration), day, closed="left"))
        slow = _slow_tail(_comparable(past, "base_days", "slow"), params)
        past = _comparable(past, "n", "surprise")
        free = past.filter(pl.col("explained_by").is_null() & pl.col("surprise").is_not_null())
        excesses = Excesses.of(free)
        found = free["surprise"].quantile(UNUSUAL_QUANTILE, "nearest")
        unusual = math.inf if found is None else float(found)
        usual_rate = free.filter(pl.col("surprise") >= unusual).height / max(free.height, 1)
        free = free.with_columns(
            excesses.rarity(free, past=True).alias("rarity"), company(free, unusual, usual_rate).alias("company")
        )
        shot = free.select("role", score=_shot(unusual))
        tails: dict[tuple[str, str | None], Tail] = {("shot", None): fit_tail(shot["score"], past.height)}
        for role, size in role_budgets(past).items():
            tails["shot", role] = fit_tail(shot.filter(pl.col("role") == role)["score"], size)
        tails["slow", None] = slow
        new = free["new"].drop_nulls()
        if new.len() < _FEW_NEW:
            # Too few new clients to compare with: a new one must be rare among all.
            new = free["excess"].clip(1).log()
        tails["new", None] = fit_tail(new, past.height)
        return cls(excesses, tails, unusual, usual_rate)

    def with_company(self, today: pl.DataFrame) -> pl.DataFrame:
        """All rows of a day with their company, which a client's own volume does not change."""
        return today.with_columns(company(today, self.unusual, self.usual_rate).alias("company"))

    def rated(self, rows: pl.DataFrame, channel: str) -> pl.DataFrame:
        """The rows that the channel judges, with score, rate (E) and, of the shot, rarity.

        The shot needs the rows' company.
        """
        rows = rows.filter(pl.col("surprise").is_not_null())
        if channel == "shot":
            rows = rows.with_columns(self.excesses.rarity(rows, past=False).alias("rarity"))
            rows = rows.with_columns(score=_shot(self.unusual))
        else:
            rows = rows.with_columns(rarity=pl.lit(None, pl.Float64), score=pl.col(channel))
        judged = rows.with_row_index("row").filter(pl.col("score").is_not_null())
        parts = [
            part.with_columns(self.tail(channel, role).rate(part["score"]).alias("rate"))
            for (role,), part in judged.partition_by("role", as_dict=True, maintain_order=True).items()
        ]
        if not parts:
            return judged.with_columns(rate=pl.lit(None, pl.Float64)).drop("row")
        return pl.concat(parts).sort("row").drop("row")

    def tail(self, channel: str, role: str | None) -> Tail:
        """The role's own tail where it has one, else the fleet's."""
        return self.tails.get((channel, role)) or self.tails[channel, None]

    def least_volume(self, alerts: pl.DataFrame, channel: str, limit: float) -> pl.Series:
        """For each alert the smallest whole number of bytes with which it would still alert, by bisection.

        Exact: a client's own volume of the day moves neither its expectation nor the tails, and a larger one never
        scores lower.
        """
        low = alerts["bytes"] * 0 - 1
        return self._bisected(alerts, channel, limit, low, alerts["bytes"])

    def reach(self, today: pl.DataFrame, channel: str, limit: float) -> pl.DataFrame:
        """client, least: the smallest volume of the day with which each client would alert; without those that never.

        Args:
            today: rows of the day with their company.
            channel: the channel.
            limit: its budget.
        """
        judged = self.rated(today, channel)
        most = pl.repeat(_MOST_BYTES, judged.height, dtype=pl.Int64, eager=True)
        within = judged.filter(self._alerts_at(judged, most, channel, limit))
        low, high = self._bracket(within, channel, limit)
        return within.select("client", least=self._bisected(within, channel, limit, low, high))

    @property
    def learning(self) -> bool:
        """Whether too few days are scored for anything to alert."""
        return self.excesses.all.is_empty()

    def _bracket(self, rows: pl.DataFrame, channel: str, limit: float) -> tuple[pl.Series, pl.Series]:
        """For each row a volume that does not alert and one that does: close to where formulas put it, else far away.

        Rounding may put a formula beside the true place, so both ends are tried.
        """
        guess = self._guessed(rows, channel, limit).fill_nan(0.0).fill_null(0.0).clip(0.0, float(_MOST_BYTES) / 2)
        low, high = (
            (guess * (1 - _CLOSE)).floor().cast(pl.Int64) - 1,
            (guess * (1 + _CLOSE)).ceil().cast(pl.Int64) + 1,
        )
        frame = pl.DataFrame({"low": low, "high": high})
        missed = self._alerts_at(rows, low, channel, limit) | ~self._alerts_at(rows, high, channel, limit)
        frame = frame.with_columns(missed.alias("missed")).select(
            low=pl.when("missed").then(-1).otherwise("low"),
            high=pl.when("missed").then(_MOST_BYTES).otherwise("high"),
        )
        return frame["low"], frame["high"]

    def _guessed(self, rows: pl.DataFrame, channel: str, limit: float) -> pl.Series:
        """About the smallest volume that alerts, by the inverse of the channel's score."""
        roles = rows["role"].unique().to_list()
        needs = pl.DataFrame(
            {"role": roles, "need": [self.tail(channel, r).least_score(limit) for r in roles]},
            schema={"role": rows.schema["role"], "need": pl.Float64},
        )
        rows = rows.join(needs, on="role", how="left", nulls_equal=True, maintain_order="left")
        if channel == "slow":
            return rows.select(volume=volume_of(slow_level(pl.col("need"))))["volume"]
        if channel == "new":
            return rows.select(volume=pl.col("expected") + pl.col("need").exp())["volume"]
        alone = pl.col("need") - pl.col("company")
        rows = rows.with_columns(own=pl.min_horizontal("need", pl.max_horizontal(alone, pl.lit(self.unusual))))
        own = rows.select(
            volume_of(surprising(rows["own"], rows["nu"]) * pl.col("scale") + pl.col("centre") + pl.col("shift"))
        )
        rare = self.excesses.reach(rows.with_columns(rarity=alone / _RARITY_POWER))
        return pl.DataFrame([own.to_series().alias("a"), (rare + rows["expected"]).alias("b")]).max_horizontal()

    def _alerts_at(self, rows: pl.DataFrame, volume: pl.Series, channel: str, limit: float) -> pl.Series:
        """Whether each row that the channel judges would alert with another volume of the day."""
        return alerting(self.rated(with_scores(rows.with_columns(volume.alias("bytes"))), channel), limit)

    def _bisected(self, rows: pl.DataFrame, channel: str, limit: float, low: pl.Series, high: pl.Series) -> pl.Series:
        """The smallest volume that alerts, between one that does not and one that does."""
        while (high - low).max() not in (None, 0, 1):
            middle = low + (high - low) // 2
            pair = pl.DataFrame(
                {"low": low, "high": high, "middle": middle, "alert": self._alerts_at(rows, middle, channel, limit)}
            )
            turned = pair.select(
                low=pl.when("alert").then("low").otherwise("middle"),
                high=pl.when("alert").then("middle").otherwise("high"),
            )
            low, high = turned["low"], turned["high"]
        return high


def role_budgets(past: pl.DataFrame) -> dict[str, int]:
    """Of each role with scores enough: the client-days of all whose budget it may spend.

    In proportion to its client-days, yet at least a part of the whole: among the few client-days of gateways, no day is
    rare enough for a budget by heads, though many clients are behind each.
    """
    sizes = past.group_by("role").len().sort("role")
    known = {role: size for role, size in sizes.iter_rows() if role is not None and size >= ENOUGH_ROWS}
    parts = {role: max(size / past.height, _LEAST_PART) for role, size in known.items()}
    whole = 1 + sum(parts[role] - size / past.height for role, size in known.items())
    return {role: round(part / whole * past.height) for role, part in parts.items()}


def alerting(rated: pl.DataFrame, limit: float) -> pl.Series:
    """Whether each rated row is within the budget; what is not above zero is nobody's surge."""
    return ((rated["rate"] <= limit) & (rated["score"] > 0)).fill_null(False)


def _shot(unusual: float) -> pl.Expr:
    """Unusual for the client and large for the network, as in the seed: the smaller of both; more in company."""
    own = pl.col("surprise")
    together = pl.when(own >= unusual).then("company").otherwise(0.0)
    return pl.min_horizontal(own, _RARITY_POWER * pl.col("rarity")) + together


def comparable_days(past: pl.DataFrame, known: str, score: str) -> pl.Series:
    """The days on which clients were known at least half as well as on the best of them.

    The first days of a site tell little of each client: their scores say nothing of later ones. A channel that has
    scores for the first time has no past at all.

    Args:
        past: raw scores.
        known: the column that counts the days that are known of a client.
        score: the column of scores; a client without one is not known.
    """
    judged = pl.when(pl.col(score).is_not_null()).then(known).fill_null(0)
    days = past.group_by("day").agg(known=judged.mean()).filter(pl.col("known") > 0)
    return days.filter(pl.col("known") * 2 >= pl.col("known").max())["day"]


def _comparable(past: pl.DataFrame, known: str, score: str) -> pl.DataFrame:
    """The rows of these days; none where they are too few."""
    days = comparable_days(past, known, score)
    return past.filter(pl.col("day").is_in(days.implode())) if days.len() >= LEAST_DAYS else past.clear()


def _slow_tail(past: pl.DataFrame, params: Params) -> Tail:
    """Alerts of a client that follow each other within the days of a case count once."""
    active, free = past.height, past.filter(pl.col("explained_by").is_null())
    known = free.filter(pl.col("slow").is_not_null()).sort("client", "day")
    before = pl.col("slow").rolling_max_by("day", window_size=f"{params.case_days}d", closed="left").over("client")
    return fit_tail(known["slow"], active, known.select(before=before)["before"])

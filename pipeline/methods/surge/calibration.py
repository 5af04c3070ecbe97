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

from pipeline.detections.budget import CHANNELS, Params
from pipeline.methods.surge.beside import Neighbours
from pipeline.methods.surge.centre import surprising
from pipeline.methods.surge.company import UNUSUAL_QUANTILE, company
from pipeline.methods.surge.effects import volume_of
from pipeline.methods.surge.rarity import ENOUGH_ROWS, LIKE, Excesses
from pipeline.methods.surge.raw import FIRST_DAY, with_scores
from pipeline.methods.surge.slow import slow_level
from pipeline.methods.surge.tail import Tail, fit_tail

_RARITY_POWER = 3
_COMPANY_WEIGHT = 1.5
"""High scores come more often than e^-score, as lookalikes are among them: so much in company weighs more."""
_FEW_NEW = 30
_FIRST_PART = 0.85
"""The part of the new channel's budget for first days, which hosts set up anew fill: the rest is for the days after."""
AS_EXPECTED = pl.col("ratio") <= 1.01
"""A day not above what was expected of the client by a hundredth. Where all clients have one of a few volumes, as those
of machines that poll, an effect of the day moves many above all past scores at once, each by next to nothing."""
_MOST_BYTES = 2**62
_CLOSE, _DOUBTLESS = 1e-12, 1e-9
"""How near the true volume formulas come, mostly and always: of those that miss it all volumes are gone through."""
_LEAST_PART = 0.05
"""The part of the budget that every role with days enough may spend."""
_ENOUGH_SCORES = 50
"""A role with so many past client-days has scores of its own: a single gateway has, after two months."""
LEAST_DAYS = 7
"""With fewer comparable days in its past a channel does not alert: a week has weekends."""
_WAVE_DAYS = 7
"""What befalls many clients may go on for some days, in which it counts as often as it came: later, as one story."""
_JUDGING = (
    *("day", "client", "role", "group", "quiet", "n", "base_days"),
    *("excess", "surprise", "slow", "new", "explained_by"),
)
"""What of past raw scores judges later ones."""
Kind = tuple[str, str | None, bool | None]
"""Channel, role, and whether days are quiet or, of the new channel, a client's first; None stands for all."""
_SHOT = pl.min_horizontal("surprise", _RARITY_POWER * pl.col("rarity")) + pl.when(
    pl.col("surprise") >= pl.col("company_from")
).then(_COMPANY_WEIGHT * pl.col("company")).otherwise(0.0)
"""Unusual for the client and large for the network, as in the seed: the smaller of both; more in company."""


@dataclass(frozen=True)
class Calibration:
    """What the days before a day say of its scores."""

    excesses: Excesses
    tails: Mapping[Kind, Tail]
    unusual: float
    """Surprises from here on count as company."""
    usual_rate: float

    @classmethod
    def before(cls, raw: pl.DataFrame, day: dt.date, params: Params) -> Calibration:
        """From the raw scores of the past days of the calibration."""
        past = raw.select(_JUDGING)
        past = past.filter(pl.col("day").is_between(day - dt.timedelta(days=params.calibration), day, closed="left"))
        past = past.with_columns(settled=pl.when(pl.col("day") < day - dt.timedelta(days=_WAVE_DAYS)).then("day"))
        slow = _slow_tail(_comparable(past, "base_days", "slow"), params)
        past = _comparable(past, "n", "surprise")
        free = _free(past)
        excesses = Excesses.of(free)
        found = free["surprise"].quantile(UNUSUAL_QUANTILE, "nearest")
        unusual = math.inf if found is None else float(found) * (1 - LIKE)
        usual_rate = free.filter(pl.col("surprise") >= unusual).height / max(free.height, 1)
        free = _free(past.hstack(company(past, unusual, usual_rate)))
        shot = free.with_columns(excesses.rarity(free, past=True).alias("rarity")).with_columns(score=_SHOT)
        tails: dict[Kind, Tail] = {("shot", None, None): fit_tail(shot["score"], past.height, days=shot["settled"])}
        for (role, quiet), size in kind_budgets(past).items():
            alike = (pl.col("role") == role) & (True if quiet is None else pl.col("quiet") == quiet)
            part = shot.filter(alike)
            tails["shot", role, quiet] = fit_tail(part["score"], size, days=part["settled"])
        tails["slow", None, None] = slow
        for first in (True, False):
            tails["new", None, first] = _new_tail(free, past.height, first=first)
        return cls(excesses, tails, unusual, usual_rate)

    def with_company(self, today: pl.DataFrame) -> pl.DataFrame:
        """All rows of a day with their company, which hangs on the others' scores alone."""
        return today.hstack(company(today, self.unusual, self.usual_rate))

    def rated(self, rows: pl.DataFrame, channel: str) -> pl.DataFrame:
        """The rows that the channel judges, with score, rate (E) and, of the shot, rarity.

        A day that is as expected of the client scores nothing, whatever the days or hosts around it did.
        The shot needs the rows' company.
        """
        rows = rows.filter(pl.col("surprise").is_not_null())
        if channel == "shot":
            rows = rows.with_columns(self.excesses.rarity(rows, past=False).alias("rarity"))
            rows = rows.with_columns(score=_SHOT)
        else:
            rows = rows.with_columns(rarity=pl.lit(None, pl.Float64), score=pl.col(channel))
        rows = rows.with_columns(score=pl.when(AS_EXPECTED).then(pl.col("score").clip(None, 0)).otherwise("score"))
        judged = rows.with_row_index("row").filter(pl.col("score").is_not_null()).with_columns(side=_side(channel))
        parts = [
            part.with_columns(self.tail(channel, *kind).rate(part["score"]).alias("rate"))
            for kind, part in judged.partition_by("role", "side", as_dict=True, maintain_order=True).items()
        ]
        if not parts:
            return judged.with_columns(rate=pl.lit(None, pl.Float64)).drop("row", "side")
        return pl.concat(parts).sort("row").drop("row", "side")

    def tail(self, channel: str, role: str | None, side: bool | None) -> Tail:
        """That of the role's quiet or other days where there is one, else the role's, else the fleet's."""
        kinds: list[Kind] = [(channel, r, s) for r in (role, None) for s in (side, None)]
        return next(self.tails[kind] for kind in kinds if kind in self.tails)

    def least_volume(self, alerts: pl.DataFrame, channel: str, limit: float, today: pl.DataFrame) -> pl.Series:
        """For each alert the smallest whole number of bytes with which it would still alert, by bisection.

        Exact: a client's own volume of the day moves neither its expectation nor the tails, a larger one is never less
        unusual, and company is told beside it.

        Args:
            alerts: rows of the day that alert.
            channel: the channel.
            limit: its budget.
            today: all raw scores of the day.
        """
        if alerts.is_empty():
            return alerts["bytes"]
        beside = self._beside(today, channel)
        low, high = self._bracket(alerts, channel, limit, alerts["bytes"], beside)
        return self._bisected(alerts, channel, limit, low, high, beside)

    def reach(self, today: pl.DataFrame, channel: str, limit: float) -> pl.DataFrame:
        """client, least: the smallest volume of the day with which each client would alert; without those that never.

        Args:
            today: all rows of the day with their company.
            channel: the channel.
            limit: its budget.
        """
        judged, beside = self.rated(today, channel), self._beside(today, channel)
        most = judged.select(pl.when(alerting(judged, limit)).then("bytes").otherwise(_MOST_BYTES)).to_series()
        within = self._alerts_at(judged, most, channel, limit, beside)
        if (
            beside is not None and not self.excesses.all.is_empty()
        ):  # In a group of three the largest volume of all leaves nobody else unusual.
            guess = self._beyond(self._guessed(judged, channel, limit), _DOUBTLESS)
            most = pl.select(pl.when(within).then(most).otherwise(guess)).to_series()
            within = within | self._alerts_at(judged, most, channel, limit, beside)
        judged, most = judged.filter(within), most.filter(within)
        low, high = self._bracket(judged, channel, limit, most, beside)
        return judged.select("client", least=self._bisected(judged, channel, limit, low, high, beside))

    def unjudged(self, params: Params) -> pl.Expr:
        """Of a day's raw scores why no channel with a share judges a client, with any volume; null where one does.

        learning: what it would be judged by is still too little; no_channel: only other channels judge such a client.
        """
        past = {"shot": self.excesses.all, "new": self.excesses.all, "slow": self.tails["slow", None, None].points}
        score = {c: pl.col("surprise" if c == "shot" else c).is_not_null() for c in CHANNELS}
        spending = [c for c in CHANNELS if params.spends(c)]
        able = [score[c] for c in spending if not past[c].is_empty()]
        early = [score[c] for c in spending if past[c].is_empty()]
        # Without a surprise no client of the fleet is known well enough to score anybody.
        learning = pl.any_horizontal(pl.col("surprise").is_null(), pl.lit(bool(early) and not able), *early)
        why = pl.when(learning).then(pl.lit("learning")).otherwise(pl.lit("no_channel"))
        judged = pl.any_horizontal(False, *able) & pl.col("surprise").is_not_null()
        return pl.when(~judged).then(why)

    def _beside(self, today: pl.DataFrame, channel: str) -> Neighbours | None:
        """The day's neighbours, for the only channel that asks of company."""
        return Neighbours(today, self.unusual, self.usual_rate) if channel == "shot" else None

    def _bracket(
        self, rows: pl.DataFrame, channel: str, limit: float, most: pl.Series, beside: Neighbours | None
    ) -> tuple[pl.Series, pl.Series]:
        """For each row a volume that does not alert and one that does: close to where formulas put it, else far away.

        Each row alerts with the most.

        Rounding may put a formula beside the true place, so both ends are tried.
        """
        guess = self._guessed(rows, channel, limit)
        if beside is not None:  # With what it guesses stolen the client is in other company.
            rows = beside.with_company(rows.with_columns(guess.floor().cast(pl.Int64).alias("bytes")))
            guess = self._guessed(rows, channel, limit)
        low, high = (guess * (1 - _CLOSE)).floor().cast(pl.Int64) - 1, self._beyond(guess, _CLOSE)
        frame = pl.DataFrame({"low": low, "high": high, "most": most})
        alerts = (self._alerts_at(rows, volume, channel, limit, beside) for volume in (low, high))
        frame = frame.with_columns(
            pl.Series(name, found) for name, found in zip(("early", "late"), alerts, strict=True)
        )
        missed = pl.col("early") | ~pl.col("late") | (pl.col("high") > pl.col("most"))
        frame = frame.select(
            low=pl.when(missed).then(-1).otherwise("low"), high=pl.when(missed).then("most").otherwise("high")
        )
        return frame["low"], frame["high"]

    @staticmethod
    def _beyond(guess: pl.Series, by: float) -> pl.Series:
        """Whole bytes that are more than what is guessed, by a share of it."""
        return (guess * (1 + by)).ceil().cast(pl.Int64) + 1

    def _guessed(self, rows: pl.DataFrame, channel: str, limit: float) -> pl.Series:
        """About the smallest volume that alerts."""
        volume = self._volume_needed(rows, channel, limit)
        return volume.fill_nan(0.0).fill_null(0.0).clip(0.0, float(_MOST_BYTES) / 2)

    def _volume_needed(self, rows: pl.DataFrame, channel: str, limit: float) -> pl.Series:
        """By the inverse of the channel's score."""
        rows = rows.with_columns(side=_side(channel))
        kinds = rows.select("role", "side").unique()
        needs = [self.tail(channel, *kind).least_score(limit) for kind in kinds.iter_rows()]
        kinds = kinds.with_columns(pl.Series("need", needs, dtype=pl.Float64))
        rows = rows.join(kinds, on=["role", "side"], how="left", nulls_equal=True, maintain_order="left")
        if channel == "slow":
            return rows.select(volume=volume_of(slow_level(pl.col("need"))))["volume"]
        if channel == "new":
            large, unusual = pl.col("expected") + pl.col("need").exp(), _volume_at(rows, rows["need"])
            return rows.select(volume=pl.when(FIRST_DAY).then(large).otherwise(unusual))["volume"]
        alone = pl.col("need") - _COMPANY_WEIGHT * pl.col("company")
        rows = rows.with_columns(own=pl.min_horizontal("need", pl.max_horizontal(alone, "company_from")))
        own = _volume_at(rows, rows["own"])
        rare = self.excesses.reach(rows.with_columns(rarity=alone / _RARITY_POWER))
        return pl.DataFrame([own.alias("a"), (rare + rows["expected"]).alias("b")]).max_horizontal()

    def _alerts_at(
        self, rows: pl.DataFrame, volume: pl.Series, channel: str, limit: float, beside: Neighbours | None
    ) -> pl.Series:
        """Whether each row that the channel judges would alert with another volume of the day."""
        rows = with_scores(rows.with_columns(volume.alias("bytes")))
        return alerting(self.rated(rows if beside is None else beside.with_company(rows), channel), limit)

    def _bisected(
        self,
        rows: pl.DataFrame,
        channel: str,
        limit: float,
        low: pl.Series,
        high: pl.Series,
        beside: Neighbours | None,
    ) -> pl.Series:
        """The smallest volume that alerts, between one that does not and one that does."""
        while wide := (high - low > 1).sum():
            if wide * 2 <= high.len():  # A few huge volumes take most of the steps: no other row goes with them.
                on = high - low > 1
                rest = self._bisected(rows.filter(on), channel, limit, low.filter(on), high.filter(on), beside)
                return high.scatter(on.arg_true(), rest)
            middle = low + (high - low) // 2
            pair = pl.DataFrame(
                {
                    "low": low,
                    "high": high,
                    "middle": middle,
                    "alert": self._alerts_at(rows, middle, channel, limit, beside),
                }
            )
            turned = pair.select(
                low=pl.when("alert").then("low").otherwise("middle"),
                high=pl.when("alert").then("middle").otherwise("high"),
            )
            low, high = turned["low"], turned["high"]
        return high


def kind_budgets(past: pl.DataFrame) -> dict[tuple[str, bool | None], int]:
    """Of each role with scores of its own, or of its quiet and other days: the client-days whose budget it may spend.

    A role's part is in proportion to its client-days, yet at least a twentieth of the whole: among the few client-days
    of gateways, no day is rare enough for a budget by heads, though many clients are behind each. Where the role lacks
    days to tell what is rare, the twentieth shrinks with them. The part of its quiet days lies halfway between their
    share of its client-days and of its days: an analyst has as much time for a day with few clients as for another.
    """
    sizes = past.group_by("role").len().sort("role")
    known = {role: size for role, size in sizes.iter_rows() if role is not None and size >= _ENOUGH_SCORES}
    least = {role: _LEAST_PART * min(size / ENOUGH_ROWS, 1) for role, size in known.items()}
    parts = {role: max(size / past.height, least[role]) for role, size in known.items()}
    whole = 1 + sum(parts[role] - size / past.height for role, size in known.items())
    found: dict[tuple[str, bool | None], int] = {}
    for role, part in parts.items():
        rows = past.filter(pl.col("role") == role)
        for quiet, share in _quiet_parts(rows).items():
            found[role, quiet] = round(part / whole * past.height * share)
    return found


def _quiet_parts(rows: pl.DataFrame) -> dict[bool | None, float]:
    """A role's budget by whether days are quiet; undivided (None) where there are too few scores of either."""
    quiet = rows.filter("quiet")
    if min(quiet.height, rows.height - quiet.height) < ENOUGH_ROWS:
        return {None: 1.0}
    part = (quiet.height / rows.height + quiet["day"].n_unique() / rows["day"].n_unique()) / 2
    return {True: part, False: 1 - part}


def alerting(rated: pl.DataFrame, limit: float) -> pl.Series:
    """Whether each rated row is within the budget; a score of zero or less never alerts."""
    return ((rated["rate"] <= limit) & (rated["score"] > 0)).fill_null(False)


def _free(past: pl.DataFrame) -> pl.DataFrame:
    """The past's rows that scores are compared with."""
    return past.filter(pl.col("explained_by").is_null() & pl.col("surprise").is_not_null())


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


def _side(channel: str) -> pl.Expr:
    """What splits a role's client-days of a channel in two: quiet days, or the first days of clients."""
    return FIRST_DAY if channel == "new" else pl.col("quiet")


def _volume_at(rows: pl.DataFrame, surprises: pl.Series) -> pl.Series:
    """The volume of the day with which each row would be as surprising."""
    level = surprising(surprises, rows["nu"]) * pl.col("scale") + pl.col("centre") + pl.col("shift")
    return rows.select(volume=volume_of(level))["volume"]


def _new_tail(free: pl.DataFrame, active: int, *, first: bool) -> Tail:
    """Scores of clients' first days, or of the few after it, against their part of the budget.

    With too few of either to compare with, a new one must be rare among all.
    """
    like = free.filter((FIRST_DAY if first else ~FIRST_DAY) & pl.col("new").is_not_null())
    if like.height < _FEW_NEW:
        return fit_tail(free["excess"].clip(1).log() if first else free["surprise"], active, days=free["settled"])
    return fit_tail(like["new"], round(active * (_FIRST_PART if first else 1 - _FIRST_PART)), days=like["settled"])


def _slow_tail(past: pl.DataFrame, params: Params) -> Tail:
    """Alerts of a client that follow each other within the days of a case count once."""
    active, free = past.height, past.filter(pl.col("explained_by").is_null())
    known = free.filter(pl.col("slow").is_not_null())
    earlier = pl.col("slow").rolling_max_by("day", window_size=f"{params.case_days}d", closed="left")
    before = earlier.over("client", order_by="day")
    return fit_tail(known["slow"], active, known.select(before=before)["before"], known["settled"])

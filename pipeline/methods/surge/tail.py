"""How rare a score is: the rate at which scores this high came in the past, continued by a tail where few ever did.

Rates are expected false alerts a day per 10,000 active clients. What a score means is not known here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import polars as pl

from pipeline.detections.budget import PER
from pipeline.methods.surge.crowds import bounded_counts
from pipeline.methods.surge.rarity import LIKE

_FEW = 4
"""With fewer past scores as high, the rate is taken from the tail."""
_TAIL_SHARE, _LEAST_TAIL = 0.02, 30
_HEAVIEST = 0.5
_HIGHEST, _PARTS, _ROUNDS = 1e5, 1_024, 7
"""No score is as high; twice that, so often cut into so many parts, leaves what a float can tell."""
RAREST = 0.1
"""A tail is not believed beyond a tenth of an alert in all of the past it was fitted to."""


@dataclass(frozen=True)
class Tail:
    """Past scores of one channel: at each of them, how many alerts a threshold there had given."""

    points: pl.Series
    """Past scores, ascending, each at the lowest of those that are equal to it but for rounding."""
    tops: pl.Series
    """The highest of those."""
    counts: pl.Series
    """Alerts that a threshold at the point had given; never more at a higher one."""
    active: int
    """Client-days of the same past with traffic."""
    anchor: float = math.inf
    anchor_top: float = math.inf
    anchor_count: int = 0
    scale: float = 1.0
    shape: float = 0.0

    def rate(self, scores: pl.Series) -> pl.Series:
        """Expected false alerts a day per 10,000 active clients, were the threshold at each of the scores."""
        lowered = scores - LIKE * scores.abs()
        at = self.tops.search_sorted(lowered, side="left")
        seen = self.counts.extend_constant(0, 1).gather(at).cast(pl.Float64)
        frame = pl.DataFrame({"score": scores, "lowered": lowered, "seen": seen})
        further = pl.when(pl.col("lowered") > self.anchor_top).then(pl.col("score") - self.anchor).otherwise(0.0)
        beyond = further / self.scale
        heavy = (1 + self.shape * beyond.clip(0)).log() / self.shape if self.shape else beyond.clip(0)
        survival = (-heavy).exp()
        if self.anchor_count:
            seen_or_tail = pl.when(beyond > 0).then(self.anchor_count * survival).otherwise("seen") / self.active
        else:
            seen_or_tail = (pl.col("seen") + 1) / (self.active + 1)
        return frame.select(rate=PER * seen_or_tail.clip(RAREST / (self.active + 1)))["rate"]

    def least_score(self, limit: float) -> float:
        """About the smallest score with a rate within the limit; infinite where no score has one."""
        low, high = -_HIGHEST, _HIGHEST
        if self.rate(pl.Series([high])).item() > limit:
            return math.inf
        for _ in range(_ROUNDS):
            step = (high - low) / _PARTS
            tried = low + pl.int_range(1, _PARTS, eager=True) * step
            within = tried.filter(self.rate(tried) <= limit)
            high = within[0] if len(within) else high
            low = high - step
        return high


def fit_tail(scores: pl.Series, active: int, before: pl.Series | None = None, days: pl.Series | None = None) -> Tail:
    """The tail of a channel's past scores.

    Args:
        scores: past scores, without nulls.
        active: client-days of the same past with traffic.
        before: where scores fold into cases, the highest score that could have opened the same case earlier (null:
            none); a threshold then gives one alert a case.
        days: the day of each score that was not lately (null: lately): where many share a day, a bounded number counts.
    """
    points = tops = scores.sort()
    apart = points.diff()
    close = (apart <= LIKE * points.abs()).fill_null(False)
    if (close & (apart > 0)).any():  # The lowest and the highest of each run of scores equal but for rounding.
        lowest, top = points.filter(~close), points.filter(~close.shift(-1, fill_value=False))
        place = _place(lowest, points)
        points, tops, scores = lowest.gather(place), top.gather(place), lowest.gather(_place(lowest, scores))
        before = None if before is None else lowest.gather(_place(lowest, before))
    counts = _at_least(points, points)
    if before is not None:
        inner = pl.DataFrame({"a": scores, "b": before}).drop_nulls().select(pl.min_horizontal("a", "b"))
        counts = (counts - _at_least(inner.to_series().sort(), points)).cum_max(reverse=True)
    if days is not None:
        folded = pl.lit(None, pl.Float64) if before is None else before
        bounded = bounded_counts(pl.select(score=scores, day=days, folded=folded), points)
        highest = pl.DataFrame({"a": counts.tail(bounded.len()), "b": bounded})
        counts = pl.concat(
            [counts.head(points.len() - bounded.len()), highest.select(pl.min_horizontal("a", "b")).to_series()]
        )
    many = counts.filter(counts >= _FEW)
    if many.is_empty() or points.len() < _LEAST_TAIL:
        return Tail(points, tops, counts, active)
    index = many.len() - 1
    scale, shape = _excess_law(points, points[index])
    return Tail(points, tops, counts, active, points[index], tops[index], counts[index], scale, shape)


def _place(lowest: pl.Series, scores: pl.Series) -> pl.Series:
    """The number of the run that each of the scores is in; null of null."""
    known = lowest.search_sorted(scores.fill_null(math.inf), side="right").cast(pl.Int64) - 1
    return pl.select(pl.when(scores.is_not_null()).then(known)).to_series()


def _at_least(ordered: pl.Series, limits: pl.Series) -> pl.Series:
    """How many of the ordered values are at least each limit."""
    return ordered.len() - ordered.search_sorted(limits, side="left").cast(pl.Int64)


def _excess_law(points: pl.Series, anchor: float) -> tuple[float, float]:
    """Scale at the anchor and shape of a generalised Pareto law, by probability-weighted moments.

    Hosking and Wallis 1987, over the highest 2 %, at least 30. The shape is kept between 0 (exponential) and .5: a
    bounded tail would call impossible what was only never seen.
    """
    size = min(points.len() - 1, max(_LEAST_TAIL, math.floor(points.len() * _TAIL_SHARE)))
    start = points[points.len() - size - 1]
    excess = points.tail(size) - start
    rank = pl.int_range(1, size + 1, eager=True)
    mean = float((excess.sum() or 0.0) / size)
    weighted = float((excess * (1 - (rank - 0.35) / size)).sum() / size)
    if mean <= 0:
        return 1.0, 0.0
    shape = 2 - mean / (mean - 2 * weighted) if mean > 2 * weighted else _HEAVIEST
    shape = min(max(shape, 0.0), _HEAVIEST)
    scale = mean * (1 - shape)
    return max(scale + shape * max(anchor - start, 0.0), 1e-9), shape

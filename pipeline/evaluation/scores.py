"""The seed as a score, and the naive baselines that a method must beat: a number a client-day, higher is odder.

All look at the 30 days before a day; the seed's fleet statistics hold the day itself too, as in the original search.
How rare a score is gets computed in `pipeline.evaluation.grid`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from pipeline.evaluation.grid import Floats

WINDOW = 30
LEAST_PAST = 3
"""Past days without which a client has no score; with today these are the seed's four samples."""
FLOOR_BYTES = 1e5
"""Added before logarithms."""
LEAST_SPREAD = 0.1
"""Of logarithms: a client is never held to be steadier than 10 %."""
WEIGHT = 0.2
"""Of the newest day in the moving average."""
_MAD_TO_SD = 1.4826

ScoreOfDay = Callable[[Floats, Floats], Floats]
"""(past days x clients, the day) -> scores; NaN for none."""


def scores(volume: Floats, method: str, days: Iterable[int]) -> Floats:
    """Scores of the days, NaN elsewhere and where a client has no row or too little past.

    Args:
        volume: bytes, days x clients, NaN where there is no row.
        method: one of METHODS.
        days: which rows to score.
    """
    found = np.full_like(volume, np.nan)
    for day in days:
        found[day] = METHODS[method](volume[max(day - WINDOW, 0) : day], volume[day])
    return found


def seed(past: Floats, today: Floats) -> Floats:
    """The k at which a client would just alert: the smaller of its distances from the fleet and from its own past.

    In standard deviations, sample ones; over the fleet's, today's rows are in it. A flat past is infinitely far below.
    """
    known = np.concatenate([past[~np.isnan(past)], today[~np.isnan(today)]])
    if known.size < 2:
        return np.full_like(today, np.nan)
    known.sort()
    _, mean, spread = _moments(known[:, None])
    return np.minimum(_distance(today - mean, np.repeat(spread, today.size)), client_z(past, today))


def client_z(past: Floats, today: Floats) -> Floats:
    """Bytes from the client's mean, in its standard deviations."""
    n, mean, spread = _moments(past)
    return np.where(n >= LEAST_PAST, _distance(today - mean, spread), np.nan)


def client_log_z(past: Floats, today: Floats) -> Floats:
    """The same of ln(bytes + 1e5), with a least spread."""
    n, mean, spread = _moments(np.log(past + FLOOR_BYTES))
    away = np.log(today + FLOOR_BYTES) - mean
    return np.where(n >= LEAST_PAST, away / np.maximum(spread, LEAST_SPREAD), np.nan)


def client_mad(past: Floats, today: Floats) -> Floats:
    """ln(bytes + 1e5) from the client's median, in scaled median absolute deviations."""
    logs = np.log(past + FLOOR_BYTES)
    n, middle = _median(logs)
    spread = _MAD_TO_SD * _median(np.abs(logs - middle))[1]
    away = np.log(today + FLOOR_BYTES) - middle
    return np.where(n >= LEAST_PAST, away / np.maximum(spread, LEAST_SPREAD), np.nan)


def client_ewma(past: Floats, today: Floats) -> Floats:
    """ln(bytes + 1e5) from an exponentially weighted mean, in the square root of the like-weighted variance.

    The first known day begins both; a day moves the mean by .2 d and makes the variance .8 (variance + .2 d^2), where d
    is its distance from the mean (Finch 2009, incremental weighted mean and variance).
    """
    mean, variance = np.full_like(today, np.nan), np.zeros_like(today)
    for logs in np.log(past + FLOOR_BYTES):
        away = logs - mean
        mean = np.where(np.isnan(mean), logs, np.where(np.isnan(logs), mean, mean + WEIGHT * away))
        moved = (1 - WEIGHT) * (variance + WEIGHT * away * away)
        variance = np.where(np.isnan(away), variance, moved)
    away = np.log(today + FLOOR_BYTES) - mean
    enough = np.sum(~np.isnan(past), axis=0) >= LEAST_PAST
    return np.where(enough, away / np.maximum(np.sqrt(variance), LEAST_SPREAD), np.nan)


METHODS: Mapping[str, ScoreOfDay] = {
    "seed": seed,
    "client_z": client_z,
    "client_log_z": client_log_z,
    "client_mad": client_mad,
    "client_ewma": client_ewma,
}


def _distance(away: Floats, spread: Floats) -> Floats:
    """Distances in spreads; over no spread it is infinite, or 0 where there is no distance either."""
    flat = np.where(away == 0, 0.0, np.copysign(np.inf, away))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.isnan(away), np.nan, np.where(spread == 0, flat, away / spread))


def _moments(past: Floats) -> tuple[Floats, Floats, Floats]:
    """Number, mean and sample standard deviation of the known values of each column; NaN where there are too few."""
    known = ~np.isnan(past)
    n = known.sum(axis=0).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(known, past, 0.0).sum(axis=0) / n
        away = np.where(known, past - mean, 0.0)
        # The computed mean of equal numbers may be off in its last bit.
        highest = np.nanmax(past, axis=0, initial=-np.inf)
        flat = highest == np.nanmin(past, axis=0, initial=np.inf)
        spread = np.sqrt((away * away).sum(axis=0) / (n - 1))
        return n, np.where(flat, highest, mean), np.where(flat, 0.0, spread)


def _median(values: Floats) -> tuple[Floats, Floats]:
    """Number and median of the known values of each column; NaN where there is none."""
    n = np.sum(~np.isnan(values), axis=0)
    if not values.size:
        return n.astype(np.float64), np.full(n.shape, np.nan)
    ordered, last = np.sort(values, axis=0), values.shape[0] - 1
    low, high = (np.clip(i, 0, last)[None, :] for i in ((n - 1) // 2, n // 2))
    middle = (np.take_along_axis(ordered, low, 0) + np.take_along_axis(ordered, high, 0))[0] / 2
    return n.astype(np.float64), np.where(n > 0, middle, np.nan)

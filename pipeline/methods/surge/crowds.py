"""How many alerts a threshold would have given, where what hit many clients on one day counts only so many times.

A new mail server, a client update or an office that moves in makes hundreds of clients unusual on one day. That is one
story, and says nothing of how often a single client is as unusual. Rates are computed in `tail`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

_TIMES, _LEAST = 8.0, 1.0
"""A day counts up to so many times the mean of all such days, and once at least."""
_PART, _STEPS = 0.1, 2_000
"""Only the highest scores alert: bounds are told at so many of these, every one of the very highest among them."""
_ROUNDS = 50


def bounded_counts(scores: pl.DataFrame, points: pl.Series) -> pl.Series:
    """For each of the highest points at least as many alerts as a threshold there had given, were each day bounded.

    The bound hangs on the mean of the bounded days, which is told by rounds from the plain mean downwards. Between the
    steps the count of the step below stands.

    Args:
        scores: score, day (null: counts as often as it came), and folded: up to this score a threshold gives no alert
            of its own, as an earlier score of the same case is as high (null: none).
        points: all scores, ascending.

    Returns:
        Whole numbers for the last points, never more at a higher one.
    """
    import numpy as np  # noqa: PLC0415 - most commands never score

    top = int(points.len() * _PART)
    if not top:
        return pl.Series([], dtype=pl.Int64)
    steps = top - np.unique(np.geomspace(1, top, _STEPS).astype(np.int64))[::-1]
    lowest = points.tail(top).gather(steps)
    code = scores["day"].rank("dense").cast(pl.Int64).fill_null(0)
    days = scores["day"].drop_nulls().n_unique()
    levels = scores.select("score", code=code, both=pl.min_horizontal("score", "folded"), folded="folded")
    alone = _at_least(levels.select("score", "code"), lowest, days + 1)
    alone -= _at_least(levels.filter(pl.col("folded").is_not_null()).select("both", "code"), lowest, days + 1)
    found = np.maximum.accumulate(np.rint(alone[:, 0] + _bounded(alone[:, 1:]))[::-1])[::-1]
    place = np.searchsorted(steps, np.arange(top), side="right") - 1
    return pl.Series(found[place], dtype=pl.Int64)


def _bounded(by_day: Floats) -> Floats:
    """The sum of each row's days, none of them above the bound."""
    import numpy as np  # noqa: PLC0415 - most commands never score

    total: Floats = by_day.sum(axis=1)
    for _ in range(_ROUNDS):
        bound = np.maximum(_LEAST, _TIMES * total / max(by_day.shape[1], 1))
        lower = np.minimum(by_day, bound[:, None]).sum(axis=1)
        if np.allclose(lower, total):
            break
        total = lower
    return total


def _at_least(values: pl.DataFrame, limits: pl.Series, days: int) -> Floats:
    """How many values (of value and day's number) of each day are at least each of the ascending limits."""
    import numpy as np  # noqa: PLC0415 - most commands never score

    values = values.filter(values.to_series() >= limits[0])
    place = limits.search_sorted(values.to_series(0), side="right").to_numpy().astype(np.int64)
    cells = place * days + values.to_series(1).to_numpy()
    counts = np.bincount(cells, minlength=(limits.len() + 1) * days).reshape(-1, days).astype(np.float64)
    # A value in place i is at least the limits before it.
    return counts[::-1].cumsum(axis=0)[::-1][1:]

"""The detection methods: pure functions; METHODS holds, by name, those from a day and its baseline to scores.

`surge` is a package of its own: it needs days of daily traffic and its own scores of days before, and no baseline.
"""

from __future__ import annotations

import datetime as dt
from typing import Protocol

import polars as pl

from pipeline.detections.model import Rule
from pipeline.methods import seed
from pipeline.methods.surroundings import Surroundings


class Method(Protocol):
    """(rows of the day, baseline, rule, day, surroundings) -> rows of ANOMALY_SCORES."""

    def __call__(
        self, today: pl.DataFrame, baseline: pl.DataFrame, rule: Rule, day: dt.date, around: Surroundings | None = None
    ) -> pl.DataFrame:
        """One row a client of the day."""


METHODS: dict[str, Method] = {"seed": seed.score}

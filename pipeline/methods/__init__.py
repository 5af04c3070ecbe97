"""The detection methods, by the name rules use: pure functions from a day and its baseline to scores."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import polars as pl

from pipeline.detections.model import Rule
from pipeline.methods import seed

Method = Callable[[pl.DataFrame, pl.DataFrame, Rule, dt.date], pl.DataFrame]
METHODS: dict[str, Method] = {"seed": seed.score}

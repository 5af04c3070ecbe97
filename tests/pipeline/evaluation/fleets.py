"""Small labelled worlds for tests of the evaluation: quiet fleets, and thefts where a test puts them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import numpy as np
import polars as pl

from pipeline.evaluation.context import EXPLAINED, Context
from pipeline.evaluation.detectors import EXPECTED, Detector, single
from pipeline.evaluation.labelled import LabelledWorld, make_labelled

FIRST = dt.date(2026, 3, 2)  # a Monday
NO_CONTEXT = Context(pl.DataFrame(schema=EXPLAINED))
Theft = tuple[str, str, int, int]
"""attack_id, basket, day, client."""


def day(number: int) -> dt.date:
    return FIRST + dt.timedelta(days=number)


def name(client: int) -> str:
    return f"10.0.{client // 250}.{client % 250}"


def fleet(clients: int, days: int, seed: int = 0, present: float = 1.0) -> pl.DataFrame:
    """Log-normal volumes, with some days missing."""
    rng = np.random.default_rng(seed)
    usual = rng.normal(16, 1, clients)
    rows = [
        (day(d), name(c), int(np.exp(rng.normal(usual[c], 0.5))))
        for d in range(days)
        for c in range(clients)
        if d == 0 or rng.random() < present
    ]
    return pl.DataFrame(rows, schema=["day", "src_ip", "bytes_in"], orient="row")


def label_rows(thefts: Sequence[Theft] = (), causes: Sequence[tuple[str, int, int]] = ()) -> pl.DataFrame:
    """Labels of thefts, and of causes as (cause, day, client)."""
    rows = [(day(d), name(c), i, basket, None) for i, basket, d, c in thefts]
    rows += [(day(d), name(c), None, None, cause) for cause, d, c in causes]
    columns = ("day", "src_ip", "attack_id", "basket", "cause")
    return pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String) | {"day": pl.Date}, orient="row")


def world(
    daily: pl.DataFrame, thefts: Sequence[Theft] = (), causes: Sequence[tuple[str, int, int]] = ()
) -> LabelledWorld:
    return make_labelled(daily, label_rows(thefts, causes))


def told(rows: Sequence[tuple[int, int, float]], detector: str = "told") -> Detector:
    """A detector that says E for (day, client) and knows nothing else."""
    frame = pl.DataFrame(
        [(day(d), name(c), float(e)) for d, c, e in rows],
        schema={"day": pl.Date, "src_ip": pl.String, "expected": pl.Float64},
        orient="row",
    )
    return Detector(detector, lambda daily, context, days: single(frame.filter(pl.col("day").is_in(list(days)))))


def always() -> Detector:
    return Detector(
        "always",
        lambda daily, context, days: single(
            daily.filter(pl.col("day").is_in(list(days))).select("day", "src_ip", expected=pl.lit(0.0))
        ),
    )


def never() -> Detector:
    return Detector("never", lambda daily, context, days: pl.DataFrame(schema=EXPECTED))

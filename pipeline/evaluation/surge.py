"""The surge method under judgement: its own calibration, its channels' shares, its folding of slow cases.

Only what goes in and comes out is put into the evaluation's words here; the method itself is in `pipeline.methods`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence

import polars as pl

from pipeline.evaluation.context import Context
from pipeline.evaluation.detectors import Detector, with_calibration
from pipeline.groups import subnets
from pipeline.methods.surge import Params, calibrated, raw_scores
from pipeline.surge.clients import CLIENT

_RATES_ONLY = Params(budget=0.0)
"""Rates do not hang on the budget; with none, no alert is worked out."""
_ALL = "all"


def surge(
    name: str = "surge", *, without: Collection[str] = (), shares: Mapping[str, float] = _RATES_ONLY.shares
) -> Detector:
    """The method, or what is left of it without some columns or channels.

    Args:
        name: what results call it.
        without: columns in which all clients are the same to it: group, role.
        shares: each channel's part of the budget.
    """

    def expect(daily: pl.DataFrame, context: Context, days: Sequence[dt.date]) -> pl.DataFrame:
        rows = client_days(daily.with_columns(pl.lit(_ALL).alias(c) for c in without), context)
        first = daily["day"].min()
        assert isinstance(first, dt.date)
        raw = raw_scores(rows, with_calibration(first, days, _RATES_ONLY.calibration), _RATES_ONLY)
        told = calibrated(raw, days, _RATES_ONLY).filter((pl.col("score") > 0) & pl.col("channel").is_in(list(shares)))
        return told.select("day", "channel", src_ip="client", expected="rate")

    return Detector(name, expect, shares=shares, fold_days={"slow": _RATES_ONLY.case_days})


def client_days(daily: pl.DataFrame, context: Context) -> pl.DataFrame:
    """The method's columns; as on a site, a client without a group is of its subnet, one without a role a client."""
    clients = daily.select(pl.col("src_ip").unique().sort())
    clients = clients.with_columns(subnet=subnets(clients["src_ip"]))
    seen = daily.join(clients, on="src_ip").join(context.explained, on=["day", "src_ip"], how="left")
    return seen.select(
        "day",
        "explained_by",
        client="src_ip",
        bytes="bytes_in",
        group=pl.coalesce("group", "subnet"),
        role=pl.col("role").fill_null(CLIENT),
    )


def ablated() -> tuple[Detector, ...]:
    """The method without one of its parts each."""
    return (
        surge("surge, no groups", without=("group",)),
        surge("surge, no roles", without=("role",)),
        surge("surge, shot alone", shares={"shot": 1.0}),
        surge("surge, no slow", shares={"shot": 0.9, "new": 0.1}),
    )

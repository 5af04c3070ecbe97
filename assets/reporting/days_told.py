"""What the Dagster UI shows of one stored day of the chain's inner tables: a short table or list by series or rule.

Sums over series or rules would count a flow or a client several times, so that these are told apart. What is shown of
alerts is in `assets.reporting.metadata`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import dagster as dg
import polars as pl

from assets.reporting.metadata import cell, table
from pipeline.alerts import amount
from pipeline.schemas import ANOMALY_SCORES, DAILY_TRAFFIC, STATES, TRAFFIC_BASELINE
from pipeline.site import Site
from pipeline.wording import counted


def traffic_of(site: Site, day: dt.date) -> dict[str, Any]:
    """Of each series its clients, flows and sum, and the client with the largest value."""
    by, largest = "measure", pl.col("bytes").arg_max()
    found = (
        site.storage.scan(DAILY_TRAFFIC, [day])
        .group_by(by)
        .agg(
            clients=pl.len(),
            flows=pl.col("flows").sum(),
            total=pl.col("bytes").cast(pl.Int128).sum(),
            who=pl.col("client").fill_null("null").get(largest, null_on_oob=True),
            most=pl.col("bytes").max(),
        )
    )
    rows = [
        [r[by], f"{r['clients']:,}", f"{r['flows']:,}", _total(r[by], r["total"]), _value(r[by], r["most"]), r["who"]]
        for r in found.sort(by).collect().iter_rows(named=True)
    ]
    return _shown("series", ("series", "clients", "flows", "sum", "largest", "client"), rows)


def normal_of(site: Site, day: dt.date) -> dict[str, Any]:
    """Of each series what was usual of the fleet in the window."""
    fleet = site.storage.scan(TRAFFIC_BASELINE, [day]).filter(pl.col("scope") == "fleet")
    rows = [
        [
            r["measure"],
            f"{r['window_days_present']} of {r['window_days']}",
            f"{r['n_past_values']:,}",
            _value(r["measure"], r["avg_bytes"]),
            _value(r["measure"], r["stdev_bytes"]),
        ]
        for r in fleet.sort("measure", "lookback_days").collect().iter_rows(named=True)
    ]
    return _shown("fleet", ("series", "days of the window", "client-days", "mean", "deviation"), rows)


def verdicts_of(site: Site, day: dt.date) -> dict[str, Any]:
    """How many clients each rule judged, by verdict."""
    counts = {state: pl.col("state").eq(state).sum() for state in STATES}
    found = site.storage.scan(ANOMALY_SCORES, [day]).group_by("rule_id").agg(clients=pl.len(), **counts)
    lines = [
        f"- {cell(r['rule_id'])}: {counted(r['clients'], 'client')}; "
        + ", ".join(f"{r[state]:,} {cell(state)}" for state in STATES if r[state])
        for r in found.sort("rule_id").collect().iter_rows(named=True)
    ]  # No table: an id cannot break, and would make the page wider than a screen.
    return {"rules": dg.MetadataValue.md("\n".join(lines))} if lines else {}


def _shown(name: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> dict[str, Any]:
    return {name: dg.MetadataValue.md(table(columns, rows))} if rows else {}


def _value(measure: str, value: float | None) -> str:
    """A value in the unit of its series, whose name begins with the field."""
    return "-" if value is None else amount(value, measure.partition(" ")[0])


def _total(measure: str, total: int | None) -> str:
    """Distinct counts of several clients do not add up."""
    return "-" if measure.startswith(("peers", "ports")) else _value(measure, total)

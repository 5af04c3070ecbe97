"""The checks of every stored day: a profile of one row a day, judged by Great Expectations suites, kept as a table.

Suites are the JSON files beside this module, the single source of every limit. Great Expectations is imported when a
check runs and not before; how Dagster shows a result is decided in `assets`.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from data_quality.profiles import PROFILES
from pipeline.schemas import QUALITY
from pipeline.site import Site
from pipeline.storage import write_parquet

SUITES = Path(__file__).parent / "suites"


@dataclass(frozen=True)
class CheckSpec:
    """One check: what it looks at, and what failing it means."""

    name: str
    table: str
    blocking: bool
    severity: str
    description: str
    expectations: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class CheckOutcome:
    """What a check found on one day."""

    passed: bool
    outcomes: tuple[dict[str, Any], ...] = ()
    observed: Mapping[str, float | int | None] = field(default_factory=dict)


@cache
def check_specs() -> tuple[CheckSpec, ...]:
    """All checks, read from the suites without Great Expectations."""
    specs = []
    for path in sorted(SUITES.glob("*.json")):
        suite = json.loads(path.read_text(encoding="utf-8"))
        meta = suite["meta"]
        specs.append(
            CheckSpec(
                suite["name"],
                meta["table"],
                meta["blocking"],
                meta["severity"],
                meta["description"],
                tuple(suite["expectations"]),
            )
        )
    return tuple(specs)


def run_check(spec: CheckSpec, site: Site, day: dt.date) -> CheckOutcome:
    """Judge one stored day, and keep the result in the quality table; a fault of the check is a failed check."""
    try:
        outcome = _judge(spec, site, day)
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        outcome = CheckOutcome(
            False,
            (
                {
                    "expectation": "check_ran",
                    "passed": False,
                    "observed": text[:300],
                    "limit": "no error",
                    "remedy": "Report this with its message.",
                },
            ),
        )
    _keep(spec, site, day, outcome)
    return outcome


def _judge(spec: CheckSpec, site: Site, day: dt.date) -> CheckOutcome:
    if (failure := site.storage.failure(day)) is not None or not site.storage.has(spec.table, day):
        reasons = "; ".join(failure[1]) if failure else f"{spec.table} is not stored"
        return CheckOutcome(
            False,
            (
                {
                    "expectation": "day_is_stored",
                    "passed": False,
                    "observed": reasons,
                    "limit": "a stored day",
                    "remedy": "Mend the cause, then run the day again.",
                },
            ),
        )
    profile = PROFILES[spec.name](site, day)
    results = _validate(spec, profile)
    return CheckOutcome(all(r["passed"] for r in results), tuple(results), profile)


def _validate(spec: CheckSpec, profile: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Great Expectations judges each expectation on the one-row profile."""
    gx = great_expectations()
    import pandas as pd  # noqa: PLC0415 - comes with Great Expectations, and is as heavy

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    frame = pd.DataFrame([{k: (None if v is None else float(v)) for k, v in profile.items()}], dtype="float64")
    batch = (
        context.data_sources.add_pandas("profile")
        .add_dataframe_asset("day")
        .add_batch_definition_whole_dataframe("day")
        .get_batch({"dataframe": frame})
    )
    suite = gx.ExpectationSuite(name=spec.name, expectations=[dict(e) for e in spec.expectations])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report = batch.validate(suite)
    results = []
    for expectation, result in zip(spec.expectations, _in_order(spec, report.results), strict=True):
        column, meta = expectation["kwargs"]["column"], expectation["meta"]
        limit = {k: v for k, v in expectation["kwargs"].items() if k in ("min_value", "max_value")}
        observed = profile.get(column)
        # A value that is not there is not a pass: GX leaves nulls out of what it judges.
        results.append(
            {
                "expectation": column,
                "passed": bool(result) and observed is not None,
                "observed": None if observed is None else f"{observed}",
                "limit": ", ".join(f"{k.removesuffix('_value')} {v}" for k, v in sorted(limit.items())),
                "remedy": meta["remedy"],
            }
        )
    return results


def _in_order(spec: CheckSpec, results: Sequence[Any]) -> list[bool]:
    """The verdicts in the suite's order, matched by column."""
    by_column = {r.expectation_config.kwargs["column"]: bool(r.success) for r in results}
    return [by_column[e["kwargs"]["column"]] for e in spec.expectations]


@cache
def great_expectations() -> Any:
    """The library, imported once, quietly and without its analytics."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import great_expectations as gx  # noqa: PLC0415 - takes seconds to import
    return gx


def _keep(spec: CheckSpec, site: Site, day: dt.date, outcome: CheckOutcome) -> None:
    rows = [
        {"day": day, "table": spec.table, "check": spec.name, "severity": spec.severity, "blocking": spec.blocking, **o}
        for o in outcome.outcomes
    ]
    frame = QUALITY.conform(pl.DataFrame(rows, schema=QUALITY.schema))
    write_parquet(_path(site, day, spec.name), frame, {"check": spec.name, "day": day.isoformat()})


def _path(site: Site, day: dt.date, check: str) -> Path:
    return site.storage.root / "quality" / f"day={day}" / f"{check}.parquet"


def results_of(site: Site, day: dt.date) -> pl.DataFrame:
    """All kept results of a day (schema QUALITY)."""
    paths = [p for s in check_specs() if (p := _path(site, day, s.name)).exists()]
    return (
        QUALITY.conform(pl.concat([pl.read_parquet(p, hive_partitioning=False) for p in paths]))
        if paths
        else QUALITY.empty()
    )


def day_quality(site: Site, day: dt.date) -> str:
    """The day's quality: no_data when no line was read; unverified when a blocking check failed or never ran."""
    record = site.storage.record("flows", day)
    if record is None or record.facts.get("lines", 0) == 0:
        return "no_data"
    found = results_of(site, day)
    needed = {s.name for s in check_specs() if s.blocking}
    ran = set(found["check"].unique().to_list())
    bad = found.filter(pl.col("blocking") & ~pl.col("passed")).height
    return "verified" if needed <= ran and not bad else "unverified"

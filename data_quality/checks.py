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
from pipeline.errors import StorageError
from pipeline.schemas import QUALITY
from pipeline.site import Site
from pipeline.stages import failure_before
from pipeline.storage import DAMAGE, checked, write_parquet

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
    """Judge one stored day, and keep the result in the quality table."""
    return run_checks(spec, site, [day])[day]


def run_checks(spec: CheckSpec, site: Site, days: Sequence[dt.date]) -> dict[dt.date, CheckOutcome]:
    """Judge stored days in one validation, and keep each day's result; a fault of the check is a failed check."""
    outcomes: dict[dt.date, CheckOutcome] = {}
    profiles: dict[dt.date, Mapping[str, Any]] = {}
    for day in days:
        try:
            if (why := _absent(spec, site, day)) is None:
                profiles[day] = PROFILES[spec.name](site, day)
            else:
                outcomes[day] = _failed("day_is_stored", why, "a stored day", "Mend the cause, then run the day again.")
        except Exception as error:
            outcomes[day] = _broken(error)
    try:
        outcomes |= _validate(spec, profiles) if profiles else {}
    except Exception as error:
        outcomes |= dict.fromkeys(profiles, _broken(error))
    for day, outcome in outcomes.items():
        _keep(spec, site, day, outcome)
    return outcomes


def _absent(spec: CheckSpec, site: Site, day: dt.date) -> str | None:
    """Why there is nothing to judge; None when there is."""
    failure = failure_before(site, day, spec.table, own=True)
    if failure is None and site.storage.has(spec.table, day):
        return None
    return "; ".join(failure) if failure else f"{spec.table} is not stored"


def _failed(expectation: str, observed: str, limit: str, remedy: str) -> CheckOutcome:
    row = {"expectation": expectation, "passed": False, "observed": observed, "limit": limit, "remedy": remedy}
    return CheckOutcome(False, (row,))


def _broken(error: Exception) -> CheckOutcome:
    text = f"{type(error).__name__}: {error}"[:300]
    return _failed("check_ran", text, "no error", "Report this with its message.")


def _validate(spec: CheckSpec, profiles: Mapping[dt.date, Mapping[str, Any]]) -> dict[dt.date, CheckOutcome]:
    """Great Expectations judges the profiles, one row a day; each expectation names the days that do not meet it."""
    bad = _unexpected(spec, profiles)
    found = {}
    for day, profile in profiles.items():
        rows = tuple(_outcome(e, profile, day not in b) for e, b in zip(spec.expectations, bad, strict=True))
        found[day] = CheckOutcome(all(r["passed"] for r in rows), rows, profile)
    return found


def _unexpected(spec: CheckSpec, profiles: Mapping[dt.date, Mapping[str, Any]]) -> list[set[dt.date]]:
    """For each expectation of the suite, the days that fail it."""
    gx = great_expectations()
    import pandas as pd  # noqa: PLC0415 - comes with Great Expectations, and is as heavy

    rows = [{k: None if v is None else float(v) for k, v in p.items()} for p in profiles.values()]
    frame = pd.DataFrame(rows, dtype="float64")
    frame["day"] = [d.isoformat() for d in profiles]
    suite = gx.ExpectationSuite(name=spec.name, expectations=[dict(e) for e in spec.expectations])
    wanted = {"result_format": "COMPLETE", "unexpected_index_column_names": ["day"]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report = _days_batch().get_batch({"dataframe": frame}).validate(suite, result_format=wanted)
    by_column = {}
    for result in report.results:
        if (result.exception_info or {}).get("raised_exception"):
            raise RuntimeError(str(result.exception_info.get("exception_message")))
        days = {dt.date.fromisoformat(row["day"]) for row in result.result.get("unexpected_index_list") or ()}
        if not result.success and not days:
            raise RuntimeError(f"{result.expectation_config.type} failed and named no day")
        by_column[result.expectation_config.kwargs["column"]] = days
    return [by_column[e["kwargs"]["column"]] for e in spec.expectations]


def _outcome(expectation: Mapping[str, Any], profile: Mapping[str, Any], met: bool) -> dict[str, Any]:
    column, bounds = expectation["kwargs"]["column"], expectation["kwargs"]
    observed = profile.get(column)
    own = {k: expectation["meta"][k] for k in ("severity",) if k in expectation["meta"]}
    return own | {
        "expectation": column,
        # A value that is not there is not a pass: GX leaves nulls out of what it judges.
        "passed": met and observed is not None,
        "observed": None if observed is None else f"{observed}",
        "limit": ", ".join(
            f"{k.removesuffix('_value')} {bounds[k]}" for k in ("max_value", "min_value") if k in bounds
        ),
        "remedy": expectation["meta"]["remedy"],
    }


@cache
def _days_batch() -> Any:
    """Where Great Expectations takes profiles from; made once."""
    context = great_expectations().get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("profiles").add_dataframe_asset("days")
    return asset.add_batch_definition_whole_dataframe("days")


@cache
def great_expectations() -> Any:
    """The library, imported once, quietly and without its analytics."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import great_expectations as gx  # noqa: PLC0415 - takes seconds to import
    return gx


def _keep(spec: CheckSpec, site: Site, day: dt.date, outcome: CheckOutcome) -> None:
    write_parquet(_path(site, day, spec.name), _rows(spec, day, outcome), {"check": spec.name, "day": day.isoformat()})


def _rows(spec: CheckSpec, day: dt.date, outcome: CheckOutcome) -> pl.DataFrame:
    """An outcome as rows of QUALITY."""
    rows = [
        {"day": day, "table": spec.table, "check": spec.name, "severity": spec.severity, "blocking": spec.blocking, **o}
        for o in outcome.outcomes
    ]
    return QUALITY.conform(pl.DataFrame(rows, schema=QUALITY.schema))


def _path(site: Site, day: dt.date, check: str) -> Path:
    return site.storage.root / "quality" / f"day={day}" / f"{check}.parquet"


def results_of(site: Site, day: dt.date) -> pl.DataFrame:
    """All kept results of a day (schema QUALITY)."""
    kept = [_kept(s, day, p) for s in check_specs() if (p := _path(site, day, s.name)).exists()]
    return QUALITY.conform(pl.concat(kept)) if kept else QUALITY.empty()


def _kept(spec: CheckSpec, day: dt.date, path: Path) -> pl.DataFrame:
    """The kept result of one check; one that does not read is a check that did not pass."""
    try:
        return pl.read_parquet(checked(path), hive_partitioning=False).select(QUALITY.schema.names())
    except (StorageError, *DAMAGE) as error:
        text = error.what if isinstance(error, StorageError) else str(error)
        outcome = _failed("result_is_readable", text[:300], "a readable result", "Run the day again.")
        return _rows(spec, day, outcome)


def day_quality(site: Site, day: dt.date) -> str:
    """The day's quality: no_data when no line was read; unverified when a blocking check failed or never ran."""
    try:
        record = site.storage.record("flows", day)
    except StorageError:
        return "unverified"
    if record is None or record.facts.get("lines", 0) == 0:
        return "no_data"
    found = results_of(site, day)
    needed = {s.name for s in check_specs() if s.blocking}
    ran = set(found["check"].unique().to_list())
    bad = found.filter(pl.col("blocking") & ~pl.col("passed")).height
    return "verified" if needed <= ran and not bad else "unverified"

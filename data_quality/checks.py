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
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from data_quality import drift, own
from data_quality.profiles import PROFILES
from pipeline import acceptance
from pipeline.errors import StorageError
from pipeline.expectations import RESERVED
from pipeline.pruned import kept_quality, lost_input
from pipeline.schemas import QUALITY
from pipeline.site import Site
from pipeline.stages import failure_before
from pipeline.storage import DAMAGE, checked

SUITES = Path(__file__).parent / "suites"
NEVER_RAN = "(never ran)"
DETAILS = {**drift.DETAILS, **own.DETAILS}
"""Check -> what a day's failed expectations show in place of a bare number, by expectation."""


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
    return tuple(_spec(json.loads(path.read_text(encoding="utf-8"))) for path in sorted(SUITES.glob("*.json")))


def _spec(suite: Mapping[str, Any]) -> CheckSpec:
    meta = suite["meta"]
    return CheckSpec(
        suite["name"],
        meta["table"],
        meta["blocking"],
        meta["severity"],
        meta["description"],
        tuple(suite["expectations"]),
    )


def specs_of(site: Site) -> tuple[CheckSpec, ...]:
    """The checks of a site: those that ship, and its own."""
    return (*check_specs(), *(_spec(s) for s in own.suites(site.settings.expectations)))


def run_check(spec: CheckSpec, site: Site, day: dt.date) -> CheckOutcome:
    """Judge one stored day, and keep the result in the quality table."""
    return run_checks(spec, site, [day])[day]


def run_checks(spec: CheckSpec, site: Site, days: Sequence[dt.date]) -> dict[dt.date, CheckOutcome]:
    """Judge stored days in one validation, and keep each day's result; a fault of the check is a failed check."""
    outcomes: dict[dt.date, CheckOutcome] = {}
    profiles: dict[dt.date, Mapping[str, Any]] = {}
    for day in days:
        if lost_input(site, spec.table, day) or _is_pruned(site, spec.table, day):
            continue  # It was judged when it was made; from what is left it would be judged wrongly.
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
        outcomes[day] = _told(spec, site, day, outcome)
        _keep(spec, site, day, outcomes[day])
    return outcomes


def _told(spec: CheckSpec, site: Site, day: dt.date, outcome: CheckOutcome) -> CheckOutcome:
    """The outcome, with what stands behind a number that failed."""
    if outcome.passed or spec.name not in DETAILS or not outcome.observed:
        return outcome
    try:
        more = DETAILS[spec.name](site, day)
    except Exception as error:
        return _broken(error)
    rows = tuple(o if o["passed"] else {**o, **more.get(o["expectation"], {})} for o in outcome.outcomes)
    return replace(outcome, outcomes=rows)


def _absent(spec: CheckSpec, site: Site, day: dt.date) -> str | None:
    """Why there is nothing to judge; None when there is."""
    failure = failure_before(site, day, spec.table, own=True)
    if failure is None and site.storage.has(spec.table, day):
        return None
    return "; ".join(failure) if failure else f"{spec.table} is not stored"


def _is_pruned(site: Site, table: str, day: dt.date) -> bool:
    """Whether the day's rows are gone on purpose."""
    record = None if site.storage.has(table, day) else site.storage.record(table, day)
    return record is not None and bool(record.pruned)


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
    own = {k: expectation["meta"][k] for k in ("severity", "blocking", "table") if k in expectation["meta"]}
    return own | {
        "expectation": column,
        # A value that is not there is not a pass: GX leaves nulls out of what it judges.
        "passed": met and observed is not None,
        "observed": None if observed is None else f"{observed}",
        "limit": ", ".join(
            f"{k.removesuffix('_value')} {bounds[k]}" for k in ("max_value", "min_value") if k in bounds
        ),
        "remedy": " ".join([expectation["meta"]["remedy"], *getattr(profile, "notes", {}).get(column, ())]),
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
    footer = {"check": spec.name, "day": day.isoformat()}
    site.storage.write_parquet(_name(day, spec.name), _rows(spec, day, outcome), footer)


def _rows(spec: CheckSpec, day: dt.date, outcome: CheckOutcome) -> pl.DataFrame:
    """An outcome as rows of QUALITY."""
    rows = [
        {"day": day, "table": spec.table, "check": spec.name, "severity": spec.severity, "blocking": spec.blocking, **o}
        for o in outcome.outcomes
    ]
    return QUALITY.conform(pl.DataFrame(rows, schema=QUALITY.schema))


def _name(day: dt.date, check: str) -> str:
    return f"quality/day={day}/{check}.parquet"


def results_of(site: Site, day: dt.date) -> pl.DataFrame:
    """All kept results of a day (schema QUALITY)."""
    specs = specs_of(site)
    found = site.storage.objects.fetch([_name(day, s.name) for s in specs])
    kept = [_kept(site, s, day, path) for s, path in zip(specs, found, strict=True) if path is not None]
    return QUALITY.conform(pl.concat(kept)) if kept else QUALITY.empty()


def _kept(site: Site, spec: CheckSpec, day: dt.date, path: Path) -> pl.DataFrame:
    """The kept result of one check; one that does not read is a check that did not pass."""
    try:
        whole = checked(path, site.storage.objects.where(_name(day, spec.name)))
        return pl.read_parquet(whole, hive_partitioning=False).select(QUALITY.schema.names())
    except (StorageError, *DAMAGE) as error:
        text = error.what if isinstance(error, StorageError) else str(error)
        outcome = _failed("result_is_readable", text[:300], "a readable result", "Run the day again.")
        return _rows(spec, day, outcome)


def day_quality(site: Site, day: dt.date) -> str:
    """The day's quality.

    no_data when no line was read; unverified when a blocking check failed or never ran, but accepted where a person
    accepted just these failures of just these flows.
    """
    try:
        record = site.storage.record("flows", day)
    except StorageError:
        return "unverified"
    if record is None or record.facts.get("lines", 0) == 0:
        return "no_data"
    bad = blocking_failures(site, day)
    if any(b.endswith(NEVER_RAN) for b in bad) and (kept := kept_quality(site, day)) is not None:
        return kept
    if not bad:
        return "verified"
    held = acceptance.in_force(acceptance.history(site.storage, day), record.fingerprint, bad)
    return "accepted" if held else "unverified"


def blocking_failures(site: Site, day: dt.date) -> tuple[str, ...]:
    """What makes a day unverified, sorted: check/expectation that failed, or that never ran."""
    found = results_of(site, day)
    bad = found.filter(pl.col("blocking") & ~pl.col("passed"))
    failed = {f"{check}/{name}" for check, name in bad.select("check", "expectation").iter_rows()}
    ran = set(found["check"].to_list())
    failed |= {f"{s.name} {NEVER_RAN}" for s in check_specs() if s.blocking and s.name not in ran}
    judged = set(found.select("check", "expectation").iter_rows())
    whole = {check for check, name in judged if name in RESERVED}
    asked = {(own.group_of(e), e.name) for e in site.settings.expectations if e.blocking}
    failed |= {f"{c}/{n} {NEVER_RAN}" for c, n in asked - judged if c not in whole}
    return tuple(sorted(failed))

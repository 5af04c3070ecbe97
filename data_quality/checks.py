"""The checks of every stored day: a profile of one row a day, judged by Great Expectations suites, kept as a table.

Suites are the JSON files beside this module, the single source of every limit, meaning and remedy. Great Expectations
is imported when a check runs and not before; how Dagster shows a result is decided in `assets`.
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
from data_quality.between import quick
from data_quality.compared import Profile, note
from data_quality.profiles import PROFILES
from data_quality.samples import sample
from data_quality.sharing import sharing
from pipeline import acceptance
from pipeline.errors import NilometerError, StorageError
from pipeline.expectations import RESERVED
from pipeline.pruned import kept_quality, lost_input
from pipeline.schemas import QUALITY
from pipeline.site import Site
from pipeline.stages import STAGES, failure_before
from pipeline.storage import DAMAGE, DayRecord, checked

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

    @property
    def decides(self) -> bool:
        """Whether a day's quality depends on it."""
        return self.blocking or any(e["meta"].get("blocking") or e["meta"].get("partial") for e in self.expectations)


@dataclass(frozen=True)
class CheckOutcome:
    """What a check found on one day."""

    passed: bool
    outcomes: tuple[dict[str, Any], ...] = ()
    observed: Profile = field(default_factory=dict)
    """Numbers of the profile, and notes on them."""
    fingerprint: str = ""
    """Of the stored day that was judged; empty where there was none."""


@cache
def check_specs() -> tuple[CheckSpec, ...]:
    """All checks that ship, in the order of the tables, read from the suites without Great Expectations."""
    specs = [_spec(json.loads(path.read_text(encoding="utf-8"))) for path in sorted(SUITES.glob("*.json"))]
    return tuple(sorted(specs, key=lambda s: (STAGES.index(s.table), s.name)))


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


def run_all(specs: Sequence[CheckSpec], site: Site, days: Sequence[dt.date]) -> dict[str, dict[dt.date, CheckOutcome]]:
    """Judge stored days by several checks, which share their passes over the days; by the checks' names."""
    with sharing():
        return {spec.name: run_checks(spec, site, days) for spec in specs}


def run_checks(spec: CheckSpec, site: Site, days: Sequence[dt.date]) -> dict[dt.date, CheckOutcome]:
    """Judge stored days in one validation, and keep each day's result; a fault of the check is a failed check."""
    outcomes: dict[dt.date, CheckOutcome] = {}
    profiles: dict[dt.date, Profile] = {}
    judged: dict[dt.date, DayRecord | None] = {}
    with sharing():
        for day in days:
            if lost_input(site, spec.table, day) or is_pruned(site, spec.table, day):
                continue  # It was judged when it was made; from what is left it would be judged wrongly.
            judged[day] = _record(site, spec.table, day)
            try:
                if (why := _absent(spec, site, day)) is None:
                    profiles[day] = PROFILES[spec.name](site, day)
                else:
                    outcomes[day] = _failed("day_is_stored", why)
            except (StorageError, *DAMAGE) as error:
                outcomes[day] = _failed("day_is_readable", _text(error))
            except Exception as error:
                outcomes[day] = _failed("check_ran", _text(error))
        try:
            outcomes |= _validate(spec, site, profiles) if profiles else {}
        except Exception as error:
            outcomes |= dict.fromkeys(profiles, _failed("check_ran", _text(error)))
    for day, outcome in outcomes.items():
        record = judged[day]
        outcomes[day] = replace(_told(spec, site, day, outcome), fingerprint=record.fingerprint if record else "")
        _keep(spec, site, day, outcomes[day], record.mark if record else "")
    return outcomes


def _record(site: Site, table: str, day: dt.date) -> DayRecord | None:
    """What the stored day says of itself; None where there is none to judge, or none that reads."""
    try:
        return None if failure_before(site, day, table, own=True) else site.storage.record(table, day)
    except StorageError:
        return None


def _told(spec: CheckSpec, site: Site, day: dt.date, outcome: CheckOutcome) -> CheckOutcome:
    """The outcome, with what stands behind a number that failed."""
    if outcome.passed or spec.name not in DETAILS or not outcome.observed:
        return outcome
    try:
        more = DETAILS[spec.name](site, day)
    except Exception as error:
        return _failed("check_ran", _text(error))
    rows = tuple(o if o["passed"] else {**o, **more.get(o["expectation"], {})} for o in outcome.outcomes)
    return replace(outcome, outcomes=rows)


def _absent(spec: CheckSpec, site: Site, day: dt.date) -> str | None:
    """Why there is nothing to judge; None when there is."""
    failure = failure_before(site, day, spec.table, own=True)
    if failure is None and site.storage.has(spec.table, day):
        return None
    return "; ".join(failure) if failure else f"{spec.table} is not stored"


def is_pruned(site: Site, table: str, day: dt.date) -> bool:
    """Whether the day's rows are gone on purpose."""
    record = None if site.storage.has(table, day) else site.storage.record(table, day)
    return record is not None and bool(record.pruned)


BEFORE = {
    "day_is_stored": ("The day is there to be judged.", "a stored day", "Mend the cause, then run the day again."),
    "day_is_readable": (
        "The stored day can be read, with its columns.",
        "a day that can be read",
        "Remove the stored day that is named and run it again.",
    ),
    "result_is_readable": ("The kept result can be read.", "a readable result", "Run the day again."),
    "check_ran": ("The check itself works.", "no error", "Report this with its message."),
}
"""What stands in the place of a check's expectations when they cannot be judged: its meaning, limit and remedy."""


def _text(error: BaseException) -> str:
    said = error.message if isinstance(error, StorageError) else f"{type(error).__name__}: {error}"
    return said[:300]


def _failed(expectation: str, observed: str) -> CheckOutcome:
    meaning, limit, remedy = BEFORE[expectation]
    row = {"expectation": expectation, "passed": False, "observed": observed, "limit": limit, "remedy": remedy}
    return CheckOutcome(False, (row | {"meaning": meaning},))


def _validate(spec: CheckSpec, site: Site, profiles: Mapping[dt.date, Profile]) -> dict[dt.date, CheckOutcome]:
    """Great Expectations judges the profiles, one row a day; each expectation names the days that do not meet it."""
    bad = _unexpected(spec, profiles)
    found = {}
    for day, profile in profiles.items():
        judged = zip(_judged(spec, profile), bad, strict=True)
        rows = tuple(_outcome(spec, e, site, day, profile, day not in b) for e, b in judged if e)
        found[day] = CheckOutcome(all(r["passed"] for r in rows), rows, profile)
    return found


def _judged(spec: CheckSpec, profile: Profile) -> list[dict[str, Any] | None]:
    """The expectations of the day; of a table that is not as its schema says only this one, and None for the others.

    Raises:
        RuntimeError: the profile lacks a column that is judged.
    """
    told = [e if e["kwargs"]["column"] in profile else None for e in spec.expectations]
    if None in told and not profile.get("schema_faults"):
        raise RuntimeError(f"the profile of {spec.name} lacks a column that its suite judges")
    return told


def _unexpected(spec: CheckSpec, profiles: Mapping[dt.date, Profile]) -> list[set[dt.date]]:
    """For each expectation of the suite, the days that fail it."""
    gx = great_expectations()
    import pandas as pd  # noqa: PLC0415 - comes with Great Expectations, and is as heavy

    columns = list(dict.fromkeys(e["kwargs"]["column"] for e in spec.expectations))
    rows = [{c: None if (v := p.get(c)) is None else float(v) for c in columns} for p in profiles.values()]
    frame = pd.DataFrame(rows, columns=columns, dtype="float64")
    frame["day"] = [d.isoformat() for d in profiles]
    suite = gx.ExpectationSuite(name=spec.name, expectations=[quick(gx, dict(e)) for e in spec.expectations])
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


def _outcome(
    spec: CheckSpec, expectation: Mapping[str, Any], site: Site, day: dt.date, profile: Profile, met: bool
) -> dict[str, Any]:
    """One expectation of a day, as a row of QUALITY without what the rows of a check share."""
    column, bounds, meta = expectation["kwargs"]["column"], expectation["kwargs"], expectation["meta"]
    value, told = profile.get(column), profile.get(note(column))
    # A value that is not there is no pass, which GX takes it for, unless the suite says that it may be unknown.
    passed = met and (value is not None or bool(meta.get("may_be_unknown")))
    return {
        "expectation": column,
        "passed": passed,
        "observed": _observed(value, str(told or "")),
        "limit": limit_text(bounds),
        "remedy": " ".join([meta["remedy"], *getattr(profile, "notes", {}).get(column, ())]),
        "meaning": meta["meaning"],
        "unexpected": None if passed else _count(expectation, profile),
        "sample": None if passed else _sample(site, day, spec.name, column),
        **{k: meta[k] for k in ("severity", "blocking", "table") if k in meta},
    }


def _observed(value: float | int | str | None, told: str) -> str | None:
    if value is None or isinstance(value, str):
        return told or None
    text = f"{value:.3g}" if isinstance(value, float) and not value.is_integer() else f"{value:.0f}"
    return f"{text} ({told})" if told else text


def limit_text(bounds: Mapping[str, Any]) -> str:
    """The limit of an expectation in words."""
    return ", ".join(f"{k.removesuffix('_value')} {bounds[k]}" for k in ("max_value", "min_value") if k in bounds)


def _count(expectation: Mapping[str, Any], profile: Profile) -> int | None:
    """How many rows or things did not meet it: the number that the suite names, or the value where none is allowed."""
    column = expectation["meta"].get("counts")
    if column is None and expectation["kwargs"].get("max_value") == 0:
        column = expectation["kwargs"]["column"]
    value = profile.get(column) if column else None
    return None if value is None else int(value)


def _sample(site: Site, day: dt.date, check: str, expectation: str) -> str | None:
    """A few of the rows at fault; a query that fails hides no result."""
    try:
        return sample(site, day, check, expectation)
    except (NilometerError, *DAMAGE) as error:
        return json.dumps([{"no sample": _text(error)}])


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


def _keep(spec: CheckSpec, site: Site, day: dt.date, outcome: CheckOutcome, mark: str) -> None:
    footer = {"check": spec.name, "day": day.isoformat(), "judged": mark}
    site.storage.write_parquet(result_name(day, spec.name), _rows(spec, day, outcome), footer)


def _rows(spec: CheckSpec, day: dt.date, outcome: CheckOutcome) -> pl.DataFrame:
    """An outcome as rows of QUALITY."""
    rows = [
        {"day": day, "table": spec.table, "check": spec.name, "severity": spec.severity, "blocking": spec.blocking, **o}
        for o in outcome.outcomes
    ]
    return QUALITY.conform(pl.DataFrame(rows, schema=QUALITY.schema))


def result_name(day: dt.date, check: str) -> str:
    """Where the result of a check is kept, below the storage's root."""
    return f"quality/day={day}/{check}.parquet"


def results_of(site: Site, day: dt.date, *, deciding: bool = False) -> pl.DataFrame:
    """All kept results of a day (schema QUALITY); or of the checks alone that decide its quality."""
    specs = [s for s in specs_of(site) if s.decides or not deciding]
    found = site.storage.objects.fetch([result_name(day, s.name) for s in specs])
    kept = [_kept(site, s, day, path) for s, path in zip(specs, found, strict=True) if path is not None]
    return QUALITY.conform(pl.concat(kept)) if kept else QUALITY.empty()


_ADDED = ("meaning", "unexpected", "sample")
"""Columns that results of an earlier version lack."""


def _kept(site: Site, spec: CheckSpec, day: dt.date, path: Path) -> pl.DataFrame:
    """The kept result of one check; one that does not read is a check that did not pass."""
    try:
        whole = checked(path, site.storage.objects.where(result_name(day, spec.name)))
        found = pl.read_parquet(whole, glob=False, hive_partitioning=False)
        if newer := [pl.lit(None, QUALITY.schema[c]).alias(c) for c in _ADDED if c not in found.columns]:
            found = found.with_columns(newer)
        names = QUALITY.schema.names()
        return found if found.columns == names else found.select(names)  # Every look at a day comes by here.
    except (StorageError, *DAMAGE) as error:
        text = error.what if isinstance(error, StorageError) else str(error)
        return _rows(spec, day, _failed("result_is_readable", text[:300]))


def day_quality(site: Site, day: dt.date) -> str:
    """The day's quality, the first that holds.

    no_data: no line was read. unverified: a blocking expectation failed, or a blocking check never ran; accepted where
    a person accepted just these failures of just these flows. partial: a sensor that is usually there was silent.
    verified: all else.
    """
    try:
        record = site.storage.record("flows", day)
    except StorageError:
        return "unverified"
    if record is None or record.facts.get("lines", 0) == 0:
        return "no_data"
    found = results_of(site, day, deciding=True)
    bad = _blocking_failures(site, found)
    if any(b.endswith(NEVER_RAN) for b in bad) and (kept := kept_quality(site, day)) is not None:
        return kept
    if bad:
        held = acceptance.in_force(acceptance.history(site.storage, day), record.fingerprint, bad)
        return "accepted" if held else "unverified"
    return "partial" if _silent(found) else "verified"


def _silent(found: pl.DataFrame) -> bool:
    """Whether an expectation failed that says a part of the day is missing."""
    told = {(s.name, e["kwargs"]["column"]) for s in check_specs() for e in s.expectations if e["meta"].get("partial")}
    return any(name in told and not passed for name, _, passed in _results(found))


def _results(found: pl.DataFrame) -> list[tuple[tuple[str, str], bool, bool]]:
    """((check, expectation), blocking, passed) of each; of a few rows, no query is as quick as this."""
    names = zip(found["check"].to_list(), found["expectation"].to_list(), strict=True)
    return list(zip(names, found["blocking"].to_list(), found["passed"].to_list(), strict=True))


def blocking_failures(site: Site, day: dt.date) -> tuple[str, ...]:
    """What makes a day unverified, sorted: check/expectation that failed, or that never ran."""
    return _blocking_failures(site, results_of(site, day, deciding=True))


def _blocking_failures(site: Site, found: pl.DataFrame) -> tuple[str, ...]:
    results = _results(found)
    failed = {f"{check}/{name}" for (check, name), blocking, passed in results if blocking and not passed}
    judged = {name for name, _, _ in results}
    ran = {check for check, _ in judged}
    failed |= {f"{s.name} {NEVER_RAN}" for s in check_specs() if s.blocking and s.name not in ran}
    whole = {check for check, name in judged if name in RESERVED}
    asked = {(own.group_of(e), e.name) for e in site.settings.expectations if e.blocking}
    failed |= {f"{c}/{n} {NEVER_RAN}" for c, n in asked - judged if c not in whole}
    return tuple(sorted(failed))

"""Judging stored days: a profile of one row a day, judged by Great Expectations suites, kept as a table.

What the checks are is in `data_quality.specs`, what they have found in `data_quality.results`. Great Expectations is
imported when a check runs and not before; how Dagster shows a result is decided in `assets`.
"""

from __future__ import annotations

import datetime as dt
import importlib
import importlib.util
import json
import math
import os
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from data_quality import drift, own
from data_quality.between import quick
from data_quality.compared import Profile, note
from data_quality.profiles import PROFILES
from data_quality.results import CheckOutcome, failed, is_pruned, outcome_rows, result_name
from data_quality.samples import sample
from data_quality.sharing import sharing
from data_quality.specs import CheckSpec
from pipeline.disk import limit_met
from pipeline.errors import NilometerError, StorageError
from pipeline.site import Site
from pipeline.storage import DAMAGE, DayRecord
from pipeline.stored.pruned import lost_input
from pipeline.stored.stages import failure_before

_STATISTICS = "scipy.stats"
DETAILS = {**drift.DETAILS, **own.DETAILS}
"""Check -> what a day's failed expectations show in place of a bare number, by expectation."""


def run_all(
    specs: Sequence[CheckSpec], site: Site, days: Sequence[dt.date], step: Callable[[], None] = lambda: None
) -> dict[str, dict[dt.date, CheckOutcome]]:
    """Judge stored days by several checks, which share their passes over the days; by the checks' names.

    Step is called once for each check and day.
    """
    with sharing():
        return {spec.name: run_checks(spec, site, days, step) for spec in specs}


def run_checks(
    spec: CheckSpec, site: Site, days: Sequence[dt.date], step: Callable[[], None] = lambda: None
) -> dict[dt.date, CheckOutcome]:
    """Judge stored days in one validation, and keep each day's result; a fault of the check is a failed check."""
    outcomes: dict[dt.date, CheckOutcome] = {}
    profiles: dict[dt.date, Profile] = {}
    judged: dict[dt.date, DayRecord | None] = {}
    with sharing():
        for day in days:
            step()
            if lost_input(site, spec.table, day) or is_pruned(site, spec.table, day):
                continue  # It was judged when it was made; from what is left it would be judged wrongly.
            judged[day] = _record(site, spec.table, day)
            try:
                if (why := _absent(spec, site, day)) is None:
                    profiles[day] = PROFILES[spec.name](site, day)
                else:
                    outcomes[day] = failed("day_is_stored", why)
            except (StorageError, *DAMAGE) as error:
                outcomes[day] = failed("check_ran" if limit_met(error) else "day_is_readable", _text(error))
            except Exception as error:
                outcomes[day] = failed("check_ran", _text(error))
        try:
            outcomes |= _validate(spec, site, profiles) if profiles else {}
        except Exception as error:
            outcomes |= dict.fromkeys(profiles, failed("check_ran", _text(error)))
    for day, outcome in outcomes.items():
        record = judged[day]
        outcomes[day] = replace(_told(spec, site, day, outcome), fingerprint=record.fingerprint if record else "")
        # What a crashed check says is of no data: it is to be judged again.
        _keep(spec, site, day, outcomes[day], record.mark if record and outcomes[day].ran else "")
    return outcomes


def _record(site: Site, table: str, day: dt.date) -> DayRecord | None:
    """The stored day's record; None where there is none to judge, or it cannot be read."""
    try:
        return None if failure_before(site, day, table, own=True) else site.storage.record(table, day)
    except StorageError:
        return None


def _told(spec: CheckSpec, site: Site, day: dt.date, outcome: CheckOutcome) -> CheckOutcome:
    """The outcome, with what a failed number was made from in place of the bare number."""
    if outcome.passed or spec.name not in DETAILS or not outcome.observed:
        return outcome
    try:
        more = DETAILS[spec.name](site, day)
    except Exception as error:
        return failed("check_ran", _text(error))
    rows = tuple(o if o["passed"] else {**o, **more.get(o["expectation"], {})} for o in outcome.outcomes)
    return replace(outcome, outcomes=rows)


def _absent(spec: CheckSpec, site: Site, day: dt.date) -> str | None:
    """Why there is nothing to judge; None when there is."""
    failure = failure_before(site, day, spec.table, own=True)
    if failure is None and site.storage.has(spec.table, day):
        return None
    return "; ".join(failure) if failure else f"{spec.table} is not stored"


def _text(error: BaseException) -> str:
    said = error.message if isinstance(error, NilometerError) else f"{type(error).__name__}: {error}"
    return said[:300]


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
    """For each expectation of the suite, the days that fail it; those that fail none cost the library half."""
    import pandas as pd  # noqa: PLC0415 - comes with Great Expectations, and is as heavy

    columns = list(dict.fromkeys(e["kwargs"]["column"] for e in spec.expectations))
    rows = [{c: None if (v := p.get(c)) is None else float(v) for c in columns} for p in profiles.values()]
    frame = pd.DataFrame(rows, columns=columns, dtype="float64")
    frame["day"] = [d.isoformat() for d in profiles]
    met = _results(spec.name, spec.expectations, frame, {"result_format": "BOOLEAN_ONLY"})
    unmet = [e for e, result in zip(spec.expectations, met, strict=True) if not result.success]
    bad = dict(zip((e["kwargs"]["column"] for e in unmet), _days_of(spec, unmet, frame), strict=True))
    return [bad.get(e["kwargs"]["column"], set()) for e in spec.expectations]


def _days_of(spec: CheckSpec, unmet: Sequence[dict[str, Any]], frame: Any) -> list[set[dt.date]]:
    """The days that fail each of some expectations that not all days meet; of one day it is that one."""
    if not unmet or len(frame) == 1:
        return [{dt.date.fromisoformat(day) for day in frame["day"]} for _ in unmet]
    wanted = {"result_format": "COMPLETE", "unexpected_index_column_names": ["day"]}
    found = []
    for result in _results(spec.name, unmet, frame, wanted):
        found.append({dt.date.fromisoformat(row["day"]) for row in result.result.get("unexpected_index_list") or ()})
        if not found[-1]:
            raise RuntimeError(f"{result.expectation_config.type} failed and named no day")
    return found


def _results(name: str, expectations: Sequence[dict[str, Any]], frame: Any, wanted: dict[str, Any]) -> list[Any]:
    """What Great Expectations says of a frame, an expectation after the other as they are given.

    Raises:
        RuntimeError: an expectation could not be judged.
    """
    gx = great_expectations()
    suite = gx.ExpectationSuite(name=name, expectations=[quick(gx, dict(e)) for e in expectations])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report = _days_batch().get_batch({"dataframe": frame}).validate(suite, result_format=wanted)
    by_column = {}
    for result in report.results:
        if (result.exception_info or {}).get("raised_exception"):
            raise RuntimeError(str(result.exception_info.get("exception_message")))
        by_column[result.expectation_config.kwargs["column"]] = result
    return [by_column[e["kwargs"]["column"]] for e in expectations]


def _outcome(
    spec: CheckSpec, expectation: Mapping[str, Any], site: Site, day: dt.date, profile: Profile, met: bool
) -> dict[str, Any]:
    """One expectation of a day, as a row of QUALITY without what the rows of a check share."""
    column, bounds, meta = expectation["kwargs"]["column"], expectation["kwargs"], expectation["meta"]
    value, told = profile.get(column), profile.get(note(column))
    # A value that is not there is no pass, which GX takes it for, unless the suite says that it may be unknown; one
    # that came out of a calculation as no number is none either, and no unknown.
    passed = met and not _is_nan(value) and (value is not None or bool(meta.get("may_be_unknown")))
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


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


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
    return None if value is None or not math.isfinite(float(value)) else int(value)


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
    """The library, imported once, quietly and without its analytics.

    Raises:
        NilometerError: this Python keeps no docstrings, of which a library of its own is made.
    """
    if sys.flags.optimize > 1:
        raise NilometerError("Great Expectations needs docstrings.", remedy="Do without -OO and PYTHONOPTIMIZE=2.")
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    _have_home()
    _leave_statistics()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import great_expectations as gx  # noqa: PLC0415 - takes seconds to import
    return gx


def _leave_statistics() -> None:
    """Let SciPy's statistics load when something is asked of them.

    A third of loading the library goes to them, for expectations that no suite names.
    """
    if _STATISTICS not in sys.modules and importlib.util.find_spec(_STATISTICS) is not None:
        module = sys.modules.setdefault(_STATISTICS, _Later(_STATISTICS))
        sys.modules["scipy"].stats = module  # type: ignore[attr-defined]


class _Later(ModuleType):
    """In the place of a module that is imported when something is asked of it.

    Python's own LazyLoader shows a second thread, before 3.12.3, a module that is half loaded.
    """

    def __getattr__(self, name: str) -> Any:
        if sys.modules.get(self.__name__) is self:
            with suppress(KeyError):  # Another thread was faster.
                del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)  # Threads wait here for each other.


def _have_home() -> None:
    """Set HOME where there is none, as under a bare user id in a container: libraries that checks load need it."""
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = "/nonexistent"


def _keep(spec: CheckSpec, site: Site, day: dt.date, outcome: CheckOutcome, mark: str) -> None:
    footer = {"check": spec.name, "day": day.isoformat(), "judged": mark}
    site.storage.write_parquet(result_name(day, spec.name), outcome_rows(spec, day, outcome), footer)

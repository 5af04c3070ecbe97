"""The site's own expectations as suites: the same form, engine and table of results as those that ship.

What may be written in `nilometer.yaml` is in `pipeline.expectations`. A number that cannot be computed is a failed
result that says why, never a crash.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from pipeline.expectations import QUALITY_TABLES, ExpectationSettings, compute
from pipeline.schemas import TABLES
from pipeline.site import Site

EARLY, LATE = "site_expectations", "site_verdict_expectations"
"""Checks: of a day's own data, which may decide its quality; of what is made from it, when all is made."""
_AFTER = {EARLY: "daily_traffic", LATE: "alerts"}
_WORDS = {
    EARLY: "The site's own expectations of a day's flows and daily traffic.",
    LATE: "The site's own expectations of a day's baselines, scores and alerts.",
}


def group_of(expectation: ExpectationSettings) -> str:
    """The check that an expectation belongs to."""
    return EARLY if expectation.table in QUALITY_TABLES else LATE


def suites(expectations: Sequence[ExpectationSettings]) -> list[dict[str, Any]]:
    """The suites, in the form of a suite's file; none for a group without an expectation."""
    found = []
    for name, table in _AFTER.items():
        mine = [e for e in expectations if group_of(e) == name]
        grave = any(e.grade == "error" for e in mine)
        meta = {
            "table": table,
            "blocking": any(e.blocking for e in mine),
            "severity": "error" if grave else "warning",
            "description": _WORDS[name],
        }
        if mine:
            found.append({"name": name, "meta": meta, "expectations": [_expectation(e) for e in mine]})
    return found


def _expectation(e: ExpectationSettings) -> dict[str, Any]:
    bounds = {"min_value": e.min, "max_value": e.max}
    kwargs = {"column": e.name} | {k: v for k, v in bounds.items() if v is not None}
    own = {"severity": e.grade, "blocking": e.blocking, "table": e.table}
    meta = {"remedy": e.remedy, "meaning": e.meaning, **own}
    return {"type": "expect_column_values_to_be_between", "kwargs": kwargs, "meta": meta}


def _mine(site: Site, group: str) -> list[ExpectationSettings]:
    return [e for e in site.settings.expectations if group_of(e) == group]


def _value(site: Site, day: dt.date, e: ExpectationSettings) -> tuple[float | None, str]:
    """(the number, or None and why there is none)."""
    if not site.storage.has(e.table, day):
        return None, f"{e.table} is not stored"
    try:
        return compute(site.storage.scan(TABLES[e.table], [day]), e.value), ""
    except ValueError as error:
        return None, str(error)
    except Exception as error:  # A damaged file fails this expectation, not those of other tables.
        return None, f"{type(error).__name__}: {error}"[:200]


def _profile(group: str, site: Site, day: dt.date) -> dict[str, float | int | str | None]:
    return {e.name: _value(site, day, e)[0] for e in _mine(site, group)}


def _reasons(group: str, site: Site, day: dt.date) -> dict[str, Mapping[str, str]]:
    """What is shown in place of a number that is not there."""
    faults = {e.name: _value(site, day, e) for e in _mine(site, group)}
    return {name: {"observed": why} for name, (value, why) in faults.items() if value is None}


PROFILES: dict[str, Callable[[Site, dt.date], dict[str, float | int | str | None]]] = {
    name: partial(_profile, name) for name in _AFTER
}
DETAILS: dict[str, Callable[[Site, dt.date], dict[str, Mapping[str, str]]]] = {
    name: partial(_reasons, name) for name in _AFTER
}

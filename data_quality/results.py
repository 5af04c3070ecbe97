"""What the checks have found: the result of each check of each day as it is kept, and the day's quality by them.

Nothing is judged here. Every look at a day comes by here, so that nothing heavy is imported.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from data_quality import own
from data_quality.compared import Profile
from data_quality.specs import CheckSpec, check_specs, specs_of
from pipeline import acceptance
from pipeline.disk import limit_met
from pipeline.errors import StorageError
from pipeline.expectations import RESERVED
from pipeline.flows import lines_read
from pipeline.schemas import QUALITY
from pipeline.site import Site
from pipeline.storage import DAMAGE, checked
from pipeline.stored.pruned import kept_quality

NEVER_RAN = "(never ran)"
CRASHED = "check_ran"


@dataclass(frozen=True)
class CheckOutcome:
    """What a check found on one day."""

    passed: bool
    outcomes: tuple[dict[str, Any], ...] = ()
    observed: Profile = field(default_factory=dict)
    """Numbers of the profile, and notes on them."""
    fingerprint: str = ""
    """Of the stored day that was judged; empty where there was none."""

    @property
    def ran(self) -> bool:
        """Whether the check judged, or found why there is nothing to judge; it did not where it crashed."""
        return all(o["expectation"] != CRASHED for o in self.outcomes)


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
    CRASHED: (
        "The check itself works.",
        "no error",
        "Judge the day again: nilometer run --stale. Where it comes again, report it with its message.",
    ),
}
"""What stands in the place of a check's expectations when they cannot be judged: its meaning, limit and remedy."""


def failed(expectation: str, observed: str) -> CheckOutcome:
    """The outcome of a check that could not judge: one failed row of BEFORE."""
    meaning, limit, remedy = BEFORE[expectation]
    row = {"expectation": expectation, "passed": False, "observed": observed, "limit": limit, "remedy": remedy}
    return CheckOutcome(False, (row | {"meaning": meaning},))


def outcome_rows(spec: CheckSpec, day: dt.date, outcome: CheckOutcome) -> pl.DataFrame:
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
        if (fault := limit_met(error)) is not None:
            raise fault from error
        text = error.what if isinstance(error, StorageError) else str(error)
        return outcome_rows(spec, day, failed("result_is_readable", text[:300]))


def day_quality(site: Site, day: dt.date) -> str:
    """The day's quality, the first that holds.

    no_data: no line could be read. unverified: a blocking expectation failed, or a blocking check never ran;
    accepted where a person accepted just these failures of just these flows. partial: a sensor that is usually there
    was silent. verified: all else.
    """
    try:
        record = site.storage.record("flows", day)
    except StorageError:
        return "unverified"
    if record is None or lines_read(record.facts) == 0:
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
    bad = {f"{check}/{name}" for (check, name), blocking, passed in results if blocking and not passed}
    judged = {name for name, _, _ in results}
    ran = {check for check, _ in judged}
    bad |= {f"{s.name} {NEVER_RAN}" for s in check_specs() if s.blocking and s.name not in ran}
    whole = {check for check, name in judged if name in RESERVED}
    asked = {(own.group_of(e), e.name) for e in site.settings.expectations if e.blocking}
    bad |= {f"{c}/{n} {NEVER_RAN}" for c, n in asked - judged if c not in whole}
    return tuple(sorted(bad))

"""The check `drift`: how much changed on a day about its sources and servers, and what, in words.

What counts as a change is in `pipeline.insight.drift`, the limits are in the suite. Numbers and words come from the
same findings.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Mapping

from pipeline.insight.drift import KINDS, Finding, day_findings
from pipeline.site import Site

SHOWN = 3
"""Findings of one kind that are written out."""


def profile(site: Site, day: dt.date) -> dict[str, float | int | str | None]:
    """Findings of each kind."""
    counts = Counter(f.kind for f in day_findings(site, day))
    return {kind: counts[kind] for kind in KINDS}


def details(site: Site, day: dt.date) -> dict[str, Mapping[str, str]]:
    """Of each kind, the findings and what to do about the first of them."""
    by_kind: dict[str, list[Finding]] = {}
    for found in day_findings(site, day):
        by_kind.setdefault(found.kind, []).append(found)
    return {kind: {"observed": _listed(found), "remedy": _remedies(found)} for kind, found in by_kind.items()}


def _listed(found: list[Finding]) -> str:
    more = f" {len(found) - SHOWN} more." if len(found) > SHOWN else ""
    return f"{len(found)}: {' '.join(f.message for f in found[:SHOWN])}{more}"


def _remedies(found: list[Finding]) -> str:
    return " ".join(dict.fromkeys(f.remedy for f in found[:SHOWN]))


PROFILES: dict[str, Callable[[Site, dt.date], dict[str, float | int | str | None]]] = {"drift": profile}
DETAILS: dict[str, Callable[[Site, dt.date], dict[str, Mapping[str, str]]]] = {"drift": details}

"""What the checks are: those that ship, read from the suites, and those of a site.

Suites are the JSON files beside this module, the single source of every limit, meaning and remedy. They are read
without Great Expectations; judging by them is the business of `data_quality.checks`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from data_quality import own
from pipeline.schemas import SURGE_SCORES
from pipeline.site import Site
from pipeline.stored.stages import STAGES

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

    @property
    def decides(self) -> bool:
        """Whether a day's quality depends on it."""
        return self.blocking or any(e["meta"].get("blocking") or e["meta"].get("partial") for e in self.expectations)


@cache
def check_specs() -> tuple[CheckSpec, ...]:
    """The checks that every site has, in the order of the tables, read from the suites without Great Expectations."""
    return tuple(s for s in _shipped() if s.table != SURGE_SCORES.name)


@cache
def surge_specs() -> tuple[CheckSpec, ...]:
    """The checks that a site has besides, which has a rule of method surge."""
    return tuple(s for s in _shipped() if s.table == SURGE_SCORES.name)


def _shipped() -> list[CheckSpec]:
    specs = [_spec(json.loads(path.read_text(encoding="utf-8"))) for path in sorted(SUITES.glob("*.json"))]
    return sorted(specs, key=lambda s: (STAGES.index(s.table), s.name))


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
    surge = surge_specs() if site.rules_of("surge") else ()
    return (*check_specs(), *surge, *(_spec(s) for s in own.suites(site.settings.expectations)))

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

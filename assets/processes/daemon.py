"""Dagster's daemon as `nilometer ui` starts it: as it is, but for how it notes down what a run is to make.

Of a backfill over years that is an event for each day and asset, for which it holds the history open (`kept_open`).
What the daemon asks for is in `assets.schedules` and `assets.sensors`.
"""

from __future__ import annotations

from functools import wraps
from typing import Any

from dagster._core.instance.runs.run_domain import RunDomain
from dagster._daemon.cli import main

from assets.processes.kept_open import kept_open


def plan_quickly() -> None:
    """Hold the history open in this process while Dagster notes down what a run is to make."""
    note_down = RunDomain._log_asset_planned_events

    @wraps(note_down)
    def noted(self: RunDomain, *about: Any, **more: Any) -> None:
        with kept_open(self._instance):
            note_down(self, *about, **more)

    RunDomain._log_asset_planned_events = noted  # type: ignore[method-assign]


if __name__ == "__main__":
    plan_quickly()
    main()

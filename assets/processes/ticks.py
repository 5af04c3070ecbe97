"""When schedules and sensors looked last, as Dagster keeps it: where that lies ahead of the clock, they would not look.

A clock that was ahead, be it for a minute, leaves such times behind, and Dagster waits until they have come: for a year
after one of a year. What they ask for when they look is in `assets.schedules` and `assets.sensors`.
"""

from __future__ import annotations

import time
from typing import Any

import dagster as dg
from dagster._core.scheduler.instigation import InstigatorState

from assets.processes.location import NAME

AHEAD_SECONDS = 300
"""Clocks of two machines differ by less."""
_SEEN = ("last_tick_timestamp", "last_tick_start_timestamp", "last_iteration_timestamp", "start_timestamp")
"""The times by which Dagster decides when to look next, of sensors and schedules."""


def set_right(instance: dg.DagsterInstance) -> list[str]:
    """Put looks of a time that has not come at this moment; the names of the schedules and sensors that had some."""
    late = time.time() + AHEAD_SECONDS
    states = [s for s in instance.all_instigator_state() if s.repository_selector.location_name == NAME]
    return sorted({s.instigator_name for s in states if _set_right(instance, s, late)})


def _set_right(instance: dg.DagsterInstance, state: InstigatorState, late: float) -> bool:
    ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, after=late)
    for tick in ticks:
        instance.update_tick(tick._replace(tick_data=tick.tick_data._replace(timestamp=time.time())))
    data: Any = state.instigator_data
    ahead = {n: time.time() for n in _SEEN if (getattr(data, n, None) or 0) > late}
    if ahead:
        instance.update_instigator_state(state.with_data(data._replace(**ahead)))
    return bool(ticks or ahead)

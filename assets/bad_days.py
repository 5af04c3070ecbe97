"""How a run ends whose days could not all be made: its last step fails and names the bad days.

Earlier steps end well, as good days go on. Which step is the last depends on what the run was launched for: a backfill
of one asset has none of the later ones. That a bad day stops no other is seen to in `assets.days`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import dagster as dg

from pipeline.schemas import ALERTS, ANOMALY_SCORES, DAILY_TRAFFIC, FLOWS, SURGE_SCORES, TRAFFIC_BASELINE
from pipeline.site import Site
from pipeline.stored.stages import failure_before

_ORDER = [t.name for t in (FLOWS, DAILY_TRAFFIC, TRAFFIC_BASELINE, SURGE_SCORES, ANOMALY_SCORES, ALERTS)]
"""The stages as steps of a run: none waits for a later one."""
Context = dg.AssetExecutionContext | dg.OpExecutionContext


class DaysFailed(dg.Failure):
    """Days of the run were not made; the others were."""


def fail_if_last(context: Context, site: Site, days: Sequence[dt.date], step: str) -> None:
    """Fail the run by the names of its bad days, when this step is its last one.

    Raises:
        DaysFailed: the step is the last of those that make or check days, and at least one day has failed.
    """
    planned = context.run.step_keys_to_execute or context.job_def.graph.node_dict
    stages = [s for s in _ORDER if s in planned]
    if not stages or step != next(n for s in reversed(_ORDER) for n in (f"{s}_checks", s) if n in planned):
        return
    bad = [d for d in days if any(failure_before(site, d, s, own=True) is not None for s in stages)]
    failures = {d: f for d in bad if (f := site.storage.failure(d)) is not None}
    if failures:
        named = "; ".join(f"{day} ({stage}): {reasons[0]}" for day, (stage, reasons) in failures.items())
        earlier = any(stage != step and stage in stages for stage, _ in failures.values())
        again = " Then launch the run again with all its steps: from failure it would repeat this one alone."
        told = f"{len(failures)} of {len(days)} days failed: {named}{again if earlier else ''}"
        raise DaysFailed(told, allow_retries=False)

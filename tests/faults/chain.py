"""The assets' own way through the days, without Dagster around it: what most of the kills are tried on."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any, cast

import dagster as dg

from assets.days import RANGE_END, RANGE_START, run_days
from data_quality import checks
from data_quality.checks import run_checks
from data_quality.results import day_quality
from data_quality.specs import CheckSpec, check_specs
from pipeline.intake.landing import Landing
from pipeline.locks import site_lock
from pipeline.site import Site
from pipeline.stored import stages, verdicts


class Context:
    """As much of an asset's context as the days need."""

    log = logging.getLogger("chain")
    retry_number = 0
    instance = SimpleNamespace(event_log_storage=None)  # Runs of this chain have no history.
    op_execution_context = SimpleNamespace(op_def=SimpleNamespace(retry_policy=None))

    def __init__(self, days: Sequence[dt.date]) -> None:
        tags = {RANGE_START: days[0].isoformat(), RANGE_END: days[-1].isoformat()}
        self.run = SimpleNamespace(run_id="chain", tags=tags, step_keys_to_execute=("chain",))

    def log_event(self, event: Any) -> None:
        """Dagster would keep it."""


def judge(spec: CheckSpec, profiles: Mapping[dt.date, Mapping[str, Any]]) -> list[set[dt.date]]:
    """Great Expectations' judgement of bounds in a line, as it would take most of the time; results must be equal."""

    def meets(value: float | None, bounds: Mapping[str, Any]) -> bool:
        least, most = bounds.get("min_value"), bounds.get("max_value")
        return value is None or ((least is None or value >= least) and (most is None or value <= most))

    bounds = [e["kwargs"] for e in spec.expectations]
    return [{d for d, p in profiles.items() if not meets(p.get(b["column"]), b)} for b in bounds]


def run_chain(site: Site, days: Sequence[dt.date]) -> None:
    """All stages and checks of the days, in the order of a range run."""
    context = cast("dg.AssetExecutionContext", Context(days))
    checks._unexpected = judge
    with site_lock(site.storage, wait=False):
        site.storage.remove_leftovers()
        verdicts.recover(site.storage)
        landing = Landing(site.root, site.storage, site.settings, dt.datetime.now(dt.UTC))
        landing.land(days)
        makers = {
            "flows": lambda day: stages.make_flows(site, landing, day),
            "daily_traffic": lambda day: stages.make_daily(site, day),
            "traffic_baseline": lambda day: stages.make_baseline(site, day),
            "anomaly_scores": lambda day: stages.make_scores(site, day),
            "alerts": lambda day: stages.publish_alerts(site, day, day_quality(site, day))[0],
        }
        for stage, make in makers.items():
            if stage == "alerts":
                verdicts.open_days(site.storage, days)
            run_days(context, site, stage, make)
            if stage == "alerts":
                verdicts.close_days(site.storage)
            for spec in (s for s in check_specs() if s.table == stage):
                run_checks(spec, site, days)

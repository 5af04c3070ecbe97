"""The site's code location as Dagster knows it: its name, and what is recorded under it.

The UI lists runs, schedules and sensors by their code location, so that runs of the command line must say that they
are of the same one. Which process serves the location is in `assets.processes.code_server`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import dagster as dg
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import InstigatorState

NAME = "nilometer"
_FORMER = "assets.definitions"
"""What `nilometer ui` and the units of `deploy/` called it once."""
_REPOSITORY = "__repository__"
"""How Dagster calls the definitions of a location that holds one set of them."""


def _repository() -> RemoteRepositoryOrigin:
    return RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(NAME), _REPOSITORY)


@contextmanager
def recording(instance: dg.DagsterInstance, job: str, planned: Callable[[], None]) -> Iterator[None]:
    """Runs of the job that are created inside belong to the location, so that its pages and the timeline show them.

    Planned is called for each event by which Dagster notes down what a run is to make.
    """
    # Dagster's execute_in_process has no word for it; the method is put back by taking the instance's own one away.
    origin = _repository().get_job_origin(job)
    note_down = instance.report_dagster_event

    def noted(event: dg.DagsterEvent, *about: Any, **more: Any) -> None:
        note_down(event, *about, **more)
        if event.event_type is dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED:
            planned()

    vars(instance)["create_run_for_job"] = partial(instance.create_run_for_job, remote_job_origin=origin)
    vars(instance)["report_dagster_event"] = noted
    try:
        yield
    finally:
        del vars(instance)["create_run_for_job"], vars(instance)["report_dagster_event"]


def carry_over(instance: dg.DagsterInstance) -> list[str]:
    """Keep switched off what was switched off under the location's former name, and cursors; the names kept so."""
    states = instance.all_instigator_state()
    known = {s.instigator_name for s in states if s.repository_selector.location_name == NAME}
    former = [s for s in states if s.repository_selector.location_name == _FORMER and s.instigator_name not in known]
    for state in former:
        instance.add_instigator_state(_renamed(state))
    return sorted(s.instigator_name for s in former)


def _renamed(state: InstigatorState) -> InstigatorState:
    origin = RemoteInstigatorOrigin(_repository(), state.instigator_name)
    return InstigatorState(origin, state.instigator_type, state.status, state.instigator_data)

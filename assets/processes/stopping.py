"""Ctrl-C during a run of Dagster's, which takes the signal for itself and goes on with what is not the current step.

Here it becomes again what it is elsewhere, KeyboardInterrupt, after which the command begins nothing more; "Terminate"
in the UI is the same to a run of the daemon. How the command then ends is in `assets.command`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

INTERRUPTS = (dg.DagsterExecutionInterruptedError, KeyboardInterrupt)


class Stopped(dg.Failure):
    """Somebody ended a step that has a retry policy, with which Dagster would try it again and go on with the run."""


_STOPPED = {dg.DagsterExecutionInterruptedError.__name__, Stopped.__name__}


@contextmanager
def stoppable() -> Iterator[None]:
    """Ctrl-C, and a request to end, are what they were before Dagster took them, and no libraries' errors."""
    last = logging.lastResort
    if last is not None:
        last.addFilter(_no_stop)
    try:
        yield
    except dg.DagsterExecutionInterruptedError:
        raise KeyboardInterrupt from None
    finally:
        if last is not None:
            last.removeFilter(_no_stop)


def _no_stop(record: logging.LogRecord) -> bool:
    """Whether a message is of anything else than being stopped, which connections that are closed log at length."""
    kind = record.exc_info[0] if record.exc_info else None
    return kind is None or not issubclass(kind, KeyboardInterrupt | dg.DagsterExecutionInterruptedError)


def was_stopped(result: dg.ExecuteInProcessResult) -> bool:
    """Whether a step was ended from outside, after which nothing more is to be begun."""
    return any(tells_a_stop(e) for e in result.filter_events(lambda e: e.is_step_failure))


def tells_a_stop(event: dg.DagsterEvent) -> bool:
    """Whether the event is of a step that was ended from outside."""
    error = event.step_failure_data.error if event.is_step_failure else None
    return error is not None and error.cls_name in _STOPPED

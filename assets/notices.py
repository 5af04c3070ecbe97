"""Which failed runs are told of, and when: each once, and again later where the webhook did not take it.

Nothing is posted again that the webhook may have taken. What is told, and to whom, is in `assets.notify`.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Final, Self

import dagster as dg
from dagster._core.definitions.run_request import DagsterRunReaction
from dagster._core.event_api import RunStatusChangeRecordsFilter
from dagster_shared.error import SerializableErrorInfo

from assets.notify import NotifyError, message, post
from assets.processes.run_tags import by_command
from pipeline.site import Site

INTERVAL_SECONDS = 60
MAX_TRIES = 12
"""Posts of one failure, the last after some 20 hours; then it is shown in the UI alone."""
LONGEST_WAIT_SECONDS = 4 * 3_600
MAX_WAITING = 100
"""Failures that wait to be posted again; of more, the oldest are given up."""
MAX_POSTS = 5
LOOK_SECONDS = 15
"""After this long a look begins no further post: Dagster gives up a look that takes a minute, and repeats it."""
_EVENT: Final = dg.DagsterEventType.RUN_FAILURE


@dataclass
class _Told:
    """The cursor: up to which failure all were looked at, and those that wait to be told again."""

    after: int = -1
    waiting: dict[str, tuple[int, float]] = field(default_factory=dict)
    """Number of the failure -> posts that failed, and when the next is due, in seconds of the epoch."""

    @classmethod
    def of(cls, cursor: str) -> Self | None:
        """What a cursor tells, that of Dagster's own sensor of failed runs, too; None for any other text."""
        try:
            data = json.loads(cursor)
            after = data["after"] if "after" in data else data["record_id"]
            return cls(int(after), {str(int(k)): (int(n), float(t)) for k, (n, t) in data.get("waiting", {}).items()})
        except (ValueError, TypeError, KeyError, AttributeError):
            return None

    @property
    def cursor(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    def wait(self, number: int) -> None:
        """A post failed: it is due again later, each time after twice as long, or given up."""
        tries, now = self.waiting.pop(str(number), (0, 0.0))[0] + 1, time.time()
        if tries < MAX_TRIES:
            pause = min(INTERVAL_SECONDS * 2**tries, LONGEST_WAIT_SECONDS)
            self.waiting[str(number)] = (tries, now + pause)
        for oldest in sorted(self.waiting, key=int)[:-MAX_WAITING]:
            del self.waiting[oldest]

    def due(self) -> list[int]:
        """Those to be told now, oldest first; a clock that was set back makes none wait longer than it should."""
        now = time.time()
        return sorted(int(k) for k, (_, t) in self.waiting.items() if not now < t <= now + LONGEST_WAIT_SECONDS)


def sensors(site: Site) -> list[dg.SensorDefinition]:
    """The sensor that tells of failed runs; none where the site names no webhook."""
    settings = site.settings.notify
    if settings.url_env is None:
        return []

    @dg.sensor(
        name="failed_runs",
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Posts each failed run to the webhook in {settings.url_env}.",
    )
    def failed_runs(context: dg.SensorEvaluationContext) -> Iterator[DagsterRunReaction | dg.SkipReason]:
        if context.last_sensor_start_time is None:
            yield dg.SkipReason("Nothing is posted by a look that is tried by hand.")
            return
        told = _Told.of(context.cursor or "")
        if told is None:
            last = context.instance.fetch_run_status_changes(_EVENT, limit=1).records
            told = _Told(last[0].storage_id if last else -1)
        reactions = _look(context, site, told)
        context.update_cursor(told.cursor)
        if reactions:
            yield from reactions
        else:
            waiting = f" {len(told.waiting)} are told of again later." if told.waiting else ""
            yield dg.SkipReason(f"No further run failed.{waiting}")

    return [failed_runs]


def _look(context: dg.SensorEvaluationContext, site: Site, told: _Told) -> list[DagsterRunReaction]:
    """Post what waits and what is new, until one post fails; what became of each, the one that failed last."""
    began, reactions = time.monotonic(), list[DagsterRunReaction]()
    for record in _failures(context.instance, told):
        if len(reactions) >= MAX_POSTS or time.monotonic() - began > LOOK_SECONDS:
            break
        number, entry = record.storage_id, record.event_log_entry
        run = context.instance.get_run_by_id(entry.run_id)
        told.after = max(told.after, number)
        if run is None or not _is_told_of(context, run):
            continue
        fault = _post(site, run, entry.dagster_event.message if entry.dagster_event else None)
        reactions.append(DagsterRunReaction(run, _shown(fault), dg.DagsterRunStatus.FAILURE))
        if isinstance(fault, NotifyError) and not fault.may_be_taken:
            told.wait(number)
        else:
            told.waiting.pop(str(number), None)
        if fault is not None:
            break
    return reactions


def _post(site: Site, run: dg.DagsterRun, text: str | None) -> Exception | None:
    """Tell of one run; what went wrong, whatever it is: the next look must not stumble over it again."""
    try:
        post(site.settings.notify, os.environ, message(site, run, text))
    except Exception as error:
        return error
    return None


def _shown(fault: Exception | None) -> SerializableErrorInfo | None:
    return SerializableErrorInfo(str(fault), [], type(fault).__name__) if fault else None


def _is_told_of(context: dg.SensorEvaluationContext, run: dg.DagsterRun) -> bool:
    """Whether a run is of this code location, and no command's, whose exit code has told whoever ran it."""
    mine, its = context.code_location_origin, run.remote_job_origin
    its_location = its.repository_origin.code_location_origin.location_name if its else None
    return its_location == (mine.location_name if mine else None) and not by_command(run.tags)


def _failures(instance: dg.DagsterInstance, told: _Told) -> Iterator[dg.EventLogRecord]:
    """Failures that are due again, and then those not looked at before, oldest first."""
    if due := told.due():
        wanted = RunStatusChangeRecordsFilter(_EVENT, storage_ids=due)
        found = instance.fetch_run_status_changes(wanted, limit=len(due), ascending=True).records
        for gone in set(due) - {r.storage_id for r in found}:  # Pruned.
            del told.waiting[str(gone)]
        yield from found
    wanted = RunStatusChangeRecordsFilter(_EVENT, after_storage_id=told.after)
    found = instance.fetch_run_status_changes(wanted, limit=MAX_WAITING, ascending=True).records
    yield from found

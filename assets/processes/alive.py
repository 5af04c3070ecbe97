"""Which runs still have a process: each holds an operating-system lock on a file of its own until it ends.

A process that is killed gives its lock back by dying, so that its run can be told from one that works; a run that died
before it took the lock is told by having begun no step. That only one run writes at a time is another matter, see
`pipeline.locks`.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
from dagster._core.execution.context.system import PlanOrchestrationContext
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._core.execution.retries import RetryMode

from assets.processes.instances import HOME
from assets.processes.run_tags import FOLDER, SITE, is_here, site_tags
from assets.processes.stopping import tells_a_stop
from pipeline.disk import exists, is_dir, seen
from pipeline.schemas import TABLES
from pipeline.settings import CONFIG_NAME
from pipeline.site import Site
from pipeline.stored.unchanged import ALIVE
from pipeline.waits import telling

RUNNING = (dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING)
ASSET_JOB = "__ASSET_JOB"
"""How Dagster calls runs of assets that somebody chose, in every code location."""
YOUNG_SECONDS = 60
"""A lock that nobody holds yet may be about to be taken."""
UNBEGUN_SECONDS = 600
"""A run without a lock that began no step, and of which nothing was noted down for so long, has no process: what it is
to make is noted down without a pause, and a step begins as soon as it has started."""
DIED = "The process of this run died before it ended."
_held: dict[Path, int] = {}


def executor(site: Site) -> dg.ExecutorDefinition:
    """Dagster's in-process executor, which holds the run's lock from its first moment."""
    inner = dg.in_process_executor

    def holding(context: dg.InitExecutorContext) -> dg.Executor:
        assert inner.executor_creation_fn is not None
        return _Holding(site, inner.executor_creation_fn(context))

    schema = inner.config_schema.as_field()
    return dg.ExecutorDefinition(
        inner.name, config_schema=schema, executor_creation_fn=holding, description=inner.description
    )


class _Holding(dg.Executor):
    """An executor that is known to be alive, and gives its runs the tags that every run of the site has."""

    def __init__(self, site: Site, inner: dg.Executor) -> None:
        self._site, self._inner = site, inner

    @property
    def retries(self) -> RetryMode:
        return self._inner.retries

    def execute(
        self, plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan
    ) -> Iterator[dg.DagsterEvent]:
        hold(self._site, plan_context.run_id)
        if is_of(self._site, plan_context.dagster_run):  # A location may hold more than the site.
            plan_context.instance.add_run_tags(plan_context.run_id, site_tags(self._site))
        with telling(plan_context.log.info):  # A step that waits for another run looks like one that hangs.
            for event in self._inner.execute(plan_context, execution_plan):
                yield event
                if tells_a_stop(event):  # Dagster would begin the steps that do not wait for this one.
                    raise dg.DagsterExecutionInterruptedError


def _folder(site: Site) -> Path:
    return site.storage.workspace / ALIVE


def hold(site: Site, run_id: str) -> None:
    """Show that this process works on the run, until release or the process's end."""
    path = _folder(site) / f"{run_id}.lock"
    if path in _held:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o640)
    fcntl.flock(handle, fcntl.LOCK_EX)
    _held[path] = handle


def release(site: Site, run_id: str) -> None:
    """This process is done with the run."""
    path = _folder(site) / f"{run_id}.lock"
    if (handle := _held.pop(path, None)) is not None:
        path.unlink(missing_ok=True)
        os.close(handle)


def is_of(site: Site, run: dg.DagsterRun, location: str | None = None) -> bool:
    """Whether a run is one of the site's, in an instance that other sites and other code locations may use too.

    Args:
        site: the site.
        run: the run.
        location: the code location that the site is in, where that is known: what somebody launched of the assets of
            another one, which may have another site's, has the site's tags only when it begins.
    """
    if SITE in run.tags:
        return is_here(site, run.tags)
    if location is not None and run.remote_job_origin is not None and run.remote_job_origin.location_name != location:
        return False
    if not run.job_name.startswith(ASSET_JOB):
        return run.job_name.startswith("nilometer_")
    chosen = [*(run.asset_selection or ()), *(c.asset_key for c in run.asset_check_selection or ())]
    return any(key.to_user_string() in TABLES for key in chosen)


def bury(instance: dg.DagsterInstance, site: Site, location: str | None = None) -> list[str]:
    """Mark runs whose process died as failed, as they would be waited for; the ids of these runs."""
    records = instance.get_run_records(dg.RunsFilter(statuses=[dg.DagsterRunStatus.NOT_STARTED, *RUNNING]))
    running = {r.dagster_run.run_id: r for r in records}
    ours = {run_id for run_id, record in running.items() if is_of(site, record.dagster_run, location)}
    orphans = [run_id for run_id in _orphans(site) if run_id in running]
    dead = [i for i in orphans if i in ours or _came_along(instance, site, running[i].dagster_run)]
    dead += [i for i in ours if i not in dead and _never_began(instance, site, running[i])]
    for run_id in dead:
        instance.report_run_failed(running[run_id].dagster_run, DIED)
    return dead


def _came_along(instance: dg.DagsterInstance, site: Site, run: dg.DagsterRun) -> bool:
    """Whether a run whose lock lies here began when the site had another folder: it was moved, or its history copied.

    In an instance that others use a copy of the site does not end the runs of the original.
    """
    own = Path(instance.root_directory).resolve() == site.root / HOME
    return own or not seen((Path(run.tags.get(FOLDER, "")) / CONFIG_NAME).is_file)


def _never_began(instance: dg.DagsterInstance, site: Site, record: dg.RunRecord) -> bool:
    """Whether a run has no lock and began no step, and had the time to."""
    run_id, changed = record.dagster_run.run_id, record.update_timestamp.timestamp()
    if _is_new(changed, UNBEGUN_SECONDS) or exists(_folder(site) / f"{run_id}.lock"):
        return False
    newest = instance.get_records_for_run(run_id, limit=1, ascending=False).records
    if any(_is_new(r.timestamp, UNBEGUN_SECONDS) for r in newest):
        return False
    return not instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_START)


def _is_new(when: float, seconds: int) -> bool:
    """Whether something is no older than that; what lies as far ahead is of a clock that was set back, and is old."""
    return abs(time.time() - when) < seconds


def _orphans(site: Site) -> Iterator[str]:
    """Runs whose lock nobody holds; their files go."""
    folder = _folder(site)
    for path in sorted(folder.iterdir()) if is_dir(folder) else ():
        if path.suffix == ".lock" and path not in _held and _is_free(path):
            path.unlink(missing_ok=True)
            yield path.stem


def _is_free(path: Path) -> bool:
    try:
        young = _is_new(path.stat().st_mtime, YOUNG_SECONDS)
        handle = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    if young:
        os.close(handle)
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    return True

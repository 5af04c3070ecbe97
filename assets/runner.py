"""Runs of the site's Dagster assets from the command line, recorded in the site's own instance.

The very assets and checks of the UI run here, in this process and under the site's lock. Which days, how they are
printed and what the exit code says is decided in `assets.cli`.
"""

from __future__ import annotations

import datetime as dt
import warnings
from collections.abc import Callable, Mapping, Sequence, Sized
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
from dagster_shared.error import SerializableErrorInfo

from assets import checks
from assets.bad_days import DaysFailed
from assets.build import build_defs
from assets.days import RANGE_END, RANGE_START, REFRESH_TAG, Kept, land, passing_over
from assets.processes import alive
from assets.processes.instances import history
from assets.processes.location import recording
from assets.processes.run_tags import COMMAND, DAYS, by_command, command_tags, is_here
from assets.processes.run_tags import ORIGIN as ORIGIN_TAG
from assets.processes.stopping import stoppable, was_stopped
from assets.reporting import journal
from assets.reporting.progress import PLANNING, shown, steps
from assets.schedules import JOB
from data_quality.judged import names_unjudged
from data_quality.results import day_quality
from pipeline.acceptance import FIT
from pipeline.days import day_range, parse_day, runs_of_days, window_days
from pipeline.disk import with_remedy
from pipeline.locks import site_lock
from pipeline.site import Site
from pipeline.storage import DayRecord
from pipeline.stored import stale
from pipeline.stored.now import check_days, last_ended_day, open_landing
from pipeline.stored.status import DayStatus, days_status, snapshot, up_to_date
from pipeline.stored.verdicts import recover

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
MAX_PASSES = 5


@dataclass
class RunReport:
    """What a run came to: the status of the asked days, and what else went wrong."""

    days: list[DayStatus] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether every asked day is done and verified or accepted, and nothing else went wrong."""
        return not self.problems and all(d.state == "done" and d.quality in FIT for d in self.days)


def run_days(site: Site, days: Sequence[dt.date], *, reread: bool = False) -> RunReport:
    """Make all tables of the days, and before them flows and daily traffic of what their windows lack.

    With reread, logs of the days whose landed rows were pruned are read again, where they are still there.
    """
    check_days(site, days)
    with site_lock(site.storage, wait=False), history(site) as instance:
        runner = _Runner(site, instance)
        if reread:
            runner.land(days, reread=True)
        return runner.run(days)


def run_stale(site: Site) -> RunReport:
    """Bring days up to date until none is stale: stale and failed ones, and days left out between scored ones."""
    with site_lock(site.storage, wait=False), history(site) as instance:
        runner, made = _Runner(site, instance, refresh=True), set[dt.date]()
        runner.land(stale.kept_span(site, last_ended_day(site)))
        runner.complete(stale.scored_span(site, last_ended_day(site)))
        judged = runner.judge(stale.kept_span(site, last_ended_day(site)))
        for _ in range(MAX_PASSES):
            span = stale.scored_span(site, last_ended_day(site))
            states = {s.day: s.state for s in runner.stand(span)}
            todo = [d for d, state in states.items() if state == "stale" or (state != "done" and d not in made)]
            if not todo:
                break
            made |= set(todo)
            runner.make(todo)
        return runner.report(sorted(made | (judged & set(stale.scored_span(site, last_ended_day(site))))))


class _Runner:
    """One command's runs on one instance."""

    def __init__(self, site: Site, instance: dg.DagsterInstance, *, refresh: bool = False) -> None:
        self._site, self._instance, self._refresh = site, instance, refresh
        self._problems: list[str] = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            defs = build_defs(site)
            self._job, self._checks = defs.resolve_job_def(JOB), defs.resolve_job_def(checks.JOB)
        site.storage.remove_leftovers()
        self._made_before = self._bury_dead_runs()
        recover(site.storage)

    def run(self, days: Sequence[dt.date]) -> RunReport:
        """Make the days and say what they came to."""
        self.make(days)
        return self.report(days)

    def stand(self, days: Sequence[dt.date]) -> list[DayStatus]:
        """The state of the days' tables now."""
        return days_status(self._site, open_landing(self._site), days, day_quality)

    def report(self, days: Sequence[dt.date]) -> RunReport:
        """The state of the days now."""
        status = days_status(self._site, open_landing(self._site), days, day_quality, unjudged=names_unjudged)
        return RunReport(status, list(dict.fromkeys(self._problems)))

    def land(self, days: Sequence[dt.date], *, reread: bool = False) -> None:
        """Read new and changed logs that may hold the days."""
        with shown("run"):
            landed = land(self._site, open_landing(self._site), days, reread=reread)
        self._problems += [p.message for p in landed.problems]

    def make(self, days: Sequence[dt.date]) -> None:
        """Land, fill the windows, then make the days."""
        site = self._site
        window = self._before(days, site.history_days)
        self.land([*window, *days])
        self._fill(window, ("flows", "daily_traffic"))
        self.judge(window)
        if site.surge_days:
            self._fill(stale.with_traffic(site, self._before(days, site.surge_days)), ("surge_scores",))
        self._ranges(days, "run", None)

    def complete(self, span: Sequence[dt.date]) -> None:
        """Make what the windows of scored days lack, as a backfill of the UI does not."""
        if lack := stale.lacking(self._site, span):
            self._ranges(lack, "window", [dg.AssetKey(t) for t in stale.FILLED])
        if lack := stale.uncalibrated(self._site, span):
            self._ranges(lack, "window", [dg.AssetKey("surge_scores")])

    def judge(self, days: Sequence[dt.date]) -> set[dt.date]:
        """Run the checks again whose results are of other data than is stored, and make no day; the days judged."""
        seen = snapshot(self._site)
        if found := [d for d in days if names_unjudged(seen, d)]:
            config = _QUIET | checks.config([d.isoformat() for d in found])
            self._execute("checks", self._checks, command_tags(self._site, found), config)
        return set(found)

    def _before(self, days: Sequence[dt.date], lookback: int) -> list[dt.date]:
        """The days in the windows of the days that are none of them."""
        start = self._site.settings.start_date
        firsts = [first for first, _ in runs_of_days(list(days))]
        return sorted({d for first in firsts for d in window_days(first, lookback, start)} - set(days))

    def _fill(self, window: Sequence[dt.date], tables: Sequence[str]) -> None:
        """Make the tables of window days that lack them."""
        if missing := self._unready(window, tables):
            self._ranges(missing, "window", [dg.AssetKey(t) for t in tables])
            self._problems += self._failures(missing)

    def _unready(self, window: Sequence[dt.date], names: Sequence[str]) -> list[dt.date]:
        """Window days of which a table is missing or would come out differently."""
        found = []
        for status in self.stand(window):
            tables = [status.tables.get(name) for name in names]
            if status.state == "failed" or any(t is None or t.stale for t in tables):
                found.append(status.day)
        return found

    def _failures(self, days: Sequence[dt.date]) -> list[str]:
        failures = [(d, f) for d in days if (f := self._site.storage.failure(d)) is not None]
        return [f"window day {d}: {'; '.join(f[1])}" for d, f in failures]

    def _ranges(self, days: Sequence[dt.date], title: str, selection: list[dg.AssetKey] | None) -> None:
        for first, last in runs_of_days(list(days)):
            tags = {RANGE_START: first.isoformat(), RANGE_END: last.isoformat()}
            tags |= command_tags(self._site, [first, last])
            tags |= {REFRESH_TAG: "stale"} if self._refresh else {}
            with passing_over(self._kept()):
                self._execute(title, self._job, tags, _QUIET, selection)

    def _execute(
        self,
        title: str,
        job: dg.JobDefinition,
        tags: dict[str, str],
        config: dict[str, Any],
        selection: list[dg.AssetKey] | None = None,
    ) -> None:
        """One run, here and now; what went wrong by itself is kept as a problem."""
        with shown(title), warnings.catch_warnings():
            warnings.simplefilter("ignore", dg.BetaWarning)
            warnings.simplefilter("ignore", dg.PreviewWarning)
            planned = _planning(tags, selection or job.asset_layer.selected_asset_keys)
            with stoppable(), recording(self._instance, job.name, planned):
                result = job.execute_in_process(
                    instance=self._instance,
                    tags=tags,
                    asset_selection=selection,
                    run_config=config,
                    raise_on_error=False,
                )
        alive.release(self._site, result.run_id)
        journal.write("info", "run_ended", run_id=result.run_id, days=tags[DAYS], success=result.success)
        self._problems += _faults(result)
        if was_stopped(result):
            raise KeyboardInterrupt

    def _kept(self) -> Kept:
        """What need not be made again: a run that died had made it, and it would come out the same now."""
        site, made = self._site, self._made_before
        landing = open_landing(site) if made else None

        def kept(stage: str, day: dt.date) -> DayRecord | None:
            if landing is None or (stage, day) not in made or site.storage.failure(day) is not None:
                return None
            known = up_to_date(site, landing, stage, day, day_quality)
            return site.storage.record(stage, day) if known else None

        return kept

    def _bury_dead_runs(self) -> set[tuple[str, dt.date]]:
        """End runs of earlier commands that never ended: we hold the lock, so they are dead. What they had made."""
        made = set[tuple[str, dt.date]]()
        unended = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.NOT_STARTED]
        wanted = dg.RunsFilter(statuses=unended, tags={ORIGIN_TAG: COMMAND})
        for run in self._instance.get_runs(wanted):
            if not is_here(self._site, run.tags) or not by_command(run.tags):
                continue  # Another site's, in an instance that both use, or the daemon's, of a command's run.
            made |= self._made_by(run.run_id)
            self._instance.report_run_failed(run, alive.DIED)
        for run_id in alive.bury(self._instance, self._site):
            made |= self._made_by(run_id)
        return made

    def _made_by(self, run_id: str) -> set[tuple[str, dt.date]]:
        logs = self._instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
        events = [log.dagster_event for log in logs if log.dagster_event is not None]
        return {(e.asset_key.to_user_string(), parse_day(e.partition)) for e in events if e.asset_key and e.partition}


def _planning(tags: Mapping[str, str], assets: Sized) -> Callable[[], None]:
    """Reports how far Dagster is with noting down a run's days, an event for each day and asset."""
    ends = [parse_day(tags[end]) for end in (RANGE_START, RANGE_END) if end in tags]
    return steps(PLANNING, max(len(assets), 1), len(day_range(*ends)) if ends else 0)


def _faults(result: dg.ExecuteInProcessResult) -> list[str]:
    """Steps that failed by themselves, or why the run failed without one; the last one fails to name bad days."""
    errors = [(e.step_key, e.step_failure_data.error) for e in result.filter_events(lambda e: e.is_step_failure)]
    told = [f"step {step} failed: {_told(error)}" for step, error in errors if not _by_design(error)]
    if errors or result.success:
        return told
    failed = result.filter_events(lambda e: e.is_job_failure)
    return [f"the run failed: {_told(e.job_failure_data.error)}" for e in failed] or [
        "the run failed, and did not say why"
    ]


def _by_design(error: SerializableErrorInfo | None) -> bool:
    return error is not None and error.cls_name == DaysFailed.__name__


def _told(error: SerializableErrorInfo | None) -> str:
    """What was wrong: the first cause, which Dagster wraps."""
    while error is not None and error.cause is not None:
        error = error.cause
    return with_remedy(error.message.strip()) if error else "no message"

"""Runs of the site's Dagster assets from the command line, recorded in the site's own instance.

The very assets and checks of the UI run here, in this process and under the site's lock. Which days, how they are
printed and what the exit code says is decided in `assets.cli`.
"""

from __future__ import annotations

import datetime as dt
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
from dagster_shared.error import SerializableErrorInfo
from sqlalchemy.exc import DBAPIError

from assets.build import build_defs
from assets.days import Kept, passing_over
from assets.progress import report, shown
from assets.schedules import JOB
from data_quality.checks import day_quality
from pipeline.days import day_range, parse_day, runs_of_days, window_days
from pipeline.errors import ConfigError, Location, NilometerError
from pipeline.landing import Landing
from pipeline.locks import site_lock
from pipeline.site import Site
from pipeline.status import DayStatus, current_record, days_status
from pipeline.storage import DayRecord

HOME = "dagster_home"
ORIGIN_TAG = "nilometer/origin"
_INSTANCE = """# The site's Dagster instance: run history, on this machine only.
telemetry: {enabled: false}
nux: {enabled: false}
"""
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
_START, _END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
MAX_PASSES = 5


@dataclass
class RunReport:
    """What a run came to: the status of the asked days, and what else went wrong."""

    days: list[DayStatus] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether every asked day is done and verified, and nothing else went wrong."""
        return not self.problems and all(d.state == "done" and d.quality == "verified" for d in self.days)


def open_landing(site: Site) -> Landing:
    """The site's landing as of now."""
    return Landing(site.root, site.storage.root, site.settings, dt.datetime.now(dt.UTC))


def home(site: Site) -> Path:
    """Where the site's Dagster instance lives."""
    return site.root / HOME


def open_instance(site: Site) -> dg.DagsterInstance:
    """The site's Dagster instance; made at its first use."""
    home(site).mkdir(parents=True, exist_ok=True)
    config = home(site) / "dagster.yaml"
    if not config.exists():
        config.write_text(_INSTANCE, encoding="utf-8")
    return dg.DagsterInstance.from_config(str(home(site)))


@contextmanager
def _history(site: Site) -> Iterator[dg.DagsterInstance]:
    """The instance, whose databases may be damaged, locked or on a full disk.

    Raises:
        NilometerError: so it is, before or during the run.
    """
    try:
        with open_instance(site) as instance:
            yield instance
    except DBAPIError as error:
        raise NilometerError(
            f"Dagster's run history cannot be used ({error.orig}). The tables are whole.",
            where=Location(file=str(home(site))),
            remedy="End other processes that use it, make room on its disk, or move the folder away, which holds "
            "history and no data; then run the same command again.",
        ) from error


def last_ended_day(site: Site, now: dt.datetime | None = None) -> dt.date:
    """Yesterday, in the site's zone."""
    now = now or dt.datetime.now(dt.UTC)
    return now.astimezone(ZoneInfo(site.settings.timezone)).date() - dt.timedelta(days=1)


def check_days(site: Site, days: Sequence[dt.date]) -> None:
    """Raise ConfigError for days that are no partition of the site."""
    start, end = site.settings.start_date, last_ended_day(site)
    if not days:
        raise ConfigError("there is no day to run: the first day lies after the last.")
    if days[0] < start:
        raise ConfigError(
            f"{days[0]} lies before the site's start_date {start}.", remedy="Ask for later days, or change start_date."
        )
    if days[-1] > end:
        raise ConfigError(
            f"{days[-1]} has not ended yet; the last day that has is {end} ({site.settings.timezone}).",
            remedy="Ask for days that have ended; the hourly preview judges the day in progress.",
        )


def run_days(site: Site, days: Sequence[dt.date]) -> RunReport:
    """Make all tables of the days, and before them flows and daily traffic of what their windows lack."""
    check_days(site, days)
    with site_lock(site.storage.root, wait=False), _history(site) as instance:
        return _Runner(site, instance).run(days)


def run_stale(site: Site) -> RunReport:
    """Bring days up to date until none is stale: stale and failed ones, and days left out between scored ones."""
    with site_lock(site.storage.root, wait=False), _history(site) as instance:
        runner, made = _Runner(site, instance), set[dt.date]()
        runner.land(_scored_span(site))
        for _ in range(MAX_PASSES):
            states = {s.day: s.state for s in runner.report(_scored_span(site)).days}
            todo = [d for d, state in states.items() if state == "stale" or (state != "done" and d not in made)]
            if not todo:
                break
            made |= set(todo)
            runner.make(todo)
        return runner.report(sorted(made))


def _scored_span(site: Site) -> list[dt.date]:
    """From the first to the last day that was scored or failed."""
    tried = site.storage.days("alerts") + site.storage.failed_days()
    if not tried:
        return []
    return day_range(max(min(tried), site.settings.start_date), min(max(tried), last_ended_day(site)))


class _Runner:
    """One command's runs on one instance."""

    def __init__(self, site: Site, instance: dg.DagsterInstance) -> None:
        self._site, self._instance = site, instance
        self._problems: list[str] = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._job = build_defs(site).resolve_job_def(JOB)
        site.storage.remove_leftovers()
        self._made_before = self._bury_dead_runs()

    def run(self, days: Sequence[dt.date]) -> RunReport:
        """Make the days and say what they came to."""
        self.make(days)
        return self.report(days)

    def report(self, days: Sequence[dt.date]) -> RunReport:
        """The state of the days now."""
        status = days_status(self._site, open_landing(self._site), days, day_quality)
        return RunReport(status, list(dict.fromkeys(self._problems)))

    def land(self, days: Sequence[dt.date]) -> None:
        """Read new and changed logs that may hold the days."""
        with shown("run"):
            landed = open_landing(self._site).land(days, report)
        self._problems += [p.message for p in landed.problems]

    def make(self, days: Sequence[dt.date]) -> None:
        """Land, fill the windows, then make the days."""
        site = self._site
        window = self._before(days, site.history_days)
        self.land([*window, *days])
        self._fill(window, ("flows", "daily_traffic"))
        if site.surge_days:
            self._fill(self._before(days, site.surge_days), ("surge_scores",))
        self._ranges(days, "run", None)

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
        for status in days_status(self._site, open_landing(self._site), window, day_quality):
            tables = [status.tables.get(name) for name in names]
            if status.state == "failed" or any(t is None or t.stale for t in tables):
                found.append(status.day)
        return found

    def _failures(self, days: Sequence[dt.date]) -> list[str]:
        failures = [(d, f) for d in days if (f := self._site.storage.failure(d)) is not None]
        return [f"window day {d}: {'; '.join(f[1])}" for d, f in failures]

    def _ranges(self, days: Sequence[dt.date], title: str, selection: list[dg.AssetKey] | None) -> None:
        for first, last in runs_of_days(list(days)):
            tags = {_START: first.isoformat(), _END: last.isoformat(), ORIGIN_TAG: "command line"}
            with shown(title), passing_over(self._kept()), warnings.catch_warnings():
                warnings.simplefilter("ignore", dg.BetaWarning)
                warnings.simplefilter("ignore", dg.PreviewWarning)
                result = self._job.execute_in_process(
                    instance=self._instance,
                    tags=tags,
                    asset_selection=selection,
                    run_config=_QUIET,
                    raise_on_error=False,
                )
            self._problems += _faults(result)

    def _kept(self) -> Kept:
        """What need not be made again: a run that died had made it, and it would come out the same now."""
        site, made = self._site, self._made_before
        landing = open_landing(site) if made else None

        def kept(stage: str, day: dt.date) -> DayRecord | None:
            if landing is None or (stage, day) not in made or site.storage.failure(day) is not None:
                return None
            return current_record(site, landing, stage, day, day_quality)

        return kept

    def _bury_dead_runs(self) -> set[tuple[str, dt.date]]:
        """End runs of earlier commands that never ended: we hold the lock, so they are dead. What they had made."""
        made = set[tuple[str, dt.date]]()
        unended = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.NOT_STARTED]
        wanted = dg.RunsFilter(statuses=unended, tags={ORIGIN_TAG: "command line"})
        for run in self._instance.get_runs(wanted):
            made |= self._made_by(run.run_id)
            self._instance.report_run_failed(run, "The process of this run died before it ended.")
        return made

    def _made_by(self, run_id: str) -> set[tuple[str, dt.date]]:
        logs = self._instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
        events = [log.dagster_event for log in logs if log.dagster_event is not None]
        return {(e.asset_key.to_user_string(), parse_day(e.partition)) for e in events if e.asset_key and e.partition}


def _faults(result: dg.ExecuteInProcessResult) -> list[str]:
    """Steps that failed by themselves; the last one may fail by design, to name the bad days."""
    events = result.filter_events(lambda e: e.is_step_failure)
    errors = [(e.step_key, e.step_failure_data.error) for e in events]
    return [f"step {step} failed: {_told(error)}" for step, error in errors if not _by_design(step, error)]


def _by_design(step: str | None, error: SerializableErrorInfo | None) -> bool:
    return step == "alerts" and error is not None and error.cls_name == dg.Failure.__name__


def _told(error: SerializableErrorInfo | None) -> str:
    """What was wrong: the first cause, which Dagster wraps."""
    while error is not None and error.cause is not None:
        error = error.cause
    return error.message.strip() if error else "no message"

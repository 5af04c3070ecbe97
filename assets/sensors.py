"""Sensors: new and changed logs are read, stale days become runs, and days whose checks are of other data are judged.

Each looks and asks; the work is done in runs. What is stale is told by `pipeline.stored.stale`, who is told of failures
and how by `assets.notify`.
"""

import datetime as dt
import json
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import dagster as dg
from dagster._core.storage.tags import SCHEDULE_NAME_TAG

from assets import checks
from assets.days import PARTITION, RANGE_END, RANGE_START, REFRESH_TAG, RETRY, final
from assets.flows import observation
from assets.processes import alive, daemons
from assets.processes.instances import POOL
from assets.processes.run_tags import DAYS, site_tags
from assets.processes.run_tags import ORIGIN as ORIGIN_TAG
from assets.schedules import DAILY, JOB
from data_quality.results import day_quality
from data_quality.specs import CheckSpec
from pipeline.days import parse_day
from pipeline.disk import is_file, tells_a_fault
from pipeline.locks import site_lock
from pipeline.settings import CONFIG_NAME
from pipeline.site import Site, open_site
from pipeline.storage import digest
from pipeline.stored import stale, unchanged
from pipeline.stored.now import last_ended_day, open_landing
from pipeline.stored.status import snapshot

LANDING_JOB = "nilometer_landing"
INTERVAL_SECONDS = 60
REST_SECONDS = 3_600
"""After this long, all days are looked at although no file of the site changed."""
MAX_RUNS, MAX_DAYS = 4, 31
"""Runs that one look may ask for, and days of one run."""
QUIET_SECONDS = 300
"""A log that changed since is being written: it would be read again at every look."""
MAX_TRIES = 3
"""Runs for the same need; then it is left until something changes."""
AGAIN_SECONDS = 6 * 3_600
"""After this long, what was left for a fault of the machine is asked for once more: nobody says that it was mended."""
UNFINISHED = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED, *alive.RUNNING]
CHAIN_JOBS = [JOB, LANDING_JOB, checks.JOB, alive.ASSET_JOB]
"""Runs that change what is stored."""
_SHOWN = 3
Found = list[dg.RunRequest] | str
"""What a look asks for, or why it asks for nothing."""


@dataclass
class _Asked:
    """The cursor: how many requests there were, how often each need was asked for in vain, and when there was none."""

    count: int = 0
    """Counted on from the seconds of the epoch when it began: Dagster launches nothing for a key that any run has had,
    and a cursor that is reset is to ask again."""
    tries: dict[str, tuple[str, int]] = field(default_factory=dict)
    rest: str = ""
    """The site's mark when a look found nothing to do."""
    since: float = 0.0
    """When that was, in seconds of the epoch."""
    left: float = 0.0
    """Since when something is left that a fault of the machine kept from being made, or was last asked for again."""

    @classmethod
    def of(cls, cursor: str | None) -> Self:
        """What a cursor says; one that was reset, or was not written by us, says nothing."""
        try:
            data: dict[str, Any] = json.loads(cursor or "{}")
            tries = {k: (str(s), int(n)) for k, (s, n) in data["tries"].items()}
            since, left = float(data.get("since", 0.0)), float(data.get("left", 0.0))
            return cls(int(data["count"]), tries, str(data.get("rest", "")), since, left)
        except (ValueError, TypeError, KeyError, AttributeError):
            return cls(int(time.time()))

    @property
    def cursor(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    def rests(self, mark: str | None) -> bool:
        """Whether nothing changed since a look found nothing to do, and that is not long ago."""
        return bool(mark) and mark == self.rest and 0 <= time.time() - self.since < REST_SECONDS

    def keep_rest(self, mark: str | None) -> None:
        """Remember the mark that was found before a look which found nothing to do."""
        self.rest, self.since = mark or "", time.time()

    def keep(self, needs: Iterable[str]) -> None:
        """Forget what is no longer needed."""
        self.tries = {k: self.tries[k] for k in needs if k in self.tries}

    def may(self, need: str, signature: str) -> bool:
        return self.tried(need, signature) < MAX_TRIES

    def tried(self, need: str, signature: str) -> int:
        """How often the need was asked for."""
        known, tries = self.tries.get(need, ("", 0))
        return tries if known == signature else 0

    def leave(self, needs: Collection[str]) -> None:
        """Count the time for needs that are left although they might be met by now; each is asked for once more."""
        now = time.time()
        if not needs:
            self.left = 0.0
        elif not self.left:
            self.left = now
        elif abs(now - self.left) >= AGAIN_SECONDS:  # Or the clock was set back.
            self.left = now
            self.tries |= {n: (self.tries[n][0], MAX_TRIES - 1) for n in needs}

    def ask(self, needs: Mapping[str, str]) -> None:
        """Count a request for needs (name -> signature)."""
        self.count += 1
        for need, signature in needs.items():
            known, tries = self.tries.get(need, ("", 0))
            self.tries[need] = (signature, tries + 1 if known == signature else 1)


@dataclass(frozen=True)
class Runs:
    """The runs of the site, in an instance that others may use."""

    site: Site
    instance: dg.DagsterInstance
    location: str | None
    """The code location that the sensor is in."""

    def busy(self, jobs: Sequence[str]) -> bool:
        """Whether a run of one of the jobs has not ended."""
        found = self.instance.get_runs(dg.RunsFilter(statuses=UNFINISHED))
        return any(r.job_name.startswith(tuple(jobs)) and self._has(r) for r in found)

    def scheduled_in_vain(self) -> Iterator[dt.date]:
        """The days of the schedule's newest runs that failed: one that died before it began tells of no day."""
        failed = dg.RunsFilter(job_name=JOB, statuses=[dg.DagsterRunStatus.FAILURE], tags={SCHEDULE_NAME_TAG: DAILY})
        for run in self.instance.get_runs(failed, limit=MAX_DAYS):
            if self._has(run) and (day := run.tags.get(PARTITION) or run.tags.get(RANGE_END)):
                yield parse_day(day)

    @property
    def newest(self) -> str:
        """The id of the run that began last, whose ever it is."""
        return next((r.run_id for r in self.instance.get_runs(limit=1)), "")

    def _has(self, run: dg.DagsterRun) -> bool:
        return alive.is_of(self.site, run, self.location)


Look = Callable[[Site, Runs, _Asked], Found]


def landing_job(site: Site) -> dg.JobDefinition:
    """Reads new and changed logs that may hold a day that is kept; makes no day."""

    @dg.op(name="new_logs", pool=POOL, retry_policy=RETRY)
    def new_logs(context: dg.OpExecutionContext) -> None:
        with final(context.run), site_lock(site.storage, wait=True):
            landing = open_landing(site)
            landed = landing.land(stale.kept_span(site, last_ended_day(site)))
            context.log_event(observation(site, landing.ledger))
        for problem in landed.problems:
            context.log.warning(problem.message)
        context.log.info(f"{landed.landed} of {landed.listed} logs were read, {landed.bytes_read:,} bytes")

    @dg.job(
        name=LANDING_JOB,
        description="Reads new, late and changed logs of days that are kept; makes no day.",
        tags=site_tags(site),
    )
    def nilometer_landing() -> None:
        new_logs()

    return nilometer_landing


def _sensor(site: Site, name: str, job: str, description: str, look: Look) -> dg.SensorDefinition:
    """A sensor that looks once a minute at the site as it is then, and remembers what it asked for."""

    @dg.sensor(
        name=name,
        job_name=job,
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=description,
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        # A daemon says when it began with the sensor; who tries it by hand does not.
        other = daemons.put_down(site, context.instance) if context.last_sensor_start_time is not None else None
        if other is not None:
            return dg.SensorResult(
                skip_reason=dg.SkipReason(f"Another daemon looks at this site: {other}. {daemons.REMEDY}"),
                cursor=context.cursor,
            )
        now, asked = _now(site), _Asked.of(context.cursor)
        location = context.code_location_origin.location_name if context.code_location_origin else None
        alive.bury(context.instance, now, location)
        found = look(now, Runs(now, context.instance, location), asked)
        if isinstance(found, str):
            return dg.SensorResult(skip_reason=dg.SkipReason(found), cursor=asked.cursor)
        return dg.SensorResult(run_requests=found, cursor=asked.cursor)

    return sensor


def logs_sensor(site: Site) -> dg.SensorDefinition:
    """Looks at sizes and times of files, opens none, and asks for a run that reads those that are new."""
    about = "Has new, late and changed logs of days that were made read once, so that stale days can be told."

    def new_logs(now: Site, runs: Runs, asked: _Asked) -> Found:
        found = _quiet(open_landing(now).unread(stale.kept_span(now, last_ended_day(now))))
        asked.keep(["logs"] if found else [])
        signature = digest(json.dumps(sorted(found.items())))
        if not found:
            return "No log is new or changed."
        if runs.busy([LANDING_JOB]):
            return "Logs are being read."
        if not asked.may("logs", signature):
            return f"{len(found)} logs were asked for {MAX_TRIES} times; see the runs of {LANDING_JOB}."
        asked.ask({"logs": signature})
        names = ", ".join(sorted(found)[:_SHOWN])
        tags = {ORIGIN_TAG: "sensor", "nilometer/logs": f"{len(found)}: {names}"[:200]}
        return [dg.RunRequest(run_key=f"logs/{signature[:16]}/{asked.count}", tags=tags)]

    return _sensor(site, "new_logs", LANDING_JOB, about, new_logs)


def stale_sensor(site: Site) -> dg.SensorDefinition:
    """Asks for runs of days that are stale, in order, and before them for what their windows lack."""
    about = (
        "Runs days that would come out differently now, failed ones whose inputs changed, missing windows, and days of "
        "scheduled runs that died before they made or failed them."
    )

    def stale_days(now: Site, runs: Runs, asked: _Asked) -> Found:
        if runs.busy(CHAIN_JOBS):
            return "A run is queued or at work; days are looked at when it has ended."
        owed = stale.owed(now, runs.scheduled_in_vain(), last := last_ended_day(now))
        if (mark := unchanged.mark(now, last)) is not None:
            mark = digest(mark, *map(str, owed))
        if asked.rests(mark):
            return "No day is stale; nothing changed since the last look."
        todo = stale.todo(now, open_landing(now), day_quality, last, owed, lambda d, s: not asked.may(d.isoformat(), s))
        needs = {**todo.left, **(todo.fill or todo.score or todo.make)}
        asked.keep_rest(None if needs else mark)
        asked.keep([d.isoformat() for d in needs])
        open_needs = [d for d, signature in needs.items() if asked.may(d.isoformat(), signature)]
        # The next look asks for them, as what the others wait for.
        asked.leave([d.isoformat() for d in needs if d not in open_needs and _may_be_mended(now, d)])
        if not open_needs:
            return f"No day is stale{_tried(needs, 'see: nilometer status')}."
        tables = stale.FILLED if todo.fill else ("surge_scores",) if todo.score else ()
        requests = []
        for days in list(stale.ranges(open_needs, MAX_DAYS, _alone(now, asked, needs)))[:MAX_RUNS]:
            asked.ask({d.isoformat(): needs[d] for d in days})
            requests.append(_request(days, [needs[d] for d in days], tables, asked.count))
        return requests

    return _sensor(site, "stale_days", JOB, about, stale_days)


def checks_sensor(site: Site) -> dg.SensorDefinition:
    """Asks for a run of the checks of days whose results are of other data than is stored, missing, or skipped."""
    about = (
        "Has days judged again whose checks are of other data than is stored, as a run died in between, and those that "
        "a run which was cancelled left as skipped."
    )

    def unjudged_days(now: Site, runs: Runs, asked: _Asked) -> Found:
        if runs.busy(CHAIN_JOBS):
            return "A run is queued or at work; checks are looked at when it has ended."
        if (mark := unchanged.mark(now, last_ended_day(now))) is not None:
            mark = digest(mark, runs.newest)  # One that was cancelled changed nothing of the site.
        if asked.rests(mark):
            return "Every check is of what is stored; nothing changed since the last look."
        seen = snapshot(now)
        found = checks.wanting(seen, runs.instance, stale.kept_span(seen, last_ended_day(now)))
        needs = {d.isoformat(): _unjudged_signature(now, d, specs) for d, specs in found.items()}
        asked.keep_rest(None if needs else mark)
        asked.keep(needs)
        days = [d for d, signature in needs.items() if asked.may(d, signature)]
        asked.leave([d for d in needs if d not in days])
        if not days:
            return f"Every check is of what is stored{_tried(needs, f'see the runs of {checks.JOB}')}."
        asked.ask({d: needs[d] for d in days})
        request = dg.RunRequest(
            run_key=f"checks/{digest(*(needs[d] for d in days))[:16]}/{asked.count}",
            tags={ORIGIN_TAG: "sensor", DAYS: f"{days[0]} to {days[-1]}"},
            run_config=checks.config(days),
        )
        return [request]

    return _sensor(site, "unjudged_days", checks.JOB, about, unjudged_days)


def _alone(site: Site, asked: _Asked, needs: Mapping[dt.date, str]) -> set[dt.date]:
    """Days whose run died before it made or failed them: another of its days may be what kills it."""
    tried = {d for d, signature in needs.items() if asked.tried(d.isoformat(), signature)}
    return tried - set(site.storage.failed_days())


def _may_be_mended(site: Site, day: dt.date) -> bool:
    """Whether the machine kept a day from being made: its run died, or met a full disk. Bad data stays bad."""
    failure = site.storage.failure(day)
    return failure is None or any(map(tells_a_fault, failure[1]))


def _tried(needs: Sized, where: str) -> str:
    """Which needs are left alone, and where to look."""
    return f"; {len(needs)} were tried {MAX_TRIES} times, {where}" if needs else ""


def _unjudged_signature(site: Site, day: dt.date, specs: Sequence[CheckSpec]) -> str:
    """Hash of what is to be judged."""
    records = {s.name: site.storage.record(s.table, day) for s in specs}
    return digest(*(f"{name}={record.mark}" for name, record in records.items() if record is not None))


def _request(days: Sequence[dt.date], needs: Sequence[str], tables: Sequence[str], count: int) -> dg.RunRequest:
    """One run of a range; the same days with the same need have the same key until they were asked for anew."""
    first, last = days[0].isoformat(), days[-1].isoformat()
    return dg.RunRequest(
        run_key=f"{first}..{last}/{digest(*needs)[:16]}/{count}",
        tags={
            RANGE_START: first,
            RANGE_END: last,
            ORIGIN_TAG: "sensor",
            REFRESH_TAG: "stale",
            DAYS: f"{first} to {last}",
        },
        asset_selection=[dg.AssetKey(t) for t in tables] or None,
    )


def _quiet(found: Mapping[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    """The files that are not being written, by the time they changed; one from the future counts as old."""
    now = time.time_ns()
    return {k: v for k, v in found.items() if not 0 <= now - v[1] < QUIET_SECONDS * 1_000_000_000}


def _now(site: Site) -> Site:
    """The site as it is configured now, as runs will find it; this process may have read it long ago."""
    return open_site(site.root, site.origin) if is_file(site.root / CONFIG_NAME) else site

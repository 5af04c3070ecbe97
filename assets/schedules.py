"""The daily schedule for the day that ended, and the hourly preview of the day in progress.

Hours are of the site's zone. What the jobs do is in the assets and in `pipeline.stored.preview`.
"""

import datetime as dt
from collections.abc import Sequence
from zoneinfo import ZoneInfo

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from assets.days import RANGE_END, RANGE_START
from assets.processes.run_tags import DAYS, site_tags
from assets.reporting import journal
from assets.reporting.dagster_log import LOGGED
from pipeline.errors import NilometerError
from pipeline.settings import ScheduleSettings
from pipeline.site import Site
from pipeline.stored import stale
from pipeline.stored.preview import make_preview

JOB = "nilometer_daily"
DAILY = "daily"
MAX_LEFT_OUT = 31
"""Days that one run of the schedule makes: those that a daemon which was down has left out."""


def daily_job(site: Site, chain: Sequence[dg.AssetsDefinition]) -> UnresolvedAssetJobDefinition:
    """All assets and checks of a day; what looks at finished days has jobs of its own."""
    return dg.define_asset_job(
        JOB,
        selection=dg.AssetSelection.assets(*chain),
        description="All tables and checks of a day.",
        tags=site_tags(site),
    )


def asset_job(site: Site, name: str, asset: str, description: str) -> UnresolvedAssetJobDefinition:
    """One asset alone."""
    return dg.define_asset_job(
        name,
        selection=dg.AssetSelection.assets(asset),
        description=description,
        tags=site_tags(site),
    )


def running_schedule(site: Site, name: str, job: str, cron: str, description: str) -> dg.ScheduleDefinition:
    """A schedule in the site's zone that is on from the start."""
    return dg.ScheduleDefinition(
        name=name,
        job_name=job,
        cron_schedule=cron,
        description=description,
        execution_timezone=site.settings.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )


def daily_schedule(site: Site) -> dg.ScheduleDefinition:
    """Every day at the configured hour: the day that ended, named outright."""
    when = site.settings.schedule

    @dg.schedule(
        job_name=JOB,
        name=DAILY,
        cron_schedule=f"{when.minute} {when.hour} * * *",
        description="Makes and judges the day that ended, and before it days left out since the last one made.",
        execution_timezone=site.settings.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    def daily(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        day = _day_before(context.scheduled_execution_time.astimezone(ZoneInfo(site.settings.timezone)), when)
        if day < site.settings.start_date:
            return dg.SkipReason(f"{day} lies before the site's start_date {site.settings.start_date}.")
        logged = LOGGED if journal.as_json() else None
        ends = {RANGE_START: _first(site, day).isoformat(), RANGE_END: day.isoformat()}
        told = {DAYS: f"{ends[RANGE_START]} to {ends[RANGE_END]}"}
        if ends[RANGE_START] == ends[RANGE_END]:
            return dg.RunRequest(run_key=day.isoformat(), partition_key=day.isoformat(), run_config=logged, tags=told)
        return dg.RunRequest(run_key=day.isoformat(), tags=ends | told, run_config=logged)

    return daily


def _first(site: Site, day: dt.date) -> dt.date:
    """Where the day's run begins: a day that is judged before those in its window may alert, and then not."""
    try:
        return stale.left_out(site, day, MAX_LEFT_OUT)[0]
    except (NilometerError, OSError):  # The run will say what is wrong with the tables.
        return day


def _day_before(tick: dt.datetime, when: ScheduleSettings) -> dt.date:
    """The day before the one that a tick stands for; it comes later, even a day, where clocks skip its hour.

    America/Nuuk skips 23:00 to 24:00 of a Saturday in March: its tick is Sunday's midnight, and Friday is its day.
    """
    at = dt.timedelta(hours=when.hour, minutes=when.minute)
    return (tick - at + dt.timedelta(hours=12)).date() - dt.timedelta(days=1)


def preview_job(site: Site) -> dg.JobDefinition:
    """Today so far, judged into a table of its own."""

    @dg.op(name="today_so_far")
    def today_so_far(context: dg.OpExecutionContext) -> None:
        record = make_preview(site, dt.datetime.now(dt.UTC))
        context.log.info(f"{record.day}: {record.rows} clients, {record.facts['alerts']} alerts so far")

    @dg.job(
        name="nilometer_today_so_far",
        description="Judges the day in progress into the table preview; no history.",
        tags=site_tags(site),
    )
    def nilometer_today_so_far() -> None:
        today_so_far()

    return nilometer_today_so_far


def hourly_schedule(site: Site) -> dg.ScheduleDefinition:
    """The preview every hour; off unless the site asks for it."""
    on = site.settings.schedule.hourly
    return dg.ScheduleDefinition(
        name="today_so_far",
        job_name="nilometer_today_so_far",
        cron_schedule="5 * * * *",
        description="Judges the day in progress every hour, into a preview that never enters the history.",
        execution_timezone=site.settings.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING if on else dg.DefaultScheduleStatus.STOPPED,
    )

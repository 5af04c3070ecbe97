"""The code location: what Dagster is told of the assets, checks and schedules, and what loading it must not cost."""

import datetime as dt
import itertools
import subprocess
import sys
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._core.definitions.freshness import CronFreshnessPolicy
from dagster._core.instance.config import PoolGranularity
from dagster._utils.schedules import schedule_execution_time_iterator

from assets import schedules
from assets.build import build_defs
from assets.days import RANGE_END, RANGE_START
from assets.processes.instances import open_instance
from assets.processes.run_tags import DAYS
from pipeline.schemas import TABLES
from pipeline.settings import Settings
from pipeline.site import PROJECT, Site
from tests.worlds import CONFIG, make_site

CHAIN = ("flows", "daily_traffic", "traffic_baseline", "anomaly_scores", "alerts")
UPSTREAM = {
    "flow_logs": set(),
    "flows": {"flow_logs"},
    "daily_traffic": {"flows"},
    "traffic_baseline": {"daily_traffic"},
    "anomaly_scores": {"daily_traffic", "traffic_baseline"},
    "alerts": {"anomaly_scores", "flows"},
    "power_map": {"anomaly_scores"},
    "detection_quality": set(),
}


@pytest.fixture(scope="module")
def defs(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    config = CONFIG.replace("timezone: UTC", "timezone: Europe/Berlin") + "schedule: {hour: 4, minute: 30}\n"
    return build_defs(make_site(tmp_path_factory.mktemp("site"), 1, config=config))


def specs(defs: dg.Definitions) -> dict[str, dg.AssetSpec]:
    return {s.key.to_user_string(): s for s in defs.resolve_all_asset_specs()}


def test_definitions_load_and_the_lineage_begins_at_the_files(defs: dg.Definitions) -> None:
    dg.Definitions.validate_loadable(defs)
    found = {name: {d.asset_key.to_user_string() for d in s.deps} for name, s in specs(defs).items()}
    assert found == UPSTREAM


@pytest.mark.parametrize("name", CHAIN)
def test_every_asset_is_fully_described(defs: dg.Definitions, name: str) -> None:
    spec = specs(defs)[name]
    assert spec.group_name == "nilometer"
    assert spec.description
    assert list(spec.owners) == ["team:secops"]
    assert {"attack/T1114", "attack/T1114.002"} <= set(spec.tags)
    assert {"polars", "parquet"} <= spec.kinds
    schema = spec.metadata["dagster/column_schema"]
    assert isinstance(schema, dg.TableSchema)
    assert [c.name for c in schema.columns] == TABLES[name].schema.names()
    assert all(c.description for c in schema.columns)
    assert "dagster/code_references" in spec.metadata


@pytest.mark.parametrize("name", CHAIN)
def test_days_are_partitions_of_the_site_zone_and_a_backfill_is_one_run(defs: dg.Definitions, name: str) -> None:
    asset = defs.resolve_assets_def(name)
    partitions = asset.partitions_def
    assert isinstance(partitions, dg.DailyPartitionsDefinition)
    assert partitions.timezone == "Europe/Berlin"
    assert asset.backfill_policy == dg.BackfillPolicy.single_run()


def test_whatever_is_selected_downstream_of_the_flows_may_be_one_run_of_a_range(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    chosen = dg.AssetSelection.from_coercible(["flows*"]).resolve(graph)
    assert {dg.AssetKey("alerts"), dg.AssetKey("power_map")} < chosen
    assert {graph.get(key).backfill_policy for key in chosen} == {dg.BackfillPolicy.single_run()}


def test_no_asset_stores_through_the_default_io_manager(defs: dg.Definitions) -> None:
    for name in (*CHAIN, "power_map", "detection_quality"):
        made = defs.resolve_assets_def(name)
        checked = {made.get_output_name_for_asset_check_key(k) for k in made.check_keys}
        outputs = [o for o in made.node_def.output_defs if o.name not in checked]  # type: ignore[attr-defined]
        assert outputs
        assert all(o.dagster_type.is_nothing for o in outputs), name


def test_there_are_at_most_a_dozen_checks_and_each_has_days(defs: dg.Definitions) -> None:
    keys = defs.resolve_asset_graph().asset_check_keys
    assert len(keys) == 12
    assert {k.asset_key.to_user_string() for k in keys} == set(CHAIN)


def test_the_daily_schedule_asks_for_the_day_that_ended_in_the_site_zone(defs: dg.Definitions) -> None:
    schedule = defs.resolve_schedule_def("daily")
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("30 4 * * *", "Europe/Berlin")
    # 2026-10-26 04:30 in Berlin, the morning after the night of 25 hours.
    tick = dt.datetime(2026, 10, 26, 3, 30, tzinfo=dt.UTC)
    with dg.build_schedule_context(scheduled_execution_time=tick, repository_def=defs.get_repository_def()) as context:
        result = schedule.evaluate_tick(context)
    assert result.run_requests is not None
    assert [r.partition_key for r in result.run_requests] == ["2026-10-25"]
    assert [r.tags[DAYS] for r in result.run_requests] == ["2026-10-25 to 2026-10-25"]


@pytest.mark.parametrize(("zone", "hour"), [("America/Nuuk", 23), ("America/Scoresbysund", 23), ("Europe/Berlin", 2)])
def test_every_day_is_named_once_where_clocks_skip_the_hour_of_the_schedule(
    tmp_path: Path, zone: str, hour: int
) -> None:
    settings = {"timezone": zone, "start_date": "2026-03-01", "schedule": {"hour": hour, "minute": 30}}
    schedule = schedules.daily_schedule(Site(tmp_path, Settings.model_validate(settings), "asked for"))
    begin, named = dt.datetime(2026, 3, 25, tzinfo=ZoneInfo(zone)), []
    ticks = schedule_execution_time_iterator(begin.timestamp(), f"30 {hour} * * *", zone, ascending=True)
    for tick in itertools.islice(ticks, 8):
        with dg.build_schedule_context(scheduled_execution_time=tick.astimezone(dt.UTC)) as context:
            asked = schedule(context)
        assert isinstance(asked, dg.RunRequest)
        named.append(asked.partition_key)
    assert named == [f"2026-03-{n}" for n in range(24, 32)]


@pytest.mark.parametrize(
    ("tried", "asked"),
    [
        ([], ("2026-10-25", "2026-10-25")),
        (["2026-10-24", "2026-10-25"], ("2026-10-25", "2026-10-25")),
        (["2026-10-21", "2026-10-27"], ("2026-10-22", "2026-10-25")),
        (["2026-09-24"], ("2026-09-25", "2026-10-25")),
        (["2026-09-23"], ("2026-10-25", "2026-10-25")),
    ],
)
def test_the_schedule_makes_up_for_days_without_a_daemon_in_one_run(
    tmp_path: Path, tried: list[str], asked: tuple[str, str]
) -> None:
    """In order, and each once: judged before those in its window, a day may alert and then not."""
    site = Site(tmp_path, Settings.model_validate({"start_date": "2026-03-01"}), "asked for")
    for text in tried:
        site.storage.mark_failed(dt.date.fromisoformat(text), "flows", ["told"])
    tick = dt.datetime(2026, 10, 26, 3, tzinfo=dt.UTC)
    with dg.build_schedule_context(scheduled_execution_time=tick) as context:
        request = schedules.daily_schedule(site)(context)
    assert isinstance(request, dg.RunRequest)
    assert request.run_key == "2026-10-25"
    ends = (request.tags[RANGE_START], request.tags[RANGE_END]) if request.partition_key is None else asked
    assert ends == asked
    assert (request.partition_key is None) == (asked[0] != asked[1])
    assert request.tags[DAYS] == f"{asked[0]} to {asked[1]}"


def test_the_schedule_asks_for_its_day_where_the_tables_cannot_be_listed(tmp_path: Path) -> None:
    site = Site(tmp_path, Settings.model_validate({"start_date": "2026-03-01"}), "asked for")
    (tmp_path / "data").write_text("no folder")
    with dg.build_schedule_context(scheduled_execution_time=dt.datetime(2026, 10, 26, 3, tzinfo=dt.UTC)) as context:
        request = schedules.daily_schedule(site)(context)
    assert isinstance(request, dg.RunRequest)
    assert request.partition_key == "2026-10-25"


def test_the_schedule_skips_days_before_the_site_begins(defs: dg.Definitions) -> None:
    tick = dt.datetime(2026, 9, 1, 3, 30, tzinfo=dt.UTC)
    with dg.build_schedule_context(scheduled_execution_time=tick, repository_def=defs.get_repository_def()) as context:
        result = defs.resolve_schedule_def("daily").evaluate_tick(context)
    assert not result.run_requests
    assert "start_date" in (result.skip_message or "")


def test_the_hourly_preview_is_off_unless_asked_for(defs: dg.Definitions, tmp_path: Path) -> None:
    assert defs.resolve_schedule_def("today_so_far").default_status == dg.DefaultScheduleStatus.STOPPED
    on = Settings.model_validate({"schedule": {"hourly": True}})
    other = build_defs(Site(tmp_path, on, "asked for"))
    assert other.resolve_schedule_def("today_so_far").default_status == dg.DefaultScheduleStatus.RUNNING


def test_loading_the_code_location_imports_no_great_expectations(tmp_path: Path) -> None:
    program = (
        "import sys, assets.definitions as d; assert d.defs; "
        "bad = [m for m in ('great_expectations', 'pandas', 'duckdb') if m in sys.modules]; "
        "assert not bad, bad; print(d._site.origin)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() in {"built-in defaults", "demo"}


def test_packages_are_this_projects_own() -> None:
    import assets
    import data_quality
    import pipeline

    for package in (assets, data_quality, pipeline):
        assert Path(str(package.__file__)).is_relative_to(PROJECT)


def test_the_daily_job_holds_the_chain_and_nothing_else(defs: dg.Definitions) -> None:
    keys = defs.resolve_job_def("nilometer_daily").asset_layer.executable_asset_keys
    assert {k.to_user_string() for k in keys} == set(CHAIN)


@pytest.mark.parametrize("name", CHAIN)
def test_one_run_of_the_chain_at_a_time_and_only_ingestion_is_tried_again(defs: dg.Definitions, name: str) -> None:
    step = defs.resolve_assets_def(name).op
    assert step.pool == "nilometer"
    policy = step.retry_policy
    assert (policy is not None) == (name == "flows")
    if policy is not None:
        assert (policy.max_retries, policy.delay, policy.backoff) == (2, 30, dg.Backoff.EXPONENTIAL)


def test_flows_and_alerts_are_overdue_three_hours_after_the_daily_schedule(defs: dg.Definitions) -> None:
    policies = {name: spec.freshness_policy for name, spec in specs(defs).items()}
    assert {name for name, policy in policies.items() if policy is not None} == {"flows", "alerts"}
    policy = policies["alerts"]
    assert isinstance(policy, CronFreshnessPolicy)
    assert (policy.deadline_cron, policy.timezone) == ("30 7 * * *", "Europe/Berlin")
    assert policy.lower_bound_delta == dt.timedelta(hours=3)


def test_schedules_sensors_and_jobs_say_what_they_do(defs: dg.Definitions) -> None:
    known = defs.get_repository_def()
    jobs = [j for j in known.get_all_jobs() if not j.name.startswith("__")]
    things = [*known.schedule_defs, *known.sensor_defs, *jobs]
    assert len(things) > 10
    assert [t.name for t in things if not (t.description or "").endswith(".")] == []


def test_a_day_that_is_none_in_the_launchpad_is_told_with_what_to_write(defs: dg.Definitions) -> None:
    job = defs.get_job_def("nilometer_checks")
    config = {"ops": {"judge_again": {"config": {"days": ["yesterday"]}}}}
    with pytest.raises(dg.Failure, match="'yesterday' is not a day of the form YYYY-MM-DD"):
        job.execute_in_process(run_config=config)


def test_the_sensors_are_on_and_none_tells_of_failures_without_a_webhook(defs: dg.Definitions) -> None:
    found = {s.name: s.default_status for s in defs.get_repository_def().sensor_defs}
    assert found == dict.fromkeys(("new_logs", "stale_days", "unjudged_days"), dg.DefaultSensorStatus.RUNNING)


def test_the_sites_instance_runs_one_at_a_time_and_shows_what_is_overdue(
    tmp_path: Path,
) -> None:
    site = make_site(tmp_path, 1)
    with open_instance(site) as instance:
        pools = instance.get_concurrency_config().pool_config
        assert (pools.default_pool_limit, pools.pool_granularity) == (1, PoolGranularity.RUN)
        assert instance.freshness_enabled
        assert instance.run_monitoring_enabled

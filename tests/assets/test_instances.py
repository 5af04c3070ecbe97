"""Where a site's runs are recorded: its own folder, its own file, or DAGSTER_HOME; and what cannot be opened."""

import importlib.util
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.op_concurrency_limits_counter import GlobalOpConcurrencyLimitsCounter

from assets.build import build_defs
from assets.processes.instances import CONFIG, ENV_HOME, HOME, POOL, history, home, open_instance
from assets.schedules import JOB
from pipeline.errors import ConfigError
from pipeline.site import Site
from tests.worlds import day, make_site


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.delenv(ENV_HOME, raising=False)
    return make_site(tmp_path / "site", 1)


def test_the_sites_own_file_is_written_once_and_then_its_users(site: Site) -> None:
    with open_instance(site) as instance:
        assert not instance.telemetry_enabled
    config = site.root / HOME / CONFIG
    own = config.read_text(encoding="utf-8") + "# postgres: not yet\nretention: {schedule: {purge_after_days: 7}}\n"
    config.write_text(own, encoding="utf-8")
    with open_instance(site) as instance:
        assert instance.get_settings("retention") == {"schedule": {"purge_after_days": 7}}
    assert config.read_text(encoding="utf-8") == own


def test_dagster_home_wins_and_nothing_is_written_into_it(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setenv(ENV_HOME, str(elsewhere))
    assert home(site) == elsewhere
    with open_instance(site) as instance:
        assert instance.root_directory == str(elsewhere)
        assert not instance.telemetry_enabled
    assert not (elsewhere / CONFIG).exists()
    assert not (site.root / HOME).exists()


@pytest.mark.parametrize("wrong", ["relative", "/nonexistent/dagster"])
def test_a_dagster_home_that_is_no_folder_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    monkeypatch.setenv(ENV_HOME, wrong)
    with pytest.raises(ConfigError, match="absolute path of a folder"):
        open_instance(site)


@pytest.mark.parametrize("name", ["a*b", "q?", "[x]", "a[b", "my%20site"])
def test_a_path_that_dagster_reads_as_another_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.delenv(ENV_HOME, raising=False)
    site = make_site(tmp_path / "sites" / name, 1)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ConfigError, match="set DAGSTER_HOME"):
        open_instance(site)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("spare", [0, 1])
def test_a_path_that_is_too_long_for_sqlite_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spare: int
) -> None:
    monkeypatch.delenv(ENV_HOME, raising=False)
    deep = tmp_path / ("d" * 200)
    name = "s" * (437 + spare - len(str(deep)))  # 438 bytes of a site leave 504 for a run's file.
    site = make_site(deep / name, 1)
    if spare:
        with pytest.raises(ConfigError, match="452 bytes"):
            open_instance(site)
        assert not (site.root / HOME).exists()
        return
    with open_instance(site) as instance:
        run = dg.DagsterRun("any")
        instance.add_run(run)
        instance.report_engine_event("opened", run)
        assert len(instance.all_logs(run.run_id)) == 1


def test_any_other_name_keeps_the_history_where_it_belongs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENV_HOME, raising=False)
    with open_instance(site := make_site(tmp_path / "100% a{b}#c&d;e=f'g\"ü", 1)) as instance:
        assert not instance.telemetry_enabled
    assert (site.root / HOME / "history/runs.db").exists()
    assert list(tmp_path.iterdir()) == [site.root]


def test_postgresql_without_its_extra_is_named(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = site.root / HOME
    folder.mkdir()
    (folder / CONFIG).write_text("storage:\n  postgres:\n    postgres_url: {env: NOWHERE}\n", encoding="utf-8")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"nilometer\[postgres\]"):
        open_instance(site)


def test_runs_that_wait_for_the_first_daemon_of_a_site_are_launched_one_at_a_time(site: Site) -> None:
    job = build_defs(site).resolve_job_def(JOB)
    with history(site) as instance:
        tags = [{"dagster/partition": day(n).isoformat()} for n in (0, 1)]
        runs = [instance.create_run_for_job(job, tags=t) for t in tags]
        pools, known = instance.get_concurrency_config().pool_config, instance.event_log_storage
        counter = GlobalOpConcurrencyLimitsCounter(
            instance, runs, [], known.get_concurrency_keys(), known.get_pool_limits(), 0, pools.pool_granularity
        )
        assert not counter.is_blocked(runs[0])
        counter.update_counters_with_launched_item(runs[0])
        assert counter.is_blocked(runs[1])


@pytest.mark.parametrize("limit", [3, None])
def test_a_pool_that_somebody_limited_otherwise_stays_so(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int | None
) -> None:
    (elsewhere := tmp_path / "elsewhere").mkdir()
    monkeypatch.setenv(ENV_HOME, str(elsewhere))
    with history(site) as instance:
        if limit is not None:
            instance.event_log_storage.set_concurrency_slots(POOL, limit)
    with history(site) as instance:
        found = {p.name: p.limit for p in instance.event_log_storage.get_pool_limits()}
    assert found == ({} if limit is None else {POOL: limit})


def test_a_file_of_an_earlier_version_that_nobody_changed_gives_way(site: Site) -> None:
    with open_instance(site) as instance:
        assert instance.run_monitoring_start_timeout_seconds == 3_600  # Of years, what is planned takes minutes.
    config = site.root / HOME / CONFIG
    today = config.read_text(encoding="utf-8")
    config.write_text(
        """# The site's Dagster instance: run history, on this machine only.
telemetry: {enabled: false}
nux: {enabled: false}
# Overdue assets are shown as such.
freshness: {enabled: true}
# One run at a time writes the site's tables; the others wait in the queue.
concurrency: {pools: {granularity: run, default_limit: 1}}
# A run that does not start is ended, so that none waits for it.
run_monitoring: {enabled: true, start_timeout_seconds: 300}
""",
        encoding="utf-8",
    )
    with open_instance(site):
        assert config.read_text(encoding="utf-8") == today

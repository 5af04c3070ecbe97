"""Runs on a PostgreSQL instance, configured by the very file that is shipped for production."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import dagster as dg
import pytest

from assets import runner
from assets.processes.instances import ENV_HOME, open_instance
from data_quality.specs import check_specs
from pipeline.errors import ConfigError
from pipeline.site import PROJECT, Site
from tests import postgres
from tests.assets.test_prune import forget_all_but_the_last_run
from tests.assets.test_runs import CHAIN, days, events
from tests.worlds import day, make_site

pytestmark = pytest.mark.skipif(not postgres.INSTALLED, reason="PostgreSQL is not installed")
DAYS, TWO = 3, 2
OF_WINDOWS = ("flows", "daily_traffic")
"""Tables that a day has, too, that only lies in the window of one that is run."""


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Server]:
    with postgres.running() as found:
        yield found


@pytest.fixture
def environment(server: postgres.Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A new database and a DAGSTER_HOME with the shipped file, both in the environment."""
    database = f"d{time.monotonic_ns()}"
    server.sql(f"create database {database}")
    folder = tmp_path / "home"
    folder.mkdir()
    shutil.copy(PROJECT / "deploy" / "dagster.yaml", folder)
    wanted = server.environment(database) | {ENV_HOME: str(folder)}
    for name, value in wanted.items():
        monkeypatch.setenv(name, value)
    return wanted


def command(site: Site, *words: object) -> subprocess.Popen[str]:
    call = [sys.executable, "-c", "from assets.cli import main; main()", "--site", str(site.root), *map(str, words)]
    return subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ))


def all_made(site: Site, made: list[object], window: list[object] | None = None) -> None:
    """Each asset once a day, and each check once a day: no more and no less. Days of the window have no scores."""
    found = events(site, dg.DagsterEventType.ASSET_MATERIALIZATION)
    expected = {(t.name, str(d)): 1 for t in CHAIN for d in made}
    expected |= {(name, str(d)): 1 for name in OF_WINDOWS for d in window or ()}
    assert found == Counter(expected)
    with open_instance(site) as instance:
        for spec in check_specs():
            key = dg.AssetCheckKey(dg.AssetKey(spec.table), spec.name)
            history = instance.event_log_storage.get_asset_check_execution_history(key, limit=100)
            judged = [str(h.partition) for h in history if h.event is not None]
            of = [*made, *(window or () if spec.table in OF_WINDOWS else ())]
            assert sorted(judged) == sorted(map(str, of)), spec.name


def test_a_range_run_is_recorded_in_postgresql_with_exact_counts(
    environment: dict[str, str], server: postgres.Server, tmp_path: Path
) -> None:
    site = make_site(tmp_path / "site", DAYS)
    assert runner.run_days(site, days(DAYS)).good
    all_made(site, list(days(DAYS)))
    assert not (site.root / "dagster_home").exists()
    database = environment["NILOMETER_PG_DB"]
    dump = server.sql(
        "select string_agg(run_body, '') || (select string_agg(event, '') from event_logs) from runs", database
    )
    assert server.password not in str(dump)


def test_a_database_that_is_not_there_is_a_clear_error_without_its_password(
    environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = make_site(tmp_path / "site", 1)
    monkeypatch.setenv("NILOMETER_PG_DB", "elsewhere")
    with pytest.raises(ConfigError, match="cannot be opened") as error:
        open_instance(site)
    assert environment["NILOMETER_PG_PASSWORD"] not in error.value.message
    monkeypatch.delenv("NILOMETER_PG_PASSWORD")
    with pytest.raises(ConfigError, match="NILOMETER_PG_PASSWORD"):
        open_instance(site)


@pytest.mark.slow
def test_old_runs_go_from_postgresql_as_they_do_from_sqlite(environment: dict[str, str], tmp_path: Path) -> None:
    site = make_site(tmp_path / "site", 4)
    for each in days(4):
        runner.run_days(site, [each])
    forget_all_but_the_last_run(site)


@pytest.mark.slow
def test_a_second_command_on_a_site_says_so_and_ends(environment: dict[str, str], tmp_path: Path) -> None:
    site = make_site(tmp_path / "site", DAYS)
    with runner.site_lock(site.storage, wait=False):
        second = command(site, "run", "--from", day(0), "--to", day(DAYS - 1))
        _, said = second.communicate(timeout=120)
    assert second.returncode == 1
    assert "another run is at work on this site" in said
    # Two commands on days of one site: one works, the other one says so; what was refused can be run then.
    both = [command(site, "run", "--day", d) for d in (day(0), day(1))]
    ended = [(p.communicate(timeout=120)[1], p.returncode) for p in both]
    assert all(code == 0 or "another run" in said for said, code in ended), ended
    done = [d for d, (_, code) in zip((day(0), day(1)), ended, strict=True) if code == 0]
    assert done
    all_made(site, list(done), window=[] if day(0) in done else [day(0)])


@pytest.mark.slow
def test_two_runs_that_the_daemon_launches_on_days_of_one_site_both_end_well(
    environment: dict[str, str], tmp_path: Path
) -> None:
    site = make_site(tmp_path / "site", DAYS)
    work = ["-w", str(PROJECT / "deploy" / "workspace.yaml")]
    around = os.environ | {"NILOMETER_SITE": str(site.root), "DAGSTER_DISABLE_TELEMETRY": "yes"}
    for each in days(TWO):
        tags = f'{{"dagster/partition": "{each}"}}'
        words = [sys.executable, "-m", "dagster", "job", "launch", *work, "-j", "nilometer_daily", "--tags", tags]
        asked = subprocess.run(words, env=around, start_new_session=True, capture_output=True, text=True, check=False)
        assert asked.returncode == 0, asked.stderr
    words = [sys.executable, "-m", "dagster._daemon", "run", *work]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(words, env=around, start_new_session=True, **quiet) as daemon:
        try:
            runs = _ended(site, daemon)
        finally:
            daemon.send_signal(signal.SIGINT)
            daemon.wait(60)
            with suppress(ProcessLookupError):  # Its code servers are of its session.
                os.killpg(daemon.pid, signal.SIGKILL)
    assert [r.status for r in runs] == [dg.DagsterRunStatus.SUCCESS] * TWO
    assert all(r.tags["nilometer/site"] == "site" for r in runs)
    all_made(site, list(days(TWO)))


def _ended(site: Site, daemon: subprocess.Popen[bytes]) -> list[dg.DagsterRun]:
    with open_instance(site) as instance:
        for _ in range(600):
            runs = list(instance.get_runs())
            if len(runs) == TWO and all(r.is_finished for r in runs):
                return runs
            assert daemon.poll() is None, "the daemon ended by itself"
            time.sleep(0.3)
    raise AssertionError([r.status for r in runs])

"""Runs of the assets through the site's Dagster instance: single days, ranges, bad days, retries and re-runs."""

import datetime as dt
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from assets import runner
from assets.processes.instances import open_instance
from assets.processes.run_tags import ORIGIN
from data_quality.specs import check_specs
from pipeline.errors import BusyError, ConfigError
from pipeline.locks import site_lock
from pipeline.schemas import ALERTS, ANOMALY_SCORES, DAILY_TRAFFIC, FLOWS, TRAFFIC_BASELINE
from pipeline.site import Site, open_site
from pipeline.stored.now import open_landing
from tests.worlds import FIRST, day, log_path, make_site, usual, write_log

CHAIN = (FLOWS, DAILY_TRAFFIC, TRAFFIC_BASELINE, ANOMALY_SCORES, ALERTS)
DAYS = 6


def days(count: int = DAYS) -> list[dt.date]:
    return [day(n) for n in range(count)]


def stored_bytes(site: Site) -> dict[str, bytes]:
    return {str(p.relative_to(site.storage.root)): p.read_bytes() for p in site.storage.root.glob("*/day=*/*.parquet")}


def tables(site: Site, count: int = DAYS) -> dict[str, pl.DataFrame]:
    return {t.name: site.storage.scan(t, days(count)).collect() for t in CHAIN}


def events(site: Site, kind: dg.DagsterEventType) -> Counter[tuple[str, str | None]]:
    """(asset, partition) -> events of a kind in the site's instance."""
    found: Counter[tuple[str, str | None]] = Counter()
    with open_instance(site) as instance:
        for run in instance.get_runs():
            for log in instance.all_logs(run.run_id, of_type=kind):
                assert log.dagster_event is not None
                key = log.dagster_event.asset_key
                found[key.to_user_string() if key else "", log.dagster_event.partition] += 1
    return found


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return make_site(tmp_path / "site", DAYS)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The site with all its days run at once; not to be changed."""
    site = make_site(tmp_path_factory.mktemp("done") / "site", DAYS)
    assert runner.run_days(site, days()).good
    return site


@pytest.fixture
def ran(done: Site, tmp_path: Path) -> Site:
    return open_site(shutil.copytree(done.root, tmp_path / "ran"))


def test_a_range_run_and_runs_day_by_day_store_equal_tables(done: Site, site: Site) -> None:
    for each in days():
        assert runner.run_days(site, [each]).good
    left, right = tables(done), tables(site)
    for name, frame in left.items():
        assert frame.equals(right[name]), name
    assert left["daily_traffic"].height > 0


def test_running_again_gives_identical_bytes(ran: Site) -> None:
    before = stored_bytes(ran)
    runner.run_days(ran, days())
    assert stored_bytes(ran) == before
    counts = 2 * (DAYS - 1)  # Of the days that others are compared with.
    assert len(before) == DAYS * (len(CHAIN) + len(check_specs())) + counts


def test_each_good_day_has_one_materialisation_an_asset_and_one_result_a_check(done: Site) -> None:
    made = events(done, dg.DagsterEventType.ASSET_MATERIALIZATION)
    assert made == Counter({(t.name, d.isoformat()): 1 for t in CHAIN for d in days()})
    judged = events(done, dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    assert sum(judged.values()) == DAYS * len(check_specs())
    with open_instance(done) as instance:
        keys = [dg.AssetCheckKey(dg.AssetKey(s.table), s.name) for s in check_specs()]
        told = instance.event_log_storage.get_asset_check_partition_info(keys)
    dated = [t for t in told if t.partition_key is not None]
    assert len(dated) == DAYS * len(keys)  # Results of no materialisation would leave the days unchecked in the UI.
    assert all(t.is_current for t in dated)


def test_one_unreadable_day_fails_alone_and_a_retry_does_only_it(site: Site) -> None:
    bad = log_path(site.root, day(2))
    whole = bad.read_bytes()
    bad.write_bytes(b"\x1f\x8b\x08\x00 this is no gzip")
    report = runner.run_days(site, days())
    assert {s.day: s.state for s in report.days} == {d: "failed" if d == day(2) else "done" for d in days()}
    assert not report.good
    assert any("conn.log" in reason for reason in report.days[2].reasons)
    made = events(site, dg.DagsterEventType.ASSET_MATERIALIZATION)
    assert made == Counter({(t.name, d.isoformat()): 1 for t in CHAIN for d in days() if d != day(2)})
    with open_instance(site) as instance:
        runs = instance.get_runs()
        assert [r.status for r in runs] == [dg.DagsterRunStatus.FAILURE]
    bad.write_bytes(whole)
    assert runner.run_days(site, [day(2)]).good
    again = events(site, dg.DagsterEventType.ASSET_MATERIALIZATION)
    assert again == Counter({(t.name, d.isoformat()): 1 for t in CHAIN for d in days()})


def test_the_failed_run_names_its_bad_day(site: Site) -> None:
    log_path(site.root, day(3)).write_bytes(b"\x00\x01\x02 nothing known")
    runner.run_days(site, days())
    with open_instance(site) as instance:
        run = instance.get_runs()[0]
        failures = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
        text = " ".join(str(f.dagster_event.event_specific_data) for f in failures if f.dagster_event)
    assert day(3).isoformat() in text
    assert day(2).isoformat() not in text
    assert "launch the run again with all its steps" in text  # "From failure" would repeat the last one alone.


def test_later_days_say_that_a_window_day_is_missing_until_it_is_mended(site: Site) -> None:
    bad = log_path(site.root, day(2))
    whole = bad.read_bytes()
    bad.write_bytes(b"\x1f\x8b broken")
    runner.run_days(site, days())
    scores = site.storage.read_day(ANOMALY_SCORES, day(4))
    assert scores["window_complete"].to_list() == [False] * scores.height
    assert set(scores["window_days_present"].to_list()) == {3}
    bad.write_bytes(whole)
    runner.run_days(site, [day(2)])
    report = runner.run_stale(site)
    assert [s.day for s in report.days] == [day(3), day(4), day(5)]
    assert all(site.storage.read_day(ANOMALY_SCORES, d)["window_complete"].all() for d in days())


def test_a_late_log_makes_its_day_and_the_days_after_it_stale_and_no_other(ran: Site, site: Site) -> None:
    for each in (ran, site):
        write_log(each.root, day(3), usual(3) | {"10.0.0.7": 77})
    report = runner.run_stale(ran)
    assert [s.day for s in report.days] == [day(3), day(4), day(5)]
    assert report.good
    assert runner.run_stale(ran).days == []
    runner.run_days(site, days())
    expected = tables(site)
    for name, frame in tables(ran).items():
        assert frame.equals(expected[name]), name


def test_a_changed_rule_makes_scores_stale_but_not_flows(ran: Site) -> None:
    config = ran.root / "nilometer.yaml"
    rule = "rules: {hosts_receiving_high_volume_from_email_server: {deviation_threshold: 2}}\n"
    config.write_text(config.read_text(encoding="utf-8") + rule, encoding="utf-8")
    changed = open_site(ran.root)
    report = runner.RunReport(runner.days_status(changed, open_landing(changed), days(), runner.day_quality))
    assert {s.state for s in report.days} == {"stale"}
    assert all(not s.tables["flows"].stale and "rule" in s.tables["anomaly_scores"].stale for s in report.days)


def test_a_day_without_logs_is_no_data_and_not_good(site: Site) -> None:
    shutil.rmtree(log_path(site.root, day(4)).parent)
    report = runner.run_days(site, days())
    assert [(s.state, s.quality) for s in report.days] == [
        ("done", "no_data" if d == day(4) else "verified") for d in days()
    ]
    assert not report.good


def test_a_second_run_is_refused_while_one_is_at_work(site: Site) -> None:
    program = (
        "import sys, fcntl, os\nf = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)\n"
        "fcntl.flock(f, fcntl.LOCK_EX)\nprint('held', flush=True)\ninput()"
    )
    site.storage.root.mkdir(parents=True)
    lock = site.storage.root / "run.lock"
    with subprocess.Popen([sys.executable, "-c", program, str(lock)], stdin=-1, stdout=-1, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(BusyError, match="another run"), site_lock(site.storage, wait=False):
            pass
        other.kill()
    assert runner.run_days(site, days(1)).good


def test_runs_of_a_killed_command_are_marked_failed_at_the_next_start(site: Site) -> None:
    with open_instance(site) as instance:
        job = runner.build_defs(site).resolve_job_def("nilometer_daily")
        own = {ORIGIN: "command line"}
        tags = [own, own | {"dagster/parent_run_id": "x"}]  # The second is tried again in the UI, by the daemon.
        runs = [instance.create_run_for_job(job, tags=t, status=dg.DagsterRunStatus.STARTED) for t in tags]
    runner.run_days(site, days(1))
    with open_instance(site) as instance:
        found = [instance.get_run_by_id(run.run_id) for run in runs]
        assert [r and r.status for r in found] == [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.STARTED]


@pytest.mark.parametrize(
    ("wanted", "message"),
    [(FIRST - dt.timedelta(days=1), "start_date"), (dt.date(2100, 1, 1), "has not ended yet")],
)
def test_days_that_are_no_partition_are_refused(site: Site, wanted: dt.date, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        runner.run_days(site, [wanted])


def test_nothing_but_parquet_json_and_logs_is_stored_and_no_pickle(done: Site) -> None:
    kinds = {p.suffix for p in done.storage.root.rglob("*") if p.is_file()}
    assert kinds <= {".parquet", ".jsonl", ".lock", ".json"}
    assert not list(done.root.rglob("*.pkl"))

"""Whole runs on an object store: the same tables as on a folder, from any machine, and nothing half done."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner, Result

from assets.cli import main
from assets.runner import run_days
from data_quality.results import day_quality
from pipeline.schemas import ALERTS, ANOMALY_SCORES, DAILY_TRAFFIC, FLOWS, TRAFFIC_BASELINE
from pipeline.site import Site, open_site
from pipeline.stored.now import open_landing
from pipeline.stored.status import days_status
from tests.cloud.buckets import SECRET, Bucket, bucket_in, s3_server
from tests.cloud.proxy import always
from tests.worlds import CONFIG, day, make_site, usual, write_log

TABLES = (FLOWS, DAILY_TRAFFIC, TRAFFIC_BASELINE, ANOMALY_SCORES, ALERTS)
DAYS = 2
ALL = [day(n) for n in range(DAYS)]
OPTIONS = "storage_options: {retries: 1, timeout_seconds: 5}\n"


@pytest.fixture(scope="module")
def bucket() -> Iterator[Bucket]:
    with s3_server() as server, bucket_in(server, "runs") as made:
        yield made


@pytest.fixture(scope="module")
def ran(bucket: Bucket, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A site in the bucket whose days were run."""
    site = make_site(tmp_path_factory.mktemp("cloud"), DAYS, config=f"storage: {bucket.url}/site\n{OPTIONS}{CONFIG}")
    assert run_days(site, ALL).good
    return site


def command(site: Site, *words: str) -> Result:
    return CliRunner().invoke(main, ["--site", str(site.root), *words])


def contents(site: Site) -> dict[str, tuple[str, pl.DataFrame]]:
    """Fingerprint and sorted rows of every stored day of every table."""
    found = {}
    for table in TABLES:
        for of in site.storage.days(table.name):
            record = site.storage.record(table.name, of)
            assert record is not None
            rows = site.storage.read_day(table, of)
            found[f"{table.name}/{of}"] = (record.fingerprint, rows.sort(table.key))
    return found


def assert_same(ours: dict[str, tuple[str, pl.DataFrame]], theirs: dict[str, tuple[str, pl.DataFrame]]) -> None:
    assert ours.keys() == theirs.keys()
    for name, (fingerprint, rows) in ours.items():
        assert fingerprint == theirs[name][0], name
        assert rows.equals(theirs[name][1]), name


def states(site: Site) -> list[str]:
    return [s.state for s in days_status(site, open_landing(site), ALL, day_quality)]


def elsewhere(site: Site, folder: Path, *, logs: bool) -> Site:
    """The site's folder as a machine has it that has never run it."""
    ignore = shutil.ignore_patterns("cache", "dagster_home", *([] if logs else ["logs"]))
    shutil.copytree(site.root, folder, ignore=ignore)
    return open_site(folder)


def test_a_run_on_a_bucket_equals_a_run_on_a_folder(ran: Site, tmp_path: Path) -> None:
    local = make_site(tmp_path / "local", DAYS)
    assert run_days(local, ALL).good
    ours = contents(ran)
    assert len(ours) == DAYS * len(TABLES)
    assert_same(ours, contents(local))
    assert not (ran.root / "data").exists()
    assert {p.name for p in (ran.root / "cache").iterdir()} == {"alive", "copies", "lease", "run.lock"}


def test_a_machine_without_cache_or_logs_knows_every_day(ran: Site, tmp_path: Path) -> None:
    """The ledger and the landed rows are in the bucket, so that nothing is stale for want of a cache."""
    other = elsewhere(ran, tmp_path / "other", logs=True)
    assert states(other) == ["done"] * DAYS
    told = command(elsewhere(ran, tmp_path / "bare", logs=False), "alerts", "--format", "jsonl")
    assert told.exit_code == 0
    assert told.stdout == command(ran, "alerts", "--format", "jsonl").stdout


def test_no_secret_is_written_down(ran: Site) -> None:
    """Neither in the run storage, nor in the cache, nor in a message."""
    assert SECRET not in "".join(command(ran, *w).output for w in (["check"], ["status"], ["quality"]))
    for path in ran.root.rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path


def test_check_says_that_a_bucket_is_not_there(bucket: Bucket, tmp_path: Path) -> None:
    site = make_site(tmp_path / "site", 1, config=f"storage: s3://no-such-bucket/site\n{OPTIONS}{CONFIG}")
    said = command(site, "check")
    assert said.exit_code == 1
    assert "problem: storage: s3://no-such-bucket/site/failed: the object store did not answer" in said.stderr
    assert "NoSuchBucket" in said.stderr


def test_an_outage_fails_the_run_with_a_message_and_changes_nothing(bucket: Bucket, ran: Site) -> None:
    before = contents(ran)
    write_log(ran.root, day(1), usual(1) | {"10.0.0.7": 77})
    for verb in ("PUT", "GET"):
        bucket.proxy.fault = always("error", verb)
        said = command(ran, "run", "--day", str(day(1)))
        bucket.proxy.heal()
        assert said.exit_code == 1
        assert "the object store did not answer as it should" in said.stderr
        assert SECRET not in said.output
        assert "Traceback" not in said.output
        assert_same(contents(open_site(ran.root)), before)
    assert command(ran, "run", "--day", str(day(1))).exit_code == 0
    assert contents(ran)[f"flows/{day(1)}"][1].height == 4


def test_a_day_in_a_bucket_is_accepted_from_any_machine_and_for_all_of_them(bucket: Bucket, tmp_path: Path) -> None:
    """An unverified day: the store that fails keeps it so, and a machine that has never run the site may take it."""
    own = "expectations:\n  - {name: few, table: flows, value: count(*), max: 1, blocking: true, "
    own += "meaning: Flows of the day., remedy: Ask.}\n"
    config = f"storage: {bucket.url}/accepted\n{OPTIONS}{CONFIG}{own}"
    site = make_site(tmp_path / "first", 1, config=config)
    assert command(site, "run", "--day", str(day(0))).exit_code == 1
    assert day_quality(site, day(0)) == "unverified"
    other = elsewhere(site, tmp_path / "other", logs=False)
    words = ("quality", "accept", str(day(0)), "--reason", "a known import", "--by", "analyst")
    bucket.proxy.fault = always("error", "PUT")
    said = command(other, *words)
    bucket.proxy.heal()
    assert (said.exit_code, "Traceback" in said.output) == (1, False)
    assert "the object store did not answer as it should" in said.stderr
    assert day_quality(open_site(site.root), day(0)) == "unverified"
    assert command(other, *words).exit_code == 0
    assert day_quality(open_site(site.root), day(0)) == "accepted"
    assert command(site, "run", "--stale").exit_code == 0
    assert command(other, "alerts").exit_code == 0
    assert command(other, "quality", "accept", str(day(0)), "--withdraw", "--by", "other").exit_code == 0
    assert day_quality(open_site(site.root), day(0)) == "unverified"
    assert len(site.storage.names("acceptance")) == 2

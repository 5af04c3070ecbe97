"""The chain of tables on an object store, stage by stage: equal to the chain on a folder, from one machine or two."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl

from pipeline.intake.landing import Landing
from pipeline.schemas import ALERTS, ANOMALY_SCORES, DAILY_TRAFFIC, FLOWS, TRAFFIC_BASELINE
from pipeline.site import Site, open_site
from pipeline.stored import prune, stages
from tests.cloud.buckets import Bucket
from tests.cloud.test_cloud_sources import NOW
from tests.worlds import CONFIG, day, log_path, make_site, usual, write_log

TABLES = (FLOWS, DAILY_TRAFFIC, TRAFFIC_BASELINE, ANOMALY_SCORES, ALERTS)
DAYS = 6
Contents = dict[str, tuple[str, pl.DataFrame]]


def on_bucket(bucket: Bucket, config: str = CONFIG) -> str:
    return f"storage: {bucket.url}/site\nstorage_options: {{retries: 1}}\n{config}"


def make(site: Site) -> Contents:
    """All tables of all days from the logs as they are now: fingerprint and sorted rows of each."""
    days = [day(n) for n in range(DAYS)]
    landing = Landing(site.root, site.storage, site.settings, NOW)
    assert landing.land(days).problems == []
    made: Contents = {}
    for of in days:
        stages.make_flows(site, landing, of)
        stages.make_daily(site, of)
        stages.make_baseline(site, of)
        stages.make_scores(site, of)
        stages.publish_alerts(site, of, "verified")
    for table in TABLES:
        for of in site.storage.days(table.name):
            record = site.storage.record(table.name, of)
            assert record is not None
            made[f"{table.name}/{of}"] = (record.fingerprint, site.storage.read_day(table, of).sort(table.key))
    assert len(made) == DAYS * len(TABLES)
    return made


def assert_same(ours: Contents, theirs: Contents) -> None:
    assert ours.keys() == theirs.keys()
    for name, (fingerprint, rows) in ours.items():
        assert fingerprint == theirs[name][0], name
        assert rows.equals(theirs[name][1]), name


def test_the_tables_in_a_bucket_are_those_in_a_folder(bucket: Bucket, tmp_path: Path) -> None:
    cloud = make(make_site(tmp_path / "cloud", DAYS, config=on_bucket(bucket)))
    assert_same(cloud, make(make_site(tmp_path / "local", DAYS)))
    assert sum(rows.height for name, (_, rows) in cloud.items() if name.startswith("alerts")) > 0


def test_a_late_log_read_on_another_machine_gives_what_one_machine_gives(bucket: Bucket, tmp_path: Path) -> None:
    make(make_site(tmp_path / "first", DAYS, config=on_bucket(bucket)))
    second = make_site(tmp_path / "second", DAYS, config=on_bucket(bucket))
    local = make_site(tmp_path / "local", DAYS)
    for site in (second, local):
        write_log(site.root, day(1), usual(1) | {"10.0.0.7": 77})
    assert_same(make(second), make(local))


def test_rows_landed_elsewhere_are_not_read_again(bucket: Bucket, tmp_path: Path) -> None:
    """A day can be made on a machine that has no log at all: the ledger and the landed rows are in the bucket."""
    before = make(make_site(tmp_path / "first", DAYS, config=on_bucket(bucket)))
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "nilometer.yaml").write_text(on_bucket(bucket), encoding="utf-8")
    site = open_site(bare)
    landing = Landing(site.root, site.storage, site.settings, NOW)
    landing.land([day(0)])
    assert stages.make_flows(site, landing, day(0)).fingerprint == before[f"flows/{day(0)}"][0]


def test_logs_in_a_bucket_give_the_tables_of_logs_in_a_folder(bucket: Bucket, tmp_path: Path) -> None:
    local = make_site(tmp_path / "local", DAYS)
    for number in range(DAYS):
        bucket.put(f"logs/{day(number)}/conn.log", log_path(local.root, day(number)).read_bytes())
    absolute = CONFIG.replace("path: logs", f"path: {local.root}/logs")
    remote = on_bucket(bucket, CONFIG.replace("path: logs", f"path: {bucket.url}/logs"))
    files = make_site(tmp_path / "files", 0, config=absolute)
    assert_same(make(make_site(tmp_path / "objects", 0, config=remote)), make(files))


def test_a_plan_of_what_would_go_lists_each_folder_once(bucket: Bucket, tmp_path: Path) -> None:
    config = on_bucket(bucket, f"retention: {{flows: 2d, quality: 2d, quarantine: 2d}}\n{CONFIG}")
    site = make_site(tmp_path / "cloud", DAYS, config=config)
    make(site)
    for number in range(DAYS):
        for check in ("a", "b"):
            bucket.put(f"site/quality/day={day(number)}/{check}.parquet", b"x" * 10)
    long_ago = dt.date(2016, 1, 1)
    site = Site(site.root, site.settings.model_copy(update={"start_date": long_ago}), "test")
    landing = Landing(site.root, site.storage, site.settings, NOW)
    bucket.proxy.seen.clear()
    found = {p.table: p for p in prune.plan(site, landing, day(DAYS)).piles}
    asked = [(verb, path) for verb, path, _ in bucket.proxy.seen]
    assert len([path for verb, path in asked if verb == "GET" and "list-type" in path]) < 20
    assert not [path for verb, path in asked if verb == "HEAD"]
    assert (found["quality"].days, found["quality"].bytes) == ([day(n) for n in range(DAYS - 2)], (DAYS - 2) * 20)
    assert found["quality"].files[:2] == [f"quality/day={day(0)}/{check}.parquet" for check in "ab"]
    assert found["flows"].days == [day(n) for n in range(DAYS - 2)]
    assert found["flows"].bytes == sum(site.storage.size(name) for name in found["flows"].files) > 0

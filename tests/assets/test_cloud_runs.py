"""Whole runs on an object store: the same tables as on a folder, from any machine, and nothing half done."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from click.testing import CliRunner, Result

from assets.cli import main
from assets.runner import run_days
from pipeline.schemas import ALERTS, ANOMALY_SCORES, DAILY_TRAFFIC, FLOWS, TRAFFIC_BASELINE
from pipeline.site import Site
from tests.cloud.conftest import Bucket
from tests.worlds import CONFIG, day, make_site

TABLES = (FLOWS, DAILY_TRAFFIC, TRAFFIC_BASELINE, ANOMALY_SCORES, ALERTS)
DAYS = 3
OPTIONS = "storage_options: {retries: 1, timeout_seconds: 5}\n"


def config(bucket: Bucket, path: str = "logs/{day}/conn*.log") -> str:
    own = f"storage: {bucket.url}/site\n{OPTIONS}"
    return own + CONFIG.replace("logs/{day}/conn*.log", path)


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


def test_a_run_on_a_bucket_equals_a_run_on_a_folder(bucket: Bucket, tmp_path: Path) -> None:
    days = [day(n) for n in range(DAYS)]
    local, cloud = make_site(tmp_path / "local", DAYS), make_site(tmp_path / "cloud", DAYS, config=config(bucket))
    for site in (local, cloud):
        report = run_days(site, days)
        assert report.good, report
    ours, theirs = contents(cloud), contents(local)
    assert ours.keys() == theirs.keys()
    assert len(ours) == DAYS * len(TABLES)
    for name, (fingerprint, rows) in ours.items():
        assert fingerprint == theirs[name][0], name
        assert rows.equals(theirs[name][1]), name
    assert not (cloud.root / "data").exists()

"""The asset that judges the methods: what it stores and shows, and that the daily work does not wait for it."""

from pathlib import Path

import dagster as dg
import polars as pl

from assets import detection_quality
from assets.build import build_defs
from assets.schedules import JOB as DAILY
from pipeline.storage import read_footer
from tests.worlds import make_site

SMALL = {"worlds": 1, "clients": 40, "days": 50, "explained": 0.5}


def test_figures_are_stored_and_shown(tmp_path: Path) -> None:
    site = make_site(tmp_path, 1)
    config = dg.RunConfig(ops={"detection_quality": detection_quality.Worlds(**SMALL)})
    result = dg.materialize([detection_quality.build(site)], run_config=config)
    assert result.success
    figures = pl.read_parquet(site.storage.root / detection_quality.STORED)
    assert {"surge", "seed", "client_z"} <= set(figures["method"])
    assert {"recall", "low", "high", "per_day_per_10k"} <= set(figures.columns)
    assert read_footer(site.storage.root / detection_quality.STORED)["facts"] == SMALL | {"seed": 100}
    [event] = result.asset_materializations_for_node("detection_quality")
    shown = event.metadata["recall at a budget of 20"].value
    assert isinstance(shown, str)
    assert "| surge |" in shown
    assert "| client\\_mad |" in shown
    assert event.metadata["dagster/row_count"].value == figures.height
    told = f"1 world of {SMALL['clients']:,} clients and {SMALL['days']} days, seeds from 100; "
    assert str(event.metadata["worlds"].value).startswith(told)
    planted = shown.splitlines()[2]
    events = figures.filter(pl.col("basket") == "material")["events"].max()
    assert planted.startswith(f"| thefts planted |  | {events} |")


def test_it_is_made_weekly_and_not_with_the_days(tmp_path: Path) -> None:
    defs = build_defs(make_site(tmp_path, 1))
    daily, weekly = (defs.resolve_job_def(name) for name in (DAILY, detection_quality.JOB))
    key = dg.AssetKey("detection_quality")
    assert key not in daily.asset_layer.executable_asset_keys
    assert set(weekly.asset_layer.executable_asset_keys) == {key}
    schedule = defs.resolve_schedule_def("detection_quality")
    assert schedule.job_name == detection_quality.JOB
    assert schedule.cron_schedule == "30 1 * * 0"

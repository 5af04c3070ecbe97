"""Today so far: the day in progress is judged as the seed would at this moment, and never enters the history."""

import datetime as dt
from pathlib import Path

import polars as pl

from pipeline.intake.landing import Landing
from pipeline.schemas import PREVIEW
from pipeline.site import Site
from pipeline.stored.preview import make_preview
from pipeline.stored.stages import make_daily, make_flows
from tests.worlds import CONFIG, SEED, day, log_path, make_site, usual, write_log

DAYS = 13
TODAY = day(DAYS)
AFTERNOON = dt.datetime.combine(TODAY, dt.time(15), dt.UTC)


def site_with_past(folder: Path) -> Site:
    site = make_site(folder, DAYS, theft=0)
    landing = Landing(site.root, site.storage.root, site.settings, AFTERNOON)
    days = [day(n) for n in range(DAYS)]
    landing.land(days)
    for d in days:
        make_flows(site, landing, d)
        make_daily(site, d)
    return site


def alerts(site: Site) -> list[str]:
    rows = site.storage.read_day(PREVIEW, TODAY).filter((pl.col("state") == "alert") & (pl.col("rule_id") == SEED))
    return rows["client"].to_list()


def test_a_theft_shows_before_its_day_has_ended(tmp_path: Path) -> None:
    site = site_with_past(tmp_path)
    write_log(tmp_path, TODAY, usual(DAYS))
    assert make_preview(site, AFTERNOON).facts == {"alerts": 0}
    write_log(tmp_path, TODAY, usual(DAYS) | {"10.0.0.3": 5_000_000})
    record = make_preview(site, AFTERNOON)
    assert record.facts == {"alerts": 1}
    assert alerts(site) == ["10.0.0.3"]


def test_the_preview_leaves_every_table_of_the_history_alone(tmp_path: Path) -> None:
    site = site_with_past(tmp_path)
    write_log(tmp_path, TODAY, {"10.0.0.3": 5_000_000})
    make_preview(site, AFTERNOON)
    for table in ("flows", "daily_traffic", "traffic_baseline", "anomaly_scores", "alerts"):
        assert TODAY not in site.storage.days(table)


def test_today_is_today_in_the_sites_zone(tmp_path: Path) -> None:
    site = make_site(tmp_path, 1, config=CONFIG.replace("timezone: UTC", "timezone: Pacific/Auckland"))
    late = dt.datetime.combine(day(0), dt.time(23), dt.UTC)  # already the next day in Auckland
    assert make_preview(site, late).day == day(1)


def test_a_day_without_any_log_has_an_empty_preview(tmp_path: Path) -> None:
    site = make_site(tmp_path, 1)
    log_path(tmp_path, day(0)).unlink()
    record = make_preview(site, dt.datetime.combine(day(5), dt.time(1), dt.UTC))
    assert (record.rows, record.facts) == (0, {"alerts": 0})

"""A day on which a sensor was silent is partial, after no_data and unverified and before verified, and says so."""

import datetime as dt
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from assets.runner import RunReport
from data_quality.checks import run_all
from data_quality.results import day_quality
from data_quality.specs import check_specs
from pipeline.schemas import ALERTS, DAILY_TRAFFIC, FLOWS
from pipeline.site import Site, open_site
from pipeline.stored.now import open_landing
from pipeline.stored.stages import publish_alerts
from pipeline.stored.status import days_status
from pipeline.surge.days import fit_days
from tests.data_quality.company import LAST, SERVERS, log, make, record_of, write_day


@pytest.fixture(scope="module")
def silent(company: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The company, one of whose sensors wrote no log on the last day, while a client was robbed at the other."""
    site = open_site(shutil.copytree(company, tmp_path_factory.mktemp("silent") / "site"))
    write_day(site.root)
    log(site.root, "edge").unlink()
    with log(site.root, "core").open("a", encoding="utf-8") as handle:
        handle.write(record_of("10.0.0.1", 900_000_000, SERVERS[0]))
    make(site, [LAST])
    run_all(check_specs(), site, [LAST])
    publish_alerts(site, LAST, day_quality(site, LAST))
    return site.root


@pytest.fixture
def site(silent: Path, tmp_path: Path) -> Site:
    return open_site(shutil.copytree(silent, tmp_path / "site"))


def test_a_partial_day_keeps_its_alerts_which_say_so(site: Site) -> None:
    assert day_quality(site, LAST) == "partial"
    alert = site.storage.read_day(ALERTS, LAST).row(0, named=True)
    assert (alert["client"], alert["quality"]) == ("10.0.0.1", "partial")
    assert "The day's data is partial." in alert["message"]


def test_a_partial_day_is_done_but_not_good_and_stays_in_the_windows(site: Site) -> None:
    (status,) = days_status(site, open_landing(site), [LAST], day_quality)
    assert (status.state, status.quality) == ("done", "partial")
    assert not RunReport([status]).good
    assert LAST in fit_days(site, LAST, 3, day_quality)


def test_a_failed_blocking_expectation_weighs_more_than_a_silent_sensor(site: Site) -> None:
    rows = site.storage.read_day(DAILY_TRAFFIC, LAST).with_columns(pl.col("bytes") + 1)
    site.storage.write_day(DAILY_TRAFFIC, LAST, rows, inputs={})
    run_all(check_specs(), site, [LAST])
    assert day_quality(site, LAST) == "unverified"


@pytest.mark.parametrize(("after", "quality"), [(0, "verified"), (1, "partial")])
def test_a_sensor_is_not_missed_from_the_day_on_that_its_source_is_retired(
    site: Site, after: int, quality: str
) -> None:
    config = site.root / "nilometer.yaml"
    text = config.read_text(encoding="utf-8")
    retired = text.replace("name: edge,", f"name: edge, retired: {LAST + dt.timedelta(days=after)},")
    assert retired != text
    config.write_text(retired, encoding="utf-8")
    changed = open_site(site.root)
    run_all(check_specs(), changed, [LAST])
    assert day_quality(changed, LAST) == quality


def test_a_day_without_a_line_is_no_data_whoever_was_silent(site: Site) -> None:
    site.storage.write_day(FLOWS, LAST, FLOWS.empty(), inputs={}, facts={"lines": 0})
    assert day_quality(site, LAST) == "no_data"


def test_the_sensors_logs_make_the_day_verified_when_they_come(site: Site) -> None:
    write_day(site.root)
    make(site, [LAST])
    run_all(check_specs(), site, [LAST])
    assert day_quality(site, LAST) == "verified"


def test_the_quality_of_a_day_is_told_by_reading_its_results_and_no_more(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every look of a sensor asks for it, day by day."""
    queries: list[str] = []

    def counting(name: str) -> Callable[..., Any]:
        query = getattr(pl.DataFrame, name)
        return lambda *what, **how: (queries.append(name), query(*what, **how))[1]

    for name in ("select", "filter", "with_columns"):
        monkeypatch.setattr(pl.DataFrame, name, counting(name))
    assert day_quality(site, LAST) == "partial"
    assert queries == ["select"]

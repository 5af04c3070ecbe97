"""Ordinary days of simulated companies fail as rarely as the documents say; small and new sites are no fault."""

import datetime as dt
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from benchmarks.false_alarms import judged
from data_quality.checks import run_all
from data_quality.results import day_quality
from data_quality.specs import check_specs
from pipeline.days import day_range
from pipeline.simulate.settings import WorldSettings
from pipeline.simulate.world import make_world
from pipeline.simulate.world_site import write_logs
from pipeline.site import Site, open_site
from tests.data_quality.company import failing, make
from tests.worlds import FIRST, day, make_site

CLEAN: dict[str, Any] = {"attacks": (), "sensor_gap_per_day": 0.0, "holidays_per_year": 0.0}


@pytest.mark.slow
@pytest.mark.parametrize("clients", [5, 50, 300])
def test_ordinary_days_stay_within_the_stated_rate(clients: int) -> None:
    found: Counter[str] = Counter()
    for seed in range(50, 53):
        groups = max(1, min(12, clients // 4))
        settings = WorldSettings(
            seed=seed,
            clients=clients,
            days=126,
            groups=groups,
            attacks=(),
            sensor_gap_per_day=0.0,
            holidays_per_year=0.0,
        )
        for _, failed in judged(make_world(settings), calendar=False):
            found.update(["days", *(["failed"] if failed else [])])
    assert found["days"] == 315
    assert found["failed"] <= 8  # Expected at one in a hundred are 3; more than 8 would be seen once in 100 times.


def simulated(folder: Path, clients: int, days: int) -> Site:
    settings = WorldSettings(seed=9, clients=clients, days=days, groups=1, **CLEAN)
    daily = make_world(settings).daily.select("day", "src_ip", "bytes_in")
    write_logs(daily, folder, "zeek", seed=9)
    site = open_site(folder)
    make(site, day_range(settings.start, settings.start + dt.timedelta(days=days - 1)))
    return site


@pytest.mark.slow
def test_a_clean_month_from_its_logs_on_has_no_failure_beyond_learning(tmp_path: Path) -> None:
    site = simulated(tmp_path, 60, 35)
    days = site.storage.days("flows")
    found = run_all(check_specs(), site, days)
    failed = Counter(
        (n, o["expectation"]) for n, of in found.items() for d in days[10:] for o in of[d].outcomes if not o["passed"]
    )
    assert sum(failed.values()) <= 1, failed
    assert {day_quality(site, d) for d in days} == {"verified"}


def test_the_first_day_of_a_site_of_three_clients_says_what_cannot_be_told(tmp_path: Path) -> None:
    site = make_site(tmp_path, 1, theft=0)
    make(site, [FIRST])
    assert set(failing(site, FIRST)) == {"canary_found.rules_that_can_alert", "canary_found.rules_that_cannot_today"}
    assert day_quality(site, FIRST) == "verified"


def test_a_day_without_mail_at_a_small_site_is_no_fault(tmp_path: Path) -> None:
    site = make_site(tmp_path, 6, theft=0)
    path = site.root / "logs" / day(5).isoformat() / "conn.log"
    path.write_text(path.read_text(encoding="utf-8").splitlines()[-1] + "\n", encoding="utf-8")
    make(site, [day(n) for n in range(6)])
    assert failing(site, day(5)) == {}
    assert day_quality(site, day(5)) == "verified"

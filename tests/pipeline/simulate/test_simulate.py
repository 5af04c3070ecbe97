"""The demo's company: its logs add up to its truth, the same numbers give the same logs, and it is tame."""

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

from pipeline.days import day_range
from pipeline.intake.landing import Landing
from pipeline.schemas import DAILY_TRAFFIC
from pipeline.settings import load_settings
from pipeline.simulate.company import Company
from pipeline.simulate.site import MARK, write_demo_site
from pipeline.simulate.traffic import company_flows, true_totals
from pipeline.site import open_site
from pipeline.stored.stages import make_daily, make_flows

LAST = dt.date(2026, 10, 27)
"""Two days after clocks change in Berlin."""


def company(seed: int = 3, *, theft: int = 10**9, zone: str = "UTC", days: int = 6, clients: int = 25) -> Company:
    return Company(seed=seed, last_day=LAST, clients=clients, days=days, theft_bytes=theft, timezone=zone)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/St_Johns"])
def test_what_the_pipeline_counts_is_what_truly_happened(tmp_path: Path, zone: str) -> None:
    made = write_demo_site(tmp_path, company(zone=zone))
    site = open_site(tmp_path)
    days = day_range(made.company.first_day, LAST)
    landing = Landing(site.root, site.storage.root, site.settings, dt.datetime(2026, 11, 1, tzinfo=dt.UTC))
    assert landing.land(days).problems == []
    for day in days:
        make_flows(site, landing, day)
        make_daily(site, day)
    rules = pl.DataFrame({"measure": [r.measure.id for r in site.rules], "rule_id": [r.id for r in site.rules]})
    counted = site.storage.scan(DAILY_TRAFFIC, days).collect().join(rules, on="measure")
    columns = ["rule_id", "day", "client", "bytes", "flows"]
    assert counted.select(columns).sort(columns).equals(made.totals.select(columns).sort(columns))


def test_equal_numbers_give_equal_bytes_and_another_seed_another_company(tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        write_demo_site(tmp_path / name, company(seed))
    first, second, third = (
        {p.relative_to(tmp_path / n).as_posix(): p.read_bytes() for p in (tmp_path / n).rglob("*.gz")} for n in "abc"
    )
    assert first == second
    assert first != third


def test_the_theft_is_what_sets_the_two_worlds_apart() -> None:
    stolen, honest = (true_totals(c, company_flows(c)) for c in (company(), company(theft=0)))
    keys = ["rule_id", "day", "client"]
    changed = stolen.join(honest, on=keys, how="full", suffix="_honest").filter(
        pl.col("bytes").ne_missing(pl.col("bytes_honest"))
    )
    received = changed.filter(pl.col("rule_id").str.starts_with("hosts_"))
    assert received.height == 1
    assert received["day"].to_list() == [LAST]
    assert (received["bytes"] - received["bytes_honest"].fill_null(0)).item() == pytest.approx(10**9, rel=0.1)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_ordinary_client_passes_the_fleets_gate_and_its_own(seed: int) -> None:
    quiet = company(seed, theft=0, days=45, clients=120)
    totals = true_totals(quiet, company_flows(quiet))
    for (_, day), today in totals.group_by("rule_id", "day"):
        rule = today["rule_id"][0]
        window = totals.filter(
            (pl.col("rule_id") == rule) & pl.col("day").is_between(day - dt.timedelta(days=30), day)  # type: ignore[operator]
        )
        mean, sd = window["bytes"].mean(), window["bytes"].std()
        assert isinstance(mean, float)
        past = (
            window.filter(pl.col("day") < day)
            .group_by("client")
            .agg(n=pl.len(), own=pl.col("bytes").mean() + 3 * pl.col("bytes").std())
        )
        judged = today.join(past.filter(pl.col("n") >= 3), on="client")
        gate = mean + 3 * (sd if isinstance(sd, float) else 0.0)
        assert judged.filter((pl.col("bytes") > gate) & (pl.col("bytes") > pl.col("own"))).is_empty()


def test_the_sites_configuration_is_marked_as_a_demo_and_loads(tmp_path: Path) -> None:
    write_demo_site(tmp_path, company())
    assert (tmp_path / "nilometer.yaml").read_text(encoding="utf-8").startswith(MARK)
    settings = load_settings(tmp_path / "nilometer.yaml")
    assert settings.start_date == LAST - dt.timedelta(days=5)
    assert len(settings.inventory) == 3


@pytest.mark.parametrize("wrong", [{"clients": 0}, {"days": 0}, {"theft_bytes": -1}, {"servers": 101}])
def test_impossible_companies_are_refused_with_the_allowed_range(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"must be in \d+\.\.\d+"):
        Company(**{"seed": 1, "last_day": LAST} | wrong)  # type: ignore[arg-type]

"""The surge method in whole runs: alerts beside the seed's, equal tables in any order of days, none when off."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from assets.runner import run_days, run_stale
from data_quality.results import results_of
from pipeline.alerts import alert_id
from pipeline.schemas import ALERTS, SURGE_SCORES
from pipeline.site import Site, open_site
from pipeline.stored.stages import make_surge
from pipeline.stored.verdicts import history
from tests.worlds import CONFIG, SEED, day, write_log

RULE = "mail_volume_surge"
DAYS, CLIENTS, THIEF = 14, 30, "10.0.0.7"
ON = CONFIG.replace("lookback_days: 30", "lookback_days: 10") + f"rules: {{{RULE}: true}}\n"


def write_logs(folder: Path, config: str) -> None:
    """Log-normal clients; on the last day one receives 4 GB more."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "nilometer.yaml").write_text(config, encoding="utf-8")
    rng = np.random.default_rng(1)
    level = rng.normal(16, 0.7, CLIENTS)
    for number in range(DAYS):
        volume = np.exp(level + rng.normal(0, 0.3, CLIENTS)).astype(int)
        received = {f"10.0.0.{c}": int(v) for c, v in enumerate(volume)}
        received[THIEF] += 4_000_000_000 * (number == DAYS - 1)
        write_log(folder, day(number), received)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("surge") / "site"
    write_logs(folder, ON)
    report = run_days(open_site(folder), [day(n) for n in range(DAYS)])
    assert report.good, [d.reasons for d in report.days]
    return open_site(folder)


@pytest.fixture(scope="module")
def alone(ran: Site, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A site whose last day was asked for, and no other."""
    folder = tmp_path_factory.mktemp("alone") / "site"
    shutil.copytree(ran.root, folder, ignore=shutil.ignore_patterns("data", "dagster_home"))
    run_days(open_site(folder), [day(DAYS - 1)])
    return open_site(folder)


def content(site: Site, table: str) -> dict[dt.date, str]:
    records = {d: site.storage.record(table, d) for d in site.storage.days(table)}
    return {d: r.fingerprint for d, r in records.items() if r is not None}


def test_a_theft_alerts_with_what_explains_it(ran: Site) -> None:
    found = ran.storage.read_day(ALERTS, day(DAYS - 1)).filter(pl.col("rule_id") == RULE)
    mine = found.filter(pl.col("client") == THIEF).row(0, named=True)
    evidence = json.loads(mine["evidence"])
    assert "one large day, high" in mine["message"]
    assert evidence["expected"] < 50_000_000
    assert evidence["seed"][0]["rule_id"] == SEED
    assert evidence["seed"][0]["alerts"] is True
    (shot,) = (c for c in evidence["channels"] if c["channel"] == "shot")
    assert shot["rate"] <= shot["limit"] == 13
    assert evidence["expected"] < shot["least_volume"] < 100_000_000
    assert evidence["top_flows"][0]["bytes"] == mine["bytes_in"]


def test_the_canary_of_the_method_waits_for_the_days_scores(ran: Site) -> None:
    found = results_of(ran, day(DAYS - 1)).filter(pl.col("check") == "canary_found")
    assert found["passed"].all()
    assert dict(found.select("expectation", "observed").iter_rows())["rules_that_can_alert"] == "2"


def test_the_ledger_holds_both_methods_verdicts_of_the_client(ran: Site) -> None:
    last = day(DAYS - 1)
    seed, surge = (history(ran.storage, alert_id(rule, last, THIEF)) for rule in (SEED, RULE))
    assert [c.change for c in [*seed, *surge]] == ["raised", "raised"]
    assert seed[0].verdict is not None
    assert surge[0].verdict is not None
    assert (seed[0].verdict.severity, surge[0].verdict.severity) == (None, "high")
    assert seed[0].verdict.margin is not None
    assert seed[0].verdict.margin > 1
    assert surge[0].verdict.value == seed[0].verdict.value


def test_the_seed_still_alerts_as_without_the_method(ran: Site, tmp_path: Path) -> None:
    write_logs(tmp_path / "plain", ON.replace("true", "false"))
    plain = open_site(tmp_path / "plain")
    run_days(plain, [day(DAYS - 1)])
    seeds = [s.storage.read_day(ALERTS, day(DAYS - 1)).filter(pl.col("rule_id") != RULE) for s in (ran, plain)]
    assert seeds[0].equals(seeds[1])
    assert not seeds[0].is_empty()
    assert not plain.storage.days("surge_scores")


def test_one_day_alone_fills_what_its_verdict_needs(ran: Site, alone: Site) -> None:
    assert alone.storage.days("alerts") == [day(DAYS - 1)]
    assert content(alone, "alerts")[day(DAYS - 1)] == content(ran, "alerts")[day(DAYS - 1)]


def test_days_run_in_another_order_end_in_equal_tables(ran: Site, alone: Site, tmp_path: Path) -> None:
    site = open_site(shutil.copytree(alone.root, tmp_path / "site"))
    run_days(site, [day(5)])
    run_days(site, [day(n) for n in range(DAYS)])
    report = run_stale(site)
    assert all(d.state == "done" for d in report.days)
    for table in ("surge_scores", "alerts"):
        assert content(site, table) == content(ran, table)


def test_an_unverified_day_is_left_out_of_the_window(ran: Site, tmp_path: Path) -> None:
    folder = tmp_path / "site"
    shutil.copytree(ran.root, folder)
    site = open_site(folder)

    def quality_of(_: Site, of: dt.date) -> str:
        return "unverified" if of == day(DAYS - 2) else "verified"

    before = site.storage.read_day(SURGE_SCORES, day(DAYS - 1))
    record = make_surge(site, day(DAYS - 1), quality_of)
    after = site.storage.read_day(SURGE_SCORES, day(DAYS - 1))
    assert f"daily_traffic/{day(DAYS - 2)}" not in record.inputs
    assert (before["n"] - after["n"]).to_list() == [1] * CLIENTS


def test_a_day_whose_surge_scores_fail_keeps_the_seed_alerts(ran: Site, tmp_path: Path) -> None:
    folder = tmp_path / "site"
    shutil.copytree(ran.root, folder)
    (folder / "data" / "surge_scores" / f"day={day(DAYS - 1)}" / "part.parquet").unlink()
    (folder / "data" / "surge_scores" / f"day={day(DAYS - 1)}").rmdir()
    (folder / "data" / "surge_scores" / f"day={day(DAYS - 1)}").touch()
    site = open_site(folder)
    report = run_days(site, [day(DAYS - 1)])
    assert report.days[0].state == "failed"
    assert report.days[0].reasons[0].startswith("surge_scores")
    assert SEED in site.storage.read_day(ALERTS, day(DAYS - 1))["rule_id"].to_list()

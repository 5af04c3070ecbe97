"""Scores that an earlier version stored, without a column that is asked of the day judged alone, judge later days."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

from pipeline.errors import StorageError
from pipeline.schemas import FLOWS, SURGE_SCORES
from pipeline.site import Site
from pipeline.storage import day_name
from pipeline.surge.alerts import surge_alerts
from pipeline.surge.days import verdict_inputs, verdict_rows
from pipeline.trials.pasts import pasts
from pipeline.trials.power import power_map
from tests.stored_days import stored_site
from tests.worlds import SEED, day

DAYS, THIEF = 16, "10.0.5.1"
LAST = day(DAYS - 1)


def without(site: Site, which: dt.date, *columns: str) -> None:
    """The day of surge scores as a version without the columns had stored it."""
    record = site.storage.record("surge_scores", which)
    assert record is not None
    frame = site.storage.read_day(SURGE_SCORES, which).drop(columns)
    site.storage.write_parquet(day_name("surge_scores", which), frame, record.footer)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = stored_site(tmp_path, "rules: {mail_volume_surge: {budget: 300}}\n", DAYS, extra={(SEED, THIEF): 2 * 10**9})
    made.storage.write_day(FLOWS, LAST, FLOWS.empty(), inputs={})
    return made


def test_a_new_day_is_judged_by_days_of_an_earlier_version_and_comes_out_the_same(site: Site) -> None:
    (rule,) = site.rules_of("surge")
    known = (
        surge_alerts(site, LAST, "verified"),
        power_map(site, LAST, [rule]),
        verdict_inputs(site, LAST),
        pasts(site, LAST, rule, [THIEF]),
    )
    assert known[0]["client"].to_list() == [THIEF]
    for n in range(DAYS - 1):
        without(site, day(n), "usual")
    rows = verdict_rows(site, LAST, rule)
    lacking = rows.filter(pl.col("day") < LAST)["usual"]
    assert (rows.columns, lacking.null_count(), lacking.len() > 0) == (list(SURGE_SCORES.schema), lacking.len(), True)
    assert rows.filter(pl.col("day") == LAST)["usual"].null_count() == 0
    assert surge_alerts(site, LAST, "verified").equals(known[0])
    assert power_map(site, LAST, [rule]).equals(known[1])
    assert (verdict_inputs(site, LAST), pasts(site, LAST, rule, [THIEF])) == known[2:]
    assert site.storage.first_damage([day(n) for n in range(DAYS)]) is None


def test_the_day_judged_needs_all_columns_and_says_what_to_do(site: Site) -> None:
    (rule,) = site.rules_of("surge")
    without(site, LAST, "usual")
    for judge in (
        lambda: surge_alerts(site, LAST, "verified"),
        lambda: power_map(site, LAST, [rule]),
        lambda: site.storage.read_day(SURGE_SCORES, LAST),
        lambda: site.storage.scan(SURGE_SCORES, [LAST]),
    ):
        with pytest.raises(StorageError, match=r"column usual: .*Run its day again.*nilometer run --stale"):
            judge()


def test_no_other_column_may_lack(site: Site) -> None:
    (rule,) = site.rules_of("surge")
    without(site, day(3), "surprise")
    with pytest.raises(StorageError, match="column surprise"):
        verdict_rows(site, LAST, rule)
    found = site.storage.first_damage([day(n) for n in range(DAYS)])
    assert found is not None
    assert "surge_scores/day=" in found.message

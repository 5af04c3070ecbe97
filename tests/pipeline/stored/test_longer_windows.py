"""A rule may look further back than days were kept: new days are judged by what is left, old ones stay as they are."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from pipeline.errors import StorageError
from pipeline.schemas import ANOMALY_SCORES, TRAFFIC_BASELINE
from pipeline.site import Site, open_site
from pipeline.stored import stages
from pipeline.stored.pruned import lost_input
from pipeline.trials.explain import NO_BASELINE, explain
from tests.pipeline.stored.test_series import DAYS, LAST, PRUNED, with_flows
from tests.worlds import CONFIG, SEED, day

SHORT, LONG = (CONFIG.replace("lookback_days: 30", f"lookback_days: {n}") for n in (3, 9))
GONE = 4
"""Days whose tables are gone but for the alerts; the last day's old window lies behind them, its new one does not."""
TABLES = ("flows", "daily_traffic", "traffic_baseline", "anomaly_scores")


def longer(folder: Path, config: str = LONG) -> Site:
    """A site whose rules look further back now, whose first days were pruned before and whose last was never made."""
    site = with_flows(folder, SHORT)
    for table in TABLES:
        for n in range(GONE):
            site.storage.prune_day(table, day(n), PRUNED)
    for table in ("traffic_baseline", "anomaly_scores", "alerts"):
        (folder / "data" / table / f"day={LAST}" / "part.parquet").unlink()
    (folder / "nilometer.yaml").write_text(config, encoding="utf-8")
    return open_site(folder)


def make(site: Site, number: int) -> None:
    stages.make_baseline(site, day(number))
    stages.make_scores(site, day(number))
    stages.publish_alerts(site, day(number), "verified")


def test_a_new_day_is_judged_by_what_is_left_of_its_window_and_says_so(tmp_path: Path) -> None:
    site = longer(tmp_path)
    make(site, DAYS - 1)
    scores = site.storage.read_day(ANOMALY_SCORES, LAST).filter(pl.col("rule_id") == SEED)
    told = scores.select("n", "window_days", "window_days_present", "window_complete").unique()
    assert told.rows() == [(DAYS - GONE, 9, DAYS - GONE - 1, False)]


def test_such_a_day_is_made_again_when_anything_of_it_changes(tmp_path: Path) -> None:
    site = longer(tmp_path)
    make(site, DAYS - 1)
    assert [lost_input(site, t, LAST) for t in (*TABLES, "alerts")] == [""] * 5
    record = site.storage.record("traffic_baseline", LAST)
    assert record is not None
    assert record.inputs == stages.baseline_inputs(site, LAST)
    names = {f"daily_traffic/{day(n)}" for n in range(GONE, DAYS - 1)}
    assert {n for n in record.inputs if "/" in n} == names
    site.storage.prune_day("daily_traffic", day(GONE), PRUNED)
    assert stages.baseline_inputs(site, LAST) == record.inputs
    assert lost_input(site, "traffic_baseline", LAST) == f"daily_traffic of {day(GONE)} was pruned"


def test_a_day_whose_old_window_is_gone_keeps_its_scores_and_the_next_ones_are_judged_anew(tmp_path: Path) -> None:
    site = longer(tmp_path)
    kept, again = GONE, GONE + 3
    for n in (kept, again):
        make(site, n)
    lookback = {
        n: site.storage.read_day(TRAFFIC_BASELINE, day(n))["lookback_days"].unique().item() for n in (kept, again)
    }
    assert lookback == {kept: 3, again: 9}
    assert lost_input(site, "anomaly_scores", day(kept)) == f"daily_traffic of {day(GONE - 3)} was pruned"
    assert lost_input(site, "anomaly_scores", day(again)) == ""
    told = explain(site, "10.0.0.1", day(kept), [site.rule(SEED)])
    assert [(e.state, e.least_reason, e.changed) for e in told] == [("normal", NO_BASELINE, True)]


def test_numbers_that_change_no_window_judge_a_kept_day_anew(tmp_path: Path) -> None:
    site = longer(tmp_path, f"{SHORT}rules: {{{SEED}: {{minimum_data_samples: 5}}}}\n")
    before = site.storage.read_day(ANOMALY_SCORES, day(GONE))
    make(site, GONE)
    after = site.storage.read_day(ANOMALY_SCORES, day(GONE))
    assert lost_input(site, "traffic_baseline", day(GONE))
    assert not after.equals(before)


def test_a_day_without_any_of_its_window_left_is_not_judged_by_nothing(tmp_path: Path) -> None:
    site = longer(tmp_path)
    (tmp_path / "data" / "traffic_baseline" / f"day={day(GONE)}" / "part.parquet").unlink()
    with pytest.raises(StorageError, match=f"traffic_baseline cannot be made: daily_traffic of {day(0)} was pruned"):
        stages.make_baseline(site, day(GONE))


def test_a_scored_day_whose_baseline_is_gone_is_explained_but_for_the_least_volume(tmp_path: Path) -> None:
    site = with_flows(tmp_path)
    site.storage.prune_day("traffic_baseline", LAST, PRUNED)
    (told,) = explain(site, "10.0.0.1", LAST, [site.rule(SEED)])
    assert (told.state, told.least, told.least_reason, told.compared["own"]["n"]) == (
        "normal",
        None,
        NO_BASELINE,
        DAYS - 1,
    )

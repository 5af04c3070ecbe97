"""What is said of days without scores: never judged, or judged and pruned since."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from click.testing import CliRunner

from assets.cli import main
from assets.commands.power import _stored
from pipeline.errors import StorageError
from pipeline.schemas import ALERTS, ANOMALY_SCORES, DAILY_TRAFFIC
from pipeline.site import Site, open_site
from pipeline.stored.now import nothing_scored, unscored
from pipeline.trials.explain import explain
from tests.worlds import CONFIG, day

PRUNED = dt.date(2026, 11, 27)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A site with one day, whose alerts and scores were pruned."""
    (tmp_path / "nilometer.yaml").write_text(CONFIG, encoding="utf-8")
    made = open_site(tmp_path)
    for table in (DAILY_TRAFFIC, ANOMALY_SCORES, ALERTS):
        made.storage.write_day(table, day(0), table.empty(), inputs={})
    for table in (ANOMALY_SCORES, ALERTS):
        made.storage.prune_day(table.name, day(0), PRUNED)
    return made


def test_a_day_whose_alerts_were_pruned_is_not_called_unscored(site: Site) -> None:
    said = f"its alerts were pruned on {PRUNED}; nilometer alerts --changes --day {day(0)} tells what they were."
    assert unscored(site, day(0)).startswith(said)
    with pytest.raises(StorageError, match=f"{day(0)}: its alerts were pruned on {PRUNED};"):
        explain(site, "10.0.0.1", day(0), site.rules)
    assert unscored(site, day(1)).startswith("not scored; ")


def test_where_all_was_pruned_nobody_is_told_that_nothing_was_scored(site: Site, tmp_path: Path) -> None:
    assert "the scores of all days were pruned" in nothing_scored(site).message
    found = CliRunner().invoke(main, ["--site", str(site.root), "alerts"])
    assert (found.exit_code, found.stdout) == (1, "")
    assert f"All alerts were pruned, the last of {day(0)}" in found.stderr
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "nilometer.yaml").write_text(CONFIG, encoding="utf-8")
    assert "no day is scored yet" in nothing_scored(open_site(tmp_path / "new")).message


def test_a_back_test_is_on_daily_traffic_that_outlived_its_scores(site: Site) -> None:
    assert _stored(site, None, None) == ([day(0)], [])

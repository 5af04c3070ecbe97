"""What is said of days without scores: never judged, or judged and pruned since."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import StorageError
from pipeline.site import open_site
from pipeline.stored.now import nothing_scored, unscored
from pipeline.trials.explain import explain
from tests.stored_days import PRUNED, pruned_site
from tests.worlds import CONFIG, day


def test_a_day_whose_alerts_were_pruned_is_not_called_unscored(tmp_path: Path) -> None:
    site = pruned_site(tmp_path)
    said = f"its alerts were pruned on {PRUNED}; nilometer alerts --changes --day {day(0)} tells what they were."
    assert unscored(site, day(0)).startswith(said)
    with pytest.raises(StorageError, match=f"{day(0)}: its alerts were pruned on {PRUNED};"):
        explain(site, "10.0.0.1", day(0), site.rules)
    assert unscored(site, day(1)).startswith("not scored; ")


def test_where_all_was_pruned_nobody_is_told_that_nothing_was_scored(tmp_path: Path) -> None:
    assert "the scores of all days were pruned" in nothing_scored(pruned_site(tmp_path)).message
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "nilometer.yaml").write_text(CONFIG, encoding="utf-8")
    assert "no day is scored yet" in nothing_scored(open_site(tmp_path / "new")).message

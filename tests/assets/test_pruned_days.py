"""What the commands say and do where scores and alerts were pruned and daily traffic was not."""

from __future__ import annotations

from pathlib import Path

from assets.commands.power import _stored
from tests.calls import call
from tests.stored_days import pruned_site
from tests.worlds import day


def test_alerts_that_were_all_pruned_are_named_so(tmp_path: Path) -> None:
    found = call("alerts", site=pruned_site(tmp_path).root)
    assert (found.exit_code, found.stdout) == (1, "")
    assert f"All alerts were pruned, the last of {day(0)}" in found.stderr


def test_a_back_test_is_on_daily_traffic_that_outlived_its_scores(tmp_path: Path) -> None:
    assert _stored(pruned_site(tmp_path), None, None) == ([day(0)], [])

"""Days that were asked for and not made, and days that the schedule left out: which are owed, and from where on."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from pipeline.schemas import ALERTS
from pipeline.site import Site, open_site
from pipeline.stored.stale import left_out, owed
from tests.worlds import CONFIG, day


def site_with(folder: Path, *scored: int, failed: int | None = None) -> Site:
    (folder / "nilometer.yaml").write_text(CONFIG, encoding="utf-8")
    site = open_site(folder)
    for n in scored:
        site.storage.write_day(ALERTS, day(n), ALERTS.empty(), inputs={})
    if failed is not None:
        site.storage.mark_failed(day(failed), "flows", ["no such file"])
    return site


@pytest.mark.parametrize("failed", [None, 5])
def test_owed_are_the_days_asked_for_after_the_newest_that_was_scored_or_failed(
    tmp_path: Path, failed: int | None
) -> None:
    site = site_with(tmp_path, 2, 4, failed=failed)
    asked = [day(n) for n in (7, 3, 4, 5, 6, 9)]
    known = [5] if failed is None else []
    assert owed(site, asked, last=day(7)) == [day(n) for n in (*known, 6, 7)]


def test_nothing_before_the_site_s_start_is_owed(tmp_path: Path) -> None:
    site = site_with(tmp_path)
    before = site.settings.start_date - dt.timedelta(days=1)
    assert owed(site, [before, site.settings.start_date], last=day(7)) == [site.settings.start_date]


@pytest.mark.parametrize(("longest", "first"), [(4, 3), (3, 6)])
def test_days_left_out_are_made_with_the_day_unless_they_are_too_many(tmp_path: Path, longest: int, first: int) -> None:
    """Days 3 to 6 are four: as many as one run may make are made, of one more the last alone."""
    found = left_out(site_with(tmp_path, 1, 2, 8), day(6), longest)
    assert found == [day(n) for n in range(first, 7)]

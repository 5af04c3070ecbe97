"""A clock that was ahead for a night: the day it made is stored, and hides no day that is over."""

import datetime as dt
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from assets.cli import main
from assets.commands.power import _last_scored
from assets.reporting.metrics import state_samples
from pipeline.schemas import ALERTS, ANOMALY_SCORES, FLOWS
from pipeline.site import Site
from pipeline.stored.now import ended
from tests.worlds import day, make_site

LAST = day(4)
AHEAD = LAST + dt.timedelta(days=365)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr("pipeline.stored.now.today", lambda _: LAST + dt.timedelta(days=1))
    found = make_site(tmp_path / "site", 1)
    for table in (FLOWS, ANOMALY_SCORES, ALERTS):
        for when in (LAST, AHEAD):
            found.storage.write_day(table, when, table.empty(), inputs={}, facts={"quality": "no_data"})
    return found


def call(site: Site, *words: str) -> Result:
    return CliRunner().invoke(main, ["--site", str(site.root), *words])


def test_the_newest_day_is_the_newest_that_is_over(site: Site) -> None:
    assert site.storage.days("alerts") == [LAST, AHEAD]
    assert ended(site, "alerts") == [LAST]
    end = dt.datetime.combine(LAST + dt.timedelta(days=1), dt.time(), dt.UTC).timestamp()
    found = {s.name: s.value for s in state_samples(site, end + 60)}
    assert found["newest_done_day_timestamp_seconds"] == end
    assert found["newest_done_day_age_seconds"] == 60
    assert _last_scored(site) == LAST
    assert call(site, "quality", "--json").stderr.startswith(f"{LAST}: no check has run")


def test_a_stored_day_that_is_not_over_is_named_with_what_to_do_and_those_before_it_are_not(site: Site) -> None:
    told = call(site, "alerts")
    assert told.exit_code == 1
    line = told.stderr.splitlines()[-1]
    assert len(told.stderr.splitlines()) == 2  # The other is of the day that is over.
    assert line.startswith(f"{AHEAD}: it has not ended yet; the last day that has is {LAST} (UTC): the clock was ahead")
    assert f"begin with day={AHEAD}" in line
    later = call(site, "alerts", "--from", str(AHEAD + dt.timedelta(days=9)))
    assert later.exit_code == 1
    assert "not scored; it has not ended yet" in later.stderr
    states = [json.loads(line) for line in call(site, "status", "--json").stdout.splitlines()]
    assert [s["day"] for s in states] == [*(str(day(n)) for n in range(5)), str(AHEAD)]
    assert "the clock was ahead" in " ".join(states[-1]["reasons"])

"""The days of clients beside a verdict: those of the rule's window and series, of all clients asked for."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

from pipeline.schemas import DAILY_TRAFFIC, SURGE_SCORES
from pipeline.site import Site, open_site
from pipeline.trials.pasts import pasts
from tests.worlds import CONFIG, SEED, TWIN, day

LAST = day(40)
RULES = f"""rules:
  {SEED}: {{lookback_days: 10, null_client: literal}}
  mail_volume_surge: true
"""


def written(folder: Path, rules: str = RULES) -> Site:
    """Of 41 days two clients, a null one on the last, and the same clients in the twin's series with other volumes."""
    (folder / "nilometer.yaml").write_text(CONFIG + rules, encoding="utf-8")
    site = open_site(folder)
    for n in range(41):
        rows = [
            {"day": day(n), "measure": site.rule(rule).measure.id, "client": client, "bytes": size}
            for rule, more in ((SEED, 0), (TWIN, 5000))
            for client, size in (("10.0.0.1", n + more), ("10.0.0.2", None), (None, 7))
            if client or n == 40
        ]
        site.storage.write_day(DAILY_TRAFFIC, day(n), DAILY_TRAFFIC.conform(pl.DataFrame(rows)), inputs={})
        scores = [{"day": day(n), "rule_id": "mail_volume_surge", "client": "laptop-7", "bytes": 900 + n}]
        site.storage.write_day(SURGE_SCORES, day(n), SURGE_SCORES.conform(pl.DataFrame(scores)), inputs={})
    return site


def test_the_window_of_each_client_asked_for_ends_with_the_day(tmp_path: Path) -> None:
    site = written(tmp_path)
    found = pasts(site, LAST, site.rule(SEED), ["10.0.0.1", "10.0.0.2", "10.0.0.3"])
    assert found == {
        "10.0.0.1": tuple((day(n), n) for n in range(30, 41)),
        "10.0.0.2": tuple((day(n), None) for n in range(30, 41)),
    }


def test_a_client_that_a_rule_names_for_none_has_its_days(tmp_path: Path) -> None:
    site = written(tmp_path)
    assert pasts(site, LAST, site.rule(SEED), ["null"]) == {"null": ((LAST, 7),)}
    assert pasts(site, LAST, site.rule(TWIN), ["null"]) == {}


def test_surge_has_the_days_of_its_assets(tmp_path: Path) -> None:
    site = written(tmp_path)
    found = pasts(site, LAST, site.rule("mail_volume_surge"), ["laptop-7"])
    assert found == {"laptop-7": tuple((day(n), 900 + n) for n in range(10, 41))}


@pytest.mark.parametrize("clients", [[], ["10.0.0.9"]])
def test_nobody_has_no_days(tmp_path: Path, clients: list[str]) -> None:
    site = written(tmp_path)
    assert pasts(site, LAST, site.rule(SEED), clients) == {}


def test_days_that_are_not_stored_are_not_among_them(tmp_path: Path) -> None:
    site = written(tmp_path)
    late = LAST + dt.timedelta(days=5)
    assert pasts(site, late, site.rule(SEED), ["10.0.0.1"]) == {"10.0.0.1": tuple((day(n), n) for n in range(35, 41))}

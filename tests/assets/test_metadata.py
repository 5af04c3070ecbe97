"""Markdown for the UI: nothing from data becomes markup, and a day's alerts say what to do."""

import datetime as dt
import math
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from assets import checks
from assets.reporting.days_told import normal_of, traffic_of, verdicts_of
from assets.reporting.metadata import SHOWN_ALERTS, alerts_of, cell, table
from data_quality.results import CheckOutcome
from data_quality.specs import check_specs
from pipeline.alerts import build_alerts
from pipeline.schemas import ALERTS, ANOMALY_SCORES, DAILY_TRAFFIC, FLOWS, TRAFFIC_BASELINE
from pipeline.site import Site
from tests.worlds import SEED, day, make_site


@pytest.mark.parametrize(
    "evil",
    ["![x](http://192.0.2.1/p.png)", "[a](javascript:x)", "<img src=x>", "a|b", "`code`", "line\nbreak", "*b* _i_"],
)
def test_nothing_from_data_becomes_markup(evil: str) -> None:
    text = cell(evil)
    bare = text.replace("\\\\", "")
    for at, sign in enumerate(bare):
        assert sign not in "|[]!<>*_`" or bare[at - 1] == "\\", (sign, text)
    assert "://" not in text
    assert "\n" not in text


def test_nothing_from_data_turns_what_is_read_beside_it() -> None:
    assert cell("a\u202egpj.exe\u2066\x1b") == "a\\\\x202egpj.exe\\\\x2066\\\\x1b"


def test_a_table_has_one_line_a_row() -> None:
    assert table(["a", "b"], [[1, "x|y"], [None, 2]]) == "| a | b |\n|---|---|\n| 1 | x\\|y |\n|  | 2 |"


def stored_alerts(site: Site, count: int) -> None:
    rows = [
        dict.fromkeys(ANOMALY_SCORES.schema.names())
        | {"rule_id": SEED, "client": f"10.0.{i // 250}.{i % 250}", "bytes": 1_000 + i, "state": "alert", "day": day(0)}
        | {"avg_bytes": 1.0, "stdev_bytes": 1.0, "per_source_avg_bytes": 1.0, "per_source_stdev_bytes": 1.0}
        | {"window_days": 0, "window_days_present": 0, "window_complete": True}
        for i in range(count)
    ]
    scores = pl.DataFrame(rows, schema=ANOMALY_SCORES.schema)
    found = build_alerts(scores, site.rules, FLOWS.empty().lazy(), day(0), "UTC", "verified")
    site.storage.write_day(ALERTS, day(0), found, inputs={})


def test_the_largest_alerts_come_first_and_the_rest_is_counted(tmp_path: Path) -> None:
    site = make_site(tmp_path, 1)
    stored_alerts(site, SHOWN_ALERTS + 5)
    text = alerts_of(site, day(0))["alerts"].value
    lines = text.splitlines()
    assert f"10.0.0.{SHOWN_ALERTS + 4} " in lines[0]
    assert f"5 more: `nilometer alerts --day {day(0)}`" in text
    assert "What to do:" in text
    assert f"nilometer explain 10.0.0.{SHOWN_ALERTS + 4} {day(0)}" in lines[0]


def test_a_day_without_alerts_and_without_data_says_that_this_is_not_no_alert(tmp_path: Path) -> None:
    site = make_site(tmp_path, 1)
    site.storage.write_day(ALERTS, dt.date(2026, 10, 1), ALERTS.empty(), inputs={})
    shown = alerts_of(site, day(0))
    assert set(shown) == {"quality"}
    assert "no line of a log could be read for this day; that is not the same as no alert" in shown["quality"].value


def rows_of(shown: dict[str, Any], name: str) -> list[list[str]]:
    return [[c.strip() for c in line.strip("|").split("|")] for line in shown[name].value.splitlines()[2:]]


def test_a_day_of_traffic_is_told_by_series_and_distinct_counts_have_no_sum(tmp_path: Path) -> None:
    site = make_site(tmp_path, 1)
    told = [
        ("bytes_in where x", "10.0.0.1", 2**62, 3),
        ("bytes_in where x", "10.0.0.2", 2**62 + 10**16, 4),
        ("bytes_in where x", "10.0.0.3", None, 1),
        ("peers where x", "10.0.0.1", 2, 3),
    ]
    rows = [{"day": day(0), "measure": m, "client": c, "bytes": v, "flows": n} for m, c, v, n in told]
    site.storage.write_day(DAILY_TRAFFIC, day(0), DAILY_TRAFFIC.conform(pl.DataFrame(rows)), inputs={})
    assert rows_of(traffic_of(site, day(0)), "series") == [
        ["bytes\\_in where x", "3", "8", "9,233,372 TB", "4,621,686 TB", "10.0.0.2"],
        ["peers where x", "1", "3", "-", "2 other ends", "10.0.0.1"],
    ]


def test_what_was_usual_of_the_fleet_is_told_by_series(tmp_path: Path) -> None:
    site = make_site(tmp_path, 1)
    fleet = {
        "measure": "flows where x",
        "scope": "fleet",
        "n_past_values": 1_200,
        "avg_bytes": 1.5,
        "stdev_bytes": None,
    }
    fleet |= {"day": day(0), "window_days": 30, "window_days_present": 29}
    rows = TRAFFIC_BASELINE.conform(pl.DataFrame([fleet, fleet | {"scope": "client", "client": "10.0.0.1"}]))
    site.storage.write_day(TRAFFIC_BASELINE, day(0), rows, inputs={})
    assert rows_of(normal_of(site, day(0)), "fleet") == [["flows where x", "29 of 30", "1,200", "1.5 flows", "-"]]


def test_verdicts_are_told_by_rule(tmp_path: Path) -> None:
    site = make_site(tmp_path, 1)
    states = [("a", "alert"), ("a", "normal"), ("a", "normal"), ("b", "no_history")]
    rows = [{"day": day(0), "rule_id": r, "client": str(i), "state": s} for i, (r, s) in enumerate(states)]
    site.storage.write_day(ANOMALY_SCORES, day(0), ANOMALY_SCORES.conform(pl.DataFrame(rows)), inputs={})
    told = verdicts_of(site, day(0))["rules"].value.splitlines()
    assert told == ["- a: 3 clients; 1 alert, 2 normal", "- b: 1 client; 1 no\\_history"]


def test_an_empty_day_has_no_table(tmp_path: Path) -> None:
    site = make_site(tmp_path, 1)
    for table_of in (DAILY_TRAFFIC, TRAFFIC_BASELINE, ANOMALY_SCORES):
        site.storage.write_day(table_of, day(0), table_of.empty(), inputs={})
    assert [tell(site, day(0)) for tell in (traffic_of, normal_of, verdicts_of)] == [{}, {}, {}]


def test_numbers_that_are_none_are_left_out_of_a_result() -> None:
    spec = next(s for s in check_specs() if s.name == "flows_complete")
    observed = {"flows": 3, "a": math.nan, "b": math.inf, "c": 0.5, "c.note": "told", "d": None}
    told = checks._evaluation(spec, "2026-11-20", CheckOutcome(True, (), observed), None)
    numbers = {k: v.value for k, v in told.metadata.items() if isinstance(v, dg.FloatMetadataValue)}
    assert numbers == {"flows": 3.0, "c": 0.5}


@pytest.mark.parametrize(
    ("number", "shown"), [(7.999999999999998, 8.0), (0.1 + 0.2, 0.3), (5e-324, 5e-324), (2.0**53, 2.0**53), (1.5, 1.5)]
)
def test_a_number_of_a_check_is_shown_without_what_its_calculation_left_over(number: float, shown: float) -> None:
    told = checks._evaluation(check_specs()[0], "2026-11-20", CheckOutcome(True, (), {"a": number}), None)
    assert told.metadata["a"].value == shown

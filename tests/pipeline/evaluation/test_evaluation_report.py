"""Figures over worlds against other ways to count them, and the forms they are given out in."""

import json
import math
from xml.etree import ElementTree

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.evaluation.judge import COST, FOUND
from pipeline.evaluation.plot import svg
from pipeline.evaluation.report import Report, poisson, report, wilson

CONTRACT = [
    "method",
    "budget",
    "basket",
    "events",
    "detected",
    "recall",
    "low",
    "high",
    "days_to_detect",
]


def found(*rows: tuple[str, float | None, str, str, int | None]) -> pl.DataFrame:
    """Thefts as (method, budget, basket, attack_id, days to detect or None)."""
    told = [(m, b, k, i, d is not None, d) for m, b, k, i, d in rows]
    return pl.DataFrame(told, schema=FOUND, orient="row")


def cost(*rows: tuple[str, float | None, int, int]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=COST, orient="row")


def two_worlds() -> Report:
    first = found(("surge", 5.0, "slow", "a", 4), ("surge", 5.0, "slow", "b", None), ("own", None, "slow", "a", 0))
    second = found(("surge", 5.0, "slow", "a", 7), ("surge", 5.0, "<nat>", "c", None), ("own", None, "slow", "a", None))
    costs = [
        cost(("surge", 5.0, 3, 10_000), ("own", None, 1, 10_000)),
        cost(("surge", 5.0, 11, 10_000), ("own", None, 0, 10_000)),
    ]
    return report([first, second], costs)


def test_worlds_are_pooled_and_methods_keep_their_order() -> None:
    rows = two_worlds().results.select("method", "budget", "basket", "events", "detected", "days_to_detect").rows()
    assert rows == [
        ("surge", 5.0, "<nat>", 1, 0, None),
        ("surge", 5.0, "slow", 3, 2, 5.5),
        ("own", None, "slow", 2, 1, 0.0),
    ]


def test_false_alerts_are_told_a_day_and_10_000_clients_beside_their_budget() -> None:
    columns = ("method", "budget", "per_day_per_10k", "realised", "worlds", "within")
    rows = two_worlds().false_alerts.select(columns).rows()
    assert rows[0] == ("surge", 5.0, 7.0, 1.4, 2, 0.5)  # 3 and 11 a day; 11 is above twice the budget
    assert rows[1] == ("own", None, 0.5, None, 2, None)


def test_precision_is_that_of_one_theft_a_week() -> None:
    slow = two_worlds().results.row(1, named=True)
    assert slow["precision"] == pytest.approx((2 / 3 / 7) / (2 / 3 / 7 + 7.0))
    own = two_worlds().results.row(2, named=True)  # without a budget
    assert own["precision"] == pytest.approx((1 / 2 / 7) / (1 / 2 / 7 + 0.5))


def test_without_a_false_alert_no_precision_is_claimed() -> None:
    thefts = found(("surge", 5.0, "slow", "a", 4))
    told = report([thefts], [cost(("surge", 5.0, 0, 450))])
    assert told.results["precision"].to_list() == [None]
    high = told.false_alerts["per_day_high"].item()
    assert high == pytest.approx(1e4 * -math.log(0.025) / 450)  # none comes by chance once in forty times


@pytest.mark.parametrize("count", [0, 1, 3, 40])
def test_a_rate_s_interval_is_where_the_count_just_becomes_too_unlikely(count: int) -> None:
    def at_most(n: int, mean: float) -> float:
        return math.fsum(math.exp(-mean) * mean**i / math.factorial(i) for i in range(n + 1))

    low, high = poisson(count)
    assert at_most(count, high) == pytest.approx(0.025)
    assert 1 - at_most(count - 1, low) == pytest.approx(0.025) if count else low == 0


def test_json_has_the_keys_of_the_contract_and_no_others() -> None:
    told = json.loads(json.dumps(two_worlds().as_dict(), allow_nan=False))
    assert list(told) == ["results", "false_alerts"]
    assert all(list(r) == CONTRACT for r in told["results"])
    assert told["false_alerts"][0] == {"method": "surge", "budget": 5.0, "per_day_per_10k": 7.0}


def test_no_thefts_give_no_results_and_still_the_cost() -> None:
    quiet = report([found()], [cost(("surge", 5.0, 3, 10_000))])
    assert quiet.results.is_empty()
    assert quiet.false_alerts.height == 1
    flat = quiet.flat()
    assert flat.select("method", "budget", "basket", "false_alerts", "client_days").rows() == [
        ("surge", 5.0, None, 3, 10_000)
    ]
    ElementTree.fromstring(svg(quiet))


@given(st.integers(1, 500), st.floats(0, 1))
def test_wilson_bounds_are_where_the_score_test_just_fails(events: int, share: float) -> None:
    """The bounds p solve |recall - p| = z sqrt(p (1 - p) / n): the definition, not the closed form."""
    detected = round(share * events)
    frame = pl.DataFrame({"d": [detected], "n": [events]})
    recall, low, high = frame.select(wilson(pl.col("d"), pl.col("n"))).row(0)
    assert recall == detected / events
    assert 0 <= low <= recall <= high <= 1
    for bound in (low, high):
        if 0 < bound < 1:
            assert abs(recall - bound) == pytest.approx(1.959964 * math.sqrt(bound * (1 - bound) / events), rel=1e-5)
    assert (low == 0) == (detected == 0)
    assert (high == 1) == (detected == events)


def test_the_plot_is_a_picture_with_a_panel_a_basket_and_a_dot_a_point() -> None:
    root = ElementTree.fromstring(svg(two_worlds()))
    space = "{http://www.w3.org/2000/svg}"
    words = [t.text for t in root.iter(f"{space}text")]
    assert {"<nat>", "slow", "surge", "own"} <= set(words)
    assert len(list(root.iter(f"{space}circle"))) == 3
    width, height = float(root.get("width", "0")), float(root.get("height", "0"))
    panels = list(root.iter(f"{space}g"))
    assert len(panels) == 2
    for circle in root.iter(f"{space}circle"):
        assert 0 <= float(circle.get("cx", "-1")) <= width / 3
        assert 0 <= float(circle.get("cy", "-1")) <= height


def test_names_that_xml_cannot_hold_still_give_a_picture() -> None:
    rows = [("m\x00\ufffe", 1.0, "\x1bslow & \U0001f40c", "1", 0)]
    root = ElementTree.fromstring(svg(report([found(*rows)], [cost(("m\x00\ufffe", 1.0, 1, 10_000))])))
    words = [t.text for t in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"\ufffdslow & \U0001f40c", "m\ufffd\ufffd"} <= set(words)


def test_more_alerts_stand_further_right_and_more_recall_higher() -> None:
    rows = [("m", float(b), "slow", f"{b}-{i}", 0 if i < b else None) for b in (1, 5, 9) for i in range(10)]
    costs = cost(("m", 1.0, 1, 10_000), ("m", 5.0, 5, 10_000), ("m", 9.0, 20, 10_000))
    root = ElementTree.fromstring(svg(report([found(*rows)], [costs])))
    dots = [(float(c.get("cx", "")), float(c.get("cy", ""))) for c in root.iter("{http://www.w3.org/2000/svg}circle")]
    assert [x for x, _ in dots] == sorted({x for x, _ in dots})
    assert [y for _, y in dots] == sorted({y for _, y in dots}, reverse=True)

"""Daily sums: what counts, what stays unknown, and that no byte is lost or wrapped."""

from __future__ import annotations

import datetime as dt
from typing import Any

import polars as pl
import pytest

from pipeline.daily import build_daily, measure_totals
from pipeline.detections import load_rules
from pipeline.detections.model import Measure
from pipeline.schemas import DAILY_TRAFFIC, FLOWS, MAX_FLOW_BYTES

DAY = dt.date(2026, 6, 30)
NOON = dt.datetime(2026, 6, 30, 12, tzinfo=dt.UTC)
MAIL = Measure("bytes_in", "email_server", "dest", "src_ip")
SENT = Measure("bytes_out", "email_server", "src", "dest_ip")
Flow = dict[str, Any]


def flow(**changes: Any) -> Flow:
    """An allowed flow from a client to a mail server."""
    usual = {
        "start_time": NOON,
        "src_ip": "10.0.0.1",
        "dest_ip": "192.0.2.10",
        "bytes_in": 100,
        "bytes_out": 7,
        "action": "allowed",
        "dest_category": ["email_server"],
    }
    return usual | changes


def flows(*rows: Flow) -> pl.DataFrame:
    return FLOWS.conform(pl.DataFrame(list(rows), schema=FLOWS.schema))


def daily(*rows: Flow, measures: tuple[Measure, ...] = (MAIL,)) -> pl.DataFrame:
    return build_daily(flows(*rows), measures, DAY)


def sums(found: pl.DataFrame) -> dict[str | None, int | None]:
    return dict(found.select("client", "bytes").iter_rows())


def test_a_client_s_flows_add_up_to_one_row() -> None:
    later = NOON + dt.timedelta(hours=1)
    found = daily(flow(), flow(bytes_in=5, start_time=later, dest_ip="192.0.2.11"), flow(bytes_in=None))
    assert found.rows(named=True) == [
        {
            "day": DAY,
            "measure": MAIL.id,
            "client": "10.0.0.1",
            "bytes": 105,
            "flows": 3,
            "flows_unknown": 1,
            "servers": 2,
            "first_start": NOON,
            "last_start": later,
        }
    ]


def test_only_unknown_counts_stay_unknown_and_are_not_zero() -> None:
    assert sums(daily(flow(bytes_in=None), flow(bytes_in=None))) == {"10.0.0.1": None}
    assert sums(daily(flow(bytes_in=0))) == {"10.0.0.1": 0}


@pytest.mark.parametrize(
    ("category", "counts"),
    [(["email_server"], 1), (["web", "email_server"], 1), (["web"], 0), ([], 0), (None, 0), (["email_server2"], 0)],
)
def test_any_of_several_categories_lets_a_flow_count(category: list[str] | None, counts: int) -> None:
    assert daily(flow(dest_category=category)).height == counts


@pytest.mark.parametrize(("action", "counts"), [("allowed", 1), ("unknown", 1), ("blocked", 0)])
def test_blocked_flows_do_not_count(action: str, counts: int) -> None:
    assert daily(flow(action=action)).height == counts


def test_a_sum_beyond_64_bits_stays_at_the_largest_value() -> None:
    largest = 2**63 - 1
    found = daily(flow(bytes_in=largest), flow(bytes_in=largest), flow(src_ip="10.0.0.2", bytes_in=largest))
    assert sums(found) == {"10.0.0.1": largest, "10.0.0.2": largest}
    assert measure_totals(flows(*[flow(bytes_in=largest)] * 3), [MAIL]) == {MAIL.id: 3 * largest}


def test_ten_thousand_of_the_largest_flows_do_not_wrap() -> None:
    many = pl.concat([flows(flow(bytes_in=MAX_FLOW_BYTES))] * 10_000)
    assert sums(build_daily(many, [MAIL], DAY)) == {"10.0.0.1": 2**63 - 1}


def test_flows_without_a_client_have_a_row_of_their_own() -> None:
    frame = flows(flow(), flow(), flow()).with_columns(src_ip=pl.Series(["10.0.0.1", None, None]))
    assert sums(build_daily(frame, [MAIL], DAY)) == {"10.0.0.1": 100, None: 200}


def test_each_measure_sums_its_own_field_side_and_subject() -> None:
    from_server = flow(src_ip="192.0.2.10", dest_ip="10.0.0.2", src_category=["email_server"], dest_category=None)
    found = daily(flow(), from_server, measures=(MAIL, SENT))
    assert found.select("measure", "client", "bytes").rows() == [
        (MAIL.id, "10.0.0.1", 100),
        (SENT.id, "10.0.0.2", 7),
    ]


def test_between_two_mail_servers_a_flow_counts_for_both_measures() -> None:
    both = flow(src_ip="192.0.2.11", src_category=["email_server"])
    assert daily(both, measures=(MAIL, SENT))["client"].to_list() == ["192.0.2.11", "192.0.2.10"]


def test_rows_add_up_to_the_flows_that_count() -> None:
    rows = [flow(src_ip=f"10.0.0.{i % 7}", bytes_in=None if i % 5 == 0 else i * 10**14) for i in range(60)]
    rows += [flow(action="blocked", bytes_in=9), flow(dest_category=["web"], bytes_in=9)]
    assert daily(*rows)["bytes"].sum() == measure_totals(flows(*rows), [MAIL])[MAIL.id]


def test_an_empty_day_has_no_rows_and_the_table_s_types() -> None:
    assert daily().equals(DAILY_TRAFFIC.empty())
    assert daily(flow(), measures=()).equals(DAILY_TRAFFIC.empty())
    assert measure_totals(flows(), [MAIL]) == {MAIL.id: 0}
    assert measure_totals(flows(flow()), ()) == {}


def test_the_built_in_rules_judge_these_two_measures() -> None:
    assert {r.measure.id for r in load_rules({}, lookback_days=30)} == {MAIL.id, SENT.id}

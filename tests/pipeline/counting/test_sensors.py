"""Of flows that several sensors saw, the records of one count, and of several what only they saw."""

import datetime as dt
import inspect
import sys
from typing import Any

import polars as pl
import pytest

from pipeline.counting.attribution import Attribution
from pipeline.counting.once import Dropped, count_once
from pipeline.counting.records import Rules
from tests.pipeline.counting.raw_flows import HALF_IN, HALF_OUT, NOON, after, flows, total


@pytest.mark.parametrize("other", [{"dvc": "tap-2"}, {"source": "edge"}, {"reporter": "dest"}])
def test_a_flow_that_two_sensors_saw_counts_once_as_the_one_that_saw_more(other: dict[str, Any]) -> None:
    other = other | {"uid": "X"} | after(1)
    assert total({}, other | {"ip_bytes_in": 300}) == (1, 300, 10)
    assert total({}, other | {"ip_bytes_in": 30}) == (1, 100, 10)
    assert count_once(flows({}, other))[1] == Dropped(other_sensors=1)


@pytest.mark.parametrize(
    ("transports", "counted"),
    [
        (("tcp", "unknown"), [1]),
        (("unknown", "udp"), [1]),
        (("tcp", "udp"), [1, 2]),
        (("tcp", "udp", "unknown"), [1, 2, 3]),
    ],
)
def test_a_sensor_that_tells_no_transport_tells_of_the_only_one_between_the_same_ports(
    transports: tuple[str, ...], counted: list[int]
) -> None:
    """Such as a table without its column; between ports that QUIC and TLS share it is not known which."""
    seen = [{"dvc": f"t{n}", "transport": t, "ip_bytes_in": 900 - n} for n, t in enumerate(transports)]
    found, _ = count_once(flows(*seen))
    assert sorted(found["source_line"]) == counted
    assert set(found["transport"]) >= set(transports) - {"unknown"}


def test_a_preferred_sensor_counts_although_it_saw_less() -> None:
    seen = ({}, {"dvc": "tap-2", "ip_bytes_in": 30})
    assert total(*seen, rules=Rules(sensors=("tap-2",))) == (1, 30, 10)
    assert total(*seen, rules=Rules(sensors=("tap", "tap-2"))) == (1, 100, 10)


def test_ip_bytes_count_before_the_larger_frames_of_another_sensor() -> None:
    frames = {"source": "edge", "ip_bytes_in": None, "ip_bytes_out": None, "other_bytes_in": 500, "other_bytes_out": 50}
    assert total({}, frames) == (1, 100, 10)


FRAMES = {"ip_bytes_in": None, "ip_bytes_out": None, "other_bytes_in": 500, "other_bytes_out": 50}


@pytest.mark.parametrize("half", [{"ip_bytes_in": None}, {"ip_bytes_in": 0}, {"ip_bytes_out": None}])
@pytest.mark.parametrize("rules", [Rules(), Rules(sensors=("core",))])
def test_a_sensor_that_saw_one_direction_gives_way_to_one_that_saw_both(half: dict[str, Any], rules: Rules) -> None:
    found, _ = count_once(flows(half, FRAMES | {"source": "edge"}), rules)
    assert found.select("source", "other_bytes_in", "other_bytes_out").rows() == [("edge", 500, 50)]


@pytest.mark.parametrize("again", [{"payload_bytes_in": 99, "payload_bytes_out": 9}, {"total_bytes": 109}])
def test_who_saw_more_is_told_by_one_layer_and_no_sum_is_added_to_its_parts(again: dict[str, Any]) -> None:
    less = {"source": "edge", "ip_bytes_in": 99, "ip_bytes_out": 10} | again
    assert total({}, less) == (1, 100, 10)


def test_of_two_that_saw_as_much_the_one_that_tells_the_whole_counts() -> None:
    part = {"accounting": "delta", "uid": None, "source": "a", "ip_bytes_in": 50, "ip_bytes_out": 5}
    found, _ = count_once(flows({"source": "z", "duration": 120_000_000}, part, part | after(60)))
    assert found.select("source", "ip_bytes_in").rows() == [("z", 100)]


@pytest.mark.parametrize("rule", ["start", "end"])
def test_days_on_both_sides_of_a_midnight_choose_one_sensor_although_each_sees_some_of_its_stretches(rule: Any) -> None:
    part = {"accounting": "delta", "source": "a", "duration": 3_600 * 10**6 - 1, "ip_bytes_in": 50, "ip_bytes_out": 5}
    whole = {"source": "z", "duration": 3 * 3_600 * 10**6, "ip_bytes_in": 120, "ip_bytes_out": 10}
    hours = [part | after(3_600 * n) for n in range(3)]
    for midnight, seen in ((3_600, (hours[:2], hours)), (7_200, (hours, hours[1:]))):
        edge = NOON + dt.timedelta(seconds=midnight)
        days = [
            Attribution(edge - dt.timedelta(days=1), edge, rule),
            Attribution(edge, edge + dt.timedelta(days=1), rule),
        ]
        found = [count_once(flows(whole, *rows), within=d)[0] for d, rows in zip(days, seen, strict=True)]
        assert pl.concat(found).select("source", "ip_bytes_in").rows() == [("z", 120)]


def test_a_session_within_its_day_weighs_as_much_as_it_tells() -> None:
    parts = [after(60 * n) | {"accounting": "delta", "source": "a", "ip_bytes_in": 50} for n in range(2)]
    day = Attribution(NOON - dt.timedelta(hours=1), NOON + dt.timedelta(days=1))
    found, _ = count_once(flows({"duration": 10**8, "ip_bytes_in": 90}, *parts), within=day)
    assert found.select("source", "ip_bytes_in").rows() == [("a", 100)]


def test_a_total_gives_way_to_counters_of_both_directions() -> None:
    asa = FRAMES | {"source": "asa", "other_bytes_in": None, "other_bytes_out": None, "total_bytes": 550}
    found, _ = count_once(flows(asa, FRAMES | {"source": "edge"}))
    assert found["other_bytes_in"].to_list() == [500]


def test_the_same_ports_used_again_later_are_another_flow_even_for_another_sensor() -> None:
    assert total({}, {"dvc": "tap-2"} | after(61)) == (2, 200, 20)
    assert total({}, {"dvc": "tap-2"} | after(60)) == (1, 100, 10)


def test_stretches_that_a_router_met_twice_count_once_although_their_times_differ() -> None:
    came = {"accounting": "delta", "uid": None, "ip_bytes_out": None}
    left = came | {"reporter": "src"}
    assert total(came, left | after(0.004), came | after(60), left | after(60.004)) == (1, 200, 0)
    assert total(came, came | after(60), {**left, "ip_bytes_in": None, "ip_bytes_out": 10}) == (1, 200, 10)


STRETCH = {"accounting": "delta", "uid": None, "duration": 59 * 10**6}
OTHER = {"dvc": "tap-2"}


def minutes(first: int, last: int, **more: Any) -> list[dict[str, Any]]:
    return [STRETCH | after(60 * n) | more for n in range(first, last)]


def test_a_session_that_goes_over_to_another_sensor_counts_as_each_saw_it() -> None:
    """All but the stretches within a minute of the other's, as these may be the same."""
    one, other = minutes(0, 60), minutes(60, 100, **OTHER)
    assert total(*one, *other) == (1, 9_900, 990)
    assert total(*one[:30], *minutes(10, 100, **OTHER), rules=Rules(sensors=("tap",))) == (1, 9_900, 990)
    assert total(*one, *minutes(0, 100, **OTHER), *minutes(90, 120, dvc="tap-3")) == (1, 11_900, 1_190)
    assert count_once(flows(*one, *other))[1] == Dropped(other_sensors=1, merged=98)
    whole = {"duration": 60 * 60 * 10**6, "ip_bytes_in": 9_000, "ip_bytes_out": 900}
    assert total(whole, *minutes(50, 100, **OTHER)) == (2, 9_000 + 3_800, 900 + 380)


@pytest.mark.parametrize(
    "whole", [{"duration": 100 * 60 * 10**6}, {"duration": None}, after(6_000) | {"duration": None}]
)
def test_a_record_that_lasts_through_a_session_or_may_have_counts_for_all_of_it(whole: dict[str, Any]) -> None:
    """One without a duration may be dated to the session's end."""
    told = whole | OTHER | {"ip_bytes_in": 10_000, "ip_bytes_out": 1_000}
    assert total(*minutes(0, 100), told) == (1, 10_000, 1_000)


REPORT: dict[str, Any] = {"accounting": "delta", "duration": None, "dvc": "nsg", "uid": None, "reporter": "dest"}


def test_reports_of_what_came_since_the_one_before_tell_of_what_other_sensors_saw_in_between() -> None:
    reports = [REPORT | after(300), REPORT | after(600) | {"ip_bytes_in": 40}]
    whole = {"duration": 600_000_000, "ip_bytes_in": 140, "ip_bytes_out": 20}
    assert total(whole, *reports) == (1, 140, 20)
    # Parts that lie more than a minute apart, of which the second report tells two.
    parts = [{}, {"uid": "C2", "ip_bytes_in": 30} | after(310), {"uid": "C3", "ip_bytes_in": 10} | after(540)]
    assert total(*parts, *reports)[1] == 140
    assert total(*parts, reports[0], reports[1] | {"ip_bytes_in": 60})[1] == 160
    assert total({}, REPORT | after(661)) == (2, 200, 20)


def test_both_ends_report_of_a_session_at_times_of_their_own() -> None:
    far = REPORT | {"reporter": "src", "dvc": "nsg-2"}
    assert total(REPORT | after(300), far | after(420), REPORT | after(600), far | after(720)) == (1, 200, 20)


@pytest.mark.parametrize("unknown", [{"src_port": None}, {"src_port": None, "dest_port": None}])
def test_both_ends_of_a_flow_may_tell_of_it_without_ports(unknown: dict[str, Any]) -> None:
    near, far = ({"reporter": r, "dvc": r, "uid": r, "accounting": "delta"} | unknown for r in ("src", "dest"))
    assert total(near, far | after(1)) == (1, 100, 10)
    assert total(near, near | after(1)) == (2, 200, 20)
    assert total(near | {"reporter": None}, far | {"reporter": None}) == (2, 200, 20)


def test_each_sensor_that_saw_one_direction_only_gives_its_own() -> None:
    assert total(HALF_OUT, HALF_IN | {"dvc": "tap-2"}) == (1, 100, 10)


def test_sensors_on_both_ways_of_a_flow_that_come_and_goes_apart_give_each_what_they_saw() -> None:
    out, back = {"ip_bytes_in": 0, "packets_in": 0}, {"dvc": "tap-2", "uid": "X", "ip_bytes_out": 0} | after(0.01)
    assert total(out, back) == (1, 100, 10)
    (row,) = count_once(flows(out, back | {"packets_in": 7}))[0].to_dicts()
    assert row["packets_in"] == 7
    assert total(out | {"ip_bytes_out": 900}, back) == (1, 100, 900)
    assert total(out, back | {"source": "edge"}) == (2, 100, 10)
    assert total(out, back, {"dvc": "tap-3", "uid": "Y", "ip_bytes_out": 12}) == (1, 100, 12)
    assert total(out, out | {"dvc": "tap-2", "uid": "X"}) == (1, 0, 10)
    nothing = {"ip_bytes_in": 0, "ip_bytes_out": 0}
    assert total(nothing, nothing | {"dvc": "tap-2", "uid": "X"}) == (1, 0, 0)
    assert total(nothing | {"dvc": "tap-3"}, out, back) == (1, 100, 10)


def test_a_session_that_goes_from_sensor_to_sensor_is_counted_however_often_it_does() -> None:
    """Each sees more than the one before, so that they are chosen one by one from the last."""
    seen = [STRETCH | after(60 * n) | {"dvc": f"tap-{n}", "ip_bytes_in": 100 + n} for n in range(160)]
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 70)
    try:
        found = total(*seen)
    finally:
        sys.setrecursionlimit(limit)
    assert found[:2] == (1, sum(100 + n for n in range(1, 160, 2)))


# Edges of the rules


@pytest.mark.parametrize(("start", "counted"), [(-10, 100), (0, 150), (10, 150)])
def test_only_a_session_that_began_before_the_day_weighs_double(start: int, counted: int) -> None:
    """Its whole record, of 100 bytes, beside stretches of another sensor, of 150."""
    day = Attribution(NOON, NOON + dt.timedelta(days=1), "end")
    whole = {"duration": 100_000_000, "ip_bytes_out": 1, **after(start)}
    stretches = [
        {
            "dvc": "tap-2",
            "accounting": "delta",
            "duration": 40_000_000,
            "ip_bytes_in": 75,
            "ip_bytes_out": 1,
            **after(s),
        }
        for s in (start + 1, start + 45)
    ]
    found = count_once(flows(whole, *stretches), Rules(), day)[0]
    assert found["ip_bytes_in"].sum() == counted


def test_a_stretch_without_a_duration_is_known_to_end_when_it_was_told() -> None:
    """What another sensor tells more than a minute later only it saw."""
    stretch = {"accounting": "delta", "duration": None, "ip_bytes_in": 1_000}
    near = {"dvc": "tap-2", "uid": "N", "duration": 50_000_000, **after(30)}
    beside = {"dvc": "tap-2", "uid": "B", "duration": 10_000_000, **after(130)}
    assert total(stretch, near, beside) == (2, 1_100, 20)


def test_a_stretch_without_a_duration_began_a_minute_before_at_least_however_short_the_window_is() -> None:
    stretch = {"accounting": "delta", "duration": None, "ip_bytes_in": 1_000, **after(100)}
    other = {"dvc": "tap-2", "uid": "N", "duration": 20_000_000}
    assert total(stretch, other, rules=Rules(window=dt.timedelta(seconds=10))) == (1, 1_000, 10)

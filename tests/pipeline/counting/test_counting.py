"""Counting each session once, and choosing which bytes count."""

import datetime as dt
import itertools
from typing import Any

import polars as pl
import pytest

from pipeline.counting.attribution import Attribution
from pipeline.counting.layers import choose_layer, layers_of
from pipeline.counting.once import Dropped, count_once, needs_sessions
from pipeline.counting.records import Rules
from pipeline.sources.base import RAW

NOON = dt.datetime(2026, 10, 1, 12, tzinfo=dt.UTC)
SCHEMA = pl.Schema([*RAW.items(), ("source", pl.String()), ("source_file", pl.String())])
COMMON = {
    **{"source": "core", "source_file": "a.log", "source_line": 1, "dvc": "tap", "uid": "C1", "start_time": NOON},
    **{"src_ip": "198.51.100.7", "src_port": 50_000, "dest_ip": "192.0.2.10", "dest_port": 993, "transport": "tcp"},
    **{"duration": 10, "ip_bytes_in": 100, "ip_bytes_out": 10, "accounting": "final"},
}


def flows(*changes: dict[str, Any]) -> pl.DataFrame:
    """Raw flows that differ from a common one as told; lines are numbered."""
    return pl.DataFrame([COMMON | {"source_line": n} | c for n, c in enumerate(changes, 1)], schema=SCHEMA)


def kept(*changes: dict[str, Any]) -> list[int]:
    return sorted(count_once(flows(*changes))[0]["source_line"].to_list())


INTERIM = {"accounting": "cumulative"}


def test_no_flows_are_no_flows() -> None:
    assert count_once(flows())[1] == Dropped()
    assert choose_layer(flows()).columns[-3:] == ["bytes_in", "bytes_out", "bytes_layer"]


@pytest.mark.parametrize(
    ("changes", "winner"),
    [
        ([INTERIM | {"duration": 99}, {"duration": 50}], 2),
        ([INTERIM | {"duration": 10}, INTERIM | {"duration": 20}], 2),
        ([INTERIM | {"ip_bytes_in": 5}, INTERIM | {"ip_bytes_in": 9}], 2),
        ([{"duration": None}, {"duration": 0}], 2),
        ([{}, {}], 1),
        ([{"source_file": "b.log"}, {"source_file": "a.log"}], 2),
    ],
)
def test_the_final_then_longest_then_largest_then_first_record_counts(
    changes: list[dict[str, Any]], winner: int
) -> None:
    assert kept(*changes) == [winner]
    assert kept(*reversed(changes)) == ([3 - winner] if changes != [{}, {}] else [1])


@pytest.mark.parametrize(
    ("changes", "needed"),
    [
        ([{}, {"uid": "C2", "start_time": NOON + dt.timedelta(hours=1)}], False),
        ([{}, INTERIM], True),
        ([{}, {"accounting": "delta"}], True),
        ([{}, {"ip_bytes_in": None}], True),
        ([{}, {"ip_bytes_out": None}], True),
        ([{}, {"ip_bytes_in": None, "ip_bytes_out": None}], False),
        ([{}, {"record_id": "r"}], True),
        ([{}, {"dvc": "tap-2"}], True),
        ([{}, {"source": "edge"}], True),
        ([{"reporter": "src"}, {"reporter": None}], True),
        ([{"reporter": "src"}, {"reporter": "src"}], False),
    ],
)
def test_a_day_is_cut_by_time_alone_only_where_no_record_can_be_of_a_session(
    changes: list[dict[str, Any]], needed: bool
) -> None:
    for order in (changes, changes[::-1]):
        assert needs_sessions(flows(*order).lazy()) is needed


OTHERS = [
    *({"uid": "C2"}, {"start_time": NOON + dt.timedelta(milliseconds=2)}),
    *({"src_port": 1}, {"dest_port": 1}, {"src_ip": "198.51.100.8"}, {"dest_ip": "192.0.2.11"}, {"transport": "udp"}),
]


@pytest.mark.parametrize("other", OTHERS, ids=[next(iter(o)) for o in OTHERS])
def test_sessions_that_differ_in_any_part_of_their_identity_both_count(other: dict[str, Any]) -> None:
    assert kept({}, other) == [1, 2]


def test_a_copy_whose_times_were_cut_to_milliseconds_is_the_same_record() -> None:
    exact, copy = ({"start_time": NOON + dt.timedelta(microseconds=us)} for us in (123_456, 123_000))
    assert kept(exact, copy) == [1]
    assert kept(exact | {"uid": None}, copy | {"uid": None}) == [1, 2]
    assert kept(exact, copy | {"start_time": NOON + dt.timedelta(microseconds=125_000)}) == [1, 2]
    assert kept(exact, copy, copy | {"src_port": 1}, exact | {"dvc": "b"}, copy | {"uid": "C2"}) == [1, 3, 5]


def test_without_an_id_the_same_instant_and_ports_are_one_flow() -> None:
    assert kept({"uid": None}, {"uid": None}) == [1]


@pytest.mark.parametrize("unknown", ["src_port", "dest_port", "start_time"])
def test_without_id_and_one_of_time_and_ports_nothing_is_taken_for_another(unknown: str) -> None:
    assert kept({"uid": None, unknown: None}, {"uid": None, unknown: None}) == [1, 2]


SAMPLE = {"uid": None, "accounting": "delta", "duration": 0, "ip_bytes_in": 1_518, "ip_bytes_out": None}
TOLD, MULTIPLIED = {"packets_in": 1, "sampling_rate": 1_000.0}, {"packets_in": 66, "ip_bytes_in": 66 * 1_500}


@pytest.mark.parametrize("sample", [TOLD, MULTIPLIED, TOLD | {"packets_in": 1_000}, TOLD | {"packets_in": None}])
def test_alike_samples_of_packets_count_as_often_as_one_file_has_them(sample: dict[str, Any]) -> None:
    one = SAMPLE | sample
    copies = [one | {"source_file": "b.log"}] * 2  # A copy that was cut.
    found, dropped = count_once(flows(one, one, one, *copies))
    assert (found["ip_bytes_in"].to_list(), dropped.duplicates) == ([3 * one["ip_bytes_in"]], 2)


@pytest.mark.parametrize("other", [{"duration": 1}, {"packets_in": 2, "sampling_rate": None}, {"accounting": "final"}])
def test_alike_records_of_more_than_a_packet_are_one(other: dict[str, Any]) -> None:
    assert kept(*[SAMPLE | TOLD | other] * 2) == [1]


def test_drops_are_counted_by_kind() -> None:
    other = INTERIM | {"uid": "C2"}
    found, dropped = count_once(flows({}, {}, INTERIM, other, other | {"duration": 20}))
    assert (found.height, dropped) == (2, Dropped(interim=2, duplicates=1))
    assert dropped.plus(Dropped(1, 1)) == Dropped(3, 2)


def test_the_order_of_records_changes_nothing() -> None:
    changes = [{"duration": d, "accounting": a} for d in (5, 10) for a in ("final", "cumulative")]
    whole = flows(*changes)
    results = {tuple(count_once(whole[list(order)])[0]["source_line"]) for order in itertools.permutations(range(4))}
    assert results == {(3,)}


def layer(*changes: dict[str, Any]) -> list[tuple[int | None, int | None, str]]:
    found = choose_layer(flows(*changes))
    return found.select("bytes_in", "bytes_out", "bytes_layer").rows()


NO_IP = {"ip_bytes_in": None, "ip_bytes_out": None}
PAYLOAD = NO_IP | {"payload_bytes_in": 80, "payload_bytes_out": 8}


def test_ip_bytes_count_where_the_source_has_any() -> None:
    assert layer({}, PAYLOAD) == [(100, 10, "ip"), (None, None, "ip")]


def test_payload_counts_where_there_are_no_ip_bytes_at_all() -> None:
    assert layer(PAYLOAD, PAYLOAD | {"missed_bytes": 0}) == [(80, 8, "payload")] * 2


def test_payload_of_a_torn_session_is_unknown() -> None:
    assert layer(PAYLOAD | {"missed_bytes": 1}) == [(None, None, "payload")]


def test_without_any_counter_the_layer_is_unknown() -> None:
    assert layer(NO_IP) == [(None, None, "unknown")]


def test_every_source_has_its_own_layer() -> None:
    assert layer({}, PAYLOAD | {"source": "edge"}) == [(100, 10, "ip"), (80, 8, "payload")]


def test_a_slice_of_a_day_takes_the_layer_of_the_whole_day() -> None:
    whole = flows({}, PAYLOAD)
    found = choose_layer(whole[1:], layers_of(whole.lazy()))
    assert found.select("bytes_in", "bytes_layer").rows() == [(None, "ip")]


def test_two_records_of_one_direction_each_become_one_whole_record() -> None:
    there, back = {"ip_bytes_in": None, "packets_out": 3}, {"ip_bytes_out": None, "packets_in": 4}
    whole, dropped = count_once(flows(there, back, back))
    assert whole.select("ip_bytes_in", "ip_bytes_out", "packets_in", "packets_out").rows() == [(100, 10, 4, 3)]
    assert dropped == Dropped(duplicates=1, paired=1)


def test_a_record_that_knows_both_directions_takes_nothing_from_its_repetitions() -> None:
    whole, dropped = count_once(flows({"duration": 20}, {"payload_bytes_in": 999, "payload_bytes_out": 9}))
    assert whole["payload_bytes_in"].to_list() == [None]
    assert dropped == Dropped(duplicates=1)


def total(*changes: dict[str, Any], rules: Rules | None = None) -> tuple[int, int, int]:
    """(flows, bytes in, bytes out) over all layers."""
    found = count_once(flows(*changes), rules or Rules())[0]
    sides = [
        pl.sum_horizontal(pl.col(f"{n}_bytes_{s}").sum() for n in ("ip", "payload", "other")) for s in ("in", "out")
    ]
    return (found.height, *found.select(a=sides[0], b=sides[1]).row(0))


def after(seconds: float) -> dict[str, Any]:
    return {"start_time": NOON + dt.timedelta(seconds=seconds)}


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


HALF_OUT = {"ip_bytes_in": None, "uid": None}
HALF_IN = {"ip_bytes_out": None, "uid": None}


def test_each_sensor_that_saw_one_direction_only_gives_its_own() -> None:
    assert total(HALF_OUT, HALF_IN | {"dvc": "tap-2"}) == (1, 100, 10)


def test_sensors_on_both_ways_of_a_flow_that_come_and_goes_apart_give_each_what_they_saw() -> None:
    out, back = {"ip_bytes_in": 0, "packets_in": 0}, {"dvc": "tap-2", "uid": "X", "ip_bytes_out": 0} | after(0.01)
    assert total(out, back) == (1, 100, 10)
    assert total(out | {"ip_bytes_out": 900}, back) == (1, 100, 900)
    assert total(out, back | {"source": "edge"}) == (2, 100, 10)
    assert total(out, back, {"dvc": "tap-3", "uid": "Y", "ip_bytes_out": 12}) == (1, 100, 12)
    assert total(out, out | {"dvc": "tap-2", "uid": "X"}) == (1, 0, 10)
    nothing = {"ip_bytes_in": 0, "ip_bytes_out": 0}
    assert total(nothing, nothing | {"dvc": "tap-2", "uid": "X"}) == (1, 0, 0)
    assert total(nothing | {"dvc": "tap-3"}, out, back) == (1, 100, 10)


def test_two_directions_are_joined_within_the_window_and_not_beyond_it() -> None:
    assert total(HALF_OUT, HALF_IN | after(600)) == (1, 100, 10)
    assert total(HALF_OUT, HALF_IN | after(601)) == (2, 100, 10)
    found, dropped = count_once(flows(HALF_OUT | after(5), HALF_IN))
    assert (found["start_time"].item(), found["duration"].item(), dropped) == (NOON, 5_000_010, Dropped(paired=1))


def test_a_half_without_its_other_half_keeps_the_side_unknown() -> None:
    (row,) = count_once(flows(HALF_OUT))[0].to_dicts()
    assert (row["ip_bytes_in"], row["ip_bytes_out"]) == (None, 10)


def test_stretches_of_a_session_add_up_to_one_flow_in_both_directions() -> None:
    stretch = {"accounting": "delta"}
    records = (HALF_OUT | stretch, HALF_IN | stretch, HALF_IN | stretch | after(60), HALF_IN | stretch | after(120))
    assert total(*records) == (1, 300, 10)
    assert count_once(flows(*records))[1] == Dropped(paired=1, merged=2)
    assert total(HALF_IN | stretch, HALF_IN | stretch | after(601)) == (2, 200, 0)


def test_a_stretch_is_told_twice_only_when_all_its_counters_agree() -> None:
    stretch = HALF_IN | {"accounting": "delta"}
    assert total(stretch, stretch) == (1, 100, 0)
    assert total(stretch, stretch | {"ip_bytes_in": 101}) == (1, 201, 0)


@pytest.mark.parametrize("uid", [None, "7"])
def test_updates_of_a_connection_are_stretches_until_its_end_tells_the_whole(uid: str | None) -> None:
    first, second = ({"accounting": "update", "uid": uid, "ip_bytes_in": n} for n in (70, 31))
    end = {"accounting": "final", "uid": uid, "duration": 120 * 10**6, "ip_bytes_in": 101, "ip_bytes_out": 20}
    assert total(first, second, second | after(60)) == (1, 132, 30)
    assert total(first, second | after(60), end) == (1, 101, 20)
    assert count_once(flows(first, second | after(60), end))[1] == Dropped(interim=2)
    assert total(first, end | after(4_000)) == (2, 171, 30)


def test_a_record_delivered_twice_counts_once_whatever_else_it_says() -> None:
    once = {"record_id": "r", "uid": None}
    assert count_once(flows(once, once | after(30)))[1] == Dropped(duplicates=1)
    assert total(once, once | {"source": "edge", "src_port": 1}) == (2, 200, 20)


def test_counters_since_the_beginning_are_not_added_up_although_starts_were_rounded() -> None:
    grown = [INTERIM | after(n) | {"ip_bytes_in": 100 * n} for n in (1, 2)]
    assert total(*grown, {"ip_bytes_in": 900}) == (1, 900, 10)
    assert total(*grown) == (1, 200, 10)


@pytest.mark.parametrize(("seconds", "n"), [(2, 1), (2.1, 2)])
def test_interim_records_without_an_id_are_one_session_within_the_rounding_of_clocks(seconds: float, n: int) -> None:
    plain = INTERIM | {"uid": None, "duration": 0}
    assert total(plain, plain | after(seconds))[0] == n


UNKNOWN = {"orientation": "unknown", "dest_port": 40_000}
BACK = {"src_ip": "192.0.2.10", "src_port": 40_000, "dest_ip": "198.51.100.7", "dest_port": 50_000}


def test_between_unknown_ports_who_sent_first_began() -> None:
    there, back = HALF_OUT | UNKNOWN, HALF_OUT | UNKNOWN | BACK | {"ip_bytes_out": 70}
    (row,) = count_once(flows(there, back | after(1)))[0].to_dicts()
    assert (row["src_port"], row["ip_bytes_in"], row["ip_bytes_out"], row["orientation"]) == (50_000, 70, 10, "order")
    (row,) = count_once(flows(there | after(1), back))[0].to_dicts()
    assert (row["src_port"], row["ip_bytes_in"], row["ip_bytes_out"]) == (40_000, 10, 70)


def test_of_two_directions_that_began_at_once_the_higher_port_is_the_client() -> None:
    (row,) = count_once(flows(HALF_OUT | UNKNOWN | BACK, HALF_OUT | UNKNOWN))[0].to_dicts()
    assert row["src_port"] == 50_000


def test_an_unknown_direction_follows_a_record_of_the_same_ends_that_knows() -> None:
    known = HALF_OUT | {"dest_port": 40_000, "orientation": "syn"} | after(3)
    (row,) = count_once(flows(HALF_OUT | UNKNOWN | BACK | {"ip_bytes_out": 70}, known))[0].to_dicts()
    assert (row["src_port"], row["ip_bytes_in"], row["ip_bytes_out"]) == (50_000, 70, 10)


def test_a_direction_that_nothing_answers_stays_unknown() -> None:
    assert count_once(flows(HALF_OUT | UNKNOWN))[0]["orientation"].item() == "unknown"


def test_records_outside_the_span_only_help_to_tell_what_others_repeat() -> None:
    day = Attribution(NOON, NOON + dt.timedelta(days=1))
    early = INTERIM | after(-1) | {"ip_bytes_in": 40}
    found, dropped = count_once(flows(early, {}), within=day)
    assert (found["ip_bytes_in"].to_list(), dropped) == ([100], Dropped())
    found, dropped = count_once(flows(early, {}), within=Attribution(NOON - dt.timedelta(days=1), NOON))
    assert (found.height, dropped) == (0, Dropped(interim=1))

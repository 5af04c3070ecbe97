"""Counting each session once, and choosing which bytes count."""

import datetime as dt
import itertools
from typing import Any

import pytest

from pipeline.counting.attribution import Attribution
from pipeline.counting.layers import choose_layer, layers_of
from pipeline.counting.once import Dropped, count_once, needs_sessions
from tests.pipeline.counting.raw_flows import HALF_IN, HALF_OUT, NOON, after, flows, kept, total

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
        ([{"ip_bytes_in": None, "ip_bytes_out": None, "total_bytes": n} for n in (5, 9)], 2),
        ([{}, {}], 1),
        ([{"source_file": "b.log"}, {"source_file": "a.log"}], 2),
    ],
)
def test_the_final_then_longest_then_largest_then_first_record_counts(
    changes: list[dict[str, Any]], winner: int
) -> None:
    assert kept(*changes) == [winner]
    assert kept(*reversed(changes)) == ([3 - winner] if changes != [{}, {}] else [1])


@pytest.mark.parametrize("accounting", ["cumulative", "update"])
@pytest.mark.parametrize("uid", ["C1", None])
def test_a_long_session_costs_no_record_of_another_source_whose_file_has_the_same_name(
    accounting: str, uid: str | None
) -> None:
    line_7 = {"source_file": "conn.log", "source_line": 7}
    session = line_7 | {"source": "core", "accounting": accounting, "uid": uid}
    other = line_7 | {"source": "edge", "src_ip": "198.51.100.8", "ip_bytes_in": 5_000, "uid": "C2"}
    assert total(session, other) == (2, 5_100, 20)


@pytest.mark.parametrize("beside", [[], [{"uid": "C9"}] * 2, [{"uid": "C9", "src_port": None}]])
def test_a_half_gives_way_to_a_stretch_of_both_directions_whatever_lies_beside_them(
    beside: list[dict[str, Any]],
) -> None:
    told = [{"uid": None, "ip_bytes_out": None}, {"uid": None, "accounting": "delta"}]
    assert kept(*told, *beside)[:2] == [2, 3][: 1 + bool(beside)]


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
    """Told by their bytes, as stretches that count twice are one flow, too."""
    assert total(*[SAMPLE | TOLD | other] * 2) == (1, SAMPLE["ip_bytes_in"], 0)


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


@pytest.mark.parametrize(("unknown", "counted"), [("ip_bytes_in", (None, 10)), ("ip_bytes_out", (100, None))])
def test_a_source_that_tells_one_direction_only_has_its_layer(unknown: str, counted: tuple[int | None, ...]) -> None:
    assert layer({unknown: None, "other_bytes_in": 7, "other_bytes_out": 7}) == [(*counted, "ip")]


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


def test_two_directions_are_joined_within_the_window_and_not_beyond_it() -> None:
    assert total(HALF_OUT, HALF_IN | after(600)) == (1, 100, 10)
    assert total(HALF_OUT, HALF_IN | after(601)) == (2, 100, 10)
    found, dropped = count_once(flows(HALF_OUT | after(5), HALF_IN))
    assert (found["start_time"].item(), found["duration"].item(), dropped) == (NOON, 5_000_010, Dropped(paired=1))


@pytest.mark.parametrize("accounting", ["final", "delta"])
def test_records_without_ports_are_not_brought_together(accounting: str) -> None:
    halves = [h | {"src_port": None, "accounting": accounting} for h in (HALF_OUT, HALF_IN)]
    assert total(*halves) == (2, 100, 10)


def test_a_half_gives_way_to_a_whole_record_that_has_bytes() -> None:
    half = {"ip_bytes_out": None}
    assert total(half, {"ip_bytes_in": 70}) == (1, 70, 10)
    assert total(half, {"ip_bytes_in": 0, "ip_bytes_out": 0})[1] == 100


def test_a_half_without_its_other_half_keeps_the_side_unknown() -> None:
    (row,) = count_once(flows(HALF_OUT))[0].to_dicts()
    assert (row["ip_bytes_in"], row["ip_bytes_out"]) == (None, 10)


def test_stretches_of_a_session_add_up_to_one_flow_in_both_directions() -> None:
    stretch = {"accounting": "delta"}
    records = (HALF_OUT | stretch, HALF_IN | stretch, HALF_IN | stretch | after(60), HALF_IN | stretch | after(120))
    assert total(*records) == (1, 300, 10)
    assert count_once(flows(*records))[1] == Dropped(paired=1, merged=2)
    assert total(HALF_IN | stretch, HALF_IN | stretch | after(601)) == (2, 200, 0)


def test_what_a_sensor_missed_in_a_later_stretch_is_missed_of_the_session() -> None:
    """Payload of such a session is unknown."""
    parts = [PAYLOAD | {"accounting": "delta", "missed_bytes": n} | after(60 * n) for n in (0, 5)]
    found, _ = count_once(flows(*parts))
    assert found.select("payload_bytes_in", "missed_bytes").rows() == [(160, 5)]
    assert choose_layer(found).select("bytes_in", "bytes_layer").rows() == [(None, "payload")]


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


# Edges of the rules


@pytest.mark.parametrize(("packets", "counted"), [(63, 1), (64, 2), (128, 2)])
def test_samples_at_one_instant_are_alike_from_a_rate_of_64_on(packets: int, counted: int) -> None:
    sample = {"accounting": "delta", "duration": 0, "uid": None, "packets_in": packets, "ip_bytes_in": packets * 100}
    found = total(*[sample | {"ip_bytes_out": 0}] * 2)
    assert found == (1, counted * packets * 100, 0)


def test_records_of_one_direction_without_ports_are_not_turned_by_who_came_first() -> None:
    half = {"uid": None, "orientation": "unknown", "src_port": None, "dest_port": None, "ip_bytes_in": None}
    back = {"src_ip": "192.0.2.10", "dest_ip": "198.51.100.7", **after(1)}
    found = count_once(flows(half, half | back))[0].sort("source_line")
    assert found["src_ip"].to_list() == ["198.51.100.7", "192.0.2.10"]
    assert found["orientation"].to_list() == ["unknown", "unknown"]


@pytest.mark.parametrize(("client", "server"), [(10_000, 9_999), (50_000, 993), (9_999, 25)])
def test_of_two_that_began_at_once_the_higher_port_did_by_number_not_by_text(client: int, server: int) -> None:
    half = {"uid": None, "orientation": "unknown", "ip_bytes_in": None, "src_port": client, "dest_port": server}
    back = half | {"src_ip": "192.0.2.10", "dest_ip": "198.51.100.7", "src_port": server, "dest_port": client}
    for records in ((half, back), (back, half)):
        found = count_once(flows(*records))[0]
        assert found.select("src_ip", "src_port").rows() == [("198.51.100.7", client)]


def test_a_record_that_says_itself_who_began_tells_of_one_of_the_same_direction_that_does_not() -> None:
    told = {"uid": "A", "orientation": "native"}
    half = {"uid": None, "orientation": "unknown", "ip_bytes_in": None, **after(3_600)}
    found = count_once(flows(told, half))[0].sort("source_line")
    assert found["orientation"].to_list() == ["native", "order"]
    assert found["src_ip"].to_list() == ["198.51.100.7"] * 2


def test_equal_stretches_a_part_of_a_millisecond_apart_both_count() -> None:
    stretch = {"accounting": "delta", "duration": 0}
    assert total(stretch, stretch | after(0.000_4)) == (1, 200, 20)


def test_a_stretch_is_no_later_record_of_counters_since_the_beginning() -> None:
    assert total(INTERIM, {"accounting": "delta", "ip_bytes_in": 50, "ip_bytes_out": 0, **after(5)}) == (2, 150, 10)

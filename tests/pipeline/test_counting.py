"""Counting each session once, and choosing which bytes count."""

import datetime as dt
import itertools
from typing import Any

import polars as pl
import pytest

from pipeline.counting import Dropped, choose_layer, count_once, layers_of
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


OTHERS = [
    *({"uid": "C2"}, {"dvc": "tap-2"}, {"source": "edge"}, {"start_time": NOON + dt.timedelta(microseconds=1)}),
    *({"src_port": 1}, {"dest_port": 1}, {"src_ip": "198.51.100.8"}, {"dest_ip": "192.0.2.11"}, {"transport": "udp"}),
]


@pytest.mark.parametrize("other", OTHERS, ids=[next(iter(o)) for o in OTHERS])
def test_sessions_that_differ_in_any_part_of_their_identity_both_count(other: dict[str, Any]) -> None:
    assert kept({}, other) == [1, 2]


def test_without_an_id_the_same_instant_and_ports_are_one_flow() -> None:
    assert kept({"uid": None}, {"uid": None}) == [1]


@pytest.mark.parametrize("unknown", ["src_port", "dest_port", "start_time"])
def test_without_id_and_one_of_time_and_ports_nothing_is_taken_for_another(unknown: str) -> None:
    assert kept({"uid": None, unknown: None}, {"uid": None, unknown: None}) == [1, 2]


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

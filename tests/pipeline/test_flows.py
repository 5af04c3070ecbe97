"""A day's flows: day attribution, counting once, byte layers, categories and provenance."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline.errors import StorageError
from pipeline.flows import DayFlows, build_flows, flow_inputs, lines_read
from pipeline.inventory import Inventory
from pipeline.schemas import FLOWS
from pipeline.settings import CountingSettings, Settings
from tests.oracle.zeek import CLIENT, FIELDS, SERVER, conn, jsonl, rows, tsv
from tests.pipeline.landings import D1, D2, World, flow, settings

WITHOUT_IP = tuple(f for f in FIELDS if "_ip_" not in f)


def made(world: World, day: dt.date = D1) -> DayFlows:
    """The day's flows, from a landing of now."""
    world.land()
    return build_flows(world.landing(), world.settings, Inventory(world.settings.inventory), day)


def frame(world: World, day: dt.date = D1) -> pl.DataFrame:
    return made(world, day).collect()


def in_zone(world: World, zone: str) -> None:
    world.settings = world.settings.model_copy(update={"timezone": zone})


def at(world: World, *moments: str) -> None:
    """One file, of no named day, with a flow at each moment."""
    world.settings = settings("logs/*")
    starts = [dt.datetime.fromisoformat(m) for m in moments]
    world.put("conn.log", tsv(*(conn(s, uid=f"C{n}", resp_ip_bytes=str(n)) for n, s in enumerate(starts))))


def test_a_flow_has_every_canonical_column(world: World) -> None:
    world.put("2026-10-01/conn.log", tsv(flow("C1", service="imap")))
    found = frame(world)
    assert found.schema == FLOWS.schema
    row = found.row(0, named=True)
    assert (row["src_ip"], row["dest_ip"], row["bytes_in"], row["bytes_out"]) == (CLIENT, SERVER, 220, 90)
    assert (row["end_time"] - row["start_time"], row["duration"]) == (dt.timedelta(seconds=1.5),) * 2
    assert (row["src_category"], row["dest_category"]) == (None, ["email_server"])
    assert (row["source"], row["source_file"], row["source_line"]) == ("core", "logs/2026-10-01/conn.log", 6)
    assert (row["dvc"], row["flow_uid"], row["bytes_layer"]) == ("core", "core/core/C1", "ip")


def test_columns_that_may_not_be_null_never_are(world: World) -> None:
    bare = flow("-", service="-", conn_state="-", proto="-", id__orig_p="-", id__resp_p="-", duration="-")
    world.put("2026-10-01/conn.log", tsv(bare, fields=("ts", "id.orig_h", "id.resp_h")))
    found = frame(world)
    assert found.height == 1
    assert [c.name for c in FLOWS.columns if not c.nullable and found[c.name].null_count()] == []


# Days


def test_a_flow_belongs_to_the_day_of_its_start_whatever_file_it_is_in(world: World) -> None:
    late = conn(dt.datetime(2026, 10, 1, 23, 59, 59, 999_999, tzinfo=dt.UTC), duration="600", resp_ip_bytes="7")
    early = conn(dt.datetime(2026, 10, 2, tzinfo=dt.UTC), uid="C2", resp_ip_bytes="9")
    world.put("2026-10-02/conn.log", tsv(late, early))
    assert frame(world, D1)["bytes_in"].to_list() == [7]
    assert frame(world, D2)["bytes_in"].to_list() == [9]


SHORT, LONG = dt.date(2026, 3, 29), dt.date(2026, 10, 25)
EDGES = ["2026-03-28T22:59:59.999999Z", "2026-03-28T23:00:00Z", "2026-03-29T21:59:59.999999Z", "2026-03-29T22:00:00Z"]
LONG_EDGES = ["2026-10-24T21:59:59Z", "2026-10-24T22:00:00Z", "2026-10-25T22:59:59.999999Z", "2026-10-25T23:00:00Z"]


@pytest.mark.parametrize(("day", "edges", "hours"), [(SHORT, EDGES, 23), (LONG, LONG_EDGES, 25)])
def test_days_of_a_clock_change_are_shorter_or_longer(world: World, day: dt.date, edges: list[str], hours: int) -> None:
    at(world, *edges)
    in_zone(world, "Europe/Berlin")
    world.land(day)
    found = build_flows(world.landing(), world.settings, Inventory(world.settings.inventory), day).collect()
    assert found["bytes_in"].to_list() == [1, 2]
    spread = found["start_time"].max() - found["start_time"].min()  # type: ignore[operator]
    assert dt.timedelta(hours=hours) - spread <= dt.timedelta(seconds=1)


def test_every_flow_of_a_month_belongs_to_exactly_one_day(world: World) -> None:
    moments = [f"2026-10-{d:02d}T{h:02d}:30:00Z" for d in range(1, 31) for h in (0, 10, 21, 22, 23)]
    at(world, *moments)
    in_zone(world, "America/Havana")
    days = [dt.date(2026, 9, 30) + dt.timedelta(days=n) for n in range(32)]
    world.land(*days)
    assert sum(len(world.received(d)) for d in days) == len(moments)


# Counting once


def test_interim_records_give_way_to_the_last_one(world: World) -> None:
    fields = (*FIELDS, "_path")
    records = [{**flow("C1", n, duration=f"{n}.0"), "_path": "conn_long"} for n in (10, 20)]
    world.put("2026-10-01/conn.log", tsv(*records, {**flow("C1", 30, duration="30.0"), "_path": "conn"}, fields=fields))
    day = made(world)
    assert day.collect()["bytes_in"].to_list() == [30]
    assert (day.facts["interim"], day.facts["duplicates"], day.facts["records"]) == (2, 0, 3)


def test_an_interim_log_of_its_own_adds_nothing_to_the_final_one(world: World) -> None:
    world.put("2026-10-01/conn.log", tsv(flow("C1", 30, duration="30.0"), flow("C2", 1)))
    world.put("2026-10-01/conn_long.log", tsv(flow("C1", 10, duration="10.0"), flow("C3", 5), path="conn_long"))
    assert sorted(frame(world)["bytes_in"]) == [1, 5, 30]


def test_a_session_told_of_on_two_days_is_one(world: World) -> None:
    world.put("2026-10-01/conn_long.log", tsv(flow("C1", 10, duration="10.0"), path="conn_long"))
    world.put("2026-10-02/conn.log", tsv(flow("C1", 99, duration="70000.0")))
    assert frame(world)["bytes_in"].to_list() == [99]
    assert frame(world, D2).is_empty()


def test_a_record_logged_twice_counts_once_and_so_does_one_that_two_sensors_saw(world: World) -> None:
    fields = (*FIELDS, "_system_name")
    records = [{**flow("C1"), "_system_name": name} for name in ("tap-1", "tap-1", "tap-2")]
    world.put("2026-10-01/conn.log", tsv(*records, fields=fields))
    day = made(world)
    assert day.collect()["dvc"].to_list() == ["tap-1"]
    assert (day.facts["duplicates"], day.facts["other_sensors"], day.facts["records"]) == (1, 1, 3)


# Byte layers


def test_payload_bytes_count_only_where_the_day_has_no_ip_bytes_and_nothing_was_missed(world: World) -> None:
    whole, torn = flow("C1", resp_bytes="100"), flow("C2", resp_bytes="5000", missed_bytes="7", id__orig_p="2")
    unsaid = flow("C3", resp_bytes="-", missed_bytes="-", id__orig_p="3")
    world.put("2026-10-01/conn.log", tsv(whole, torn, unsaid, fields=WITHOUT_IP))
    day = made(world)
    assert day.collect().sort("flow_uid")["bytes_in"].to_list() == [100, None, None]
    assert day.facts["bytes_layers"] == {"core": "payload"}


def test_layers_never_mix_within_a_source_and_day(world: World) -> None:
    bare = flow("C2", orig_ip_bytes="-") | {"resp_ip_bytes": "-"}
    world.put("2026-10-01/conn.log", tsv(flow("C1"), bare))
    found = frame(world)
    assert found["bytes_layer"].unique().to_list() == ["ip"]
    assert found.sort("flow_uid")["bytes_in"].to_list() == [220, None]


def test_what_else_was_landed_does_not_choose_the_layer(world: World) -> None:
    """A flow that only an address of another time has to do with must not turn payload bytes into unknown ones."""
    world.put("2026-10-01/conn.log", tsv(flow("C1"), fields=WITHOUT_IP) + tsv(flow("C2", id__resp_h="203.0.113.25")))
    alone = frame(world)["bytes_in"].to_list()
    later = {"address": "203.0.113.25", "category": "email_server", "valid_from": D2}
    inventory = [{"address": SERVER, "category": "email_server"}, later]
    world.settings = Settings.model_validate(world.settings.model_dump() | {"inventory": inventory})
    (world.root / "data" / "landing" / "ledger.jsonl").unlink()
    assert frame(world)["bytes_in"].to_list() == alone == [100]


def test_a_flow_of_the_day_before_does_not_choose_the_layer(world: World) -> None:
    """It is read with the day, as its session might go on; only the day's own flows tell what the day counts."""
    midnight = dt.datetime.combine(D2, dt.time(), dt.UTC)
    before = tsv(conn(midnight - dt.timedelta(minutes=1), uid="C1"))
    own = tsv(conn(midnight + dt.timedelta(minutes=1), uid="C2", id__orig_p="2"), fields=WITHOUT_IP)
    world.put("2026-10-02/conn.log", before + own)
    assert frame(world, D2).select("bytes_in", "bytes_layer").rows() == [(100, "payload")]
    assert frame(world).select("bytes_in", "bytes_layer").rows() == [(220, "ip")]


# Categories


def test_categories_are_those_of_the_day(world: World) -> None:
    dated = [
        {"address": SERVER, "category": "old_server", "valid_to": D2},
        {"address": SERVER, "category": ["email_server", "archive"], "valid_from": D2},
        {"address": "198.51.100.0/24", "category": "office"},
    ]
    world.settings = Settings.model_validate(world.settings.model_dump() | {"inventory": dated})
    world.put("2026-10-01/conn.log", tsv(flow("C1"), flow("C2", day=D2)))
    assert frame(world, D1)["dest_category"].to_list() == [["old_server"]]
    assert frame(world, D2)["dest_category"].to_list() == [["archive", "email_server"]]
    assert frame(world, D2)["src_category"].to_list() == [["office"]]


def test_servers_that_begin_a_flow_are_kept_too(world: World) -> None:
    world.put("2026-10-01/conn.log", tsv(flow("C1", id__orig_h=SERVER, id__resp_h="203.0.113.9")))
    assert frame(world)["src_category"].to_list() == [["email_server"]]


@pytest.mark.parametrize("written", ["::ffff:192.0.2.10", "::FFFF:C000:020A"])
def test_mapped_addresses_find_their_ipv4_entry(world: World, written: str) -> None:
    world.put("2026-10-01/conn.log", tsv(flow("C1", id__resp_h=written)))
    assert frame(world).select("dest_ip", "dest_category").rows() == [(SERVER, ["email_server"])]


# What a day depends on


def inputs(world: World, day: dt.date = D1) -> dict[str, str]:
    world.land()
    return flow_inputs(world.landing(), world.settings, Inventory(world.settings.inventory), day)


def test_inputs_change_with_the_days_own_files_only(world: World) -> None:
    world.put("2026-10-01/conn.log", tsv(flow("C1")))
    world.put("2026-10-05/conn.log", tsv(flow("C5", day=dt.date(2026, 10, 5))))
    world.land(D1, dt.date(2026, 10, 5))
    before = inputs(world)
    world.put("2026-10-05/conn.log", tsv(flow("C6", day=dt.date(2026, 10, 5))))
    world.land(dt.date(2026, 10, 5))
    assert inputs(world) == before
    world.put("2026-10-01/conn.log", tsv(flow("C1"), flow("C2", 7)))
    assert inputs(world)["files"] != before["files"]


def test_a_grown_file_leaves_days_that_gained_nothing_as_they_were(world: World) -> None:
    world.settings = settings("logs/*")
    world.put("conn.log", tsv(flow("C1")))
    before = inputs(world)
    world.put("conn.log", tsv(flow("C1")) + rows([flow("C2", day=D2)]).encode())
    assert inputs(world) == before
    assert inputs(world, D2)["files"] != before["files"]


OTHER = settings(servers=("203.0.113.1",)).inventory
CHANGES: list[dict[str, Any]] = [{"timezone": "Asia/Tokyo"}, {"inventory": OTHER}]


@pytest.mark.parametrize("change", CHANGES, ids=["zone", "inventory"])
def test_inputs_change_with_zone_and_inventory(world: World, change: dict[str, Any]) -> None:
    world.put("2026-10-01/conn.log", tsv(flow("C1")))
    before = inputs(world)
    world.settings = world.settings.model_copy(update=change)
    assert inputs(world) != before


def test_an_entry_of_another_time_leaves_a_days_inputs_alone(world: World) -> None:
    world.put("2026-10-01/conn.log", tsv(flow("C1")))
    before = inputs(world)
    later = {"address": "203.0.113.25", "category": "email_server", "valid_from": D2 + dt.timedelta(days=9)}
    inventory = [{"address": SERVER, "category": "email_server"}, later]
    world.settings = Settings.model_validate(world.settings.model_dump() | {"inventory": inventory})
    assert inputs(world) == before


def test_a_day_without_input_is_told_from_a_quiet_day(world: World) -> None:
    world.put("2026-10-01/conn.log", tsv())
    world.land()
    assert [e.name for e in world.landing().ledger.feeding(D1)] == ["logs/2026-10-01/conn.log"]
    assert world.landing().ledger.feeding(D2) == []
    assert (made(world, D1).facts["files"], made(world, D2).facts["files"]) == (1, 0)


def test_facts_tell_what_became_of_the_lines_of_the_days_files(world: World) -> None:
    world.put("2026-10-01/conn.log", tsv(flow("C1"), flow("C2", resp_bytes="x"), flow("C3", id__resp_h="203.0.113.9")))
    world.put("2026-10-01/conn.json.log", jsonl(flow("C4"), {**flow("C5"), "_path": "dns"}) + b"rubbish\n")
    facts = made(world).facts
    counts = {k: facts[k] for k in ("files", "lines", "comments", "others", "ignored", "quarantined")}
    assert counts == {"files": 2, "lines": 11, "comments": 5, "others": 1, "ignored": 1, "quarantined": 2}
    assert facts["quarantined_by_reason"] == {"bad_json": 1, "bad_number": 1}


def test_a_damaged_landed_part_is_an_error_that_names_it(world: World) -> None:
    world.put("2026-10-01/conn.log", tsv(flow("C1")))
    world.land()
    part: Path = world.root / "data" / "landing" / next(iter(world.parquet()))
    part.write_bytes(part.read_bytes()[:-20])
    with pytest.raises(StorageError, match=part.name):
        world.received()


def sampled(port: int, size: int, rate: int, start: int) -> str:
    """A goflow2 record of what the server sent, some seconds after the day's noon."""
    noon = int(dt.datetime.combine(D1, dt.time(12), dt.UTC).timestamp())
    record = {
        "type": "NETFLOW_V9",
        "sampling_rate": rate,
        "sampler_address": "192.0.2.1",
        "time_flow_start_ns": (noon + start) * 10**9,
        "time_flow_end_ns": (noon + start + 1) * 10**9,
        "bytes": size,
        "packets": 3,
        "src_addr": SERVER,
        "dst_addr": CLIENT,
        "proto": "TCP",
        "src_port": 993,
        "dst_port": port,
    }
    return json.dumps(record)


@pytest.mark.parametrize(
    ("choice", "received"), [("kept", [4, 70, 300, 5_900]), ("multiplied", [140, 5_900, 300_000, 2**62])]
)
def test_counters_of_sampled_packets_are_multiplied_where_the_site_asks_for_it(
    world: World, choice: str, received: list[int]
) -> None:
    """One flow of all packets, one of every other, one whose estimate is beyond counting, and one of two stretches."""
    lines = (sampled(50_001, 5_900, 1, 0), sampled(50_004, 70, 2, 0), sampled(50_002, 4, 2**62, 5))
    stretches = (sampled(50_003, 100, 1_000, 10), sampled(50_003, 200, 1_000, 12))
    world.settings = settings("logs/*", format="netflow").model_copy(
        update={"counting": CountingSettings(sampled=choice)}
    )
    world.put("flows.json", "\n".join((*lines, *stretches)).encode() + b"\n")
    found = made(world)
    rows = found.collect()
    assert sorted(rows["bytes_in"].to_list()) == sorted(received)
    assert sorted(rows["sampling_rate"].to_list()) == [1.0, 2.0, 1_000.0, 2.0**62]
    assert found.facts["warnings"]["sampled_counters"] == 4


@pytest.mark.parametrize(
    ("facts", "read"),
    [
        ({}, 0),
        ({"lines": 5, "comments": 5, "quarantined": 0}, 5),  # A quiet hour: a header and nothing else.
        ({"lines": 5, "comments": 4, "quarantined": 1}, 0),
        ({"lines": 5, "comments": 3, "quarantined": 1, "others": 1}, 5),
        ({"lines": 5, "quarantined": 5}, 0),  # As earlier versions told it.
    ],
)
def test_no_line_was_read_where_every_one_was_set_aside(facts: dict[str, int], read: int) -> None:
    assert lines_read(facts) == read

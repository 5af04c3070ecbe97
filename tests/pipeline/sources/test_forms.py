"""Suricata, ECS and OCSF records: which are flows, which way their bytes go, and what becomes of every line."""

import json
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.counting.layers import choose_layer
from pipeline.counting.once import count_once
from pipeline.sources.base import Block, DocumentReader, Parsed, ReadOptions
from pipeline.sources.registry import READERS, detect
from pipeline.sources.watch import Watch
from tests.examples import examples

LATEST = 4_000_000_000_000_000
CLIENT, SERVER = "10.1.0.11", "192.0.2.25"
START, END = "2026-11-20T00:00:00.000000+0000", "2026-11-20T00:01:00.500000+0000"


def read(name: str, *records: Any) -> Parsed:
    lines = [r if isinstance(r, str) else json.dumps(r) for r in records]
    data = "".join(f"{line}\n" for line in lines).encode()
    return READERS[name](ReadOptions(Watch(None), LATEST)).read(Block(data, 1, len(lines)))


def counted(parsed: Parsed) -> list[dict[str, Any]]:
    rows = parsed.rows.with_columns(source=pl.lit("s"), source_file=pl.lit("f"), dvc=pl.col("dvc").fill_null("s"))
    return choose_layer(count_once(rows)[0]).sort("src_port").to_dicts()


def eve(kind: str, **more: Any) -> dict[str, Any]:
    ends = {"src_ip": CLIENT, "src_port": 40_001, "dest_ip": SERVER, "dest_port": 993, "proto": "TCP", "flow_id": 7}
    return {"timestamp": "2026-11-20T00:05:00.000000+0000", "event_type": kind, **ends, **more}


FLOW = {
    "bytes_toserver": 726,
    "bytes_toclient": 6_040,
    "pkts_toserver": 9,
    "pkts_toclient": 10,
    "start": START,
    "end": END,
}
THERE = {"bytes": 726, "start": START, "end": END}
BACK = {"src_ip": SERVER, "src_port": 993, "dest_ip": CLIENT, "dest_port": 40_001}


def test_a_suricata_flow_counts_what_the_client_received_as_bytes_in() -> None:
    (row,) = counted(read("suricata", eve("flow", flow=FLOW, app_proto="imap", host="sensor1")))
    assert (row["src_ip"], row["dest_ip"], row["bytes_in"], row["bytes_out"]) == (CLIENT, SERVER, 6_040, 726)
    assert (row["packets_in"], row["packets_out"], row["app"], row["dvc"]) == (10, 9, "imap", "sensor1")
    assert (row["bytes_layer"], row["orientation"], row["transport"]) == ("l2", "native", "tcp")
    assert row["start_time"].isoformat() == "2026-11-20T00:00:00+00:00"
    assert (row["duration"], row["vendor_product"]) == (60_500_000, "Suricata")


def test_counters_inside_alerts_and_other_events_are_ignored_and_counted() -> None:
    parsed = read("suricata", eve("alert", flow=FLOW), eve("dns"), eve("stats"), eve("flow", flow=FLOW))
    assert (parsed.account.flows, parsed.account.ignored, parsed.account.lines) == (1, 3, 4)
    assert parsed.account.balanced


def test_two_netflow_records_of_one_session_become_one_flow_with_both_sides() -> None:
    back = eve("netflow", netflow={**THERE, "bytes": 6_040}) | BACK
    (row,) = counted(read("suricata", eve("netflow", netflow=THERE), back))
    assert (row["src_ip"], row["bytes_in"], row["bytes_out"], row["orientation"]) == (CLIENT, 6_040, 726, "port_rule")


def test_netflow_records_give_way_to_the_flow_event_of_their_session() -> None:
    back = eve("netflow", netflow={**THERE, "bytes": 9_999}) | BACK
    parsed = read("suricata", back, eve("netflow", netflow=THERE), eve("flow", flow=FLOW))
    (row,) = counted(parsed)
    assert (row["bytes_in"], row["bytes_out"], row["orientation"]) == (6_040, 726, "native")


@pytest.mark.parametrize(
    ("src_port", "dest_port", "expected"),
    [
        (40_001, 993, (CLIENT, None, 500, "port_rule")),
        (993, 40_001, (SERVER, 500, None, "port_rule")),
        (40_001, 40_002, (CLIENT, None, 500, "unknown")),
        (25, 993, (CLIENT, None, 500, "unknown")),
    ],
)
def test_the_ports_tell_the_ends_of_a_one_way_record_apart(
    src_port: int, dest_port: int, expected: tuple[Any, ...]
) -> None:
    record = eve("netflow", netflow={**THERE, "bytes": 500}) | {"src_port": src_port, "dest_port": dest_port}
    (row,) = counted(read("suricata", record))
    client, bytes_in, bytes_out, how = expected
    wanted = CLIENT if client == CLIENT else SERVER
    assert (row["src_ip"], row["bytes_in"], row["bytes_out"], row["orientation"]) == (wanted, bytes_in, bytes_out, how)


def test_events_wrapped_by_a_network_firewall_are_read() -> None:
    wrapped = {"firewall_name": "fw1", "event": eve("netflow", netflow=THERE)}
    (row,) = counted(read("suricata", wrapped))
    assert (row["bytes_out"], row["dvc"]) == (726, "fw1")


def ecs(**more: Any) -> dict[str, Any]:
    record: dict[str, Any] = {
        "@timestamp": "2026-11-20T00:00:20Z",
        "event": {"start": "2026-11-20T00:00:00Z", "end": "2026-11-20T00:00:10Z"},
        "source": {"ip": CLIENT, "port": 40_001, "bytes": 100},
        "destination": {"ip": SERVER, "port": 993, "bytes": 5_000},
        "network": {"transport": "tcp", "bytes": 5_100},
    }
    return record | more


def test_ecs_reads_nested_and_dotted_keys_alike() -> None:
    dotted = {
        "event.start": "2026-11-20T00:00:00Z",
        "source.ip": CLIENT,
        "source.port": 40_001,
        "source.bytes": 100,
        "destination.ip": SERVER,
        "destination.port": 993,
        "destination.bytes": 5_000,
    }
    for parsed in (read("ecs", ecs()), read("ecs", dotted)):
        (row,) = counted(parsed)
        assert (row["src_ip"], row["bytes_in"], row["bytes_out"]) == (CLIENT, 5_000, 100)


def test_interim_ecs_records_give_way_to_the_final_one() -> None:
    interim = ecs(flow={"id": "x", "final": False}, destination={"ip": SERVER, "port": 993, "bytes": 4_000})
    parsed = read("ecs", interim, ecs(flow={"id": "x", "final": True}))
    (row,) = counted(parsed)
    assert (row["bytes_in"], row["accounting"]) == (5_000, "final")


def test_an_ecs_document_without_bytes_or_ends_is_no_flow() -> None:
    parsed = read("ecs", {"message": "hello"}, {"source": {"ip": CLIENT}}, ecs())
    assert (parsed.account.flows, parsed.account.ignored) == (1, 2)


def ocsf(traffic: dict[str, int] | None, **more: Any) -> dict[str, Any]:
    record: dict[str, Any] = {
        "class_uid": 4001,
        "activity_id": 6,
        "time": 1_795_132_860_000,
        "start_time": 1_795_132_800_000,
        "end_time": 1_795_132_860_000,
        "src_endpoint": {"ip": CLIENT, "port": 40_001},
        "dst_endpoint": {"ip": SERVER, "port": 993},
        "connection_info": {"protocol_num": 6},
    }
    return record | ({"traffic": traffic} if traffic else {}) | more


def test_ocsf_bytes_in_go_from_destination_to_source() -> None:
    (row,) = counted(read("ocsf", ocsf({"bytes_in": 1_500, "bytes_out": 400, "bytes": 1_900})))
    assert (row["bytes_in"], row["bytes_out"], row["transport"], row["duration"]) == (1_500, 400, "tcp", 60_000_000)


def test_an_ocsf_record_of_another_class_or_without_traffic_is_ignored() -> None:
    parsed = read("ocsf", ocsf(None, activity_id=1), ocsf({"bytes": 5}, class_uid=4002), ocsf({"bytes": 5}))
    assert (parsed.account.flows, parsed.account.ignored) == (1, 2)


def cim(**more: Any) -> dict[str, Any]:
    ends = {"src_ip": CLIENT, "dest_ip": SERVER, "dest_port": "993", "bytes_in": "5900", "bytes_out": "600"}
    return {"_time": "2026-11-20T01:00:00.000+0100", **ends, **more}


@pytest.mark.parametrize("time", ["2026-11-20T01:00:00.000+0100", "1795132800", "1795132800.000", 1795132800000])
def test_cim_rows_are_read_with_every_form_of_time(time: Any) -> None:
    (row,) = counted(read("cim_json", cim(_time=time)))
    assert row["start_time"].isoformat() == "2026-11-20T00:00:00+00:00"
    assert (row["src_ip"], row["bytes_in"], row["bytes_out"]) == (CLIENT, 5_900, 600)


def test_cim_prefixes_wrappers_and_lists_are_taken_off_and_previews_ignored() -> None:
    prefixed = {f"All_Traffic.{k}" if k != "_time" else k: v for k, v in cim(bytes_in="1.5E3").items()}
    wrapped = {"preview": False, "result": cim(dest_port=["993", "995"])}
    parsed = read("cim_json", prefixed, wrapped, {"preview": True, "result": cim()})
    assert (parsed.account.flows, parsed.account.ignored) == (2, 1)
    assert sorted(r["bytes_in"] for r in counted(parsed)) == [1_500, 5_900]
    assert set(parsed.rows["dest_port"]) == {993}


@pytest.mark.parametrize("text", ["[{0}, {0}]", "[\n {0},\n {0}\n]"])
def test_an_array_of_records_is_read_record_by_record(text: str) -> None:
    reader = READERS["suricata"](ReadOptions(Watch(None), LATEST))
    assert isinstance(reader, DocumentReader)
    record = json.dumps(eve("flow", flow=FLOW))
    parsed = reader.read_array(text.replace("{0}", record).encode())
    assert (parsed.account.lines, parsed.account.flows) == (2, 2)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"src_ip": "not an address"}, "bad_address"),
        ({"dest_port": 70_000}, "bad_port"),
        ({"flow": FLOW | {"bytes_toclient": -1}}, "negative_bytes"),
        ({"flow": FLOW | {"bytes_toclient": "many"}}, "bad_number"),
        ({"flow": FLOW | {"bytes_toclient": 10**16}}, "implausible_bytes"),
        ({"flow": FLOW | {"start": "1970-01-01T00:00:00Z"}}, "implausible_time"),
        ({"flow": {k: v for k, v in FLOW.items() if k != "start"}}, "untimed"),
    ],
)
def test_a_record_that_cannot_be_right_is_set_aside_with_its_reason(change: dict[str, Any], reason: str) -> None:
    parsed = read("suricata", eve("flow", flow=FLOW), eve("flow", flow=FLOW) | change)
    assert dict(parsed.account.quarantined) == {reason: 1}
    assert parsed.rejects["source_line"].to_list() == [2]
    assert parsed.account.balanced


def test_a_line_that_is_no_object_is_set_aside_alone() -> None:
    parsed = read("suricata", eve("flow", flow=FLOW), "{oops", "[1]", "", eve("flow", flow=FLOW))
    assert (parsed.account.flows, parsed.account.comments, dict(parsed.account.quarantined)) == (2, 1, {"bad_json": 2})


@pytest.mark.parametrize(
    ("record", "name"),
    [
        (eve("dns"), "suricata"),
        (ecs(), "ecs"),
        (ocsf({"bytes": 5}), "ocsf"),
        ({"firewall_name": "f", "event": eve("x")}, "suricata"),
        (cim(), "cim_json"),
        ({"preview": False, "result": cim()}, "cim_json"),
    ],
)
def test_each_form_is_known_by_its_content(record: dict[str, Any], name: str) -> None:
    assert detect(json.dumps(record).encode(), "auto", "x") == name
    assert detect(json.dumps(record, indent=1).encode(), "auto", "x") == name


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 2**70), st.floats(), st.text(max_size=6), st.just({"a": 1}), st.just([1])
)


@settings(max_examples=examples(30))
@given(
    name=st.sampled_from(["suricata", "ecs", "ocsf", "cim_json"]),
    changes=st.lists(
        st.dictionaries(
            st.sampled_from(["src_ip", "flow", "source", "traffic", "time", "class_uid", "flow_id"]), VALUES, max_size=2
        ),
        min_size=1,
        max_size=4,
    ),
    junk=st.lists(st.binary(max_size=12), max_size=2),
)
def test_no_value_breaks_a_reader_and_every_line_is_accounted_for(
    name: str, changes: list[dict[str, Any]], junk: list[bytes]
) -> None:
    base = {"suricata": eve("flow", flow=FLOW), "ecs": ecs(), "ocsf": ocsf({"bytes_in": 1}), "cim_json": cim()}[name]
    lines = [json.dumps(base | change).encode() for change in changes] + [j.replace(b"\n", b" ") for j in junk]
    data = b"".join(line + b"\n" for line in lines)
    parsed = READERS[name](ReadOptions(Watch(None), LATEST)).read(Block(data, 1, len(lines)))
    assert parsed.account.balanced
    assert parsed.account.lines == len(lines)


def test_cim_rows_of_traffic_that_was_blocked_are_counted_by_name_and_are_no_flows() -> None:
    rows = [
        cim(),
        cim() | {"action": "allowed"},
        cim() | {"action": "blocked"},
        cim() | {"All_Traffic.action": "Dropped"},
    ]
    account = read("cim_json", *rows).account
    assert (account.flows, account.ignored, account.warnings["blocked"]) == (2, 2, 2)
    text = "_time,src_ip,dest_ip,bytes_in,bytes_out,action\n"
    text += "".join(f"1795132800,10.1.0.11,192.0.2.25,5,6,{a}\n" for a in ("allowed", "blocked", ""))
    parsed = READERS["cim_csv"](ReadOptions(Watch(None), LATEST)).read(Block(text.encode(), 1, 4))
    assert (parsed.account.flows, parsed.account.warnings["blocked"]) == (2, 1)

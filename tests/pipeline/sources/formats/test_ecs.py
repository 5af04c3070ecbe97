"""Elastic Common Schema: what the datasets of Beats and Elastic's integrations are, beside what they have in common."""

import json
from typing import Any

import pytest

from pipeline.sources.registry import detect
from tests.pipeline.sources.forms_read import read, read_file, rows
from tests.real_files import SAMPLES, needs_samples

CLIENT, SERVER = "10.1.0.11", "10.9.0.25"
START = "2026-11-20T00:00:00.5Z"


def document(dataset: str | None = None, event: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    times = {"start": "2026-11-20T00:00:00Z", "end": "2026-11-20T00:00:10Z"}
    record: dict[str, Any] = {
        "@timestamp": "2026-11-20T00:00:20Z",
        "event": times | ({"dataset": dataset} if dataset else {}) | (event or {}),
        "source": {"ip": CLIENT, "port": 40_001, "bytes": 100},
        "destination": {"ip": SERVER, "port": 993, "bytes": 5_000},
        "network": {"transport": "tcp"},
    }
    return record | more


def one_way(dataset: str | None, src_port: int = 993, **more: Any) -> dict[str, Any]:
    ends = {
        "source": {"ip": SERVER, "port": src_port, "bytes": 5_000},
        "destination": {"ip": CLIENT, "port": 40_001},
        "network": {"transport": "tcp", "bytes": 5_000, "direction": "egress"},
    }
    return document(dataset) | ends | more


SECURITY_ONION: dict[str, Any] = {
    "@timestamp": "2026-11-20T08:00:00.250Z",
    "event": {"dataset": "zeek.conn", "duration": 1.5},
    "source": {"ip": CLIENT, "port": 50_001},
    "destination": {"ip": SERVER, "port": 993},
    "client": {"bytes": 100, "packets": 6, "ip_bytes": 420},
    "server": {"bytes": 5_000, "packets": 8, "ip_bytes": 5_420},
    "network": {"transport": "tcp", "bytes": 5_100},
    "log": {"id": {"uid": "CtPZjS20MLrsMUOJi2"}},
    "connection": {"state": "SF"},
}


def test_security_onion_keeps_zeeks_counters_as_those_of_client_and_server() -> None:
    line = json.dumps(SECURITY_ONION)
    assert detect(line.encode(), "auto", "x") == "ecs"
    parsed = read("ecs", SECURITY_ONION, {"_source": SECURITY_ONION})
    columns = ("src_ip", "dest_port", "other_bytes_in", "other_bytes_out", "packets_in", "packets_out", "duration")
    assert rows(parsed, *columns, "uid") == [(CLIENT, 993, 5_420, 420, 8, 6, 1_500_000, "CtPZjS20MLrsMUOJi2")] * 2


CORELIGHT: dict[str, Any] = {
    "@timestamp": "2026-11-20T08:00:00.250Z",
    "event": {"dataset": "conn", "duration": 1_500_000_000, "type": ["connection", "info", "protocol"]},
    "source": {"ip": CLIENT, "port": 50_001, "bytes": 100, "ip_bytes": 420, "packets": 6},
    "destination": {"ip": SERVER, "port": 993, "bytes": 5_000, "ip_bytes": 5_420, "packets": 8},
    "network": {"transport": "tcp", "bytes": 5_100, "ip_bytes": 5_840},
    "log": {"id": {"uid": "CtPZjS20MLrsMUOJi2"}},
}
"""What Corelight's own pipelines make of a conn record."""


@pytest.mark.parametrize(("dataset", "accounting"), [("conn", "final"), ("conn_long", "cumulative")])
def test_corelight_s_ip_bytes_come_before_its_payload(dataset: str, accounting: str) -> None:
    record = CORELIGHT | {"event": CORELIGHT["event"] | {"dataset": dataset}}
    assert detect(json.dumps(record).encode(), "auto", "x") == "ecs"
    columns = ("src_ip", "dest_port", "other_bytes_in", "other_bytes_out", "duration", "uid", "accounting")
    assert rows(read("ecs", record), *columns) == [
        (CLIENT, 993, 5_420, 420, 1_500_000, "CtPZjS20MLrsMUOJi2", accounting)
    ]


def test_counters_of_source_and_destination_come_before_those_of_client_and_server() -> None:
    parsed = read("ecs", document(client={"bytes": 7}, server={"bytes": 8, "ip_bytes": 9}))
    assert rows(parsed, "other_bytes_in", "other_bytes_out") == [(5_000, 100)]


@pytest.mark.parametrize(("dataset", "flows"), [("flow", 1), ("network_traffic.flow", 1), ("http", 0), ("tls", 0)])
def test_transactions_of_packetbeat_repeat_counters_of_its_flows(dataset: str, flows: int) -> None:
    parsed = read("ecs", document(dataset, agent={"type": "packetbeat"}))
    assert (parsed.account.flows, parsed.account.ignored) == (flows, 1 - flows)


@pytest.mark.parametrize("dataset", ["aws.vpcflow", "gcp.vpcflow", "netflow.log", None])
def test_source_bytes_alone_are_one_direction_of_a_flow_log(dataset: str | None) -> None:
    parsed = read("ecs", one_way(dataset))
    assert rows(parsed, "src_ip", "other_bytes_in", "other_bytes_out", "total_bytes", "orientation") == [
        (CLIENT, 5_000, None, 5_000, "port_rule")
    ]
    assert parsed.rows["accounting"].to_list() == ["delta" if dataset else "final"]


def test_source_bytes_alone_of_a_sensor_that_knows_its_ends_stay() -> None:
    parsed = read("ecs", one_way("zeek.connection"))
    assert rows(parsed, "src_ip", "other_bytes_in", "other_bytes_out", "orientation") == [
        (SERVER, None, 5_000, "native")
    ]


@pytest.mark.parametrize(
    ("dataset", "field", "flags", "expected"),
    [
        ("aws.vpcflow", "aws", "18", (CLIENT, 5_000, "syn")),
        ("aws.vpcflow", "aws", "2", (SERVER, None, "syn")),
        ("netflow.log", "netflow", 2, (SERVER, None, "syn")),
        ("netflow.log", "netflow", 27, (SERVER, None, "unknown")),
    ],
)
def test_the_first_packets_flags_tell_who_begins(
    dataset: str, field: str, flags: Any, expected: tuple[Any, ...]
) -> None:
    vendor = {"aws": {"vpcflow": {"tcp_flags": flags}}, "netflow": {"tcp_control_bits": flags}}
    parsed = read("ecs", one_way(dataset, src_port=40_993, **{field: vendor[field]}))
    assert rows(parsed, "src_ip", "other_bytes_in", "orientation") == [expected]


def test_the_reporting_end_of_cloud_flow_logs_is_known() -> None:
    aws = one_way("aws.vpcflow", aws={"vpcflow": {"interface_id": "eni-1"}})
    gcp = one_way("gcp.vpcflow", gcp={"vpcflow": {"reporter": "DEST"}})
    older = one_way("googlecloud.vpcflow", googlecloud={"vpcflow": {"reporter": "SRC"}})
    assert read("ecs", older).rows["reporter"].to_list() == ["dest"]  # The server's record, turned.
    other = one_way("netflow.log")
    parsed = read("ecs", aws, gcp, other)
    assert rows(parsed, "reporter", "dvc") == [("dest", "eni-1"), ("src", None), (None, None)]


@pytest.mark.parametrize(
    ("dataset", "event", "more", "accounting"),
    [
        ("flow", {}, {"flow": {"id": "x", "final": False}}, "cumulative"),
        ("flow", {}, {"flow": {"id": "x", "final": True}}, "final"),
        ("zeek.connection", {"type": ["connection", "start", "end"]}, {}, "final"),
        ("panw.panos", {"type": ["start", "connection", "allowed"]}, {}, "cumulative"),
        ("panw.panos", {"type": ["connection", "end", "allowed"]}, {}, "final"),
        ("fortinet_fortigate.log", {"code": "0000000020"}, {}, "cumulative"),
        ("fortinet_fortigate.log", {"code": "0000000013"}, {}, "final"),
        ("netflow.log", {}, {}, "delta"),
        (None, {}, {}, "final"),
    ],
)
def test_how_records_add_up_follows_from_what_they_are(
    dataset: str | None, event: dict[str, Any], more: dict[str, Any], accounting: str
) -> None:
    parsed = read("ecs", document(dataset, event, **more))
    assert rows(parsed, "other_bytes_in", "accounting") == [(5_000, accounting)]


@pytest.mark.parametrize(
    ("dataset", "event"),
    [
        ("aws.vpcflow", {"action": "REJECT", "type": ["connection", "denied"]}),
        ("aws.vpcflow", {"action": "reject"}),
        ("panw.panos", {"action": "flow_denied"}),
        ("panw.panos", {"type": "denied"}),
        ("fortinet.firewall", {"action": "deny"}),
    ],
)
def test_what_was_refused_is_blocked(dataset: str, event: dict[str, Any]) -> None:
    parsed = read("ecs", document(dataset, event), document(dataset, {"action": "accept", "type": ["allowed"]}))
    assert (parsed.account.flows, dict(parsed.account.warnings)) == (1, {"blocked": 1})


def test_a_session_with_a_blocked_file_did_carry_bytes() -> None:
    event = {"action": "close", "type": ["connection", "end", "denied"]}
    assert read("ecs", document("fortinet_fortigate.log", event)).account.flows == 1


@pytest.mark.parametrize(
    ("dataset", "vendor"),
    [
        ("suricata.eve", {"suricata": {"eve": {"event_type": "alert"}}}),
        ("fortinet_fortigate.log", {"fortinet": {"firewall": {"type": "utm"}}}),
        ("panw.panos", {"panw": {"panos": {"type": "THREAT"}}}),
    ],
)
def test_events_that_repeat_a_flows_counters_are_ignored(dataset: str, vendor: dict[str, Any]) -> None:
    parsed = read("ecs", document(dataset, **vendor))
    assert (parsed.account.flows, parsed.account.ignored) == (0, 1)


def test_lost_data_and_absent_counters_are_named() -> None:
    empty = {"source": {}, "destination": {}, "event": {"dataset": "aws.vpcflow"}}
    gone, none = ({"aws": {"vpcflow": {"log_status": s}}} | empty for s in ("SKIPDATA", "NODATA"))
    bare = document("panw.panos", source={"ip": CLIENT}, destination={"ip": SERVER})
    assert dict(read("ecs", gone, none, bare).account.warnings) == {"lost_data": 1, "no_data": 1, "no_counters": 1}


def test_a_total_alone_is_no_sides_bytes() -> None:
    ends = {"source": {"ip": CLIENT, "port": 1}, "destination": {"ip": SERVER, "port": 993}, "network": {"bytes": 70}}
    parsed = read("ecs", document("cisco.asa", **ends))
    assert rows(parsed, "other_bytes_in", "other_bytes_out", "total_bytes") == [(None, None, 70)]


def test_a_duration_in_nanoseconds_serves_where_there_is_no_end() -> None:
    parsed = read("ecs", document(event={"end": None, "duration": 1_500_000_000}), document(event={"duration": 1}))
    assert parsed.rows["duration"].to_list() == [1_500_000, 10_000_000]


@pytest.mark.parametrize(
    ("times", "start", "seconds"),
    [
        ({"start": None, "duration": 4_000_000_000}, "2026-11-20T00:00:06", 4),
        ({"start": None}, "2026-11-20T00:00:20", None),  # Nothing tells when it began.
        ({"start": "2026-11-20T00:00:01Z", "duration": 4_000_000_000}, "2026-11-20T00:00:01", 9),
        ({"start": None, "end": None, "duration": 4_000_000_000}, "2026-11-20T00:00:20", 4),
    ],
)
def test_without_a_start_a_record_began_its_duration_before_its_end(
    times: dict[str, Any], start: str, seconds: int | None
) -> None:
    row = read("ecs", document(event=times), document()).rows.row(0, named=True)
    lasted = None if row["duration"] is None else row["duration"] / 1_000_000
    assert (row["start_time"].isoformat()[:19], lasted) == (start, seconds)


@pytest.mark.parametrize(
    ("counts", "accounting"),
    [({"octet_delta_count": 7}, "delta"), ({"octet_total_count": 7}, "final"), ({}, "delta")],
)
def test_octets_since_an_exporters_flow_began_are_no_stretch(counts: dict[str, int], accounting: str) -> None:
    parsed = read("ecs", one_way("netflow.log", netflow={"type": "netflow_flow", **counts}))
    assert parsed.rows["accounting"].to_list() == [accounting]


def test_translations_protocol_numbers_and_exports_of_elasticsearch_are_read() -> None:
    nat = document(source={"ip": CLIENT, "bytes": 1, "nat": {"ip": "198.51.100.1"}}, network={"iana_number": "17"})
    parsed = read("ecs", {"_index": "logs", "_id": "d1", "_source": nat}, {"_id": "d2", "_source": document()})
    assert rows(parsed, "src_translated_ip", "transport", "other_bytes_in") == [
        ("198.51.100.1", "udp", 5_000),
        (None, "tcp", 5_000),
    ]


@needs_samples
def test_packetbeats_interim_record_is_cumulative() -> None:
    parsed = read_file(SAMPLES / "ecs" / "beats-packetbeat-flow.json")
    assert rows(parsed, "other_bytes_in", "other_bytes_out", "total_bytes", "accounting", "duration") == [
        (5_558, 2_008, 7_566, "cumulative", 3_966_000)
    ]


def test_an_end_may_be_a_list_of_one_address_and_of_several_none_is_believed() -> None:
    one = document(
        source={"ip": [CLIENT], "port": [40_001], "bytes": 100},
        destination={"ip": [SERVER, SERVER], "port": 993, "bytes": 5_000},
    )
    several = document(destination={"ip": [SERVER, "198.51.100.7"], "port": 993, "bytes": 5_000})
    parsed = read("ecs", one, several)
    assert rows(parsed, "src_ip", "src_port", "other_bytes_in") == [(CLIENT, 40_001, 5_000)]
    assert dict(parsed.account.quarantined) == {"bad_address": 1}


def test_zscalers_dataset_has_what_came_in_as_the_source_s_bytes_until_its_pipeline_was_mended() -> None:
    old = document("zscaler_zia.firewall", {"start": "2026-06-09T23:59:59Z"})
    parsed = read("ecs", old, document("zscaler_zia.firewall"), document("panw.panos"))
    assert rows(parsed, "other_bytes_in", "other_bytes_out") == [(100, 5_000), (5_000, 100), (5_000, 100)]
    assert dict(parsed.account.warnings) == {"direction_by_date": 1}


def test_check_points_dataset_has_what_left_the_gateway_for_the_client_as_the_source_s_bytes() -> None:
    """client_outbound_bytes and server_outbound_bytes of one connection, as its raw log has them."""
    sides = {"source": {"ip": CLIENT, "bytes": 6_345}, "destination": {"ip": SERVER, "bytes": 7_475}}
    event = {"id": "{0x1,0x2}", "start": "1795132800"}
    whole = document("checkpoint.firewall", event, **sides)
    threat = document("checkpoint.firewall", event, **sides, observer={"product": "Anti-Virus"})
    received = document("checkpoint.firewall", event, source={"ip": CLIENT}, destination=sides["destination"])
    parsed = read("ecs", whole, threat, received)
    assert rows(parsed, "other_bytes_in", "other_bytes_out", "accounting", "uid") == [
        (6_345, 7_475, "cumulative", "{0x1,0x2}"),
        (7_475, None, "cumulative", "{0x1,0x2}"),
    ]
    assert dict(parsed.account.warnings) == {"other_blades": 1}


def test_application_tracking_packets_and_documents_of_whole_blobs_are_no_flows() -> None:
    tags = ("APPTRACK_SESSION_VOL_UPDATE", "RT_FLOW_SESSION_CLOSE", "APPTRACK_SESSION_CLOSE")
    juniper = [document("juniper_srx.log", juniper={"srx": {"tag": tag}}) for tag in tags]
    blobs = [document(f"azure_network_watcher_{kind}.log") for kind in ("vnet", "nsg")]
    packet = document("pfsense.log", network={"bytes": 60, "transport": "tcp"})
    parsed = read("ecs", *juniper, *blobs, packet)
    assert parsed.account.flows == 1
    assert dict(parsed.account.warnings) == {"apptrack": 2, "several_flows": 2, "packets": 1}


def exported(sides: tuple[int | None, int | None], total: int | None = None, **netflow: Any) -> dict[str, Any]:
    """What Filebeat's netflow input writes without its module: no dataset, no event's start."""
    source, destination = ({"bytes": count} if count is not None else {} for count in sides)
    record = one_way(None, netflow={"type": "netflow_flow", "flow_start_milliseconds": START, **netflow})
    ends = {"source": {"ip": SERVER, "port": 993} | source, "destination": {"ip": CLIENT, "port": 40_001} | destination}
    return record | ends | {"event": {}, "network": {"transport": "tcp"} | ({"bytes": total} if total else {})}


def test_one_direction_of_an_exporter_is_told_by_the_sum_where_filebeat_is_old() -> None:
    parsed = read("ecs", exported((5_000, None), 5_000, firewall_event=5), exported((None, None), 5_000))
    told = rows(parsed, "src_ip", "other_bytes_in", "other_bytes_out", "accounting")
    assert told == [(CLIENT, 5_000, None, "delta")] * 2
    assert {t.isoformat() for t in parsed.rows["start_time"]} == {"2026-11-20T00:00:00.500000+00:00"}


def test_nsel_counts_since_the_last_update_and_in_the_end_since_the_beginning() -> None:
    octets = {"initiator_octets": 81, "responder_octets": 6_207}
    events = [exported((81, 6_207), firewall_event=e, **octets) for e in (5, 2, 3)]
    old = exported((None, None), firewall_event=2, **octets)
    parsed = read("ecs", *events, exported((None, None), firewall_event=1), old)
    told = rows(parsed, "src_ip", "other_bytes_in", "other_bytes_out", "accounting")
    assert told == [(SERVER, 6_207, 81, kind) for kind in ("update", "final", "final")]
    assert dict(parsed.account.warnings) == {"blocked": 1, "no_counters": 1}


def test_a_sum_of_both_directions_alone_is_warned_of() -> None:
    ends = {"source": {"ip": "10.1.0.11", "port": 50_001}, "destination": {"ip": "10.9.0.25", "port": 993}}
    flow = {"@timestamp": "2026-11-20T08:00:00Z", "event": {"dataset": "cisco_asa.log"}} | ends
    parsed = read("ecs", flow | {"network": {"bytes": 9}}, flow | {"source": ends["source"] | {"bytes": 4}})
    assert parsed.rows["total_bytes"].to_list() == [9, None]
    assert dict(parsed.account.warnings) == {"direction_unknown": 1}


def test_bytes_of_a_server_that_is_the_source_are_not_the_destination_s() -> None:
    """As ElastiFlow writes flows of one direction: client and server beside source and destination."""
    client, server = {"ip": "10.1.0.11", "port": 50_001}, {"ip": "10.9.0.25", "port": 993}
    back = {
        "@timestamp": "2026-11-20T08:00:00Z",
        "destination": client,
        "client": client,
        "server": server | {"bytes": 9},
    }
    parsed = read("ecs", back | {"source": server | {"bytes": 9}}, back | {"source": server}, back)
    columns = ("src_ip", "src_port", "dest_ip", "other_bytes_in", "other_bytes_out")
    assert rows(parsed, *columns) == [("10.1.0.11", 50_001, "10.9.0.25", 9, None)] * 3


@pytest.mark.parametrize("unit", ["seconds", "microseconds", "nanoseconds"])
def test_an_exporter_s_start_of_any_unit_comes_before_the_time_of_export(unit: str) -> None:
    record = one_way(None, netflow={"type": "netflow_flow", f"flow_start_{unit}": "2026-11-20T07:55:00Z"})
    del record["event"]["start"]
    (start,) = read("ecs", record | {"@timestamp": "2026-11-20T08:00:00Z"}).rows["start_time"]
    assert start.isoformat() == "2026-11-20T07:55:00+00:00"


def test_of_two_families_addresses_that_of_zeros_is_none() -> None:
    netflow = {"type": "netflow_flow", "source_ipv6_address": "2001:db8::25", "destination_ipv6_address": "2001:db8::b"}
    record = one_way("netflow.log", netflow=netflow)
    record["source"]["ip"] = record["destination"]["ip"] = "0.0.0.0"
    assert rows(read("ecs", record), "src_ip", "dest_ip", "other_bytes_in") == [("2001:db8::b", "2001:db8::25", 5_000)]


def test_packet_level_ends_of_vpc_flow_logs_are_the_ends() -> None:
    """Elastic's documents keep them under AWS' names, which are no record of AWS' own."""
    flow = {"interface_id": "eni-1", "pkt_srcaddr": SERVER, "pkt_dstaddr": CLIENT}
    record = one_way("aws.vpcflow", aws={"vpcflow": flow}) | {"destination": {"ip": "10.200.0.1", "port": 40_001}}
    assert detect(json.dumps(record).encode(), "auto", "x") == "ecs"
    assert rows(read("ecs", record), "src_ip", "dest_ip", "other_bytes_in") == [(CLIENT, SERVER, 5_000)]

"""Flows of Packetbeat 5 and 6: sides, interim records, transactions beside them, and what Kibana exports of them."""

import json
from typing import Any

import pytest

from pipeline.sources.registry import detect, format_of
from tests.pipeline.sources.forms_read import read, read_document, rows

CLIENT, SERVER = "10.1.0.11", "198.51.100.25"


def side(ip: str, port: int, total: int, packets: int) -> dict[str, Any]:
    stats = {"net_bytes_total": total, "net_packets_total": packets}
    return {"ip": ip, "mac": "02:00:00:00:00:01", "port": port, "stats": stats}


def flow(**changes: Any) -> dict[str, Any]:
    return {
        "@timestamp": "2026-11-20T08:02:00.003Z",
        "beat": {"hostname": "tap-1", "name": "tap-1", "version": "6.8.23"},
        "dest": side(SERVER, 993, 5_420, 8),
        "final": True,
        "flow_id": "EAT/////AP//////CP8AAAEA",
        "last_time": "2026-11-20T08:01:30.500Z",
        "source": side(CLIENT, 50_001, 420, 6),
        "start_time": "2026-11-20T08:01:00.500Z",
        "transport": "tcp",
        "type": "flow",
    } | changes


FOUND = ("src_ip", "src_port", "dest_ip", "dest_port", "other_bytes_in", "other_bytes_out", "packets_in", "accounting")
FLAT = {
    "start_time": "Nov 20, 2026 @ 08:01:00.500",
    "source.ip": CLIENT,
    "source.port": "50,001",
    "dest.ip": SERVER,
    "dest.port": "993",
    "source.stats.net_bytes_total": "420",
    "dest.stats.net_bytes_total": "5,420",
    "dest.stats.net_packets_total": "8",
    "final": "true",
}


@pytest.mark.parametrize(
    "record", [flow(), {"_index": "packetbeat-6.8.23-2026.11.20", "_type": "doc", "_source": flow()}]
)
def test_what_the_dest_sent_are_bytes_in(record: dict[str, Any]) -> None:
    assert detect(json.dumps(record).encode(), "auto", "x") == "packetbeat"
    assert format_of("packetbeat") == "ecs"
    parsed = read("packetbeat", record)
    assert rows(parsed, *FOUND) == [(CLIENT, 50_001, SERVER, 993, 5_420, 420, 8, "final")]
    assert parsed.rows["start_time"][0].isoformat() == "2026-11-20T08:01:00.500000+00:00"
    assert rows(parsed, "dvc", "transport") == [("tap-1", "tcp")]


def test_a_record_so_far_is_cumulative_and_an_answer_seen_first_is_turned() -> None:
    back = flow(source=side(SERVER, 993, 5_420, 8), dest=side(CLIENT, 50_001, 420, 6), final=False)
    assert rows(read("packetbeat", back), *FOUND) == [(CLIENT, 50_001, SERVER, 993, 5_420, 420, 8, "cumulative")]


def test_ipv6_and_one_side_alone_are_read_and_transactions_are_no_flows() -> None:
    six = {"ipv6": "2001:db8::11", "port": 50_001, "stats": {"net_bytes_total": 420}}
    server = {"ipv6": "2001:db8::25", "port": 993}
    transaction = {"type": "tls", "client_ip": CLIENT, "ip": SERVER, "bytes_in": 420, "bytes_out": 5_420}
    parsed = read("packetbeat", flow(source=six, dest=server), transaction)
    assert rows(parsed, *FOUND[:6]) == [("2001:db8::11", 50_001, "2001:db8::25", 993, None, 420)]
    assert (parsed.account.flows, parsed.account.ignored) == (1, 1)


def test_a_flow_without_any_counter_is_counted_by_name() -> None:
    bare = flow(source={"ip": CLIENT, "port": 50_001}, dest={"ip": SERVER, "port": 993})
    assert dict(read("packetbeat", bare).account.warnings) == {"no_counters": 1}


def test_what_kibana_exports_is_read() -> None:
    cells = ",".join(f'"{cell}"' for cell in FLAT.values())
    text = f"{','.join(FLAT)}\n{cells}\n"
    assert detect(text.encode(), "auto", "x") == "packetbeat_csv"
    parsed = read("packetbeat_csv", *text.splitlines())
    assert rows(parsed, *FOUND) == [(CLIENT, 50_001, SERVER, 993, 5_420, 420, 8, "final")]


def test_an_answer_of_elasticsearch_is_opened() -> None:
    data = json.dumps({"hits": {"hits": [{"_id": "1", "_source": flow()}]}}, indent=1).encode()
    assert detect(data, "auto", "x") == "packetbeat"
    assert read_document("packetbeat", data).account.flows == 1

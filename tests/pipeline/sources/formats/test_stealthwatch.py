"""Cisco Secure Network Analytics' flows: whose bytes are whose, who is the client, and what is rounded."""

import json
from typing import Any

import pytest

from pipeline.sources.registry import detect
from tests.pipeline.sources.forms_read import read, read_document, rows
from tests.pipeline.sources.lines import read as read_in_zone

CLIENT, SERVER = "10.1.0.11", "198.51.100.25"
ENDS = ("src_ip", "src_port", "dest_ip", "dest_port", "transport")
BYTES = ("other_bytes_in", "other_bytes_out")


def end(address: str, port: int, count: int, side: str) -> dict[str, Any]:
    return {
        "ipAddress": address,
        "portProtocol": {"port": port, "protocol": "TCP", "serviceId": 1},
        "bytes": count,
        "packets": count // 70,
        "orientation": side,
    }


def flow(subject: dict[str, Any], peer: dict[str, Any]) -> dict[str, Any]:
    times = {"firstActiveTime": "2026-11-20T08:01:00.000+0000", "lastActiveTime": "2026-11-20T08:01:30.000+0000"}
    told = {"id": 1_107, "flowCollectorId": "3", "domainId": "1", "protocol": "TCP", "statistics": times}
    return told | {"subject": subject, "peer": peer}


MINE, THEIRS = end(CLIENT, 50_001, 420, "CLIENT"), end(SERVER, 993, 5_420, "SERVER")


@pytest.mark.parametrize("pair", [(MINE, THEIRS), (THEIRS, MINE)])
def test_what_the_server_sent_are_bytes_in_whoever_was_asked_for(pair: tuple[dict[str, Any], dict[str, Any]]) -> None:
    data = json.dumps({"data": {"flows": [flow(*pair)]}}, indent=1).encode()
    assert (detect(data, "auto", "x") or "").startswith("stealthwatch")
    parsed = read_document("stealthwatch", data)
    assert rows(parsed, *ENDS) == [(CLIENT, 50_001, SERVER, 993, "tcp")]
    assert rows(parsed, *BYTES, "packets_in", "duration") == [(5_420, 420, 77, 30_000_000)]
    assert rows(parsed, "uid", "accounting", "orientation", "dvc") == [("1107", "cumulative", "native", "3")]
    assert parsed.rows["start_time"][0].isoformat() == "2026-11-20T08:01:00+00:00"


def test_without_an_orientation_the_ports_decide() -> None:
    nobody = [{k: v for k, v in e.items() if k != "orientation"} for e in (THEIRS, MINE)]
    assert rows(read("stealthwatch", flow(*nobody)), *ENDS[:4], *BYTES, "orientation") == [
        (CLIENT, 50_001, SERVER, 993, 5_420, 420, "port_rule")
    ]


def test_a_flow_without_bytes_is_none() -> None:
    bare = [{k: v for k, v in e.items() if k != "bytes"} for e in (MINE, THEIRS)]
    parsed = read("stealthwatch", flow(*bare))
    assert dict(parsed.account.warnings) == {"no_counters": 1}


HEADER = (
    "Start,Duration,Subject IP Address,Subject Port/Protocol,Subject Orientation,Subject Bytes,Application,Total Bytes,"
    "Peer IP Address,Peer Port/Protocol,Peer Bytes"
)


def test_a_table_of_the_manager_is_read_and_what_is_rounded_set_aside() -> None:
    line = f'"Nov 20, 2026 9:01:00 AM",30s,{SERVER},993/TCP,Server,"5,420",IMAPS,5840,{CLIENT},50001/TCP,420'
    rounded, unknown = line.replace('"5,420"', "5.42K"), line.replace('"5,420"', "--").replace(",420", ",--")
    assert detect(f"{HEADER}\n{line}\n".encode(), "auto", "x") == "stealthwatch_csv"
    parsed = read_in_zone("stealthwatch_csv", HEADER, line, rounded, unknown, zone="Europe/Berlin")
    assert rows(parsed, *ENDS, *BYTES) == [(CLIENT, 50_001, SERVER, 993, "tcp", 5_420, 420)]
    assert parsed.rows["start_time"][0].isoformat() == "2026-11-20T08:01:00+00:00"
    assert dict(parsed.account.quarantined) == {"bad_number": 1}
    assert dict(parsed.account.warnings) == {"no_counters": 1}

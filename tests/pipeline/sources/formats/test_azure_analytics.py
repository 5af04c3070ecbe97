"""Azure Traffic Analytics: which way bytes go in both tables, whose interface saw a flow, and what is no flow."""

import json
from typing import Any

import pytest

from pipeline.sources.registry import detect
from tests.pipeline.sources.lines import only, read

CLIENT, SERVER = "10.1.0.11", "10.9.0.25"
ROW: dict[str, Any] = {
    "TimeGenerated": "2026-11-20T08:10:00Z",
    "SubType": "FlowLog",
    "FlowStartTime": "2026-11-20T08:00:00.250Z",
    "FlowEndTime": "2026-11-20T08:05:00.250Z",
    "SrcIp": CLIENT,
    "DestIp": SERVER,
    "DestPort": 993,
    "L4Protocol": "T",
    "L7Protocol": "imaps",
    "FlowDirection": "Outbound",
    "FlowStatus": "Allowed",
    "MacAddress": "000D3A000001",
    "PacketsSrcToDest": 6,
    "BytesSrcToDest": 420,
    "PacketsDestToSrc": 8,
    "BytesDestToSrc": 5_420,
}
OLD: dict[str, Any] = {
    "SubType_s": "FlowLog",
    "FlowStartTime_t": "2026-11-20T08:00:00.25Z",
    "FlowEndTime_t": "2026-11-20T08:05:00.25Z",
    "SrcIP_s": CLIENT,
    "DestIP_s": SERVER,
    "DestPort_d": 993.0,
    "L4Protocol_s": "T",
    "L7Protocol_s": "imaps",
    "FlowDirection_s": "O",
    "FlowStatus_s": "A",
    "InboundBytes_d": 5_420.0,
    "OutboundBytes_d": 420.0,
}
INBOUND = OLD | {"FlowDirection_s": "I", "InboundBytes_d": 420, "OutboundBytes_d": 5_420}
MACHINE: dict[str, Any] = {
    "TimeGenerated": "2026-11-20T08:00:00.25Z",
    "Computer": "c1",
    "Machine": "m-1",
    "ConnectionId": "c-1",
    "Process": "p-1",
    "Direction": "outbound",
    "SourceIp": CLIENT,
    "DestinationIp": SERVER,
    "DestinationPort": 993,
    "Protocol": "tcp",
    "LinksFailed": 0,
    "BytesSent": 420,
    "BytesReceived": 5_420,
}
"""A row of VMConnection, whose bytes are those that the machine sent and received."""
SERVES = MACHINE | {"Direction": "inbound", "Machine": "m-2", "BytesSent": 5_420, "BytesReceived": 420}
PORTAL = {"FlowStartTime [UTC]": "11/20/2026, 8:00:00.250 AM", "FlowEndTime [UTC]": "11/20/2026, 8:05:00.250 AM"}
"""Times as the portal exports them."""


def as_csv(record: dict[str, Any]) -> list[str]:
    return [",".join(f'"{k}"' for k in record), ",".join(f'"{v}"' for v in record.values())]


@pytest.mark.parametrize(
    ("record", "reporter"),
    [
        (ROW, "src"),
        (ROW | {"FlowDirection": "Inbound"}, "dest"),
        (OLD, "src"),
        (INBOUND, "dest"),
        ({k: v for k, v in ROW.items() if k not in ("FlowStartTime", "FlowEndTime")} | PORTAL, "src"),
        (ROW | {"SrcIp": "", "SrcPublicIps": f"{CLIENT}|1|1|0|0|0|0"}, "src"),
        (OLD | {"SrcIP_s": "", "FlowDirection_s": "O", "SrcPublicIPs_s": f"{CLIENT}|1|1|0|0|0|0"}, "src"),
    ],
)
@pytest.mark.parametrize("encoding", ["azure_analytics", "azure_analytics_csv"])
def test_bytes_in_are_those_from_the_destination(record: dict[str, Any], reporter: str, encoding: str) -> None:
    lines = [json.dumps(record)] if encoding == "azure_analytics" else as_csv(record)
    assert detect("\n".join(lines).encode(), "auto", "x") == encoding
    row = only(read(encoding, *lines))
    assert (row["src_ip"], row["src_port"], row["dest_ip"], row["dest_port"]) == (CLIENT, None, SERVER, 993)
    assert (row["other_bytes_in"], row["other_bytes_out"], row["transport"]) == (5_420, 420, "tcp")
    assert (row["reporter"], row["accounting"], row["app"]) == (reporter, "delta", "imaps")
    assert (row["start_time"].isoformat(timespec="milliseconds"), row["duration"]) == (
        "2026-11-20T08:00:00.250+00:00",
        300_000_000,
    )


def test_denied_gathered_and_other_rows_are_no_flows() -> None:
    gathered = ROW | {"SrcIp": "", "SrcPublicIps": "203.0.113.7|1|0|0|0|0|0 203.0.113.8|1|0|0|0|0|0"}
    empty = {k: v for k, v in ROW.items() if not k.startswith("Bytes")} | {"FlowIntervalStartTime": "x"}
    records = [
        ROW | {"FlowStatus": "Denied"},
        OLD | {"FlowStatus_s": "D"},
        gathered,
        empty,
        ROW | {"SubType": "Topology"},
    ]
    parsed = read("azure_analytics", *map(json.dumps, records), "{")
    assert (parsed.account.flows, parsed.account.ignored) == (0, 5)
    assert dict(parsed.account.warnings) == {"blocked": 2, "several_ends": 1, "no_counters": 1}
    assert dict(parsed.account.quarantined) == {"bad_json": 1}


@pytest.mark.parametrize("encoding", ["azure_analytics", "azure_analytics_csv"])
@pytest.mark.parametrize(("record", "reporter"), [(MACHINE, "src"), (SERVES, "dest")])
def test_what_a_machine_received_is_bytes_in_where_it_is_the_client(
    record: dict[str, Any], reporter: str, encoding: str
) -> None:
    lines = as_csv(record) if encoding.endswith("csv") else [json.dumps(record)]
    assert detect("\n".join(lines).encode(), "auto", "x") == encoding
    row = only(read(encoding, *lines))
    assert (row["src_ip"], row["dest_ip"], row["dest_port"], row["transport"]) == (CLIENT, SERVER, 993, "tcp")
    assert (row["other_bytes_in"], row["other_bytes_out"], row["reporter"]) == (5_420, 420, reporter)
    assert (row["accounting"], row["start_time"].microsecond) == ("delta", 250_000)

"""PAN-OS TRAFFIC records as the logging service forwards them in JSON: the same meaning as the device's columns."""

import json
from typing import Any

import pytest

from pipeline.sources.registry import detect
from tests.pipeline.sources.lines import ends, only, read

RECORD: dict[str, Any] = {
    "TimeReceived": "2026-11-20T08:00:15.000000Z", "DeviceSN": "0011", "LogType": "TRAFFIC", "Subtype": "end",
    "TimeGenerated": "2026-11-20T08:00:10.000000Z", "SourceAddress": "10.1.0.11", "DestinationAddress": "198.51.100.25",
    "NATSource": "203.0.113.9", "NATDestination": "198.51.100.25", "Application": "imap", "SessionID": 77,
    "SourcePort": 50001, "DestinationPort": 993, "Protocol": "tcp", "Action": "allow", "Bytes": 5840, "BytesSent": 420,
    "BytesReceived": 5420, "SessionStartTime": "2026-11-20T08:00:00.000000Z", "SessionDuration": 10, "PacketsSent": 6,
    "PacketsReceived": 8,
}  # fmt: skip


@pytest.mark.parametrize("around", [None, "event"])
def test_bytes_received_are_bytes_in(around: str | None) -> None:
    line = json.dumps({around: RECORD, "time": 1} if around else RECORD)
    name = "paloalto_json" + (f"@{{{around}}}" if around else "")
    assert detect(f"{line}\n".encode(), "auto", "x") == name
    row = only(read(name, line))
    assert ends(row) == ("10.1.0.11", 50_001, "198.51.100.25", 993)
    assert (row["other_bytes_in"], row["other_bytes_out"], row["packets_in"]) == (5_420, 420, 8)
    assert (row["start_time"].isoformat(), row["duration"]) == ("2026-11-20T08:00:00+00:00", 10_000_000)
    assert (row["src_translated_ip"], row["dest_translated_ip"], row["uid"]) == ("203.0.113.9", None, "0011/77")


def test_only_sessions_that_ended_are_flows() -> None:
    others = ({"Subtype": "start"}, {"Subtype": "deny", "Action": "deny"}, {"LogType": "THREAT", "Subtype": "url"})
    parsed = read("paloalto_json", *(json.dumps(RECORD | changes) for changes in others))
    assert (parsed.account.flows, parsed.account.ignored) == (0, 3)
    assert dict(parsed.account.warnings) == {"begin": 1, "blocked": 1}


CLOUD: dict[str, Any] = {
    "src_ip": "10.1.0.11", "sport": "50001", "dst_ip": "198.51.100.25", "dport": "993", "proto": "tcp", "app": "imap",
    "rule": "out", "action": "allow", "bytes_recv": "5420", "bytes_sent": "420", "pkts_received": "8", "pkts_sent": "6",
    "start_time": "2026/11/20 08:00:00", "elapsed_time": "10", "repeat_count": "1", "category": "any",
    "src country": "10.0.0.0-10.255.255.255", "session_end_reason": "tcp-fin", "xff_ip": "",
}  # fmt: skip
OLDER = {"dst_ip": "dst", "bytes_recv": "bytes_received", "start_time": "start", "elapsed_time": "elapsed"}


def test_sessions_of_the_cloud_s_firewall_have_the_device_s_directions_and_clock() -> None:
    line = json.dumps(CLOUD)
    assert detect(f"{line}\n".encode(), "auto", "x") == "paloalto_cloud"
    row = only(read("paloalto_cloud", line, zone="America/New_York"))
    assert ends(row) == ("10.1.0.11", 50_001, "198.51.100.25", 993)
    assert (row["other_bytes_in"], row["other_bytes_out"], row["packets_in"]) == (5_420, 420, 8)
    assert (row["start_time"].isoformat(), row["duration"]) == ("2026-11-20T13:00:00+00:00", 10_000_000)


def test_names_of_older_pages_and_text_in_a_row_of_log_analytics_are_read_alike() -> None:
    plain = only(read("paloalto_cloud", json.dumps(CLOUD)))
    older = json.dumps({OLDER.get(name, name): value for name, value in CLOUD.items()})
    assert detect(f"{older}\n".encode(), "auto", "x") == "paloalto_cloud"
    assert only(read("paloalto_cloud", older)) == plain
    row = json.dumps({"ident_s": "TRAFFIC", "time_s": "Nov 20 08:00:12", "Message": json.dumps(CLOUD)})
    assert detect(f"{row}\n".encode(), "auto", "x") == "paloalto_cloud@Message"
    assert only(read("paloalto_cloud@Message", row)) == plain


def test_of_the_cloud_s_firewall_refused_sessions_and_threats_are_no_flows() -> None:
    threat = {name: value for name, value in CLOUD.items() if name[:5] not in ("bytes", "pkts_", "elaps")}
    parsed = read("paloalto_cloud", *(json.dumps(record) for record in (CLOUD | {"action": "reset both"}, threat)))
    assert (parsed.account.flows, parsed.account.ignored) == (0, 2)
    assert dict(parsed.account.warnings) == {"blocked": 1}

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

"""Cloudflare's sessions: which way their bytes go, whose they are, and what is no flow."""

import json
from typing import Any

from pipeline.sources.registry import detect
from tests.pipeline.sources.forms_read import read, rows

CLIENT, SERVER = "10.1.0.11", "198.51.100.25"


def session(**changes: Any) -> dict[str, Any]:
    record = {"AccountID": "a", "BytesReceived": 5_420, "BytesSent": 420, "EgressIP": "203.0.113.9", "OriginIP": SERVER,
              "OriginPort": 993, "Protocol": "TCP", "SessionEndTime": "2026-11-20T08:01:00Z", "SessionID": "s1",
              "SessionStartTime": "2026-11-20T08:00:00Z", "SourceInternalIP": "", "SourceIP": CLIENT,
              "SourcePort": 50_001}  # fmt: skip
    return record | changes


def spectrum(event: str, **changes: Any) -> dict[str, Any]:
    record = {"Application": "a", "ClientBytes": 420, "ClientIP": CLIENT, "ClientPort": 50_001, "ClientProto": "tcp",
              "ConnectTimestamp": 1_795_161_600_000_000_000, "DisconnectTimestamp": 1_795_161_660_000_000_000,
              "Event": event, "OriginBytes": 5_420, "OriginIP": SERVER, "OriginPort": 993, "Status": 200}  # fmt: skip
    return record | changes


def test_what_the_origin_sent_are_bytes_in() -> None:
    inner = session(SourceInternalIP="192.168.7.7")
    for record, client in ((session(), CLIENT), (inner, "192.168.7.7"), (spectrum("disconnect"), CLIENT)):
        assert detect(json.dumps(record).encode(), "auto", "x") == "cloudflare"
        parsed = read("cloudflare", record)
        assert rows(parsed, "src_ip", "src_port", "dest_ip", "dest_port", "transport", "duration") == [
            (client, 50_001, SERVER, 993, "tcp", 60_000_000)
        ]
        assert rows(parsed, "other_bytes_in", "other_bytes_out") == [(5_420, 420)]
        assert parsed.rows["start_time"][0].isoformat() == "2026-11-20T08:00:00+00:00"
    assert rows(read("cloudflare", session()), "uid", "src_translated_ip") == [("s1", "203.0.113.9")]


def test_what_begins_or_is_filtered_is_no_flow() -> None:
    others = [session(BytesReceived=None, BytesSent=None), {"ClientIP": CLIENT, "EdgeResponseBytes": 7}]
    parsed = read("cloudflare", *(spectrum(event) for event in ("connect", "progress", "clientFiltered")), *others)
    assert (parsed.account.flows, parsed.account.ignored) == (0, 5)
    assert dict(parsed.account.warnings) == {"begin": 2, "blocked": 1, "no_counters": 2}

"""NetFlow as OpenTelemetry's collector receives it: goflow2's records in the attributes of logs, of two spellings."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipeline.sources.registry import detect
from pipeline.sources.wrappings import documents
from tests.pipeline.sources.lines import ends, only, read, starts

FLOW = {
    **{"source.address": "192.0.2.25", "source.port": 993, "destination.address": "10.1.0.11"},
    **{"destination.port": 40_001, "network.transport": "tcp", "network.type": "ipv4"},
    **{"flow.io.bytes": 5_900, "flow.io.packets": 10, "flow.type": "netflow_v9", "flow.sequence_num": 191},
    **{"flow.time_received": 1_795_161_665_000_000_000, "flow.start": 1_795_161_600_250_000_000},
    **{"flow.end": 1_795_161_660_250_000_000, "flow.sampling_rate": 0, "flow.sampler_address": "203.0.113.1"},
}
FIRST = {f"network.{k.removeprefix('flow.') if '.io.' in k else k}" if k.startswith("flow.") else k: v
         for k, v in FLOW.items()}  # fmt: skip
"""The names of the receiver's first releases: `network.io.bytes`, `network.flow.start`."""


def logs(*records: dict[str, Any]) -> str:
    def value(v: Any) -> dict[str, str]:
        return {"stringValue": v} if isinstance(v, str) else {"intValue": str(v)}

    made = [{"timeUnixNano": "1795161600250000000", "body": {},
             "attributes": [{"key": k, "value": value(v)} for k, v in r.items()]} for r in records]  # fmt: skip
    return json.dumps({"resourceLogs": [{"resource": {}, "scopeLogs": [{"scope": {}, "logRecords": made}]}]})


@pytest.mark.parametrize("flow", [FLOW, FIRST], ids=["now", "at first"])
def test_a_record_is_one_direction_of_a_flow(flow: dict[str, Any]) -> None:
    document = logs(flow)
    assert detect(f"{document}\n".encode(), "auto", "x") == "goflow2"
    parsed = read("goflow2", *documents.records(document.encode()))
    found = only(parsed)
    assert ends(found) == ("10.1.0.11", 40_001, "192.0.2.25", 993)
    assert (found["ip_bytes_in"], found["ip_bytes_out"], found["packets_in"]) == (5_900, None, 10)
    assert (found["accounting"], found["transport"], found["duration"]) == ("delta", "tcp", 60_000_000)
    assert (found["dvc"], starts(parsed)) == ("203.0.113.1", ["2026-11-20T08:00:00.250"])


@pytest.mark.parametrize("flow", [FLOW, FIRST], ids=["now", "at first"])
def test_attributes_in_an_object_are_opened(flow: dict[str, Any]) -> None:
    document = json.dumps({"@timestamp": "2026-11-20T08:00:00.250Z", "attributes": flow, "resource": {}})
    encoding = detect(f"{document}\n".encode(), "auto", "x")
    assert encoding == "goflow2@{attributes}"
    assert only(read(encoding, document))["ip_bytes_in"] == 5_900


def test_sampled_counters_are_warned_of_and_a_syn_tells_who_began() -> None:
    flow = FLOW | {"flow.sampling_rate": 100, "flow.tcp_flags": 2, "source.port": 40_000, "destination.port": 40_001}
    parsed = read("goflow2", *documents.records(logs(flow).encode()))
    assert parsed.account.warnings["sampled_counters"] == 1
    assert (only(parsed)["orientation"], only(parsed)["ip_bytes_out"]) == ("syn", 5_900)


def test_frames_that_are_not_ip_are_no_flows() -> None:
    other = FLOW | {"source.address": "invalid IP", "destination.address": "invalid IP", "network.type": "arp"}
    parsed = read("goflow2", *documents.records(logs(FLOW, other).encode()))
    assert (parsed.account.flows, parsed.account.ignored, dict(parsed.account.quarantined)) == (1, 1, {})

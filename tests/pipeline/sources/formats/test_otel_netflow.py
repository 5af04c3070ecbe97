"""OpenTelemetry's netflow receiver and Fluentd's plugin: one direction a record, in whatever envelope."""

import json
from typing import Any

import pytest

from pipeline.sources.registry import READERS, detect
from tests.pipeline.sources.forms_read import read, rows
from tests.pipeline.sources.lines import options

CLIENT, SERVER = "10.1.0.11", "198.51.100.25"
TOLD = ("src_ip", "src_port", "dest_ip", "dest_port", "transport", "ip_bytes_in", "ip_bytes_out", "duration")
THERE = (CLIENT, 50_001, SERVER, 993, "tcp", None, 420, 30_000_000)
BACK = (CLIENT, 50_001, SERVER, 993, "tcp", 5_420, None, 30_000_000)
BEGAN = 1_795_161_660_000_000_000


def attributes(prefix: str, *, back: bool) -> dict[str, Any]:
    """What the receiver tells of a record; older releases have another prefix."""
    ends = ((SERVER, 993), (CLIENT, 50_001)) if back else ((CLIENT, 50_001), (SERVER, 993))
    told = {f"{side}.{what}": value for side, end in zip(("source", "destination"), ends, strict=True)
            for what, value in zip(("address", "port"), end, strict=True)}  # fmt: skip
    io = "flow.io" if prefix == "flow" else "network.io"
    return told | {
        "network.transport": "tcp",
        "network.type": "ipv4",
        f"{io}.bytes": 5_420 if back else 420,
        f"{io}.packets": 6,
        f"{prefix}.type": "netflow_v9",
        f"{prefix}.start": BEGAN,
        f"{prefix}.end": BEGAN + 30_000_000_000,
        f"{prefix}.time_received": BEGAN + 35_000_000_000,
        f"{prefix}.sampling_rate": 0,
        f"{prefix}.sampler_address": "192.0.2.1",
    }


@pytest.mark.parametrize("prefix", ["flow", "network.flow"])
def test_a_record_of_the_receiver_tells_one_direction(prefix: str) -> None:
    records = [attributes(prefix, back=back) for back in (False, True)]
    assert detect(json.dumps(records[0]).encode(), "auto", "x") == "otel_netflow"
    parsed = read("otel_netflow", *records)
    assert rows(parsed, *TOLD) == [THERE, BACK]
    assert rows(parsed, "dvc", "sampling_rate", "accounting") == [("192.0.2.1", None, "delta")] * 2
    assert parsed.rows["start_time"][0].isoformat() == "2026-11-20T08:01:00+00:00"


def test_its_records_are_read_from_otlp_and_under_a_key() -> None:
    def value(v: Any) -> dict[str, Any]:
        return {"stringValue": v} if isinstance(v, str) else {"intValue": str(v)}

    told = [{"key": k, "value": value(v)} for k, v in attributes("flow", back=False).items()]
    logs = [{"timeUnixNano": str(BEGAN), "attributes": told, "body": {}}]
    otlp = json.dumps({"resourceLogs": [{"resource": {}, "scopeLogs": [{"logRecords": logs}]}]}).encode()
    assert detect(otlp, "auto", "x") == "otel_netflow"
    by: Any = READERS["otel_netflow"](options())
    assert rows(by.read_array(otlp), *TOLD) == [THERE]
    held = json.dumps({"attributes": attributes("flow", back=False), "body": ""})
    encoding = detect(held.encode(), "auto", "x")
    assert encoding is not None
    assert rows(read(encoding, held), *TOLD) == [THERE]


FLUENTD = {
    "version": "9", "flow_seq_num": "1", "flowset_id": "260", "ipv4_src_addr": CLIENT, "ipv4_dst_addr": SERVER,
    "l4_src_port": 50_001, "l4_dst_port": 993, "protocol": 6, "in_bytes": 420, "in_pkts": 6, "tcp_flags": 27,
    "first_switched": "2026-11-20T08:01:00.000Z", "last_switched": "2026-11-20T08:01:30.000Z", "host": "192.0.2.1",
}  # fmt: skip


@pytest.mark.parametrize("before", ["", "2026-11-20T08:02:00+00:00\tnetflow.event\t"])
def test_a_record_of_fluentd_s_plugin_tells_one_direction(before: str) -> None:
    """As its output of files writes it, too."""
    line = f"{before}{json.dumps(FLUENTD)}"
    encoding = detect(f"{line}\n".encode(), "auto", "x")
    assert encoding == ("fluentd_netflow@header" if before else "fluentd_netflow")
    parsed = read(encoding, line)
    assert rows(parsed, *TOLD, "dvc") == [(*THERE, "192.0.2.1")]
    assert parsed.rows["start_time"][0].isoformat() == "2026-11-20T08:01:00+00:00"


def test_sampled_counters_of_the_receiver_are_warned_of_and_a_syn_tells_who_began() -> None:
    record = attributes("flow", back=True) | {"flow.sampling_rate": 100, "flow.tcp_flags": 2, "source.port": 40_000}
    parsed = read("otel_netflow", record | {"destination.port": 40_001})
    assert parsed.account.warnings["sampled_counters"] == 1
    assert rows(parsed, "src_ip", "orientation", "ip_bytes_out") == [(SERVER, "syn", 5_420)]


def test_frames_of_the_receiver_that_are_not_ip_are_no_flows() -> None:
    other = {"source.address": "invalid IP", "destination.address": "invalid IP", "network.type": "arp"}
    parsed = read("otel_netflow", *(attributes("flow", back=False) | more for more in ({}, other)))
    assert (parsed.account.flows, parsed.account.ignored, dict(parsed.account.quarantined)) == (1, 1, {})
    assert rows(parsed, *TOLD) == [THERE]

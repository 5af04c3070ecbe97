"""What the Datadog agent keeps of NetFlow: one direction a record, its times, its rolled-up ports, and its rate."""

import json

import pytest

from pipeline.sources.registry import detect
from tests.pipeline.sources.lines import ends, only, read

CLIENT, SERVER = "10.1.0.11", "10.9.0.25"
RECORD = {
    "flush_timestamp": 1795132809000, "type": "netflow9", "sampling_rate": 0, "direction": "ingress",
    "start": 1795132800, "end": 1795132805, "bytes": 5900, "packets": 6, "ether_type": "IPv4", "ip_protocol": "TCP",
    "device": {"namespace": "default"}, "exporter": {"ip": "192.0.2.1"},
    "source": {"ip": SERVER, "port": "993", "mac": "00:00:5e:00:53:01", "mask": "10.0.0.0/8"},
    "destination": {"ip": CLIENT, "port": "50001", "mac": "00:00:5e:00:53:02", "mask": "10.0.0.0/8"},
    "ingress": {"interface": {"index": 1}}, "egress": {"interface": {"index": 2}}, "host": "agent",
    "tcp_flags": ["SYN", "ACK"], "next_hop": {"ip": "192.0.2.2"},
}  # fmt: skip


@pytest.mark.parametrize("record", [RECORD, dict(sorted(RECORD.items()))])
def test_a_record_tells_one_direction(record: dict[str, object]) -> None:
    line = json.dumps(record)
    assert detect(f"{line}\n".encode(), "auto", "x") == detect(f"{line}\n".encode(), "netflow", "x") == "datadog"
    row = only(read("datadog", line))
    assert ends(row) == (CLIENT, 50001, SERVER, 993)
    assert (row["ip_bytes_in"], row["ip_bytes_out"], row["accounting"]) == (5900, None, "delta")
    assert (row["start_time"].isoformat(), row["duration"]) == ("2026-11-20T00:00:00+00:00", 5_000_000)
    assert (row["transport"], row["dvc"], row["sampling_rate"]) == ("tcp", "192.0.2.1", None)


def test_what_the_agent_does_not_know_is_unknown() -> None:
    rolled = RECORD | {"destination": {"ip": CLIENT, "port": "*"}, "start": 0, "end": 0, "sampling_rate": 512}
    row = only(read("datadog", json.dumps(rolled)))
    assert (row["src_ip"], row["src_port"], row["dest_port"], row["sampling_rate"]) == (CLIENT, None, 993, 512.0)
    assert row["start_time"].isoformat() == "2026-11-20T00:00:09+00:00"


def test_a_lone_syn_tells_who_began() -> None:
    asked = RECORD | {
        "tcp_flags": ["SYN"],
        "source": {"ip": CLIENT, "port": "993"},
        "destination": {"ip": SERVER, "port": "7"},
    }
    row = only(read("datadog", json.dumps(asked)))
    assert (*ends(row), row["orientation"], row["ip_bytes_out"]) == (CLIENT, 993, SERVER, 7, "syn", 5900)


def test_a_record_without_bytes_counts_nothing() -> None:
    parsed = read("datadog", json.dumps({k: v for k, v in RECORD.items() if k != "bytes"}), json.dumps({"type": "x"}))
    assert (parsed.rows.height, parsed.account.ignored, parsed.account.warnings) == (0, 2, {"no_counters": 1})

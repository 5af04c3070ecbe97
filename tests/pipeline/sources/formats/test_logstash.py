"""Records of Logstash's netflow codec: which counter is which direction, and what NSEL's events are."""

import json
from typing import Any

import pytest

from pipeline.sources.registry import detect
from tests.pipeline.sources.forms_read import read, rows

CLIENT, SERVER = "10.1.0.11", "10.9.0.25"
V9 = {"ipv4_src_addr": SERVER, "ipv4_dst_addr": CLIENT, "l4_src_port": 993, "l4_dst_port": 50_001, "protocol": 6,
      "tcp_flags": 27, "in_bytes": 5_420, "in_pkts": 8, "first_switched": "2026-11-20T08:00:00.250Z",
      "last_switched": "2026-11-20T08:00:10.250Z"}  # fmt: skip
NSEL = {"ipv4_src_addr": CLIENT, "ipv4_dst_addr": SERVER, "l4_src_port": 50_001, "l4_dst_port": 993, "protocol": 6,
        "flow_start_msec": 1_795_161_600_250, "fw_event": 2, "conn_id": 7, "fwd_flow_delta_bytes": 420,
        "rev_flow_delta_bytes": 5_420}  # fmt: skip


def record(base: dict[str, Any], **changes: Any) -> dict[str, Any]:
    flow = {name: value for name, value in (base | changes).items() if value is not None}
    return {"@timestamp": "2026-11-20T08:00:15.000Z", "host": "192.0.2.1", "netflow": {"version": 9, **flow}}


def test_one_counter_tells_one_direction_wherever_it_was_counted() -> None:
    ipfix = {"sourceIPv6Address": "2001:db8::25", "destinationIPv6Address": "2001:db8::11", "sourceTransportPort": 993,
             "destinationTransportPort": 50_001, "octetDeltaCount": 7, "flowStartSeconds": 1_795_161_600}  # fmt: skip
    parsed = read("logstash_netflow", record(V9), record(V9, in_bytes=0, out_bytes=9), record(ipfix))
    told = rows(parsed, "src_ip", "dest_port", "ip_bytes_in", "ip_bytes_out", "accounting", "dvc")
    assert told == [
        (CLIENT, 993, 5_420, None, "delta", "192.0.2.1"),
        (CLIENT, 993, 9, None, "delta", "192.0.2.1"),
        ("2001:db8::11", 993, 7, None, "delta", "192.0.2.1"),
    ]
    assert parsed.rows["start_time"][0].isoformat() == "2026-11-20T08:00:00.250000+00:00"


def test_probes_count_both_directions_in_one_record() -> None:
    ends = {"ipv4_src_addr": CLIENT, "ipv4_dst_addr": SERVER, "l4_src_port": 50_001, "l4_dst_port": 993}
    parsed = read("logstash_netflow", record(V9, **ends, in_bytes=420, out_bytes=5_420))
    assert rows(parsed, "src_ip", "ip_bytes_in", "ip_bytes_out") == [(CLIENT, 5_420, 420)]


@pytest.mark.parametrize("kind", ["Delta", "Total"])
@pytest.mark.parametrize("flat", [False, True])
def test_answers_that_ipfix_names_reverse_are_bytes_in(kind: str, flat: bool) -> None:
    """RFC 5103; a count since the flow began is not one since the last record. A 0 is a record of one direction."""
    ends = {"sourceIPv4Address": CLIENT, "destinationIPv4Address": SERVER, "sourceTransportPort": 50_001,
            "destinationTransportPort": 993, "flowStartMilliseconds": 1_795_161_600_000}  # fmt: skip
    forth, back, packets = f"octet{kind}Count", f"reverseOctet{kind}Count", f"reversePacket{kind}Count"
    records = [
        {**ends, forth: 420, back: 5_420, packets: 8},
        {**ends, forth: 420, back: 0},
        {**ends, forth: 0, back: 9},
    ]
    lines = [{f"ipfix.{k}": v for k, v in r.items()} if flat else {"ipfix": r} for r in records]
    assert detect(json.dumps(lines[0]).encode() + b"\n", "auto", "x") == "logstash_netflow"
    parsed = read("logstash_netflow", *lines)
    told = rows(parsed, "src_ip", "ip_bytes_in", "ip_bytes_out", "packets_in", "accounting")
    how = "delta" if kind == "Delta" else "final"
    assert told[:2] == [(CLIENT, 5_420, 420, 8, how), (CLIENT, None, 420, None, how)]
    assert told[2][:3] == (CLIENT, 9, 0)


def test_nsel_tells_both_ends_octets_and_what_began_or_was_denied_is_no_flow() -> None:
    assert detect(str(record(NSEL)).replace("'", '"').encode() + b"\n", "auto", "x") == "logstash_netflow"
    parsed = read("logstash_netflow", record(NSEL), record(NSEL, fw_event=5), record(NSEL, fw_event=1),
                  record(NSEL, fw_event=3), record(V9, in_bytes=None))  # fmt: skip
    told = rows(parsed, "ip_bytes_in", "ip_bytes_out", "accounting", "uid")
    assert told == [(5_420, 420, "final", "7"), (5_420, 420, "update", "7")]
    assert dict(parsed.account.warnings) == {"begin": 1, "blocked": 1, "no_counters": 1}


def test_other_firewalls_number_their_deltas_as_nsel_its_events() -> None:
    """PAN-OS exports stretches of sessions with the event that ended each: created, updated, deleted, denied."""
    parsed = read("logstash_netflow", *(record(V9, fw_event=event, in_bytes=event * 10) for event in (1, 5, 2, 3)))
    assert rows(parsed, "ip_bytes_in", "accounting") == [(10, "delta"), (50, "delta"), (20, "delta")]
    assert dict(parsed.account.warnings) == {"blocked": 1}


@pytest.mark.parametrize("target", ["netflow", "ipfix"])
@pytest.mark.parametrize(("count", "accounting"), [("octetDeltaCount", "delta"), ("octetTotalCount", "final")])
def test_ipfix_is_known_under_either_target(target: str, count: str, accounting: str) -> None:
    flow = {"sourceIPv4Address": SERVER, "destinationIPv4Address": CLIENT, "sourceTransportPort": 993, "version": 10,
            "destinationTransportPort": 50_001, count: 7, "flowStartSeconds": 1_795_161_600}  # fmt: skip
    document = {"@timestamp": "2026-11-20T08:00:15.000Z", "host": "192.0.2.1", target: flow}
    assert detect(f"{json.dumps(document)}\n".encode(), "auto", "x") == "logstash_netflow"
    parsed = read("logstash_netflow", document)
    assert rows(parsed, "src_ip", "ip_bytes_in", "accounting") == [(CLIENT, 7, accounting)]

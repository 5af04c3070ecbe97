"""A record of each JSON format of other products' own models, for the tests of odd values: (record, its bytes in)."""

from typing import Any

T, CLIENT, SERVER = 1_795_161_600, "10.1.0.11", "10.9.0.25"
RECORDS: dict[str, tuple[dict[str, Any], str]] = {
    "ipfix_prefixed": (
        {"ipfix:flowStartMilliseconds": T * 1_000, "ipfix:flowEndMilliseconds": T * 1_000 + 5,
         "ipfix:sourceIPv4Address": CLIENT, "ipfix:destinationIPv4Address": SERVER,
         "ipfix:sourceTransportPort": 50_001, "ipfix:destinationTransportPort": 993, "ipfix:protocolIdentifier": 6,
         "ipfix:octetDeltaCount": 420, "ipfix:reverseOctetDeltaCount": 5_420},
        "ipfix:reverseOctetDeltaCount",
    ),
    "otel_netflow": (
        {"source.address": SERVER, "source.port": 993, "destination.address": CLIENT, "destination.port": 50_001,
         "network.transport": "tcp", "flow.io.bytes": 5_420, "flow.io.packets": 6, "flow.start": T * 10**9,
         "flow.end": (T + 60) * 10**9, "flow.time_received": (T + 65) * 10**9},
        "flow.io.bytes",
    ),
    "fluentd_netflow": (
        {"version": "9", "ipv4_src_addr": SERVER, "ipv4_dst_addr": CLIENT, "l4_src_port": 993, "l4_dst_port": 50_001,
         "protocol": 6, "in_bytes": 5_420, "in_pkts": 6, "first_switched": "2026-11-20T08:00:00.000Z",
         "last_switched": "2026-11-20T08:01:00.000Z"},
        "in_bytes",
    ),
    "telegraf": (
        {"name": "netflow", "tags": {"source": "192.0.2.1", "version": "NetFlowV5"}, "timestamp": T,
         "fields": {"src": SERVER, "src_port": 993, "dst": CLIENT, "dst_port": 50_001, "protocol": "tcp",
                    "in_bytes": 5_420, "in_packets": 6, "first_switched": 327_266_164, "last_switched": 327_296_164}},
        "fields.in_bytes",
    ),
    "darktrace": (
        {"@type": "conn", "@fields": {"epochdate": T + 35.25, "start_ts": T + 0.25, "source_ip": CLIENT,
         "source_port": 50_001, "dest_ip": SERVER, "dest_port": 993, "uid": "C1", "proto": "tcp", "duration": 30.5,
         "conn_state": "SF", "orig_ip_bytes": 420, "resp_ip_bytes": 5_420}},
        "@fields.resp_ip_bytes",
    ),
    "udm": (
        {"metadata": {"eventType": "NETWORK_CONNECTION", "eventTimestamp": "2026-11-20T08:01:00Z", "id": "AAAA",
                      "logType": "PAN_FIREWALL"},
         "principal": {"ip": CLIENT, "port": 50_001}, "target": {"ip": SERVER, "port": 993},
         "network": {"sentBytes": 420, "receivedBytes": 5_420, "ipProtocol": "TCP", "sessionDuration": "60s"}},
        "network.receivedBytes",
    ),
    "qradar": (
        {"sourceip": CLIENT, "sourceport": 50_001, "destinationip": SERVER, "destinationport": 993, "protocolid": 6,
         "sourcebytes": 420, "destinationbytes": 5_420, "firstpackettime": T * 1_000,
         "lastpackettime": T * 1_000 + 30_000, "flowtype": 0},
        "destinationbytes",
    ),
    "stealthwatch": (
        {"id": 7, "protocol": "TCP", "statistics": {"firstActiveTime": "2026-11-20T08:00:00.000+0000",
                                                    "lastActiveTime": "2026-11-20T08:00:30.000+0000"},
         "subject": {"ipAddress": CLIENT, "portProtocol": {"port": 50_001, "protocol": "TCP"}, "bytes": 420,
                     "orientation": "CLIENT"},
         "peer": {"ipAddress": SERVER, "portProtocol": {"port": 993, "protocol": "TCP"}, "bytes": 5_420}},
        "peer.bytes",
    ),
    "packetbeat": (
        {"type": "flow", "final": True, "flow_id": "EAT", "start_time": "2026-11-20T08:00:00.000Z",
         "last_time": "2026-11-20T08:00:30.000Z", "transport": "tcp",
         "source": {"ip": CLIENT, "port": 50_001, "stats": {"net_bytes_total": 420, "net_packets_total": 6}},
         "dest": {"ip": SERVER, "port": 993, "stats": {"net_bytes_total": 5_420, "net_packets_total": 8}}},
        "dest.stats.net_bytes_total",
    ),
}  # fmt: skip

"""Sensors that take who sent the first packet they saw for the initiator: a silent session goes on with an answer.

A mailbox that is watched for news is silent for longer than a sensor keeps a session, and the server speaks next. The
right values are the sessions' own: the server has the port of IMAP, and what it sent are bytes in.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.pipeline.sources.lines import ends, only, read

CLIENT, SERVER = "10.1.0.11", "10.9.0.25"
TOLD = (CLIENT, 50_001, SERVER, 993)
"""The ends as they are."""


def _suricata(src: tuple[str, int], dest: tuple[str, int], **more: Any) -> str:
    flow = {"start": "2026-11-20T08:00:00.250000+0000", "bytes_toserver": 5_532, "bytes_toclient": 504}
    ends_of = {"src_ip": src[0], "src_port": src[1], "dest_ip": dest[0], "dest_port": dest[1]}
    return json.dumps({"event_type": "flow", "proto": "TCP", **ends_of, "flow": flow, **more})


def _flags(flags: str) -> dict[str, Any]:
    return {"tcp": {"tcp_flags": flags, "tcp_flags_ts": flags, "tcp_flags_tc": flags}}


def _ecs(src: tuple[str, int], dest: tuple[str, int], **more: Any) -> str:
    sides = {
        "source": {"ip": src[0], "port": src[1], "bytes": 5_532},
        "destination": {"ip": dest[0], "port": dest[1], "bytes": 504},
    }
    return json.dumps({"event": {"start": "2026-11-20T08:00:00.250Z"}, "network": {"transport": "tcp"}, **sides} | more)


PACKETBEAT = {
    "agent": {"type": "packetbeat"},
    "event": {"start": "2026-11-20T08:00:00.250Z", "dataset": "flow", "action": "network_flow"},
}


EXPORTED = {
    "event": {"start": "2026-11-20T08:00:00.250Z", "dataset": "netflow.log"},
    "netflow": {"type": "netflow_flow", "reverse_octet_total_count": 504},
}


def _filebeat(flags: str) -> dict[str, Any]:
    return {"suricata": {"eve": {"event_type": "flow", "tcp": {"tcp_flags_ts": flags}}}}


def _arkime(src: tuple[str, int], dest: tuple[str, int], **more: Any) -> str:
    record = {
        "firstPacket": 1_795_161_600_250,
        "ipProtocol": 6,
        "source": {"ip": src[0], "port": src[1], "bytes": 5_532},
        "destination": {"ip": dest[0], "port": dest[1], "bytes": 504},
    }
    return json.dumps(record | more)


def _nprobe(src: tuple[str, int], dest: tuple[str, int], **more: Any) -> str:
    record = {"FIRST_SWITCHED": 1_795_161_600, "PROTOCOL": 6, "IN_BYTES": 5_532, "OUT_BYTES": 504}
    ends_of = {"IPV4_SRC_ADDR": src[0], "L4_SRC_PORT": src[1], "IPV4_DST_ADDR": dest[0], "L4_DST_PORT": dest[1]}
    return json.dumps(record | ends_of | more)


def _ipfix(src: tuple[str, int], dest: tuple[str, int], **more: Any) -> str:
    record = {
        "flowStartMilliseconds": 1_795_161_600_250,
        "protocolIdentifier": 6,
        "sourceIPv4Address": src[0],
        "sourceTransportPort": src[1],
        "destinationIPv4Address": dest[0],
        "destinationTransportPort": dest[1],
        "octetDeltaCount": 5_532,
        "reverseOctetDeltaCount": 504,
    }
    return json.dumps(record | more)


HEADER = "StartTime,Dur,Proto,SrcAddr,Sport,Dir,DstAddr,Dport,State,SrcPkts,DstPkts,SrcBytes,DstBytes"

_BINETFLOW = "StartTime,Dur,Proto,SrcAddr,Sport,Dir,DstAddr,Dport,State,TotPkts,TotBytes,SrcBytes"


def _argus(src: tuple[str, int], dest: tuple[str, int], back: int = 0, proto: str = "tcp") -> tuple[str, str]:
    ends_of = f"{src[0]},{src[1]},   ->,{dest[0]},{dest[1]}"
    return HEADER, f"1795161600.250000,1.5,{proto},{ends_of},CON,8,6,5532,{back}"


S, C = (SERVER, 993), (CLIENT, 50_001)


@pytest.mark.parametrize(
    ("name", "lines", "back"),
    [
        ("suricata", [_suricata(S, C, **_flags("00"))], 504),
        ("suricata", [_suricata(S, C, **_flags("18"))], 504),
        ("suricata", [_suricata(S, C, proto="UDP")], 504),
        ("ecs", [_ecs(S, C, **PACKETBEAT)], 504),
        ("ecs", [_ecs(S, C, **_filebeat("1c"))], 504),
        ("ecs", [_ecs(S, C, **EXPORTED)], 504),
        ("arkime", [_arkime(S, C, tcpflags={"syn": 0, "syn-ack": 0, "psh": 4})], 504),
        ("arkime", [_arkime(S, C)], 504),
        ("nprobe", [_nprobe(S, C)], 504),
        ("ipfix_json", [_ipfix(S, C)], 504),
        ("argus", list(_argus(S, C)), 0),
        ("argus", list(_argus(S, C, 504, "udp")), 504),
        ("argus", [_BINETFLOW, "1795161600.25,1.5,tcp,10.9.0.25,993,   ->,10.1.0.11,50001,CON,8,5532,5532"], 0),
    ],
)
def test_an_answer_that_is_seen_first_makes_the_server_no_client(name: str, lines: list[str], back: int) -> None:
    row = only(read(name, *lines))
    assert ends(row) == TOLD
    sides = [c.removesuffix("in") for c in ("ip_bytes_in", "other_bytes_in") if row[c] is not None]
    assert [(row[f"{side}in"], row[f"{side}out"]) for side in sides] == [(5_532, back)]
    assert row["orientation"] == "port_rule"


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("suricata", [_suricata(S, C, **_flags("1b"))]),
        ("suricata", [_suricata(S, C, **_flags("02"))]),
        ("suricata", [_suricata(C, S, **_flags("00"))]),
        ("suricata", [_suricata((SERVER, 25), (CLIENT, 25), **_flags("00"))]),
        ("ecs", [_ecs(S, C)]),
        ("ecs", [_ecs(S, C, **_filebeat("1e"))]),
        ("ecs", [_ecs(C, S, **PACKETBEAT)]),
        ("arkime", [_arkime(S, C, tcpflags={"syn": 1, "syn-ack": 1})]),
        ("nprobe", [_nprobe(C, S)]),
        ("argus", list(_argus(S, C, 504))),
    ],
)
def test_a_session_that_was_seen_to_begin_keeps_its_ends(name: str, lines: list[str]) -> None:
    line = lines[-1]
    row = only(read(name, *lines))
    assert line.index(row["src_ip"]) < line.index(row["dest_ip"])
    assert row["orientation"] == "native"

"""Fields of goflow2's records, as it names them itself and as those do that are made of it.

Sources: goflow2's description of its protobuf fields; Akvorado's columns; what OpenShift's network observability
writes. What the fields mean is in `collectors`.
"""

from __future__ import annotations

from pipeline.sources import json_lines
from pipeline.sources.formats import netobserv


def _both(*names: str) -> tuple[str, ...]:
    """A field of goflow2, as version 2 writes it, as version 1 did, and as protobuf's own JSON has it."""
    capital = ["".join(word.capitalize() for word in n.split("_")) for n in names]
    return (*names, *capital, *(f"{n[0].lower()}{n[1:]}" for n in capital if n[0].lower() + n[1:] not in names))


GOFLOW2: json_lines.Fields = {
    "ts": _both("time_flow_start_ns", "time_flow_start_ms", "time_flow_start"),
    "end": _both("time_flow_end_ns", "time_flow_end_ms", "time_flow_end"),
    "write_ts": _both("time_received_ns", "time_received"),
    "src": _both("src_addr"),
    "src_port": _both("src_port"),
    "dest": _both("dst_addr"),
    "dest_port": _both("dst_port"),
    "proto": _both("proto"),
    "sent": _both("bytes"),
    "orig_pkts": (*_both("packets"), "Packets_AB"),
    "tcp_flags": (*_both("tcp_flags"), "TCPFlags"),
    "sampling": (*_both("sampling_rate"), "Sampling"),
    "system": (*_both("sampler_address"), "ExporterAddress", "AgentIP"),
    "forwarding": _both("forwarding_status"),
    "way": _both("flow_direction"),
    **netobserv.FIELDS,
}

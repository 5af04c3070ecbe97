"""Fields of goflow2's records, as it names them itself and as those do that are made of it.

Sources: goflow2's description of its protobuf fields; Akvorado's columns; what OpenShift's network observability and
OpenTelemetry's receiver of NetFlow write. What the fields mean is in `collectors`.
"""

from __future__ import annotations

from pipeline.sources import json_lines
from pipeline.sources.formats import netobserv

INVALID = "invalid IP"
"""What OpenTelemetry's receiver has for an address of a frame that is not IP."""


def _both(*names: str) -> tuple[str, ...]:
    """A field of goflow2, as version 2 writes it, as version 1 did, and as protobuf's own JSON has it."""
    capital = ["".join(word.capitalize() for word in n.split("_")) for n in names]
    return (*names, *capital, *(f"{n[0].lower()}{n[1:]}" for n in capital if n[0].lower() + n[1:] not in names))


def _otel(name: str) -> tuple[str, ...]:
    """A field of OpenTelemetry's receiver, as it names it now and did at first."""
    return (f"flow.{name}", f"network.flow.{name}")


GOFLOW2: json_lines.Fields = {
    "ts": (*_both("time_flow_start_ns", "time_flow_start_ms", "time_flow_start"), *_otel("start")),
    "end": (*_both("time_flow_end_ns", "time_flow_end_ms", "time_flow_end"), *_otel("end")),
    "write_ts": (*_both("time_received_ns", "time_received"), *_otel("time_received")),
    "src": (*_both("src_addr"), "source.address"),
    "src_port": (*_both("src_port"), "source.port"),
    "dest": (*_both("dst_addr"), "destination.address"),
    "dest_port": (*_both("dst_port"), "destination.port"),
    "proto": (*_both("proto"), "network.transport"),
    "sent": (*_both("bytes"), "flow.io.bytes", "network.io.bytes"),
    "orig_pkts": (*_both("packets"), "Packets_AB", "flow.io.packets", "network.io.packets"),
    "tcp_flags": (*_both("tcp_flags"), "TCPFlags", *_otel("tcp_flags")),
    "sampling": (*_both("sampling_rate"), "Sampling", *_otel("sampling_rate")),
    "system": (*_both("sampler_address"), "ExporterAddress", "AgentIP", *_otel("sampler_address")),
    "forwarding": _both("forwarding_status"),
    "way": _both("flow_direction"),
    **netobserv.FIELDS,
}

"""Files whose columns are named again half-way, parted by something else: exports of several tools put together."""

import pytest

from tests.pipeline.sources.lines import read

CLIENT, SERVER = "10.1.0.11", "10.9.0.25"
_CIM = ("_time", "src_ip", "src_port", "dest_ip", "dest_port", "transport", "bytes_in", "bytes_out")
_ARGUS = ("StartTime", "Dur", "Proto", "SrcAddr", "Sport", "Dir", "DstAddr", "Dport", "SrcBytes", "DstBytes")
_SILK = ("sIP", "dIP", "sPort", "dPort", "pro", "packets", "bytes", "sTime", "dur", "eTime")
_NFDUMP = ("firstSeen", "duration", "proto", "srcAddr", "srcPort", "dstAddr", "dstPort", "packets", "bytes", "flows")
_VPC = (
    "srcaddr",
    "dstaddr",
    "srcport",
    "dstport",
    "protocol",
    "packets",
    "bytes",
    "start",
    "end",
    "action",
    "log-status",
)
_ECS = (
    "@timestamp",
    "source.ip",
    "source.port",
    "destination.ip",
    "destination.port",
    "source.bytes",
    "destination.bytes",
)
_PALO_ALTO = ("Receive Time", "Type", "Threat/Content Type", "Source address", "Destination address", "Source Port",
              "Destination Port", "IP Protocol", "Bytes Sent", "Bytes Received", "Start Time")  # fmt: skip
FILES = {
    "cim_csv": (_CIM, ("2026-11-20T08:00:00Z", CLIENT, "50001", SERVER, "993", "tcp", "5900", "600"), ",;\t|"),
    "argus": (
        _ARGUS,
        ("2026/11/20 08:00:00.0", "5", "tcp", CLIENT, "50001", "   ->", SERVER, "993", "600", "5900"),
        ",;\t|",
    ),
    "silk": (
        _SILK,
        (SERVER, CLIENT, "993", "50001", "6", "5", "5900", "2026/11/20T08:00:00.000", "5", "2026/11/20T08:00:05.000"),
        "|,;\t",
    ),
    "nfdump_csv": (
        _NFDUMP,
        ("2026-11-20 08:00:00.000", "5.000", "TCP", SERVER, "993", CLIENT, "50001", "5", "5900", "1"),
        ",;\t|",
    ),
    "vpc_text": (
        _VPC,
        (SERVER, CLIENT, "993", "50001", "6", "5", "5900", "1795132800", "1795132810", "ACCEPT", "OK"),
        " ,;\t",
    ),
    "vpc_csv": (
        _VPC,
        (SERVER, CLIENT, "993", "50001", "6", "5", "5900", "1795132800", "1795132810", "ACCEPT", "OK"),
        ", ;\t",
    ),
    "ecs_csv": (_ECS, ("2026-11-20T08:00:00Z", CLIENT, "50001", SERVER, "993", "600", "5900"), ",;\t|"),
    "paloalto_csv": (
        _PALO_ALTO,
        (
            "2026/11/20 08:00:05",
            "TRAFFIC",
            "end",
            CLIENT,
            SERVER,
            "50001",
            "993",
            "tcp",
            "600",
            "5900",
            "2026/11/20 08:00:00",
        ),
        ",;\t|",
    ),
}


@pytest.mark.parametrize("encoding", FILES)
def test_a_second_header_may_part_its_columns_in_another_way_and_name_them_in_another_order(encoding: str) -> None:
    header, record, delimiters = FILES[encoding]
    first, *others = delimiters
    for other in others:
        lines = [first.join(header), first.join(record), other.join(reversed(header)), other.join(reversed(record))]
        parsed = read(encoding, *lines, first.join(header), first.join(record))
        assert (parsed.account.comments, parsed.account.quarantined) == (3, {})
        received = parsed.rows.select("ip_bytes_in", "ip_bytes_out", "other_bytes_in", "total_bytes").fill_null(0)
        assert (received.sum_horizontal() > 0).all()
        assert parsed.rows.height == 3
        assert parsed.rows.drop("source_line", "record_id").unique().height == 1

"""Mappings guessed by the names of columns: which column is which field, and what is never guessed."""

import json
import re
from typing import Any

import pytest
import yaml

from pipeline.errors import SourceError
from pipeline.mapping import check_fields
from pipeline.sources import guessed
from pipeline.sources.registry import detect

NFSTREAM = (
    "id,src_ip,src_port,dst_ip,dst_port,protocol,bidirectional_first_seen_ms,bidirectional_last_seen_ms,"
    "bidirectional_bytes,src2dst_bytes,dst2src_bytes"
)
JOY = {"sa": "10.1.0.11", "da": "10.9.0.25", "pr": 6, "sp": 50_001, "dp": 993, "bytes_out": 420, "bytes_in": 5_900,
       "time_start": 1_795_161_600.25, "packets": [{"b": 100, "dir": ">"}]}  # fmt: skip
NETSKOPE = {"timestamp": 1_795_161_600, "type": "network", "srcip": "10.1.0.11", "dstip": "10.9.0.25",
            "client_bytes": 420, "server_bytes": 5_900, "numbytes": 6_320}  # fmt: skip
KENTIK = {"timestamp": 1_795_161_600, "src_addr": "10.9.0.25", "dst_addr": "10.1.0.11", "in_bytes": 5_900}
TABLES: dict[str, tuple[str, dict[str, str]]] = {
    "NFStream": (
        NFSTREAM,
        {"src_ip": "src_ip", "dest_ip": "dst_ip", "src_port": "src_port", "dest_port": "dst_port",
         "transport": "protocol", "start_time": "bidirectional_first_seen_ms",
         "end_time": "bidirectional_last_seen_ms", "bytes_in": "dst2src_bytes", "bytes_out": "src2dst_bytes"},
    ),
    "Joy": (
        json.dumps({"version": "4.0"}) + "\n" + json.dumps(JOY),
        {"src_ip": "sa", "dest_ip": "da", "src_port": "sp", "dest_port": "dp", "transport": "pr",
         "start_time": "time_start", "bytes_in": "bytes_in", "bytes_out": "bytes_out"},
    ),
    "Netskope": (
        json.dumps({"data": NETSKOPE}),
        {"src_ip": "data.srcip", "dest_ip": "data.dstip", "start_time": "data.timestamp",
         "bytes_in": "data.server_bytes", "bytes_out": "data.client_bytes"},
    ),
    "Zeek's records under other names of their ends": (
        json.dumps({"ts": 1_795_161_600.25, "source_ip": "10.1.0.11", "dest_ip": "10.9.0.25", "conn_state": "SF",
                    "orig_bytes": 420, "resp_bytes": 5_900}),
        {"src_ip": "source_ip", "dest_ip": "dest_ip", "start_time": "ts", "bytes_in": "resp_bytes",
         "bytes_out": "orig_bytes"},
    ),
    "Kentik": (
        json.dumps(KENTIK),
        {"src_ip": "src_addr", "dest_ip": "dst_addr", "start_time": "timestamp", "sent": "in_bytes"},
    ),
    "Graylog's NetFlow input": (
        "timestamp,nf_src_address,nf_src_port,nf_dst_address,nf_dst_port,nf_proto_name,nf_bytes,nf_start,nf_stop",
        {"src_ip": "nf_src_address", "dest_ip": "nf_dst_address", "src_port": "nf_src_port",
         "dest_port": "nf_dst_port", "start_time": "nf_start", "end_time": "nf_stop", "sent": "nf_bytes"},
    ),
    "Exabeam's common model": (
        json.dumps({"approxLogTime": 1_795_161_600_000_000, "time": 1_795_161_600_000_000, "src_ip": "10.1.0.11",
                    "dest_ip": "10.9.0.25", "bytes_in": 5_900, "bytes_out": 420}),
        {"src_ip": "src_ip", "dest_ip": "dest_ip", "start_time": "time", "bytes_in": "bytes_in",
         "bytes_out": "bytes_out"},
    ),
    "Anvilogic's normal form": (
        json.dumps({"event_time": "2026-11-20T08:00:00Z", "src_ip": "10.1.0.11", "dest_ip": "10.9.0.25",
                    "bytes_in": 5_900, "bytes_out": 420}),
        {"src_ip": "src_ip", "dest_ip": "dest_ip", "start_time": "event_time", "bytes_in": "bytes_in",
         "bytes_out": "bytes_out"},
    ),
    "Microsoft's Global Secure Access": (
        json.dumps({"TimeGenerated": "2026-11-20T08:00:00Z", "NetworkProtocol": "IPv4", "TransportProtocol": "Tcp",
                    "SourceIp": "10.1.0.11", "DestinationIp": "10.9.0.25", "SentBytes": 420, "ReceivedBytes": 5_900}),
        {"src_ip": "SourceIp", "dest_ip": "DestinationIp", "transport": "TransportProtocol",
         "start_time": "TimeGenerated", "bytes_in": "ReceivedBytes", "bytes_out": "SentBytes"},
    ),
    "CESNET's data sets": (
        "ID,SRC_IP,DST_IP,SRC_PORT,DST_PORT,PROTOCOL,BYTES,BYTES_REV,PACKETS,PACKETS_REV,TIME_FIRST,TIME_LAST",
        {"src_ip": "SRC_IP", "dest_ip": "DST_IP", "src_port": "SRC_PORT", "dest_port": "DST_PORT",
         "transport": "PROTOCOL", "start_time": "TIME_FIRST", "end_time": "TIME_LAST", "bytes_in": "BYTES_REV",
         "bytes_out": "BYTES"},
    ),
    "CIDDS": (
        "Date first seen,Duration,Proto,Src IP Addr,Src Pt,Dst IP Addr,Dst Pt,Packets,Bytes,Flows,Flags,Tos,class",
        {"src_ip": "Src IP Addr", "dest_ip": "Dst IP Addr", "src_port": "Src Pt", "dest_port": "Dst Pt",
         "transport": "Proto", "start_time": "Date first seen", "sent": "Bytes"},
    ),
    "Zenarmor": (
        json.dumps({"transport_proto": "TCP", "ip_src_saddr": "10.1.0.11", "ip_src_port": 50_001, "ip_dst_port": 993,
                    "ip_dst_saddr": "10.9.0.25", "src_nbytes": 420, "dst_nbytes": 5_900, "start_time": 1}),
        {"src_ip": "ip_src_saddr", "dest_ip": "ip_dst_saddr", "src_port": "ip_src_port", "dest_port": "ip_dst_port",
         "start_time": "start_time", "bytes_in": "dst_nbytes", "bytes_out": "src_nbytes"},
    ),
    "a table with the sum of both directions": (
        "Start Time,Source IP,Destination IP,Total Bytes",
        {"src_ip": "Source IP", "dest_ip": "Destination IP", "start_time": "Start Time", "bytes": "Total Bytes"},
    ),
    "a record with the sum of both directions": (
        json.dumps({"start": 1, "src_ip": "10.1.0.11", "dest_ip": "10.9.0.25", "stats": {"bytes_total": 5_900}}),
        {"src_ip": "src_ip", "dest_ip": "dest_ip", "start_time": "start", "bytes": "stats.bytes_total"},
    ),
    "LogRhythm": (
        "Log Date,Host (Origin),IP Address (Origin),IP Address (Impacted),TCP/UDP Port (Impacted),Bytes In,Bytes Out",
        {"src_ip": "IP Address (Origin)", "dest_ip": "IP Address (Impacted)", "dest_port": "TCP/UDP Port (Impacted)",
         "start_time": "Log Date", "bytes_in": "Bytes In", "bytes_out": "Bytes Out"},
    ),
    "vRealize Network Insight": (
        '"Source IP";"Destination IP";Port;"Sum of Bytes (Src to Dst)";"Sum of Bytes (Dst to Src)";"@Start: Time"',
        {"src_ip": "Source IP", "dest_ip": "Destination IP", "dest_port": "Port", "start_time": "@Start: Time",
         "bytes_in": "Sum of Bytes (Dst to Src)", "bytes_out": "Sum of Bytes (Src to Dst)"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLES)
def test_a_refusal_proposes_a_mapping_that_a_source_may_have(name: str) -> None:
    head, expected = TABLES[name]
    with pytest.raises(SourceError, match="columns like those of a log of flows") as refused:
        detect(f"{head}\n".encode(), "auto", "x")
    fields: Any = yaml.safe_load(re.search(r"fields: (\{.*?\})\. ", str(refused.value))[1])  # type: ignore[index]
    check_fields(fields)
    assert fields == expected


@pytest.mark.parametrize(
    "head",
    [
        "a,b,c\n1,2,3\n",
        "src_ip,dest_ip,bytes\n",
        "src_ip,start_time,bytes\n",
        "src_ip,dest_ip,start_time\n",
        '{"src_ip": {"start_time": [1], "bytes": ["x"]}}',
        '{"a": ' * 2_000,
        "words of a source and its destination, at a time, in bytes",
        "\x00\x01",
    ],
)
def test_what_names_no_ends_time_and_bytes_is_not_guessed(head: str) -> None:
    assert guessed.recognise(head.encode()) is None


@pytest.mark.parametrize(
    ("head", "lacks"),
    [
        ("Pos,Source IP,Destination IP,Protocol,Bytes,%", "when a flow began."),
        ("Source,Destination,Application,DSCP,Traffic", "when a flow began or its bytes of each direction."),
        (json.dumps({"time": 1, "src_ip": "10.1.0.11", "dst_ip": "10.9.0.25", "action": "allow"}), "its bytes of each"),
    ],
)
def test_what_names_ends_alone_is_told_what_it_lacks(head: str, lacks: str) -> None:
    with pytest.raises(SourceError, match="names the ends of flows, but nothing known here tells " + lacks) as refused:
        detect(f"{head}\n".encode(), "auto", "x")
    assert "export the flows themselves with their start and bytes" in str(refused.value)


def test_a_format_that_was_asked_for_is_answered_by_its_name() -> None:
    with pytest.raises(SourceError, match="does not look like suricata"):
        detect(b"Pos,Source IP,Destination IP,Protocol,Bytes\n", "suricata", "x")


def test_objects_of_two_ends_beside_other_counters_are_no_document_of_elastic_s() -> None:
    """As in UserGate's traffic log as JSON: read as ECS it told no bytes at all."""
    record = {"timestamp": "2026-11-20T08:00:00.15869Z", "bytes_sent": 420, "bytes_recv": 5_420, "proto": "TCP"}
    record |= {"source": {"ip": "10.1.0.11", "port": 50_001}, "destination": {"ip": "10.9.0.25", "port": 993}}
    with pytest.raises(SourceError, match="columns like those of a log of flows") as told:
        detect(f"{json.dumps(record)}\n".encode(), "auto", "x")
    assert "bytes_in: bytes_recv, bytes_out: bytes_sent" in str(told.value)
    beside = {"@timestamp": "2026-11-20T08:00:00Z", **record}
    assert detect(f"{json.dumps(beside)}\n".encode(), "auto", "x") == "ecs"


@pytest.mark.parametrize(
    ("table", "which"),
    [
        ("client_ip,server_ip,started_at,bytes_sent_to_client,bytes_received_from_client", (3, 4)),
        ("SRC,DST,TIMESTAMP,ACC_TX_BYTES,ACC_RX_BYTES", (4, 3)),
        ("time_generated,source_ip,dest_ip,bytes_sent,bytes_received", (4, 3)),
    ],
)
def test_names_that_say_whose_bytes_they_are_are_proposed_so(table: str, which: tuple[int, int]) -> None:
    """As of a proxy, of Forcepoint's exports, and of the names of Palo Alto Networks' logging service."""
    with pytest.raises(SourceError, match="columns like those of a log of flows") as told:
        detect(f"{table}\n".encode(), "auto", "x")
    got, sent = (table.split(",")[n] for n in which)
    assert f"bytes_in: {got}, bytes_out: {sent}" in str(told.value)


@pytest.mark.parametrize(
    ("first", "values", "start"),
    [
        ("date,time", "2026-11-20,08:00:56", "[date, time]"),
        ("Start Date;Start Time", "20.11.2026;08:00", "[Start Date, Start Time]"),
        ("date,time", "2026-11-20,1795161656", "time"),
        ("date,starttime", "2026-11-20,2026-11-20 08:00:56", "starttime"),
    ],
)
def test_a_day_beside_a_time_of_day_is_a_part_of_the_start(first: str, values: str, start: str) -> None:
    """As in tables of FortiGate's fields: of the time alone every row was untimed."""
    parter = ";" if ";" in first else ","
    names = [*first.split(parter), "srcip", "dstip", "sentbyte", "rcvdbyte"]
    row = [*values.split(parter), "10.1.0.11", "10.9.0.25", "420", "5900"]
    record = json.dumps(dict(zip(names, row, strict=True)))
    for text in (f"{parter.join(names)}\n{parter.join(row)}\n", f"{record}\n"):
        with pytest.raises(SourceError, match="columns like those of a log of flows") as told:
            detect(text.encode(), "auto", "x")
        fields = re.search(r"fields: (\{.*?\})\. ", str(told.value))
        assert fields is not None
        assert yaml.safe_load(fields[1])["start_time"] == yaml.safe_load(start)


@pytest.mark.parametrize("counters", [{"bytes": 790}, {"rx_bytes": 5_900, "tx_bytes": 420}, {"download": 5_900}])
def test_counters_beside_the_objects_of_two_ends_are_not_elastic_s(counters: dict[str, int]) -> None:
    """They were taken for its documents, of which none told a byte; with bytes within the objects they are."""
    ends = {"source": {"ip": "10.1.0.11", "port": 50_001, "geo": {"location": {"lat": 5.0}}}, "start": 1_795_161_600}
    record = {**ends, "destination": {"ip": "10.9.0.25", "port": 993}, **counters}
    with pytest.raises(SourceError, match="no known format"):
        detect(f"{json.dumps(record)}\n".encode(), "auto", "x")
    within = {**ends, "source": {**ends["source"], "bytes": 420}}  # type: ignore[dict-item]
    assert detect(f"{json.dumps({**record, **within})}\n".encode(), "auto", "x") == "ecs"

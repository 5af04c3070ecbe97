"""Values as exports of any program spell them: of every JSON format the same bytes come out, and nothing breaks it."""

import json
import re
from typing import Any

import polars as pl
import pytest

from pipeline.sources.forms import FORMS
from pipeline.sources.registry import detect
from tests.pipeline.sources import odd_records
from tests.pipeline.sources.lines import read

T, CLIENT, SERVER = 1_795_161_600, "10.1.0.11", "10.9.0.25"
ENDS = {"src_ip": CLIENT, "src_port": 50_001, "dest_ip": SERVER, "dest_port": 993}
BACK = {"src_ip": SERVER, "src_port": 993, "dest_ip": CLIENT, "dest_port": 50_001}
RECORDS: dict[str, tuple[dict[str, Any], str]] = {
    "zeek_json": (
        {"ts": T + 0.25, "uid": "C1", "id.orig_h": CLIENT, "id.orig_p": 50_001, "id.resp_h": SERVER, "id.resp_p": 993,
         "proto": "tcp", "duration": 1.5, "conn_state": "SF", "orig_ip_bytes": 420, "resp_ip_bytes": 5_420},
        "resp_ip_bytes",
    ),
    "goflow2": (
        {"time_flow_start_ns": T * 10**9, "time_flow_end_ns": (T + 60) * 10**9, "bytes": 5_420, "packets": 6,
         "src_addr": SERVER, "dst_addr": CLIENT, "src_port": 993, "dst_port": 50_001, "proto": "TCP"},
        "bytes",
    ),
    "pmacct_json": (
        {"ip_src": SERVER, "ip_dst": CLIENT, "port_src": 993, "port_dst": 50_001, "ip_proto": "tcp",
         "timestamp_start": "2026-11-20 08:00:00.25", "timestamp_end": "2026-11-20 08:01:00.25", "bytes": 5_420},
        "bytes",
    ),
    "nprobe": (
        {"IPV4_SRC_ADDR": CLIENT, "L4_SRC_PORT": 50_001, "IPV4_DST_ADDR": SERVER, "L4_DST_PORT": 993, "PROTOCOL": 6,
         "IN_BYTES": 420, "OUT_BYTES": 5_420, "FIRST_SWITCHED": T, "LAST_SWITCHED": T + 5},
        "OUT_BYTES",
    ),
    "nprobe_numbered": (
        {"8": CLIENT, "7": 50_001, "12": SERVER, "11": 993, "4": 6, "1": 420, "23": 5_420, "22": T, "21": T + 5},
        "23",
    ),
    "ipfix_json": (
        {"flowStartMilliseconds": T * 1_000, "flowEndMilliseconds": T * 1_000 + 5, "sourceIPv4Address": CLIENT,
         "destinationIPv4Address": SERVER, "sourceTransportPort": 50_001, "destinationTransportPort": 993,
         "protocolIdentifier": 6, "octetTotalCount": 420, "reverseOctetTotalCount": 5_420},
        "reverseOctetTotalCount",
    ),
    "arkime": (
        {"firstPacket": T * 1_000, "lastPacket": T * 1_000 + 1_500, "ipProtocol": 6,
         "source": {"ip": CLIENT, "port": 50_001, "bytes": 420},
         "destination": {"ip": SERVER, "port": 993, "bytes": 5_420}},
        "destination.bytes",
    ),
    "suricata": (
        {"timestamp": "2026-11-20T08:05:00.000000+0000", "event_type": "flow", **ENDS, "proto": "TCP",
         "flow": {"bytes_toserver": 420, "bytes_toclient": 5_420, "start": "2026-11-20T08:00:00.000000+0000"}},
        "flow.bytes_toclient",
    ),
    "ocsf": (
        {"class_uid": 4001, "activity_id": 6, "start_time": T * 1_000, "time": T * 1_000,
         "src_endpoint": {"ip": CLIENT, "port": 50_001}, "dst_endpoint": {"ip": SERVER, "port": 993},
         "traffic": {"bytes_in": 5_420, "bytes_out": 420}},
        "traffic.bytes_in",
    ),
    "azure_analytics": (
        {"SubType": "FlowLog", "FlowStartTime": "2026-11-20T08:00:00Z", "SrcIp": CLIENT, "DestIp": SERVER,
         "DestPort": 993, "L4Protocol": "T", "BytesSrcToDest": 420, "BytesDestToSrc": 5_420},
        "BytesDestToSrc",
    ),
    "sentinel_cef": (
        {"TimeGenerated": "2026-11-20T08:00:10Z", "DeviceVendor": "Example", "SourceIP": CLIENT, "SourcePort": 50_001,
         "DestinationIP": SERVER, "DestinationPort": 993, "SentBytes": 420, "ReceivedBytes": 5_420},
        "ReceivedBytes",
    ),
    "sentinel_asim": (
        {"EventStartTime": "2026-11-20T08:00:00Z", "SrcIpAddr": CLIENT, "SrcPortNumber": 50_001, "DstIpAddr": SERVER,
         "DstPortNumber": 993, "SrcBytes": 420, "DstBytes": 5_420},
        "DstBytes",
    ),
    "gcp": (
        {"insertId": "a", "jsonPayload": {"connection": BACK, "bytes_sent": "5420", "reporter": "SRC",
                                          "start_time": "2026-11-20T08:00:00Z"}},
        "jsonPayload.bytes_sent",
    ),
    "paloalto_cloud": (
        {"src_ip": CLIENT, "sport": 50_001, "dst_ip": SERVER, "dport": 993, "proto": "tcp", "app": "imap",
         "bytes_recv": 5_420, "bytes_sent": 420, "start_time": "2026/11/20 08:00:00", "elapsed_time": 60,
         "pkts_received": 8, "pkts_sent": 6},
        "bytes_recv",
    ),
    "barracuda_json": (
        {"timestamp": T + 60, "action": "End", "duration": 60_000, "src_ip": CLIENT, "src_port": 50_001,
         "dst_ip": SERVER, "dst_port": 993, "fw_rule": "out", "fw_info": 2007, "ip_proto": 6,
         "fwd_bytes": 420, "rev_bytes": 5_420},
        "rev_bytes",
    ),
    "encore_json": (
        {"EventType": "ConnectionEvent", "FirstPacketSecond": T, "InitiatorIP": CLIENT, "InitiatorPort": 50_001,
         "ResponderIP": SERVER, "ResponderPort": 993, "Protocol": "tcp", "AC_RuleAction": "Allow",
         "InitiatorBytes": 420, "ResponderBytes": 5_420},
        "ResponderBytes",
    ),
    "checkpoint_json": (
        {"time": str(T), "loguid": "{0x1}", "src": CLIENT, "s_port": "50001", "dst": SERVER, "service": "993",
         "proto": "6", "originsicname": "CN=gw",
         "client_outbound_bytes": "5420", "client_inbound_bytes": "420", "origin": "192.0.2.1"},
        "client_outbound_bytes",
    ),
    "ecs": (
        {"@timestamp": "2026-11-20T08:00:00Z", "source": {"ip": CLIENT, "port": 50_001, "bytes": 420},
         "destination": {"ip": SERVER, "port": 993, "bytes": 5_420}},
        "destination.bytes",
    ),
    "cim_json": ({"_time": T, **ENDS, "bytes_in": 5_420, "bytes_out": 420}, "bytes_in"),
    "nfdump_json": (
        {"type": "FLOW", "first": "2026-11-20T08:00:00.000", "last": "2026-11-20T08:00:05.000", "in_bytes": 5_420,
         "in_packets": 6, "proto": 6, "src4_addr": SERVER, "dst4_addr": CLIENT, "src_port": 993, "dst_port": 50_001},
        "in_bytes",
    ),
    "fortinet_json": (
        {"date": "2026-11-20", "time": "08:00:00", "logid": "0000000013", "type": "traffic", "srcip": CLIENT,
         "srcport": 50_001, "dstip": SERVER, "dstport": 993, "action": "close", "sentbyte": 420, "rcvdbyte": 5_420},
        "rcvdbyte",
    ),
    "paloalto_json": (
        {"LogType": "TRAFFIC", "Subtype": "end", "SourceAddress": CLIENT, "SourcePort": 50_001, "Action": "allow",
         "DestinationAddress": SERVER, "DestinationPort": 993, "BytesSent": 420, "BytesReceived": 5_420,
         "SessionStartTime": "2026-11-20T08:00:00Z"},
        "BytesReceived",
    ),
    "conntrack_json": (
        {"src_ip": CLIENT, "orig.l4.sport": 50_001, "dest_ip": SERVER, "orig.l4.dport": 993, "flow.start.sec": T,
         "flow.end.sec": T + 10, "orig.raw.pktlen": 420, "reply.raw.pktlen": 5_420},
        "reply.raw.pktlen",
    ),
    "logstash_netflow": (
        {"@timestamp": "2026-11-20T08:00:15.000Z", "netflow": {
            "ipv4_src_addr": SERVER, "ipv4_dst_addr": CLIENT, "l4_src_port": 993, "l4_dst_port": 50_001, "protocol": 6,
            "in_bytes": 5_420, "first_switched": "2026-11-20T08:00:00.000Z"}},
        "netflow.in_bytes",
    ),
    "zscaler_json": (
        {"datetime": "Fri Nov 20 08:00:10 2026", "csip": CLIENT, "csport": 50_001, "cdip": SERVER, "cdport": 993,
         "proto": "TCP", "action": "Allow", "inbytes": 5_420, "outbytes": 420, "duration": 10, "numsessions": 1},
        "inbytes",
    ),
    "oci": (
        {"logContent": {"data": {
            "sourceAddress": SERVER, "sourcePort": 993, "destinationAddress": CLIENT, "destinationPort": 50_001,
            "bytesOut": 5_420, "startTime": T, "endTime": T + 60, "protocol": 6, "action": "ACCEPT"}}},
        "logContent.data.bytesOut",
    ),
    "ibm": (
        {"start_time": "2026-11-20T08:00:00Z", "direction": "O", "action": "accepted", "initiator_ip": CLIENT,
         "target_ip": SERVER, "initiator_port": 50_001, "target_port": 993, "transport_protocol": 6,
         "bytes_from_initiator": 420, "bytes_from_target": 5_420},
        "bytes_from_target",
    ),
    "datadog": (
        {
            "flush_timestamp": 1_795_161_665_000,
            "exporter": {"ip": "192.0.2.1"},
            "source": {"ip": "10.9.0.25", "port": "993"},
            "destination": {"ip": "10.1.0.11", "port": "50001"},
            "start": 1_795_161_600,
            "end": 1_795_161_660,
            "ip_protocol": "TCP",
            "bytes": 5_420,
            "packets": 6,
            "sampling_rate": 1,
        },
        "bytes",
    ),
    "cloudflare": (
        {"SessionStartTime": "2026-11-20T08:00:00Z", "SessionEndTime": "2026-11-20T08:01:00Z", "SessionID": "s1",
         "SourceIP": CLIENT, "SourcePort": 50_001, "OriginIP": SERVER, "OriginPort": 993, "Protocol": "TCP",
         "BytesReceived": 5_420, "BytesSent": 420, "EgressIP": "203.0.113.9", "SourceInternalIP": "192.168.7.7"},
        "BytesReceived",
    ),
    "zeek_sentinel": (
        {"TimeGenerated": "2026-11-20T08:00:10Z", "ts_t": "2026-11-20T08:00:00Z", "uid_s": "C1", "id_orig_h_s": CLIENT,
         "id_orig_p_d": 50_001, "id_resp_h_s": SERVER, "id_resp_p_d": 993, "proto_s": "tcp", "conn_state_s": "SF",
         "orig_ip_bytes_d": 420, "resp_ip_bytes_d": 5_420},
        "resp_ip_bytes_d",
    ),
    "vectra": (
        {"metadata_type": "metadata_isession", "ts": T * 1_000 + 60_000, "session_start_time": T * 1_000, "uid": "C1",
         "id.orig_h": CLIENT, "id.orig_p": 50_001, "id.resp_h": SERVER, "id.resp_p": 993, "proto": 6,
         "orig_ip_bytes": 420, "resp_ip_bytes": 5_420},
        "resp_ip_bytes",
    ),
    **odd_records.RECORDS,
    "vpc_json": (
        {"srcaddr": SERVER, "dstaddr": CLIENT, "srcport": 993, "dstport": 50_001, "protocol": 6, "packets": 6,
         "bytes": 5_420, "start": T, "end": T + 60, "action": "ACCEPT", "log_status": "OK"},
        "bytes",
    ),
}  # fmt: skip
ODD = (
    None,
    "",
    "-",
    "N/A",
    "null",
    "NaN",
    5.5,
    -1,
    10**30,
    "x" * 50,
    [],
    {},
    [5_420],
    True,
    "2026",
    "\u00e9\ud83d\ude00",
)


def changed(record: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    if path in record:
        return record | {path: value}
    step, _, rest = path.partition(".")
    return record | {step: changed(record[step], rest, value)}


def leaves(record: dict[str, Any], before: str = "") -> dict[str, Any]:
    found = dict[str, Any]()
    for key, value in record.items():
        found |= leaves(value, f"{before}{key}.") if isinstance(value, dict) else {before + key: value}
    return found


def every(record: dict[str, Any], value: Any) -> dict[str, Any]:
    """The record with the value in every field."""
    for path in leaves(record):
        record = changed(record, path, value)
    return record


def bytes_in(name: str, *records: dict[str, Any]) -> list[int | None]:
    return bytes_of(read(name, *(json.dumps(record) for record in records)).rows)


def bytes_of(rows: pl.DataFrame) -> list[int | None]:
    layers = [f"{layer}_bytes_in" for layer in ("ip", "payload", "other")]
    return [next((row[c] for c in layers if row[c] is not None), None) for row in rows.to_dicts()]


def one_of(values: list[Any], name: str) -> Any:
    """A value for a format, another one for the next."""
    return values[list(RECORDS).index(name) % len(values)]


def test_every_json_format_is_tried() -> None:
    others = {"azure_json", "table_json", "vflow"}  # Tuples and lists in a document; columns that a source names.
    assert {name for name, form in FORMS.items() if form.json} - others == set(RECORDS) - {"zeek_json"}


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_is_of_its_format_and_of_no_other(name: str) -> None:
    record, _ = RECORDS[name]
    for shown in (record, {key: record[key] for key in reversed(record)}):
        assert detect(json.dumps(shown).encode() + b"\n", "auto", "x") == name


@pytest.mark.parametrize("name", RECORDS)
def test_a_count_is_the_same_however_it_is_spelled(name: str) -> None:
    """In one file, and one of the spellings alone, so that nothing beside it tells its type."""
    record, path = RECORDS[name]
    values = ["5420", "5420.0", "5,420", "5.42e3", " 5420 "]
    assert bytes_in(name, *(changed(record, path, value) for value in values)) == [5_420] * len(values)
    assert bytes_in(name, changed(record, path, one_of(values, name))) == [5_420]


@pytest.mark.parametrize("name", RECORDS)
@pytest.mark.parametrize("spelled", [str, float])
def test_numbers_as_texts_or_as_reals_are_numbers(name: str, spelled: type) -> None:
    record, _ = RECORDS[name]
    for path, value in leaves(record).items():
        record = changed(record, path, spelled(value)) if isinstance(value, int) else record
    assert bytes_in(name, record) == [5_420]


@pytest.mark.parametrize("share", [3, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", RECORDS)
def test_no_value_of_any_field_breaks_a_reader(name: str, share: int) -> None:
    record, _ = RECORDS[name]
    fields = leaves(record)
    one_odd = [changed(record, path, value) for path in fields for value in ODD]
    for records in (one_odd, [every(record, value) for value in ODD]):
        assert read(name, *map(json.dumps, records)).account.lines == len(records)
    for path in list(fields)[list(RECORDS).index(name) % share :: share]:  # A field that no record of a block has.
        assert read(name, json.dumps(changed(record, path, None))).account.lines == 1


@pytest.mark.parametrize("name", RECORDS)
def test_fields_that_are_numbers_in_every_record_break_no_reader(name: str) -> None:
    record, path = RECORDS[name]
    numbers = record
    for leaf in leaves(record):
        numbers = changed(numbers, leaf, T)
    assert read(name, json.dumps(numbers)).account.lines == 1
    times = [leaf for leaf in leaves(record) if re.search("time|first|last|start|end", leaf.lower()) and leaf != path]
    for leaf in times:
        record = changed(record, leaf, T)
    assert read(name, json.dumps(record)).account.lines == 1


@pytest.mark.parametrize("name", RECORDS)
def test_text_that_is_no_unicode_does_not_cost_the_flow(name: str) -> None:
    record, _ = RECORDS[name]
    texts = [b"caf\xe9", b"\xff\xfe", b"x\\ud800y", b"\\udc00", b"\\uD83D"]
    plain, marked, odd = (json.dumps({**record, "note": n}).encode() for n in ("plain", "NOTE", "\\ud800 \U0001f600"))
    for among in (texts, [one_of(texts, name)]):
        parsed = read(name, plain, *(marked.replace(b"NOTE", text) for text in among), odd)
        assert (parsed.account.lines, parsed.account.ignored, parsed.account.quarantined) == (len(among) + 2, 0, {})


@pytest.mark.parametrize("name", RECORDS)
def test_a_list_of_one_value_is_that_value(name: str) -> None:
    record, path = RECORDS[name]
    fields, listed = leaves(record), record
    for shown, value in fields.items():
        listed = changed(listed, shown, [value])
    assert bytes_in(name, listed) == [5_420]
    for times in (1, 2):
        several = [changed(record, shown, [value] * times) for shown, value in fields.items()]
        assert dict(zip(fields, bytes_in(name, *several), strict=True)) == dict.fromkeys(fields, 5_420)
    assert bytes_in(name, changed(record, path, [5_420, 5_421])) == []


@pytest.mark.parametrize("name", RECORDS)
@pytest.mark.parametrize("nothing", [None, "", "N/A"])
def test_a_counter_that_is_absent_is_unknown_and_not_zero(name: str, nothing: Any) -> None:
    record, path = RECORDS[name]
    parsed = read(name, json.dumps(changed(record, path, nothing)))
    assert not parsed.account.quarantined
    assert bytes_of(parsed.rows) in ([None], [])


TOTALS: dict[str, tuple[dict[str, Any], str, dict[str, int]]] = {
    "ecs": (
        {"event": {"start": "2026-11-20T08:00:00Z", "dataset": "firewall"}, "source": {"ip": CLIENT, "port": 50_001},
         "destination": {"ip": SERVER, "port": 993}, "network": {"bytes": 5_840}},
        "network.bytes",
        {"source.bytes": 420, "destination.bytes": 5_420},
    ),
    "cim_json": ({"_time": T, **ENDS, "transport": "tcp", "bytes": 5_840}, "bytes",
                 {"bytes_in": 5_420, "bytes_out": 420}),
    "ocsf": (
        {"class_uid": 4001, "activity_id": 2, "time": T * 1_000, "src_endpoint": {"ip": CLIENT, "port": 50_001},
         "dst_endpoint": {"ip": SERVER, "port": 993}, "traffic": {"bytes": 5_840}},
        "traffic.bytes",
        {"traffic.bytes_in": 5_420, "traffic.bytes_out": 420},
    ),
    "sentinel_asim": (
        {"EventStartTime": "2026-11-20T08:00:00Z", "SrcIpAddr": CLIENT, "SrcPortNumber": 50_001, "DstIpAddr": SERVER,
         "DstPortNumber": 993, "NetworkBytes": 5_840},
        "NetworkBytes",
        {"SrcBytes": 420, "DstBytes": 5_420},
    ),
    "checkpoint_json": (
        {"product": "VPN-1 & FireWall-1", "src": CLIENT, "dst": SERVER, "s_port": "50001", "service": "993",
         "proto": "6", "start_time": T, "time": T, "loguid": "{0x1}", "bytes": 5_840},
        "bytes",
        {"client_inbound_bytes": 420, "client_outbound_bytes": 5_420},
    ),
}  # fmt: skip
"""Encoding -> a record that only tells the bytes of both directions together, their path, and those of each."""


def with_all(record: dict[str, Any], values: dict[str, int]) -> dict[str, Any]:
    for path, value in values.items():
        step, _, rest = path.partition(".")
        record = record | {step: record[step] | {rest: value} if rest else value}
    return record


@pytest.mark.parametrize("name", TOTALS)
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("abc", "bad_number"),
        (5.5, "bad_number"),
        ("1e400", "bad_number"),
        (-1, "negative_bytes"),
        (2 * 10**15, "implausible_bytes"),
        ("5,840", None),
        ("5840.0", None),
    ],
)
def test_a_sum_of_both_directions_is_judged_where_it_is_the_only_count(
    name: str, value: Any, reason: str | None
) -> None:
    record, path, sides = TOTALS[name]
    good, odd = json.dumps(record), changed(record, path, value)
    parsed = read(name, good, json.dumps(odd), good)
    assert dict(parsed.account.quarantined) == ({reason: 1} if reason else {})
    assert parsed.rows["total_bytes"].to_list() == [5_840] * (2 if reason else 3)
    assert parsed.account.warnings["direction_unknown"] == parsed.account.flows
    beside = read(name, json.dumps(with_all(odd, sides)))
    assert beside.rows.select("other_bytes_in", "other_bytes_out").rows() == [(5_420, 420)]


def test_lines_that_are_set_aside_are_nothing_by_name() -> None:
    asa = "Nov 20 2026 08:00:00 fw : %ASA-6-302014: Teardown TCP connection 7 for outside:10.1.0.11/50001 to "
    asa += "inside:10.9.0.25/993 duration 0:00:10 bytes {} TCP FINs"
    argus = "2026-11-20 08:00:00,tcp,10.1.0.11,50001,10.9.0.25,993,{}"
    for name, lines in {
        "asa": [asa.format(5_840), asa.format("9" * 18)],
        "argus": ["StartTime,Proto,SrcAddr,Sport,DstAddr,Dport,TotBytes", argus.format(5_840), argus.format(-1)],
    }.items():
        account = read(name, *lines).account
        assert (account.flows, sum(account.quarantined.values())) == (1, 1)
        assert dict(account.warnings) == {"direction_unknown": 1}

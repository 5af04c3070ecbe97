"""Records of goflow2, pmacct and nProbe: which way their bytes go, their times, and what is no flow."""

import base64
import ipaddress
import json
import re
from typing import Any

import polars as pl
import pytest

from pipeline.counting.once import count_once
from pipeline.sources.registry import detect
from tests.pipeline.sources.forms_read import read_document, rows
from tests.pipeline.sources.lines import only, read

CLIENT, SERVER = "10.1.0.11", "10.9.0.25"
GOFLOW2 = {
    "type": "NETFLOW_V9",
    "time_received_ns": 1_795_161_665_000_000_000,
    "sampling_rate": 0,
    "sampler_address": "192.0.2.1",
    "time_flow_start_ns": 1_795_161_600_250_000_000,
    "time_flow_end_ns": 1_795_161_660_250_000_000,
    "bytes": 5_900,
    "packets": 6,
    "src_addr": SERVER,
    "dst_addr": CLIENT,
    "etype": "IPv4",
    "proto": "TCP",
    "src_port": 993,
    "dst_port": 50_001,
    "tcp_flags": 27,
    "forwarding_status": 64,
}
NETOBSERV = {
    **{"TimeFlowStartMs": 1_795_161_600_250, "TimeFlowEndMs": 1_795_161_660_250, "TimeReceived": 1_795_161_665},
    **{"AgentIP": "192.0.2.1", "Sampling": 1, "SrcAddr": SERVER, "DstAddr": CLIENT, "SrcPort": 993, "DstPort": 50_001},
    **{"Bytes": 5_900, "Packets": 6, "Proto": 6, "Flags": 16, "FlowDirection": "0", "_RecordType": "flowLog"},
}
GOFLOW1 = {
    "Type": "IPFIX",
    "TimeReceived": 1_795_161_665,
    "SamplingRate": 0,
    "SamplerAddress": "192.0.2.1",
    "TimeFlowStart": 1_795_161_600,
    "TimeFlowEnd": 1_795_161_660,
    "TimeFlowStartMs": 1_795_161_600_250,
    "TimeFlowEndMs": 1_795_161_660_250,
    "Bytes": 5_900,
    "Packets": 6,
    "SrcAddr": SERVER,
    "DstAddr": CLIENT,
    "Proto": 6,
    "SrcPort": 993,
    "DstPort": 50_001,
    "TCPFlags": 27,
}
PMACCT = {
    "event_type": "purge",
    "peer_ip_src": "192.0.2.1",
    "ip_src": SERVER,
    "ip_dst": CLIENT,
    "port_src": 993,
    "port_dst": 50_001,
    "tcp_flags": "27",
    "ip_proto": "tcp",
    "timestamp_start": "2026-11-20 09:00:00.250000",
    "timestamp_end": "2026-11-20 09:01:00.250000",
    "packets": 6,
    "bytes": 5_900,
}
PMACCT_CSV = (
    "PEER_SRC_IP,SRC_IP,DST_IP,SRC_PORT,DST_PORT,TCP_FLAGS,PROTOCOL,TIMESTAMP_START,TIMESTAMP_END,PACKETS,FLOWS,BYTES\n"
    "192.0.2.1,10.9.0.25,10.1.0.11,993,50001,27,tcp,2026-11-20 09:00:00.250000,2026-11-20 09:01:00.250000,6,1,5900"
)
NPROBE = {
    "IPV4_SRC_ADDR": SERVER,
    "IPV4_DST_ADDR": CLIENT,
    "L4_SRC_PORT": 993,
    "L4_DST_PORT": 50_001,
    "PROTOCOL": 6,
    "IN_BYTES": 5_900,
    "IN_PKTS": 6,
    "FIRST_SWITCHED": 1_795_161_600.25,
    "LAST_SWITCHED": 1_795_161_660.25,
    "EXPORTER_IPV4_ADDRESS": "192.0.2.1",
}
ELEMENTS = {
    **{"IPV4_SRC_ADDR": "8", "IPV4_DST_ADDR": "12", "L4_SRC_PORT": "7", "L4_DST_PORT": "11", "PROTOCOL": "4"},
    **{"IN_BYTES": "1", "IN_PKTS": "2", "FIRST_SWITCHED": "22", "LAST_SWITCHED": "21", "EXPORTER_IPV4_ADDRESS": "130"},
}
"""NetFlow 9's numbers of these fields (RFC 3954, IANA)."""
NTOPNG = {
    "FIRST_SEEN": "2026-11-20 09:00:00.250",
    "LAST_SEEN": "2026-11-20 09:01:00.250",
    "SRC2DST_BYTES": "5900",
    "DST2SRC_BYTES": "0",
    "SRC2DST_PACKETS": 6,
    "PROTOCOL": 6,
    "IPV4_SRC_ADDR": 10 << 24 | 9 << 16 | 25,
    "IPV6_SRC_ADDR": "::",
    "IP_SRC_PORT": 993,
    "IPV4_DST_ADDR": 10 << 24 | 1 << 16 | 11,
    "IPV6_DST_ADDR": "::",
    "IP_DST_PORT": 50_001,
    "NTOPNG_INSTANCE_NAME": "192.0.2.1",
}
"""A row of ntopng's table in ClickHouse, whose times are the server's own."""
SUPER_MEDIATOR = {
    "flows": {
        "flowStartMilliseconds": "2026-11-20 08:00:00.250",
        "flowEndMilliseconds": "2026-11-20 08:01:00.250",
        "sourceIPv4Address": SERVER,
        "destinationIPv4Address": CLIENT,
        "sourceTransportPort": 993,
        "destinationTransportPort": 50_001,
        "protocolIdentifier": 6,
        "packetTotalCount": 6,
        "octetTotalCount": 5_900,
        "collectorName": "192.0.2.1",
    }
}
IPFIXCOL = {
    "@type": "ipfix.entry",
    "iana:flowStartMilliseconds": 1_795_161_600_250,
    "iana:flowEndMilliseconds": 1_795_161_660_250,
    "iana:sourceIPv4Address": SERVER,
    "iana:destinationIPv4Address": CLIENT,
    "iana:sourceTransportPort": 993,
    "iana:destinationTransportPort": 50_001,
    "iana:protocolIdentifier": 6,
    "iana:octetDeltaCount": 5_900,
    "iana:packetDeltaCount": 6,
    "iana:exporterIPv4Address": "192.0.2.1",
}
RECORDS: dict[str, tuple[str, Any]] = {
    "goflow2": ("goflow2", GOFLOW2),
    "goflow2, version 1": ("goflow2", GOFLOW1),
    "pmacct": ("pmacct_json", PMACCT),
    "pmacct, epochs": (
        "pmacct_json",
        PMACCT | {"timestamp_start": "1795161600.250000", "timestamp_end": "1795161660.250000"},
    ),
    "pmacct, CSV": ("pmacct_csv", PMACCT_CSV),
    "pmacct, padded": (
        "pmacct_csv",
        "\n".join("  ".join(f"{c:<24}" for c in r.split(",")) for r in PMACCT_CSV.split("\n")),
    ),
    "OpenShift's network observability": ("goflow2", NETOBSERV),
    "nprobe": ("nprobe", NPROBE),
    "nprobe, by numbers": ("nprobe_numbered", {ELEMENTS[name]: value for name, value in NPROBE.items()}),
    "nprobe, CSV": ("nprobe_csv", "\n".join(",".join(map(str, cells)) for cells in (NPROBE, NPROBE.values()))),
    "nprobe, parted by bars": (
        "nprobe_csv",
        "\n".join("|".join(map(str, cells)) for cells in (NPROBE, NPROBE.values())),
    ),
    "ntopng, JSON": ("nprobe", NTOPNG),
    "ntopng, CSV": ("nprobe_csv", "\n".join(",".join(f'"{c}"' for c in cells) for cells in (NTOPNG, NTOPNG.values()))),
    "super_mediator": ("ipfix_json", SUPER_MEDIATOR),
    "ipfixcol2": ("ipfix_json", IPFIXCOL),
}


def protobuf(record: dict[str, Any]) -> dict[str, Any]:
    """As protobuf's own JSON has it: names in camel case, numbers of 64 bits as text, and bytes as Base64."""
    packed = {k: base64.b64encode(ipaddress.ip_address(v).packed).decode() for k, v in record.items() if "addr" in k}
    wide = {k: str(v) for k, v in record.items() if k in ("bytes", "packets") or k.endswith("_ns")}
    return {re.sub("_(.)", lambda m: m[1].upper(), k): v for k, v in (record | packed | wide).items()}


RECORDS["goflow2, protobuf's own JSON"] = ("goflow2", protobuf(GOFLOW2))
RECORDS["goflow2, Base64"] = (
    "goflow2",
    GOFLOW2
    | {k: v for k, v in protobuf(GOFLOW2).items() if k in GOFLOW2}
    | {k: protobuf(GOFLOW2)[re.sub("_(.)", lambda m: m[1].upper(), k)] for k in GOFLOW2 if "addr" in k},
)


def test_addresses_of_16_bytes_in_base64_are_read() -> None:
    six = GOFLOW2 | {"src_addr": "2001:db8::25", "dst_addr": "2001:db8::11"}
    row = only(read("goflow2", json.dumps(protobuf(six))))
    assert (row["src_ip"], row["dest_ip"]) == ("2001:db8::11", "2001:db8::25")
    parsed = read("goflow2", json.dumps(GOFLOW2 | {"src_addr": "AAAA", "dst_addr": "nobody"}))
    assert parsed.account.quarantined == {"bad_address": 1}


@pytest.mark.parametrize("gone", [("TimeFlowStartMs",), ("TimeFlowStartMs", "TimeReceived")])
def test_a_record_without_a_start_is_dated_to_its_end(gone: tuple[str, ...]) -> None:
    left = {k: v for k, v in NETOBSERV.items() if k not in gone}
    assert detect(json.dumps(left).encode() + b"\n", "auto", "x") == "goflow2"
    assert only(read("goflow2", json.dumps(left)))["start_time"].isoformat().startswith("2026-11-20T08:01:00.25")


def test_a_record_without_any_time_is_untimed_and_no_unknown_format() -> None:
    left = json.dumps({k: v for k, v in NETOBSERV.items() if not k.startswith("Time")})
    assert detect(left.encode() + b"\n", "auto", "x") == "goflow2"
    assert read("goflow2", left).account.quarantined == {"untimed": 1}


def lines(record: Any) -> list[str]:
    return record.split("\n") if isinstance(record, str) else [json.dumps(record)]


@pytest.mark.parametrize("who", RECORDS)
def test_what_a_server_sent_is_what_the_client_received(who: str) -> None:
    encoding, record = RECORDS[who]
    text = lines(record)
    assert detect("\n".join(text).encode() + b"\n", "auto", "x") == encoding
    row = only(read(encoding, *text, zone="Europe/Berlin"))
    assert (row["src_ip"], row["src_port"], row["dest_ip"], row["dest_port"]) == (CLIENT, 50_001, SERVER, 993)
    assert (row["ip_bytes_in"], row["ip_bytes_out"], row["packets_in"]) == (5_900, None, 6)
    assert (row["start_time"].isoformat(), row["duration"]) == ("2026-11-20T08:00:00.250000+00:00", 60_000_000)
    since = "final" if "octetTotalCount" in text[0] else "delta"
    assert (row["transport"], row["accounting"], row["dvc"]) == ("tcp", since, "192.0.2.1")


def test_a_record_of_both_directions_names_its_initiator() -> None:
    row = only(read("nprobe", json.dumps(NPROBE | {"OUT_BYTES": 600, "OUT_PKTS": 5, "L4_SRC_PORT": 50_002})))
    assert (row["src_ip"], row["ip_bytes_out"], row["ip_bytes_in"]) == (SERVER, 5_900, 600)


@pytest.mark.parametrize(
    "record",
    [
        IPFIXCOL
        | {"iana@reverse:octetDeltaCount": 600, "iana@reverse:packetDeltaCount": 5, "iana:sourceTransportPort": 50_002},
        IPFIXCOL
        | {f"iana@reverse:{n}DeltaCount@reverse": c for n, c in (("octet", 600), ("packet", 5))}
        | {"iana:sourceTransportPort": 50_002},
        {
            "flows": SUPER_MEDIATOR["flows"]
            | {"reverseOctetTotalCount": 600, "reversePacketTotalCount": 5, "sourceTransportPort": 50_002}
        },
        {**SUPER_MEDIATOR["flows"], "responderOctets": 600, "responderPackets": 5},
        {
            **SUPER_MEDIATOR["flows"],
            "octetTotalCount_Rev": 600,
            "packetTotalCount_Rev": 5,
            "sourceTransportPort": 50_002,
        },
    ],
)
def test_reverse_elements_of_ipfix_are_what_the_destination_sent(record: dict[str, Any]) -> None:
    row = only(read("ipfix_json", json.dumps(record)))
    assert (row["src_ip"], row["ip_bytes_out"], row["ip_bytes_in"], row["packets_in"]) == (SERVER, 5_900, 600, 5)


def test_flags_of_all_packets_tell_who_began_only_without_an_answer_s_ack() -> None:
    odd = GOFLOW2 | {"src_port": 50_002}
    assert only(read("goflow2", json.dumps(odd)))["orientation"] == "unknown"
    row = only(read("goflow2", json.dumps(odd | {"tcp_flags": 2})))
    assert (row["orientation"], row["src_ip"]) == ("syn", SERVER)


def test_sampling_is_told_and_never_multiplied() -> None:
    assert only(read("goflow2", json.dumps(GOFLOW2)))["sampling_rate"] is None
    for record in (GOFLOW2 | {"sampling_rate": 1_000}, NETOBSERV | {"Sampling": 1_000}):
        row = only(read("goflow2", json.dumps(record)))
        assert (row["sampling_rate"], row["ip_bytes_in"]) == (1_000, 5_900)


def test_dropped_packets_and_other_records_are_no_flows() -> None:
    parsed = read("goflow2", json.dumps(GOFLOW2 | {"forwarding_status": 128}), '{"type": "x"}')
    assert (parsed.account.ignored, dict(parsed.account.warnings)) == (2, {"blocked": 1})


def test_a_record_without_times_is_of_the_time_at_which_it_came() -> None:
    row = only(read("goflow2", json.dumps(GOFLOW2 | {"time_flow_start_ns": 0, "time_flow_end_ns": 0})))
    assert (row["start_time"].isoformat(), row["duration"]) == ("2026-11-20T08:01:05+00:00", None)


WRAP_NS = 2**32 * 1_000_000
"""After so long an uptime of 32 bits in milliseconds begins anew."""


def test_a_start_that_lies_behind_its_own_record_is_warned_of() -> None:
    late = GOFLOW2 | {f"time_flow_{end}_ns": GOFLOW2[f"time_flow_{end}_ns"] + WRAP_NS // 2 for end in ("start", "end")}
    assert read("goflow2", json.dumps(late)).account.warnings == {"starts_after_record": 1}
    assert read("goflow2", json.dumps(GOFLOW2)).account.warnings == {}


@pytest.mark.parametrize(
    "never", ["1970-01-01 00:00:00.000000", "1970-01-01 05:30:00.0", "1969-12-31 16:00:00.0", "0", "0.000000"]
)
def test_a_time_of_zero_is_no_time(never: str) -> None:
    record = {"ip_src": "192.0.2.10", "ip_dst": "10.0.0.5", "port_src": 993, "port_dst": 51000, "ip_proto": "tcp"}
    record |= {"packets": 6, "bytes": 5900, "timestamp_export": "2026-11-20 08:00:31.000000"}
    for start, end, begins in (("2026-11-20 08:00:00.000000", never, "08:00:00"), (never, never, "08:00:31")):
        line = json.dumps(record | {"timestamp_start": start, "timestamp_end": end})
        parsed = read("pmacct_json", line)
        assert parsed.rows["start_time"].dt.to_string("%H:%M:%S").to_list() == [begins]
        assert (parsed.rows["duration"].to_list(), parsed.account.warnings) == ([None], {})


@pytest.mark.parametrize("off", [-60, 0, 60])
def test_a_duration_of_a_whole_round_of_the_uptime_is_of_a_flow_that_began_a_round_later(off: int) -> None:
    end = GOFLOW2["time_flow_start_ns"] + WRAP_NS + off * 10**9
    parsed = read("goflow2", json.dumps(GOFLOW2 | {"time_flow_end_ns": end, "time_received_ns": end}))
    start = (GOFLOW2["time_flow_start_ns"] + WRAP_NS) // 1_000
    assert parsed.rows["start_time"].dt.epoch("us").to_list() == [start]
    assert parsed.rows["duration"].to_list() == [off * 1_000_000 if off >= 0 else None]
    assert parsed.account.warnings == {"clock_went_round": 1} | ({"negative_duration": 1} if off < 0 else {})


@pytest.mark.parametrize(
    ("encoding", "record", "way"),
    [
        ("goflow2", GOFLOW2, "flow_direction"),
        ("goflow2", GOFLOW1, "FlowDirection"),
        ("nprobe", NPROBE, "DIRECTION"),
        ("ipfix_json", IPFIXCOL, "iana:flowDirection"),
    ],
)
def test_packets_that_a_router_met_as_they_left_it_are_told_from_those_that_came(
    encoding: str, record: dict[str, Any], way: str
) -> None:
    rows = [only(read(encoding, json.dumps(record | told))) for told in ({}, {way: 0}, {way: 1})]
    assert [row["reporter"] for row in rows] == [None, None, "src"]  # Turned, as the server's records are.
    row = only(read("nprobe", json.dumps(NPROBE | {"OUT_BYTES": 420, "DIRECTION": 1})))
    assert row["reporter"] is None


def test_an_other_direction_of_0_bytes_is_none_where_one_way_flows_are_passed_on() -> None:
    zero = {"encoding": "nprobe", "record": NPROBE | {"OUT_BYTES": 0, "OUT_PKTS": 0}}
    reverse = {"encoding": "ipfix_json", "record": IPFIXCOL | {"iana@reverse:octetDeltaCount": 0}}
    beat = {"@timestamp": "2026-11-20T08:00:00Z", "event": {"dataset": "netflow.log"}}
    beat |= {
        "source": {"ip": SERVER, "port": 993, "bytes": 5_900},
        "destination": {"ip": CLIENT, "port": 5, "bytes": 0},
    }
    real = {"encoding": "nprobe", "record": NPROBE | {"OUT_BYTES": "0.0", "OUT_PKTS": "0.0"}}
    for told in (zero, real, reverse, {"encoding": "ecs", "record": beat}):
        row = only(read(str(told["encoding"]), json.dumps(told["record"])))
        bytes_in = row["ip_bytes_in"] or row["other_bytes_in"]
        assert (row["src_ip"], bytes_in, row["ip_bytes_out"], row["other_bytes_out"]) == (CLIENT, 5_900, None, None)


def test_an_asa_s_updates_count_since_the_last_one_and_its_teardown_the_whole() -> None:
    octets = {"iana:initiatorOctets": 420, "iana:responderOctets": 5_900, "iana:octetDeltaCount": None}
    asa, other = ([r | {"iana:firewallEvent": e} for e in (5, 2)] for r in (IPFIXCOL | octets, IPFIXCOL))
    told = [only(read("ipfix_json", json.dumps(r)))["accounting"] for r in (*asa, *other)]
    assert told == ["update", "final", "delta", "delta"]
    ends = {"source": {"ip": CLIENT, "port": 5, "bytes": 420}, "destination": {"ip": SERVER, "port": 993, "bytes": 5}}
    beat = {"@timestamp": "2026-11-20T08:00:00Z", "event": {"dataset": "netflow.log"}, **ends}
    for event, accounting in ((5, "update"), (2, "final"), (None, "delta")):
        record = beat | {"netflow": {"firewall_event": event, "initiator_octets": 420, "responder_octets": 5}}
        assert only(read("ecs", json.dumps(record)))["accounting"] == accounting


def test_akvorado_s_rows_are_of_the_time_at_which_they_came() -> None:
    row = {"TimeReceived": "2026-11-20 08:00:00", "SamplingRate": "1000", "ExporterAddress": "::ffff:192.0.2.1",
           "SrcAddr": "::ffff:198.51.100.25", "DstAddr": "::ffff:10.1.0.11", "SrcPort": 993, "DstPort": 50_001,
           "Proto": 6, "Bytes": "5400", "Packets": "8"}  # fmt: skip
    answer = json.dumps({"meta": [{"name": "SrcAddr", "type": "IPv6"}], "data": [row, row], "rows": 2}).encode()
    assert detect(json.dumps(row).encode() + b"\n", "auto", "x") == detect(answer, "auto", "x") == "goflow2"
    parsed = read_document("goflow2", answer)
    told = rows(parsed, "src_ip", "dest_ip", "ip_bytes_in", "sampling_rate")
    assert told == [("10.1.0.11", "198.51.100.25", 5_400, 1_000.0)] * 2
    assert {t.isoformat() for t in parsed.rows["start_time"]} == {"2026-11-20T08:00:00+00:00"}


NAT = "203.0.113.9"
TRANSLATED: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "pmacct_json": (PMACCT, "ip_dst", "post_nat_ip_dst", "post_nat_port_dst"),
    "nprobe": (NPROBE, "IPV4_DST_ADDR", "POST_NAT_DST_IPV4_ADDR", "POST_NAPT_DST_TRANSPORT_PORT"),
}


@pytest.mark.parametrize("encoding", TRANSLATED)
def test_an_answer_to_a_translated_end_is_that_of_the_client_behind_it(encoding: str) -> None:
    record, dest, behind, port = TRANSLATED[encoding]
    plain = only(read(encoding, json.dumps(record)))
    assert (plain["src_ip"], plain["src_port"], plain["dest_ip"]) == (CLIENT, 50_001, SERVER)
    answer = record | {dest: NAT, behind: CLIENT}
    for told, at in (({}, 50_001), ({port: 0}, 50_001), ({port: 40_000}, 40_000)):
        row = only(read(encoding, json.dumps(answer | told)))
        assert row | {"src_translated_ip": None, "src_port": 50_001} == plain
        assert (row["src_translated_ip"], row["src_port"]) == (NAT, at)
    for nobody in ("0.0.0.0", "::"):
        assert only(read(encoding, json.dumps(record | {behind: nobody}))) == plain


def test_a_template_with_addresses_of_both_families_has_zeros_for_one_of_them() -> None:
    ends = {"IPV6_SRC_ADDR": "2001:db8::25", "IPV6_DST_ADDR": "2001:db8::11"}
    nowhere = {"IPV4_SRC_ADDR": "0.0.0.0", "IPV4_DST_ADDR": "0.0.0.0"}
    row = only(read("nprobe", json.dumps(NPROBE | nowhere | ends)))
    assert (row["src_ip"], row["dest_ip"]) == ("2001:db8::11", "2001:db8::25")
    row = only(read("nprobe", json.dumps(NPROBE | {"IPV6_SRC_ADDR": "::", "IPV6_DST_ADDR": "::"})))
    assert (row["src_ip"], row["dest_ip"]) == (CLIENT, SERVER)


def test_the_table_of_yafscii_tells_both_directions() -> None:
    header = "start-time|end-time|duration|rtt|proto|sip|sp|dip|dp|iflags|riflags|pkt|oct|rpkt|roct|end-reason"
    line = (
        f"2026-11-20 08:00:00.250|2026-11-20 08:01:00.250|60.000|0.010|6|{CLIENT}|50001|{SERVER}|993|S|AS|5|420|6|5900|"
    )
    assert detect(f"{header}\n{line}\n".encode(), "auto", "x") == "yaf"
    row = only(read("yaf", header, line))
    assert (row["src_ip"], row["dest_port"], row["ip_bytes_in"], row["ip_bytes_out"]) == (CLIENT, 993, 5_900, 420)
    assert (row["start_time"].isoformat(), row["duration"]) == ("2026-11-20T08:00:00.250000+00:00", 60_000_000)


def test_a_flow_that_yaf_met_in_two_vlans_counts_once() -> None:
    start = 1_795_161_600_000
    flow = SUPER_MEDIATOR["flows"] | {"flowStartMilliseconds": start, "flowEndMilliseconds": start + 9_000}
    flow |= {"reverseOctetTotalCount": 420}
    again = flow | {"vlanId": "0x014", "flowStartMilliseconds": start + 1}
    texts = [json.dumps({"flows": f}) for f in (flow | {"vlanId": "0x00a"}, again)]
    header = "start-time|end-time|proto|sip|sp|dip|dp|iflags|tag|pkt|oct|rpkt|roct|end-reason"
    line = f"2026-11-20 08:00:00.250|2026-11-20 08:01:00.250|6|{CLIENT}|50001|{SERVER}|993|S|{{}}|5|420|6|5900|"
    table = [header, line.format("00a"), line.format("014").replace(".250", ".251")]
    for parsed in (read("ipfix_json", *texts), read("yaf", *table)):
        assert parsed.account.flows == 2
        counted, dropped = count_once(parsed.rows.with_columns(source=pl.lit("s"), source_file=pl.lit("f")))
        assert (counted["ip_bytes_in"].to_list(), dropped.other_sensors) == ([5_900], 1)


@pytest.mark.parametrize(
    ("totals", "received"),
    [
        ({60: 6_076, 120: 7_594, 240: 12_148}, 12_148),  # Told so far, three times.
        ({60: (6_076, 6_076), 120: (7_594, 1_518)}, 7_594),  # With what came since the last time beside it.
    ],
)
def test_octets_since_a_flow_began_are_told_by_its_last_record(totals: dict[int, Any], received: int) -> None:
    start = 1_795_161_600_000
    flow = {**{k: SUPER_MEDIATOR["flows"][k] for k in ("sourceIPv4Address", "destinationIPv4Address")},
            "sourceTransportPort": 993, "destinationTransportPort": 50_001, "protocolIdentifier": 6}  # fmt: skip
    made = []
    for seconds, told in totals.items():
        total, since = told if isinstance(told, tuple) else (told, None)
        counts = {"octetTotalCount": total} | ({} if since is None else {"octetDeltaCount": since})
        made.append(flow | counts | {"flowStartMilliseconds": start, "flowEndMilliseconds": start + seconds * 1_000})
    later = {"flowStartMilliseconds": start + 240_000, "flowEndMilliseconds": start + 300_000, "octetTotalCount": 9}
    parsed = read("ipfix_json", *map(json.dumps, [*made, flow | later]))
    counted, _ = count_once(parsed.rows.with_columns(source=pl.lit("s"), source_file=pl.lit("f")))
    assert counted["ip_bytes_in"].sum() == received + 9  # A flow that goes on after a timeout begins anew.


@pytest.mark.parametrize(("encoding", "record"), [("goflow2", GOFLOW2), ("pmacct_json", PMACCT)])
def test_packets_that_are_smaller_than_their_headers_are_warned_of(encoding: str, record: dict[str, Any]) -> None:
    parsed = read(encoding, *(json.dumps(record | {"bytes": n, "packets": 20}) for n in (0, 399, 400)))
    assert (parsed.account.warnings["impossible_packet_size"], parsed.rows.height) == (2, 3)

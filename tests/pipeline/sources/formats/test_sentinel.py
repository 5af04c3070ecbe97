"""Tables of Microsoft Sentinel: each vendor's bytes go the way its CEF says, and what is no session is counted so."""

import json
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.counting.once import Dropped, count_once
from pipeline.sources.registry import detect
from tests.examples import examples
from tests.pipeline.sources.lines import ends, only, read, read_blocks, read_lines

LOG: dict[str, Any] = {
    "TimeGenerated": "2026-11-20T08:00:10.250Z",
    "DeviceVendor": "Fortinet",
    "DeviceProduct": "Fortigate",
    "DeviceEventClassID": "00013",
    "Activity": "traffic:forward close",
    "DeviceAction": "close",
    "SourceIP": "10.1.0.11",
    "SourcePort": 50_001,
    "DestinationIP": "10.9.0.25",
    "DestinationPort": 993,
    "Protocol": "6",
    "SentBytes": 420,
    "ReceivedBytes": 5_420,
    "AdditionalExtensions": "FTNTFGTlogid=0000000013;FTNTFGTduration=10;cat=traffic:forward",
}
PALO_ALTO = {"DeviceVendor": "Palo Alto Networks", "DeviceCustomNumber3": 10, "DeviceEventClassID": "end",
             "Activity": "TRAFFIC", "DeviceAction": "allow", "AdditionalExtensions": ""}  # fmt: skip
BY_DEVICE = PALO_ALTO | {"DeviceProduct": "PAN-OS", "SentBytes": 5_420, "ReceivedBytes": 420}
BY_SERVICE = PALO_ALTO | {"DeviceProduct": "LF", "DeviceEventClassID": "TRAFFIC", "Activity": "end"}
ANY = {"DeviceVendor": "Example", "DeviceProduct": "Wall", "StartTime": "2026-11-20T08:00:00.250Z",
       "EndTime": "2026-11-20T08:00:10.250Z", "AdditionalExtensions": None}  # fmt: skip
SONICWALL = {"DeviceVendor": "SonicWall", "DeviceProduct": "NSv 270", "DeviceEventClassID": "537", "DeviceAction": "",
             "Activity": "Connection Closed", "Protocol": "tcp/imaps", "DeviceCustomNumber3Label": "10000",
             "AdditionalExtensions": "cat=1024;fw_action=NA"}  # fmt: skip
SESSION: dict[str, Any] = {
    "TimeGenerated": "2026-11-20T08:00:20Z",
    "EventSchema": "NetworkSession",
    "EventStartTime": "2026-11-20T08:00:00.250Z",
    "EventEndTime": "2026-11-20T08:00:10.250Z",
    "SrcIpAddr": "10.1.0.11",
    "SrcPortNumber": 50_001,
    "DstIpAddr": "10.9.0.25",
    "DstPortNumber": 993,
    "NetworkProtocol": "TCP",
    "NetworkDuration": 10_000,
    "SrcBytes": 420,
    "DstBytes": 5_420,
    "DvcAction": "Allow",
}


def as_csv(record: dict[str, Any]) -> list[str]:
    return [",".join(record), ",".join("" if v is None else f'"{v}"' for v in record.values())]


@pytest.mark.parametrize("encoding", ["", "_csv"])
@pytest.mark.parametrize(
    ("table", "record"),
    [
        ("sentinel_cef", LOG),
        ("sentinel_cef", LOG | BY_DEVICE),
        ("sentinel_cef", LOG | BY_SERVICE),
        ("sentinel_cef", LOG | ANY),
        ("sentinel_cef", LOG | {"AdditionalExtensions": "FortinetFortiGateduration=10;cat=traffic:forward"}),
        ("sentinel_cef", LOG | SONICWALL),
        ("sentinel_asim", SESSION),
    ],
)
def test_what_the_server_sent_are_bytes_in(table: str, record: dict[str, Any], encoding: str) -> None:
    lines = as_csv(record) if encoding else [json.dumps(record)]
    assert detect("\n".join(lines).encode(), "auto", "x") == table + encoding
    row = only(read(table + encoding, *lines))
    assert ends(row) == ("10.1.0.11", 50_001, "10.9.0.25", 993)
    assert (row["other_bytes_in"], row["other_bytes_out"], row["transport"]) == (5_420, 420, "tcp")
    start = row["start_time"].isoformat(timespec="milliseconds")
    assert (start, row["duration"], row["accounting"]) == ("2026-11-20T08:00:00.250+00:00", 10_000_000, "final")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"AdditionalExtensions": "FTNTFGTlogid=0000000020;FTNTFGTduration=120"}, "cumulative"),
        ({"Activity": "forward traffic accept", "AdditionalExtensions": "ad.logid=0000000020"}, "cumulative"),
        ({"AdditionalExtensions": "FortinetFortiGatelogid=0000000020"}, "cumulative"),
        ({"Activity": "virus utm monitored"}, "ignored"),
        (SONICWALL | {"DeviceEventClassID": "98", "ReceivedBytes": None}, "begin"),
        (SONICWALL | {"DeviceEventClassID": "97"}, "ignored"),
        ({"DeviceEventClassID": "00015", "AdditionalExtensions": ""}, "begin"),
        ({"DeviceAction": "deny"}, "blocked"),
        ({"Activity": "utm:webfilter ftgd_allow passthrough"}, "ignored"),
        (BY_DEVICE | {"DeviceEventClassID": "start"}, "begin"),
        (BY_DEVICE | {"DeviceEventClassID": "drop", "DeviceAction": "drop"}, "blocked"),
        (BY_DEVICE | {"DeviceEventClassID": "url", "Activity": "THREAT"}, "ignored"),
        ({"SentBytes": None, "ReceivedBytes": None}, "no_counters"),
    ],
)
def test_what_a_record_is_follows_its_vendor(changes: dict[str, Any], expected: str) -> None:
    parsed = read("sentinel_cef", json.dumps(LOG | changes))
    if expected == "cumulative":
        assert only(parsed)["accounting"] == "cumulative"
    else:
        assert (parsed.account.flows, parsed.account.ignored) == (0, 1)
        assert dict(parsed.account.warnings) == ({} if expected == "ignored" else {expected: 1})


def test_sessions_of_asim_that_begin_were_denied_or_are_of_another_schema_are_no_flows() -> None:
    changes = (
        {"EventType": "NetworkSessionStart"},
        {"DvcAction": "Deny"},
        {"EventSchema": "WebSession"},
        {"SrcBytes": 1},
    )
    parsed = read("sentinel_asim", *(json.dumps(SESSION | c) for c in changes))
    assert (parsed.account.flows, dict(parsed.account.warnings)) == (1, {"begin": 1, "blocked": 1})


TABLE = [*as_csv(LOG), as_csv(LOG | BY_DEVICE)[1], "x", '"', "", '"a\nb"'.replace("\n", " ")]


@settings(max_examples=examples(10))
@given(st.lists(st.sampled_from(TABLE), max_size=8), st.integers(0, 8))
def test_no_lines_break_a_table_and_blocks_read_as_the_whole(lines: list[str], at: int) -> None:
    whole = read_lines("sentinel_cef_csv", lines)
    parts = read_blocks("sentinel_cef_csv", [lines[:at], lines[at:]])
    assert whole.account == parts.account
    assert whole.rows.equals(parts.rows)


def test_sessions_that_asim_dates_to_their_log_began_their_duration_before() -> None:
    """As Microsoft's parsers make them: PAN-OS' counters of CommonSecurityLog, FortiGate's and Zeek's seconds."""
    ended = "2026-11-20T08:00:10.250Z"
    log = SESSION | {"EventStartTime": ended, "EventEndTime": ended}
    turned = {"EventVendor": "Palo Alto", "EventProduct": "PanOS", "SrcBytes": 5_420, "DstBytes": 420}
    records = [
        log | turned,
        log | {"EventVendor": "Fortinet", "EventProduct": "Fortigate", "NetworkDuration": 10},
        log | {"EventVendor": "WatchGuard", "EventProduct": "Fireware", "TimeGenerated": ended},
        SESSION | {"EventVendor": "Corelight", "EventProduct": "Zeek", "NetworkDuration": 10},
    ]
    columns = ("start_time", "duration", "other_bytes_in", "other_bytes_out")
    for parsed in (read("sentinel_asim", *map(json.dumps, records)), read("sentinel_asim_csv", *as_csv(records[0]))):
        start = datetime(2026, 11, 20, 8, 0, 0, 250_000, tzinfo=UTC)
        assert set(parsed.rows.select(columns).rows()) == {(start, 10_000_000, 5_420, 420)}


MICROSOFT = {"EventVendor": "Microsoft", "Type": "NTANetAnalytics", "NetworkDirection": "Inbound"}
TURNED = {"SrcBytes": 5_420, "DstBytes": 420}
STRETCHES = {
    "traffic analytics": MICROSOFT | {"EventProduct": "Azure NSG flows"},
    "virtual networks": MICROSOFT | {"EventProduct": "NSGFlow"} | TURNED,
    "security groups": MICROSOFT | {"EventProduct": "NSGFlow", "Type": "AzureNetworkAnalytics_CL"},
    "machines": MICROSOFT | {"EventProduct": "VMConnection", "NetworkDuration": 12, "EventEndTime": None} | TURNED,
}


@pytest.mark.parametrize(
    ("vendor", "product", "unit", "id_of"),
    [
        ("Fortinet", "Fortigate", 1, {}),  # The parser keeps no id of a session.
        ("Palo Alto", "PanOS", 1_000, {"NetworkSessionId": "77"}),
    ],
)
def test_what_asim_s_parsers_keep_of_a_session_that_lasts_is_in_its_last_record(
    vendor: str, product: str, unit: int, id_of: dict[str, str]
) -> None:
    told = []
    for minute, so_far in ((2, 2_000), (4, 4_000), (5, 5_900)):
        ended = f"2026-11-20T08:0{minute}:00.{minute}Z"
        own = {"EventVendor": vendor, "EventProduct": product, "NetworkDuration": minute * 60 * unit, **id_of}
        told.append(SESSION | own | {"TimeGenerated": ended, "EventStartTime": ended, "EventEndTime": ended,
                                     "SrcBytes": so_far, "DstBytes": so_far})  # fmt: skip
    rows = read("sentinel_asim", *(json.dumps(t) for t in told)).rows
    found, dropped = count_once(rows.with_columns(source=pl.lit("s"), source_file=pl.lit("f")))
    assert (found["other_bytes_in"].to_list(), dropped) == ([5_900], Dropped(interim=2))


@pytest.mark.parametrize("name", STRETCHES)
def test_asim_s_sums_over_a_stretch_count_once_for_both_ends_the_right_way(name: str) -> None:
    """As Microsoft's parsers make them: some have what the server's interface or machine saw the other way."""
    inbound = SESSION | STRETCHES[name]
    outbound = inbound | {"NetworkDirection": "Outbound", "SrcBytes": 420, "DstBytes": 5_420}
    parsed = read("sentinel_asim", json.dumps(inbound), json.dumps(outbound))
    columns = ("other_bytes_in", "other_bytes_out", "accounting", "reporter")
    assert parsed.rows.select(columns).rows() == [(5_420, 420, "delta", "dest"), (5_420, 420, "delta", "src")]
    assert set(parsed.rows["start_time"].dt.second()) == {0}


def test_asim_s_vpc_flow_logs_tell_one_direction() -> None:
    """Its parser gives the bytes as the network's, the packet's ends as translated ones, another time as start."""
    one_way = {"EventVendor": "AWS", "EventProduct": "VPC", "SrcBytes": None, "DstBytes": None, "NetworkBytes": 5_420}
    back = {"SrcIpAddr": "10.9.0.25", "SrcPortNumber": 993, "DstIpAddr": "10.1.0.99", "DstPortNumber": 50_001}
    times = {"Start": "2026-11-20T08:00:00.250Z", "EventStartTime": "2026-11-20T08:07:00Z"}
    row = only(read("sentinel_asim", json.dumps(SESSION | one_way | back | times | {"DstNatIpAddr": "10.1.0.11"})))
    assert ends(row) == ("10.1.0.11", 50_001, "10.9.0.25", 993)
    assert (row["other_bytes_in"], row["total_bytes"], row["accounting"]) == (5_420, None, "delta")
    assert (row["src_translated_ip"], row["start_time"].minute) == ("10.1.0.99", 0)


CISCO = {"EventVendor": "Cisco", "EventProduct": "Firepower"}
FIREPOWER = {"DeviceVendor": "Cisco", "DeviceProduct": "Firepower", "DeviceEventClassID": "RNA:1003:1",
             "ExternalID": 7, "SentBytes": None, "ReceivedBytes": None}  # fmt: skip


def test_firepower_s_connections_are_read_in_either_table() -> None:
    """eNcore's bytesIn are the responder's (its adapter for CEF); Microsoft's parser takes them for the source's."""
    more = "start=1795161600250;end=1795161610250;bytesIn=5420;bytesOut=420;dvcpid=1"
    log = only(read("sentinel_cef", json.dumps(LOG | FIREPOWER | {"AdditionalExtensions": more})))
    session = only(read("sentinel_asim", json.dumps(SESSION | CISCO | TURNED)))
    for row in (log, session):
        assert (row["other_bytes_in"], row["other_bytes_out"], row["start_time"].microsecond) == (5_420, 420, 250_000)
    assert (log["uid"], log["accounting"]) == ("1/7/1795161600250", "cumulative")


@pytest.mark.parametrize("encoding", ["", "_csv"])
def test_ends_of_ipv6_are_where_cef_has_them(encoding: str) -> None:
    record = LOG | FIREPOWER | {"SourceIP": "", "DestinationIP": "", "DeviceCustomIPv6Address2": "2001:db8::11",
                                "DeviceCustomIPv6Address3": "2001:db8::25", "SentBytes": 420,
                                "ReceivedBytes": 5_420}  # fmt: skip
    lines = as_csv(record) if encoding else [json.dumps(record)]
    row = only(read(f"sentinel_cef{encoding}", *lines))
    assert ends(row) == ("2001:db8::11", 50_001, "2001:db8::25", 993)
    assert row["other_bytes_in"] == 5_420


def test_requests_that_a_fortigate_logs_repeat_the_bytes_of_a_session() -> None:
    account = read("sentinel_cef", json.dumps(LOG | {"Activity": "traffic:http-transaction accept"})).account
    assert (account.flows, account.ignored) == (0, 1)


def test_bytes_without_ends_are_warned_of() -> None:
    account = read("sentinel_cef", json.dumps(LOG | ANY | {"SourceIP": ""})).account
    assert (account.flows, account.ignored, dict(account.warnings)) == (0, 1, {"no_ends": 1})


@pytest.mark.parametrize("unset", ["1970-01-01T00:00:00Z", "1/1/1970, 12:00:00.000 AM"])
def test_times_that_the_agent_could_not_read_are_none_and_firepower_s_are_among_its_pairs(unset: str) -> None:
    more = "bytesOut=420;bytesIn=5420;end=1795161610250;reason=N/A;start=1795161600250"
    record = LOG | FIREPOWER | {"StartTime": unset, "EndTime": unset, "AdditionalExtensions": more}
    row = only(read("sentinel_cef", json.dumps(record)))
    assert (row["start_time"].isoformat(), row["duration"]) == ("2026-11-20T08:00:00.250000+00:00", 10_000_000)
    other = only(read("sentinel_cef_csv", *as_csv(LOG | ANY | {"StartTime": unset, "EndTime": unset})))
    assert other["start_time"].isoformat() == "2026-11-20T08:00:10.250000+00:00"


@pytest.mark.parametrize("vendor", ["Check Point", "CheckPoint"])
def test_updates_of_check_point_s_connections_count_since_their_beginning(vendor: str) -> None:
    update = LOG | {"DeviceVendor": vendor, "DeviceProduct": "VPN-1 & FireWall-1", "Activity": "imaps"}
    update |= {"DeviceAction": "Accept", "AdditionalExtensions": "loguid={0x1};start_time=1795161600;origin=192.0.2.1"}
    row = only(read("sentinel_cef", json.dumps(update)))
    assert (row["uid"], row["accounting"], row["start_time"].second) == ("{0x1}", "cumulative", 0)


@pytest.mark.parametrize("name", ["sentinel_asim", "sentinel_asim_csv"])
def test_what_asim_tells_of_an_asa_s_connection_is_the_sum_of_both_directions(name: str) -> None:
    whole = {k: v for k, v in SESSION.items() if k not in ("SrcBytes", "DstBytes")} | {"NetworkBytes": 5_840}
    parsed = read(name, *([json.dumps(whole)] if name == "sentinel_asim" else as_csv(whole)))
    row = only(parsed)
    assert (row["total_bytes"], row["other_bytes_in"], row["other_bytes_out"]) == (5_840, None, None)
    assert dict(parsed.account.warnings) == {"direction_unknown": 1}


def test_asim_s_first_messages_of_sessions_and_those_of_sonicwall_s_requests_tell_no_bytes_of_their_own() -> None:
    sides = {"SrcBytes": None, "DstBytes": None, "NetworkBytes": 5_840, "EventVendor": "SonicWall"}
    told = [{"LogMsgID": "537"}, '{"LogMsgID": "537"}', {"LogMsgID": "97"}, None]
    records = [SESSION | {"EventSubType": "Start"}, *(SESSION | sides | {"AdditionalFields": t} for t in told)]
    parsed = read("sentinel_asim", *map(json.dumps, records))
    assert parsed.rows.select("source_line", "total_bytes").rows() == [(2, 5_840), (3, 5_840)]
    assert dict(parsed.account.warnings) == {"begin": 1, "direction_unknown": 2, "no_counters": 2}


@pytest.mark.parametrize("product", ["FTD", "Cortex Data Lake", "Zeek"])
def test_durations_that_asim_s_parsers_leave_in_seconds(product: str) -> None:
    row = only(read("sentinel_asim", json.dumps(SESSION | {"EventProduct": product, "NetworkDuration": 600})))
    assert row["duration"] == 600_000_000


OWN: dict[str, Any] = {"AdditionalExtensions": "", "DeviceAction": "allowed", "StartTime": "2026-11-20T08:00:00.250Z"}


@pytest.mark.parametrize("encoding", ["sentinel_cef", "sentinel_cef_csv"])
def test_vendors_that_mean_another_end_or_a_packet_are_read_so(encoding: str) -> None:
    """UserGate's `in` went to the destination, Illumio's is a running total beside what an interval added."""
    usergate = LOG | OWN | {"DeviceVendor": "UserGate", "DeviceProduct": "NGFW", "DeviceEventClassID": "traffic"}
    usergate |= {"ReceivedBytes": 420, "SentBytes": 5_420, "Activity": "firewall"}
    added = {"DeviceCustomNumber2": 420, "DeviceCustomNumber3": 5_420, "CommunicationDirection": "0"}
    illumio = LOG | OWN | added | {"DeviceVendor": "Illumio", "ReceivedBytes": 9_000, "SentBytes": 90_000}
    for record, reporter in ((usergate, None), (illumio, "dest")):
        lines = [json.dumps(record)] if encoding == "sentinel_cef" else as_csv(record)
        row = only(read(encoding, *lines))
        assert (row["other_bytes_in"], row["other_bytes_out"], row["reporter"]) == (5_420, 420, reporter)
    packet = LOG | OWN | {"DeviceVendor": "Trend Micro", "DeviceProduct": "Deep Security Agent"}
    lines = [json.dumps(packet)] if encoding == "sentinel_cef" else as_csv(packet)
    assert dict(read(encoding, *lines).account.warnings) == {"packets": 1}


def test_asim_keeps_illumio_s_intervals_of_both_ends_appgate_s_packets_and_forcepoint_s_progress() -> None:
    """Microsoft's parsers: the deltas of an interval in seconds, a packet's size as SrcBytes, codes of messages."""
    told = SESSION | {"EventStartTime": SESSION["TimeGenerated"], "EventEndTime": SESSION["TimeGenerated"]}
    illumio = {k: v for k, v in told.items() if k != "SrcPortNumber"} | {
        "EventVendor": "Illumio",
        "EventProduct": "Core",
    }
    both = [illumio | {"NetworkDuration": 600, "NetworkDirection": way} for way in ("Inbound", "Outbound")]
    appgate = {k: v for k, v in told.items() if k != "DstBytes"} | {"EventVendor": "AppGate", "EventProduct": "SDP"}
    forcepoint = told | {"EventVendor": "Forcepoint", "EventProduct": "Firewall", "EventOriginalType": "70026"}
    parsed = read("sentinel_asim", *map(json.dumps, (*both, appgate, forcepoint)))
    assert dict(parsed.account.warnings) == {"packets": 1, "begin": 1}
    assert parsed.rows["duration"].to_list() == [600_000_000, 600_000_000]
    flows, dropped = count_once(parsed.rows.with_columns(source=pl.lit(""), source_file=pl.lit("")))
    assert (flows["other_bytes_in"].to_list(), flows["other_bytes_out"].to_list()) == ([5_420], [420])
    assert dropped == Dropped(other_sensors=1)

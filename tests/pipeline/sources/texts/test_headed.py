"""CEF and LEEF of firewalls: what their keys mean, which way `in` goes with whom, and what cannot be believed."""

from typing import Any

import pytest

from pipeline.sources.registry import detect
from tests.pipeline.sources.lines import only, read

HEAD = "<14>Nov 20 09:00:01 fw1 "
ENDS = "src=10.1.0.11 dst=10.9.0.25 spt=50001 dpt=993"
PAN = (
    f"{HEAD}CEF:0|Palo Alto Networks|PAN-OS|10.1.0|end|TRAFFIC|1|rt=Nov 20 2026 08:00:00 GMT "
    f"deviceExternalId=007 {ENDS} "
    r"cs1Label=Rule cs1=mail \= all suser= duser=example\\jane in\=5 app=imap cn1=22751 cnt=1 proto=tcp act=allow "
    "flexNumber1=7100 in=1200 out=5900 PanOSPacketsReceived=6 PanOSPacketsSent=5 start=Nov 20 2026 08:00:00 GMT "
    "cn3Label=Elapsed time in seconds cn3=56 reason=tcp-fin"
)
SERVICE = (
    f"{HEAD}CEF:0|Palo Alto Networks|LF|2.0|TRAFFIC|end|3|dtz=UTC rt=Nov 20 2026 08:00:09 deviceExternalId=007 "
    f"start=Nov 20 2026 08:00:00 {ENDS} app=imap cn1=22751 proto=tcp act=allow out=1200 in=5900 "
    "PanOSSessionStartTime=Nov 20 2026 07:59:04 cn3=56"
)
LEEF = (
    f"{HEAD}LEEF:1.0|Palo Alto Networks|PAN-OS Syslog Integration|11.1.6|allow|cat=TRAFFIC|"
    "ReceiveTime=2026/11/20 09:00:00|"
    "SerialNumber=007|Type=TRAFFIC|Subtype=end|devTime=Nov 20 2026 08:00:00 GMT|src=10.1.0.11|dst=10.9.0.25|"
    "srcPostNAT=0.0.0.0|dstPostNAT=0.0.0.0|usrName=|Application=imap|SessionID=22751|srcPort=50001|dstPort=993|proto=tcp|"
    "action=allow|totalBytes=7100|dstBytes=5900|srcBytes=1200|StartTime=2026/11/20 08:59:04|ElapsedTime=56|dstPackets=6"
)
LEEF_2 = (
    f"{HEAD}LEEF:2.0|Palo Alto Networks|PAN-OS Syslog Integration|11.1.6|allow|x7C|ProfileToken=0x0|"
    "TimeReceived=2026/11/20 09:00:00|DeviceSN=007|cat=TRAFFIC|SubType=end|devTime=Nov 20 2026 08:00:00 GMT|"
    "src=10.1.0.11|dst=10.9.0.25|Rule=mail|Application=imap|SessionID=22751|srcPort=50001|dstPort=993|proto=tcp|"
    "Bytes=7100|srcBytes=1200|dstBytes=5900|SessionStartTime=2026/11/20 08:59:04|SessionDuration=56|dstPackets=6"
)
SERVICE_LEEF = (
    "988 <14>1 2026-11-20T08:00:09.328Z stream logforwarder - panwlogs - "
    "LEEF:2.0|Palo Alto Networks|Next Generation Firewall|10.1|allow|\t|TimeReceived=2026-11-20T08:00:09.000000Z\t"
    "DeviceSN=007\tcat=traffic\tSubType=end\tdevTime=2026-11-20T08:00:00.000000Z\tsrc=10.1.0.11\tdst=10.9.0.25\t"
    "Application=imap\tVirtualLocation=vsys1\tSessionID=22751\tsrcPort=50001\tdstPort=993\tproto=tcp\tAction=allow\t"
    "srcBytes=1200\tdstBytes=5900\tSessionStartTime=2026-11-20T07:59:04.000000Z\tSessionDuration=56\tDeviceName=fw1"
)
FORTI = (
    f"{HEAD}CEF:0|Fortinet|Fortigate|v7.4.3|00013|traffic:forward close|3|deviceExternalId=FGT1 "
    "FTNTFGTlogid=0000000013 "
    f"cat=traffic:forward FTNTFGTsubtype=forward FTNTFGTeventtime=1795161600000000000 {ENDS} externalId=402 proto=6 "
    "act=close app=IMAP FTNTFGTduration=56 out=1200 in=5900 FTNTFGTsentpkt=5 FTNTFGTrcvdpkt=6"
)
ANALYZER = (
    f"{HEAD}CEF:0|Fortinet|FortiGate-VM64|6.4.8,build1914 (GA)|0000000013|forward traffic close|3|"
    "start=Nov 20 2026 08:00:00 logver=604081914 deviceExternalId=FGT1 dvchost=fw ad.vd=root ad.tz=+0000 "
    f"ad.eventtime=1795161600000000000 ad.logid=0000000013 cat=traffic ad.subtype=forward {ENDS} proto=6 act=close "
    "externalID=402 app=IMAP ad.duration=56 out=1200 in=5900 ad.sentpkt=5 ad.rcvdpkt=6"
)
OF_OLD = FORTI.replace("FTNTFGTduration=56", "cn1=56 cn1Label=Duration").replace("FTNTFGTlogid=0000000013 ", "")
SPELLED_OUT = FORTI.replace("FTNTFGT", "FortinetFortiGate").replace(" act=", " FortinetFortiGateaction=")
STARTED = "2026-11-20T07:59:04+00:00"


def told(row: dict[str, Any]) -> tuple[Any, ...]:
    sizes = row["other_bytes_in"], row["other_bytes_out"]
    return row["src_ip"], row["src_port"], row["dest_ip"], row["dest_port"], *sizes, row["start_time"].isoformat()


@pytest.mark.parametrize(
    ("encoding", "line"),
    [
        ("paloalto", PAN),
        ("paloalto", PAN.replace("08:00:00 GMT", "10:00:00.250 +0200")),
        ("paloalto", PAN.replace("08:00:00 GMT", "10:00:00 GMT+02:00")),
        ("paloalto", SERVICE),
        ("paloalto", LEEF),
        ("paloalto", LEEF_2),
        ("paloalto", SERVICE_LEEF),
        ("paloalto", LEEF.replace("|cat=", "|\tcat=").replace("|src", "\tsrc").replace("|dst", "\tdst")),
        ("fortinet", FORTI),
        ("fortinet", ANALYZER),
        ("fortinet", OF_OLD),
        ("fortinet", SPELLED_OUT),
        ("fortinet", FORTI.replace("FTNTFGTeventtime=1795161600000000000", "start=Nov 20 2026 08:00:00")),
        ("fortinet", FORTI.replace("FTNTFGTeventtime=1795161600000000000", "start=Nov 20 2026 10:00:00.250 +0200")),
    ],
)
def test_a_session_is_the_same_however_it_is_written(encoding: str, line: str) -> None:
    assert detect(f"{line}\n".encode(), "auto", "x") == encoding
    row = only(read(encoding, line))
    assert told(row) == ("10.1.0.11", 50_001, "10.9.0.25", 993, 5_900, 1_200, STARTED)
    assert (row["app"], row["transport"], row["duration"]) == ("imap", "tcp", 56_000_000)


def test_a_device_s_own_clock_is_told_by_the_time_that_is_written_both_ways() -> None:
    """Berlin is where the device is; the source's zone is not asked."""
    assert told(only(read("paloalto", LEEF, zone="America/New_York")))[-1] == STARTED
    alone = LEEF.replace("devTime=Nov 20 2026 08:00:00 GMT", "devTime=")
    assert told(only(read("paloalto", alone, zone="Europe/Berlin")))[-1] == STARTED


@pytest.mark.parametrize("stamp", ["Nov 20 2026 08:00:00 GMT", "Nov 20 2026 10:00:00 GMT+02:00", "1795161600000"])
def test_a_time_is_of_the_zone_that_it_tells(stamp: str) -> None:
    forti = FORTI.replace("FTNTFGTeventtime=1795161600000000000", f"start={stamp}")
    pan = PAN.replace("Nov 20 2026 08:00:00 GMT", stamp)
    for encoding, line in (("fortinet", forti), ("paloalto", pan)):
        assert told(only(read(encoding, line, zone="America/New_York")))[-1] == STARTED


def test_ids_ports_after_translation_and_the_device_are_kept() -> None:
    line = FORTI.replace("proto=6", "proto=6 sourceTranslatedAddress=198.51.100.4 destinationTranslatedAddress=0.0.0.0")
    row = only(read("fortinet", line))
    assert (row["uid"], row["dvc"], row["src_translated_ip"], row["dest_translated_ip"]) == (
        "402",
        "FGT1",
        "198.51.100.4",
        None,
    )
    row = only(read("paloalto", PAN))
    assert (row["uid"], row["dvc"], row["packets_in"], row["packets_out"]) == ("007/22751", "007", 6, 5)


@pytest.mark.parametrize(
    ("encoding", "line", "why"),
    [
        ("paloalto", PAN.replace("|end|", "|start|"), "begin"),
        ("paloalto", SERVICE.replace("|end|", "|deny|").replace("act=allow", "act=drop"), "blocked"),
        ("paloalto", PAN.replace("in=1200 out=5900 ", ""), "no_counters"),
        ("paloalto", SERVICE.replace("TRAFFIC|end", "THREAT|url"), None),
        ("paloalto", LEEF_2.replace("SubType=end", "SubType=start"), "begin"),
        ("paloalto", LEEF_2.replace("|allow|", "|reset-both|"), "blocked"),
        ("paloalto", SERVICE_LEEF.replace("Action=allow", "Action=deny"), "blocked"),
        ("fortinet", FORTI.replace("act=close", "act=deny"), "blocked"),
        ("fortinet", SPELLED_OUT.replace("action=close", "action=deny"), "blocked"),
        ("fortinet", FORTI.replace("0000000013", "0000000015"), "begin"),
        ("fortinet", FORTI.replace("cat=traffic:", "cat=utm:"), None),
    ],
)
def test_what_is_no_session_s_end_is_ignored_by_its_reason(encoding: str, line: str, why: str | None) -> None:
    account = read(encoding, line).account
    assert (account.ignored, account.flows) == (1, 0)
    assert dict(account.warnings) == ({why: 1} if why else {})


def test_interim_records_of_a_fortigate_are_cumulative() -> None:
    assert only(read("fortinet", FORTI.replace("0000000013", "0000000020")))["accounting"] == "cumulative"


@pytest.mark.parametrize("tab", ["\t", "#011"])
def test_a_counter_that_leef_gives_twice_cannot_be_believed_however_its_tabs_are_written(tab: str) -> None:
    """rsyslog writes a tab as #011."""
    line = SERVICE_LEEF.replace("\t", tab)
    assert told(only(read("paloalto", line)))[4:6] == (5_900, 1_200)
    account = read("paloalto", f"{line}{tab}srcBytes=99").account
    assert (account.flows, dict(account.quarantined)) == (0, {"bad_line": 1})


@pytest.mark.parametrize(("encoding", "line"), [("paloalto", PAN), ("fortinet", FORTI)])
@pytest.mark.parametrize("again", [" in=9", " out=9", " src=192.0.2.9", " dst=192.0.2.9"])
def test_an_end_or_a_counter_that_is_given_twice_cannot_be_believed(encoding: str, line: str, again: str) -> None:
    account = read(encoding, f"{line} msg=x{again}").account
    assert (account.flows, dict(account.quarantined)) == (0, {"bad_line": 1})


def test_a_session_that_may_as_well_begin_as_have_ended_is_set_aside() -> None:
    account = read("paloalto", LEEF_2.replace("SubType=end|", ""), LEEF_2).account
    assert (account.flows, account.ignored, dict(account.quarantined)) == (1, 0, {"bad_line": 1})


def test_lines_of_both_kinds_keep_their_order() -> None:
    pairs = (
        'date=2026-11-20 time=08:00:00 devid="FGT1" logid="0000000013" type="traffic" srcip=10.1.0.12 dstip=10.9.0.25 '
        "srcport=1 dstport=993 sentbyte=1 rcvdbyte=2"
    )
    parsed = read("fortinet", FORTI, pairs, FORTI, "rubbish")
    assert parsed.rows["source_line"].to_list() == [1, 2, 3]
    assert dict(parsed.account.quarantined) == {"bad_line": 1}


@pytest.mark.parametrize("line", [FORTI, ANALYZER, OF_OLD])
def test_sessions_that_go_on_are_told_by_their_message_s_number(line: str) -> None:
    interim = read("fortinet", line.replace("00013", "00020"), line)
    assert interim.rows["accounting"].to_list() == ["cumulative", "final"]
    assert interim.rows["uid"].to_list() == ["402", "402"]

"""Documents of Elastic's integrations for firewalls, compared with the firewalls' own lines, which native formats read.

The documents have the shape that the integrations' own tests expect of such lines.
"""

import datetime as dt
import json
from typing import Any

import pytest

from tests.pipeline.sources.forms_read import read, rows
from tests.pipeline.sources.lines import read_lines

CLIENT, SERVER = "10.1.0.11", "192.0.2.25"
COLUMNS = ("src_ip", "src_port", "dest_ip", "dest_port", "other_bytes_in", "other_bytes_out", "start_time", "duration")
ENDED = "2026-11-20T00:00:10.000Z"
FORTIGATE = (
    'date=2026-11-20 time=00:00:10 devname="fw" devid="FG1" eventtime=1795132810000000000 tz="+0000" '
    'logid="0000000013" type="traffic" subtype="forward" level="notice" vd="root" srcip=10.1.0.11 srcport=50001 '
    'dstip=192.0.2.25 dstport=993 sessionid=7 proto=6 action="close" duration=30 sentbyte=77 rcvdbyte=5000 sentpkt=3'
)
SOPHOS = (
    'device_name="SFW" timestamp="2026-11-20T00:00:10+0000" log_type="Firewall" log_component="Firewall Rule" '
    'log_subtype="Allowed" duration=30 src_ip="10.1.0.11" dst_ip="192.0.2.25" protocol="TCP" src_port=50001 '
    'dst_port=993 bytes_sent=77 bytes_received=5000 con_event="Stop" con_id="7"'
)
SONICWALL = (
    '<134>  id=firewall sn=1 time="2026-11-20 00:00:10 UTC" fw=192.0.2.1 pri=6 c=1024 m=537 msg="Connection Closed" '
    "src=10.1.0.11:50001:X0 dst=192.0.2.25:993:X1 proto=tcp/993 sent=77 rcvd=5000 spkt=3 rpkt=4 cdur=30000"
)
WATCHGUARD = (
    '<142>Nov 20 00:00:10 fw FVE1 (2026-11-20T00:00:10) firewall: msg_id="3000-0151" Allow 1-Trusted 0-External tcp '
    '10.1.0.11 192.0.2.25 50001 993 app_id="63" duration="30" sent_bytes="77" rcvd_bytes="5000" (IMAP-00)'
)
JUNIPER = (
    "<14>1 2026-11-20T00:00:10.000Z fw RT_FLOW - RT_FLOW_SESSION_CLOSE [junos@2636.1.1.1.2.129 "
    'source-address="10.1.0.11" source-port="50001" destination-address="192.0.2.25" destination-port="993" '
    'protocol-id="6" session-id-32="7" packets-from-client="3" bytes-from-client="77" packets-from-server="4" '
    'bytes-from-server="5000" elapsed-time="30"]'
)
FTD = (
    "2026-11-20T00:00:10Z fw %FTD-6-430003: EventPriority: Low, {first}ConnectionID: 7, "
    f"AccessControlRuleAction: Allow, SrcIP: {CLIENT}, DstIP: {SERVER}, SrcPort: 50001, DstPort: 993, Protocol: tcp, "
    "ConnectionDuration: 30, InitiatorPackets: 3, ResponderPackets: 4, InitiatorBytes: 77, ResponderBytes: 5000"
)
STORMSHIELD = (
    'id=firewall time="2026-11-20 00:00:10" fw="SN1" tz=+0000 startime="2026-11-19 23:59:40" ipproto=tcp '
    "src=10.1.0.11 srcport=50001 dst=192.0.2.25 dstport=993 ipv=4 sent=77 "
    'rcvd=5000 duration=30.00 action=pass logtype="connection"'
)
SERVICE = (
    "CEF:0|Palo Alto Networks|LF|2.0|TRAFFIC|end|3|dtz=UTC rt=Nov 20 2026 00:00:12 deviceExternalId=1 "
    "start=Nov 20 2026 00:00:10 src=10.1.0.11 dst=192.0.2.25 cn1=7 cn1Label=SessionID cnt=1 spt=50001 dpt=993 "
    "proto=tcp act=allow PanOSBytes=5077 out=77 in=5000 PanOSSessionStartTime=Nov 19 2026 23:59:40 cn3=30 "
    "cn3Label=SessionDuration reason=aged-out dvchost=fw"
)


def document(dataset: str, sides: tuple[int, int] = (77, 5_000), **more: Any) -> dict[str, Any]:
    """A document of a session of 30 seconds that was logged when it ended, with the bytes of source and destination."""
    event = {"dataset": dataset, "duration": 30_000_000_000, "type": ["end"]} | more.pop("event", {})
    ends = {
        "source": {"ip": CLIENT, "port": 50_001, "bytes": sides[0]},
        "destination": {"ip": SERVER, "port": 993, "bytes": sides[1]},
    }
    return {"@timestamp": ENDED, "event": event, "network": {"transport": "tcp"}} | ends | more


def prisma(kind: str = "TRAFFIC", name: str = "end", duration: int = 30, received: int = 5_000) -> dict[str, Any]:
    """A document of Prisma Access, whose ends are lists, and whose durations are seconds as they were logged."""
    event = {"start": "2026-11-19T23:59:40.000Z", "duration": duration, "action": "allow", "type": ["info"]}
    own = {"event": {"class_id": kind, "cef": {"name": name}, "session": {"id": "7"}}}
    made = document("prisma_access.event", (77, received), event=event, prisma_access=own)
    return made | {end: made[end] | {"ip": [made[end]["ip"]]} for end in ("source", "destination")}


AS_START = {"event": {"start": ENDED, "end": "2026-11-20T00:00:40.000Z"}}
LINES = {
    "fortinet": (FORTIGATE, document("fortinet_fortigate.log", event={"start": ENDED})),
    "sophos": (SOPHOS, document("sophos.xg", **AS_START, sophos={"xg": {"log_type": "Firewall"}})),
    "sonicwall": (SONICWALL, document("sonicwall_firewall.log", event={"code": "537"})),
    "watchguard": (WATCHGUARD, document("watchguard_firebox.log", (5_000, 77))),
    "juniper": (JUNIPER, document("juniper_srx.log", **AS_START)),
    "stormshield": (
        STORMSHIELD,
        document(
            "stormshield.log",
            event={"start": "2026-11-20T00:59:40.000+01:00"},
            stormshield={"logtype": "connection"},
        ),
    ),
    "paloalto": (SERVICE, prisma()),
}
PROXY = (
    "fortinet",
    FORTIGATE,
    document("fortinet_fortiproxy.log", event={"start": ENDED}, fortinet={"proxy": {"type": "traffic"}}),
)


@pytest.mark.parametrize(("encoding", "line", "made"), [(n, *pair) for n, pair in LINES.items()] + [PROXY])
def test_a_document_tells_what_the_firewall_s_own_line_tells(encoding: str, line: str, made: dict[str, Any]) -> None:
    native = read_lines(encoding, [line]).rows
    parsed = read("ecs", made)
    sides = [native[f"{layer}_bytes_in"][0] for layer in ("ip", "other")]
    (told,) = rows(parsed, *COLUMNS)
    assert told[:4] == native.select(COLUMNS[:4]).row(0) == (CLIENT, 50_001, SERVER, 993)
    assert told[4:6] == (5_000, 77)
    assert 5_000 in sides
    assert told[6:] == native.select(COLUMNS[6:]).row(0)
    assert told[6].isoformat() == "2026-11-19T23:59:40+00:00"


FIRST = "2026-11-19T23:59:40Z"


TOLD = {"security_event": {"first_packet_second": FIRST}}


@pytest.mark.parametrize(
    ("first", "start", "end"), [(TOLD, -60, -30), (TOLD, -30, 0), (TOLD, 0, 30), ({}, -30, 0), ({}, 0, 30)]
)
def test_a_connection_of_firepower_begins_with_its_first_packet_whatever_the_pipeline_took(
    first: dict[str, Any], start: int, end: int
) -> None:
    """Elastic's took the duration off the first packet, then the log's time for it where none is told."""
    ended = dt.datetime(2026, 11, 20, 0, 0, 10, tzinfo=dt.UTC)
    times = {k: (ended + dt.timedelta(seconds=s)).isoformat() for k, s in (("start", start), ("end", end))}
    made = document("cisco_ftd.log", event={**times, "code": "430003"}, cisco={"ftd": first})
    line = FTD.replace("{first}", f"FirstPacketSecond: {FIRST}, " if first else "")
    assert rows(read("ecs", made), *COLUMNS) == rows(read_lines("asa", [line]), *COLUMNS)


def test_of_prisma_access_sessions_that_ended_count() -> None:
    beginning, tunnel = prisma(name="start", duration=0, received=0), prisma("TUNNEL")
    later = prisma(duration=30_000_000_000)  # Should its pipeline come to tell nanoseconds, as the schema asks.
    parsed = read("ecs", beginning, prisma(), tunnel, later)
    assert rows(parsed, "other_bytes_in", "duration", "uid") == [(5_000, 30_000_000, "7")] * 2
    assert dict(parsed.account.warnings) == {"begin": 1}


@pytest.mark.parametrize(("product", "kind"), [("LF", {"code": "TRAFFIC"}), ("PAN-OS", {"code": "start"})])
def test_sessions_that_begin_in_cef_of_pan_os_are_no_flows(product: str, kind: dict[str, str]) -> None:
    name = "start" if product == "LF" else "TRAFFIC"
    cef = {"device": {"vendor": "Palo Alto Networks", "product": product}, "name": name}
    parsed = read("ecs", document("cef.log", event=kind, cef=cef))
    assert (parsed.account.flows, dict(parsed.account.warnings)) == (0, {"begin": 1})


def test_utm_logs_of_a_proxy_repeat_counters() -> None:
    parsed = read("ecs", document("fortinet_fortiproxy.log", fortinet={"proxy": {"type": "utm"}}))
    assert parsed.account.flows == 0


def test_starts_that_are_told_stay() -> None:
    true = document("juniper_srx.log", event={"start": "2026-11-19T23:59:40.000Z", "end": ENDED})
    zeek = document("zeek.connection")
    parsed = read("ecs", true, zeek, document("cisco_asa.log", event={"start": "2026-11-19T23:59:40Z", "end": ENDED}))
    starts = [t.isoformat() for t in parsed.rows["start_time"]]
    assert starts == ["2026-11-19T23:59:40+00:00", "2026-11-20T00:00:10+00:00", "2026-11-19T23:59:40+00:00"]
    assert set(parsed.rows["duration"]) == {30_000_000}


def test_times_without_a_zone_stay_of_the_source_s() -> None:
    header = "@timestamp,event.dataset,event.duration,source.ip,source.port,destination.ip,destination.port,"
    ends = f"{CLIENT},50001,{SERVER},993,77,5000"
    lines = [f"{header}source.bytes,destination.bytes"]
    lines += [
        f"{time},barracuda_cloudgen_firewall.log,30000000000,{ends}" for time in ("2026-11-20T00:00:10.000", ENDED)
    ]
    parsed = read_lines("ecs_csv", lines, "America/New_York")
    assert [t.isoformat() for t in parsed.rows["start_time"]] == [
        "2026-11-20T04:59:40+00:00",
        "2026-11-19T23:59:40+00:00",
    ]


def test_requests_and_beginnings_that_repeat_a_connection_s_counters_are_no_flows() -> None:
    others = [
        document("sonicwall_firewall.log", event={"code": "98", "type": ["connection", "start"]}),
        document("watchguard_firebox.log", event={"duration": None}),
        document("sophos.xg", sophos={"xg": {"log_type": "Content Filtering"}}),
        document("stormshield.log", stormshield={"logtype": "web"}),
        document("fortinet_fortigate.log", fortinet={"firewall": {"type": "traffic", "subtype": "http-transaction"}}),
        document("fortinet_fortiproxy.log", fortinet={"proxy": {"type": "traffic", "subtype": "http-transaction"}}),
    ]
    parsed = read("ecs", *others)
    assert (parsed.account.flows, dict(parsed.account.warnings)) == (0, {"requests": 6})
    interim = document("sophos.xg", sophos={"xg": {"log_type": "Firewall", "con_event": "Interim"}})
    assert read("ecs", json.loads(json.dumps(interim))).rows["accounting"].to_list() == ["cumulative"]


@pytest.mark.parametrize(
    ("vendor", "product", "sides"),
    [
        ("Fortinet", "Fortigate", (5_000, 77)),
        ("Check Point", "VPN-1 & FireWall-1", (5_000, 77)),
        ("SonicWall", "NSv 270", (5_000, 77)),
        ("Palo Alto Networks", "LF", (5_000, 77)),
        ("Palo Alto Networks", "PAN-OS", (77, 5_000)),
        ("Example", "Wall", (77, 5_000)),
    ],
)
def test_filebeat_and_logstash_take_in_of_cef_for_the_source_s_bytes(
    vendor: str, product: str, sides: tuple[int, int]
) -> None:
    device = {"vendor": vendor, "product": product}
    event, name = (
        {"code": "537" if vendor == "SonicWall" else "00020"},
        {"name": "traffic:forward close", "version": "0"},
    )
    analyzer = name | {"name": "forward traffic close"}
    filebeat = document("cef.log", sides, event=event, cef={"device": device, **name})
    logstash = document("cef", sides, event=event, cef=name, observer=device)
    relayed = document("cef.log", sides, event=event, cef={"device": device, **analyzer})
    interim = "cumulative" if vendor == "Fortinet" else "final"
    parsed = read("ecs", filebeat, logstash, relayed)
    assert rows(parsed, "other_bytes_in", "other_bytes_out", "accounting") == [(5_000, 77, interim)] * 3


def test_other_logs_of_fortigate_in_cef_repeat_the_traffic_log_s_counters() -> None:
    cef = {"device": {"vendor": "Fortinet", "product": "Fortigate"}}
    names = ("utm:webfilter ftgd_allow", "traffic:http-transaction", "http-transaction traffic accept")
    parsed = read("ecs", *(document("cef.log", cef=cef | {"name": name}) for name in names))
    assert (parsed.account.flows, dict(parsed.account.warnings)) == (0, {"requests": 3})


@pytest.mark.parametrize("code", ["97", "98"])
def test_other_messages_of_sonicwall_in_cef_repeat_the_counters_of_connections_that_close(code: str) -> None:
    cef = {"device": {"vendor": "SonicWall", "product": "NSv 270"}, "name": "Connection Opened"}
    parsed = read("ecs", document("cef.log", event={"code": code}, cef=cef))
    assert (parsed.account.flows, dict(parsed.account.warnings)) == (0, {"requests": 1})


def test_aws_network_firewall_s_flows_tell_one_direction() -> None:
    flow = {
        "bytes": 5_000,
        "pkts": 8,
        "id": "7",
        "start": "2026-11-20T07:00:00.0+0000",
        "end": "2026-11-20T07:01:00.0+0000",
    }
    ends = {"source": {"ip": "10.9.0.25", "port": 993}, "destination": {"ip": "10.1.0.11", "port": 50_001}}
    event = {"event": {"dataset": "aws.firewall_logs"}, "@timestamp": "2026-11-20T08:00:00Z"}
    parsed = read("ecs", event | ends | {"aws": {"firewall": {"flow": flow}}})
    columns = ("src_ip", "other_bytes_in", "other_bytes_out", "packets_in", "duration", "accounting")
    assert rows(parsed, *columns) == [("10.1.0.11", 5_000, None, 8, 60_000_000, "delta")]
    assert parsed.rows["start_time"].dt.hour().to_list() == [7]


def test_umbrella_s_size_of_one_packet_is_no_flow_s_bytes() -> None:
    packet = {"@timestamp": "2026-11-20T08:00:00Z", "event": {"dataset": "cisco_umbrella.log"}}
    packet |= {"source": {"ip": "10.1.0.11", "bytes": 84}, "destination": {"ip": "10.9.0.25"}}
    times = {"first_packet_timestamp": "2026-11-20T07:00:00Z", "last_packet_timestamp": "2026-11-20T07:01:00Z"}
    session = packet | {"cisco": {"umbrella": times}, "destination": {"ip": "10.9.0.25", "bytes": 5_000}}
    parsed = read("ecs", packet, session)
    assert rows(parsed, "other_bytes_in", "other_bytes_out", "duration") == [(5_000, 84, 60_000_000)]
    assert dict(parsed.account.warnings) == {"packets": 1}


def test_of_cloudflare_s_spectrum_connections_that_ended_count() -> None:
    def event(action: str) -> dict[str, Any]:
        told = {"spectrum_event": {"action": action}}
        return document("cloudflare_logpush.spectrum_event", event={"action": action}, cloudflare_logpush=told)

    parsed = read("ecs", *map(event, ("connect", "progress", "clientFiltered", "disconnect")))
    assert (parsed.account.flows, dict(parsed.account.warnings)) == (1, {"begin": 2, "blocked": 1})


def test_the_device_behind_cloudflare_s_tunnel_is_the_client() -> None:
    record = document("cloudflare_logpush.network_session", (77, 5_000))
    inside = {"network_session": {"source": {"internal_ip": "10.1.0.12", "ip": "203.0.113.9"}}}
    parsed = read("ecs", record | {"cloudflare_logpush": inside}, record)
    columns = ("src_ip", "other_bytes_in", "other_bytes_out")
    assert rows(parsed, *columns) == [("10.1.0.12", 5_000, 77), (CLIENT, 5_000, 77)]


def decoded(vendor: str, product: str = "x", **more: Any) -> dict[str, Any]:
    device = {"version": "0", "device": {"vendor": vendor, "product": product}, **more.pop("cef", {})}
    return document("cef.log", cef=device, **more)


def test_cef_that_filebeat_decodes_is_read_as_its_vendor_means_it() -> None:
    """Of Illumio what an interval added, told by both ends; packets, detections and requests count nothing."""
    added = {"extensions": {"deviceCustomNumber2": 77, "deviceCustomNumber3": 5_000}}
    ways = [{"network": {"direction": way, "transport": "tcp"}} for way in ("inbound", "outbound")]
    illumio = [decoded("Illumio", cef=added, source={"ip": CLIENT, "bytes": 900}, **way) for way in ways]
    others = [
        decoded("Trend Micro", "Deep Security Agent"),
        decoded("Vectra Networks"),
        decoded("UserGate", cef={"name": "log"}, event={"code": "webaccess", "dataset": "cef.log"}),
    ]
    going_on = decoded("FORCEPOINT", event={"code": "70026", "dataset": "cef.log"})
    parsed = read("ecs", *illumio, *others, going_on)
    assert rows(parsed, "other_bytes_in", "other_bytes_out", "reporter", "accounting") == [
        (5_000, 77, "dest", "delta"),
        (5_000, 77, "src", "delta"),
    ]
    assert parsed.account.warnings == {"packets": 1, "requests": 2, "begin": 1}
    usergate = decoded("UserGate", cef={"name": "firewall"}, event={"code": "traffic", "dataset": "cef.log"})
    assert rows(read("ecs", usergate), "other_bytes_in", "other_bytes_out") == [(5_000, 77)]


def test_an_asa_s_one_count_in_cef_is_of_both_directions() -> None:
    parsed = read("ecs", decoded("CISCO", "ASA", source={"ip": CLIENT, "bytes": 7_100}, destination={"ip": SERVER}))
    assert rows(parsed, "other_bytes_in", "other_bytes_out") == [(None, None)]
    assert parsed.account.warnings == {"direction_unknown": 1}

"""Flow logs that only a table maps are named, with a mapping that the configuration takes, of the log's own columns."""

import json
import re

import pytest
import yaml

from pipeline.errors import SourceError
from pipeline.settings import SourceSettings
from pipeline.sources.registry import detect

LOGS = {
    "CICFlowMeter (CIC-IDS2017)": "Flow ID, Source IP, Source Port, Destination IP, Destination Port, Protocol, "
    "Timestamp, Flow Duration, Total Fwd Packets,Total Length of Fwd Packets, Total Length of Bwd Packets, Label",
    "CICFlowMeter": "Flow ID,Src IP,Src Port,Dst IP,Dst Port,Protocol,Timestamp,TotLen Fwd Pkts,TotLen Bwd Pkts",
    "UNSW-NB15": "srcip,sport,dstip,dsport,proto,state,dur,sbytes,dbytes,sttl,dttl,sloss,dloss,service,Stime,Ltime",
    "CODEX": '{"flow.src.ip.addr":"a","flow.dst.ip.addr":"b","flow.src.l4.port.id":1,"flow.dst.l4.port.id":2,'
    '"flow.bytes":9,"flow.start.timestamp":"t","l4.proto.name":"TCP"}',
    "Calico": '{"start_time":1795161600,"end_time":1795161900,"source_ip":"a","source_port":1,"source_name_aggr":"pub",'
    '"dest_ip":"b","dest_port":2,"proto":"tcp","action":"allow","reporter":"dst","bytes_in":9,"bytes_out":90}',
    "Antrea": '{"flowStartSeconds":"2026-11-20 08:00:00","flowEndSeconds":"2026-11-20 08:00:30","sourceIP":"a",'
    '"destinationIP":"b","sourceTransportPort":1,"destinationTransportPort":993,"protocolIdentifier":6,'
    '"octetDeltaCount":"420","reverseOctetDeltaCount":"5420","sourcePodName":"p"}',
    "Illumio": '{"interval_sec":600,"count":7,"dst_tbi":7000,"dst_tbo":27000,"dst_dbi":1200,"dst_dbo":5900,'
    '"src_ip":"a","dst_ip":"b","dst_port":993,"proto":6,"dir":"I","pd":0,"timestamp":"2026-11-20T08:00:00Z"}',
    "Illumio's": "TimeGenerated,dst_dbi,dst_dbo,dst_tbi,dst_tbo,src_ip,dst_ip,proto,dst_port,dir,Type",
    "flow-tools": "#:unix_secs,unix_nsecs,sysuptime,exaddr,dpkts,doctets,first,last,engine_type,engine_id,srcaddr,"
    "dstaddr,nexthop,input,output,srcport,dstport,prot,tos,tcp_flags",
    "NEMEA": "ipaddr DST_IP,ipaddr SRC_IP,uint64 BYTES,uint64 BYTES_REV,time TIME_FIRST,time TIME_LAST,"
    "uint32 PACKETS,uint16 DST_PORT,uint16 SRC_PORT,uint8 PROTOCOL",
    "Zscaler Private Access": '{"LogTimestamp":"Fri Nov 20 08:00:00 2026","ConnectionID":"a,b",'
    '"ConnectionStatus":"close","IPProtocol":6,"ClientPublicIP":"198.51.100.7","ServerIP":"10.1.0.25","ServerPort":993,'
    '"TimestampConnectionStart":"2026-11-20T08:00:00.250Z","ZENTotalBytesRxClient":420,"ZENTotalBytesTxClient":5420}',
}


@pytest.mark.parametrize("name", LOGS)
def test_the_mapping_that_is_told_is_one_of_the_log_s_own_columns(name: str) -> None:
    with pytest.raises(SourceError, match=re.escape(name)) as told:
        detect(f"{LOGS[name]}\n".encode(), "auto", "x")
    assert told.value.remedy is not None
    fields = yaml.safe_load(re.search(r"fields: (\{.*?\})", told.value.remedy)[1])  # type: ignore[index]
    assert SourceSettings(name="x", path="x.csv", format="table", fields=fields).fields == fields
    keys = [*re.split(r'[",{}:] ?', LOGS[name]), *LOGS[name].split(",")]
    assert set(fields.values()) <= set(keys)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("59.1,x", "no known format"),
        (
            "1795161600,1795161630,1795161630,1795161630,3,10.1.0.11,10.9.0.25,44752,993,6,10,420,10,420,9,9000,9,5420,a",
            "Antrea's Flow Aggregator uploads",
        ),
        (
            "Source IP      Destination IP  Prot SPort Dport Cntr Prio ToS Age Destination TAge Packets Bytes",
            "no times",
        ),
        ("Nov 20 08:00:00 ctl authmgr[1]: TCP srcip=10.1.0.11 srcport=5 dstip=198.51.100.25, permit", "and no bytes"),
        ('{"username":"u","apphost":"mail.example.com","clientip":"10.1.0.11","idpinfo":"x","resp_size":9}', "Akamai"),
        (
            "<134>Nov 20 08:01:00 bigip1 tmm[1]: client=10.1.0.11:50001 server=10.9.0.25:993 bytes_in=4 bytes_out=9",
            "pairs that name two ends and bytes",
        ),
        (
            "3 123456789012 - 2001:db8::1 10.0.0.1 42910 80 17 5 336 1795161600 1795161660 REJECT NODATA - -",
            "VPC .*header",
        ),
        (
            "2,123456789012,eni-1,10.0.0.1,10.0.0.2,443,531,6,1,10,1795161600,1795161660,ACCEPT,OK,vpc-1",
            "version,srcaddr",
        ),
        ("---\ninsertId: a1\njsonPayload:\n  bytes_sent: '5000'\n", "YAML"),
        ('"All_Traffic.src","All_Traffic.dest","sum(All_Traffic.bytes_in)",count', "sums over flows"),
        ("Event time               Event  XEvent Proto      Src IP Addr:Port          Dst IP", "events .NSEL."),
        ("Date first seen          Event  XEvent Proto      Src IP Addr:Port          Dst IP", "events .NSEL."),
        (
            "Top 10 IP Addr ordered by flows:\nDate first seen          Duration Proto   IP Addr   Flows(%)  Bytes(%)",
            "statistics",
        ),
        ("Top 10 flows ordered by bytes:\nDate first seen          Duration Proto   Src IP Addr:Port", "statistics"),
        (
            "timestamp=2026/11/20-08:01:00,orig.ip.saddr=10.1.0.11,orig.ip.daddr=10.9.0.25,orig.raw.pktlen=1000",
            "GPRINT",
        ),
        ("Flow Record: \n  Flags        =              0x06 FLOW, Unsampled", "nfdump prints raw"),
        ("2|1795161600|123|1795161660|456|6|0|0|0|167837957|50000|0|0|0|3221225993|993|0|0|1|2|27|0|10|1", "bars"),
        (
            "<14>Nov 20 08:00:02 PA 1,11/20/26 8:00,180,TRAFFIC,end,2049,11/20/26 8:00,10.1.0.11,198.51.100.25,0.0.0.0",
            "a spreadsheet",
        ),
        (
            '<85>Nov 20 08:00:00 gw Action="accept" UUid="{0x6a,0x1,0x0,0x0}" src="10.1.0.11" dst="198.51.100.25" '
            'svc="993" client_inbound_bytes="420" ProductName="VPN-1 & FireWall-1"',
            "Quantum Spark",
        ),
        (
            '<134>1 2026-11-20T08:00:00Z waf - - - LogType="TR" UnitName="waf" ServiceIP="10.9.0.25" BytesSent="5900"',
            "Barracuda web application firewall's",
        ),
        (
            '2026-11-20 08:00:00.1 +0000 waf TR 10.9.0.25 443 10.1.0.11 50001 "-" "-" GET TLSv1.2 mail.example.com',
            "Barracuda web application firewall's",
        ),
        (
            '{"_source":{"clientAddr":{"type":"ipaddr4","value":["10.1.0.11"]},"clientBytes":6},"_type":"~flow"}',
            "ExtraHop's",
        ),
        (
            "Nov 20 08:00:00 g CEF:23|Gigamon|metadata|6.4.00|4|metadata|6|src_ip=10.1.0.11 src_bytes=6",
            "CEF of Gigamon",
        ),
        ('{"action_local_ip":["10.1.0.11"],"action_total_download":5420,"action_total_upload":420}', "Cortex XDR's"),
        ('{_path:"conn",ts:2026-11-20T08:00:00.25Z,uid:"C1",id:{orig_h:10.1.0.11}}', "ZSON"),
        ('"2026-11-20 08:00:00","[1]","Monitor", "CDFW Tunnel Device","OUTBOUND","6","84"', "Cisco Umbrella's"),
        ("<?xml version='1.0' encoding='UTF-8'?>\n<results preview='0'>\n<meta>", "Splunk's XML"),
        ("10.0.0.1,1390,10.0.0.2,53,udp,CON,0.001055,132,164,31,29,0,0,dns", "without its header"),
        ("#15#c_ip:1 c_port:2 c_pkts_all:3 c_bytes_all:9 s_ip:15 s_port:16", "Tstat"),
        ("SRC_IP,DST_IP,SRC_PORT,DST_PORT,TCP_FLAGS,PROTOCOL,PACKETS,BYTES", "pmacct without times"),
        ("type=IPFIX time_flow_start_ns=1795161600000000000 bytes=9 src_addr=10.0.0.1 dst_addr=10.0.0.2", "goflow2"),
        ("Nov 20 08:00:00 gw [DESTROY] ORIG: SRC=10.1.0.11 DST=192.0.2.25 PROTO=TCP SPT=1 DPT=993 PKTS=1", "ulogd"),
        ('<?xml version="1.0"?>\n<conntrack>\n<flow type="destroy"><meta direction="original">', "conntrack as XML"),
        (
            "2026-11-20 08:00:00.000 - 08:00:42.000 (42.000 sec) tcp 10.1.0.11:50001 => 192.0.2.25:993 0a:0b S/APSF "
            "(3/200 <-> 4/5200) rtt 10 ms",
            "yafscii",
        ),
        ('<174>Nov 20 08:00:00 uvm[0]: {"class":"class com.untangle.uvm.app.SessionStatsEvent"}', "Untangle"),
        ("Dst Port,Protocol,Timestamp,TotLen Fwd Pkts,TotLen Bwd Pkts", "without the ends"),
        ("<134>fw: NetScreen device_id=fw system-notification-00257(traffic): start_time=", "ScreenOS"),
        ('<142>Nov 20 10:01:00 usg src="10.0.0.1:5" dst="10.0.0.2:993" msg="Traffic Log" sent=1 rcvd=2', "Zyxel"),
        ("FW: CONN: event=conn_close conn=close connsrcip=10.0.0.1 origsent=1 termsent=2 conntime=6", "Clavister"),
        ("%FW-6-SESS_AUDIT_TRAIL: Stop tcp session: initiator (10.0.0.1:5) sent 22 bytes -- ", "Cisco router's"),
        ("TCP CONN_TERMINATE 1 0 : Source 10.0.0.1:5 - Destination 10.0.0.2:993 - Total_bytes_send 1", "NetScaler"),
        (
            "[20/Nov/2026 08:00:00] [ID] 6 [Rule] NAT [Connection] TCP 10.1.0.11:5 -> 192.0.2.25:993 [Duration] 9 sec "
            "[Bytes] 420/5420/5840 [Packets] 5/9/14",
            "Kerio Control's",
        ),
        (
            "<158>Nov 20 08:00:00 edge velocloud.sdwan: ACTION=VCF Close SID=1 PROTO=TCP SRC=10.1.0.11 DST=192.0.2.25 "
            "SPT=50001 DPT=993 DURATION_SECS=9 BYTES_SENT=420 BYTES_RECEIVED=5420",
            "VeloCloud",
        ),
        ("haproxy[7]: 10.0.0.1:5 [20/Nov/2026:10:00:00.000] imaps mail/mx1 1/0/5 5420 -- 1/1/1/1/0 0/0", "HAProxy's"),
        ('{"start_time":"2026-11-20T08:00:00Z","downstream_remote_address":"10.1.0.11:5","bytes_sent":9}', "Envoy's"),
        ('{"remote_addr":"10.1.0.11","bytes_sent":"9","upstream_bytes_received":"9","session_time":"1.0"}', "NGINX's"),
        ('{"remote_addr":"10.1.0.11","server_addr":"10.9.0.25","bytes_sent":"9","session_time":"1.0"}', "NGINX's"),
        ("tls 2.0 2026-11-20T10:00:00 net/lb/1 2 10.0.0.1:5 10.0.0.2:993 5 2 98 246 - - -", "load balancer's"),
        ("<1>Nov 20 08:00:00 fw CEF:0|Some Vendor|Fw 7|1|x|y|3|in=1 out=2", "CEF of Some Vendor Fw 7,"),
        ("<1>Nov 20 08:00:00 fw CEF: 0|Some Vendor|Fw 7|1|x|y|3|in=1 out=2", "CEF of Some Vendor Fw 7,"),
        ("0|Some Vendor|Fw 7|1|x|y|3|src=192.0.2.1 in=1 out=2", "without its first word"),
        ("Nov 20 08:00:00 fw  0|Fortinet|Fortigate|v7|13|x|3|src=192.0.2.1 in=1 out=2", "without its first word"),
        ('{"programname": "CEF", "msg": "0|Fortinet|Fortigate|v7|13|x|3|src=192.0.2.1 in=1 out=2"}', "its first word"),
        ("2.0|Some Vendor|Fw 7|1|accept|src=192.0.2.1\tsrcBytes=1\tdstBytes=2", "without its first word"),
    ],
)
def test_what_cannot_be_mapped_as_it_is_is_named(line: str, what: str) -> None:
    with pytest.raises(SourceError, match=f"is .*{what}"):
        detect(f"{line}\n".encode(), "auto", "x")


def test_packets_by_the_time_at_which_they_came_are_refused_and_not_ignored() -> None:
    """What python-netflow-v9-softflowd writes, whose times nothing here can tell."""
    flow = {"IPV4_SRC_ADDR": "10.1.0.11", "IPV4_DST_ADDR": "192.0.2.25", "IN_BYTES": 600, "FIRST_SWITCHED": 1_000}
    packet = {"client": ["192.0.2.1", 2055], "header": {"version": 9, "uptime": 1_000_000}, "flows": [flow]}
    with pytest.raises(SourceError, match=r"exporter's uptime.*nfcapd or goflow2"):
        detect(json.dumps({"1795161600.25": packet}).encode(), "auto", "x")


def test_flows_as_spans_of_opentelemetry_are_named_and_other_traces_hold_nothing() -> None:
    """By OTLP's rules a trace carries no lines, so that a file of flows as spans was an hour without any."""
    flow = [{"key": "source.address", "value": {"stringValue": "10.1.0.11"}},
            {"key": "flow.bytes.delta", "value": {"intValue": "600"}}]  # fmt: skip
    for attributes in (flow, [{"key": "http.route", "value": {"stringValue": "/"}}]):
        span = {"name": "x", "startTimeUnixNano": "1795161600250000000", "attributes": attributes}
        trace = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode() + b"\n"
        if attributes is flow:
            with pytest.raises(SourceError, match=r"spans are flows of a network.*format: table"):
                detect(trace, "auto", "x")
        else:
            assert detect(trace, "auto", "x") is None

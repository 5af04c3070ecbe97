"""Logs that tell no bytes are named, with what to do instead, and what they lie beside is read."""

import time

import pytest

from pipeline.errors import SourceError
from pipeline.sources.base import HEAD_BYTES
from pipeline.sources.registry import detect
from tests.pipeline.sources.formats.test_sophos import DEVICE

LOGS = {
    "Meraki": [
        "<134>1 1795161600.997155282 MX ip_flow_start src=10.1.0.11 dst=198.51.100.25 protocol=tcp sport=5 dport=993",
        "<134>1 1795161600.289402144 MX flows allow src=10.1.0.11 dst=198.51.100.25 mac=00:00:5E:00:53:01 protocol=udp",
        "<134>1 1795161600.721741837 MX firewall src=2001:db8::1 dst=2001:db8::2 protocol=udp pattern: allow all",
    ],
    "pfSense": [
        "Nov 20 08:00:00 fw filterlog[123]: 4,,,1000000103,igb0,match,pass,out,4,0x0,,64,0,0,DF,6,tcp,60,10.1.0.11",
        "<134>Nov 20 08:00:00 filterlog: 4,,,1000000103,igb0,match,pass,out,4,0x0,,64,0,0,DF,6,tcp,60,10.1.0.11",
        '<134>1 2026-11-20T08:00:00+00:00 fw filterlog 12 - [meta sequenceId="1"] 4,,,02,igb0,match,pass,out,4',
    ],
    "netfilter": [
        "Nov 20 08:00:00 fw kernel: [1.2] [UFW ALLOW] IN= OUT=eth0 MAC=x SRC=10.1.0.11 DST=198.51.100.25 LEN=60 "
    ],
    "MikroTik": ["Nov 20 08:00:00 r1 forward: in:bridge out:ether1, connection-state:new src-mac x, proto TCP (SYN), "],
    "Windows": ["#Version: 1.5\n#Fields: date time action protocol src-ip dst-ip src-port dst-port size"],
    "Defender": [
        "Timestamp,DeviceId,ActionType,RemoteIP,RemotePort\n2026-11-20T08:00:00Z,a,ConnectionSuccess,198.51.100.25,993",
        '{"category":"AdvancedHunting-DeviceNetworkEvents","properties":{"RemoteIP":"198.51.100.25"}}',
    ],
    "Sysmon": [
        '{"EventID":3,"SourceName":"Microsoft-Windows-Sysmon","SourceIp":"10.1.0.11","DestinationIp":"198.51.100.25"}',
        "<Event><System><Provider Name='Microsoft-Windows-Sysmon'/></System><Data Name='DestinationIp'>x</Data>",
    ],
    "Azure Firewall": [
        f'{{"category":"AZFW{kind}","properties":{{"SourceIp":"10.1.0.11","DestinationIp":"198.51.100.25"}}}}'
        for kind in ("NetworkRule", "FatFlow", "FlowTrace")
    ],
    "CrowdStrike, Carbon Black, SentinelOne": [
        '{"event_simpleName":"NetworkConnectIP4","LocalAddressIP4":"10.1.0.11","RemoteAddressIP4":"198.51.100.25"}',
        '{"type":"netconn","local_ip":"10.1.0.11","remote_ip":"198.51.100.25","remote_port":993}',
        '{"type":"endpoint.event.netconn","local_ip":"10.1.0.11","remote_ip":"198.51.100.25"}',
        '{"event.type":"IP Connect","src.ip.address":"10.1.0.11","dst.ip.address":"198.51.100.25"}',
    ],
    "Cloudflare's network analytics": [
        '{"Datetime":"2026-11-20T08:00:00Z","IPSourceAddress":"203.0.113.7","IPTotalLength":76,"SampleInterval":10000}'
    ],
    "tcpdump": ["08:00:00.123456 IP 10.1.0.11.50001 > 198.51.100.25.993: Flags [P.], seq 1:37, length 36"],
    "mail server": [
        "Nov 20 08:00:00 mx dovecot: imap-login: Login: user=<a>, method=PLAIN, rip=10.1.0.11, lip=198.51.100.25, TLS",
        "Nov 20 08:00:00 mx postfix/smtpd[7]: connect from unknown[10.1.0.11]",
        "#Software: Microsoft Exchange Server\n#Log-type: IMAP4 Log\n#Fields: dateTime,sessionId,sIp,cIp,rqsize,rpsize",
    ],
    "web server or proxy": [
        "#Software: IIS\n#Fields: date time s-ip cs-method s-port c-ip sc-status sc-bytes cs-bytes time-taken",
        "1795161600.779    180 10.1.0.11 TCP_MISS/200 41100 GET http://example.com/ - HIER_DIRECT/198.51.100.25",
        '10.1.0.11 - - [20/Nov/2026:08:00:00 +0000] "POST /EWS/Exchange.asmx HTTP/1.1" 200 5420',
    ],
    "Cato Networks": [
        '{"ISP_name":"a","dest_ip":"198.51.100.25","event_sub_type":"Internet Firewall","src_is_site_or_vpn":"a"}'
    ],
    "Tetragon": [
        '{"process_kprobe":{"process":{"pid":1,"binary":"/usr/bin/curl"},"function_name":"tcp_connect","args":[{"sock_arg":'
        '{"family":"AF_INET","saddr":"10.1.0.11","daddr":"198.51.100.25","sport":50001,"dport":993}}]},"node_name":"n"}'
    ],
    "Hubble": [
        f'{{"flow":{{"verdict":"{verdict}","IP":{{"source":"10.1.0.11","destination":"198.51.100.25"}}}}}}'
        for verdict in ("FORWARDED", "ERROR", "TRANSLATED")
    ],
    "Goldmane": [
        '{"flow":{"sourceName":"a","destName":"mail-*","destNamespace":"mail","destPort":"993","bytesIn":"9"}}',
        '{"source_name":"a","dest_name":"mail-*","dest_namespace":"mail","dest_port":993,"bytes_in":9,"bytes_out":90}',
    ],
    "NSX": ["2026-11-20T08:00:00.1Z 7396c504 INET TERM m/1024 OUT TCP RST 10.1.0.11/5->198.51.100.25/993 20/16 17/76"],
    "F5": [
        'Nov 20 08:00:00 bigip info tmm[1]: 23003137 "192.0.2.1","bigip","Virtual","/Common/vs","r","10.1.0.11"',
        'acl_policy_name="/Common/p",action="Accept",dest_ip="198.51.100.25",dest_port="993",source_port="50001"',
    ],
    "Antrea": [
        f"1795161600,1795161660,10.1.0.11,198.51.100.25,50001,993,{protocol},client,ns,node1,mail,ns2,node2,{cluster},993,"
        "ns2/mail:imaps,allow,ns2,r,1,1,,,,0,0,,,,,"
        for protocol, cluster in (("TCP", "10.96.0.5"), ("6", ""))
    ],
    "Nozomi": [
        '{"from":"10.1.0.11","to":"198.51.100.25","transferred.bytes":5840,"first_activity_time":1795161600000}',
        '{"from":"10.1.0.11","to":"198.51.100.25","transferred":{"bytes":5840,"last_5m_bytes":1}}',
    ],
    "Darktrace": [
        '{"time":"2026-11-20 08:01:00","timems":1795161660000,"action":"connection","eventType":"connection",'
        '"uid":"C1","sdid":1,"port":993,"source":"10.1.0.11","destination":"198.51.100.25"}'
    ],
    "Sophos UTM": [
        '2026:11:20-08:00:00 utm ulogd[4711]: id="2002" severity="info" sys="SecureNet" sub="packetfilter" '
        'name="Packet accepted" action="accept" srcip="10.1.0.11" dstip="198.51.100.25" proto="6" length="60"'
    ],
    "OpenVPN": [
        "OpenVPN CLIENT LIST\nUpdated,2026-11-20 08:00:00\nCommon Name,Real Address,Bytes Received,Bytes Sent,Since"
    ],
}


@pytest.mark.parametrize(("name", "line"), [(name, line) for name, lines in LOGS.items() for line in lines])
def test_a_log_without_bytes_is_named(name: str, line: str) -> None:
    with pytest.raises(SourceError, match=rf"x\b.*is .*{name}.*tells.* bytes"):
        detect(f"{line}\n".encode(), "auto", "x")


def test_beside_a_log_that_can_be_read_it_is_a_line_of_another_program() -> None:
    assert detect(f"{LOGS['pfSense'][0]}\n<30>{DEVICE}\n".encode(), "auto", "x") == "sophos"


@pytest.mark.parametrize(
    "part",
    [
        '"IPTotalLength":1,',
        '"SampleInterval":1,\n',
        "Microsoft-Windows-Sysmon ",
        "VCF Open ",
        "postfix/a-",
        '"reporter":1,',
        '{"string":"a"},',
    ],
)
def test_what_a_file_repeats_costs_its_naming_no_time(part: str) -> None:
    head, began = (part.encode() * HEAD_BYTES)[:HEAD_BYTES], time.process_time()
    with pytest.raises(SourceError, match="of no known format"):
        detect(head, "auto", "x")
    assert time.process_time() - began < 1.2

"""Recognises logs of firewalls and agents that count no bytes of connections, to refuse them by name.

They record packets, or connections that begin. Sources: Cisco Meraki's page on syslog event types, pfSense's on raw
filter logs, netfilter's LOG target, RouterOS' page on logging, Microsoft's on the firewall's log, on Azure Firewall and
on DeviceNetworkEvents, Sophos' on its UTM's logs, OpenVPN's manual, F5's on its network firewall, Cilium's on Hubble,
VMware's on NSX (whose counts are of no named direction), Darktrace's on its API, the source of Antrea's flowLogger,
Cloudflare's on its Logpush datasets, and what agents on endpoints, mail servers, web servers and tcpdump write.
"""

from __future__ import annotations

import re

NETFLOW = "Let the device export NetFlow or IPFIX, and give what a collector (nfcapd, goflow2) writes."
SENSOR = "Take the logs of a sensor or of a firewall on the way to the mail server."
_KINDS = (
    (
        re.compile(rb"\b(?:flows|firewall|ip_flow_start|ip_flow_end)(?: \w+)? src=[\da-fA-F.:]+ dst=[\da-fA-F.:]+ "),
        "a Cisco Meraki's log of flows, which tells no bytes",
        NETFLOW,
    ),
    (
        re.compile(rb"\bfilterlog(?:\[\d+\])?:?(?: \d+ - (?:-|\[[^\]\n]*\]))? \d*,"),
        "the packet filter's log of pfSense or OPNsense, which tells of packets and no bytes of connections",
        "Let softflowd or pflow export NetFlow, or Suricata write its flow events.",
    ),
    (
        re.compile(rb"\bIN=\S* OUT=\S* (?:[A-Z]+=\S* )*?SRC=\S+ DST=\S+ LEN=\d+ "),
        "netfilter's log of packets (iptables, UFW, UniFi), which tells no bytes of connections",
        "Log connections that end: `conntrack -E -o timestamp`, or ulogd.",
    ),
    (
        re.compile(
            rb"\b(?:forward|input|output|(?:pre|post)routing): in:\S* out:[^\n]{0,100}?, (?:src-mac|proto|NAT)\b"
        ),
        "the firewall's log of a MikroTik, which tells of packets and no bytes of connections",
        "Let RouterOS' Traffic Flow export IPFIX, and give what a collector (nfcapd, goflow2) writes.",
    ),
    (
        re.compile(rb"(?m)^#Fields: date time action protocol src-ip dst-ip "),
        "the log of the Windows firewall, which tells of packets and no bytes of connections",
        SENSOR,
    ),
    (
        re.compile(
            rb'\bDeviceNetworkEvents\b|(?i:\A[^\n]*\bActionType\b[^\n]*\bRemoteIP\b)|"ActionType"\s*:\s*"Connection'
        ),
        "Microsoft Defender's log of connections (DeviceNetworkEvents), which tells no bytes",
        SENSOR,
    ),
    (
        re.compile(rb"\A(?=[\s\S]*\bDestinationIp\b)[\s\S]*Microsoft-Windows-Sysmon\b"),
        "Sysmon's log of connections, which tells no bytes",
        SENSOR,
    ),
    (
        re.compile(
            rb"\bAZFW(?:(?:Network|Application|Nat)Rule|FatFlow|FlowTrace)\b|\bAzureFirewall(?:Network|Application)Rule\b"
        ),
        "Azure Firewall's log of rules, which tells no bytes of connections",
        "Take the flow logs of the virtual networks.",
    ),
    (
        re.compile(rb'\A(?=[\s\S]*"event_sub_type"\s*:)[\s\S]*"(?:src_is_site_or_vpn|ISP_name)"\s*:'),
        "the log of Cato Networks' events, which tells no bytes of connections",
        NETFLOW,
    ),
    (
        re.compile(rb'"verdict"\s*:\s*"(?:FORWARDED|DROPPED|AUDIT|ERROR|REDIRECTED|TRACED|TRANSLATED)"'),
        "what Cilium's Hubble saw, which tells no bytes of connections",
        NETFLOW,
    ),
    (
        re.compile(rb'"process_(?:kprobe|exec|exit|tracepoint|lsm)"\s*:\s*\{'),
        "what Tetragon saw of processes, which tells no bytes of connections",
        NETFLOW,
    ),
    (
        re.compile(rb'(?i)\A(?![\s\S]*"(?:source|dest)_?ip")[\s\S]*"dest_?name_?space"\s*:[\s\S]*"bytes_?in"\s*:'),
        "what Calico's Goldmane saw, which tells no bytes of addresses, but of names",
        NETFLOW,
    ),
    (
        re.compile(rb"\bINET6? (?:(?:reason-)?match|TERM) (?:[A-Z]+ )?\S+ (?:IN|OUT) "),
        "VMware NSX's log of packets, which tells no bytes of a named direction",
        "Let NSX export IPFIX, and give what a collector (nfcapd, goflow2) writes.",
    ),
    (
        re.compile(rb'\btmm\d*\[\d+\]: 2300313\d\b|\bacl_policy_name="|\bacl_rule_name="'),
        "the log of an F5's network firewall (AFM), which tells no bytes of connections",
        "Let the BIG-IP export IPFIX, and give what a collector (nfcapd, goflow2) writes.",
    ),
    (
        re.compile(rb'\A(?=[\s\S]*"[sd]did"\s*:)[\s\S]*"eventType"\s*:\s*"connection"'),
        "Darktrace's list of a device's connections (/details), which tells no bytes of each direction",
        "Give entries of type conn of its Advanced Search.",
    ),
    (
        re.compile(rb'"transferred(?:[._]bytes"\s*:|"\s*:\s*\{\s*"bytes"\s*:)'),
        "what Nozomi's sensors saw of links and sessions, which tells the bytes of both directions together",
        "Take the logs of another sensor, or of a firewall on the way to the mail server.",
    ),
    (
        re.compile(
            rb"(?m)^\d{10},\d{10},(?:[\da-fA-F.:]+,){2}(?:\d{1,5},){2}\w{1,12},(?!\d+,\d+,)(?:[^,\n]*,){6}[\da-fA-F.:]*,"
            rb"\d{1,5},"
        ),
        "the log of Antrea's Flow Aggregator (flowLogger), which tells no bytes",
        "Let it send IPFIX, and give what a collector (nfcapd, goflow2) writes.",
    ),
    (
        re.compile(rb'\bsys="SecureNet" sub="packetfilter" '),
        "the packet filter's log of a Sophos UTM, which tells of packets and no bytes of connections",
        NETFLOW,
    ),
    (
        re.compile(
            rb'"event_simpleName"\s*:\s*"Network(?:Connect|Receive|Listen|Close)|"type"\s*:\s*"(?:[\w.]+\.)?netconn'
            rb'|"event\.type"\s*:\s*"IP (?:Connect|Listen)"'
        ),
        "an endpoint agent's log of connections (CrowdStrike, Carbon Black, SentinelOne), which tells no bytes",
        SENSOR,
    ),
    (
        re.compile(rb'\A(?=[\s\S]*"IPTotalLength"\s*:)[\s\S]*"SampleInterval"\s*:'),
        "Cloudflare's network analytics, which tells of sampled packets and no bytes of connections",
        "Let the router behind it export NetFlow or IPFIX, and give what a collector (nfcapd, goflow2) writes.",
    ),
    (
        re.compile(rb"(?m)^(?:\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d\.\d{6,9} IP6? \S+ > \S+: "),
        "what tcpdump prints, which tells of packets and no bytes of connections",
        "Let it write a capture (-w), and give what Zeek, Suricata or argus makes of that.",
    ),
    (
        re.compile(
            rb"\bdovecot(?:\[\d+\])?: (?:imap|pop3|lmtp|auth|managesieve)|\bpostfix/[\w/-]{1,40}\[\d+\]: "
            rb"|(?m:^#Log-type: (?:IMAP4|POP3|SMTP|HTTP|Message))"
        ),
        "a mail server's own log, which tells of logins and commands and no bytes of connections",
        SENSOR,
    ),
    (
        re.compile(
            rb"(?m)^#Fields: (?=[^\n]*\bc-ip\b)[^\n]*\b(?:sc|cs)-bytes\b"
            rb"|^\d{10}\.\d{3} +\d+ [\da-fA-F.:]+ [A-Z_]+/\d{3} \d+ [A-Z]+ "
            rb'|^[\da-fA-F.:]+ \S+ \S+ \[\d\d/[A-Z][a-z]{2}/\d{4}:[\d:]{8} [+-]\d{4}\] "[A-Z]+ '
        ),
        "the log of a web server or proxy, which tells of single requests and no bytes of connections",
        SENSOR,
    ),
    (
        re.compile(rb"(?m)^(?:CLIENT_LIST[,\t]|Common Name,Real Address,Bytes Received,Bytes Sent)"),
        "the status of an OpenVPN server, which tells the bytes of tunnels and not whom they went to",
        "Take the logs of a sensor or of a firewall behind the tunnel's end.",
    ),
)


def recognise(head: bytes) -> tuple[str, str] | None:
    """(what a file that begins so is, what to do instead), where it is such a log."""
    return next(((what, remedy) for marks, what, remedy in _KINDS if marks.search(head)), None)

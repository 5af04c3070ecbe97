"""Flow logs that no format of ours is, but whose columns a table of the user's own maps: named, with the mapping.

A mapping goes into a source with `format: table`. Sources: the papers and pages of the data sets (CIC, UNSW), what
CICFlowMeter writes, and ElastiFlow's description of CODEX. Messages of CEF and LEEF are named by their vendor and
product, and so are lines of some devices that no table can be made of as they are.
"""

from __future__ import annotations

import re

from pipeline.sources import byteless
from pipeline.sources.base import begins_as_json
from pipeline.sources.formats import vpc

_TABLE = "Read it with format: table and fields: {{{fields}}}{more}."
_CIC = (
    "src_ip: {0}, dest_ip: {1}, src_port: {2}, dest_port: {3}, transport: Protocol, start_time: Timestamp, "
    "bytes_out: {4}, bytes_in: {5}"
)
_DAYS = ", with a time_format for its Timestamp, and layer: payload"
_UNSW = (
    "src_ip: srcip, dest_ip: dstip, src_port: sport, dest_port: dsport, transport: proto, start_time: {}, "
    "duration: dur, bytes_out: sbytes, bytes_in: dbytes"
)
_CODEX = (
    "src_ip: flow.src.ip.addr, dest_ip: flow.dst.ip.addr, src_port: flow.src.l4.port.id, "
    "dest_port: flow.dst.l4.port.id, transport: l4.proto.name, start_time: flow.start.timestamp, sent: flow.bytes"
)
_DELTAS = ", and accounting: delta"
_CALICO = (
    "src_ip: source_ip, dest_ip: dest_ip, src_port: source_port, dest_port: dest_port, transport: proto, "
    "action: action, start_time: start_time, end_time: end_time, bytes_in: bytes_out, bytes_out: bytes_in"
)
_NEMEA = (
    "src_ip: ipaddr SRC_IP, dest_ip: ipaddr DST_IP, src_port: uint16 SRC_PORT, dest_port: uint16 DST_PORT, "
    "transport: uint8 PROTOCOL, start_time: time TIME_FIRST, end_time: time TIME_LAST, bytes_out: uint64 BYTES, "
    "bytes_in: uint64 BYTES_REV"
)
_ZPA = (
    "src_ip: ClientPublicIP, dest_ip: ServerIP, dest_port: ServerPort, transport: IPProtocol, "
    "session_id: ConnectionID, start_time: TimestampConnectionStart, log_time: LogTimestamp, "
    "bytes_out: ZENTotalBytesRxClient, bytes_in: ZENTotalBytesTxClient"
)
_VPC = (
    rb"\A(?=[^\n]*(?:\b(?:eni|tgw-attach)-[0-9a-f]+|[ ,](?:ACCEPT|REJECT)[ ,](?:OK|NODATA|SKIPDATA)[ ,\r\n]))"
    rb"(?=[^\n]*[ ,]1\d{9}\b)(?=[^\n]*[.:][\da-f])(?![A-Z][a-z]{2} )\w[^ ,\n]*"
)
_VPC_BARE = "VPC flow logs in a custom format without its header"
_ANTREA = (
    "src_ip: sourceIP, dest_ip: destinationIP, src_port: sourceTransportPort, dest_port: destinationTransportPort, "
    "transport: protocolIdentifier, start_time: flowStartSeconds, end_time: flowEndSeconds, "
    "bytes_out: octetDeltaCount, bytes_in: reverseOctetDeltaCount"
)
_ILLUMIO = (
    "src_ip: src_ip, dest_ip: dst_ip, dest_port: dst_port, transport: proto, start_time: {}, bytes_out: dst_dbi, "
    "bytes_in: dst_dbo"
)
_FLOW_TOOLS = (
    'src_ip: srcaddr, dest_ip: dstaddr, src_port: srcport, dest_port: dstport, transport: prot, start_time: "'
    '#:unix_secs", sent: doctets'
)
_LOOKED_AT = 50
"""Lines in which pairs are looked for."""
_NUMBERED = "c_ip, c_port, c_bytes_all, s_ip, s_port, s_bytes_all and first"


def _mapped(fields: str, more: str = "") -> str:
    return _TABLE.format(fields=fields, more=more)


_KINDS = (
    (
        re.compile(rb'\A\s*\[(?:\s*(?:"[^"\n]*"|-?\d[\d.]*|null|true|false)\s*,){3}'),
        "rows of JSON whose columns nothing names",
        "Export them with the names: of ClickHouse as JSONEachRow, JSONCompactEachRowWithNames or Parquet.",
    ),
    (
        re.compile(rb'\A(?=[\s\S]*?\{"(?:string|long)"\s*:[^{}]{1,300}\})[\s\S]*?:\s*\{"\w+(?:\.\w+)+"\s*:\s*\{'),
        "Avro's JSON encoding, with records within its records under the names of their types",
        "Give the Avro files themselves, or write them as Parquet.",
    ),
    (re.compile(_VPC + rb"(?: [\w.:/-]+){7,}\r?\n"), _VPC_BARE, vpc.TELL),
    (
        re.compile(_VPC + rb"(?:,[\w.:/-]*){7,}\r?\n"),
        f"{_VPC_BARE}, parted by commas",
        vpc.TELL.replace("version srcaddr dstaddr ", "version,srcaddr,dstaddr,"),
    ),
    (
        re.compile(rb'\A[^\n]*?,"?(?:\d{1,2}/){2}(?:\d\d){1,2} \d{1,2}:\d\d[^,\n]*,[^,\n]*,"?TRAFFIC"?,"?[a-z]+"?,'),
        "Palo Alto's traffic log, whose times a spreadsheet has written its own way",
        "Give the log as the device wrote it.",
    ),
    (
        re.compile(rb'(?i)\bAction="\w*" UUid="\{0x|\bProductName ?="[^"\n]*"[^\n]*\bProductFamily="'),
        "Check Point's log as Quantum Spark appliances and exporters of old write it, without a time of its own",
        "Let the Log Exporter of the management send it as syslog, CEF, LEEF or JSON.",
    ),
    (
        re.compile(rb'"action_total_(?:up|down)load"\s*:'),
        "Cortex XDR's network events, whose local end is a client of some and the server of others",
        "Make a table of ends, times and bytes of them, for a source with format: table: where "
        "action_network_is_server is true, the remote end is the client.",
    ),
    (
        re.compile(rb'"ZENTotalBytes[RT]xClient"\s*:'),
        "Zscaler Private Access's log of users' connections",
        _mapped(_ZPA, ", with a time_format for its LogTimestamp, and accounting: cumulative"),
    ),
    (
        re.compile(rb"(?m)\A---\r?\n(?=[\s\S]*^jsonPayload:)[\s\S]*^insertId:|\A---\r?\ninsertId:"),
        "entries of Google's log as YAML, which the gcloud command prints by default",
        "Export them as JSON (gcloud logging read --format=json).",
    ),
    (
        re.compile(rb'\bCDFW Tunnel Device"?, ?"?(?:IN|OUT)BOUND\b'),
        "the log of Cisco Umbrella's cloud firewall, which has no header, and bytes in its newer versions only",
        "Give the source the names of its columns as its header, and format: table with fields of those names.",
    ),
    (
        re.compile(rb'"key"\s*:\s*"flow\.(?:reverse\.)?bytes\.(?:delta|total)"'),
        "a trace of OpenTelemetry whose spans are flows of a network, as Mermin has them",
        "Write each span's times and attributes as one object a line, with the client as its source (the destination, "
        "where the span's kind is SERVER), and read that with format: table.",
    ),
    (
        re.compile(rb"\b(?:orig|reply)\.(?:ip\.saddr(?:\.str)?|raw\.pktlen)="),
        "what ulogd writes of connections as pairs (GPRINT)",
        "Let ulogd write JSON (its output JSON behind NFCT).",
    ),
    (
        re.compile(rb"\[(?:NEW|UPDATE|DESTROY)\] +ORIG: SRC="),
        "what ulogd writes of connections as text (PRINTFLOW), which does not say when they began",
        "Let ulogd write JSON (its output JSON behind NFCT), or log what `conntrack -E -o timestamp` prints.",
    ),
    (
        re.compile(
            rb"\A\d{4}-\d\d-\d\d [\d:.]+ (?:- [^\n(]+\([\d.]+ sec\) )?\w+ \S+ => \S+ [^\n]*\(\d+/\d+ (?:<->|->)"
        ),
        "what yafscii prints as text",
        "Let it print a table with its header (yafscii --tabular --print-header).",
    ),
    (
        re.compile(rb"<conntrack>\s*<flow\b|^<flow type=\""),
        "events of conntrack as XML",
        "Let it print text (`conntrack -E -o timestamp`).",
    ),
    (
        re.compile(
            rb'(?m)(?:^|[ "])[0-2](?:\.\d)?\|[\w .,&()/+-]{1,60}\|[\w .,&()/+-]{1,60}\|[^|\n]*\|[^|\n]*\|'
            rb"[^\n]*\b(?:src|dst)="
        ),
        "CEF or LEEF without its first word, which a syslog server took for the name of a program",
        "Let the server write the whole message (rsyslog: %rawmsg%, or %syslogtag%%msg%).",
    ),
    (
        re.compile(rb"<results preview="),
        "a search's results as Splunk's XML",
        "Export them as JSON or CSV (output_mode=json).",
    ),
    (
        re.compile(rb"(?i)\A[^\n]*\bsum\((?:all_traffic\.)?bytes(?:_in|_out)?\)"),
        "a table of sums over flows (Splunk's stats or tstats)",
        "Export the flows themselves, by a search that ends in `| table _time src src_port dest dest_port transport "
        "bytes_in bytes_out duration`; format: table reads sums, too, where a column has the time.",
    ),
    (
        re.compile(rb"\A(?:Event time|Date first seen) +Event +XEvent Proto "),
        "nfdump's table of a firewall's events (NSEL), which does not say when connections began",
        "Give the files of nfcapd, or what `nfdump -o json` writes of them.",
    ),
    (
        re.compile(
            rb"\A(?:(?:Top \d+ [^\n]*\r?\n)?Date (?:first seen|flow start) +[^\n]* Flows\(%\)"
            rb"|(?:Aggregated flows \d+\s+)?Top \d+ flows ordered by \w+:\s)"
        ),
        "nfdump's statistics (-s), whose sums are of many flows",
        "Let it print the flows (`nfdump -o csv`), or give the files of nfcapd.",
    ),
    (
        re.compile(
            rb"\A\s*Flow Record:|\A(?:2|10)\|\d{10}\|\d{1,3}\|\d{10}\|\d{1,3}\|\d{1,3}\|\d+\|\d+\|\d+\|\d+\|\d+\|"
        ),
        "what nfdump prints raw or parted by bars (-o raw, -o pipe)",
        "Let it print CSV or JSON (-o csv, -o json), or give the files of nfcapd.",
    ),
    (
        re.compile(rb'\A\s*\{_path:"'),
        "Zeek's log as the text of Zed or SuperDB (ZSON, SUP), which is no JSON",
        "Let it be written as JSON (zq -j, super -j).",
    ),
    (
        re.compile(rb'(?i)\A[^\n]*\bSource IP"?[^\n]*\bTotal Length of Bwd Packets?\b'),
        "a table of CICFlowMeter (CIC-IDS2017)",
        _mapped(
            _CIC.format(
                "Source IP",
                "Destination IP",
                "Source Port",
                "Destination Port",
                "Total Length of Fwd Packets",
                "Total Length of Bwd Packets",
            ),
            _DAYS,
        ),
    ),
    (
        re.compile(rb"(?i)\A[^\n]*\bSrc IP\b[^\n]*\bTotLen Bwd Pkts\b"),
        "a table of CICFlowMeter",
        _mapped(_CIC.format("Src IP", "Dst IP", "Src Port", "Dst Port", "TotLen Fwd Pkts", "TotLen Bwd Pkts"), _DAYS),
    ),
    (
        re.compile(rb"(?i)\A[^\n]*\bTotLen Bwd Pkts\b|\A[^\n]*\bTotal Length of Bwd Packets?\b"),
        "a table of CICFlowMeter without the ends of its flows",
        "Take the files that have its columns of addresses.",
    ),
    (
        re.compile(rb"(?i)\A[^\n]*\bsrcip\b[^\n]*\bdsport\b[^\n]*\bdbytes\b"),
        "a table of UNSW-NB15",
        _mapped(_UNSW.format("Stime")),
    ),
    (
        re.compile(
            rb"\A(?:\d{1,3}\.){3}\d{1,3},\d+,(?:\d{1,3}\.){3}\d{1,3},\d+,[a-z0-9-]+,[A-Z]+,[\d.]+,\d+,\d+,\d+,\d+,"
        ),
        "a table of UNSW-NB15 without its header",
        "Give the source the names of its columns as its header. " + _mapped(_UNSW.format("stime")),
    ),
    (
        re.compile(rb'\A(?=[\s\S]*"reporter"\s*:)[\s\S]*"source_name_aggr"\s*:'),
        "a flow log of Calico, where each end's node counts by its own view",
        "Give the records of reporter dst alone (jq -c 'select(.reporter == \"dst\")'), if the servers are pods. "
        + _mapped(_CALICO, _DELTAS),
    ),
    *(
        (
            re.compile(rb"\A(?=[\s\S]*\bdst_dbi\b)(?=[\s\S]*\bdst_dbo\b)[\s\S]*\b" + time.encode() + rb"\b"),
            "Illumio's summaries of flows, of which both ends' machines may tell, with running totals (tbi, tbo)",
            "Give the records of dir I alone, if the servers have its agent. "
            + _mapped(_ILLUMIO.format(time), _DELTAS),
        )
        for time in ("timestamp", "TimeGenerated")
    ),
    (
        re.compile(rb"\A#:unix_secs,(?=[^\n]*\bdoctets,)(?=[^\n]*\bsrcaddr,)[^\n]*\bdstport,"),
        "what flow-export of flow-tools writes, whose first and last tell a router's uptime and no time",
        _mapped(_FLOW_TOOLS, _DELTAS),
    ),
    (
        re.compile(rb"\A(?=[^\n]*\bSRC_IP\b)(?=[^\n]*\bDST_IP\b)(?![^\n]*\b(?:TIMESTAMP|STAMP|TIME)_)[^\n]*\bBYTES\b"),
        "a table of pmacct without times",
        "Let pmacct aggregate by timestamp_start and timestamp_end, too, or write JSON with print_history.",
    ),
    (
        re.compile(rb"\A(?=[^\n]*\bipaddr SRC_IP\b)(?=[^\n]*\buint64 BYTES_REV\b)[^\n]*\btime TIME_FIRST\b"),
        "what NEMEA's logger writes of an ipfixprobe's flows",
        _mapped(_NEMEA, _DELTAS),
    ),
    (
        re.compile(rb"\A#?\d+#c_ip:\d+ "),
        "a log of Tstat, whose names are numbered",
        f"Make a CSV of its columns {_NUMBERED}, with these names in its first line, for a source with format: table.",
    ),
    (
        re.compile(rb"\btime_flow_start(?:_[mn]s)?[=:]\d+ [^\n]*\bsrc_addr[=:]"),
        "what goflow2 writes as text",
        "Let it write JSON (-format=json).",
    ),
    (
        re.compile(rb'\A(?=[\s\S]*"reverseOctetDeltaCount"\s*:)(?=[\s\S]*"sourceIP"\s*:)[\s\S]*"sourcePodName"\s*:'),
        "a flow of Antrea, as its Flow Aggregator keeps it in ClickHouse",
        _mapped(_ANTREA, _DELTAS),
    ),
    (
        re.compile(rb"\A(?:\d{10},){2,4}(?:[1-5],)?(?:[\da-fA-F:.]+,){2}(?:\d{1,5},){2}\d{1,3},(?:\d+,){8}"),
        "flows parted by commas without a header, as Antrea's Flow Aggregator uploads them",
        "Let it send IPFIX, and give what a collector (nfcapd, goflow2) writes, or export its table in ClickHouse as "
        "JSON (FORMAT JSONEachRow).",
    ),
    (
        re.compile(rb'\A(?=[\s\S]*"apphost"\s*:)[\s\S]*"(?:idpinfo|internal_host)"\s*:'),
        "the access log of Akamai's Enterprise Application Access, which tells of requests",
        "Take the logs of a sensor or of a firewall between its connector and the mail server.",
    ),
    (
        re.compile(rb"(?m)^Source IP(?: or MAC)? +Destination IP +Prot +SPort +D[Pp]ort "),
        "the table of open sessions of an Aruba controller (show datapath session), which tells no times",
        "Let it log to a collector (AMON or IPFIX), and give what that writes.",
    ),
    (
        re.compile(rb'"flow\.(?:src|dst)\.ip\.addr"\s*:'),
        "what ElastiFlow writes under the names of CODEX",
        _mapped(_CODEX, _DELTAS),
    ),
)
_DEVICES = (
    (rb"system-notification-00257\(traffic\): ", "a ScreenOS firewall's (NetScreen's) log of sessions"),
    (rb'\b(?:msg|note)="Traffic Log"', "a Zyxel firewall's log of sessions"),
    (
        rb'\bLogType="TR"|\bTR (?:\S+ \d+ ){2}"[^"\n]*" "[^"\n]*" [A-Z]+ \S+ ',
        "a Barracuda web application firewall's log of single requests",
    ),
    (
        rb'"clientAddr"\s*:\s*\{"type"\s*:|"_type"\s*:\s*"~flow"',
        "ExtraHop's records of flows, whose addresses lie in lists",
    ),
    (rb"\borigsent=\d+ termsent=\d", "a Clavister firewall's log of connections"),
    (rb"%FW-6-SESS_AUDIT_TRAIL", "the audit trail of sessions of a Cisco router's firewall"),
    (rb"\bTotal_bytes_send \d", "a Citrix NetScaler's log of connections"),
    (rb"\bcom\.untangle\.uvm\.app\.Session", "the log of sessions of an Arista (Untangle) firewall"),
    (rb"\bhaproxy\[\d+\]: ", "HAProxy's log, which names servers and has no addresses of theirs"),
    (
        rb'"downstream_remote_address"\s*:',
        "Envoy's access log (Istio), whose ends have their ports beside them, and whose bytes_sent the client received",
    ),
    (
        rb'"upstream_bytes_(?:sent|received)"\s*:|(?m:^(?=[^\n]*"remote_addr"\s*:)[^\n]*"session_time"\s*:)',
        "NGINX's log of streams, whose bytes_sent the client received",
    ),
    (rb"(?m)^tls [12]\.0 \d{4}-\d\d-\d\dT", "the log of an AWS load balancer's TLS connections"),
    (
        rb"\[Connection\] [^\n]*\[Bytes\] \d+/\d+/\d+",
        "Kerio Control's log of connections, whose bytes are those sent, those received, and both",
    ),
    (
        rb"(?m)^(?=[^\n]* SRC=)[^\n]*\bVCF (?:Open|Close|Update|Deny)\b",
        "the log of sessions of a VMware SD-WAN (VeloCloud) edge, of which those that close tell bytes",
    ),
)
"""Devices whose lines tell bytes, but are read by no format here."""
_TABLED = (
    "Give the flows of the same traffic: the VPC's flow logs, or what a collector (nfcapd, goflow2) writes of the "
    "device's NetFlow or IPFIX. Or make a CSV of its lines' ends, times and bytes, for a source with format: table."
)
_PAIRED = tuple(
    re.compile(rb"(?i)\b(?:" + names + rb")[_-]?(?:ip|addr|address)?\"?[=:] ?\"?(?:\d{1,3}\.){3}\d{1,3}")
    for names in (rb"src|source|client|from", rb"dst|dest|destination|server|to")
)
"""Two ends, as pairs have them."""
_PAIRED_BYTES = re.compile(rb"(?i)(?:bytes?|octets|\bsent|\brcvd|\breceived)\w*\"?[=:] ?\"?\d")
_HEADED = re.compile(rb"\b(CEF: ?\d+|LEEF: ?[\d.]+)\|([\w .,&()/+-]{1,60})\|([\w .,&()/+-]{1,60})\|")


def recognise(head: bytes) -> tuple[str, str] | None:
    """(what a file that begins so is, how to read it), where it is such a log."""
    if found := next(((what, remedy) for marks, what, remedy in _KINDS if marks.search(head)), None):
        return found
    if device := next((what for marks, what in _DEVICES if re.search(marks, head)), None):
        return f"{device}, which no format here reads", _TABLED
    if headed := _HEADED.search(head):
        kind, vendor, product = (part.decode("utf-8", errors="replace") for part in headed.groups())
        what = f"{kind.partition(':')[0]} of {vendor} {product}, which none of the known formats is"
        return what, "Take the device's own syslog where its format is known, or make a table of ends and bytes of it."
    return None if begins_as_json(head) else _pairs(head)


def _pairs(head: bytes) -> tuple[str, str] | None:
    """The same of lines of pairs that name two ends, with bytes or without."""
    lines = head.split(b"\n", _LOOKED_AT)[:_LOOKED_AT]
    paired = [line for line in lines if line[:1] != b"{" and all(end.search(line) for end in _PAIRED)]
    if not paired:
        return None
    if any(_PAIRED_BYTES.search(line) for line in paired):
        return "of no known format: lines of pairs that name two ends and bytes", _TABLED
    return "of no known format: lines of pairs that name two ends, and no bytes of a connection", byteless.NETFLOW

"""Generated files of every format with the same flows: a tenth of them to twenty mail servers.

Flows come in a frame of typed columns; a format is what writes them as its own lines. Formats of one direction a record
get both directions of each flow. What reads the files, and what the sums must be, is in `formats`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl

from benchmarks.conn_log import servers

BASE_S = 1_793_577_600
"""Midnight of the day."""
_CHUNK = 50_000


def flows(first: int, count: int, total: int) -> pl.DataFrame:
    """Flows with ends, ports, counters of both sides and times."""
    i = pl.col("i")

    def draw(name: str, size: int) -> pl.Expr:
        return (i.hash(seed=sum(map(ord, name))) % size).cast(pl.Int64)

    mail = draw("mail", 10) == 0
    server = pl.lit(pl.Series(servers())).gather(draw("server", len(servers())))
    web = pl.format("100.64.{}.{}", draw("web", 200), draw("web host", 250) + 1)
    start = BASE_S * 1_000_000 + (i * (86_000_000_000 // total)).cast(pl.Int64)
    return pl.DataFrame({"i": pl.int_range(first, first + count, eager=True)}).select(
        us=start,
        end_us=start + draw("lasted", 90_000_000),
        uid=draw("uid", 10**15) + 10**15,
        client=pl.format("10.20.{}.{}", draw("client", 40), draw("client host", 250) + 1),
        sport=draw("sport", 28_000) + 32_768,
        server=pl.when(mail).then(server).otherwise(web),
        dport=pl.when(mail).then(pl.lit(993, pl.Int64)).otherwise(pl.lit(8443, pl.Int64)),
        bytes_in=draw("in", 90_000) + 520,
        bytes_out=draw("out", 5_000) + 400,
        pkts_in=draw("pin", 60) + 3,
        pkts_out=draw("pout", 60) + 2,
    )


def directions(frame: pl.DataFrame) -> pl.DataFrame:
    """Each flow as two records of one direction: what the client sent, and what the server sent."""
    swapped = {"client": "server", "sport": "dport", "bytes_out": "bytes_in", "pkts_out": "pkts_in"}
    swapped |= {b: a for a, b in swapped.items()}
    back = frame.select(pl.col(swapped.get(c, c)).alias(c) for c in frame.columns)
    return pl.concat([frame.with_row_index(), back.with_row_index()]).sort("index", maintain_order=True).drop("index")


def _times(frame: pl.DataFrame) -> pl.DataFrame:
    made = {}
    for name, column in (("start", "us"), ("end", "end_us")):
        when = pl.from_epoch(column, time_unit="us")
        made[f"{name}_iso"] = when.dt.strftime("%Y-%m-%dT%H:%M:%S%.6f")
        made[f"{name}_blank"] = when.dt.strftime("%Y-%m-%d %H:%M:%S")
        made[f"{name}_slash"] = when.dt.strftime("%Y/%m/%d %H:%M:%S")
        made[f"{name}_t"] = when.dt.strftime("%Y/%m/%dT%H:%M:%S%.3f")
        made[f"{name}_sys"] = when.dt.strftime("%b %d %Y %H:%M:%S")
        made[f"{name}_s"] = pl.col(column) // 1_000_000
        made[f"{name}_ms"] = pl.col(column) // 1_000
    lasted = pl.col("end_us") - pl.col("us")
    made["lasted_s"], made["lasted_ns"] = lasted // 1_000_000, lasted * 1_000
    made["lasted"] = pl.concat_str(lasted // 1_000_000, pl.lit("."), (lasted % 1_000_000).cast(pl.String).str.zfill(6))
    made["seconds"] = pl.concat_str(
        pl.col("us") // 1_000_000, pl.lit("."), (pl.col("us") % 1_000_000).cast(pl.String).str.zfill(6)
    )
    clock = [lasted // 3_600_000_000, (lasted // 60_000_000) % 60, (lasted // 1_000_000) % 60]
    made["clock"] = pl.concat_str(
        [clock[0].cast(pl.String), *(c.cast(pl.String).str.zfill(2) for c in clock[1:])], separator=":"
    )
    made["total"] = pl.col("bytes_in") + pl.col("bytes_out")
    made["pkts"] = pl.col("pkts_in") + pl.col("pkts_out")
    return frame.with_columns(**made)


def lines(frame: pl.DataFrame, template: str) -> pl.Series:
    """Lines of a template in which <column> stands for a value."""
    parts = re.split(r"<(\w+)>", template)
    cells = [pl.col(p).cast(pl.String) if at % 2 else pl.lit(p) for at, p in enumerate(parts)]
    return frame.select(line=pl.concat_str(cells)).to_series()


_EVE = (
    '{"timestamp":"<end_iso>+0000","flow_id":<uid>,"in_iface":"eth0","event_type":"flow","src_ip":"<client>",'
    '"src_port":<sport>,"dest_ip":"<server>","dest_port":<dport>,"ip_v":4,"proto":"TCP","app_proto":"tls","flow":{'
    '"pkts_toserver":<pkts_out>,"pkts_toclient":<pkts_in>,"bytes_toserver":<bytes_out>,"bytes_toclient":<bytes_in>,'
    '"start":"<start_iso>+0000","end":"<end_iso>+0000","age":<lasted_s>,"state":"closed","reason":"timeout","alerted":'
    'false},"community_id":"1:<uid>=","tcp":{"tcp_flags":"1b","tcp_flags_ts":"1b","tcp_flags_tc":"1b","syn":true,'
    '"fin":true,"psh":true,"ack":true,"state":"closed"},"host":"sensor-1"}'
)
_ECS = (
    '{"@timestamp":"<end_iso>Z","ecs":{"version":"8.11.0"},"event":{"kind":"event","category":["network"],"type":['
    '"connection","end"],"action":"network_flow","dataset":"flow","start":"<start_iso>Z","end":"<end_iso>Z","duration":'
    '<lasted_ns>},"flow":{"id":"E<uid>","final":true},"network":{"type":"ipv4","transport":"tcp","bytes":<total>,'
    '"packets":<pkts>,"community_id":"1:<uid>="},"source":{"ip":"<client>","port":<sport>,"bytes":<bytes_out>,'
    '"packets":<pkts_out>},"destination":{"ip":"<server>","port":<dport>,"bytes":<bytes_in>,"packets":<pkts_in>},'
    '"agent":{"hostname":"beat-1","type":"packetbeat","version":"8.11.0"},"host":{"name":"beat-1"}}'
)
_OCSF = (
    '{"metadata":{"product":{"name":"Flow Sensor","vendor_name":"Example"},"version":"1.1.0","uid":"<uid>"},'
    '"class_uid":4001,"category_uid":4,"activity_id":2,"severity_id":1,"type_uid":400102,"time":<end_ms>,"start_time":'
    '<start_ms>,"end_time":<end_ms>,"src_endpoint":{"ip":"<client>","port":<sport>},"dst_endpoint":{"ip":"<server>",'
    '"port":<dport>},"connection_info":{"protocol_num":6,"direction_id":2,"uid":"<uid>"},"traffic":{"bytes_in":'
    '<bytes_in>,"bytes_out":<bytes_out>,"packets_in":<pkts_in>,"packets_out":<pkts_out>},"device":{"name":"sensor-1"}}'
)
_ZEEK_JSON = (
    '{"_path":"conn","_system_name":"sensor-1","ts":<seconds>,"uid":"C<uid>","id.orig_h":"<client>","id.orig_p":'
    '<sport>,"id.resp_h":"<server>","id.resp_p":<dport>,"proto":"tcp","service":"ssl","duration":<lasted>,'
    '"orig_bytes":<bytes_out>,"resp_bytes":<bytes_in>,"conn_state":"SF","missed_bytes":0,"history":"ShADadFf",'
    '"orig_pkts":<pkts_out>,"orig_ip_bytes":<bytes_out>,"resp_pkts":<pkts_in>,"resp_ip_bytes":<bytes_in>}'
)
_ZEEK = (
    "<seconds>\tC<uid>\t<client>\t<sport>\t<server>\t<dport>\ttcp\tssl\t<lasted>\t<bytes_out>\t<bytes_in>\tSF\t0"
    "\tShADadFf\t<pkts_out>\t<bytes_out>\t<pkts_in>\t<bytes_in>"
)
_ZEEK_HEAD = (
    "#separator \\x09\n#path\tconn\n#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tservice"
    "\tduration\torig_bytes\tresp_bytes\tconn_state\tmissed_bytes\thistory\torig_pkts\torig_ip_bytes\tresp_pkts"
    "\tresp_ip_bytes\n"
)
_CIM_HEAD = (
    "_time,session_id,src_ip,src_port,dest_ip,dest_port,transport,app,duration,bytes_in,bytes_out,packets_in,"
    "packets_out,dvc,sourcetype\n"
)
_CIM = (
    "<start_iso>+00:00,<uid>,<client>,<sport>,<server>,<dport>,tcp,imap,<lasted_s>,<bytes_in>,<bytes_out>,<pkts_in>,"
    "<pkts_out>,fw-1,vendor:traffic"
)
_CIM_JSON = (
    '{"preview":false,"result":{"_time":"<start_iso>+00:00","session_id":"<uid>","src_ip":"<client>","src_port":'
    '"<sport>","dest_ip":"<server>","dest_port":"<dport>","transport":"tcp","app":"imap","duration":"<lasted_s>",'
    '"bytes_in":"<bytes_in>","bytes_out":"<bytes_out>","packets_in":"<pkts_in>","packets_out":"<pkts_out>",'
    '"dvc":"fw-1","sourcetype":"vendor:traffic"}}'
)
_VPC = (
    "2 123456789012 eni-0a1b2c3d4e5f60718 <client> <server> <sport> <dport> 6 <pkts_out> <bytes_out> <start_s> <end_s> "
    "ACCEPT OK"
)
_VPC_JSON = (
    '{"version":2,"account_id":"123456789012","interface_id":"eni-0a1b2c3d4e5f60718","srcaddr":"<client>","dstaddr":'
    '"<server>","srcport":<sport>,"dstport":<dport>,"protocol":6,"packets":<pkts_out>,"bytes":<bytes_out>,"start":'
    '<start_s>,"end":<end_s>,"action":"ACCEPT","log_status":"OK"}'
)
_NFDUMP_HEAD = "ts,te,td,sa,da,sp,dp,pr,flg,fwd,stos,ipkt,ibyt,opkt,obyt,in,out,sas,das\n"
_NFDUMP = (
    "<start_blank>,<end_blank>,<lasted_s>.000,<client>,<server>,<sport>,<dport>,TCP,...AP.SF,0,0,<pkts_out>,"
    "<bytes_out>,0,0,1,2,0,0"
)
_NFDUMP_JSON = (
    '{"type":"FLOW","sampled":0,"export_sysid":1,"first":"<start_iso>","last":"<end_iso>","received":"<end_iso>",'
    '"in_packets":<pkts_out>,"in_bytes":<bytes_out>,"proto":6,"tcp_flags":"...AP.SF","src_port":<sport>,"dst_port":'
    '<dport>,"src_tos":0,"src4_addr":"<client>","dst4_addr":"<server>","label":"<none>"}'
)
_SILK_HEAD = "sIP|dIP|sPort|dPort|pro|packets|bytes|flags|sTime|duration|eTime|sen|\n"
_SILK = "<client>|<server>|<sport>|<dport>|6|<pkts_out>|<bytes_out>|FS PA   |<start_t>|<lasted_s>.000|<end_t>|S0|"
_ARGUS_HEAD = "StartTime,LastTime,Dur,Proto,SrcAddr,Sport,Dir,DstAddr,Dport,State,SrcPkts,DstPkts,SrcBytes,DstBytes\n"
_ARGUS = (
    "<start_slash>.000000,<end_slash>.000000,<lasted>,tcp,<client>,<sport>,   ->,<server>,<dport>,FIN,<pkts_out>,"
    "<pkts_in>,<bytes_out>,<bytes_in>"
)
_GCP = (
    '{"insertId":"i<uid>","jsonPayload":{"bytes_sent":"<bytes_out>","connection":{"dest_ip":"<server>","dest_port":'
    '<dport>,"protocol":6,"src_ip":"<client>","src_port":<sport>},"end_time":"<end_iso>Z","packets_sent":"<pkts_out>",'
    '"reporter":"SRC","src_instance":{"project_id":"p","region":"r","vm_name":"vm-1","zone":"z"},"start_time":'
    '"<start_iso>Z"},"logName":"projects/p/logs/compute.googleapis.com%2Fvpc_flows","receiveTimestamp":"<end_iso>Z",'
    '"resource":{"labels":{"location":"z","project_id":"p","subnetwork_name":"s"},"type":"gce_subnetwork"},'
    '"timestamp":"<end_iso>Z"}'
)
_AZURE_TUPLE = '"<start_s>,<client>,<server>,<sport>,<dport>,T,O,A,E,<pkts_out>,<bytes_out>,<pkts_in>,<bytes_in>"'
_AZURE_HEAD = (
    '{"time":"2026-11-02T00:05:00.0000000Z","systemId":"s","category":"NetworkSecurityGroupFlowEvent","resourceId":'
    '"/SUBSCRIPTIONS/S/NSG","operationName":"NetworkSecurityGroupFlowEvents","properties":{"Version":2,"flows":[{'
    '"rule":"UserRule_out","flows":[{"mac":"000D3A000001","flowTuples":['
)
_PALO_ALTO = (
    "<14>1 <end_iso>+00:00 pa - - - - 1,<end_slash>,007200001056,TRAFFIC,end,2305,<end_slash>,<client>,<server>,"
    "0.0.0.0,0.0.0.0,mail,,,imap,vsys1,trust,dmz,ethernet1/2,ethernet1/1,fwd,<end_slash>,<uid>,1,<sport>,<dport>,0,0,"
    "0x19,tcp,allow,<total>,<bytes_out>,<bytes_in>,<pkts>,<start_slash>,<lasted_s>,any,0,<uid>,0x0,"
    "10.0.0.0-10.255.255.255,10.0.0.0-10.255.255.255,0,<pkts_out>,<pkts_in>,tcp-fin"
)
_FORTINET = (
    'date=2026-11-02 time=00:00:00 devname="fw1" devid="FG1" eventtime=<end_us>000 tz="+0000" logid="0000000013" '
    'type="traffic" subtype="forward" level="notice" vd="root" srcip=<client> srcport=<sport> srcintf="lan" '
    'dstip=<server> dstport=<dport> dstintf="dmz" sessionid=<uid> proto=6 action="close" policyid=1 service="IMAPS" '
    'trandisp="noop" duration=<lasted_s> sentbyte=<bytes_out> rcvdbyte=<bytes_in> sentpkt=<pkts_out> '
    'rcvdpkt=<pkts_in> appcat="unscanned"'
)
_ASA = (
    "<166><end_sys>: %ASA-6-302014: Teardown TCP connection <uid> for outside:<server>/<dport> to inside:<client>/"
    "<sport> duration <clock> bytes <total> TCP FINs"
)
_CHECKPOINT = (
    "time=<end_s>|hostname=gw-1|product=VPN-1 & FireWall-1|action=Accept|conn_direction=Outgoing|ifdir=outbound|"
    "ifname=eth0|logid=6|loguid={0x<uid>,0x1}|origin=192.0.2.1|start_time=<start_s>|src=<client>|s_port=<sport>|"
    "dst=<server>|service=<dport>|proto=6|sent_bytes=<bytes_out>|received_bytes=<bytes_in>|packets=<pkts>|"
    "lastupdatetime=<end_s>"
)
_TABLE_HEAD = "when,client,cport,server,sport,received,sent,note\n"
_TABLE = "<start_iso>Z,<client>,<sport>,<server>,<dport>,<bytes_in>,<bytes_out>,ok"

TEXT: dict[str, tuple[str, str, bool]] = {
    "zeek_tsv": (_ZEEK_HEAD, _ZEEK, False),
    "zeek_json": ("", _ZEEK_JSON, False),
    "suricata": ("", _EVE, False),
    "ecs": ("", _ECS, False),
    "ocsf": ("", _OCSF, False),
    "cim_csv": (_CIM_HEAD, _CIM, False),
    "cim_json": ("", _CIM_JSON, False),
    "vpc_text": ("", _VPC, True),
    "vpc_json": ("", _VPC_JSON, True),
    "nfdump_csv": (_NFDUMP_HEAD, _NFDUMP, True),
    "nfdump_json": ("", _NFDUMP_JSON.replace("<none>", "none"), True),
    "silk": (_SILK_HEAD, _SILK, True),
    "argus": (_ARGUS_HEAD, _ARGUS, False),
    "gcp": ("", _GCP, True),
    "paloalto": ("", _PALO_ALTO.replace("<14>", "\x0014>"), False),
    "fortinet": ("", _FORTINET, False),
    "asa": ("", _ASA.replace("<166>", "\x00166>"), False),
    "checkpoint": ("", _CHECKPOINT, False),
    "table_csv": (_TABLE_HEAD, _TABLE, False),
}
"""Encoding -> (head, line, whether a record tells one direction); a NUL stands for a < that is none of ours."""


def chunks(count: int, one_way: bool) -> Iterator[pl.DataFrame]:
    """The flows of a file of so many records."""
    total = count // 2 if one_way else count
    for first in range(0, total, _CHUNK):
        frame = flows(first, min(_CHUNK, total - first), total)
        yield _times(directions(frame) if one_way else frame)


def write_text(name: str, path: Path, count: int) -> None:
    """A file of a text format."""
    if name == "azure_json":
        _write_azure(path, count)
        return
    head, template, one_way = TEXT[name]
    with path.open("w", encoding="utf-8") as out:
        out.write(head)
        for frame in chunks(count, one_way):
            out.write(lines(frame, template).str.replace("\x00", "<", literal=True).str.join("\n").item() + "\n")


def _write_azure(path: Path, count: int) -> None:
    """Records of a thousand tuples, one a line."""
    with path.open("w", encoding="utf-8") as out:
        for frame in chunks(count, one_way=False):
            tuples = lines(frame, _AZURE_TUPLE).to_list()
            for at in range(0, len(tuples), 1_000):
                out.write(f"{_AZURE_HEAD}{','.join(tuples[at : at + 1_000])}]}}]}}]}}}}\n")


def _vpc_columns() -> dict[str, pl.Expr]:
    return {
        "version": pl.lit(2, pl.Int32),
        "account_id": pl.lit("123456789012"),
        "interface_id": pl.lit("eni-0a1b2c3d4e5f60718"),
        "srcaddr": pl.col("client"),
        "dstaddr": pl.col("server"),
        "srcport": pl.col("sport").cast(pl.Int32),
        "dstport": pl.col("dport").cast(pl.Int32),
        "protocol": pl.lit(6, pl.Int64),
        "packets": pl.col("pkts_out"),
        "bytes": pl.col("bytes_out"),
        "start": pl.col("start_s"),
        "end": pl.col("end_s"),
        "action": pl.lit("ACCEPT"),
        "log_status": pl.lit("OK"),
    }


def _ocsf_columns() -> dict[str, pl.Expr]:
    return {
        "metadata": pl.struct(uid=pl.col("uid").cast(pl.String), product=pl.struct(name=pl.lit("Flow Sensor"))),
        "class_uid": pl.lit(4001, pl.Int32),
        "activity_id": pl.lit(2, pl.Int32),
        "time": pl.col("end_ms"),
        "start_time": pl.col("start_ms"),
        "end_time": pl.col("end_ms"),
        "src_endpoint": pl.struct(ip="client", port=pl.col("sport").cast(pl.Int32)),
        "dst_endpoint": pl.struct(ip="server", port=pl.col("dport").cast(pl.Int32)),
        "connection_info": pl.struct(protocol_num=pl.lit(6, pl.Int32), uid=pl.col("uid").cast(pl.String)),
        "traffic": pl.struct("bytes_in", "bytes_out", packets_in="pkts_in", packets_out="pkts_out"),
        "device": pl.struct(name=pl.lit("sensor-1")),
    }


def _table_columns() -> dict[str, pl.Expr]:
    return {
        "when": pl.from_epoch("us", time_unit="us"),
        "client": pl.col("client"),
        "cport": pl.col("sport"),
        "server": pl.col("server"),
        "sport": pl.col("dport"),
        "received": pl.col("bytes_in"),
        "sent": pl.col("bytes_out"),
        "note": pl.lit("ok"),
    }


PARQUET: dict[str, tuple[Callable[[], dict[str, pl.Expr]], bool]] = {
    "vpc_parquet": (_vpc_columns, True),
    "ocsf_parquet": (_ocsf_columns, False),
    "table_parquet": (_table_columns, False),
}


def write_parquet(name: str, path: Path, count: int) -> None:
    """A file of a columnar format."""
    columns, one_way = PARQUET[name]
    pl.concat([frame.select(**columns()) for frame in chunks(count, one_way)]).write_parquet(path)


NAMES = (*TEXT, "azure_json", *PARQUET)


def write(name: str, path: Path, count: int) -> None:
    """A file of any of NAMES."""
    (write_parquet if name in PARQUET else write_text)(name, path, count)


if __name__ == "__main__":
    write(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))

"""Tables as spreadsheets, notebooks and databases save them again: the same rows come out of every spelling."""

import re
from collections.abc import Callable

import pytest

from pipeline.mapping import ColumnMapping
from pipeline.sources.base import ReadOptions
from pipeline.sources.registry import READERS, detect
from pipeline.sources.watch import Watch
from tests.examples import pairs
from tests.pipeline.sources.lines import LATEST, read

T, CLIENT, SERVER = 1_795_161_600, "10.1.0.11", "10.9.0.25"
PALO_ALTO = (
    "Domain,Receive Time,Serial #,Type,Threat/Content Type,Source address,Destination address,Application,Session ID,"
    "Source Port,Destination Port,IP Protocol,Action,Bytes,Bytes Sent,Bytes Received,Start Time,Elapsed Time (sec)",
    f"1,2026/11/20 08:00:10,007,TRAFFIC,end,{CLIENT},{SERVER},imap,77,50001,993,tcp,allow,5840,420,5420,"
    "2026/11/20 08:00:00,10",
)
TABLES: dict[str, tuple[str, str]] = {
    "cim_csv": (
        "_time,src_ip,src_port,dest_ip,dest_port,bytes_in,bytes_out",
        f"{T},{CLIENT},50001,{SERVER},993,5420,420",
    ),
    "ecs_csv": (
        "@timestamp,source.ip,source.port,source.bytes,destination.ip,destination.port,destination.bytes",
        f"2026-11-20T08:00:00Z,{CLIENT},50001,420,{SERVER},993,5420",
    ),
    "pmacct_csv": (
        "SRC_IP,DST_IP,SRC_PORT,DST_PORT,PROTOCOL,TIMESTAMP_START,PACKETS,BYTES",
        f"{SERVER},{CLIENT},993,50001,tcp,2026-11-20 08:00:00.25,6,5420",
    ),
    "nfdump_csv": (
        "ts,te,td,sa,da,sp,dp,pr,flg,fwd,stos,ipkt,ibyt,opkt,obyt",
        f"2026-11-20 08:00:00,2026-11-20 08:00:05,5.0,{SERVER},{CLIENT},993,50001,TCP,...AP.SF,0,0,6,5420,0,0",
    ),
    "nfdump_csv of 1.7.5": (
        "firstSeen,duration,proto,srcAddr,srcPort,dstAddr,dstPort,packets,bytes,flows",
        f"2026-11-20 08:00:00.000,5.000,TCP,{SERVER},993,{CLIENT},50001,6,5420,1",
    ),
    "argus": (
        "StartTime,Dur,Proto,SrcAddr,Sport,Dir,DstAddr,Dport,TotPkts,TotBytes,SrcBytes",
        f"2026/11/20 08:00:00,5.0,tcp,{CLIENT},50001,->,{SERVER},993,10,5840,420",
    ),
    "gcp_csv": (
        "jsonPayload.bytes_sent,jsonPayload.connection.dest_ip,jsonPayload.connection.dest_port,"
        "jsonPayload.connection.src_ip,jsonPayload.connection.src_port,jsonPayload.start_time",
        f"5420,{CLIENT},50001,{SERVER},993,2026-11-20T08:00:00Z",
    ),
    "vpc_csv": (
        "account_id,interface_id,srcaddr,dstaddr,srcport,dstport,protocol,packets,bytes,start,end,action,log_status",
        f"1,eni-1,{SERVER},{CLIENT},993,50001,6,6,5420,{T},{T + 60},ACCEPT,OK",
    ),
    "azure_analytics_csv": (
        "SubType,FlowStartTime,SrcIp,DestIp,DestPort,L4Protocol,BytesSrcToDest,BytesDestToSrc",
        f"FlowLog,2026-11-20T08:00:00Z,{CLIENT},{SERVER},993,T,420,5420",
    ),
    "paloalto_csv": PALO_ALTO,
    "fortinet_csv": (
        "date,time,tz,logid,type,srcip,srcport,dstip,dstport,sessionid,action,duration,sentbyte,rcvdbyte",
        f"2026-11-20,08:00:10,+0000,0000000013,traffic,{CLIENT},50001,{SERVER},993,77,close,10,420,5420",
    ),
}


def quoted(line: str) -> str:
    return ",".join(f'"{cell}"' for cell in line.split(","))


SPELLINGS: dict[str, Callable[[str, str], list[str]]] = {
    "as it is": lambda head, row: [head, row],
    "blank lines": lambda head, row: ["", " ", head, "", row, ""],
    "a header that comes again": lambda head, row: [head, row, head],
    "delimiters at the ends of rows": lambda head, row: [head, f"{row},,,"],
    "quoted names": lambda head, row: [quoted(head), row],
    "quoted cells": lambda head, row: [quoted(head), quoted(row)],
    "blanks behind delimiters": lambda head, row: [head.replace(",", ", "), row.replace(",", ", ")],
    "semicolons": lambda head, row: [head.replace(",", ";"), row.replace(",", ";")],
    "bars": lambda head, row: [head.replace(",", "|"), row.replace(",", "|")],
    "a line that tells the delimiter": lambda head, row: ["sep=;", head.replace(",", ";"), row.replace(",", ";")],
    "what PowerShell exports": lambda head, row: ["#TYPE Selected.System.String", quoted(head), quoted(row)],
    "remarks above": lambda head, row: ["# exported at noon", "# by hand", head, row],
    "tabs": lambda head, row: [head.replace(",", "\t"), row.replace(",", "\t")],
    "the numbers of a data frame's rows": lambda head, row: [f",{head}", f"0,{row}"],
    "such numbers saved and read again": lambda head, row: [f"Unnamed: 0,{head}", f"0,{row}"],
    "a count as a real number": lambda head, row: [head, re.sub(r"\b(5420|5840)\b", r"\1.0", row)],
    "a count with an exponent": lambda head, row: [head, row.replace("5420", "5.42e3").replace("5840", "5.84e3")],
    "a count in groups": lambda head, row: [head, re.sub(r"\b5(420|840)\b", r'"5,\1"', row)],
    "names in capitals": lambda head, row: [head.upper(), row],
}


@pytest.mark.parametrize(("name", "spelling"), pairs(TABLES, SPELLINGS))
def test_a_table_is_known_and_read_however_it_was_saved(name: str, spelling: str) -> None:
    lines = SPELLINGS[spelling](*TABLES[name])
    name = name.partition(" ")[0]
    if (name, spelling) != ("paloalto_csv", "names in capitals"):  # Its columns are named as the device's syslog is.
        known = "vpc_text" if (name, spelling) == ("vpc_csv", "tabs") else name  # Blanks of any kind part its text.
        assert detect("\n".join([*lines, ""]).encode(), "auto", "x") == known
    parsed = read(name, *lines)
    assert not parsed.account.quarantined
    layers = [parsed.rows[f"{layer}_bytes_in"].to_list() for layer in ("ip", "payload", "other")]
    assert [5_420] in layers


def test_a_line_that_only_resembles_a_header_does_not_change_what_parts_the_cells() -> None:
    head, row = TABLES["cim_csv"]
    parsed = read("cim_csv", "bytes_in;total", head, row)
    assert parsed.account.flows == 1


TOTALS = {
    "5420": 5_420,
    "5420.0": 5_420,
    '"5,420"': 5_420,
    "1000000000000000": 10**15,
    "0": 0,
    "0.0": 0,
    "-": None,
    "": None,
    "12 MB": "bad_number",
    '"1,2"': "bad_number",
    "-5": "negative_bytes",
    "1000000000000001": "implausible_bytes",
    "inf": "bad_number",
}


@pytest.mark.parametrize("total", TOTALS)
def test_a_total_that_cannot_be_right_is_set_aside_where_a_record_tells_no_other_count(total: str) -> None:
    names = {"start_time": "t", "src_ip": "c", "src_port": "cp", "dest_ip": "s", "dest_port": "sp"}
    counts = {"bytes": "b", "bytes_in": "i", "bytes_out": "o"}
    mapping = ColumnMapping(tuple((names | counts).items()))
    by = READERS["table_csv"](ReadOptions(Watch(None), LATEST, mapping=mapping))
    ends = f"{T},{CLIENT},50001,{SERVER},993"
    parsed = read("table_csv", "t,c,cp,s,sp,b,i,o", f"{ends},{total},,", f"{ends},7,,", f"{ends},{total},8,9", by=by)
    wrong = TOTALS[total] if isinstance(TOTALS[total], str) else None
    known = None if wrong else TOTALS[total]
    rows = parsed.rows.select("source_line", "total_bytes", "other_bytes_in").rows()
    assert rows == ([] if wrong else [(2, known, None)]) + [(3, 7, None), (4, known, 8)]
    assert parsed.rejects.select("source_line", "reason").rows() == ([(2, wrong)] if wrong else [])


def test_an_odd_total_beside_a_count_of_one_direction_decides_nothing() -> None:
    names = {"start_time": "t", "src_ip": "c", "dest_ip": "s", "bytes": "b", "sent": "n"}
    by = READERS["table_csv"](ReadOptions(Watch(None), LATEST, mapping=ColumnMapping(tuple(names.items()))))
    parsed = read("table_csv", "t,c,s,b,n", f"{T},{CLIENT},{SERVER},-5,7", f"{T},{CLIENT},{SERVER},-5,-7", by=by)
    assert parsed.rows.select("source_line", "other_bytes_out", "total_bytes").rows() == [(2, 7, None)]
    assert parsed.rejects["reason"].to_list() == ["negative_bytes"]

"""Lines of other formats in the cells of an exported table: found, taken out, and numbered as in the file."""

import csv
import io
import json
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import SourceError
from pipeline.sources.base import Block, merge
from pipeline.sources.registry import READERS, detect
from tests.examples import examples
from tests.pipeline.sources.lines import only, options, read_lines, starts

PAIRS = (
    'date=2026-11-20 time=08:00:00 devid="FGT1" logid="0000000013" type="traffic" srcip=10.1.0.{} dstip=10.9.0.25 '
    'srcport=1 dstport=993 msg="a, b" sentbyte=1 rcvdbyte=5900'
)
VPC = "2 123456789010 eni-1 10.9.0.25 10.1.0.{} 993 50001 6 12 5900 1795161600 1795161655 ACCEPT OK"
EVE = '{{"event_type": "flow", "timestamp": "2026-11-20T08:00:00Z", "src_ip": "10.1.0.{}", "dest_ip": "10.9.0.25", ' \
    '"flow": {{"bytes_toclient": 5900, "start": "2026-11-20T07:00:00Z"}}}}'  # fmt: skip
PAN = (
    "<14>Nov 20 08:00:01 PA 1,2026/11/20 08:00:00,0128,TRAFFIC,end,2817,2026/11/20 08:00:00,10.1.0.{},10.9.0.25,,,"
    '"r, x",,,imap,vsys1,a,b,e1,e2,send,2026/11/20 08:00:00,2275,1,55113,993,1,993,0x4,tcp,allow,7734,1758,5976,36,'
    "2026/11/20 07:59:04,56,any,,32091112,0x0,a,b,,16,20,tcp-fin"
)
INSIDE = {"fortinet": PAIRS, "vpc_text": VPC, "suricata": EVE, "paloalto": PAN}


def exported(lines: Sequence[str], column: str = "_raw") -> list[str]:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["_time", column, "note"])
    writer.writerows(["2026-11-20T08:00:00Z", line, "two\nlines" if n % 2 else ""] for n, line in enumerate(lines))
    return out.getvalue().removesuffix("\n").split("\n")


@pytest.mark.parametrize("column", ["_raw", "@message", "message", "SyslogMessage", "payloadAsUTF", "@rawstring"])
@pytest.mark.parametrize("encoding", INSIDE)
def test_the_lines_in_a_column_are_read_as_the_lines_themselves(encoding: str, column: str) -> None:
    lines = [INSIDE[encoding].format(n) for n in range(1, 5)]
    table = exported(lines, column)
    assert detect("\n".join(table).encode(), "auto", "x") == f"{encoding}@csv:{column.lower()}"
    plain, found = read_lines(encoding, lines), read_lines(f"{encoding}@csv:{column.lower()}", table)
    assert found.rows.drop("source_line").equals(plain.rows.drop("source_line"))
    assert found.rows["source_line"].to_list() == [2, 3, 5, 6]
    assert (found.account.lines, found.account.comments, found.account.flows) == (7, 3, 4)
    assert found.account.balanced


@pytest.mark.parametrize("column", ["V", "RECORD_CONTENT", "Content", "payload", "data"])
def test_records_of_json_are_found_in_a_column_of_any_name(column: str) -> None:
    """As databases (Snowflake, PostgreSQL) and consoles export them."""
    lines = [EVE.format(n) for n in range(1, 5)]
    encoding = f"suricata@csv:{column.lower()}"
    assert detect("\n".join(exported(lines, column)).encode(), "auto", "x") == encoding
    found = read_lines(encoding, exported(lines, column))
    assert found.rows["src_ip"].to_list() == ["10.1.0.1", "10.1.0.2", "10.1.0.3", "10.1.0.4"]
    assert found.account.balanced


def test_a_column_with_other_objects_is_none_of_records() -> None:
    table = exported(['{"topic": "flow", "offset": 1}'], "meta")
    with pytest.raises(SourceError, match="no known format"):
        detect("\n".join(table).encode(), "auto", "x")


@settings(max_examples=examples(10))
@given(st.lists(st.integers(1, 3), max_size=4))
def test_where_a_table_is_cut_into_blocks_does_not_show(cuts: list[int]) -> None:
    table = exported([PAIRS.format(n) for n in range(1, 6)])
    parts, reader, at = [], READERS["fortinet@csv:_raw"](options()), 0
    for size in [*cuts, len(table)]:
        lines = table[at : at + size]
        if lines:
            state = reader.state()
            reader = READERS["fortinet@csv:_raw"](options())
            reader.resume(state)
            parts.append(reader.read(Block("".join(f"{line}\n" for line in lines).encode(), at + 1)))
        at += size
    found = merge([*parts, reader.finish()])
    assert found.rows["source_line"].to_list() == [2, 3, 5, 6, 8]
    assert found.account.balanced


def test_a_record_that_the_file_does_not_end_is_set_aside() -> None:
    table = [*exported([PAIRS.format(1)]), '2026,"never closed']
    reader = READERS["fortinet@csv:_raw"](options())
    found = merge([reader.read(Block("".join(f"{line}\n" for line in table).encode(), 1)), reader.finish()])
    assert (found.account.flows, dict(found.account.quarantined)) == (1, {"incomplete_last_line": 1})
    assert found.rejects["source_line"].to_list() == [3]
    assert found.account.balanced


def test_a_line_that_is_no_record_of_the_table_is_set_aside() -> None:
    table = [*exported([PAIRS.format(1)]), "no, record", exported([PAIRS.format(2)])[1]]
    found = read_lines("fortinet@csv:_raw", table)
    assert (found.account.flows, dict(found.account.quarantined)) == (2, {"bad_line": 1})


def test_a_table_with_counters_of_its_own_is_read_by_its_columns() -> None:
    text = '_raw,_time,src_ip,dest_ip,bytes_in\n"x",1795161600,10.1.0.1,10.9.0.25,5\n'
    assert detect(text.encode(), "auto", "x") == "cim_csv"


SYSLOG_TABLE = 'TenantId,"TimeGenerated [UTC]",Computer,"EventTime [UTC]",SyslogMessage,ProcessName,Type'
FIREBOX = (
    'msg_id=""3000-0151"" Allow Servers External tcp 10.1.0.7 198.51.100.9 26450 993 '
    'duration=""30"" sent_bytes=""500"" rcvd_bytes=""9000"" (IMAPS-00)'
)
TEARDOWN = "Teardown TCP connection 7 for outside:198.51.100.9/993 to inside:10.1.0.7/5001 duration 0:00:30 bytes 9500"


def test_messages_in_a_table_have_its_time_in_utc_where_the_portal_shows_it_so() -> None:
    row = f'x,"7/27/2026, 8:55:10.130 PM",fw1,"7/27/2026, 10:55:10.000 PM","{FIREBOX}",firewall,Syslog'
    found = read_lines("watchguard@csv:syslogmessage", [SYSLOG_TABLE, row], zone="Asia/Tokyo")
    flow = only(found)
    assert starts(found) == ["2026-07-27T20:54:40.130"]
    assert (flow["ip_bytes_in"], flow["ip_bytes_out"], flow["src_ip"], flow["dvc"]) == (None, None, "10.1.0.7", "fw1")
    assert found.account.quarantined == {}


@pytest.mark.parametrize(
    ("name", "time", "start"),
    [
        ("TimeGenerated [UTC]", "7/7/2026, 12:00:30.000 AM", "2026-07-07T00:00:00.000"),
        ("TimeGenerated [UTC]", "2026-07-07T00:00:30Z", "2026-07-07T00:00:00.000"),
        ("TimeGenerated [UTC]", "2026-07-07 00:00:30", "2026-07-07T00:00:00.000"),
        ("TimeGenerated", "2026-07-07T00:00:30.5Z", "2026-07-07T00:00:00.500"),
        ("_time", "2026-07-07T02:00:30.000+0200", "2026-07-07T00:00:00.000"),
        ("TimeGenerated [Local Time]", "7/7/2026, 12:00:30.000 AM", None),
        ("TimeGenerated [UTC]", "7/47/2026, 12:00:30.000 AM", None),
    ],
)
def test_what_times_of_a_table_mean(name: str, time: str, start: str | None) -> None:
    table = [f'"{name}",SyslogMessage', f'"{time}","{FIREBOX}"']
    found = read_lines("watchguard@csv:syslogmessage", table)
    assert starts(found) == ([start] if start else [])
    assert found.account.quarantined == ({} if start else {"untimed": 1})


def test_json_of_the_portal_has_its_times_too() -> None:
    record = {"TimeGenerated [UTC]": "7/27/2026, 8:55:10.130 PM", "SyslogMessage": FIREBOX.replace('""', '"')}
    assert starts(read_lines("watchguard@SyslogMessage", [json.dumps(record)])) == ["2026-07-27T20:54:40.130"]


def test_a_message_whose_number_became_the_name_of_a_program_is_told_in_a_table() -> None:
    table = [SYSLOG_TABLE, f'x,"7/27/2026, 8:55:10.130 PM",fw1,,{TEARDOWN},%ASA-6-302014,Syslog']
    name = detect("\n".join([*table, ""]).encode(), "auto", "x")
    assert name == "asa@csv:syslogmessage"
    assert starts(read_lines(name, table)) == ["2026-07-27T20:54:40.130"]

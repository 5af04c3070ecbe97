"""nfdump's CSV, tables and JSON: directions, who began, Summaries, rounding, and feeds that lost a direction."""

import json
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.sources.base import DocumentReader, ReadOptions
from pipeline.sources.forms import FORMS
from pipeline.sources.registry import READERS, detect
from pipeline.sources.watch import Watch
from tests.examples import examples
from tests.pipeline.sources.lines import LATEST, ends, ip_bytes, only, read_blocks, read_lines, starts

CLIENT, SERVER = "10.1.0.11", "192.0.2.25"
HEADER = "ts,te,td,sa,da,sp,dp,pr,flg,fwd,stos,ipkt,ibyt,opkt,obyt"
NEW = "firstSeen,duration,proto,srcAddr,srcPort,dstAddr,dstPort,packets,bytes,flows"
TABLE = (
    "Date first seen             Duration     Proto      Src IP Addr:Port          Dst IP Addr:Port   Packets    Bytes"
)
OWN = (
    "Date first seen             Duration     Proto      Src IP Addr:Port          Dst IP Addr:Port     Flags"
    "   In Pkt  Out Pkt  In Byte Out Byte Flows",
    "2026-11-20 00:00:01.250     00:01:00.500 TCP        10.1.0.11:40001 ->       192.0.2.25:993   ...AP.SF"
    "        9       10      600     5900     2",
)
"""A row with its header of `nfdump -o "fmt:%ts %td %pr %sap -> %dap %flg %ipkt %opkt %ibyt %obyt %fl"`, 1.7.1."""
TIMES = "2026-11-20 00:00:01,2026-11-20 00:01:01,60.500"


def row(there: str = "10,5900", back: str = "0,0", **change: str) -> str:
    given = {
        "sa": CLIENT,
        "da": SERVER,
        "sp": "40001",
        "dp": "993",
        "pr": "TCP",
        "flg": "...AP.SF",
        "fwd": "0",
    } | change
    return f"{TIMES},{','.join(given.values())},0,{there},{back}"


def from_server(there: str = "10,5900", **change: str) -> str:
    return row(there, **{"sa": SERVER, "da": CLIENT, "sp": "993", "dp": "40001"} | change)


def csv(*rows: str) -> Any:
    return read_lines("nfdump_csv", [HEADER, *rows])


def test_a_one_way_record_of_the_server_is_what_the_client_received() -> None:
    found = only(csv(from_server()))
    assert ends(found) == (CLIENT, 40_001, SERVER, 993)
    assert (found["ip_bytes_in"], found["ip_bytes_out"], found["packets_in"], found["packets_out"]) == (
        (5_900, None, 10, None)
    )
    assert (found["accounting"], found["orientation"], found["transport"]) == ("delta", "port_rule", "tcp")
    assert (found["duration"], found["vendor_product"]) == (60_500_000, "nfdump")


def test_in_counters_of_a_two_way_record_are_what_its_source_sent() -> None:
    found = only(csv(row("9,600", "10,5900")))
    assert ends(found) == (CLIENT, 40_001, SERVER, 993)
    assert (found["ip_bytes_in"], found["ip_bytes_out"], found["packets_in"]) == (5_900, 600, 10)


def test_a_two_way_record_whose_first_packet_came_from_the_server_is_turned() -> None:
    found = only(csv(from_server("10,5900", back="9,600")))
    assert ends(found) == (CLIENT, 40_001, SERVER, 993)
    assert (found["ip_bytes_in"], found["ip_bytes_out"], found["orientation"]) == (5_900, 600, "port_rule")


def test_what_was_never_seen_is_unknown_and_not_zero() -> None:
    found = only(csv(row("0,0", "10,5900")))
    assert (found["ip_bytes_in"], found["ip_bytes_out"], found["packets_out"]) == (5_900, None, None)


@pytest.mark.parametrize(
    ("flags", "ports", "expected"),
    [
        ("......S.", ("993", "40001"), (SERVER, "syn")),
        ("...A..S.", ("993", "40001"), (CLIENT, "port_rule")),
        ("...AP.SF", ("40001", "40002"), (SERVER, "unknown")),
    ],
)
def test_only_a_syn_without_an_ack_tells_who_began(
    flags: str, ports: tuple[str, str], expected: tuple[str, str]
) -> None:
    found = only(csv(from_server(flg=flags, sp=ports[0], dp=ports[1])))
    assert (found["src_ip"], found["orientation"]) == expected


def test_icmp_has_no_ports_and_its_type_is_none() -> None:
    parsed = csv(
        row(sp="0", dp="771", pr="ICMP"), row(sp="0", dp="3.3", pr="ICMP6", sa="2001:db8::1", da="2001:db8::2")
    )
    assert parsed.rows.select("src_port", "dest_port", "transport").unique().rows() == [(None, None, "icmp")]


def test_times_without_a_zone_are_of_the_zone_of_the_source() -> None:
    assert starts(read_lines("nfdump_csv", [HEADER, row()], "America/New_York")) == ["2026-11-20T05:00:01.000"]
    assert starts(csv(row())) == ["2026-11-20T00:00:01.000"]


SUMMARY = ["Summary", "flows,bytes,packets,avg_bps,avg_pps,avg_bpp"]


def test_a_summary_is_no_row_and_agrees() -> None:
    parsed = csv(from_server(), row("9,600"), *SUMMARY, "2,6500,19,866,0,342")
    assert (parsed.account.flows, parsed.account.comments, dict(parsed.account.warnings)) == (2, 4, {})
    assert ip_bytes(parsed) == (5_900, 600)


def test_a_summary_that_does_not_agree_is_warned_of_by_name() -> None:
    missing = csv(from_server(), *SUMMARY, "2,6500,19,866,0,342")
    broken = csv(from_server(), row("9,x"), *SUMMARY, "2,6500,19,866,0,342")
    for parsed in (missing, broken):
        assert dict(parsed.account.warnings) == {"summary_mismatch": 1}
        assert parsed.account.balanced


def test_every_summary_is_of_the_records_since_the_last_one_wherever_blocks_end() -> None:
    lines = [HEADER, from_server(), row("9,600"), *SUMMARY, "2,6500,19,866,0,342"]
    lines += [HEADER, from_server("1,41"), *SUMMARY, "1,40,1,0,0,0"]
    for cut in range(len(lines) + 1):
        parsed = read_blocks("nfdump_csv", [b for b in (lines[:cut], lines[cut:]) if b])
        assert dict(parsed.account.warnings) == {"summary_mismatch": 1}
        assert (parsed.account.flows, parsed.account.comments) == (3, 8)
        assert parsed.account.balanced


def test_six_numbers_that_follow_no_header_of_a_summary_are_set_aside() -> None:
    parsed = csv(row(), "2,6500,19,866,0,342")
    assert dict(parsed.account.quarantined) == {"too_few_fields": 1}


LATER = f"2026-11-20 00:00:01.250,60.500,TCP,{SERVER},993,{CLIENT},40001,10,5900,1"


def test_csv_of_later_versions_is_read_by_its_header() -> None:
    found = only(read_lines("nfdump_csv", [NEW, LATER]))
    assert (*ends(found), found["ip_bytes_in"], found["duration"]) == (CLIENT, 40_001, SERVER, 993, 5_900, 60_500_000)
    own = "firstSeen,lastSeen,proto,srcAddr,srcPort,dstAddr,dstPort,flags,inPackets,inBytes,outPackets,outBytes,"
    line = f"1795132801250,1795132861750,6,{CLIENT},40001,{SERVER},993,......S.,9,600,10,5900,"
    parsed = read_lines("nfdump_csv", [own, line])
    found = only(parsed)
    assert (found["ip_bytes_in"], found["ip_bytes_out"], found["duration"]) == (5_900, 600, 60_500_000)
    assert starts(parsed) == ["2026-11-20T00:00:01.250"]


@pytest.mark.parametrize(
    "line", [from_server(), f"2026-11-20 00:00:01.250,60.500,TCP,{SERVER},993,{CLIENT},40001,10,5900,1"]
)
def test_lines_without_a_header_are_known_by_their_shape(line: str) -> None:
    assert detect(line.encode(), "auto", "x") == "nfdump_csv"
    assert only(read_lines("nfdump_csv", [line]))["ip_bytes_in"] == 5_900


def test_records_of_dropped_packets_are_ignored_by_name() -> None:
    parsed = csv(row(fwd="66"), row(fwd="130"))
    assert (parsed.account.flows, parsed.account.ignored, dict(parsed.account.warnings)) == (1, 1, {"blocked": 1})


def test_no_matching_flows_is_an_empty_answer() -> None:
    parsed = csv("No matching flows")
    assert (parsed.account.flows, parsed.account.comments, parsed.account.lines) == (0, 2, 2)


# Tables


def table_row(size: str, arrow: str = "->", middle: str = "", source: str = f"{SERVER}:993") -> str:
    return (
        f"2026-11-20 00:00:01.250     00:01:00.500 TCP  {source}   {arrow}        {CLIENT}:40001 {middle} {size}     1"
    )


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (table_row("10     5900"), (5_900, None)),
        (table_row("10     5900", middle="...AP.SF   0"), (5_900, None)),
        (table_row("10     5900        1     8000    999", middle="...AP.SF   0"), (5_900, None)),
        (table_row("90.0 M   64.0 G"), (64_000_000_000, None)),
        (table_row("100000  639.7 M"), (639_700_000, None)),
        (table_row("9       10      600     5900", "<->"), (5_900, 600)),
        (table_row("9       10      600     5900", "<->", "...AP.SF   0"), (5_900, 600)),
        (table_row("0   90.0 M        0   64.0 G", "<->"), (64_000_000_000, None)),
    ],
)
def test_every_table_is_read_by_its_shape(line: str, expected: tuple[int | None, int | None]) -> None:
    parsed = read_lines("nfdump_text", [TABLE, line, "Summary: total flows: 1, total bytes: 1.2 G, total packets: 9"])
    found = only(parsed)
    assert (found["ip_bytes_in"], found["ip_bytes_out"], found["duration"]) == (*expected, 60_500_000)
    assert starts(parsed) == ["2026-11-20T00:00:01.250"]
    assert ends(found) == (CLIENT, 40_001, SERVER, 993)
    assert parsed.account.warnings["rounded_bytes"] == int(bool(expected[0] and expected[0] > 10**6))
    assert parsed.account.warnings["summary_mismatch"] == 0


def test_the_header_of_releases_of_old_is_one() -> None:
    old = TABLE.replace("first seen", "flow start")
    assert detect(f"{old}\n".encode(), "auto", "x") == "nfdump_text"
    assert read_lines("nfdump_text", [old]).account.comments == 1


def test_plain_summaries_of_tables_are_compared() -> None:
    lines = [
        TABLE,
        table_row("10     5900"),
        "Summary: total flows: 1, total bytes: 5901, total packets: 10, avg bps: 1",
    ]
    assert dict(read_lines("nfdump_text", lines).account.warnings) == {"summary_mismatch": 1}
    lines[-1] = lines[-1].replace("5901", "5900")
    assert not read_lines("nfdump_text", lines).account.warnings


def test_long_durations_and_whole_ipv6_addresses_are_read_and_short_ones_set_aside() -> None:
    whole = "2026-11-20 00:00:01.250  1d 03:46:35.000 6  2001:db8::25.993   ->  2001:db8::11.40001  10  5900  1"
    short = whole.replace("2001:db8::25", "2001:db..00:25")
    parsed = read_lines("nfdump_text", [TABLE, whole, short, "an odd line"])
    found = only(parsed)
    assert ends(found) == ("2001:db8::11", 40_001, "2001:db8::25", 993)
    assert found["duration"] == 99_995_000_000
    assert dict(parsed.account.quarantined) == {"bad_address": 1, "bad_line": 1}


# JSON


def flow(there: int = 5_900, back: int | None = None, port: int = 40_001, **change: Any) -> dict[str, Any]:
    record = {
        "type": "FLOW",
        "sampled": 0,
        "export_sysid": 1,
        "first": "2026-11-20T00:00:01.250",
        "last": "2026-11-20T00:01:01.750",
        "received": "2026-11-25T04:06:06.752",
        "in_packets": 10,
        "in_bytes": there,
        "proto": 6,
        "tcp_flags": "...AP.SF",
        "src_port": 993,
        "dst_port": port,
        "src4_addr": SERVER,
        "dst4_addr": CLIENT,
        "ip4_router": "192.0.2.1",
    }
    return record | ({} if back is None else {"out_packets": 9, "out_bytes": back}) | change


def client_flow(port: int, back: int | None = None) -> dict[str, Any]:
    return flow(600, back, src_port=port, dst_port=993, src4_addr=CLIENT, dst4_addr=SERVER)


def json_lines(*records: dict[str, Any]) -> Any:
    return read_lines("nfdump_json", [json.dumps(r) for r in records])


def test_json_is_read_by_line_and_as_one_array() -> None:
    reader = READERS["nfdump_json"](ReadOptions(Watch(None), LATEST))
    assert isinstance(reader, DocumentReader)
    document = json.dumps([flow(), client_flow(40_001)], indent=1)
    assert detect(document.encode(), "auto", "x") == "nfdump_json"
    for parsed in (json_lines(flow(), client_flow(40_001)), reader.read_array(document.encode())):
        assert ip_bytes(parsed) == (5_900, 600)
        assert starts(parsed) == ["2026-11-20T00:00:01.250"] * 2
        assert set(parsed.rows["dvc"]) == {"192.0.2.1"}
        assert set(parsed.rows["duration"]) == {60_500_000}


def test_older_names_ipv6_and_icmp_of_json_are_read() -> None:
    old = {k: v for k, v in flow().items() if k not in ("first", "last", "src4_addr", "dst4_addr")}
    old |= {"t_first": "2026-11-20T00:00:01.250", "t_last": "2026-11-20T00:01:01.750"}
    found = only(json_lines(old | {"src6_addr": "2001:db8::25", "dst6_addr": "2001:db8::11"}))
    assert ends(found) == ("2001:db8::11", 40_001, "2001:db8::25", 993)
    icmp = {k: v for k, v in flow().items() if not k.endswith("_port")} | {"proto": 1, "icmp_type": 3, "icmp_code": 3}
    assert only(json_lines(icmp))["transport"] == "icmp"


def test_denied_events_and_records_without_counters_are_ignored_by_name() -> None:
    bare = {k: v for k, v in flow().items() if not k.startswith("in_")}
    parsed = json_lines(flow(), flow(event="DENIED"), bare)
    assert (parsed.account.flows, parsed.account.ignored) == (1, 2)
    assert dict(parsed.account.warnings) == {"blocked": 1, "no_data": 1}


def test_events_of_a_firewall_are_of_whole_connections_and_those_of_a_stretch_are_deltas() -> None:
    never = {"last": "1970-01-01T00:00:00.000", "t_event": "2026-11-20T00:00:09.50", "in_packets": 0, "out_packets": 0}
    parsed = json_lines(
        flow(0, 0, event="CREATE", **never),
        flow(70, 5_000, event="UPDATE", **never),
        flow(90, 0, event="DELETE", **never),
        flow(70, 5_000, **never),
        flow(event="UPDATE"),
    )
    columns = ("src_ip", "accounting", "ip_bytes_in", "ip_bytes_out", "packets_in", "duration")
    assert parsed.rows.select(columns).rows() == [
        (SERVER, "update", 5_000, 70, None, 7_800_000),
        (SERVER, "final", 0, 90, None, 7_800_000),
        (SERVER, "cumulative", 5_000, 70, None, 7_800_000),
        (CLIENT, "delta", 5_900, None, 10, 60_500_000),
    ]
    assert dict(parsed.account.warnings) == {"begin": 1}


def test_sampled_records_and_impossible_packets_are_warned_of() -> None:
    parsed = json_lines(flow(sampled=1), flow(there=10))
    assert dict(parsed.account.warnings) == {"sampled": 1, "impossible_packet_size": 1}


LOST = [client_flow(40_000 + i) for i in range(12)]


def test_a_feed_without_any_answer_of_servers_is_warned_of() -> None:
    assert json_lines(*LOST).account.warnings["no_reverse_counters"] == 12


@pytest.mark.parametrize(
    "records",
    [
        [*LOST, *(flow(port=40_000 + i) for i in range(12))],
        [flow(port=40_000 + i) for i in range(12)],
        [client_flow(40_000 + i, back=5_900) for i in range(12)],
        [r | {"tcp_flags": "......S."} for r in LOST],
        [r | {"proto": 17} for r in LOST],
        LOST[:4],
    ],
    ids=["both directions", "servers only", "two-way records", "nobody answered", "not TCP", "too few to tell"],
)
def test_a_feed_that_may_be_whole_is_not(records: list[dict[str, Any]]) -> None:
    assert json_lines(*records).account.warnings["no_reverse_counters"] == 0


@pytest.mark.parametrize("size", [1, 3, 5, 7])
def test_the_lost_direction_is_told_however_the_file_is_cut(size: int) -> None:
    lines = [json.dumps(r) for r in LOST]
    parsed = read_blocks("nfdump_json", [lines[i : i + size] for i in range(0, len(lines), size)])
    assert parsed.account.warnings["no_reverse_counters"] == 12


# What must hold for any input

REAL = {
    "nfdump_csv": [HEADER, row(), from_server(), *SUMMARY, "2,6500,19,866,0,342", NEW],
    "nfdump_text": [TABLE, table_row("10   5900"), table_row("9 10 600 639.7 M", "<->"), "Summary: total bytes: 1, x",
                    *OWN],
    "nfdump_json": [json.dumps(flow()), json.dumps(client_flow(40_001, 9))],
    "nfcapd": [
        "tsr,ter,pr,sa,da,sp,dp,flg,fwd,ipkt,ibyt,opkt,obyt,ra",
        "1795132800.000,1795132801.000,6,2001:db8::1,2001:db8::2,1,2,S,0,1,2,0,0,::",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("encoding", "lines"), REAL.items())
def test_each_encoding_is_known_by_its_content(encoding: str, lines: list[str]) -> None:
    assert detect("\n".join(lines).encode(), "auto", "x") == encoding
    assert detect(("\n\n" + "\n".join(lines)).encode(), "nfdump", "x") == encoding


@settings(max_examples=examples(25))
@given(data=st.data(), encoding=st.sampled_from(sorted(REAL)))
def test_no_bytes_break_a_reader_and_every_line_is_accounted_for(data: st.DataObject, encoding: str) -> None:
    real = st.sampled_from(REAL[encoding]).map(str.encode)
    at = st.integers(0, 120)
    odd = st.sampled_from([b"9" * 400, b"1e308", b'"', b",", b"-1", b"NaN", b" ", b"\xff", b"0x1g", b"<->", b"\x00"])
    changed = st.builds(lambda line, i, j, new: line[:i] + new + line[i + j :], real, at, st.integers(0, 9), odd)
    lines = data.draw(st.lists(st.one_of(real, changed, st.binary(max_size=30)), min_size=1, max_size=8))
    cut = data.draw(st.integers(0, len(lines)))
    whole = read_lines(encoding, lines)
    parts = read_blocks(encoding, [b for b in (lines[:cut], lines[cut:]) if b])
    assert whole.account.balanced
    assert whole.account.lines == len(lines)
    for parsed in (whole, parts):
        del parsed.account.warnings["no_reverse_counters"]  # Pairs are looked for within a block.
    assert whole.account.as_dict() == parts.account.as_dict()
    assert whole.rows.equals(parts.rows)


@pytest.mark.parametrize("word", [b"\n", b" ", b"srcAddr,", b"firstSeen,", b"sIP ", b"saddr,"])
def test_marks_are_looked_for_in_one_pass(word: bytes) -> None:
    head = word * (65_536 // len(word))
    ours = [f for f in FORMS.values() if f.format in ("nfdump", "silk", "argus")]
    assert [f.name for f in ours if f.marks.search(head)] == []


def test_each_of_many_summaries_is_compared_with_its_own_records() -> None:
    lines = [HEADER, *([from_server("1,40"), *SUMMARY, "1,40,1,0,0,0"] * 2_000)]
    parsed = read_lines("nfdump_csv", lines)
    assert (parsed.account.flows, dict(parsed.account.warnings)) == (2_000, {})
    assert parsed.rows.select(pl.col("ip_bytes_in").sum()).item() == 80_000


@pytest.mark.parametrize("column", ["dir", "direction"])
@pytest.mark.parametrize(("way", "reporter"), [("0", None), ("1", "dest"), ("E", "dest"), ("I", None), ("29", None)])
def test_packets_met_as_they_left_a_router_are_told_from_those_that_came(
    way: str, reporter: str | None, column: str
) -> None:
    record = f"{TIMES},{CLIENT},{SERVER},40001,993,TCP,...AP.S.,0,0,10,600,0,0,{way}"
    assert only(read_lines("nfdump_csv", [f"{HEADER},{column}", record]))["reporter"] == reporter


def test_what_a_firewall_tells_since_its_last_update_is_told_from_the_whole() -> None:
    events = ("CREATE", "UPDATE", "DELETE", "INVALID", "DENIED")
    parsed = json_lines(flow(0, 0, event="CREATE"), *(flow(70, 5_000, event=e) for e in events))
    assert parsed.rows["accounting"].to_list() == ["final", "update", "final", "delta"]
    assert {k: parsed.account.warnings[k] for k in ("blocked", "begin")} == {"blocked": 1, "begin": 1}


@pytest.mark.parametrize("never", ["0000-00-00T00:00:00.000", "1970-01-01T01:00:00.000"])
def test_a_record_of_which_nfdump_knows_no_time_is_of_the_time_at_which_it_came(never: str) -> None:
    record = {"type": "FLOW", "first": never, "last": never, "received": "2026-11-20T00:00:05.123", "proto": 6,
              "src4_addr": SERVER, "dst4_addr": CLIENT, "src_port": 993, "dst_port": 40_001, "in_packets": 10,
              "in_bytes": 5_900}  # fmt: skip
    parsed = read_lines("nfdump_json", [json.dumps(record)])
    assert (ends(only(parsed)), ip_bytes(parsed)) == ((CLIENT, 40_001, SERVER, 993), (5_900, 0))
    assert starts(parsed) == ["2026-11-20T00:00:05.123"]
    assert parsed.rows["accounting"].to_list() == ["delta"]

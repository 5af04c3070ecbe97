"""Palo Alto TRAFFIC logs: which column is which, whose clock a time is of, and what is no flow."""

import csv
import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.sources.registry import detect
from tests.examples import examples
from tests.pipeline.sources.lines import read
from tests.real_files import GOLDEN, SAMPLES, needs_samples

CLIENT, SERVER = "10.1.0.11", "192.0.2.25"
PLACES = {
    "received": 1, "serial": 2, "type": 3, "subtype": 4, "generated": 6, "src": 7, "dest": 8, "src_nat": 9,
    "dest_nat": 10, "rule": 11, "user": 12, "app": 14, "vsys": 15, "session": 22, "repeat": 23, "sport": 24,
    "dport": 25, "proto": 29, "action": 30, "bytes": 31, "sent": 32, "back": 33, "start": 35, "elapsed": 36,
    "category": 37, "pkts_sent": 44, "pkts_back": 45, "device": 52, "precise": 102,
}  # fmt: skip
RECORD = {
    "received": "2026/11/20 00:20:00", "serial": "007200001056", "type": "TRAFFIC", "subtype": "end",
    "generated": "2026/11/20 00:19:59", "src": CLIENT, "dest": SERVER, "src_nat": "0.0.0.0", "dest_nat": "0.0.0.0",
    "rule": "mail", "app": "imap", "session": "36459", "repeat": "1", "sport": "40001", "dport": "993",
    "proto": "tcp", "action": "allow", "bytes": "6500", "sent": "600", "back": "5900",
    "start": "2026/11/20 00:09:58", "elapsed": "600", "category": "any", "pkts_sent": "9", "pkts_back": "10",
}  # fmt: skip


def pan(head: str = "", width: int = 53, **cells: str) -> str:
    row = [""] * width
    for name, value in {**RECORD, "device": "fw1", **cells}.items():
        if PLACES[name] < width:
            row[PLACES[name]] = value
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(["1", *row[1:]])
    return head + out.getvalue()


def rows(*lines: str, zone: str = "UTC") -> list[dict[str, Any]]:
    return read("paloalto", *lines, zone=zone).rows.to_dicts()


def test_columns_are_those_of_the_record() -> None:
    (row,) = rows(pan(src_nat="198.51.100.7", dest_nat=SERVER))
    ends = ("src_ip", "src_port", "dest_ip", "dest_port", "transport", "app", "dvc", "uid")
    assert [row[c] for c in ends] == [CLIENT, 40_001, SERVER, 993, "tcp", "imap", "fw1", "007200001056/36459"]
    counters = ("other_bytes_in", "other_bytes_out", "packets_in", "packets_out", "other_layer", "total_bytes")
    assert [row[c] for c in counters] == [5_900, 600, 10, 9, "unknown", None]
    assert [row[c] for c in ("accounting", "orientation", "duration")] == ["final", "native", 600_000_000]
    assert (row["src_translated_ip"], row["dest_translated_ip"]) == ("198.51.100.7", None)
    assert row["start_time"].isoformat() == "2026-11-20T00:09:58+00:00"
    assert row["log_time"].isoformat() == "2026-11-20T00:19:59+00:00"


HEADS = [
    "",
    "<14>",
    "<14>Nov 20 00:20:00 fw1 ",
    "<14>1 2026-11-20T00:20:00Z fw1 - - - - ",
    '<14>1 2026-11-20T00:20:00Z fw1 - - - [meta a="1,2" b="x"] ',
    "953 <14>1 2026-11-20T00:20:00.110Z fw1 - - - - ",
    "Nov 20 00:20:01 relay, eu <14>Nov 20 00:20:00 fw1 ",
]


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("width", [46, 115])
def test_any_header_may_stand_before_a_record_of_any_release(head: str, width: int) -> None:
    (row,) = rows(pan(head, width))
    assert (row["src_ip"], row["other_bytes_in"], row["other_bytes_out"]) == (CLIENT, 5_900, 600)
    assert row["start_time"].isoformat() == "2026-11-20T00:09:58+00:00"


def test_a_record_may_lack_its_first_cell_of_which_nothing_is_read() -> None:
    line = pan(serial="PA-5220").partition(",")[2]
    assert detect(f"{line}\n".encode(), "auto", "x") == "paloalto"
    assert [row["other_bytes_in"] for row in rows(line, pan())] == [5_900, 5_900]


def test_every_cell_may_be_in_quotes() -> None:
    (row,) = rows("<14>Nov 20 00:20:00 fw1 " + ",".join(f'"{cell}"' for cell in pan().split(",")))
    assert (row["src_ip"], row["other_bytes_in"], row["dvc"]) == (CLIENT, 5_900, "fw1")


@pytest.mark.parametrize("comma", [", ", " , ", ",\t"])
@pytest.mark.parametrize("head", ["", "<14>Nov 20 00:20:00 fw1 "])
def test_blanks_may_stand_around_commas(head: str, comma: str) -> None:
    (row,) = rows(head + pan().replace(",", comma))
    assert (row["src_ip"], row["other_bytes_in"], row["other_bytes_out"]) == (CLIENT, 5_900, 600)
    assert row["start_time"].isoformat() == "2026-11-20T00:09:58+00:00"
    assert detect(f"{head}{pan().replace(',', comma)}\n".encode(), "auto", "x") == "paloalto"
    assert len(rows(pan(), head + pan(rule='a, b "c"', session="7").replace(",", comma))) == 2


def test_cells_in_quotes_may_hold_commas_quotes_and_whole_records() -> None:
    hostile = pan(user='x",9,9', rule=",".join(["9"] * 40), category="a,b", width=115)
    assert '"x"",9,9"' in hostile
    (plain, row) = rows(pan(), hostile)
    assert (row["src_ip"], row["other_bytes_in"], row["dvc"]) == (CLIENT, 5_900, "fw1")
    assert plain["other_bytes_in"] == 5_900


@pytest.mark.parametrize(
    ("cells", "head", "zone", "expected"),
    [
        ({}, "", "America/New_York", "2026-11-20T05:09:58+00:00"),
        ({}, "<14>1 2026-11-20T00:20:02+01:00 fw1 - - - - ", "America/New_York", "2026-11-19T23:09:58+00:00"),
        # A relay in another zone wrote the header: its clock is not the device's.
        ({}, "<14>1 2026-11-20T05:20:02Z fw1 - - - - ", "America/New_York", "2026-11-20T05:09:58+00:00"),
        ({"precise": "2026-11-20T00:19:59.104-08:00"}, "", "UTC", "2026-11-20T08:09:58+00:00"),
        ({"precise": "2026-11-20T00:19:59.104-08:00"}, "<14>1 2026-11-20T00:20:02Z fw1 - - - - ", "UTC",
         "2026-11-20T08:09:58+00:00"),
        ({"start": "2026-11-20T00:09:58.000000Z"}, "", "America/New_York", "2026-11-20T00:09:58+00:00"),
        ({"start": ""}, "", "UTC", "2026-11-20T00:09:59+00:00"),
    ],
)  # fmt: skip
def test_a_start_is_of_the_clock_that_the_record_or_its_header_tells(
    cells: dict[str, str], head: str, zone: str, expected: str
) -> None:
    (row,) = rows(pan(head, width=115, **cells), zone=zone)
    assert row["start_time"].isoformat() == expected


def test_the_fine_time_counts_where_links_in_braces_whose_commas_nobody_quotes_stand_before_it() -> None:
    record = pan(width=117, precise="2026-11-20T00:19:59.104-08:00").split(",")
    links = "{mpls, gold, Ethernet, ethernet1/4, 08:00:00,100,100,,N/A}"
    for cell in (links, f'"{links}"', "{}", "{lte, 2026-11-20T08:00:00+11:00}", ""):
        (row,) = rows(",".join([*record[:69], cell, *record[70:]]))
        assert row["start_time"].isoformat() == "2026-11-20T08:09:58+00:00", cell
        assert (row["other_bytes_in"], row["other_bytes_out"]) == (5_900, 600)


def test_starts_denials_and_other_logs_are_counted_by_name_and_are_no_flows() -> None:
    threat = pan(type="THREAT", subtype="vulnerability")
    parsed = read(
        "paloalto",
        pan(subtype="start"),
        pan(subtype="deny", action="deny"),
        pan(subtype="drop", action="reset-both"),
        pan(action="reset-client"),
        threat,
        "1,2026/11/20 00:20:00,007200001056,SYSTEM,general,0,2026/11/20 00:20:00,,general,,0,0,general,informational,x",
        "<14>Nov 20 00:20:00 fw1 sshd[1]: another program",
        pan(sent="", back=""),
        pan(),
    )
    assert (parsed.account.flows, parsed.account.ignored) == (1, 8)
    assert dict(parsed.account.warnings) == {"begin": 1, "blocked": 3, "no_counters": 1}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("rubbish", "bad_line"),
        (pan()[:180], "too_few_fields"),
        (pan().replace("mail", 'ma"il'), "bad_line"),
        (pan().replace("mail", '"mail'), "bad_line"),
        (pan(src="fw.example.com"), "bad_address"),
        (pan(sport="70000"), "bad_port"),
        (pan(back="many"), "bad_number"),
        (pan(back="-1"), "negative_bytes"),
        (pan(back=str(10**17)), "implausible_bytes"),
        (pan(start="", elapsed="", generated="", received="2026/11/20 25:00:00"), "untimed"),
        (pan(start="1970/01/01 00:00:00"), "implausible_time"),
    ],
)
def test_a_line_that_cannot_be_right_is_set_aside_with_its_reason(line: str, reason: str) -> None:
    parsed = read("paloalto", pan(), line)
    assert (parsed.account.flows, dict(parsed.account.quarantined)) == (1, {reason: 1})
    assert parsed.rejects["source_line"].to_list() == [2]


NAMES = [
    "Domain", "Receive Time", "Serial #", "Type", "Threat/Content Type", "Generate Time", "Source address",
    "Destination address", "NAT Source IP", "Application", "Session ID", "Repeat Count", "Source Port",
    "Destination Port", "IP Protocol", "Action", "Bytes Received", "Bytes Sent", "Start Time", "Elapsed Time (sec)",
]  # fmt: skip


def export(**cells: str) -> str:
    row = dict.fromkeys(NAMES, "") | {
        "Receive Time": "2026/11/20 00:20:00", "Serial #": "007200001056", "Type": "TRAFFIC",
        "Threat/Content Type": "end", "Source address": CLIENT, "Destination address": SERVER, "Source Port": "40001",
        "Destination Port": "993", "IP Protocol": "tcp", "Action": "allow", "Bytes Received": "5900",
        "Bytes Sent": "600", "Start Time": "2026/11/20 00:09:58", "Elapsed Time (sec)": "600", "Session ID": "7",
    }  # fmt: skip
    return ",".join((row | cells)[name] for name in NAMES)


def test_an_export_is_read_by_its_header_in_any_order() -> None:
    head = ",".join(NAMES)
    lines = (head, export(), export(**{"Threat/Content Type": "start"}), export(Application='"a,b"', Domain="1"))
    assert detect("\n".join(lines).encode(), "auto", "x") == "paloalto_csv"
    parsed = read("paloalto_csv", *lines, zone="Europe/Berlin")
    assert (parsed.account.flows, parsed.account.ignored, parsed.account.comments) == (2, 1, 1)
    row = parsed.rows.row(0, named=True)
    assert (row["src_ip"], row["other_bytes_in"], row["other_bytes_out"], row["dvc"]) == (
        CLIENT,
        5_900,
        600,
        "007200001056",
    )
    assert row["start_time"].isoformat() == "2026-11-19T23:09:58+00:00"


def test_an_export_with_the_names_of_the_fields_is_the_same_record() -> None:
    head = "time_generated,serial,type,subtype,src,dst,sport,dport,proto,action,bytes_sent,bytes_received,start,elapsed"
    line = (
        f"2026/11/20 00:19:59,0072,TRAFFIC,end,{CLIENT},{SERVER},40001,993,tcp,allow,600,5900,2026/11/20 00:09:58,600"
    )
    assert detect(f"{head}\n{line}\n".encode(), "auto", "x") == "paloalto_csv"
    (row,) = read("paloalto_csv", head, line).rows.to_dicts()
    assert (row["src_ip"], row["other_bytes_in"], row["other_bytes_out"]) == (CLIENT, 5_900, 600)
    assert (row["start_time"].isoformat(), row["duration"]) == ("2026-11-20T00:09:58+00:00", 600_000_000)


def test_the_documented_case_counts_the_ended_session_once() -> None:
    (row,) = rows(*(GOLDEN / "panw-bytes-order.log").read_text().splitlines())
    assert (row["other_bytes_in"], row["other_bytes_out"], row["src_ip"]) == (5_900, 600, CLIENT)
    assert row["start_time"].isoformat() == "2026-11-19T23:09:58+00:00"


@needs_samples
def test_real_records_of_four_releases_have_their_known_bytes() -> None:
    parsed = read("paloalto", *(SAMPLES / "paloalto" / "sc4s-traffic-syslog.log").read_bytes().splitlines())
    assert parsed.rows["other_bytes_in"].to_list() == [0, 1_111, 18_506]
    assert parsed.rows["other_bytes_out"].to_list() == [276, 1_111, 24_629]
    assert str(parsed.rows["start_time"][1]) == "2025-03-28 09:33:55+00:00"  # Its own column says -04:00.
    assert dict(parsed.account.warnings) == {"begin": 1}


CELL = st.text('",1ab TRAFFIC/:2026=', max_size=12)


@settings(max_examples=examples(25))
@given(
    records=st.lists(
        st.tuples(CELL, CELL, CELL, st.integers(0, 10**9), st.integers(0, 10**9), st.sampled_from([46, 53, 115])),
        min_size=1,
        max_size=5,
    ),
    head=st.sampled_from(HEADS),
)
def test_whatever_stands_in_other_cells_bytes_are_those_that_csv_finds(records: list[Any], head: str) -> None:
    lines = [
        pan(head, width, rule=rule, user=user, category=category, sent=str(sent), back=str(back))
        for rule, user, category, sent, back, width in records
    ]
    found = rows(*lines)
    assert [(r["other_bytes_out"], r["other_bytes_in"]) for r in found] == [(r[3], r[4]) for r in records]
    assert {(r["src_ip"], r["dest_ip"]) for r in found} == {(CLIENT, SERVER)}


JUNK = st.one_of(st.binary(max_size=20), st.text('",/: 1Tx\t\x00é', max_size=20).map(str.encode))


@settings(max_examples=examples(25))
@given(
    cells=st.lists(st.dictionaries(st.sampled_from(sorted(PLACES)), st.text(max_size=8), max_size=3), max_size=4),
    cuts=st.lists(st.integers(0, 400), max_size=3),
    junk=st.lists(JUNK, max_size=3),
    at=st.integers(0, 300),
)
def test_no_bytes_break_the_reader_and_every_line_is_accounted_for(
    cells: list[dict[str, str]], cuts: list[int], junk: list[bytes], at: int
) -> None:
    lines = [pan(**c).encode(errors="replace") for c in cells] + [pan(width=115).encode()[:n] for n in cuts]
    lines += [pan().encode()[:at] + j + pan().encode()[at:] for j in junk] + junk
    lines = [line.replace(b"\n", b" ") for line in lines]
    for name in ("paloalto", "paloalto_csv"):
        parsed = read(name, *lines, ",".join(NAMES), export())
        assert parsed.account.lines == len(lines) + 2

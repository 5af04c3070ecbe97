"""Delimited files that come without the line that names their columns, which their source tells instead."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import SourceError
from pipeline.mapping import check_header
from pipeline.settings import SourceSettings
from pipeline.sources.base import Block, Parsed
from pipeline.sources.registry import READERS, detect
from tests.pipeline.landings import D1, NOON, World, settings
from tests.pipeline.sources.lines import only, options, read
from tests.pipeline.sources.test_odd_tables import CLIENT, SERVER, TABLES, T

BLANKS = "interface-id dstaddr srcaddr dstport srcport protocol packets bytes start end log-status"
LINE = f"eni-0a {CLIENT} {SERVER} 50001 993 6 6 5420 {T} {T + 60} OK"
MORE = {
    "silk": (
        "sIP|dIP|sPort|dPort|pro|packets|bytes|flags|sTime|duration",
        f"{SERVER}|{CLIENT}|993|50001|6|6|5420|SA|{T}|5.0",
    ),
    "zeek_csv": (
        "ts,uid,id.orig_h,id.orig_p,id.resp_h,id.resp_p,proto,orig_ip_bytes,resp_ip_bytes",
        f"{T}.5,C1,{CLIENT},50001,{SERVER},993,tcp,420,5420",
    ),
    "zeek_tsv": (
        "#fields\tts\tuid\tid.resp_h\tid.resp_p\tid.orig_h\tid.orig_p\tproto\torig_ip_bytes\tresp_ip_bytes",
        f"{T}.5\tC1\t{SERVER}\t993\t{CLIENT}\t50001\ttcp\t420\t5420",
    ),
    "vpc_text": (BLANKS, LINE),
}


def told(name: str, header: str, *lines: str) -> Parsed:
    return read(name, *lines, by=READERS[name](replace(options(), header=header)))


def rows(parsed: Parsed) -> list[dict[str, Any]]:
    return parsed.rows.drop("source_line").to_dicts()


@pytest.mark.parametrize("name", [*TABLES, *MORE])
def test_a_header_that_the_source_tells_says_what_one_in_the_file_does(name: str) -> None:
    header, line = (TABLES | MORE)[name]
    name = name.partition(" ")[0]
    assert detect(f"{line}\n".encode(), "auto", "x", header) == name
    assert detect(f"{line}\n".encode(), SourceSettings(name="s", path="x").format, "x", header) == name
    parsed = told(name, header, line, line)
    assert parsed.account.flows == 2
    assert rows(parsed) == rows(read(name, header, line, line))
    assert parsed.rows["source_line"].to_list() == [1, 2]


@pytest.mark.parametrize("header", ["${interface-id} ${dstaddr}", "interface_id   dstaddr\t", "Interface-Id dstaddr"])
def test_a_vpc_log_is_read_by_its_format_string_however_it_is_written(header: str) -> None:
    rest = BLANKS.split(" ", 2)[2]
    spelled = " ".join(f"${{{n}}}" if header.startswith("$") else n for n in rest.split())
    row = only(told("vpc_text", f"{header} {spelled}", f"2026-11-20T08:00:00.000Z {LINE}"))
    assert (row["src_ip"], row["dest_ip"], row["ip_bytes_in"], row["dvc"]) == (CLIENT, SERVER, 5420, "eni-0a")


def test_messages_of_a_custom_format_are_read_by_the_header_that_is_told() -> None:
    events = [{"id": str(i), "message": m} for i, m in enumerate([LINE, LINE.replace("OK", "NODATA"), "hello world"])]
    text = json.dumps({"messageType": "DATA_MESSAGE", "logEvents": events})
    assert detect(f"{text}\n".encode(), "vpc", "x", BLANKS) == "vpc_json"
    parsed = told("vpc_json", BLANKS, text)
    assert parsed.rows["ip_bytes_in"].to_list() == [5420]
    assert dict(parsed.account.warnings) == {"no_data": 1}
    assert dict(parsed.account.quarantined) == {"missing_fields": 1}


def test_lines_in_a_column_of_an_export_are_read_by_the_header_that_is_told() -> None:
    lines = ["@timestamp,@message", f'2026-11-20 08:00:00.000,"{LINE}"']
    name = detect("\n".join([*lines, ""]).encode(), "auto", "x", BLANKS)
    assert name == "vpc_text@csv:@message"
    assert only(told(name, BLANKS, *lines))["ip_bytes_in"] == 5420


def test_a_header_in_the_file_holds_from_there_on() -> None:
    header, line = TABLES["cim_csv"]
    turned = ",".join(reversed(header.split(","))), ",".join(reversed(line.split(",")))
    parsed = told("cim_csv", header, line, *turned, header, line)
    assert rows(parsed) == rows(read("cim_csv", header, line, line, line))


def test_a_reader_that_goes_on_knows_the_header() -> None:
    header, line = TABLES["cim_csv"]
    first, second = (READERS["cim_csv"](replace(options(), header=header)) for _ in range(2))
    first.read(Block(f"{line}\n".encode(), 1, 1))
    second.resume(json.loads(json.dumps(first.state())))
    assert rows(second.read(Block(f"{line}\n".encode(), 2, 1))) == rows(read("cim_csv", header, line))


def test_a_header_that_names_no_columns_of_the_format_sets_every_line_aside() -> None:
    parsed = told("vpc_text", "one two three four", LINE)
    assert dict(parsed.account.quarantined) == {"no_header": 1}
    assert parsed.rejects["detail"].to_list() == ["the source's header names no two columns of this format"]


@pytest.mark.parametrize("header", ["", " ", "srcaddr", "a b\nc d", "a b\rc d", '"",""'])
def test_a_header_that_is_not_one_line_of_names_is_refused(header: str) -> None:
    with pytest.raises(ValueError, match="must be one line that names the columns"):
        check_header(header)


def test_a_log_is_read_again_when_its_header_is_told_and_goes_on_when_it_grows(tmp_path: Path) -> None:
    start = int(NOON.timestamp())
    line = f"eni-0a 10.0.0.5 192.0.2.25 50001 993 6 6 5420 {start} {start + 60} OK\n"
    servers, pattern = ("192.0.2.25",), "logs/*"
    world = World(tmp_path, settings(pattern, servers, format="vpc"))
    path = world.put("vpc.log", line.encode())
    world.land(D1)
    assert world.entry("vpc.log").state == "failed"
    world.settings = settings(pattern, servers, format="vpc", header=BLANKS)
    world.land(D1)
    assert world.received() == [5420]
    path.write_text(line + line.replace("50001", "50002").replace("5420", "700"))
    world.land(D1)
    assert world.received() == [700, 5420]
    world.settings = settings(pattern, servers, format="vpc", header=BLANKS.replace("packets bytes", "bytes packets"))
    world.land(D1)
    assert world.received() == [6, 6]


def test_a_header_that_the_source_tells_refuses_no_file_for_what_it_lacks() -> None:
    """The file may have a header of its own further down; without one, each line is set aside by its reason."""
    told = "version srcaddr dstaddr srcport dstport protocol packets start end"
    line = b"2 192.0.2.10 10.0.0.1 993 50000 6 10 1793664000 1793664060\n"
    assert detect(line, "vpc", "x", header=told) == "vpc_text"
    with pytest.raises(SourceError, match="lacks bytes"):
        detect(told.encode() + b"\n" + line, "vpc", "x")

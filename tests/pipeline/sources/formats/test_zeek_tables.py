"""Zeek's conn records as exported tables and by syslog: the same flows as from a conn.log, and every line accounted."""

import json

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.sources.base import Parsed
from pipeline.sources.registry import detect
from tests.examples import examples
from tests.pipeline.sources.lines import only, read, read_blocks, read_lines

FIELDS = ("ts", "uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "proto", "service", "duration",
          "orig_bytes", "resp_bytes", "conn_state", "local_orig", "local_resp", "missed_bytes", "history", "orig_pkts",
          "orig_ip_bytes", "resp_pkts", "resp_ip_bytes", "tunnel_parents")  # fmt: skip
CELLS = ("1795161600.250000", "CtPZjS20MLrsMUOJi2", "10.1.0.11", "50001", "10.9.0.25", "993", "tcp", "ssl", "1.500000",
         "100", "5000", "SF", "T", "F", "0", "ShADadFf", "6", "420", "8", "5420", "-")  # fmt: skip
LOG = ("#separator \\x09", "#path\tconn", "\t".join(("#fields", *FIELDS)), "\t".join(CELLS))
HEAD = "<134>Nov 20 08:00:02 sensor1 zeek_conn: "
BY_SYSLOG = HEAD + "\t".join(CELLS)


def flows(parsed: Parsed) -> pl.DataFrame:
    assert parsed.account.balanced
    return parsed.rows.drop("source_line", "dvc")


def table(delimiter: str, *, named: str = "", fields: tuple[str, ...] = FIELDS) -> list[str]:
    return [f"{named}{delimiter.join(fields)}", delimiter.join(CELLS)]


@pytest.mark.parametrize(
    ("named", "delimiter"), [(n, d) for n in ("", "#", "#fields") for d in ",;\t|" if (n, d) != ("#fields", "\t")]
)
def test_a_table_of_conn_records_gives_the_flows_of_the_log_it_came_from(delimiter: str, named: str) -> None:
    lines = table(delimiter, named=named + (delimiter if named == "#fields" else ""))
    assert detect("\n".join(lines).encode(), "auto", "x") == "zeek_csv"
    parsed = read("zeek_csv", *lines)
    assert (parsed.account.comments, parsed.account.flows) == (1, 1)
    assert flows(parsed).equals(flows(read("zeek_tsv", *LOG)))
    row = only(parsed)
    assert (row["src_ip"], row["dest_ip"], row["dest_port"]) == ("10.1.0.11", "10.9.0.25", 993)
    assert (row["ip_bytes_in"], row["ip_bytes_out"], row["payload_bytes_in"]) == (5_420, 420, 5_000)


def test_a_searchs_table_has_times_and_ports_in_splunks_own_columns() -> None:
    header = "_time,src_port,dest_port,id.orig_h,id.resp_h,orig_ip_bytes,resp_ip_bytes,uid"
    record = "2026-11-20T08:00:00.250+0000,50001,993,10.1.0.11,10.9.0.25,420,5420,C1"
    assert detect(f"{header}\n{record}\n".encode(), "auto", "x") == "zeek_csv"
    row = only(read("zeek_csv", header, record))
    assert (row["src_port"], row["dest_port"], row["ip_bytes_in"]) == (50_001, 993, 5_420)
    assert row["start_time"].isoformat() == "2026-11-20T08:00:00.250000+00:00"


def test_comments_of_zeek_around_a_table_are_no_records() -> None:
    lines = ["#separator \\x09", "#set_separator,,", "#empty_field,(empty)", *table(",", named="#fields,"),
             "#types,time,string", ",".join(CELLS), "#close,2026-11-20-09-00-00"]  # fmt: skip
    assert detect("\n".join(lines).encode(), "auto", "x") == "zeek_csv"
    parsed = read("zeek_csv", *lines)
    assert (parsed.account.lines, parsed.account.flows, parsed.account.comments) == (8, 2, 6)


def test_a_log_that_declares_its_separator_is_read_as_zeeks_own() -> None:
    lines = ["#separator \\x2c", "#path,conn", *table(",", named="#fields,")]
    assert detect("\n".join(lines).encode(), "auto", "x") == "zeek_tsv"
    assert read("zeek_tsv", *lines).account.flows == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("ts", "1.79516160025e9"),
        ("ts", "2026-11-20T08:00:00.250Z"),
        ("resp_ip_bytes", "5420.0"),
        ("resp_ip_bytes", '"5,420"'),
        ("resp_ip_bytes", "5.42e3"),
        ("service", "null"),
        ("service", ""),
        ("local_orig", "N/A"),
    ],
)
def test_cells_as_spreadsheets_and_notebooks_spell_them(field: str, value: str) -> None:
    cells = list(CELLS)
    cells[FIELDS.index(field)] = value
    row = only(read("zeek_csv", ",".join(FIELDS), ",".join(cells)))
    assert (row["ip_bytes_in"], row["start_time"].isoformat()) == (5_420, "2026-11-20T08:00:00.250000+00:00")


def test_an_index_column_quoted_names_blank_lines_and_a_header_that_comes_again() -> None:
    header = "," + ",".join(f'"{f.upper().replace(".", "_")}"' for f in FIELDS)
    rows = [f"{i}," + ",".join(CELLS) for i in range(3)]
    parsed = read("zeek_csv", header, rows[0], "", header, rows[1], rows[2] + ",")
    assert (parsed.account.flows, parsed.account.comments, parsed.account.lines) == (3, 3, 6)


def test_a_table_of_another_log_is_ignored() -> None:
    lines = ["ts,uid,id.orig_h,id.orig_p,id.resp_h,id.resp_p,query", "1795161600.25,C1,10.1.0.11,5353,10.9.0.53,53,a"]
    assert read("zeek_csv", *lines).account.ignored == 1


@pytest.mark.parametrize("tab", ["\t", "#011"])
@pytest.mark.parametrize("without", [(), ("local_resp",), ("tunnel_parents",)])
def test_a_conn_record_by_syslog_is_the_flow_of_its_log(tab: str, without: tuple[str, ...]) -> None:
    cells = [c for f, c in zip(FIELDS, CELLS, strict=True) if f not in without]
    line = HEAD + tab.join(cells)
    assert detect(line.encode(), "auto", "x") == "zeek_lines"
    parsed = read("zeek_lines", line)
    assert flows(parsed).equals(flows(read("zeek_tsv", *LOG)))
    assert only(parsed)["dvc"] == "sensor1"


@pytest.mark.parametrize(
    ("lines", "encoding"),
    [
        ([BY_SYSLOG.removeprefix(HEAD), "#close\t2026-11-20-09-00-00"], "zeek_lines"),
        ([json.dumps({"message": BY_SYSLOG.removeprefix(HEAD)})], "zeek_lines@message"),
        ([json.dumps({"message": BY_SYSLOG})], "zeek_lines@message"),
        (["_time,_raw", f'1795161600,"{BY_SYSLOG.removeprefix(HEAD)}"'], "zeek_lines@csv:_raw"),
        ([*LOG], "zeek_tsv"),
        ([BY_SYSLOG.removeprefix(HEAD), *LOG], "zeek_tsv"),
    ],
)
def test_lines_that_left_their_header_behind_have_their_bytes(lines: list[str], encoding: str) -> None:
    assert detect("\n".join([*lines, ""]).encode(), "auto", "x") == encoding
    assert detect("\n".join([*lines, ""]).encode(), "zeek", "x") == encoding
    assert read(encoding, *lines).rows["ip_bytes_in"].to_list()[-1] == 5_420


def test_other_logs_and_messages_on_the_same_wire_are_ignored_and_broken_ones_set_aside() -> None:
    dns = HEAD.replace("conn", "dns") + "\t".join((*CELLS[:7], "1234", "-", "example.com", "1", "C_INTERNET"))
    short = HEAD + "\t".join(CELLS[:15])
    odd = HEAD + "\t".join((*CELLS[:19], "many", "-"))
    parsed = read(
        "zeek_lines",
        HEAD + "\t".join(CELLS),
        dns,
        "<13>Nov 20 08:00:02 host cron: x",
        short,
        odd,
        "junk",
        BY_SYSLOG.replace("10.1.0.11", "host1"),
    )
    assert (parsed.account.flows, parsed.account.ignored) == (1, 2)
    assert dict(parsed.account.quarantined) == {"bad_line": 3, "bad_number": 1}


@settings(max_examples=examples(10))
@given(st.lists(st.sampled_from([*table(","), "#close", "", ",".join(CELLS[:-1]), '"', "x\x00y", ",,,"]), max_size=8),
       st.integers(0, 8))  # fmt: skip
def test_no_lines_break_a_table_and_blocks_read_as_the_whole(lines: list[str], at: int) -> None:
    whole = read_lines("zeek_csv", lines)
    parts = read_blocks("zeek_csv", [lines[:at], lines[at:]])
    assert whole.account == parts.account
    assert whole.rows.equals(parts.rows)


@settings(max_examples=examples(10))
@given(st.lists(st.binary(max_size=40).map(lambda b: b.replace(b"\n", b" ")), max_size=5), st.integers(0, 120))
def test_no_bytes_break_the_reading_of_messages(junk: list[bytes], at: int) -> None:
    line = (HEAD + "\t".join(CELLS)).encode()
    assert read_lines("zeek_lines", [*junk, line[:at], line[at:], line]).account.balanced


def test_sentinels_tables_of_corelight_have_the_fields_with_the_kind_of_value_behind_them() -> None:
    kinds = {"ts": "t"} | dict.fromkeys(("uid", "id.orig_h", "id.resp_h", "proto", "service", "conn_state"), "s")
    row = {f"{n.replace('.', '_')}_{kinds.get(n, 'd')}": v for n, v in zip(FIELDS, CELLS, strict=True)}
    row |= {"ts_t": "2026-11-20T08:00:00.250Z", "_path_s": "conn_red"}
    names = ["ts_t [UTC]" if n == "ts_t" else n for n in row]
    expected = flows(read_lines("zeek_tsv", LOG))
    for text, encoding in (
        (json.dumps(row), "zeek_sentinel"),
        (f"{','.join(names)}\n{','.join(row.values())}", "zeek_sentinel_csv"),
    ):
        assert detect(text.encode(), "auto", "x") == detect(text.encode(), "zeek", "x") == encoding
        assert flows(read(encoding, *text.splitlines())).equals(expected)


SESSION = {
    **{"metadata_type": "metadata_isession", "uid": "C1", "proto": 6, "conn_state": "SF", "sensor_uid": "s1"},
    **{"id.orig_h": "10.1.0.11", "id.orig_p": 40_001, "id.resp_h": "10.9.0.25", "id.resp_p": 993},
    **{"orig_ip_bytes": 420, "resp_ip_bytes": 5_420, "duration": 60_000},
    **{"session_start_time": 1_795_132_790_000, "ts": 1_795_132_850_000},
}
"""A session of Vectra's over midnight; its times and its duration are in milliseconds."""
_KIND = {"metadata_type": "s", "uid": "s", "conn_state": "s", "sensor_uid": "s", "id.orig_h": "s", "id.resp_h": "s"}
_IN_SENTINEL = {f"{k.replace('.', '_')}_{_KIND.get(k, 'd')}": v for k, v in SESSION.items()}


@pytest.mark.parametrize(
    "record",
    [
        SESSION,
        _IN_SENTINEL,
        {k.replace(".", "_"): v for k, v in SESSION.items() if k != "metadata_type"},
        SESSION | {"session_start_time": "2026-11-19T23:59:50.000Z", "ts": "2026-11-20T00:00:50.000Z"},
    ],
)
def test_a_session_of_vectras_begins_before_its_ts_and_lasts_from_one_to_the_other(record: dict[str, object]) -> None:
    line = json.dumps(record)
    assert detect(line.encode(), "auto", "x") == detect(line.encode(), "zeek", "x") == "vectra"
    row = only(read("vectra", line))
    assert row["start_time"].isoformat() == "2026-11-19T23:59:50+00:00"
    assert (row["duration"], row["ip_bytes_in"], row["ip_bytes_out"], row["dvc"]) == (60_000_000, 5_420, 420, "s1")


def test_vectras_other_records_repeat_the_counters_of_its_sessions() -> None:
    web = {k: v for k, v in SESSION.items() if k != "session_start_time"} | {
        "metadata_type": "metadata_httpsessioninfo"
    }
    assert detect(json.dumps(web).encode(), "auto", "x") == "vectra"
    parsed = read("vectra", json.dumps(web), json.dumps(SESSION))
    assert (parsed.account.ignored, parsed.account.flows) == (1, 1)

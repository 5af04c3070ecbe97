"""A context input is a checked table or an error that names the place, the value and what is allowed."""

from __future__ import annotations

import datetime as dt
import io
from pathlib import Path

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.context import INPUTS, load_context
from pipeline.context.checking import checked_rows
from pipeline.context.reading import read_rows
from pipeline.errors import ConfigError
from pipeline.settings import ContextSettings, load_settings

D = dt.date


def read(name: str, text: str | bytes) -> pl.DataFrame:
    data = text if isinstance(text, bytes) else text.encode()
    return checked_rows(read_rows(data, "x.csv", INPUTS[name]), INPUTS[name])


def parquet(**columns: object) -> bytes:
    out = io.BytesIO()
    pl.DataFrame(columns).write_parquet(out)
    return out.getvalue()


def test_addresses_get_one_spelling_and_days_bounds() -> None:
    found = read(
        "host_roles",
        "address,role,exclude,valid_from,valid_to\n"
        "192.0.2.7,nat,,2026-01-05,2026-02-01\n"
        " 2001:DB8:0::/48 ,backup,TRUE,,\n"
        "::ffff:192.0.2.8,ediscovery,no,,2026-03-01\n",
    )
    assert found.select("address", "role", "exclude", "start", "end").rows() == [
        ("192.0.2.7/32", "nat", False, D(2026, 1, 5), D(2026, 2, 1)),
        ("192.0.2.8/32", "ediscovery", False, D.min, D(2026, 3, 1)),
        ("2001:db8::/48", "backup", True, D.min, D.max),
    ]


def test_a_lease_is_of_one_address_and_other_columns_beside_it_may_hold_anything() -> None:
    found = read("entities", "address,asset,day,client\n2001:DB8:0::1,pc,2026-01-05,10.0.0.1\n10.0.0.2,tab,,\n")
    assert found.select("address", "asset").rows() == [("10.0.0.2", "tab"), ("2001:db8::1", "pc")]


def test_a_last_day_belongs_to_the_span_and_the_end_of_time_has_no_next_day() -> None:
    found = read(
        "known_events", "src_ip,cause,first,last\n10.0.0.1,resync,2026-01-05,2026-01-06\n10.0.0.2,x,,9999-12-31"
    )
    assert found.select("start", "end").rows() == [(D(2026, 1, 5), D(2026, 1, 7)), (D.min, D.max)]


def test_a_calendar_row_without_an_end_is_one_day_and_is_off() -> None:
    found = read("calendar", "day,off\n2026-01-01,\n2026-01-03,false\n")
    assert found.rows() == [(False, D(2026, 1, 3), D(2026, 1, 4)), (True, D(2026, 1, 1), D(2026, 1, 2))]


def test_a_name_may_have_two_hundred_characters() -> None:
    assert read("groups", f"address,group\n10.0.0.1,{'a' * 200}\n")["group"].to_list() == ["a" * 200]


@pytest.mark.parametrize(
    "text",
    [
        "first,last,asset,cause,opened\n2026-01-05,2026-01-06,a,x,2025-12-24\n",
        "first,last,cause,note\n2026-01-05,2026-01-06,x,planned 2025-12-24\n",
        "asset,cause,client\na,x,10.0.0.1\n",
        "first,last,cause,at\n2026-01-05,2026-01-06,x,10:20:30\n",
        "asset,cause,ticket\na,x,INC-2026\n",
        "asset,cause,number\na,x,20260105\n",
        "asset,cause,day\na,x,\n",
        "first,last,asset,cause,user\n2026-01-05,2026-01-06,a,x,b\n",
        "first,last,asset,cause,user\n2026-01-05,2026-01-06,,x, \n",
    ],
)
def test_columns_beside_days_and_hosts_of_events_may_hold_anything(text: str) -> None:
    assert read("known_events", text).height == 1


@pytest.mark.parametrize("sign", [";", "\t"])
def test_other_delimiters_and_a_byte_order_mark_are_understood(sign: str) -> None:
    text = "\ufeffaddress,Group,note\r\n10.0.0.1,sales,x\r\n".replace(",", sign)
    assert read("groups", text)["group"].to_list() == ["sales"]


@pytest.mark.parametrize("above", ["\n", "\r\n\r\n"])
def test_lines_above_the_header_that_are_empty_hide_no_delimiter(above: str) -> None:
    assert read("groups", f"{above}address;group\r\n10.0.0.1;sales\r\n")["group"].to_list() == ["sales"]


@pytest.mark.parametrize("sign", [";", ",", "\t"])
def test_what_spreadsheets_leave_in_a_file_is_no_row_and_no_column(sign: str) -> None:
    text = "\ufeffSEP=;\r\naddress;group;;\r\n10.0.0.1;sales, Oslo;;\r\n;;;\r\n ;;;\r\n\t\r\n".replace(", ", "/")
    raw = read_rows(text.replace(";", sign).encode(), "x.csv", INPUTS["groups"])
    assert (raw.frame.select("place", "address", "group").rows(), raw.unread) == ([(3, "10.0.0.1", "sales/Oslo")], ())
    assert read("groups", "address;group\n10.0.0.1;a,b,c\n").height == 1


def test_a_name_has_one_spelling_however_its_accents_are_written() -> None:
    found = read("groups", "address,group\n10.0.0.0/8,B\u00fcro\n10.0.0.0/8,Bu\u0308ro\n")
    assert found["group"].to_list() == ["B\u00fcro"]
    assert read("known_events", "asset,cause\nE\u0301va,x\n")["asset"].to_list() == ["\u00c9va"]


def test_a_midnight_of_any_zone_is_the_local_day() -> None:
    berlin = pl.Series([D(2026, 1, 6)]).cast(pl.Datetime("ns")).dt.replace_time_zone("Europe/Berlin")
    found = read("known_events", parquet(first=["2026-01-05T00:00:00-0500"], last=berlin, asset=["a"], cause=["x"]))
    assert found.select("start", "end").rows() == [(D(2026, 1, 5), D(2026, 1, 7))]


def test_parquet_is_read_with_its_own_types() -> None:
    found = read(
        "known_events",
        parquet(
            first=[D(2026, 1, 5)],
            last=pl.Series([D(2026, 1, 6)]).cast(pl.Datetime("us", "UTC")),
            src_ip=["10.0.0.1"],
            group=[None],
            cause=["resync"],
        ),
    )
    assert found.row(0, named=True) == {
        "address": "10.0.0.1/32",
        "asset": None,
        "group": None,
        "cause": "resync",
        "start": D(2026, 1, 5),
        "end": D(2026, 1, 7),
    }


WRONG = [
    ("host_roles", "", "x.csv: is empty. Its first line must name the columns: address, asset, role"),
    ("host_roles", "address\n10.0.0.1\n", "x.csv:1: has no column role. Allowed: address,"),
    ("entities", "address\n10.0.0.1\n", "x.csv:1: has no column asset. Allowed: address, asset, valid_from"),
    ("entities", "asset\npc-1\n", "x.csv:1: has no column address or src_ip or ip."),
    ("groups", "address\n10.0.0.1\n", "x.csv:1: has no column group."),
    ("known_events", "address\n10.0.0.1\n", "x.csv:1: has no column cause or explained_by."),
    ("groups", "address,group,to,last\n10.0.0.1,a,,\n", "x.csv:1: has valid_to and last. Keep one; last is included"),
    ("groups", f"address,group\n10.0.0.1,{'a' * 201}\n", "x.csv:2, column group: must be text of at most 200 char"),
    (
        "host_roles",
        "address,role\n10.0.0.1,nat\n\n10.0.0.300,nat\n",
        "x.csv:4, column address: must be an IPv4 or IPv6",
    ),
    ("host_roles", "address,role\n10.0.0.1/8,nat\n", "write 10.0.0.1 for the host, or 10.0.0.0/8 for all of it"),
    ("host_roles", "address,role\n010.0.0.1,nat\n", "(got '010.0.0.1')"),
    ("host_roles", "address,role\nfe80::1%eth0,nat\n", "x.csv:2, column address"),
    (
        "host_roles",
        "address,role\n10.0.0.1,a b\n",
        "x.csv:2, column role: must be letters, digits, _ and -, at most 64",
    ),
    ("host_roles", "address,role\n10.0.0.1,\n", "x.csv:2, column role: must not be empty"),
    ("host_roles", "address,role,exclude\n10.0.0.1,a,maybe\n", "must be true or false (got 'maybe')"),
    ("host_roles", "address,role,exlude\n10.0.0.1,a,true\n", "unknown column 'exlude'. Is exclude meant?"),
    ("host_roles", "address,role,end\n10.0.0.1,a,2026-01-01\n", "Call it last where that day belongs to it"),
    ("host_roles", "address,ip,role\n10.0.0.1,10.0.0.1,a\n", "has address and ip, which mean the same"),
    ("host_roles", "address,role\n10.0.0.1\n", "x.csv:2: has 1 field; the first line names 2 columns. Write the"),
    (
        "groups",
        "address,group\n10.0.0.1,a,b\n",
        "x.csv:2: has 3 fields; the first line names 2 columns. Put",
    ),
    ("host_roles", 'address,role\n10.0.0.1,"nat\n', "is no valid CSV"),
    ("host_roles", b"address,role\n10.0.0.1,\xff\n", "x.csv:2: is no UTF-8 text."),
    ("host_roles", "address,role\n,nat\n", "a row must name address or asset."),
    ("host_roles", "address,asset,role\n10.0.0.1,a,nat\n", "not several"),
    ("host_roles", "address,role,from\n10.0.0.1,a,2026-02-30\n", "column valid_from: must be a day such as 2026-10-01"),
    ("host_roles", "address,role,from\n10.0.0.1,a,0000-02-03\n", "must be a day"),
    ("host_roles", "address,role,from,to\n10.0.0.1,a,2026-02-03,2026-02-03\n", "must lie after valid_from"),
    ("host_roles", "address,role,first,last\n10.0.0.1,a,2026-02-03,2026-02-02\n", "must not lie before the first day"),
    ("host_roles", "address,role\n10.0.0.1,a\n10.0.0.1,b\n", "x.csv:3, column role: says otherwise than line 2"),
    (
        "groups",
        parquet(address=["10.0.0.1", "10.0.0.1"], group=["a", "b"]),
        "x.csv, column group: row 2: says otherwise than row 1 of days that both hold.",
    ),
    (
        "known_events",
        "cause\nresync\n",
        "an event of everybody (no address or asset or group) needs its first and last",
    ),
    ("known_events", "cause,first\nx,2026-01-05\n", "an event of everybody"),
    ("known_events", "cause,last\nx,2026-01-05\n", "an event of everybody"),
    ("known_events", "cause,asset\na\u200bb,x\n", "without control characters"),
    ("entities", "address,asset\nfe80::1%eth0,pc\n", "x.csv:2, column address: must be one IPv4 or IPv6 address"),
    ("groups", "address,group, END \n10.0.0.1,a,2026-01-01\n", "has a column ' END '. Call it last where"),
    ("known_events", "first,last, Client ,cause\n2026-01-05,2026-01-06,a,x\n", "has a column ' Client ', which"),
    (
        "known_events",
        "day,address,cause\n2026-01-05,10.0.0.1,x\n",
        "x.csv:1: has days in a column 'day', which is not read: its events would hold always.",
    ),
    ("known_events", "Datum;asset;cause\n05.01.2026;a;x\n;a;x\n", "has days in a column 'Datum'"),
    (
        "known_events",
        "asset,cause,Change date\na,x,20260105\n",
        "has days in a column 'Change date', which",
    ),
    ("known_events", "asset,cause,day\na,x,46027\n", "has days in a column 'day'"),
    ("known_events", 'asset,cause,opened\na,x,"Jan 5, 2026 08:00"\na,x,12. Dez 2025\n', "days in a column 'opened'"),
    ("known_events", "asset,cause,opened\na,x,05-Jan-26\na,x,5/1/26\n", "has days in a column 'opened'"),
    ("known_events", parquet(day=[20260105], asset=["a"], cause=["x"]), "x.csv: has days in a column 'day'"),
    (
        "known_events",
        "first,last,address,cause,Host Name\n2026-01-05,2026-01-06,10.0.0.1,x,a\n2026-01-05,2026-01-06,,x,b\n",
        "x.csv:3: names a host in a column 'Host Name' alone, which is not read: it would be everybody's.",
    ),
    (
        "known_events",
        parquet(first=[D(2026, 1, 5)], last=[D(2026, 1, 6)], asset=[""], user=["b"], cause=["x"]),
        "x.csv: row 1: names a host in a column 'user' alone",
    ),
    (
        "entities",
        b"PK\x03\x04\x14\x00",
        "x.csv: is a workbook of a spreadsheet, or another zip archive. Save it as",
    ),
    ("groups", b"\x1f\x8b\x08\x00", "x.csv: is compressed (gzip)."),
    ("known_events", "from,valid_until,asset,cause\n2026-01-05,2026-01-06,a,x\n", "days in a column 'valid_until'"),
    ("known_events", parquet(date=[D(2026, 1, 5)], asset=["a"], cause=["x"]), "x.csv: has days in a column 'date'"),
    (
        "known_events",
        "first,last,client,cause\n2026-01-05,2026-01-06,a,x\n",
        "x.csv:1: has a column 'client', which is not read: its events would be everybody's.",
    ),
    ("known_events", "first,last,adr,cause\n2026-01-05,2026-01-06,2001:db8::1,x\n", "has a column 'adr', which"),
    ("entities", "address,asset\n10.0.0.0/24,a\n", "must be one IPv4 or IPv6 address"),
    ("entities", "address,asset\n10.0.0.1,10.0.0.2\n", "must be a name, not an address"),
    ("groups", parquet(address=[["10.0.0.1"]], group=["a"]), "column address: has the type List(String)."),
    ("groups", parquet(address=["10.0.0.1", "x"], group=["a", "a"]), "x.csv, column address: row 2: must be an IPv4"),
    ("groups", b"PAR1 not really", "cannot be read as Parquet"),
    ("calendar", "day,off\n2026-01-01,true\n2026-01-01,false\n", "x.csv:3, column off: says otherwise than line 2"),
    ("calendar", "off\ntrue\n", "has no column valid_from or day or from"),
]


@pytest.mark.parametrize(("name", "text", "words"), WRONG, ids=range(len(WRONG)))
def test_what_is_wrong_is_named_with_its_place(name: str, text: str | bytes, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(name, text)
    assert words in caught.value.message


def test_the_first_fault_is_told_with_the_number_of_others() -> None:
    with pytest.raises(ConfigError, match=r"x\.csv:2, column role.*2 more faults"):
        read("host_roles", "address,role\n10.0.0.1,a b\nx,nat\ny,nat\n")


DAYS = st.integers(0, 8)
SPANS = st.lists(
    st.tuples(st.sampled_from(["10.0.0.1", "10.0.0.2"]), st.sampled_from("abc"), DAYS, DAYS).filter(
        lambda s: s[2] < s[3]
    ),
    max_size=7,
)


@example([("10.0.0.1", "a", 0, 3), ("10.0.0.1", "b", 3, 5)])
@example([("10.0.0.1", "b", 4, 6), ("10.0.0.1", "a", 0, 3)])
@example([("10.0.0.1", "a", 0, 8), ("10.0.0.1", "a", 1, 2), ("10.0.0.1", "b", 4, 5)])
@example([("10.0.0.1", "b", 0, 9), ("10.0.0.2", "a", 0, 5), ("10.0.0.2", "b", 2, 3)])
@given(SPANS)
def test_leases_clash_when_a_day_of_an_address_has_two_assets(spans: list[tuple[str, str, int, int]]) -> None:
    first = D(2026, 1, 1)
    lines = [f"{ip},{a},{first + dt.timedelta(f)},{first + dt.timedelta(t)}" for ip, a, f, t in spans]
    held: dict[tuple[str, int], set[str]] = {}
    for ip, asset, start, end in spans:
        for number in range(start, end):
            held.setdefault((ip, number), set()).add(asset)
    text = "\n".join(["address,asset,from,to", *lines])
    if any(len(assets) > 1 for assets in held.values()):
        with pytest.raises(ConfigError, match="says otherwise than line"):
            read("entities", text)
    else:
        assert read("entities", text).height == len(set(spans))


def test_a_clash_names_the_line_whose_days_reach_into_it() -> None:
    text = "address,asset,from,to\n" + "".join(
        f"10.0.0.1,{asset},2026-01-0{first},2026-01-0{last}\n"
        for asset, first, last in (("a", 1, 9), ("a", 2, 3), ("b", 5, 6))
    )
    with pytest.raises(ConfigError, match=r"x\.csv:4, column asset: says otherwise than line 2"):
        read("entities", text)


WORDS = ["address", "role", "cause", "day", "off", "asset", "group", "valid_from", "to", "last"]
SIGNS = [",", ",", "\n", "\n", '"', "\r", ";", "\t", "\x00", "\ufeff", "é", "PAR1"]
VALUES = ["10.0.0.1", "2001:db8::/32", "2026-01-01", "true", "99999-01-01"]
PIECES = st.sampled_from(WORDS + SIGNS + VALUES)
TEXTS = st.lists(PIECES, max_size=40).map(lambda parts: "".join(parts).encode())


@given(st.sampled_from(sorted(INPUTS)), st.one_of(TEXTS, st.binary(max_size=200)))
def test_whatever_the_bytes_there_is_a_table_or_an_error(name: str, data: bytes) -> None:
    try:
        found = read(name, data)
    except ConfigError as error:
        assert error.message.startswith("x.csv")
        return
    assert (found["start"] < found["end"]).all()
    assert found["start"].null_count() == found["end"].null_count() == 0


WHOLE = parquet(address=[f"10.0.0.{n}" for n in range(50)], group=["a"] * 50, valid_from=[D(2026, 1, 1)] * 50)


@given(st.data())
def test_a_damaged_parquet_file_is_a_table_or_an_error(data: st.DataObject) -> None:
    cut = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(1, 4))):
        cut[data.draw(st.integers(4, len(cut) - 1))] = data.draw(st.integers(0, 255))
    try:
        read("groups", bytes(cut))
    except ConfigError as error:
        assert error.message.startswith("x.csv")


def site(folder: Path, **files: str) -> ContextSettings:
    return ContextSettings.model_validate(files)


def test_files_outside_the_site_are_refused(tmp_path: Path) -> None:
    (tmp_path / "out.csv").write_text("day\n2026-01-01\n", encoding="utf-8")
    inside = tmp_path / "site"
    inside.mkdir()
    (inside / "link.csv").symlink_to(tmp_path / "out.csv")
    (inside / "folder").mkdir()
    for file, words in (
        ("link.csv", "link.csv, key context.calendar: is a link out of the site's folder"),
        ("folder", "is not a regular file"),
        ("absent.csv", "cannot be read (No such file or directory)"),
    ):
        with pytest.raises(ConfigError) as caught:
            load_context(inside, site(inside, calendar=file))
        assert words in caught.value.message


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("../out.csv", "must lie inside the site's folder"),
        ("/etc/hosts", "must lie inside the site's folder"),
        ("https://example.com/a.csv", "URLs are not read here"),
        ("''", "must be a file"),
    ],
)
def test_a_path_that_leaves_the_site_is_an_error_of_the_configuration(tmp_path: Path, value: str, words: str) -> None:
    path = tmp_path / "nilometer.yaml"
    path.write_text(f"context:\n  calendar: {value}\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_settings(path)
    assert words in caught.value.message
    assert caught.value.message.startswith(f"{path}:2, key context.calendar")


def test_an_unknown_input_is_named_with_those_allowed(tmp_path: Path) -> None:
    path = tmp_path / "nilometer.yaml"
    path.write_text("context:\n  roles: a.csv\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="Allowed: calendar, entities, groups, host_roles, known_events"):
        load_settings(path)


def test_all_broken_inputs_are_named_at_once_and_a_mended_one_is_read_again(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("day\nnever\n", encoding="utf-8")
    (tmp_path / "b.csv").write_text("address,group\nx,y\n", encoding="utf-8")
    asked = site(tmp_path, calendar="a.csv", groups="b.csv")
    with pytest.raises(ConfigError) as caught:
        load_context(tmp_path, asked)
    assert "a.csv:2" in caught.value.message
    assert "b.csv:2" in caught.value.message
    (tmp_path / "a.csv").write_text("day\n2026-01-01\n", encoding="utf-8")
    (tmp_path / "b.csv").write_text("address,group\n10.0.0.1,y\n", encoding="utf-8")
    assert load_context(tmp_path, asked).off(D(2026, 1, 1)) is True
    assert load_context(tmp_path, asked) is load_context(tmp_path, asked)

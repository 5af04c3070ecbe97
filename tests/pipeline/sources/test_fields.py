"""A file's fields and their kinds, from its header or its first records, whatever its beginning holds."""

import json

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.sources.fields import MAX_FIELDS, MAX_NAME, RECORDS, STATED, Layout, layout_of, layout_of_columns

ZEEK = b"#separator \\x09\n#fields\tts\tid.orig_h\tservice\n#types\ttime\taddr\tstring\n1.0\t10.0.0.1\tsmtp\n"


def kinds(layout: Layout) -> dict[str, str]:
    return {name: kind for name, (kind, _) in layout.fields.items()}


def test_a_zeek_header_states_fields_and_kinds() -> None:
    found = layout_of(ZEEK, {"fields": ["ts", "id.orig_h", "service"], "separator": "\t"})
    assert kinds(found) == {"ts": "time", "id.orig_h": "address", "service": "text"}
    assert found.records == STATED


def test_a_header_that_came_later_in_the_file_is_the_one_in_force() -> None:
    found = layout_of(ZEEK, {"fields": ["ts", "other"], "separator": "\t"})
    assert kinds(found) == {"ts": "", "other": ""}


def test_columns_have_the_kinds_of_the_lines_below_the_header() -> None:
    rows = "".join(f"2026-10-01T00:00:0{n}Z;10.0.0.{n};{n}5;-;x{n}\n" for n in range(5))
    columns = ["time", "host", "bytes", "flag", "name"]
    found = layout_of(f"Time;Host;Bytes;Flag;Name\n{rows}".encode(), {"columns": columns})
    assert kinds(found) == {"time": "time", "host": "address", "bytes": "number", "flag": "", "name": "text"}


def test_keys_of_json_records_are_counted_by_their_dotted_paths() -> None:
    records = [{"a": n, "id": {"src": "2001:db8::1"}} | ({"rare": True} if n == 0 else {}) for n in range(10)]
    for text in ("\n".join(map(json.dumps, records)) + "\n", json.dumps(records), json.dumps(records, indent=1)):
        found = layout_of(text.encode(), {})
        assert found == Layout(10, {"a": ("number", 10), "id.src": ("address", 10), "rare": ("", 1)})


def test_only_some_records_and_fields_are_looked_at() -> None:
    wide = json.dumps({f"{'k' * 90}{n:04d}": n for n in range(MAX_FIELDS * 2)})
    found = layout_of(f"{wide}\n".encode(), {})
    assert len(found.fields) <= MAX_FIELDS
    assert {len(n) for n in found.fields} == {MAX_NAME}
    assert layout_of(b'{"a":1}\n' * (RECORDS * 9), {}).records == RECORDS


def test_pairs_have_fields_and_prose_has_none() -> None:
    line = b'<13>Oct 1 fw date=2026-10-01 srcip=10.0.0.1 sentbyte=5 msg="a b=c"\n'
    assert kinds(layout_of(line * 4, {})) == {"date": "text", "srcip": "address", "sentbyte": "number", "msg": "text"}
    assert layout_of(b"%ASA-6-302014: Teardown TCP connection 1 for outside\n", {}) == Layout()


def test_columns_of_a_table_have_the_kinds_of_their_types() -> None:
    inner = pl.Struct({"ip": pl.String, "port": pl.UInt16})
    found = layout_of_columns({"time": pl.Datetime("us"), "src": inner, "on": pl.Boolean(), "l": pl.List(pl.String)})
    assert kinds(found) == {"time": "time", "src.ip": "text", "src.port": "number", "on": "flag", "l": "list"}


@pytest.mark.parametrize("state", [{}, {"columns": ["a", "b"]}, {"fields": ["a"], "separator": "\t"}])
@given(head=st.binary(max_size=400) | st.text(alphabet='{}[]",:=a1.\n\\ -#', max_size=200).map(str.encode))
def test_any_bytes_have_some_layout_that_survives_the_ledger(state: dict[str, object], head: bytes) -> None:
    found = layout_of(head, state)
    assert Layout.from_list(json.loads(json.dumps(found.as_list()))) == (found if found.fields else Layout())

"""JSON that is not one record a line: which files it is told of, and which records come out of it."""

import json
import re
from pathlib import Path

import pytest

from pipeline.errors import SourceError
from pipeline.intake.lander import is_array
from pipeline.settings import LimitSettings
from pipeline.sources.base import Block, DocumentReader, Parsed
from pipeline.sources.reading import LineStream
from pipeline.sources.registry import READERS, detect
from pipeline.sources.wrappings import documents
from pipeline.sources.wrappings.documents import is_document, may_be_long, records
from tests.pipeline.sources.forms_read import read_document
from tests.pipeline.sources.lines import options

EVENTS = [
    {
        "event_type": "flow",
        "timestamp": "2026-11-20T08:00:00Z",
        "src_ip": f"10.1.0.{n}",
        "src_port": 50_001,
        "dest_ip": "10.9.0.25",
        "dest_port": 993,
        "note": "}{ in a text",
        "flow": {"bytes_toserver": 600, "bytes_toclient": 1_000 * n, "start": "2026-11-20T07:00:00Z"},
    }
    for n in (1, 2, 3)
]
LINES = [json.dumps(e) for e in EVENTS]
CELLS = [list(e.values()) for e in EVENTS]
PRETTY = [json.dumps(e, indent=2) for e in EVENTS]
FORMS = {
    "an array": json.dumps(EVENTS, indent=1),
    "an array of lines": "[" + ",\n".join(LINES) + "]\n",
    "objects over many lines": "\n".join(PRETTY) + "\n",
    "objects behind each other": "".join(LINES),
    "objects behind each other, on two lines": LINES[0] + LINES[1] + "\n" + LINES[2] + "\n",
    "Elasticsearch": json.dumps({"took": 3, "hits": {"total": {"value": 3}, "hits": EVENTS}}),
    "Splunk": json.dumps({"preview": False, "results": EVENTS}, indent=2),
    "arrays, one a line": json.dumps(EVENTS[:2]) + "\n" + json.dumps(EVENTS[2:]) + "\n",
    "arrays behind each other": json.dumps(EVENTS[:1], indent=1) + "\n" + json.dumps(EVENTS[1:], indent=1) + "\n",
    "an array of none, then more": "[]\n" + json.dumps(EVENTS) + "\n",
    "batches": json.dumps({"records": EVENTS[:1]}) + "\n" + json.dumps({"records": EVENTS[1:]}) + "\n",
    "a page of an API": json.dumps({"status": "ok", "count": 3, "next": None, "data": EVENTS}),
    "pages, one a line": json.dumps({"items": EVENTS[:1]})
    + "\n"
    + json.dumps({"total": 2, "items": EVENTS[1:]})
    + "\n",
    "Kibana": json.dumps(
        {"id": "x", "isPartial": False, "rawResponse": {"took": 3, "hits": {"hits": EVENTS}}}, indent=1
    ),
    "columns": json.dumps({"columns": [{"name": c, "type": "x"} for c in EVENTS[0]], "values": CELLS}),
    "columns of ClickHouse": json.dumps({"meta": [{"name": c} for c in EVENTS[0]], "data": CELLS, "rows": 3}),
    "columns of OpenSearch": json.dumps({"schema": [{"name": c} for c in EVENTS[0]], "datarows": CELLS, "total": 3}),
    "Log Analytics": json.dumps(
        {
            "tables": [
                {"name": "PrimaryResult", "columns": [{"name": c, "type": "string"} for c in EVENTS[0]], "rows": rows}
                for rows in ([], CELLS)
            ]
        }
    ),
    "Kusto": json.dumps(
        {
            "Tables": [
                {"TableName": "Table_0", "Columns": [{"ColumnName": c} for c in EVENTS[0]], "Rows": CELLS},
                {"TableName": "Table_1", "Columns": [{"ColumnName": "Value"}], "Rows": [["{}"]]},
                {
                    "TableName": "Table_2",
                    "Columns": [{"ColumnName": c} for c in ("Ordinal", "Kind", "Name", "Id", "PrettyName")],
                    "Rows": [[0, "QueryResult", "PrimaryResult", "a", ""], [1, "QueryProperties", "b", "c", ""]],
                },
            ]
        }
    ),
    "Kusto's frames": json.dumps(
        [
            {"FrameType": "DataSetHeader", "IsProgressive": False, "Version": "v2.0"},
            {
                "FrameType": "DataTable",
                "TableKind": "QueryProperties",
                "Columns": [{"ColumnName": "Key"}],
                "Rows": [[1]],
            },
            {
                "FrameType": "DataTable",
                "TableKind": "PrimaryResult",
                "Columns": [{"ColumnName": c, "ColumnType": "string"} for c in EVENTS[0]],
                "Rows": CELLS,
            },
            {"FrameType": "DataSetCompletion", "HasErrors": False, "Cancelled": False},
        ]
    ),
    "a command line tool": json.dumps({"events": EVENTS, "nextToken": "x"}, indent=4),
}


def parse(text: str) -> Parsed:
    data = text.encode()
    encoding = detect(data, "auto", "x")
    assert encoding == "suricata"
    reader = READERS[encoding](options())
    assert isinstance(reader, DocumentReader)
    return reader.read_array(data)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_records_that_lines_give(form: str) -> None:
    assert is_array(Block(FORMS[form].encode(), 1))
    parsed = parse(FORMS[form])
    assert parsed.account.balanced
    assert parsed.account.lines == 3
    assert parsed.rows["other_bytes_in"].to_list() == [1_000, 2_000, 3_000]


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(LINES),
        LINES[0],
        '{"timestamp": "2026-\n' + "\n".join(LINES),  # The first line was cut when the log was rotated.
        "not JSON\n" + LINES[0],
        '["a list a line"]\n["another"]\n',
        '{"events": ["no records"]}\n',
        '{"src_ip": "10.1.0.1", "items": [{"name": "a record\'s own"}]}\n',
        '{"rows": [{"x": 1}], "flow": {"bytes_toclient": 7}}\n',
    ],
)
def test_one_record_a_line_is_no_document(text: str) -> None:
    assert not is_document(text.encode())


def test_a_long_answer_that_names_its_columns_once_is_known_by_its_beginning() -> None:
    cells = [list((e | {"src_port": port}).values()) for e in EVENTS for port in range(50_000, 51_000)]
    data = json.dumps({"columns": [{"name": c} for c in EVENTS[0]], "values": cells}).encode()
    assert may_be_long(data[:1_000])
    assert detect(data[: 1 << 16], "auto", "x") == detect(data[: 1 << 16], "suricata", "x") == "suricata"
    assert read_document("suricata", data).account.flows == 3_000


def test_an_answer_that_names_its_columns_and_has_no_row_is_a_quiet_hour() -> None:
    empty = {"tables": [{"name": "PrimaryResult", "columns": [{"name": "SrcIpAddr"}], "rows": []}]}
    assert detect(json.dumps(empty).encode(), "auto", "x") is None


def test_a_broken_object_among_others_is_lost_alone() -> None:
    text = "\n".join([PRETTY[0], PRETTY[1][:-40], PRETTY[2]]) + "\n"
    parsed = parse(text)
    assert parsed.rows["other_bytes_in"].to_list() == [1_000, 3_000]
    assert dict(parsed.account.quarantined) == {"bad_json": 1}


CUT = (
    "an array",
    "an array of lines",
    "Elasticsearch",
    "Splunk",
    "a page of an API",
    "Kibana",
    "columns",
    "an array, then more",
)
FORMS_CUT = {name: FORMS[name] for name in CUT[:-1]} | {
    CUT[-1]: json.dumps(EVENTS[:1], indent=1) + "\n" + json.dumps(EVENTS[1:])
}


@pytest.mark.parametrize("form", CUT)
def test_of_a_document_that_is_cut_the_whole_records_count(form: str) -> None:
    """Wherever it is cut: a record of which a part is lost never counts, with whatever digits are left of it."""
    text = FORMS_CUT[form].rstrip()
    seen = set[int]()
    for size in range(text.index("3000"), len(text)):
        cut = text[:size]
        whole = len(re.findall(r'07:00:00Z"\s*\}\s*[}\]]', cut))
        assert is_document(cut.encode())
        document = records(cut.encode())
        assert [json.loads(r)["flow"]["bytes_toclient"] for r in document.records] == [1_000, 2_000, 3_000][:whole]
        assert document.left
        seen.add(whole)
    assert 3 in seen


def test_what_is_left_of_a_document_that_is_cut_is_set_aside_with_a_reason() -> None:
    parsed = parse(FORMS["an array"][:-30])
    assert parsed.account.balanced
    assert parsed.rows["other_bytes_in"].to_list() == [1_000, 2_000]
    assert dict(parsed.account.quarantined) == {"incomplete_last_line": 1}
    assert parsed.rejects["raw"].item().startswith("{")


def test_lines_of_a_shipper_in_a_list_that_is_cut_are_read() -> None:
    text = json.dumps([{"message": line} for line in LINES])[:-40].encode()
    encoding = detect(text, "auto", "x")
    assert encoding == "suricata@message"
    parsed = read_document(encoding, text)
    assert parsed.rows["other_bytes_in"].to_list() == [1_000, 2_000]
    assert dict(parsed.account.quarantined) == {"incomplete_last_line": 1}


@pytest.mark.parametrize("text", [PRETTY[0][:-3], "[" + PRETTY[0][:-3], "[" + LINES[0] + ",,\n" + LINES[1] + "]"])
def test_a_record_that_is_cut_or_a_list_with_a_fault_within_is_no_document(text: str) -> None:
    with pytest.raises(ValueError, match=r"Expecting|delimiter|Unterminated"):
        records(text.encode())


def first_line(path: Path, limits: LimitSettings) -> bytes:
    stream = LineStream(path, limits, path.name)
    try:
        return next(stream.blocks()).data
    finally:
        stream.close()


def test_objects_behind_each_other_may_be_a_longer_line_than_others(tmp_path: Path) -> None:

    limits = LimitSettings(max_line_bytes=1_024)
    (tmp_path / "a").write_text("".join(json.dumps({"n": i}, separators=(",", ":")) for i in range(1_000)))
    (tmp_path / "b").write_text(json.dumps({"n": "x" * 5_000}))
    assert len(first_line(tmp_path / "a", limits)) > 5_000
    with pytest.raises(SourceError, match="a line of more than 1,024 bytes"):
        first_line(tmp_path / "b", limits)
    assert not may_be_long(LINES[0].encode() + b"\n")


def test_an_element_of_an_array_a_line_may_end_in_its_comma() -> None:
    reader = READERS["suricata"](options())
    parsed = reader.read(Block((",\n".join(LINES) + "\n").encode(), 1))
    assert parsed.rows["other_bytes_in"].sum() == 6_000
    assert parsed.account.flows == 3


def test_two_objects_that_share_the_first_line_of_a_large_file_do_not_make_it_a_document() -> None:
    """It would have to be held in memory, and may be too large for that."""
    glued = (LINES[0] + LINES[1] + "\n").encode()
    assert is_document(glued + LINES[2].encode() + b"\n")
    assert not is_document(glued + (LINES[2] + "\n").encode() * 40_000)
    assert is_document(LINES[0].encode() * 40_000)


def test_hits_that_give_their_fields_as_lists_are_records() -> None:
    hit = {"_index": "x", "fields": {"source.ip": ["10.1.0.11"], "tags": ["a", "b"]}}
    answer = json.dumps({"hits": {"hits": [hit, hit | {"_source": {"a": 1}}]}}).encode()
    first, second = map(json.loads, records(answer).records)
    assert first == {"source.ip": "10.1.0.11", "tags": ["a", "b"]}
    assert second["_source"] == {"a": 1}


def test_the_answer_of_a_fortianalyzer_is_opened() -> None:
    ends = {"srcip": "10.1.0.11", "srcport": "50001", "dstip": "10.9.0.25", "dstport": "993", "sessionid": "7"}
    log = ends | {"type": "traffic", "logid": "0000000013", "eventtime": "1795161610000000000", "duration": "10"}
    log |= {"action": "close", "sentbyte": "420", "rcvdbyte": "5900"}
    answer = json.dumps({"jsonrpc": "2.0", "id": "1", "result": {"percentage": 100, "data": [log, log]}}).encode()
    encoding = detect(answer, "auto", "x")
    assert is_document(answer) and encoding is not None
    assert read_document(encoding, answer).rows["other_bytes_in"].to_list() == [5_900, 5_900]


def test_a_page_without_records_is_an_hour_in_which_nothing_happened() -> None:
    assert detect(b'{"count": 0, "data": []}', "auto", "x") is None


def test_messages_that_end_in_a_nul_are_several() -> None:
    """GELF over TCP, as a file."""
    data = "\0".join(json.dumps({"version": "1.1", "host": "s1", "short_message": line}) for line in [*LINES, ""])
    reader = READERS["suricata@short_message"](options())
    assert is_document(data.encode())
    assert isinstance(reader, DocumentReader)
    assert reader.read_array(data.encode()).rows["src_ip"].to_list() == ["10.1.0.1", "10.1.0.2", "10.1.0.3"]


def test_lists_beside_the_records_of_a_page_hide_them_not() -> None:
    """What a page of QRadar or Telegraf names its records is a note beside those of another's."""
    row = '{"a":1}'
    assert records(b'{"flows": [{"a":1}], "count": 1}').records == [row]
    assert records(b'{"data": [{"a":1}], "metrics": 7}').records == [row]
    kept = b'{"metrics":[{"a":1}],"time":5}'
    assert records(kept).records == [kept.decode()]


@pytest.mark.parametrize("end", [",\n]\n", ", ]", ",]\r\n"])
def test_a_list_may_have_a_comma_behind_its_last_record(end: str) -> None:
    data = ("[\n" + ",\n".join(LINES) + end).encode()
    assert is_document(data)
    assert read_document("suricata", data).account.flows == 3


def test_a_list_without_its_end_says_so() -> None:
    document = records(("[\n" + ",\n".join(LINES) + ",\n").encode())
    assert (len(document.records), document.left) == (3, "[")


@pytest.mark.parametrize("word", ["tru", "nul", "-", "1e", '"\\u00', '"\\'])
def test_a_list_cut_within_a_word_or_number_has_its_whole_records(word: str) -> None:
    document = records(f'[{{"a":1}},{{"b":{word}'.encode())
    assert ([json.loads(r) for r in document.records], document.left) == ([{"a": 1}], f'{{"b":{word}')


def test_a_fault_before_more_values_is_no_cut() -> None:
    with pytest.raises(ValueError, match="Expecting value"):
        records(b'[{"a":1},{"b":oops,"c":12345678')


NAMES = json.dumps(list(EVENTS[0]))
ROWS_BELOW = "\n".join(json.dumps(cells) for cells in CELLS)
TYPES = json.dumps(["String", "DateTime64(6)", "IPv4", "UInt16", "IPv4", "UInt16", "LowCardinality(String)", "JSON"])


@pytest.mark.parametrize("above", [NAMES, f"{NAMES}\n{TYPES}"])
def test_rows_below_their_names_are_records(above: str) -> None:
    """ClickHouse's JSONCompactEachRowWithNames and ...WithNamesAndTypes; a second file may follow."""
    data = f"{above}\n{ROWS_BELOW}\n{above}\n{ROWS_BELOW}\n".encode()
    assert is_document(data)
    assert detect(data, "auto", "x") == "suricata"
    assert [json.loads(r) for r in records(data).records] == [*EVENTS, *EVENTS]


def test_a_long_document_is_not_cut_into_lines_to_look_for_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of 500 MB would be as many texts as it has lines, and one of a single line be read twice."""
    monkeypatch.setattr(documents, "_cells_of", None)
    for head in ('["a", "b", "c", "d"', '[\n"a"', '["a"' + '   "a"' * 2_000, "[" + '"a",' * 2_000, '[{"a":"b"}\n'):
        assert not documents._named_rows(f"{head}\n[1, 2, 3, 4]\n")


def test_rows_below_their_names_may_be_one_or_odd() -> None:
    assert records(f"{NAMES}\n{json.dumps(CELLS[0])}\n".encode()).records == [
        json.dumps(EVENTS[0], separators=(",", ":"))
    ]
    odd = records(f"{NAMES}\n{json.dumps(CELLS[0])}\n[1, 2, 3, 4]\n{{\n".encode()).records
    assert odd[1:] == ["[1, 2, 3, 4]", "{"]


@pytest.mark.parametrize(
    "head",
    ['["a", "b", "c"]\n[1, 2, 3]\n', '["a", "b", "c", "a"]\n[1, 2, 3, 4]\n', '["a;", "b", "c", "d"]\n[1, 2, 3, 4]\n'],
)
def test_other_lists_are_no_names_of_rows(head: str) -> None:
    assert not is_document(head.encode())

"""Which format a file has, by its first bytes."""

import json

import pytest

from pipeline.errors import SourceError
from pipeline.intake.lander import is_array
from pipeline.sources.base import Block
from pipeline.sources.registry import READERS, detect
from tests.oracle.zeek import FIELDS, as_json, conn, header, jsonl, rows, tsv

SEEN = [
    ("zeek_tsv", tsv(conn())),
    ("zeek_tsv", header().encode()),
    ("zeek_tsv", b"\n\n# a note\n" + tsv()),
    ("zeek_tsv", b"#fields\tts\tuid\n"),
    ("zeek_tsv", rows([conn()]).encode()),
    ("zeek_tsv", rows([conn()], fields=("ts", "id.orig_h", "id.resp_h", "uid")).encode()),
    ("zeek_tsv", tsv(conn()).replace(b"\n", b"\r\n")),
    ("zeek_json", jsonl(conn())),
    ("zeek_json", b"\n  " + jsonl(conn())),
    ("zeek_json", b"[" + as_json(conn()).encode() + b"]"),
    ("zeek_json", b'{"_path":"dns","ts":1}\n'),
    ("zeek_json", b'{"id_orig_h" : "192.0.2.1"}\n'),
]


@pytest.mark.parametrize("wanted", ["auto", "zeek"])
@pytest.mark.parametrize(("encoding", "head"), SEEN)
def test_zeek_logs_are_told_by_their_content(encoding: str, head: bytes, wanted: str) -> None:
    assert detect(head, wanted, "conn.log") == encoding
    assert encoding in READERS


@pytest.mark.parametrize(
    ("encoding", "record"),
    [
        ("nprobe", {"IPV4_SRC_ADDR": "192.0.2.25", "IPV4_DST_ADDR": "10.1.0.11", "IN_BYTES": 5_900}),
        ("fortinet_json", {"type": "traffic", "srcip": "10.1.0.11", "dstip": "192.0.2.25", "rcvdbyte": 5_900}),
    ],
)
@pytest.mark.parametrize("before", ["flows: [1795161665.123456789, ", "2026-11-20T08:01:05+00:00\tflows\t", "key\t"])
def test_names_in_json_behind_what_a_shipper_puts_before_it_are_no_header(
    encoding: str, record: dict[str, object], before: str
) -> None:
    line = f"{before}{json.dumps(record)}{']' if '[' in before else ''}\n".encode()
    assert detect(line, "auto", "x") == f"{encoding}@header"


@pytest.mark.parametrize("head", [b"", b"\n", b" \r\n\t\n"])
def test_a_file_without_data_is_of_no_format(head: bytes) -> None:
    assert detect(head, "auto", "conn.log") is None


UNKNOWN = [
    b"a,b,c\n1,2,3\n",
    b'{"flow_id":1,"kind":"flow"}\n',
    b"\x00\x01\x02",
    b"PAR1",
    "#fields".encode("utf-16"),
]


@pytest.mark.parametrize("head", UNKNOWN)
def test_an_unknown_format_is_an_error_that_shows_its_beginning(head: bytes) -> None:
    with pytest.raises(SourceError, match=r"^logs/x: is of no known format; it starts with b.*Known formats: zeek"):
        detect(head, "auto", "logs/x")


def test_a_format_that_is_named_is_believed_for_text_but_not_for_binary_data() -> None:
    assert detect(b"a\tb\n", "zeek", "x") == "zeek_tsv"
    assert detect(b'{"ts":1}\n', "zeek", "x") == "zeek_json"
    with pytest.raises(SourceError, match="does not look like zeek"):
        detect(b"\x00\x01", "zeek", "x")


def test_a_log_cut_by_columns_needs_a_time_and_an_address_to_be_known() -> None:
    assert detect(rows([conn()], fields=FIELDS[:5]).encode(), "auto", "x") == "zeek_tsv"
    with pytest.raises(SourceError, match="no known format"):
        detect(rows([conn()], fields=("ts", "resp_ip_bytes", "proto")).encode(), "auto", "x")


def test_a_bracket_that_begins_a_log_s_own_data_is_no_json() -> None:
    line = b'[Fields@1.3.6.1.4.1.2620 action:"Accept"; src:"10.1.0.11"; dst:"10.9.0.25"; loguid:"{0x1}"; bytes:"5"]\n'
    assert detect(line, "checkpoint", "x") == "checkpoint"
    assert not is_array(Block(line, 1, 1))
    assert is_array(Block(b'[{"a": 1}]', 1, 0))


EMPTY = ["[]", "[\n]\n", '{"events":[],"searchedLogStreams":[]}', '{"results": []}', '{"records":[]}', '{"entries":[]}']
EMPTY += [
    '{"took":1,"hits":{"total":{"value":0},"hits":[]}}',
    '{"preview":false,"fields":[],"messages":[],"results":[]}',
]


@pytest.mark.parametrize("answer", EMPTY)
@pytest.mark.parametrize("wanted", ["auto", "checkpoint", "asa"])
def test_an_answer_without_any_record_is_no_unknown_format(answer: str, wanted: str) -> None:
    assert detect(answer.encode(), wanted, "x") in (None, "checkpoint_json", "encore_json")


@pytest.mark.parametrize("text", ["{}", "null", "[1]", '{"events":[{"message":"hello"}]}', '{"a":[]}', "[] and more"])
def test_other_small_json_is_of_no_known_format(text: str) -> None:
    with pytest.raises(SourceError, match="known format"):
        detect(text.encode(), "auto", "x")


@pytest.mark.parametrize("wanted", ["auto", "nfdump"])
def test_nfdump_s_json_of_no_flows_is_no_unknown_format(wanted: str) -> None:
    assert detect(b"[\nNo matching flows\n]\n", wanted, "x") is None
    with pytest.raises(SourceError, match="known format"):
        detect(b'[\nNo matching flows\n]\n{"a":1}\n', "auto", "x")


@pytest.mark.parametrize("wanted", ["auto", "zeek"])
def test_the_report_that_zeek_writes_beside_each_log_holds_nothing(wanted: str) -> None:
    head = b"\n>== Total === 2026-11-20-00-00-00 - 2026-11-20-00-59-59\n   - Connections 43.4k - Payload 398.4m - \n"
    assert detect(head, wanted, "logs/conn-summary.00.log") is None


@pytest.mark.parametrize("cut", [',"missed_bytes":0,"history":"ShAD"}', 'iginator":{"a":1}}', "0}"])
def test_a_log_that_begins_within_a_record_is_known_by_the_next(cut: str) -> None:
    conn = '{"_path":"conn","ts":1.5,"id.orig_h":"10.0.0.1","id.resp_h":"10.0.0.2","resp_ip_bytes":9}'
    assert detect(f"{cut}\n{conn}\n".encode(), "auto", "x") == "zeek_json"
    with pytest.raises(SourceError, match="no known format"):
        detect(f'{cut}\n{{"a":1}}\n'.encode(), "auto", "x")


@pytest.mark.parametrize("words", ["Exporting 2 events ...", "// of the mail servers", "a: b\n\n2026-11-20 started"])
def test_records_below_the_words_of_a_program_are_known(words: str) -> None:
    conn = '{"_path":"conn","ts":1.5,"id.orig_h":"10.0.0.1","id.resp_h":"10.0.0.2","resp_ip_bytes":9}'
    assert detect(f"{words}\r\n{conn}\n".encode(), "auto", "x") == "zeek_json"
    for other in (f'{words}\n{{"a":1}}\n', f"{words}\n" * 4 + f"{conn}\n", f"a\0\n{conn}\n"):
        with pytest.raises(SourceError, match="no known format"):
            detect(other.encode(), "auto", "x")


def test_a_key_of_suricata_s_name_alone_is_none_of_its() -> None:
    ends = '"source":{"ip":"10.0.0.1","port":5},"destination":{"ip":"10.0.0.2","port":993}'
    tunnel = f'{{"tool":{{"event_type":"network"}},{ends},"client":{{"bytes":9}},"server":{{"bytes":8}}}}\n'
    assert detect(tunnel.encode(), "auto", "x") == "ecs"
    with pytest.raises(SourceError, match="no known format"):
        detect(b'{"event_type":"order_created","order":7}\n', "auto", "x")
    for eve in (
        '{"event_type":"anomaly"}\n',
        '{"flow_id":1,"event_type":"newer"}\n',
        '{"event_type":"q","flow_id":1}\n',
    ):
        assert detect(eve.encode(), "auto", "x") == "suricata"

"""Documents that carry lines of logs: which lines they give, known by what is inside, and what cannot be unfolded."""

import base64
import gzip
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.sources.base import HEAD_BYTES, Parsed
from pipeline.sources.registry import detect
from pipeline.sources.wrappings import carriers, documents
from tests.examples import examples
from tests.pipeline.sources.forms_read import read_document

LINE = "2 123456789012 eni-1 198.51.100.25 10.1.0.{0} 993 50001 6 8 {1} 1795161600 1795161660 ACCEPT OK"
TWO = [LINE.format(1, 100), LINE.format(2, 200)]
NANO = "1795161600000000000"
NAMES = ("Records", "kinesis", "data", "awslogs", "streams", "values", "entries", "line", "resourceLogs", "scopeLogs",
         "logRecords", "body", "intValue", "attributes", "logEvents", "message", "results", "flow_logs")  # fmt: skip


def b64(text: str, *, packed: bool = False) -> str:
    data = text.encode()
    return base64.b64encode(gzip.compress(data) if packed else data).decode()


def watched(lines: list[str]) -> str:
    events = [{"id": str(i), "timestamp": 1_795_161_600_000, "message": line} for i, line in enumerate(lines)]
    return json.dumps({"messageType": "DATA_MESSAGE", "logGroup": "g", "logEvents": events})


def otlp(*bodies: Any) -> dict[str, Any]:
    records = [{"timeUnixNano": NANO, "body": body} for body in bodies]
    host = {"attributes": [{"key": "host.name", "value": {"stringValue": "fw1"}}]}
    return {"resourceLogs": [{"resource": host, "scopeLogs": [{"logRecords": records}]}]}


def read(document: Any) -> Parsed:
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    assert documents.is_document(data)
    encoding = detect(data[:HEAD_BYTES], "auto", "x")
    assert encoding is not None
    return read_document(encoding, data)


DOCUMENTS = {
    "lambda of kinesis": {"Records": [{"eventSource": "aws:kinesis", "kinesis": {"data": b64(line)}} for line in TWO]},
    "kinesis, compressed": {"Records": [{"kinesis": {"data": b64("\n".join(TWO), packed=True)}}]},
    "kinesis, as its API answers": {"Records": [{"SequenceNumber": "1", "Data": b64("\n".join(TWO) + "\n")}]},
    "kinesis of cloudwatch": {"Records": [{"kinesis": {"data": b64(watched(TWO), packed=True)}}]},
    "envelopes behind each other": {"Records": [{"Data": b64(watched(TWO[:1]) + watched(TWO[1:]))}]},
    "lambda of cloudwatch": {"awslogs": {"data": b64(watched(TWO), packed=True)}},
    "firehose": {"requestId": "x", "timestamp": 1, "records": [{"data": b64(line + "\n")} for line in TWO]},
    "sqs": {"Records": [{"eventSource": "aws:sqs", "body": line} for line in TWO]},
    "sns": {"Records": [{"EventSource": "aws:sns", "Sns": {"Message": line}} for line in TWO]},
    "raw logs of SecOps": {
        "create_time": "2026-11-20T08:00:00Z",
        "raw_logs": {"entries": [{"data": line, "timestamp": "2026-11-20T08:00:00Z"} for line in TWO], "type": "X"},
    },
    "lambda of kafka": {"eventSource": "aws:kafka", "records": {
        f"flows-{i}": [{"topic": "flows", "partition": i, "offset": 1, "timestamp": 1, "value": b64(line)}]
        for i, line in enumerate(TWO)}},
    "insights": {"results": [[{"field": "@message", "value": line}] for line in TWO]},
    "loki, pushed": {"streams": [{"stream": {"job": "x"}, "values": [[NANO, line, {}] for line in TWO]}]},
    "loki, of old": {"streams": [{"labels": "{}", "entries": [{"ts": "x", "line": line} for line in TWO]}]},
    "loki, asked": {"status": "success", "data": {"resultType": "streams", "result": [
        {"stream": {}, "values": [[NANO, line]]} for line in TWO]}},
    "otlp": otlp(*({"stringValue": line} for line in TWO)),
}  # fmt: skip


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_line_that_a_document_carries_is_read(name: str) -> None:
    parsed = read(DOCUMENTS[name])
    assert sorted(parsed.rows["ip_bytes_in"]) == [100, 200]
    assert (parsed.account.lines, parsed.account.quarantined.total()) == (2, 0)


@pytest.mark.parametrize("packed", [False, True])
def test_a_document_longer_than_what_is_looked_at_is_known_by_its_beginning(packed: bool) -> None:
    lines = [LINE.format(n % 250 + 1, n * 7_919 % 1_000_003) for n in range(3_000 if not packed else 15_000)]
    document = {"awslogs": {"data": b64(watched(lines), packed=packed)}}
    assert len(json.dumps(document)) > HEAD_BYTES
    assert read(document).rows["ip_bytes_in"].sum() == sum(n * 7_919 % 1_000_003 for n in range(len(lines)))


def test_fields_in_the_place_of_text_are_a_record() -> None:
    fields = {"ts": 1795161600.5, "id.orig_h": "10.1.0.11", "id.orig_p": 50_001, "id.resp_h": "198.51.100.25"}
    fields |= {"id.resp_p": 993, "proto": "tcp", "resp_ip_bytes": 5_400, "orig_ip_bytes": 700, "local": True}
    kinds = {str: "stringValue", int: "intValue", float: "doubleValue", bool: "boolValue"}
    values = [{"key": k, "value": {kinds[type(v)]: str(v) if type(v) is int else v}} for k, v in fields.items()]
    parsed = read(otlp({"kvlistValue": {"values": values}}))
    assert parsed.rows["ip_bytes_in"].to_list() == [5_400]


def test_a_line_without_a_time_has_that_of_its_document() -> None:
    ended = (
        "%ASA-6-302014: Teardown TCP connection 7 for o:198.51.100.25/993 to i:10.1.0.11/50001 duration 0:00:10 bytes 9"
    )
    for document in (otlp({"stringValue": ended}), {"streams": [{"stream": {}, "values": [[NANO, ended]]}]}):
        assert read(document).rows["start_time"].item().isoformat() == "2026-11-20T07:59:50+00:00"


def test_what_cannot_be_unfolded_is_set_aside_and_the_rest_read() -> None:
    torn = base64.b64encode(gzip.compress(TWO[1].encode())[:-9]).decode()
    broken = b64(watched(TWO)[:-20])
    records = [{"kinesis": {"data": data}} for data in (b64(TWO[0]), torn, "no Base64!", broken)]
    parsed = read({"Records": records})
    assert parsed.rows["ip_bytes_in"].to_list() == [100]
    assert (parsed.account.lines, parsed.account.quarantined.total()) == (4, 3)


def test_lines_of_other_logs_in_cloudwatch_are_known_by_themselves() -> None:
    flow = {"event_type": "flow", "src_ip": "10.1.0.11", "src_port": 5, "dest_ip": "198.51.100.25", "dest_port": 993}
    flow |= {"proto": "TCP", "timestamp": "2026-11-20T08:00:00+0000"}
    flow |= {"flow": {"bytes_toserver": 1, "bytes_toclient": 2, "start": "2026-11-20T08:00:00+0000"}}  # type: ignore[dict-item]
    assert read(watched([json.dumps({"event": flow})]).encode()).rows["other_bytes_in"].to_list() == [2]


@pytest.mark.parametrize("value", [{"Records": [{"s3": {}}]}, {"records": [{"time": "x"}]}, {"streams": 3}, [], "x",
                                   {"Records": []}, {"resourceLogs": [1]}, {"results": [1]},
                                   {"awslogs": 1}])  # fmt: skip
def test_what_carries_no_lines_is_left_alone(value: Any) -> None:
    assert carriers.held(value) is None


def test_a_beginning_is_mended_wherever_it_is_cut() -> None:
    text = json.dumps({"a": [{"b": 'x\\" {\u00e9'}, {"c": [1, 2]}], "d": "e"})
    for at in range(1, len(text)):
        found = carriers.mended(text[:at])
        assert found is None or isinstance(found, dict)
    assert carriers.mended('{"a": [{"b": "xy') == {"a": [{"b": "xy"}]}
    assert carriers.mended('{"a": [}') is None


def test_messages_of_cloudwatch_about_itself_are_no_lines() -> None:
    health = watched(["CWL CONTROL MESSAGE: Checking health of destination."]).replace("DATA_", "CONTROL_")
    parsed = read({"Records": [{"Data": b64(health)}, {"Data": b64(watched(TWO))}]})
    assert (parsed.rows.height, parsed.account.lines, parsed.account.quarantined.total()) == (2, 2, 0)


def test_a_message_in_opentelemetry_is_of_the_device_that_sent_it_and_of_when_it_came() -> None:
    """The collector's syslog receiver keeps the header's name; a time of 0 says that none is known (OTLP)."""
    asa = "%ASA-6-302014: Teardown TCP connection 7 for o:192.0.2.7/50123 to d:10.9.0.25/993 duration 0:01:00 bytes 9"
    document = otlp({"stringValue": asa})
    resource = document["resourceLogs"][0]
    resource["resource"]["attributes"][0]["value"] = {"stringValue": "collector"}
    (record,) = resource["scopeLogs"][0]["logRecords"]
    record |= {"timeUnixNano": "0", "observedTimeUnixNano": NANO}
    record["attributes"] = [{"key": "hostname", "value": {"stringValue": "fw1"}}]
    (row,) = read(document).rows.rows(named=True)
    assert (row["dvc"], row["start_time"].timestamp()) == ("fw1", int(NANO) / 1e9 - 60)


@settings(max_examples=examples(20))
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=4) | st.just(b64("x")),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
        max_leaves=8,
    )
)
def test_no_document_breaks_the_opening(value: Any) -> None:
    found = carriers.held(value)
    assert found is None or all(isinstance(record, dict) for record in found)


@pytest.mark.parametrize("first", [{"resourceLogs": []}, {"resourceMetrics": [{}]}, {"resourceSpans": [{}]}])
def test_a_document_without_lines_hides_none_of_those_behind_it(first: dict[str, Any]) -> None:
    data = f"{json.dumps(first)}\n{json.dumps(DOCUMENTS['otlp'])}\n".encode()
    assert sorted(read(data).rows["ip_bytes_in"]) == [100, 200]

"""Google Cloud's VPC flow logs: both directions, both reporters, and every shape that exports give them."""

import base64
import datetime as dt
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import SourceError
from pipeline.sources.base import merge
from pipeline.sources.registry import detect
from pipeline.sources.tables import TableReader, table_encoding
from tests.examples import examples
from tests.pipeline.sources.forms_read import read, read_bytes, read_document, read_file, rows
from tests.pipeline.sources.lines import options
from tests.real_files import GOLDEN, SAMPLES, needs_samples

CLIENT, SERVER = {"src_ip": "10.1.0.11", "src_port": 40_001}, {"dest_ip": "10.9.0.25", "dest_port": 993}
TO_CLIENT = {"src_ip": "10.9.0.25", "src_port": 993, "dest_ip": "10.1.0.11", "dest_port": 40_001, "protocol": 6}


def entry(**more: Any) -> dict[str, Any]:
    payload = {
        "reporter": "SRC",
        "connection": TO_CLIENT,
        "bytes_sent": "5000",
        "packets_sent": "10",
        "start_time": "2026-11-20T00:00:00.000000001Z",
        "end_time": "2026-11-20T00:00:05Z",
        "src_instance": {"vm_name": "mail1"},
        "dest_instance": {"vm_name": "pc1"},
    }
    return {
        "insertId": "a",
        "jsonPayload": payload | more,
        "timestamp": "2026-11-20T00:06:00Z",
        "resource": {"labels": {"project_id": "p1"}},
        "logName": "projects/p1/logs/compute.googleapis.com%2Fvpc_flows",
    }


def test_each_direction_is_a_record_and_the_reporter_is_known_by_its_end() -> None:
    parsed = read_bytes("gcp", (GOLDEN / "gcp-src-dest-reporters.json").read_bytes())
    # The records from the server are turned: the client becomes the src, so that their reporters change sides.
    assert rows(parsed, "src_ip", "payload_bytes_in", "payload_bytes_out", "reporter", "record_id") == [
        ("10.1.0.11", 5_000, None, "dest", "a"),
        ("10.1.0.11", 5_000, None, "src", "b"),
        ("10.1.0.11", None, 300, "dest", "c"),
        ("10.1.0.11", None, 300, "src", "d"),
        ("10.1.0.11", None, 300, "src", "d"),
    ]
    assert parsed.rows["accounting"].unique().to_list() == ["delta"]
    assert parsed.rows["orientation"].unique().to_list() == ["port_rule"]


def test_an_entry_without_a_start_is_dated_to_its_end() -> None:
    left = entry()
    del left["jsonPayload"]["start_time"]
    (row,) = read("gcp", json.dumps(left)).rows.to_dicts()
    assert (row["start_time"].isoformat(), row["ip_bytes_in"], row["payload_bytes_in"]) == (
        "2026-11-20T00:00:05+00:00",
        None,
        5000,
    )


def test_packets_that_were_dropped_reached_nobody() -> None:
    told = [entry(disposition=d) for d in ("ALLOWED", "DROPPED")]
    without = {k: v for k, v in entry(disposition="dropped")["jsonPayload"].items() if k != "bytes_sent"}
    parsed = read("gcp", *told, {**entry(), "jsonPayload": without})
    assert rows(parsed, "source_line", "payload_bytes_in") == [(1, 5_000)]
    assert dict(parsed.account.warnings) == {"blocked": 2}


def test_times_to_the_nanosecond_counters_as_text_and_the_machine_that_reports() -> None:
    parsed = read("gcp", entry(), entry(reporter="DEST"), entry(src_instance=None, dest_instance=None))
    assert rows(parsed, "dvc", "packets_in", "transport", "duration") == [
        ("mail1", 10, "tcp", 5_000_000),
        ("pc1", 10, "tcp", 5_000_000),
        ("p1", 10, "tcp", 5_000_000),
    ]
    assert parsed.rows["start_time"][0].isoformat() == "2026-11-20T00:00:00+00:00"
    assert parsed.rows["log_time"][0].isoformat() == "2026-11-20T00:06:00+00:00"


def test_a_gateway_reports_for_its_end() -> None:
    parsed = read("gcp", entry(reporter="DEST_GATEWAY", dest_instance=None, dest_gateway={"name": "vpn1"}))
    assert rows(parsed, "reporter", "dvc") == [("src", "vpn1")]


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda e: e,
        lambda e: {"publish_time": 1.5, "data": e},
        lambda e: {"rule": {"level": 0}, "data": {"integration": "gcp", "gcp": e}, "timestamp": e["timestamp"]},
    ],
)
def test_rows_of_bigquery_and_wrapped_entries_are_read(wrapped: Any) -> None:
    row = entry(start_time="2026-11-20 00:00:00.5 UTC", end_time="2026-11-20 00:00:05 UTC", bytes_sent=7)
    parsed = read("gcp", wrapped(row | {"timestamp": "2026-11-20 00:06:00 UTC"}))
    assert rows(parsed, "payload_bytes_in", "duration", "record_id") == [(7, 4_500_000, "a")]
    assert parsed.rows["log_time"].null_count() == 0


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("before", [0, 1, 2])
def test_entries_inside_messages_that_were_pulled_are_unfolded(indent: int | None, before: int) -> None:
    encoded = base64.b64encode((" " * before + json.dumps(entry(), indent=indent)).encode()).decode()
    message = {"ackId": "x", "message": {"data": encoded, "messageId": "1", "publishTime": "2026-11-20T00:06:01Z"}}
    columns = ("src_ip", "payload_bytes_in", "record_id", "dvc", "start_time")
    expected = rows(read("gcp", entry()), *columns)
    lines, listed = json.dumps(message).encode(), json.dumps([message]).encode()
    answered = json.dumps({"receivedMessages": [message]}).encode()
    assert [detect(data, "auto", "x") for data in (lines, listed, answered)] == ["gcp"] * 3
    found = [read("gcp", message), read_document("gcp", listed), read_document("gcp", answered)]
    assert [rows(parsed, *columns) for parsed in found] == [expected] * 3


def test_what_is_no_flow_is_ignored_and_what_stays_encoded_is_counted() -> None:
    encoded = base64.b64encode(b"\xff no entry").decode()
    firewall = entry(bytes_sent=None, disposition="ALLOWED")
    broken = {"message": {"data": encoded[:-1] + "!"}}
    parsed = read("gcp", {"message": {"data": encoded}}, broken, firewall, {"textPayload": "hello"}, entry())
    assert (parsed.account.flows, parsed.account.ignored) == (1, 4)
    assert dict(parsed.account.warnings) == {"encoded": 2, "no_counters": 1}


@pytest.mark.parametrize("indent", [None, 2])
def test_an_entry_an_array_and_lines_are_known_and_read_alike(indent: int | None) -> None:
    for data in (json.dumps(entry(), indent=indent).encode(), json.dumps([entry()], indent=indent).encode()):
        assert detect(data, "auto", "x") == "gcp"
        assert read_document("gcp", data).account.flows == 1
    assert read("gcp", entry()).account.flows == 1


def test_elastics_records_of_the_same_log_stay_elastics() -> None:
    logger = "projects/p1/logs/compute.googleapis.com%2Fvpc_flows"
    shipped = {"source": {"ip": "10.1.0.11"}, "gcp": {"vpcflow": {"reporter": "SRC"}}, "log": {"logger": logger}}
    assert detect(json.dumps(shipped).encode(), "auto", "x") == "ecs"


@needs_samples
@pytest.mark.parametrize(
    ("name", "bytes_in", "bytes_out", "reporter"),
    [
        ("otel-19kb-sent.json", 19_680, None, "dest"),  # The server reports, which is the dest once turned.
        ("otel-computeengine-2.json", None, 0, "dest"),
        ("otel-google-service.json", None, 38_144, "src"),
    ],
)
def test_real_entries_give_their_known_totals(
    name: str, bytes_in: int | None, bytes_out: int | None, reporter: str
) -> None:
    parsed = read_file(SAMPLES / "gcp_vpc" / name)
    assert rows(parsed, "payload_bytes_in", "payload_bytes_out", "reporter") == [(bytes_in, bytes_out, reporter)]


VALUES = st.one_of(st.none(), st.integers(-5, 2**70), st.floats(), st.text(max_size=6), st.just({"a": 1}), st.just([1]))


@settings(max_examples=examples(15))
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["connection", "bytes_sent", "start_time", "reporter", "src_instance"]), VALUES, max_size=2
        ),
        min_size=1,
        max_size=3,
    ),
    st.binary(max_size=12),
    st.integers(1, 400),
)
def test_no_value_breaks_the_reader(changes: list[dict[str, Any]], junk: bytes, cut: int) -> None:
    lines = [json.dumps(entry(**change)).encode() for change in changes] + [junk.replace(b"\n", b" ")]
    lines.append(lines[0][:cut])
    assert read_bytes("gcp", b"\n".join(lines) + b"\n").account.lines == len(lines)


def test_entries_as_columns_are_those_of_json(tmp_path: Path) -> None:
    entries = [entry(), entry(connection=CLIENT | SERVER | {"protocol": 6}, bytes_sent="300") | {"insertId": "b"}]
    columns = (
        "start_time",
        "src_ip",
        "dest_ip",
        "dest_port",
        "payload_bytes_in",
        "payload_bytes_out",
        "reporter",
        "dvc",
    )
    wanted = rows(read("gcp", *entries), *columns)
    start = "2026-11-20T00:00:00.000000001Z"
    for number, time in enumerate((start, dt.datetime(2026, 11, 20, tzinfo=dt.UTC))):
        made = [e | {"jsonPayload": e["jsonPayload"] | {"start_time": time}} for e in entries]
        path = tmp_path / f"{number}.parquet"
        pl.DataFrame(made).write_parquet(path)
        reader = TableReader(table_encoding(path, "auto", "x"), options())
        assert rows(merge(list(reader.read_table(path))), *columns) == wanted
    for dot in ("_", "."):
        names = ("insertId", *(f"jsonPayload{dot}{n.replace('.', dot)}" for n in (
            "connection.src_ip", "connection.src_port", "connection.dest_ip", "connection.dest_port", "bytes_sent",
            "reporter", "start_time", "src_instance.vm_name", "dest_instance.vm_name")))  # fmt: skip
        cells = [f"a,10.9.0.25,993,10.1.0.11,40001,5000,SRC,{start},mail1,pc1",
                 f"b,10.1.0.11,40001,10.9.0.25,993,300,SRC,{start},mail1,pc1"]  # fmt: skip
        assert detect("\n".join([",".join(names), *cells, ""]).encode(), "auto", "x") == "gcp_csv"
        assert rows(read("gcp_csv", ",".join(names), *cells), *columns) == wanted


def test_what_opentelemetry_s_collector_makes_of_an_entry_is_read() -> None:
    told = {
        "gcp.vpc.flow.reporter": "src",
        "gcp.vpc.flow.source.instance.vm.name": "mail1",
        "gcp.vpc.flow.bytes_sent": 5_000,
        "gcp.vpc.flow.start_time": "2026-11-20T00:00:00Z",
        "network.transport": "tcp",
        **{"source.address": "10.9.0.25", "source.port": 993},
        **{"destination.address": "10.1.0.11", "destination.port": 40_001},
    }
    kinds = {str: "stringValue", int: "intValue"}
    attributes = [{"key": k, "value": {kinds[type(v)]: v}} for k, v in told.items()]
    document = {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"attributes": attributes}]}]}]}
    assert detect(json.dumps(document).encode(), "auto", "x") == "gcp"
    parsed = read_document("gcp", json.dumps(document).encode())
    columns = ("src_ip", "dest_port", "payload_bytes_in", "transport", "reporter", "dvc")
    assert rows(parsed, *columns) == [("10.1.0.11", 993, 5_000, "tcp", "dest", "mail1")]


def test_what_a_load_balancer_logs_of_connections_is_no_flow_log_of_a_vpc() -> None:
    """It names a client and a server, and the bytes of both ways: a table of one's own, not records of no kind."""
    connection = {"clientIp": "203.0.113.7", "clientPort": 50_001, "protocol": 6, "serverIp": "192.0.2.25"}
    payload = {"connection": connection, "startTime": "2026-11-20T08:00:00Z", "bytesReceived": "9", "bytesSent": "90"}
    with pytest.raises(SourceError, match="columns like those of a log of flows"):
        detect(json.dumps({"insertId": "a", "jsonPayload": payload}).encode(), "auto", "x")
    firewall = {"connection": {"src_ip": "10.1.0.11", "dest_ip": "192.0.2.25"}, "disposition": "ALLOWED"}
    assert detect(json.dumps({"insertId": "a", "jsonPayload": firewall}).encode(), "auto", "x") == "gcp"

"""Parquet of formats that are JSON elsewhere, or of a shipper's lines: read as the lines of JSON that its rows are."""

import base64
import datetime as dt
import gzip
import ipaddress
import json
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline.errors import SourceError
from pipeline.mapping import ColumnMapping
from pipeline.sources import table_rows
from pipeline.sources.base import Parsed, merge
from tests.pipeline.sources.lines import options, read
from tests.pipeline.sources.test_parquet_kinds import EIGHT, FIELDS, INT96
from tests.pipeline.sources.test_tables import write

CLIENT, SERVER, START = "10.1.0.11", "10.9.0.25", 1_795_161_600
EVE = {"timestamp": "2026-11-20T08:00:10+0000", "event_type": "flow", "src_ip": CLIENT, "src_port": 50_001,
       "dest_ip": SERVER, "dest_port": 993, "proto": "TCP",
       "flow": {"bytes_toserver": 420, "bytes_toclient": 5_420, "start": "2026-11-20T08:00:00+0000"}}  # fmt: skip
GOFLOW = {"type": "NETFLOW_V9", "time_received_ns": (START + 12) * 10**9, "sampler_address": "192.0.2.1",
          "time_flow_start_ns": START * 10**9, "time_flow_end_ns": (START + 10) * 10**9, "bytes": 5_420, "packets": 5,
          "src_addr": SERVER, "dst_addr": CLIENT, "etype": "IPv4", "proto": "TCP", "src_port": 993,
          "dst_port": 50_001, "tcp_flags": 27}  # fmt: skip
PANOS = {"TimeGenerated": "2026-11-20T08:00:10.000Z", "DeviceVendor": "Palo Alto Networks", "DeviceProduct": "PAN-OS",
         "DeviceEventClassID": "end", "Activity": "TRAFFIC", "DeviceAction": "allow", "SourceIP": CLIENT,
         "SourcePort": 50_001, "DestinationIP": SERVER, "DestinationPort": 993, "Protocol": "tcp",
         "SentBytes": 5_420, "ReceivedBytes": 420, "DeviceCustomNumber3": 10}  # fmt: skip
FORTIGATE = {"date": "2026-11-20", "time": "08:00:10", "tz": "+0000", "devid": "FG1", "logid": "0000000013",
             "type": "traffic", "subtype": "forward", "srcip": CLIENT, "srcport": 50_001, "dstip": SERVER,
             "dstport": 993, "proto": 6, "action": "close", "duration": 10, "sentbyte": 420, "rcvdbyte": 5_420,
             "sessionid": 7}  # fmt: skip
VECTRA = {"metadata_type": "metadata_isession", "uid": "C1", "proto": 6, "conn_state": "SF", "sensor_uid": "s1",
          "id.orig_h": CLIENT, "id.orig_p": 50_001, "id.resp_h": SERVER, "id.resp_p": 993, "orig_ip_bytes": 420,
          "resp_ip_bytes": 5_420, "duration": 86_400_000, "session_start_time": START * 1_000,
          "ts": (START + 86_400) * 1_000}  # fmt: skip
ANALYTICS = {"SubType": "FlowLog", "FlowStartTime": "2026-11-20T08:00:00Z", "SrcIp": CLIENT, "DestIp": SERVER,
             "DestPort": 993, "L4Protocol": "T", "FlowDirection": "Inbound", "FlowStatus": "Allowed",
             "BytesDestToSrc": 5_420, "BytesSrcToDest": 420}  # fmt: skip
RECORDS: dict[str, dict[str, Any]] = {
    "goflow2": GOFLOW,
    "sentinel_cef": PANOS,
    "fortinet_json": FORTIGATE,
    "vectra": VECTRA,
    "azure_analytics": ANALYTICS,
    "suricata@_raw": {"_raw": json.dumps(EVE), "_time": START + 10.0, "host": "s1"},
}


def read_rows(path: Path, zone: str = "UTC") -> Parsed:
    reader = table_rows.table_reader(table_rows.table_encoding(path, "auto", "x"), options(zone))
    parsed = merge(list(reader.read_table(path)))
    assert parsed.account.balanced
    return parsed


def received(parsed: Parsed) -> list[tuple[Any, ...]]:
    got = pl.coalesce("ip_bytes_in", "other_bytes_in")
    return parsed.rows.select("src_ip", "dest_ip", pl.col("start_time").dt.to_string("%F %T"), got).rows()


@pytest.mark.parametrize("encoding", RECORDS)
def test_a_row_is_read_as_its_line_of_json(tmp_path: Path, encoding: str) -> None:
    path = write(tmp_path / "a.parquet", [RECORDS[encoding]])
    assert table_rows.table_encoding(path, "auto", "x") == encoding
    parsed = read_rows(path)
    assert received(parsed) == [(CLIENT, SERVER, "2026-11-20 08:00:00", 5_420)]
    assert parsed.rows.equals(read(encoding, json.dumps(RECORDS[encoding])).rows)


def test_times_and_addresses_of_any_type_are_what_a_log_would_say(tmp_path: Path) -> None:
    packed = {k: ipaddress.ip_address(GOFLOW[k]).packed for k in ("src_addr", "dst_addr")}  # type: ignore[arg-type]
    assert received(read_rows(write(tmp_path / "g.parquet", [GOFLOW | packed]))) == [
        (CLIENT, SERVER, "2026-11-20 08:00:00", 5_420)
    ]
    logged = dt.datetime(2026, 11, 20, 9, 0, 10, tzinfo=dt.timezone(dt.timedelta(hours=1)))
    for time in (logged, logged.astimezone(dt.UTC).replace(tzinfo=None)):
        assert received(read_rows(write(tmp_path / "s.parquet", [PANOS | {"TimeGenerated": time}]))) == [
            (CLIENT, SERVER, "2026-11-20 08:00:00", 5_420)
        ]


def test_a_day_and_a_time_of_two_columns_are_one(tmp_path: Path) -> None:
    path = write(tmp_path / "f.parquet", [FORTIGATE | {"date": dt.date(2026, 11, 20), "time": dt.time(8, 0, 10)}])
    assert received(read_rows(path)) == [(CLIENT, SERVER, "2026-11-20 08:00:00", 5_420)]


def test_a_map_is_an_object(tmp_path: Path) -> None:
    pairs = [{"key": k, "value": str(v)} for k, v in FORTIGATE.items()]
    path = write(tmp_path / "m.parquet", [{"at": START, "fields": pairs}])
    assert received(read_rows(path)) == [(CLIENT, SERVER, "2026-11-20 08:00:00", 5_420)]


def test_rows_are_numbered_across_batches_and_broken_ones_set_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_rows, "ROWS", 2)
    rows = [GOFLOW | {"dst_port": 50_000 + n} for n in range(5)]
    rows[3] |= {"src_addr": "nowhere"}
    parsed = read_rows(write(tmp_path / "b.parquet", rows))
    assert parsed.rows["source_line"].to_list() == [1, 2, 3, 5]
    assert parsed.rejects.select("source_line", "reason").rows() == [(4, "bad_address")]
    assert '"nowhere"' in parsed.rejects["raw"][0]


def test_lists_among_columns_are_read_as_those_of_json(tmp_path: Path) -> None:
    """Of a connection that began and ended, of which ECS has a list of words."""
    kinds = ["connection", "start", "end"]
    record = {"@timestamp": "2026-11-20T08:00:10Z", "event": {"start": "2026-11-20T08:00:00Z", "type": kinds},
              "source": {"ip": CLIENT, "port": 50_001, "bytes": 420},
              "destination": {"ip": SERVER, "port": 993, "bytes": 5_420}}  # fmt: skip
    record["event"] |= {"dataset": "zeek.connection"}  # type: ignore[operator]
    path = write(tmp_path / "e.parquet", [record])
    assert table_rows.table_encoding(path, "auto", "x") == "ecs_parquet"
    assert read_rows(path).rows["accounting"].to_list() == ["final"]
    assert read("ecs", json.dumps(record)).rows["accounting"].to_list() == ["final"]


def test_columns_of_a_format_that_lack_what_it_needs_are_still_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "l.parquet", [{k: v for k, v in EVE.items() if k != "flow"}])
    with pytest.raises(SourceError, match=r"it lacks flow\.start"):
        table_rows.table_encoding(path, "suricata", "x")
    with pytest.raises(SourceError, match="Parquet whose columns"):
        table_rows.table_encoding(write(tmp_path / "n.parquet", [{"a": 1, "message": "hello"}]), "auto", "x")


@pytest.mark.parametrize(
    ("body", "flows"),
    [
        (json.dumps(EVE).encode() + b"\n", 1),
        (json.dumps(EVE, indent=1).encode(), 1),
        (b"\r\n".join([json.dumps(EVE).encode()] * 2), 2),
        (json.dumps({"records": [EVE, EVE]}).encode(), 2),
        (gzip.compress(json.dumps(EVE).encode()), 1),
    ],
)
def test_a_message_in_a_binary_column_may_have_line_ends(tmp_path: Path, body: bytes, flows: int) -> None:
    """As Azure's event hubs capture messages in Parquet."""
    path = tmp_path / "x.parquet"
    pl.DataFrame({"SequenceNumber": [1, 2], "Body": [body, body]}).write_parquet(path)
    encoding = table_rows.table_encoding(path, "auto", "x")
    assert encoding == "suricata@Body"
    parsed = merge(list(table_rows.table_reader(encoding, options()).read_table(path)))
    assert parsed.account.balanced
    assert parsed.rows["source_line"].to_list() == list(range(1, 2 * flows + 1))
    assert parsed.rows["other_bytes_in"].to_list() == [5_420] * 2 * flows


def test_an_empty_list_is_no_map() -> None:
    rows = pl.DataFrame(
        {"tags": [[]], "pairs": [[{"key": "a", "value": "b"}]]}, schema_overrides={"tags": pl.List(pl.String)}
    )
    assert json.loads(table_rows.lines_of(rows)) == {"tags": [], "pairs": {"a": "b"}}


def test_packed_addresses_whose_bytes_look_like_text_are_addresses_too() -> None:
    """Every byte of some addresses is a letter or a mark; a column that packs others packs them as well."""
    looks, texts = b"(a!2", [b"http", b"imap", None, b"2001:db8:1:2::10"]
    ends = [ipaddress.ip_address(SERVER).packed, looks, None, b"2001:db8:1:2::10"]
    rows = pl.DataFrame({"src_addr": ends, "app": texts}, schema={"src_addr": pl.Binary, "app": pl.Binary})
    told = [json.loads(line) for line in table_rows.lines_of(rows).splitlines()]
    assert [t.get("src_addr") for t in told] == [SERVER, str(ipaddress.ip_address(looks)), None, "2001:db8:1:2::10"]
    assert [t.get("app") for t in told] == ["http", "imap", None, "2001:db8:1:2::10"]


def test_rows_that_tell_nothing_may_come_first(tmp_path: Path) -> None:
    nothing = dict.fromkeys(PANOS) | {"TimeGenerated": PANOS["TimeGenerated"]}
    path = write(tmp_path / "f.parquet", [*[nothing] * 150, PANOS])
    assert table_rows.table_encoding(path, "auto", "x") == "sentinel_cef"
    assert read_rows(path).account.flows == 1


def test_the_columns_count_before_a_line_in_one_of_them(tmp_path: Path) -> None:
    path = write(tmp_path / "b.parquet", [EVE | {"message": json.dumps(EVE)}])
    assert table_rows.table_encoding(path, "auto", "x") == "suricata_parquet"


def test_a_table_of_ones_own_is_that_whatever_its_rows_are(tmp_path: Path) -> None:
    assert table_rows.table_encoding(write(tmp_path / "t.parquet", [GOFLOW]), "table", "x") == "table_parquet"


def test_times_that_are_utc_by_definition_are_so_in_rows_too() -> None:
    """Spark's INT96 has no zone, in a struct neither; of durations in structs the seconds are told."""
    eight, nothing = dt.datetime(2026, 11, 20, 8, tzinfo=dt.UTC).replace(tzinfo=None), {"at": None, "lasted": None}
    held = {"at": eight, "lasted": dt.timedelta(seconds=10)}
    rows = pl.DataFrame({"at": [eight] * 3, "other": [eight] * 3, "in": [held, nothing, None], "all": [[held]] * 3})
    told = [json.loads(line) for line in table_rows.lines_of(rows, {("at",), ("in", "at")}).splitlines()]
    text = "2026-11-20T08:00:00.000000000"
    assert told[0] == {
        "at": f"{text}Z",
        "other": text,
        "in": {"at": f"{text}Z", "lasted": "10.0"},
        "all": [{"at": text, "lasted": "10.0"}],
    }
    assert [t.get("in") for t in told[1:]] == [{}, None]


def test_a_file_of_rows_is_asked_which_times_are_utc(tmp_path: Path) -> None:
    path = tmp_path / "spark.parquet"
    path.write_bytes(zlib.decompress(base64.b85decode(INT96)))
    mapping = ColumnMapping(FIELDS, "ip")
    reader = table_rows.RowReader("table_json", replace(options("Europe/Berlin"), mapping=mapping))
    assert merge(list(reader.read_table(path))).rows["start_time"].to_list() == [EIGHT]


@pytest.mark.parametrize(
    "odd", [pl.Series([2**30], dtype=pl.Int32).cast(pl.Date), pl.Series([2**62]).cast(pl.Datetime)]
)
@pytest.mark.parametrize("within", [False, True])
def test_times_in_years_that_nobody_writes_end_no_file(tmp_path: Path, odd: pl.Series, within: bool) -> None:
    """Polars panics where it shall print such a date, and Python has no such time."""
    column = pl.select(pl.struct(odd.alias("v"))).to_series() if within else odd
    path = tmp_path / "y.parquet"
    pl.DataFrame([GOFLOW]).with_columns(column.alias("updated")).write_parquet(path)
    assert received(read_rows(path)) == [(CLIENT, SERVER, "2026-11-20 08:00:00", 5_420)]


def test_what_cannot_be_told_as_json_is_a_fault_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "p.parquet", [GOFLOW])
    encoding = table_rows.table_encoding(path, "auto", "x")

    def panics(*_: object) -> bytes:
        raise pl.exceptions.PanicException("out of range")

    monkeypatch.setattr(table_rows, "lines_of", panics)
    with pytest.raises(SourceError, match="out of range"):
        list(table_rows.table_reader(encoding, options()).read_table(path))
    with pytest.raises(SourceError, match="Parquet whose columns"):
        table_rows.table_encoding(path, "auto", "x")

"""Parquet as a container: columns of any type come to the flows that their text would, and damage is an error."""

import datetime as dt
import errno
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import SourceError
from pipeline.inventory import Inventory
from pipeline.mapping import ColumnMapping
from pipeline.settings import InventoryEntry
from pipeline.sources import tables
from pipeline.sources.base import Block, Parsed, ReadOptions, merge
from pipeline.sources.records import RecordReader
from pipeline.sources.registry import READERS
from pipeline.sources.tables import TableReader, table_encoding
from pipeline.sources.watch import Watch
from tests.examples import examples
from tests.oracle.zeek import conn, jsonl
from tests.real_files import SAMPLES, needs_samples

LATEST = 4_000_000_000_000_000
CLIENT, SERVER = "10.1.0.11", "192.0.2.25"
START = 1_795_132_800


def options(**more: Any) -> ReadOptions:
    watched = more.pop("watched", None)
    entry = InventoryEntry(address=watched, category=("email_server",)) if watched else None
    return ReadOptions(Watch(Inventory([entry]) if entry else None), LATEST, **more)


def read(path: Path, wanted: str = "auto", **more: Any) -> Parsed:
    reader = TableReader(table_encoding(path, wanted, path.name), options(**more))
    parsed = merge(list(reader.read_table(path)))
    assert parsed.account.balanced
    return parsed


@pytest.fixture
def no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the typed way may be gone."""

    def refuse(*_: Any) -> Parsed:
        raise AssertionError("a clean table was read as text")

    monkeypatch.setattr(RecordReader, "take", refuse)


VPC = {
    "account_id": "123456789010", "interface_id": "eni-0a", "srcaddr": SERVER, "dstaddr": CLIENT, "srcport": 993,
    "dstport": 40_001, "protocol": 6, "packets": 10, "bytes": 5_900, "start": START, "end": START + 60,
    "action": "ACCEPT", "log_status": "OK", "flow_direction": "ingress", "tcp_flags": 18,
}  # fmt: skip


def write(path: Path, rows: list[dict[str, Any]], **types: Any) -> Path:
    pl.DataFrame(rows, schema_overrides=types, infer_schema_length=None).write_parquet(path)
    return path


def one(parsed: Parsed) -> dict[str, Any]:
    (row,) = parsed.rows.to_dicts()
    return row


@pytest.mark.usefixtures("no_text")
def test_vpc_records_in_columns_are_read_without_a_detour_by_text(tmp_path: Path) -> None:
    folder = tmp_path / "aws-account-id=1" / "bytes=77"
    folder.mkdir(parents=True)
    refused = VPC | {"action": "REJECT"}
    parsed = read(write(folder / "a*[b].parquet", [VPC, refused], srcport=pl.Int32, protocol=pl.Int32))
    row = one(parsed)
    assert (row["src_ip"], row["dest_port"], row["ip_bytes_in"], row["packets_in"]) == (CLIENT, 993, 5_900, 10)
    assert (row["orientation"], row["accounting"], row["reporter"], row["dvc"]) == ("syn", "delta", "src", "eni-0a")
    assert dict(parsed.account.warnings) == {"blocked": 1}
    assert parsed.span == (START * 1_000_000, START * 1_000_000)


TIMES = {
    "seconds": START,
    "milliseconds": START * 1_000,
    "nanoseconds": START * 10**9,
    "real": float(START),
    "text": str(START),
    "iso": "2026-11-20T00:00:00Z",
    "zoned": dt.datetime(2026, 11, 20, 1, tzinfo=dt.timezone(dt.timedelta(hours=1))),
    "plain": dt.datetime(2026, 11, 20),  # noqa: DTZ001 - a column without a zone
    "day": dt.date(2026, 11, 20),
}


@pytest.mark.parametrize("kind", TIMES)
def test_every_kind_of_time_is_read(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path / "t.parquet", [VPC | {"start": TIMES[kind]}])
    assert one(read(path))["start_time"].isoformat() == "2026-11-20T00:00:00+00:00"


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin"])
@pytest.mark.usefixtures("no_text")
def test_timestamps_of_every_unit_and_zone_are_read_typed(tmp_path: Path, unit: Any, zone: str | None) -> None:
    time = pl.Series([START * 1_000]).cast(pl.Datetime("ms", zone)).cast(pl.Datetime(unit, zone))
    frame = pl.DataFrame([VPC]).with_columns(start=time)
    frame.write_parquet(tmp_path / "t.parquet")
    assert one(read(tmp_path / "t.parquet"))["start_time"].timestamp() == START


def test_text_columns_with_marks_of_absence_are_read(tmp_path: Path) -> None:
    text = {k: str(v) for k, v in VPC.items()}
    nothing = dict.fromkeys(VPC, "-") | {"log_status": "NODATA", "start": str(START), "end": str(START)}
    parsed = read(write(tmp_path / "t.parquet", [text, nothing]))
    assert (one(parsed)["ip_bytes_in"], dict(parsed.account.warnings)) == (5_900, {"no_data": 1})


def test_a_row_that_cannot_be_right_is_set_aside_with_its_number_and_values(tmp_path: Path) -> None:
    rows = [VPC, VPC | {"srcport": 70_000}, VPC | {"dstaddr": None}, VPC | {"bytes": -1}, VPC | {"start": None}, VPC]
    parsed = read(write(tmp_path / "t.parquet", rows))
    assert parsed.rejects.select("source_line", "reason").rows() == [
        (2, "bad_port"),
        (3, "bad_address"),
        (4, "negative_bytes"),
        (5, "untimed"),
    ]
    assert json.loads(parsed.rejects["raw"][0])["srcport"] == 70_000
    assert parsed.rows["source_line"].to_list() == [1, 6]


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "BATCH_ROWS", 3)


@pytest.mark.usefixtures("small_batches")
def test_a_file_is_read_in_batches_and_rows_are_numbered_across_them(tmp_path: Path) -> None:
    rows = [VPC | {"bytes": i, "srcport": 70_000 if i == 5 else 993} for i in range(10)]
    path = write(tmp_path / "t.parquet", rows)
    parts = list(TableReader("vpc_parquet", options()).read_table(path))
    assert [p.account.lines for p in parts] == [3, 3, 3, 1]
    whole = merge(parts)
    assert whole.rows["ip_bytes_in"].to_list() == [i for i in range(10) if i != 5]
    assert whole.rejects["source_line"].to_list() == [6]


OCSF = {
    "class_uid": 4001,
    "activity_id": 6,
    "time": START * 1_000,
    "time_dt": dt.datetime(2026, 11, 20, 0, 1, tzinfo=dt.UTC),
    "start_time_dt": dt.datetime(2026, 11, 20, tzinfo=dt.UTC),
    "src_endpoint": {"ip": SERVER, "port": 993, "intermediate_ips": ["192.0.2.1"]},
    "dst_endpoint": {"ip": CLIENT, "port": 40_001, "intermediate_ips": None},
    "connection_info": {"protocol_num": 6, "direction": "Inbound"},
    "traffic": {"bytes": 5_900, "packets": 10},
    "unmapped": [{"a": "b"}],
}


@pytest.mark.usefixtures("no_text")
def test_network_activity_of_a_security_lake_is_read_from_nested_columns(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", [OCSF, OCSF | {"class_uid": 4002}])
    assert table_encoding(path, "auto", "x") == "ocsf_parquet"
    row = one(read(path))
    assert (row["src_ip"], row["other_bytes_in"], row["transport"]) == (CLIENT, 5_900, "tcp")
    assert row["start_time"].isoformat() == "2026-11-20T00:00:00+00:00"


ECS = {
    "@timestamp": dt.datetime(2026, 11, 20, tzinfo=dt.UTC),
    "event": {"start": "2026-11-20T00:00:00Z", "end": "2026-11-20T00:00:10Z"},
    "source": {"ip": CLIENT, "port": 40_001, "bytes": 100},
    "destination": {"ip": SERVER, "port": 993, "bytes": 5_000},
}
CIM = {
    "_time": START,
    "src_ip": CLIENT,
    "dest_ip": SERVER,
    "dest_port": [993, 995],
    "bytes_in": 5_900,
    "bytes_out": 6.0,
}


def test_elastic_and_splunk_columns_are_read(tmp_path: Path) -> None:
    ecs, cim = write(tmp_path / "e.parquet", [ECS]), write(tmp_path / "c.parquet", [CIM])
    assert [table_encoding(p, "auto", "x") for p in (ecs, cim)] == ["ecs_parquet", "cim_parquet"]
    assert (one(read(ecs))["other_bytes_in"], one(read(ecs))["duration"]) == (5_000, 10_000_000)
    row = one(read(cim))
    assert (row["other_bytes_in"], row["other_bytes_out"], row["dest_port"]) == (5_900, 6, 993)


@pytest.mark.parametrize("nested", [True, False])
def test_zeek_columns_are_read_as_a_conn_log_is(tmp_path: Path, nested: bool) -> None:
    records = [conn(), conn(conn_state="S0", uid="C2"), conn(uid="C3", resp_ip_bytes="-", missed_bytes="7")]
    lines = [json.loads(line) for line in jsonl(*records).decode().splitlines()]
    if nested:
        lines = [{k: v for k, v in r.items() if "." not in k} | {"id": ids(r)} for r in lines]
    path = write(tmp_path / "z.parquet", lines)
    assert table_encoding(path, "auto", "x") == "zeek_parquet"
    data = jsonl(*records)
    wanted = READERS["zeek_json"](options()).read(Block(data, 1, 3)).rows
    assert read(path).rows.sort("uid").equals(wanted.sort("uid"))


def ids(record: dict[str, Any]) -> dict[str, Any]:
    return {k.removeprefix("id."): v for k, v in record.items() if k.startswith("id.")}


MAPPING = ColumnMapping((("src_ip", "who.ip"), ("dest_ip", "Server"), ("start_time", "at"), ("bytes_in", "down")), "ip")
OWN = {"who": {"ip": CLIENT}, "Server": SERVER, "at": dt.datetime(2026, 11, 20, 1), "down": 5_900}  # noqa: DTZ001


@pytest.mark.usefixtures("no_text")
def test_a_table_of_the_users_own_is_read_by_its_mapping(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", [OWN])
    row = one(read(path, "table", mapping=MAPPING, timezone="Europe/Berlin"))
    assert (row["src_ip"], row["dest_ip"], row["ip_bytes_in"]) == (CLIENT, SERVER, 5_900)
    assert row["start_time"].isoformat() == "2026-11-20T00:00:00+00:00"
    assert one(read(path, "table", mapping=MAPPING, swap_bytes=True))["ip_bytes_out"] == 5_900


PACKED = {
    "four bytes": (bytes([10, 1, 0, 11]), bytes([192, 0, 2, 25])),
    "four bytes that are text, too": (b"\n345", b"\n!!!"),
    "sixteen bytes": (bytes(10) + b"\xff\xff" + bytes([10, 1, 0, 11]), bytes.fromhex("20010db8" + "0" * 22 + "25")),
    "text": (b"10.1.0.11", b"2001:db8::1:2:25"),
    "short text": (b"::11", b"fe80::25"),
}
ENDS = {
    "four bytes": ("10.1.0.11", "192.0.2.25"),
    "four bytes that are text, too": ("10.51.52.53", "10.33.33.33"),
    "sixteen bytes": ("10.1.0.11", "2001:db8::25"),
    "text": ("10.1.0.11", "2001:db8::1:2:25"),
    "short text": ("::11", "fe80::25"),
}


@pytest.mark.parametrize("kind", PACKED)
def test_ends_in_binary_columns_are_packed_addresses_or_text(tmp_path: Path, kind: str) -> None:
    client, server = PACKED[kind]
    own = OWN | {"who": {"ip": client}, "Server": server}
    row = one(read(write(tmp_path / "t.parquet", [own]), "table", mapping=MAPPING))
    assert (row["src_ip"], row["dest_ip"], row["ip_bytes_in"]) == (*ENDS[kind], 5_900)


def test_bytes_that_are_neither_text_nor_an_address_cost_only_what_needs_them(tmp_path: Path) -> None:
    mapping = replace(MAPPING, fields=(*MAPPING.fields, ("session_id", "id")))
    told = [(SERVER.encode(), b"\xff\x00"), (SERVER.encode(), b"C1"), (SERVER.encode(), None), (b"\xff\x00", b"C2")]
    rows = [OWN | {"Server": server, "id": uid} for server, uid in told]
    parsed = read(write(tmp_path / "t.parquet", rows), "table", mapping=mapping)
    assert parsed.rows["uid"].to_list() == ["ff00", "C1", None]
    assert parsed.rejects.select("source_line", "reason", "detail").rows() == [(4, "bad_address", "dest=ff00")]


def test_a_list_of_one_value_is_that_value(tmp_path: Path) -> None:
    lists = OWN | {"Server": [SERVER], "down": [5_900, 5_900], "at": [OWN["at"]]}
    row = one(read(write(tmp_path / "t.parquet", [lists]), "table", mapping=MAPPING, timezone="Europe/Berlin"))
    assert (row["dest_ip"], row["ip_bytes_in"]) == (SERVER, 5_900)
    assert row["start_time"].isoformat() == "2026-11-20T00:00:00+00:00"
    parsed = read(write(tmp_path / "u.parquet", [lists | {"down": [5_900, 600]}]), "table", mapping=MAPPING)
    assert parsed.rejects["detail"].to_list() == ["resp_ip_bytes=[5900, 600]"]


def test_times_of_a_zone_that_is_not_read_are_an_error_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> pl.LazyFrame:
        raise pl.exceptions.ComputeError("unable to parse time zone: '+05:30'. Please check ...")

    monkeypatch.setattr(tables, "_scan", refuse)
    with pytest.raises(SourceError, match=r"^x: has times of the zone '\+05:30', which are not read. Write"):
        table_encoding(Path("x"), "table", "x")


def test_a_mapped_column_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", [{k: v for k, v in OWN.items() if k != "down"}])
    with pytest.raises(SourceError, match=r"^t.parquet: has no columns down, which"):
        read(path, "table", mapping=MAPPING)


def test_columns_that_a_mapping_reads_are_an_error_that_tells_it(tmp_path: Path) -> None:
    own = {
        "IPV4_SRC_ADDR": "10.1.0.11",
        "IPV4_DST_ADDR": "10.9.0.25",
        "IN_BYTES": 1,
        "OUT_BYTES": 2,
        "FIRST_SWITCHED": 1,
    }
    path = write(tmp_path / "t.parquet", [{"flow": own}])
    with pytest.raises(SourceError, match=r"fields: \{src_ip: flow\.IPV4_SRC_ADDR.*bytes_in: flow\.OUT_BYTES"):
        tables.table_encoding(path, "auto", "x")


@pytest.mark.parametrize(("columns", "shown"), [(20, "c18, c19."), (21, "c18, c19 and 1 more.")])
def test_of_many_columns_twenty_are_shown(tmp_path: Path, columns: int, shown: str) -> None:
    path = write(tmp_path / "t.parquet", [{f"c{n:02}": 1 for n in range(columns)}])
    with pytest.raises(SourceError) as caught:
        table_encoding(path, "auto", "x")
    assert shown in caught.value.message


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (OSError(errno.EMFILE, "Too many open files"), "x: this process may open no more files. Allow more open files"),
        (pl.exceptions.ComputeError("Too many open files (os error 24)"), "x: this process may open no more files."),
        (pl.exceptions.ComputeError("out of spec"), "x: cannot be read as Parquet: out of spec. Replace the file"),
    ],
)
def test_a_limit_of_the_process_is_no_fault_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception, words: str
) -> None:
    def refuse(_path: Path) -> pl.LazyFrame:
        raise fault

    monkeypatch.setattr(tables, "_scan", refuse)
    with pytest.raises(SourceError) as caught:
        table_encoding(tmp_path / "t.parquet", "auto", "x")
    assert caught.value.message.startswith(words)


def test_columns_of_no_known_form_are_an_error_that_shows_them(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", [{"a": 1, "b": {"c": 2}}])
    with pytest.raises(SourceError, match=r"^x: is Parquet whose columns are not those of zeek, vpc.*it has a, b.c\."):
        table_encoding(path, "auto", "x")
    with pytest.raises(SourceError, match=r"not those of ocsf \(it lacks start_time, src_endpoint.ip, dst"):
        table_encoding(path, "ocsf", "x")
    lacking = write(tmp_path / "v.parquet", [{k: v for k, v in VPC.items() if k != "bytes"}])
    with pytest.raises(SourceError, match=r"not those of vpc \(it lacks bytes\)"):
        table_encoding(lacking, "vpc", "x")


def test_an_empty_table_is_a_quiet_one(tmp_path: Path) -> None:
    pl.DataFrame([VPC]).clear().write_parquet(tmp_path / "t.parquet")
    assert read(tmp_path / "t.parquet").account.lines == 0


@pytest.mark.parametrize("keep", [0, 3, 8, 100, -200, -9, -1])
def test_a_file_cut_short_is_an_error_that_says_what_to_do(tmp_path: Path, keep: int) -> None:
    path = write(tmp_path / "t.parquet", [VPC] * 500)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(SourceError, match=r"^x: cannot be read as Parquet: .*whole copy"):
        table_encoding(path, "vpc", "x")


@settings(
    max_examples=examples(25),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_damage_anywhere_is_an_error_or_harmless(tmp_path: Path, changes: list[tuple[float, int]]) -> None:
    path = tmp_path / "damaged.parquet"
    rows = [VPC | {"bytes": 1_000 + i, "srcport": 1_000 + i, "interface_id": f"eni-{i}"} for i in range(50)]
    data = bytearray(write(path, rows).read_bytes())
    for where, value in changes:
        data[min(int(where * len(data)), len(data) - 1)] = value
    path.write_bytes(data)
    try:
        parsed = read(path)
    except SourceError as error:
        assert "damaged.parquet" in error.message
    else:
        assert parsed.account.balanced


NUMBERS = st.one_of(st.integers(-5, 10**6), st.sampled_from([2**31 - 1, 10**15, 10**15 + 1, 2**53 + 1, 2**62]))
ADDRESSES = st.sampled_from([CLIENT, SERVER, "2001:db8::1", "::ffff:192.0.2.25", "somewhere", "-", "", None])
PORTS = st.one_of(st.sampled_from([993, 25, 0, 65_535, 65_536, -1]), st.none())
STAMPS = st.one_of(st.integers(START, START + 99), st.sampled_from([0, START * 1000, START * 10**6 + 7, 10**19 // 6]))
ODD = {"bytes": NUMBERS, "packets": NUMBERS, "srcaddr": ADDRESSES, "srcport": PORTS, "start": STAMPS, "end": STAMPS}
KINDS: dict[str, list[Any]] = {
    "start": [pl.Int64, pl.Float64, pl.String, pl.UInt64],
    "end": [pl.Int64, pl.String],
    "bytes": [pl.Int64, pl.Float64, pl.String, pl.UInt64, pl.Int128],
    "packets": [pl.Int64, pl.Float64, pl.String],
    "srcport": [pl.Int32, pl.Int64, pl.String, pl.Float64],
    "dstport": [pl.Int32, pl.String],
    "protocol": [pl.Int32, pl.String],
    "tcp_flags": [pl.Int32, pl.String],
    "action": [pl.String, pl.Categorical],
    "srcaddr": [pl.String, pl.Categorical],
}


@st.composite
def frames(draw: st.DrawFn) -> pl.DataFrame:
    """VPC records in columns of any types; most are clean, so that the typed way is gone."""
    odd = draw(st.booleans())
    rows = []
    for _ in range(draw(st.integers(1, 5))):
        row: dict[str, Any] = VPC | {
            "bytes": draw(st.integers(0, 10**15)),
            "srcport": draw(st.sampled_from([25, 993, 50_000])),
            "start": draw(st.integers(START, START + 99)),
            "tcp_flags": draw(st.sampled_from([0, 1, 2, 3, 18, 19, None])),
            "action": draw(st.sampled_from(["ACCEPT", "REJECT", "-"])),
            "dstaddr": draw(st.sampled_from([CLIENT, "10.1.0.12", "2001:db8::1"])),
            "pkt_srcaddr": draw(st.sampled_from([SERVER, "-", None, "192.0.2.99"])),
        }
        for key in draw(st.lists(st.sampled_from(sorted(ODD)), max_size=2)) if odd else ():
            row[key] = draw(ODD[key])
        rows.append(row)
    frame = pl.DataFrame(rows, infer_schema_length=None, strict=False)
    types = {c: draw(st.sampled_from(k)) for c, k in KINDS.items()}
    return frame.with_columns(pl.col(c).cast(t, strict=False) for c, t in types.items())


@settings(
    max_examples=examples(25),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(frame=frames(), watched=st.sampled_from([None, SERVER, "10.1.0.0/28"]), keep_untimed=st.booleans())
def test_the_typed_way_comes_to_what_the_text_of_the_values_says(
    tmp_path: Path, frame: pl.DataFrame, watched: str | None, keep_untimed: bool
) -> None:
    path = tmp_path / "any.parquet"
    frame.write_parquet(path)
    found = read(path, watched=watched, keep_untimed=keep_untimed)
    wanted = text_only(path, options(watched=watched, keep_untimed=keep_untimed))
    assert found.rows.to_dicts() == wanted.rows.to_dicts()
    assert found.account == wanted.account
    assert (found.span, found.rejects.rows()) == (wanted.span, wanted.rejects.rows())
    others = [None if p.others is None else sorted(p.others.rows()) for p in (found, wanted)]
    assert (others[0] or []) == (others[1] or [])


def text_only(path: Path, chosen: ReadOptions) -> Parsed:
    reader = TableReader("vpc_parquet", chosen)
    reader._records.take_typed = lambda fields, *_: pl.repeat(True, fields.height, eager=True)  # type: ignore[method-assign]
    return merge(list(reader.read_table(path)))


@needs_samples
def test_the_real_file_with_text_in_its_columns_gives_its_known_sums() -> None:
    parsed = read(SAMPLES / "aws_vpc_parquet" / "obsrvbl-flows.parquet")
    assert (one(parsed)["ip_bytes_in"], dict(parsed.account.warnings)) == (840, {"no_data": 2})

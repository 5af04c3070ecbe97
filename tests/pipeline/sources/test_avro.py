"""Avro's container files: as another program writes them, as the specification says, and broken in any way."""

from __future__ import annotations

import bz2
import json
import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import zstandard

from pipeline.errors import SourceError
from pipeline.settings import LimitSettings
from pipeline.sources import avro
from pipeline.sources.reading import LineStream, compression_of
from tests.pipeline.landings import World, settings

SYNC = bytes(range(16))
CONN = {
    "ts": 1_790_856_000.5, "uid": "C1", "id_orig_h": "10.1.0.11", "id_orig_p": 50_001, "id_resp_h": "192.0.2.25",
    "id_resp_p": 993, "proto": "tcp", "conn_state": "SF", "orig_ip_bytes": 420, "resp_ip_bytes": 5_420,
}  # fmt: skip
EVENT = {
    "type": "record",
    "name": "EventData",
    "namespace": "Microsoft.ServiceBus.Messaging",
    "fields": [
        {"name": "SequenceNumber", "type": "long"},
        {"name": "Offset", "type": "string"},
        {"name": "EnqueuedTimeUtc", "type": "string"},
        {"name": "SystemProperties", "type": {"type": "map", "values": ["long", "double", "string", "bytes"]}},
        {"name": "Properties", "type": {"type": "map", "values": ["long", "double", "string", "bytes", "null"]}},
        {"name": "Body", "type": ["null", "bytes"]},
    ],
}
"""What Azure's event hubs capture, as Microsoft shows the schema."""


GZIPS = ".".join(map(str, b"\x1f\x8b\x08\x02"))
"""An address whose four bytes begin as gzip does."""
NOTHING = {"type": "record", "name": "n", "fields": [{"name": "e", "type": {"type": "null"}}]}
"""A record of which any number has no bytes."""


# What the specification says of the encoding, written down once more.


def number(value: int) -> bytes:
    value, out = (value << 1) ^ (value >> 63), bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def text(value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return number(len(data)) + data


def mapped(**pairs: bytes) -> bytes:
    return (number(len(pairs)) + b"".join(text(k) + v for k, v in pairs.items()) if pairs else b"") + number(0)


def container(schema: Any, *blocks: list[bytes], codec: str = "null", fold: Callable[[bytes], bytes] = bytes) -> bytes:
    meta = mapped(**{"avro.schema": text(json.dumps(schema)), "avro.codec": text(codec)})
    bodies = [(len(records), fold(b"".join(records))) for records in blocks]
    return b"Obj\x01" + meta + SYNC + b"".join(number(n) + text(body) + SYNC for n, body in bodies)


def event(body: bytes, number_of: int = 1) -> bytes:
    system = mapped(time=number(0) + number(1_790_856_000_000), key=number(3) + text(b"\xff\0"))
    more = mapped(a=number(4), b=number(1) + struct.pack("<d", 1.5))
    return number(number_of) + text("7") + text("10/1/2026 12:00:00 PM") + system + more + number(1) + text(body)


def lines(folder: Path, data: bytes) -> list[dict[str, Any]]:
    path = folder / "x.avro"
    path.write_bytes(data)
    stream = LineStream(path, LimitSettings(), "logs/x.avro")
    try:
        return [json.loads(line) for block in stream.blocks() for line in block.data.splitlines()]
    finally:
        stream.close()


def value(folder: Path, schema: Any, encoded: bytes) -> Any:
    record_of = {"type": "record", "name": "r", "fields": [{"name": "v", "type": schema}]}
    (record,) = lines(folder, container(record_of, [encoded]))
    return record.get("v")


def test_a_block_of_many_records_comes_piece_by_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(avro, "_PIECE", 100)
    found = lines(tmp_path, container("long", [number(n) for n in range(999)], [], [number(999)]))
    assert found == list(range(1_000))


@pytest.mark.parametrize("compression", ["uncompressed", "snappy", "deflate"])
def test_what_polars_writes_is_read(tmp_path: Path, compression: Any) -> None:
    rows = [CONN | {"uid": f"C{n}", "note": None if n % 3 else "x" * n, "ok": n % 2 == 0} for n in range(2_000)]
    frame = pl.DataFrame(rows)
    frame.write_avro(tmp_path / "y.avro", compression=compression, name="conn")
    data = (tmp_path / "y.avro").read_bytes()
    assert compression_of(data[:6]) == "avro"
    assert lines(tmp_path, data) == [{k: v for k, v in r.items() if v is not None} for r in rows]


@pytest.mark.parametrize(
    ("codec", "fold"),
    [
        ("null", bytes),
        ("deflate", lambda data: zlib.compress(data, wbits=-15)),
        ("bzip2", bz2.compress),
        ("zstandard", zstandard.compress),
    ],
)
def test_blocks_of_any_codec_are_unfolded(tmp_path: Path, codec: str, fold: Callable[[bytes], bytes]) -> None:
    found = lines(tmp_path, container(EVENT, [event(b"one"), event(b"two")], [event(b"three")], codec=codec, fold=fold))
    assert [record["Body"] for record in found] == ["one", "two", "three"]
    assert found[0] == {
        "SequenceNumber": 1,
        "Offset": "7",
        "EnqueuedTimeUtc": "10/1/2026 12:00:00 PM",
        "SystemProperties": {"time": 1_790_856_000_000, "key": "/wA="},
        "Properties": {"b": 1.5},
        "Body": "one",
    }


@pytest.mark.parametrize(
    ("schema", "encoded", "told"),
    [
        ("boolean", b"\x01", True),
        ("float", struct.pack("<f", 0.5), 0.5),
        ("long", number(-(2**63)), -(2**63)),
        ("bytes", text("zwölf\n".encode()), "zwölf\n"),
        ("bytes", text(bytes([192, 0, 2, 25])), "192.0.2.25"),
        ("bytes", text(b"\xff\xfe\x00"), "//4A"),
        ({"type": "fixed", "name": "ip", "size": 16}, bytes(15) + b"\x01", "::1"),
        ({"type": "fixed", "name": "ip", "size": 4}, b"\x0a\x01\x00\x0b", "10.1.0.11"),
        ({"type": "enum", "name": "e", "symbols": ["a", "b"]}, number(1), "b"),
        ({"type": "array", "items": "int"}, number(2) + number(1) + number(2) + number(0), [1, 2]),
        ({"type": "array", "items": "int"}, number(-2) + number(2) + number(1) + number(2) + number(0), [1, 2]),
        (["null", "string"], number(0), None),
        ({"type": "int", "logicalType": "date"}, number(20_777), "2026-11-20"),
        (
            {"type": "long", "logicalType": "timestamp-millis"},
            number(1_795_161_600_250),
            "2026-11-20T08:00:00.250000Z",
        ),
        ({"type": "long", "logicalType": "timestamp-micros"}, number(1_795_161_600_000_000), "2026-11-20T08:00:00Z"),
        ({"type": "long", "logicalType": "timestamp-nanos"}, number(10**18 + 1), 10**18 + 1),
        ({"type": "long", "logicalType": "local-timestamp-micros"}, number(0), "1970-01-01T00:00:00"),
        (
            {"type": "long", "logicalType": "local-timestamp-millis"},
            number(1_795_161_600_250),
            "2026-11-20T08:00:00.250000",
        ),
        ({"type": "long", "logicalType": "timestamp-millis"}, number(2**62), None),
        ({"type": "long", "logicalType": "local-timestamp-millis"}, number(2**62), None),
        ({"type": "int", "logicalType": "date"}, number(2**30), None),
        ({"type": "int", "logicalType": "time-millis"}, number(28_800_250), "08:00:00.250000"),
        ({"type": "bytes", "logicalType": "decimal", "precision": 9}, text(b"\x17\x0c"), 5_900),
        ({"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}, text(b"\xff"), -0.01),
        ({"type": "string", "logicalType": "uuid"}, text("x"), "x"),
        ({"type": "long", "logicalType": "unheard of"}, number(7), 7),
        ({"type": "record", "name": "n", "fields": [{"name": "v", "type": ["null", "n"]}]}, b"\x02\x00", {"v": {}}),
    ],
)
def test_values_are_what_their_schema_says(tmp_path: Path, schema: Any, encoded: bytes, told: Any) -> None:
    assert value(tmp_path, schema, encoded) == told


def test_names_that_avro_does_not_allow_are_the_fields_of_the_log(tmp_path: Path) -> None:
    """As Polars writes what it has: records without a name, columns with points and blanks, objects in columns."""
    flow = {"bytes_toserver": 420, "bytes_toclient": 5_420, "start": "2026-10-01T12:00:00.000000+0000"}
    frame = pl.DataFrame([{"id.orig_h": "10.1.0.11", "a b": 7, "flow": flow, "other": {"flow-id": 9}}])
    frame.write_avro(tmp_path / "x.avro")
    with avro.open_container(tmp_path / "x.avro") as lines:
        assert [json.loads(line) for line in lines] == frame.to_dicts()
    kinds = [{"type": "enum", "name": "", "symbols": ["a", "b"]}, {"type": "fixed", "size": 1}]
    fields = [{"name": f"f.{i}", "type": kind} for i, kind in enumerate(kinds)]
    path = tmp_path / "y.avro"
    path.write_bytes(container({"type": "record", "name": "", "fields": fields}, [number(1) + b"x"]))
    with avro.open_container(path) as lines:
        assert json.loads(lines.read()) == {"f.0": "b", "f.1": "x"}


def test_messages_that_an_event_hub_captured_are_read_and_an_idle_hour_is_none(tmp_path: Path) -> None:
    world = World(tmp_path, settings("logs/*", servers=("192.0.2.25",)))
    world.put("a.avro", container(EVENT, [event(json.dumps(CONN).encode())]))
    batch = json.dumps({"records": [CONN | {"uid": "C2", "id_orig_p": 2}, CONN | {"uid": "C3", "id_orig_p": 3}]})
    world.put("b.avro", container(EVENT, [event(batch.encode())]))
    world.put("idle.avro", container(EVENT))
    world.land()
    assert world.received() == [5_420, 5_420, 5_420]
    assert {name: world.entry(name).encoding for name in ("a.avro", "b.avro", "idle.avro")} == {
        "a.avro": "zeek_json@Body",
        "b.avro": "zeek_json@Body",
        "idle.avro": None,
    }


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (container("null", codec="lzo"), "its codec 'lzo' is none of"),
        (container({"type": "record"}), "is an Avro file whose header cannot be read"),
        (container({"type": "record", "name": "r", "fields": [{"name": "a", "type": "b"}]}), "not a valid Avro schema"),
        (container(EVENT, [event(b"x")])[:-1], "does not end with the file's mark"),
        (container(EVENT, [event(b"x")])[:-30], "is broken or cut"),
        (container(EVENT, [event(b"x")])[:60], "is an Avro file whose header cannot be read"),
        (container(EVENT)[:-1], "is an Avro file whose header cannot be read"),
        (container(EVENT, [event(b"x")])[:-1] + b"\0", "does not end with the file's mark"),
        (container(EVENT, [event(b"x") + b"\0"]), "does not end with the file's mark"),
        (container(EVENT, [event(b"x")]) + b"\x80" * 99, "is broken or cut"),
        (container(EVENT, [b"\0", b"\0"]), "is broken or cut"),
        (container({"type": "array", "items": "null"}, [number(2**60)]), "zero-byte collection elements"),
        (container("string", [number(2**40)]), "is broken or cut"),
        (container("string", [number(-1)]), "is broken or cut"),
        (container(["null"], [number(1)]), "is broken or cut"),
        (container("string", [text("x")], codec="deflate", fold=lambda d: d), "is broken or cut"),
        (
            container("string", [text("x")], codec="snappy", fold=lambda _: b"\x02\x04ab\0\0\0\0"),
            "is broken or cut",
        ),
        (container("string", [text("x")], codec="snappy", fold=lambda _: b"\x09\x09\x09\0\0\0\0"), "is broken or cut"),
    ],
)
def test_broken_files_are_refused_with_what_is_wrong(tmp_path: Path, data: bytes, says: str) -> None:
    with pytest.raises(SourceError) as caught:
        lines(tmp_path, data)
    assert says in caught.value.message
    assert "logs/x.avro" in caught.value.message


def test_a_block_that_unfolds_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVRO_MAX_DECOMPRESS_LENGTH", "1000")
    for codec, fold in (("deflate", lambda d: zlib.compress(d, wbits=-15)), ("zstandard", zstandard.compress)):
        with pytest.raises(SourceError, match="exceeds the maximum"):
            lines(tmp_path, container("string", [text("x" * 2_000)], codec=codec, fold=fold))


def test_bytes_that_were_changed_raise_nothing_else(tmp_path: Path) -> None:
    chance = random.Random(7)
    whole = container(EVENT, [event(json.dumps(CONN).encode(), n) for n in range(3)], [event(b"x")])
    for _ in range(400):
        data = bytearray(whole)
        at = chance.randrange(4, len(data))
        data[at : at + chance.randrange(3)] = bytes(chance.choices((0, 1, 2, 127, 128, 255), k=chance.randrange(4)))
        (tmp_path / "x.avro").write_bytes(data)
        try:
            with avro.open_container(tmp_path / "x.avro") as stream:
                stream.read()
        except (SourceError, OSError, EOFError):
            continue


def test_records_that_hold_nothing_are_not_made_without_end(tmp_path: Path) -> None:
    """Ten in ten in ten, twelve deep: a schema of two thousand bytes, and one byte of values."""
    deep: Any = NOTHING
    for n in range(12):
        more = [{"name": f"f{i}", "type": f"l{n - 1}" if n else "n"} for i in range(1, 10)]
        deep = {"type": "record", "name": f"l{n}", "fields": [{"name": "f0", "type": deep}, *more]}
    schema = {"type": "record", "name": "r", "fields": [{"name": "v", "type": deep}, {"name": "b", "type": "boolean"}]}
    with pytest.raises(SourceError, match="a record of more than 1,000,000 values"):
        lines(tmp_path, container(schema, [b"\1"]))


def test_one_record_has_no_more_values_than_a_line_may_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As values it takes a hundred times as much, and it may unfold from a thousandth."""
    monkeypatch.setattr(avro, "_VALUES", 1_000)
    listed = {"type": "array", "items": "boolean"}
    few, many = (number(n) + b"\1" * n + number(0) for n in (900, 1_100))
    assert lines(tmp_path, container(listed, [few, few, few], [few])) == [[True] * 900] * 4
    with pytest.raises(SourceError, match="a record of more than 1,000 values"):
        lines(tmp_path, container(listed, [few, many]))


@pytest.mark.parametrize(
    ("schema", "encoded", "told"),
    [
        ({"type": "int", "logicalType": "decimal"}, number(5), 5),
        ({"type": "string", "logicalType": "decimal"}, text("x"), "x"),
        ({"type": "bytes", "logicalType": "decimal", "scale": 10**12}, text(b"\1"), None),
        ({"type": "bytes", "logicalType": "decimal", "scale": "2"}, text(b"\1"), None),
        ({"type": "bytes", "logicalType": "decimal", "scale": 2}, text(b"\x7f" * 41), None),
        ({"type": "bytes", "logicalType": "decimal"}, text((2**70).to_bytes(9, "big")), 2**70),
        ({"type": "fixed", "name": "f", "size": 3, "logicalType": "decimal", "scale": 2}, b"\0\x17\x0c", 59.0),
        ({"type": "fixed", "name": "f", "size": 2, "logicalType": "decimal", "precision": 3}, b"\xff\xfe", -2),
        ({"type": "fixed", "name": "f", "size": 10**6, "logicalType": "decimal"}, b"\x7f" * 10**6, None),
        ({"type": "fixed", "name": "f", "size": 4, "logicalType": "ip"}, b"\x1f\x8b\x08\x02", GZIPS),
        ("bytes", text(b"\x1f\x8b\x08\x02"), GZIPS),
    ],
)
def test_logical_types_that_do_not_fit_are_passed_over(tmp_path: Path, schema: Any, encoded: bytes, told: Any) -> None:
    """So the specification asks of readers."""
    assert value(tmp_path, schema, encoded) == told


@pytest.mark.parametrize(
    "body", ['{"user": "Jos\u00e9\u00a0X"}', '\ufeff{"user": "somebody"}', '{"user": "\U0001fae9 zzz"}']
)
def test_messages_are_text_whatever_cannot_be_printed(tmp_path: Path, body: str) -> None:
    (found,) = lines(tmp_path, container(EVENT, [event(body.encode())]))
    assert found["Body"] == body.removeprefix("\ufeff")

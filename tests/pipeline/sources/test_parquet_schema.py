"""Footers of Parquet, written here by the rules of Thrift's compact protocol: which columns hold instants in UTC."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.sources.parquet_schema import in_utc

INT64, INT96, MILLIS, MICROS = 2, 3, 9, 10
TYPE, REPETITION, NAME, CHILDREN, ANNOTATION, FIELD_ID, LOGICAL = 1, 3, 4, 5, 6, 9, 10
_I32, _BINARY, _LIST, _STRUCT = 5, 8, 9, 12
Value = int | bytes | list[bytes]


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def struct(fields: dict[int, Value], before: int = 0) -> bytes:
    """A struct of whole numbers, texts, structs that hold nothing (an empty list), and lists of structs."""
    out = b""
    for number, value in fields.items():
        if isinstance(value, int):
            kind, data = _I32, varint(value * 2 if value >= 0 else -value * 2 - 1)
        elif isinstance(value, bytes):
            kind, data = _BINARY, varint(len(value)) + value
        elif not value:
            kind, data = _STRUCT, b"\0"
        else:
            size = (
                bytes([len(value) << 4 | _STRUCT]) if len(value) < 15 else bytes([0xF0 | _STRUCT]) + varint(len(value))
            )
            kind, data = _LIST, size + b"".join(value)
        step = number - before
        out += (bytes([step << 4 | kind]) if 0 < step < 16 else bytes([kind]) + varint(number * 2)) + data
        before = number
    return out + b"\0"


def column(name: str, **more: Value) -> bytes:
    keys = {"type": TYPE, "children": CHILDREN, "annotation": ANNOTATION, "field_id": FIELD_ID, "logical": LOGICAL}
    told = {REPETITION: 1, NAME: name.encode()} | {keys[k]: v for k, v in more.items()}
    return struct(dict(sorted(told.items())))


def footer(folder: Path, *columns: bytes, children: int | None = None) -> Path:
    root = struct({NAME: b"schema", CHILDREN: len(columns) if children is None else children})
    data = struct({1: 2, 2: [root, *columns], 3: 7})
    (path := folder / "a.parquet").write_bytes(b"PAR1" + data + len(data).to_bytes(4, "little") + b"PAR1")
    return path


def test_int96_and_the_older_annotations_alone_are_utc(tmp_path: Path) -> None:
    path = footer(
        tmp_path,
        column("spark", type=INT96),
        column("millis", type=INT64, annotation=MILLIS),
        column("micros", type=INT64, annotation=MICROS, field_id=-1),
        column("wall", type=INT64, annotation=MICROS, logical=[]),
        column("count", type=INT64),
        column("text", type=6, annotation=0),
    )
    assert in_utc(path) == {("spark",), ("millis",), ("micros",)}


def test_columns_within_others_have_their_whole_path(tmp_path: Path) -> None:
    inner = [column("at", type=INT96), column("deep", children=1, annotation=MILLIS), column("to", type=INT96)]
    path = footer(tmp_path, column("flow", children=2), *inner, column("at", type=INT64), children=2)
    assert in_utc(path) == {("flow", "at"), ("flow", "deep", "to")}


@pytest.mark.parametrize("columns", [12, 13, 14, 15, 200])
def test_schemas_of_any_size_and_names_of_any_length_are_read(tmp_path: Path, columns: int) -> None:
    """A list of fewer than fifteen has its size in the byte of its kind; a length above 127 has two bytes."""
    names = [f"{'n' * 130}{n}" for n in range(columns)]
    assert in_utc(footer(tmp_path, *(column(n, type=INT96) for n in names))) == {(n,) for n in names}


@pytest.mark.parametrize("size", [0, 3, 20, 40])
def test_a_footer_that_is_cut_or_claims_too_much_tells_nothing(tmp_path: Path, size: int) -> None:
    path = footer(tmp_path, *(column(f"c{n}", type=INT96) for n in range(20)))
    whole = path.read_bytes()[4:-8]
    path.write_bytes(b"PAR1" + whole[:size] + size.to_bytes(4, "little") + b"PAR1")
    assert in_utc(path) == frozenset()
    path.write_bytes(b"PAR1" + whole + (1 << 31).to_bytes(4, "little") + b"PAR1")
    assert in_utc(path) == frozenset()
    assert in_utc(footer(tmp_path, column("a", type=INT96), children=2)) == frozenset()

"""Reading of small inputs by a format's reader, for the tests of formats."""

import json
from pathlib import Path
from typing import Any

from pipeline.sources.base import Block, DocumentReader, Parsed
from pipeline.sources.registry import detect
from tests.pipeline.sources.lines import reader


def read(name: str, *records: Any) -> Parsed:
    """Records (objects become JSON) as the lines of one block."""
    lines = [r if isinstance(r, str) else json.dumps(r) for r in records]
    return read_bytes(name, "".join(f"{line}\n" for line in lines).encode())


def read_bytes(name: str, data: bytes) -> Parsed:
    parsed = reader(name).read(Block(data, 1, data.count(b"\n")))
    assert parsed.account.balanced
    return parsed


def read_document(name: str, data: bytes) -> Parsed:
    by = reader(name)
    assert isinstance(by, DocumentReader)
    parsed = by.read_array(data)
    assert parsed.account.balanced
    return parsed


def read_file(path: Path) -> Parsed:
    """A sample, by what its content is."""
    data = path.read_bytes()
    name = detect(data, "auto", path.name)
    assert name is not None
    return read_document(name, data) if data.startswith(b"{\n") else read_bytes(name, data)


def rows(parsed: Parsed, *columns: str) -> list[tuple[Any, ...]]:
    return parsed.rows.sort("source_line").select(columns).rows()

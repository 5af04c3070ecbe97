"""Lines of text through the reader of an encoding: whole, or cut into blocks with the state carried as plain data."""

import json
from collections.abc import Sequence
from typing import Any

from pipeline.sources.base import Block, Parsed, Reader, ReadOptions, merge
from pipeline.sources.registry import READERS
from pipeline.sources.watch import Watch

LATEST = 4_000_000_000_000_000


def options(zone: str = "UTC") -> ReadOptions:
    return ReadOptions(Watch(None), LATEST, timezone=zone)


def reader(name: str, zone: str = "UTC") -> Reader:
    return READERS[name](options(zone))


def read(name: str, *lines: str | bytes, zone: str = "UTC", by: Reader | None = None) -> Parsed:
    data = b"".join((line if isinstance(line, bytes) else line.encode()) + b"\n" for line in lines)
    by = by or reader(name, zone)
    parsed = merge([by.read(Block(data, 1, data.count(b"\n"))), by.finish()])
    assert parsed.account.balanced
    return parsed


def read_lines(encoding: str, lines: Sequence[str | bytes], zone: str = "UTC") -> Parsed:
    return read_blocks(encoding, [lines], zone)


def read_blocks(encoding: str, blocks: Sequence[Sequence[str | bytes]], zone: str = "UTC") -> Parsed:
    """Every block by a new reader that takes up the state of the last one; with what the last one is left with."""
    parts, state, first, left = [], None, 1, Parsed()
    for lines in blocks:
        by = reader(encoding, zone)
        if state is not None:
            by.resume(json.loads(json.dumps(state)))
        data = b"".join((x.encode() if isinstance(x, str) else x.replace(b"\n", b" ")) + b"\n" for x in lines)
        parts.append(by.read(Block(data, first, len(lines))))
        first, state, left = first + len(lines), by.state(), by.finish()
    return merge([*parts, left])


def ends(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["src_ip"], row["src_port"], row["dest_ip"], row["dest_port"]


def ip_bytes(parsed: Parsed) -> tuple[int, int]:
    return parsed.rows["ip_bytes_in"].sum(), parsed.rows["ip_bytes_out"].sum()


def only(parsed: Parsed) -> dict[str, Any]:
    assert parsed.account.balanced
    (row,) = parsed.rows.to_dicts()
    return row


def starts(parsed: Parsed) -> list[str]:
    return [t.isoformat(timespec="milliseconds").removesuffix("+00:00") for t in parsed.rows["start_time"]]

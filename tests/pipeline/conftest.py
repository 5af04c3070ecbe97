"""Worlds to land, and counters of what landing reads."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.lander import FileLander
from pipeline.ledger import Entry
from pipeline.sources.base import Block
from pipeline.sources.zeek_tsv import ZeekTsvReader
from tests.pipeline.landings import FLAT, World, settings


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, settings())


@pytest.fixture
def flat(tmp_path: Path) -> World:
    return World(tmp_path, settings(FLAT))


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that were parsed, in order."""
    seen: list[str] = []
    run = FileLander.run

    def counted(self: FileLander, entry: Entry, old: Entry | None) -> None:
        seen.append(entry.name.removeprefix("logs/"))
        run(self, entry, old)

    monkeypatch.setattr(FileLander, "run", counted)
    return seen


@pytest.fixture
def lines_read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Number of the first line of every block that the reader got."""
    seen: list[int] = []
    read = ZeekTsvReader.read

    def counted(self: ZeekTsvReader, block: Block) -> Any:
        seen.append(block.first_line)
        return read(self, block)

    monkeypatch.setattr(ZeekTsvReader, "read", counted)
    return seen

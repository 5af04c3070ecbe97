"""Worlds to land, and counters of what landing reads."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.intake.lander import FileLander
from pipeline.intake.ledger import Entry
from pipeline.sources.base import Block
from pipeline.sources.formats.zeek_tsv import ZeekTsvReader
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
    blocks: list[Block] = []
    seen: list[int] = []

    def counted(method: Callable[[ZeekTsvReader, Block], Any]) -> Callable[[ZeekTsvReader, Block], Any]:
        def read(self: ZeekTsvReader, block: Block) -> Any:
            if not blocks or blocks[-1] is not block:  # One asks the other.
                blocks.append(block)
                seen.append(block.first_line)
            return method(self, block)

        return read

    for name in ("read", "read_on"):
        monkeypatch.setattr(ZeekTsvReader, name, counted(getattr(ZeekTsvReader, name)))
    return seen

"""Logs that began anew are told of, but where another file has what they held, or may have it; holes of rotation."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.intake.file_content import hash_content
from pipeline.intake.found import FoundFile
from pipeline.intake.ledger import Entry, Ledger
from pipeline.intake.rotation import began_anew
from pipeline.settings import LimitSettings
from tests.oracle.zeek import rows, tsv
from tests.pipeline.landings import World, flow

LIMITS = LimitSettings()
HELD = b"one\ntwo\n"
"""What the log held before it began anew."""


def found(path: Path, content: bytes) -> FoundFile:
    path.write_bytes(content)
    return FoundFile("core", path, path.name, len(content), 1)


def entry(
    name: str, content_bytes: int, peek: list[int] | None, seen: str = "2026-10-02", state: str = "landed"
) -> Entry:
    return Entry("core", name, content_bytes, 1, state, seen, content_bytes=content_bytes, peek=peek)


def told(folder: Path, new: Entry | None, *others: tuple[bytes, Entry | None]) -> list[str]:
    """What is said of a log that held these bytes up to second 20, where the source has these other files, too."""
    before = found(folder / "held.log", HELD)
    content, size = hash_content(before, LIMITS)
    old = replace(entry("conn.log", size, [10, 20], "2026-10-01"), content=content)
    files = [found(folder / f"other{n}.log", data) for n, (data, _) in enumerate(others)]
    known = [replace(e, name=f"other{n}.log") for n, (_, e) in enumerate(others) if e is not None]
    entries = {(e.source, e.name): e for e in (*known, *([new] if new else []))}
    now = {(f.source, f.name): f for f in (found(folder / "conn.log", b"six\n"), *files)}
    return [p.message for p in began_anew([old], Ledger(entries), now, LIMITS)]


LATER = entry("conn.log", 4, [21, 30])


@pytest.mark.parametrize("size", [4, len(HELD), 99], ids=["shorter", "as long", "longer"])
def test_a_log_that_began_anew_is_told_with_what_to_do(tmp_path: Path, size: int) -> None:
    (message,) = told(tmp_path, replace(LATER, content_bytes=size))
    assert message.startswith("conn.log: began anew: ")
    assert "let the source's path match the rotated logs, too" in message


@pytest.mark.parametrize(
    "new",
    [
        None,
        replace(LATER, state="failed"),
        replace(LATER, peek=[20, 30]),
        replace(LATER, peek=None),
    ],
    ids=["gone", "failed", "of the same time", "of no time"],
)
def test_a_log_that_was_put_right_or_does_not_read_did_not_begin_anew(tmp_path: Path, new: Entry | None) -> None:
    assert told(tmp_path, new) == []


@pytest.mark.parametrize(
    ("content", "other", "moved"),
    [
        (HELD, entry("", 8, None), True),
        (HELD + b"three\n", entry("", 14, None), True),
        (HELD, entry("", 8, None, "2026-09-30"), False),
        (HELD[:4], entry("", 4, None), False),
        (b"one\nsix\n", entry("", 8, None), False),
        (HELD, entry("", 0, None, state="peeked"), True),
        (b"none of it", None, True),
        (b"\x1f\x8b broken", entry("", 0, None, state="failed"), False),
    ],
    ids=[
        "moved",
        "written on",
        "there before",
        "shorter",
        "other lines",
        "not read yet",
        "not looked at",
        "unreadable",
    ],
)
def test_a_newer_file_that_begins_with_what_a_log_held_or_may_do_so_is_where_it_went(
    tmp_path: Path, content: bytes, other: Entry | None, moved: bool
) -> None:
    assert bool(told(tmp_path, LATER, (content, other))) is not moved


def test_a_log_whose_writer_went_on_where_it_was_when_it_was_cut_counts_once(
    flat: World, lines_read: list[int]
) -> None:
    """Logrotate's copytruncate, of a writer that does not append: a hole is where the copied lines were."""
    before, after, later = tsv(flow("C1")), tsv(flow("C2", 7)), rows([flow("C3", 9)]).encode()
    hole = b"\0" * max(len(before), 200_000)
    flat.put("conn.log", before)
    flat.land()
    flat.put("a.log", before)
    flat.put("conn.log", hole + after)
    assert (flat.land().problems, flat.received()) == ([], [7, 220])
    lines_read.clear()
    path = flat.put("conn.log", hole + after + later)
    assert (flat.land().problems, flat.received()) == ([], [7, 9, 220])
    assert lines_read == [after.count(b"\n") + 1]
    path.rename(path.with_name("b.log"))
    assert (flat.land().problems, flat.received()) == ([], [7, 9, 220])

"""A look at both ends of a file: a hint that may be unknown, but must never hide a day."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.intake.found import FoundFile
from pipeline.intake.peek import peek
from pipeline.settings import LimitSettings
from pipeline.sources.base import ReadOptions
from pipeline.sources.reading import LineStream
from pipeline.sources.watch import Watch
from tests.oracle.zeek import FIELDS, conn, jsonl, tsv

LATEST_US = 1_900_000_000_000_000
SECOND = 1_000_000
BASE_US = 1_790_856_000 * SECOND
MANY = 1_000
Pack = Callable[[bytes], bytes]


def look(folder: Path, data: bytes, *, head_only: bool = False) -> list[int] | None:
    path = folder / "conn.log"
    path.write_bytes(data)
    found = FoundFile("core", path, "conn.log", len(data), 0)
    return peek(found, "auto", LimitSettings(), ReadOptions(Watch(None), LATEST_US), head_only=head_only)


def flows(first: int, count: int) -> list[dict[str, str]]:
    """Flows a second apart."""
    return [conn(ts=f"{BASE_US // SECOND + n}.000000") for n in range(first, first + count)]


def marked(data: bytes) -> bytes:
    """With a byte order mark, as spreadsheets and PowerShell save text."""
    return b"\xef\xbb\xbf" + data


@pytest.mark.parametrize("pack", [bytes, gzip.compress, marked, lambda data: gzip.compress(marked(data))])
@pytest.mark.parametrize("count", [1, 2, MANY, 3 * MANY])
def test_both_ends_tell_the_span(tmp_path: Path, count: int, pack: Pack) -> None:
    for data in (tsv(*flows(0, count)), jsonl(*flows(0, count)), tsv(*flows(0, count), end="#close\t2026\n")):
        assert look(tmp_path, pack(data)) == [BASE_US, BASE_US + (count - 1) * SECOND]


def test_a_beginning_alone_tells_the_beginning_of_a_cut_file(tmp_path: Path) -> None:
    span = look(tmp_path, gzip.compress(tsv(*flows(0, 3 * MANY)))[:-20], head_only=True)
    assert span is not None
    assert span[0] == BASE_US


@pytest.mark.parametrize("data", [b"", b"\n", tsv(), b"rubbish\n", b"[]", gzip.compress(tsv(*flows(0, MANY)))[:-9]])
def test_what_cannot_be_told_is_unknown(tmp_path: Path, data: bytes) -> None:
    assert look(tmp_path, data) is None


OTHER_LOG = (json.dumps({"_path": "dns", "ts": 1.0, "query": "example.com"}) + "\n").encode() * 2_000


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("parts", [(jsonl(*flows(0, MANY)), OTHER_LOG), (OTHER_LOG, jsonl(*flows(0, MANY)))])
def test_an_end_full_of_other_logs_makes_the_span_unknown(tmp_path: Path, parts: tuple[bytes, ...], pack: Pack) -> None:
    assert look(tmp_path, pack(b"".join(parts))) is None


def test_an_end_under_another_header_makes_the_span_unknown(tmp_path: Path) -> None:
    later = tsv(*flows(90_000, MANY), fields=tuple(reversed(FIELDS)))
    assert look(tmp_path, tsv(*flows(0, MANY)) + later) is None


def test_a_file_that_is_renamed_meanwhile_tells_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = LineStream.read

    def renamed(stream: LineStream, size: int) -> bytes:
        (tmp_path / "conn.log").rename(tmp_path / "conn.1.log")
        return read(stream, size)

    monkeypatch.setattr(LineStream, "read", renamed)
    assert look(tmp_path, tsv(*flows(0, 3 * MANY))) is None

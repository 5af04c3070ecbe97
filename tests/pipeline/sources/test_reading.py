"""From files to blocks of whole lines: compressions by content, damaged files, guards, and any size of block."""

import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import SourceError
from pipeline.settings import LimitSettings
from pipeline.sources import reading
from pipeline.sources.base import Block
from pipeline.sources.reading import LineStream, compression_of, open_bytes
from pipeline.sources.wrappings import streams
from tests.examples import examples

TEXT = b"".join(b"line %d\n" % i for i in range(2_000))
Compress = Callable[[bytes], bytes]
COMPRESSIONS: dict[str, Compress] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}
PACKED = [k for k in COMPRESSIONS if k != "plain"]


def stream(path: Path, **limits: int) -> LineStream:
    return LineStream(path, LimitSettings(**limits), "logs/conn.log")


def blocks(path: Path, size: int = reading.BLOCK_BYTES, **limits: int) -> list[Block]:
    opened = stream(path, **limits)
    try:
        return list(opened.blocks(block_bytes=size))
    finally:
        opened.close()


def stored(folder: Path, data: bytes) -> Path:
    path = folder / "conn.log"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("kind", COMPRESSIONS)
def test_the_compression_is_told_by_content_whatever_the_name(tmp_path: Path, kind: str) -> None:
    path = stored(tmp_path, COMPRESSIONS[kind](TEXT))
    assert compression_of(path.read_bytes()[:6]) == kind
    assert b"".join(b.data for b in blocks(path)) == TEXT


@pytest.mark.parametrize("kind", PACKED)
def test_members_joined_together_are_all_read(tmp_path: Path, kind: str) -> None:
    pack = COMPRESSIONS[kind]
    path = stored(tmp_path, pack(TEXT) + pack(b"") + pack(b"last\n"))
    assert b"".join(b.data for b in blocks(path)) == TEXT + b"last\n"


@pytest.mark.parametrize("kind", PACKED)
@pytest.mark.parametrize("zeros", [4, 512, 70_000])
def test_zeros_behind_a_member_are_padding_and_what_follows_is_read(tmp_path: Path, kind: str, zeros: int) -> None:
    pack, padding = COMPRESSIONS[kind], bytes(zeros)
    path = stored(tmp_path, pack(TEXT) + padding + pack(b"last\n") + padding)
    assert b"".join(b.data for b in blocks(path)) == TEXT + b"last\n"


@pytest.mark.parametrize("kind", PACKED)
def test_a_later_member_that_does_not_begin_as_one_is_an_error(tmp_path: Path, kind: str) -> None:
    pack = COMPRESSIONS[kind]
    path = stored(tmp_path, pack(TEXT) + b"X" + pack(b"last\n")[1:])
    with pytest.raises(SourceError, match=r"^logs/conn\.log: cannot be read.*whole copy"):
        blocks(path)


def _long_window(data: bytes) -> bytes:
    chosen = zstandard.ZstdCompressionParameters(window_log=30, enable_ldm=True)
    packing = zstandard.ZstdCompressor(compression_params=chosen).compressobj()
    return packing.compress(data) + packing.flush()


def _own_dictionary(data: bytes) -> bytes:
    known = zstandard.train_dictionary(1_024, [b"line %d of many\n" % (i * i) for i in range(5_000)])
    return zstandard.ZstdCompressor(dict_data=known).compress(data)


@pytest.mark.parametrize(
    ("pack", "remedy"),
    [
        (_long_window, "--long"),
        (_own_dictionary, "-D"),
        (lambda data: lzma.compress(data, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 30}]), "xz -9"),
    ],
)
def test_a_whole_file_that_asks_for_too_much_is_not_called_a_damaged_one(
    tmp_path: Path, pack: Compress, remedy: str
) -> None:
    with pytest.raises(SourceError, match=f"cannot be read.*{remedy}"):
        blocks(stored(tmp_path, pack(TEXT)))


@pytest.mark.parametrize("kind", PACKED)
@pytest.mark.parametrize("lost", [1, 8, 200])
def test_a_file_cut_short_is_an_error_that_names_it(tmp_path: Path, kind: str, lost: int) -> None:
    path = stored(tmp_path, COMPRESSIONS[kind](TEXT)[:-lost])
    with pytest.raises(SourceError, match=r"^logs/conn\.log: cannot be read.*whole copy"):
        blocks(path)


@pytest.mark.parametrize("kind", PACKED)
def test_a_file_with_a_spoilt_middle_is_an_error(tmp_path: Path, kind: str) -> None:
    data = bytearray(COMPRESSIONS[kind](TEXT))
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(SourceError, match="cannot be read"):
        blocks(stored(tmp_path, bytes(data)))


@pytest.mark.parametrize("kind", PACKED)
@pytest.mark.parametrize("rubbish", [b"rubbish", b"\n", b"\0\0\0\0rubbish"])
def test_rubbish_behind_a_compressed_file_is_an_error_that_says_so(tmp_path: Path, kind: str, rubbish: bytes) -> None:
    with pytest.raises(SourceError, match=r"cannot be read.*: other bytes lie behind its compressed ones\. Unfold it"):
        blocks(stored(tmp_path, COMPRESSIONS[kind](TEXT) + rubbish))


def test_what_a_cut_file_still_gives_can_be_had(tmp_path: Path) -> None:
    path = stored(tmp_path, gzip.compress(TEXT)[:-20])
    opened = stream(path)
    assert opened.read_some(100).startswith(b"line 0\n")
    opened.close()


@pytest.mark.parametrize("data", [b"", gzip.compress(b""), zstandard.ZstdCompressor().compress(b"")])
def test_an_empty_file_has_no_blocks(tmp_path: Path, data: bytes) -> None:
    assert blocks(stored(tmp_path, data)) == []


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_byte_order_mark_is_no_part_of_the_first_line(tmp_path: Path, pack: Compress) -> None:
    path = stored(tmp_path, pack(b"\xef\xbb\xbf#separator\na\xef\xbb\xbf\n"))
    assert blocks(path)[0].data == b"#separator\na\xef\xbb\xbf\n"


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("size", [4, 1_000, reading.BLOCK_BYTES])
def test_byte_order_marks_of_files_put_behind_each_other_are_no_part_of_a_line(
    tmp_path: Path, pack: Compress, size: int
) -> None:
    marked, inside = b"\xef\xbb\xbf" + TEXT, b"a \xef\xbb\xbf within a line\n"
    path = stored(tmp_path, pack(marked + marked + inside))
    assert b"".join(b.data for b in blocks(path, size)) == TEXT + TEXT + inside


@pytest.mark.parametrize("pack", COMPRESSIONS.values(), ids=COMPRESSIONS)
@pytest.mark.parametrize("hole", [1, 70_000, 3 * 1_024 * 1_024])
def test_a_hole_before_the_first_line_is_passed_over(tmp_path: Path, pack: Compress, hole: int) -> None:
    """Logrotate's copytruncate leaves one as long as the log was, where its writer does not append."""
    path = tmp_path / "log"
    path.write_bytes(pack(b"\0" * hole + TEXT))
    for size in (1_000, reading.BLOCK_BYTES):
        assert b"".join(b.data for b in blocks(path, size)) == TEXT
    opened = stream(path)
    assert TEXT.startswith(opened.read_some(100) or b"nothing")
    opened.close()


def test_a_hole_and_nothing_else_is_no_empty_log(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"\0" * 70_000)
    with pytest.raises(SourceError, match=r"^logs/conn\.log: holds nothing but NULs.*whole copy"):
        blocks(tmp_path / "log")


def test_a_last_line_without_its_end_is_a_block_of_its_own(tmp_path: Path) -> None:
    whole, last = blocks(stored(tmp_path, b"a\nb\nc"))
    assert (whole.data, whole.lines, whole.unterminated) == (b"a\nb\n", 2, False)
    assert (last.data, last.first_line, last.unterminated) == (b"c", 3, True)


@settings(max_examples=examples(20))
@given(st.lists(st.sampled_from([b"", b"a", b"bb", b"\r", b"a,b"]), max_size=12), st.booleans(), st.integers(1, 9))
def test_blocks_of_any_size_hold_the_same_lines(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], ended: bool, size: int
) -> None:
    data = b"\n".join(lines) + (b"\n" if ended else b"")
    found = blocks(stored(tmp_path_factory.mktemp("blocks"), data), size)
    assert b"".join(b.data for b in found) == data
    assert all(b.data.endswith(b"\n") and b.lines == b.data.count(b"\n") for b in found if not b.unterminated)
    starts = [1 + data[: sum(len(b.data) for b in found[:i])].count(b"\n") for i in range(len(found))]
    assert [b.first_line for b in found] == starts


@pytest.mark.parametrize("ahead", [1, 3, 1 << 14])
@pytest.mark.parametrize("size", [4, 5, 6, 64])
def test_looking_ahead_for_a_lines_end_cuts_the_same_blocks(
    tmp_path: Path, size: int, ahead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_LOOK_AHEAD", ahead)
    for data in (b"abcd\n\nef\nghijklmnop\nq", b"\xef\xbb\xbfab\ncdefgh\n\n", b"\n\n\n", b"abc"):
        plain, unfolded = (blocks(stored(tmp_path, d), size) for d in (data, gzip.compress(data)))
        assert [(b.data, b.first_line, b.unterminated) for b in plain] == [
            (b.data, b.first_line, b.unterminated) for b in unfolded
        ]


# Guards


@pytest.mark.parametrize("size", [64, 4_096, reading.BLOCK_BYTES])
@pytest.mark.parametrize("where", ["first", "middle", "last"])
def test_a_line_that_is_too_long_is_refused_wherever_blocks_end(tmp_path: Path, size: int, where: str) -> None:
    parts = {"first": b"", "middle": b"a\n" * 10, "last": b"a\n" * 10}
    data = parts[where] + b"x" * 1_025 + (b"" if where == "last" else b"\nb\n")
    with pytest.raises(SourceError, match=r"conn\.log:\d+: has a line of more than 1,024 bytes") as caught:
        blocks(stored(tmp_path, data), size, max_line_bytes=1_024)
    assert caught.value.where.line == (1 if where == "first" else 11)


@pytest.mark.parametrize("size", [64, reading.BLOCK_BYTES])
@pytest.mark.parametrize("end", [b"", b"\n"])
def test_a_line_of_the_longest_allowed_length_is_read(tmp_path: Path, size: int, end: bytes) -> None:
    data = b"a\n" + b"x" * 1_024 + end
    assert b"".join(b.data for b in blocks(stored(tmp_path, data), size, max_line_bytes=1_024)) == data


def test_a_json_array_may_be_one_line_longer_than_that(tmp_path: Path) -> None:
    data = b"[" + b"1," * 2_000 + b"1]"
    assert b"".join(b.data for b in blocks(stored(tmp_path, data), 512, max_line_bytes=1_024)) == data


@pytest.mark.parametrize("kind", PACKED)
def test_a_decompression_bomb_is_refused(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_RATIO_FREE_BYTES", 1 << 16)
    path = stored(tmp_path, COMPRESSIONS[kind](b"\n" * (1 << 20)))
    with pytest.raises(SourceError, match=r"unfolds to more than 20 times its size.*max_ratio"):
        blocks(path, 1 << 14, max_ratio=20)


@pytest.mark.parametrize("kind", ["plain", "gzip"])
def test_small_files_may_unfold_as_they_like(tmp_path: Path, kind: str) -> None:
    assert blocks(stored(tmp_path, COMPRESSIONS[kind](b"\n" * 100_000)), max_ratio=2)


def test_zstd_may_begin_with_a_frame_without_data(tmp_path: Path) -> None:
    path = stored(tmp_path, b"\x50\x2a\x4d\x18\x04\0\0\0size" + zstandard.ZstdCompressor().compress(TEXT))
    assert b"".join(b.data for b in blocks(path)) == TEXT


def test_zstd_never_unfolds_much_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = zstandard.ZstdCompressor().compress(b"\0" * (1 << 26))
    monkeypatch.setattr(streams, "_ZSTD_INPUT", 64)
    opened = open_bytes(stored(tmp_path, bomb))
    with opened:
        assert len(opened.read(1)) == 1
        raw = opened.raw  # type: ignore[attr-defined]
        assert len(raw._output) < 1 << 23


def test_a_file_beyond_the_allowed_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"holds more than 1,000 bytes.*max_file_bytes"):
        blocks(stored(tmp_path, gzip.compress(TEXT)), max_file_bytes=1_000)


@pytest.mark.parametrize("name", ["gone.log", "."])
def test_what_is_no_file_is_an_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(SourceError, match=r"No such file.*name|is a folder.*files in it"):
        stream(tmp_path / name)


def test_lines_that_end_in_carriage_returns_alone_are_refused_and_not_taken_for_one(tmp_path: Path) -> None:
    path = tmp_path / "conn.log"
    path.write_bytes(TEXT.replace(b"\n", b"\r"))
    with pytest.raises(SourceError, match="carriage returns alone"):
        blocks(path)
    for fine in (b"a line that is still written\r", TEXT.replace(b"\n", b"\r\n"), b'[\r{"a":1},\r{"a":2}]'):
        path.write_bytes(fine)
        assert b"".join(b.data for b in blocks(path)) == fine

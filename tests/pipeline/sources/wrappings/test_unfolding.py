"""Zip archives, UTF-16 text, and files that are no logs: what is read of them, and what is said of the rest."""

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import SourceError
from pipeline.settings import LimitSettings
from pipeline.sources.reading import LineStream, compression_of
from pipeline.sources.registry import detect

TEXT = "zwölf;Boxkämpfer\r\n" * 9_000 + "last"


def read(folder: Path, data: bytes) -> bytes:
    path = folder / "flows.log"
    path.write_bytes(data)
    stream = LineStream(path, LimitSettings(), "logs/flows.log")
    try:
        return b"".join(b.data for b in stream.blocks(block_bytes=1_000))
    finally:
        stream.close()


def zipped(**files: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("logs/", "")
        for name, text in files.items():
            archive.writestr(name, text)
    return out.getvalue()


def zipped_nothing() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w"):
        pass
    return out.getvalue()


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("mark", ["utf-16-le", "utf-16-be"])
def test_text_in_utf_16_is_read_as_utf_8(tmp_path: Path, mark: str, pack: type[bytes]) -> None:
    data = "\ufeff".encode(mark) + TEXT.encode(mark)
    assert read(tmp_path, pack(data)) == TEXT.encode()


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_the_younger_half_of_a_log_in_utf_16_has_no_mark(tmp_path: Path, encoding: str, pack: type[bytes]) -> None:
    half = "2026-11-20,zwölf\r\n" + TEXT
    assert read(tmp_path, pack(half.encode(encoding))) == half.encode()
    assert compression_of("_time".encode(encoding)[:6]) == "utf-16"
    assert compression_of(b"a\0b\0cd") == compression_of(b"\0\0\0\0\0\0") == "plain"


@pytest.mark.parametrize("outer", [gzip.compress, bz2.compress])
def test_what_was_compressed_twice_is_unfolded_twice(tmp_path: Path, outer: Callable[[bytes], bytes]) -> None:
    inner = gzip.compress(b"one\n") + gzip.compress(b"two\n")
    assert read(tmp_path, outer(inner)) == b"one\ntwo\n"
    with pytest.raises(SourceError, match=r"^logs/flows\.log: cannot be read"):
        read(tmp_path, outer(inner[:-6]))


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_parts_in_utf_16_and_utf_8_behind_each_other_are_one_text(
    tmp_path: Path, encoding: str, mark: str, pack: type[bytes]
) -> None:
    """PowerShell appends UTF-16 to any log, with its mark or without, and other shells append bytes to UTF-16."""
    wide, plain = "2026-11-20,zwölf Boxkämpfer\r\n" * 5_000, "2026-11-20,eight ö\n" * 9_000
    first = plain.encode() + (mark + wide).encode(encoding)
    assert read(tmp_path, pack(first)) == (plain + wide).encode()
    assert read(tmp_path, pack(first + plain.encode() + (mark + wide).encode(encoding))) == (plain + wide).encode() * 2
    assert read(tmp_path, pack(("\ufeff" + wide).encode(encoding) + first)) == (wide + plain + wide).encode()


def test_nuls_in_a_line_or_before_one_do_not_make_it_utf_16(tmp_path: Path) -> None:
    data = b"one\0\ntwo a\0b\0c\0d\0\n\0\0\0\0\0\0three\n\xff\xfe is Latin-1\n" + "€ℵ\n".encode() * 999
    assert read(tmp_path, data) == data


def test_half_a_character_at_the_end_is_marked_and_no_error(tmp_path: Path) -> None:
    assert read(tmp_path, "a\n".encode("utf-16") + b"b") == "a\n\ufffd".encode()


def test_text_in_utf_16_is_not_taken_for_plain() -> None:
    """Plain files are looked into at both ends as they lie on disk."""
    assert compression_of("_time".encode("utf-16")[:6]) == "utf-16"


def test_the_one_file_in_a_zip_archive_is_read(tmp_path: Path) -> None:
    assert read(tmp_path, zipped(conn=TEXT)) == TEXT.encode()


@pytest.mark.parametrize("files", [{}, {"a": "1", "b": "2"}])
def test_a_zip_archive_of_another_number_of_files_is_refused_by_name(tmp_path: Path, files: dict[str, str]) -> None:
    with pytest.raises(SourceError, match=rf"^logs/flows\.log: is a zip archive of {len(files)} files.*Unpack it"):
        read(tmp_path, zipped(**files))


def test_a_spoilt_zip_archive_is_refused_by_name(tmp_path: Path) -> None:
    data = bytearray(zipped(conn=TEXT))
    data[data.index(b"conn") + 20] ^= 0xFF
    with pytest.raises(SourceError, match=r"^logs/flows\.log: "):
        read(tmp_path, bytes(data))
    with pytest.raises(SourceError, match=r"^logs/flows\.log: is a zip archive that cannot be read"):
        read(tmp_path, bytes(data[:-30]))


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00", "packet capture.*zeek"),
        (b"PARE\x15\x04\x15\x00\x15", "Parquet that is encrypted.*without encryption"),
        (b"conn.log".ljust(257, b"\0") + b"ustar\x0000", "tar archive"),
        (gzip.compress(b"#fields"), "compressed more than twice"),
        (b"SQLite format 3\x00", "SQLite.*CSV"),
        (b"\x04\x22\x4d\x18d@", "lz4.*gzip"),
        (b"\xff\x06\0\0sNaPpY\0", "Snappy.*gzip"),
        (lzma.compress(b"#fields", lzma.FORMAT_ALONE), "lzma.*xz"),
        (zipped_nothing(), "empty zip archive"),
        ("#fields".encode("utf-32"), "UTF-32.*UTF-8"),
        (b"\n<!doctype HTML><html><body>Sign in", "web page.*again"),
    ],
)
@pytest.mark.parametrize("wanted", ["auto", "zeek", "suricata"])
def test_what_is_no_log_is_named(head: bytes, said: str, wanted: str) -> None:
    with pytest.raises(SourceError, match=rf"^x: is .*{said}"):
        detect(head, wanted, "x")


@pytest.mark.parametrize("wanted", ["auto", "zeek"])
def test_a_file_of_nuls_alone_is_no_empty_log(wanted: str) -> None:
    with pytest.raises(SourceError, match=r"^x: holds nothing but NULs.*whole copy"):
        detect(b"\0" * 4_096, wanted, "x")
    assert detect(b"", wanted, "x") is None


def test_nuls_before_a_header_are_none_of_its_names() -> None:
    assert detect(b"\0" * 512 + b"_time,src_ip,dest_ip,bytes_in,bytes_out\n", "auto", "x") == "cim_csv"

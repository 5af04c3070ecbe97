"""Real beginnings for mangled files: the golden inputs of every format, and ways to damage them."""

from __future__ import annotations

import random
from collections.abc import Callable

from tests.real_files import GOLDEN

_NASTY = (
    *(b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b'"', b"\\", b"\\x", b"\\ud800", b"'", b"\t", b"\r", b"\n", b"\n\n", b","),
    *(b"|", b";", b"{", b"}", b"[", b"]", b"=", b"-", b"-1", b"NaN", b"1e400", b"9" * 40, b"0x1f", b"%s", b"::ffff:"),
    *(b"fe80::1%eth0", b"010.0.0.1", b"2026-11-20T00:00:00", b"null", b"true", "é".encode(), b"#fields\t", b"#"),
)


def seeds() -> dict[str, bytes]:
    """Small whole inputs, by name."""
    return {p.name: p.read_bytes() for p in sorted(GOLDEN.iterdir()) if p.is_file() and p.suffix != ".gz"}


def _cut(data: bytes, rng: random.Random) -> bytes:
    at, length = rng.randrange(len(data) + 1), rng.randrange(1, 60)
    return data[:at] + data[at + length :]


def _flip(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(max(len(data), 1))
    return data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]


def _insert(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.choice(_NASTY) + data[at:]


def _repeat(data: bytes, rng: random.Random) -> bytes:
    lines = data.split(b"\n")
    at = rng.randrange(len(lines))
    return b"\n".join([*lines[:at], *[lines[at]] * rng.randrange(2, 4), *lines[at + 1 :]])


def _shuffle(data: bytes, rng: random.Random) -> bytes:
    lines = data.split(b"\n")
    rng.shuffle(lines)
    return b"\n".join(lines)


def _swap_number(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    end = at
    while end < len(data) and data[end : end + 1].isdigit():
        end += 1
    return data[:at] + rng.choice(_NASTY) + data[end:]


DAMAGE: tuple[Callable[[bytes, random.Random], bytes], ...] = (_cut, _flip, _insert, _repeat, _shuffle, _swap_number)


def mangle(data: bytes, seed: int) -> bytes:
    """The data with a few damages, the same for the same seed."""
    rng = random.Random(seed)
    for _ in range(rng.randrange(1, 5)):
        data = rng.choice(DAMAGE)(data, rng)
    return data

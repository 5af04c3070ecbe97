"""Properties of the Zeek readers on generated logs with faults: paths, block sizes and a naive reader agree."""

from collections.abc import Callable, Iterator

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.inventory import Inventory
from pipeline.settings import InventoryEntry
from pipeline.sources import json_lines as decoding
from pipeline.sources.base import Block, Parsed, Reader, ReadOptions, merge
from pipeline.sources.watch import Watch
from pipeline.sources.zeek_json import ZeekJsonReader
from pipeline.sources.zeek_tsv import ZeekTsvReader
from tests.oracle.zeek import FIELDS, Kept, NaiveReader, Reading, conn, header

NETWORKS = ("192.0.2.0/28", "2001:db8:25::/48")
INVENTORY = Inventory([InventoryEntry(address=n, category=("email_server",)) for n in NETWORKS])
LATEST_US = 1_900_000_000_000_000
EXAMPLES = settings(max_examples=60, deadline=None, derandomize=True, database=None)

GOOD = {
    "ts": ["1790856000.000000", "1790899199.999999", "1790856000"],
    "uid": ["C1", "C2", "CdM\\xc3\\xa9"],
    "id.orig_h": ["198.51.100.7", "192.0.2.9", "2001:db8::7", "10.0.0.5"],
    "id.resp_h": ["192.0.2.1", "2001:DB8:25::0001", "::ffff:192.0.2.1", "203.0.113.9"],
    "id.orig_p": ["0", "50000", "65535"],
    "id.resp_p": ["25", "993", "443"],
    "proto": ["tcp", "udp", "-"],
    "service": ["-", "smtp", "(empty)"],
    "duration": ["-", "0.000001", "86400.5", "1e-06"],
    "conn_state": ["SF", "S0", "-"],
    "tunnel_parents": ["(empty)", "-", "C9"],
}
COUNTS = ["-", "0", "52", "1000000"]
ODD = ["", "x", "-1", "1.5", "1500.0", "1e3", "1e30", "nan", "99999999999999999999", "1000000000000001", "65536"]
ODD += ["192.0.2.01", "fe80::1%eth0", "2026-10-01T12:00:00Z", "1790856000500", "\x00", "é", " 7 ", '"', "0.0", "4e9"]


def lines(odd: list[str]) -> st.SearchStrategy[str]:
    """Data lines whose values are good, or odd now and then."""
    return st.tuples(*(st.sampled_from(GOOD.get(f, COUNTS) * 12 + odd) for f in FIELDS)).map("\t".join)


CLEAN, LINE = lines([]), lines(ODD)
FAULTS = [(None, "\t"), (None, "\tx"), (-8, ""), (20, "")]
FAULTY = st.tuples(CLEAN, st.sampled_from(FAULTS)).map(lambda pair: pair[0][: pair[1][0]] + pair[1][1])
STRANGE = st.sampled_from(["", "   ", "#close\t2026-10-01-00-00-00", "#", "rubbish", header(path="dns").rstrip("\n")])
HEADER = st.just(header().rstrip("\n"))
MESS = st.lists(st.one_of(LINE, LINE, LINE, LINE, FAULTY, STRANGE, HEADER), max_size=8)
ONE_FAULTY = st.tuples(st.lists(CLEAN, min_size=1, max_size=3), st.one_of(FAULTY, LINE), st.lists(CLEAN, max_size=1))
ONE_FAULT = ONE_FAULTY.map(lambda parts: [*parts[0], parts[1], *parts[2]])


@st.composite
def tsv_logs(draw: st.DrawFn) -> bytes:
    """A conn.log with faults mixed in."""
    items = [header().rstrip("\n"), *draw(st.one_of(MESS, ONE_FAULT, ONE_FAULT))]
    break_at = draw(st.sampled_from(["\n", "\n", "\r\n"]))
    text = "\n".join(items).replace("\n", break_at) + draw(st.sampled_from([break_at, break_at, ""]))
    data = text.encode()
    head = len(header().replace("\n", break_at))
    at = draw(st.integers(min(head, len(data) - 1), len(data) - 1))
    return data[:at] + b"\xe9" + data[at + 1 :] if draw(st.integers(0, 9)) == 0 else data


JSON_VALUES = ['"x"', "null", "true", "[1]", '{"a":1}', "1.0", "1500.0", "1e3", "1e-7", "1e23", "1e400", "-1", "-0"]
JSON_VALUES += ["NaN", "18446744073709551616", "9007199254740993", '"1790856000.5"', '"2026-10-01T12:00:00Z"', "01"]
JSON_VALUES += ['"\\ud800"', '"\\ud83d\\ude00"', '"\\u0000"', '"a\tb"', "1790856000500"]


@st.composite
def json_lines(draw: st.DrawFn) -> str:
    """A line of JSON, mostly a conn record."""
    good = {k: v if v[0].isdigit() and not k.endswith("_h") else f'"{v}"' for k, v in conn().items() if v != "-"}
    keys = draw(st.permutations([*good, "_path"]))
    good["_path"] = draw(st.sampled_from(['"conn"', '"conn"', '"dns"']))
    spoilt = draw(st.sampled_from([None, None, *good]))
    if spoilt is not None:
        good[spoilt] = draw(st.sampled_from(JSON_VALUES))
    body = "{" + ",".join(f'"{k}":{good[k]}' for k in keys) + "}"
    twists = [
        body,
        body,
        body,
        body + "}",
        body[:-1],
        f"[{body}]",
        "",
        body + body,
        "rubbish",
        body[:-1] + ',"uid":"C9"}',
    ]
    return draw(st.sampled_from(twists))


JSON_LOGS = st.tuples(st.lists(json_lines(), min_size=1, max_size=6), st.sampled_from(["\n", "\n", ""])).map(
    lambda log: ("\n".join(log[0]) + log[1]).encode()
)


def blocks_of(data: bytes, size: int) -> Iterator[Block]:
    """Blocks of whole lines, cut where so many bytes have come together."""
    lines, at = data.splitlines(keepends=True) if b"\r" not in data else _lines(data), 0
    while at < len(lines):
        end = at + 1
        while end < len(lines) and sum(map(len, lines[at:end])) < size and lines[end].endswith(b"\n"):
            end += 1
        yield Block(b"".join(lines[at:end]), at + 1, end - at, unterminated=not lines[end - 1].endswith(b"\n"))
        at = end


def _lines(data: bytes) -> list[bytes]:
    parts = data.split(b"\n")
    return [p + b"\n" for p in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def read(reader: Callable[[ReadOptions], Reader], data: bytes, size: int = 1 << 24) -> Parsed:
    """All blocks of a log through one reader."""
    made = reader(ReadOptions(Watch(INVENTORY), LATEST_US))
    return merge([made.read(b) for b in blocks_of(data, size)])


def facts(parsed: Parsed) -> tuple[object, ...]:
    """All that a reader says, in an order of its own."""
    others = None if parsed.others is None else sorted(parsed.others.rows(), key=str)
    rejects = sorted(parsed.rejects.rows(), key=str)
    return parsed.rows.sort("source_line").rows(), rejects, parsed.account.as_dict(), parsed.span, others


def agree(parsed: Parsed, naive: Reading) -> None:
    """Assert that the naive reading keeps the same flows and accounts for every line alike."""
    account = parsed.account
    assert account.balanced
    assert (account.lines, account.others, account.ignored, account.comments) == (
        *(naive.lines, naive.others, naive.ignored, naive.comments),
    )
    assert account.quarantined == naive.quarantined
    found = parsed.rows.select("source_line", pl.col("start_time").dt.epoch("us"), "ip_bytes_in", "ip_bytes_out")
    assert [Kept(*row) for row in found.sort("source_line").iter_rows()] == naive.kept
    assert int(found["ip_bytes_in"].sum()) == sum(k.bytes_in or 0 for k in naive.kept)


class ReferenceTsvReader(ZeekTsvReader):
    """The TSV reader without its fast path."""

    def _fast(self, *_: object) -> None:
        """Never any clean block."""


@EXAMPLES
@given(tsv_logs())
def test_the_fast_path_says_what_the_reference_path_says(data: bytes) -> None:
    assert facts(read(ZeekTsvReader, data)) == facts(read(ReferenceTsvReader, data))


@EXAMPLES
@given(tsv_logs(), st.sampled_from([1, 100, 300, 1000]))
def test_block_sizes_do_not_change_what_a_tsv_log_says(data: bytes, size: int) -> None:
    assert facts(read(ZeekTsvReader, data)) == facts(read(ZeekTsvReader, data, size))


@EXAMPLES
@given(tsv_logs())
def test_a_naive_reader_agrees_on_tsv(data: bytes) -> None:
    agree(read(ZeekTsvReader, data), NaiveReader(NETWORKS, LATEST_US).tsv(data))


@EXAMPLES
@given(JSON_LOGS)
def test_json_lines_decoded_at_once_or_each_alone_say_the_same(data: bytes) -> None:
    together = facts(read(ZeekJsonReader, data))
    assert facts(read(ZeekJsonReader, data, 1)) == together
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding, "_decode_block", lambda raw, fields: None)
        assert facts(read(ZeekJsonReader, data)) == together


@EXAMPLES
@given(JSON_LOGS)
def test_a_naive_reader_agrees_on_json(data: bytes) -> None:
    agree(read(ZeekJsonReader, data), NaiveReader(NETWORKS, LATEST_US).json(data))

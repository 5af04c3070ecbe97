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
from pipeline.sources.formats import zeek_tsv
from pipeline.sources.formats.zeek_json import ZeekJsonReader
from pipeline.sources.formats.zeek_tsv import ZeekTsvReader
from pipeline.sources.watch import Watch
from tests.examples import examples
from tests.oracle.zeek import FIELDS, Kept, NaiveReader, Reading, conn, header

NETWORKS = ("192.0.2.0/28", "2001:db8:25::/48")
INVENTORY = Inventory([InventoryEntry(address=n, category=("email_server",)) for n in NETWORKS])
LATEST_US = 1_900_000_000_000_000
EXAMPLES = settings(max_examples=examples(15))
MANY = settings(EXAMPLES, max_examples=examples(25))

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
NASTY_TEXTS = """
(empty) -0 +7 007 1e3 1E-3 0x10 1_000 .5 5. 1e400 inf NaN -- 999999999999999 1000000000000000 9999999999999999
9223372036854775808 65535 65536 00443 993 0999999999.000000 0000000001.000000 1790856000.0000001 1790856000,5 1.2.3
192.0.2.1 192.0.2.16 192.0.2.001 192.0.2.300 192.0.2 3221225985 ::ffff:192.0.2.1 0:0:0:0:0:ffff:c000:201 :: 1::
2001:db8:25::1 2001:db8:25:0:: 2001:0db8:25::1 2001:db8:24:1:2:3:4:5 2001:db8:24:1:2:3:4:5:6 2001:db8:24::1::2
2001:DB8:24::1 fe80::1%eth0 2002:c000:201:: 1::2:3:4:5:6:7:8 1:2:3:4:5:6:7:: 1:2::3:4:5:6:7:8 1:2:3:4:5:6:7:8::
2001:db8::192.0.2.1 12345678901.5 1.1234567890
"""
NASTY = [*NASTY_TEXTS.split(), "", " ", "\r", "\x0b", "\x00", "\x85", "\u2028", "\u0661", "\ud800", "\\x09", '"', "#"]
NASTY += ["192.0.2.1 ", " 7", "7 "]
PLAIN = "\t".join(
    conn(id__orig_h="198.51.100.7", id__resp_h="203.0.113.9", id__resp_p="443", ts="1790856000.000000")[f]
    for f in FIELDS
)
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


def parts_read(reader: ZeekTsvReader, data: bytes, size: int, *, patient: bool) -> list[Parsed]:
    """What landing gets, block by block, from a reader whose lines may wait or not."""
    parts = []
    for block in blocks_of(data, size):
        if block.unterminated or not patient:
            parts += [*(reader.settle() if patient else []), reader.read(block)]
        else:
            parts += reader.read_on(block)
    return [*parts, *reader.settle()]


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


class GlancingTsvReader(ZeekTsvReader):
    """The TSV reader, which tells what it can at a glance, however little that is."""

    least_told = 0.0


class CarefulTsvReader(ZeekTsvReader):
    """The TSV reader that tells nothing at a glance."""

    def _told(self, *_: object) -> None:
        """Never anything."""


class ReferenceTsvReader(CarefulTsvReader):
    """The TSV reader without its fast paths."""

    def _fast(self, *_: object) -> None:
        """Never any clean block."""


@EXAMPLES
@given(tsv_logs())
def test_the_fast_path_says_what_the_reference_path_says(data: bytes) -> None:
    assert facts(read(CarefulTsvReader, data)) == facts(read(ReferenceTsvReader, data))


@MANY
@given(tsv_logs())
def test_lines_told_at_a_glance_are_what_the_reference_path_says(data: bytes) -> None:
    expected = facts(read(ReferenceTsvReader, data))
    assert facts(read(GlancingTsvReader, data)) == expected
    assert facts(read(ZeekTsvReader, data)) == expected


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_no_line_with_one_nasty_value_is_told_otherwise_at_a_glance(end: str) -> None:
    """Each value in each field, so that nothing else in the line can excuse it."""
    plain = PLAIN.split("\t")
    spoilt = ["\t".join([*plain[:i], text, *plain[i + 1 :]]) for i in range(len(plain)) for text in NASTY]
    spoilt += ["\t".join(plain[:i]) for i in range(len(plain))] + [
        f"{PLAIN}\t",
        f"{PLAIN}\tx",
        f" {PLAIN}",
        f"{PLAIN} ",
    ]
    log = (header() + "".join(line + end for line in spoilt)).encode(errors="surrogatepass")
    assert facts(read(GlancingTsvReader, log)) == facts(read(ReferenceTsvReader, log))


@pytest.mark.parametrize("time", ["1900000000.000000", "1900000000.000001", "9999999999.999999"])
def test_a_time_that_is_not_believed_is_noticed_at_a_glance(time: str) -> None:
    log = (header() + f"{PLAIN}\n" * 3 + PLAIN.replace("1790856000.000000", time) + "\n").encode()
    assert facts(read(GlancingTsvReader, log)) == facts(read(ReferenceTsvReader, log))


def test_plain_lines_of_nobody_watched_are_told_at_a_glance(monkeypatch: pytest.MonkeyPatch) -> None:
    for path in ("_fast", "_slow"):
        monkeypatch.setattr(ZeekTsvReader, path, lambda *_: pytest.fail("read with care"))
    parsed = read(ZeekTsvReader, (header() + f"{PLAIN}\n" * 3).encode())
    assert (parsed.account.others, parsed.span) == (3, (1_790_856_000_000_000,) * 2)


@EXAMPLES
@given(
    tsv_logs(),
    st.sampled_from([(",", "NULL"), ("|", "?"), ("\t", "1790856000.000000"), ("\t", "10.0.0.5"), (":", "-")]),
)
def test_separators_and_marks_of_absence_do_not_mislead_a_glance(data: bytes, marks: tuple[str, str]) -> None:
    separator, unset = marks
    body = data.split(header().encode().splitlines()[-1], 1)[-1]
    log = (
        header(separator=separator).replace("unset_field" + separator + "-", f"unset_field{separator}{unset}").encode()
    )
    log += body.replace(b"\t", separator.encode()).lstrip(b"\r\n")
    assert facts(read(GlancingTsvReader, log)) == facts(read(ReferenceTsvReader, log))


@EXAMPLES
@given(tsv_logs(), st.sampled_from([1, 100, 300, 1000]))
def test_block_sizes_do_not_change_what_a_tsv_log_says(data: bytes, size: int) -> None:
    assert facts(read(ZeekTsvReader, data)) == facts(read(ZeekTsvReader, data, size))


@EXAMPLES
@given(tsv_logs(), st.sampled_from([1, 150, 300, 1000]), st.sampled_from([1, 400, 1 << 20]))
def test_lines_that_wait_for_those_of_later_blocks_are_read_as_in_their_own(data: bytes, size: int, wait: int) -> None:
    patient, each = (GlancingTsvReader(ReadOptions(Watch(INVENTORY), LATEST_US)) for _ in range(2))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zeek_tsv, "WAITING_BYTES", wait)
        later = parts_read(patient, data, size, patient=True)
    now = parts_read(each, data, size, patient=False)
    assert facts(merge(later)) == facts(merge(now))
    for name in ("rows", "rejects", "others"):
        frames = [[f for p in parts if (f := getattr(p, name)) is not None and f.height] for parts in (later, now)]
        assert [f.rows() for f in frames[0]] == [f.rows() for f in frames[1]], name


def test_lines_of_clean_blocks_wait_and_are_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    mail, unlisted = PLAIN.replace("203.0.113.9", "192.0.2.1"), PLAIN.replace("\t443\t", "\t25\t")
    log = (header() + "".join(f"{PLAIN}\n{PLAIN}\n{PLAIN}\n{line}\n" for line in (mail, unlisted) * 3)).encode()
    size, careful = 4 * len(f"{PLAIN}\n"), CarefulTsvReader(ReadOptions(Watch(INVENTORY), LATEST_US))
    expected = merge(parts_read(careful, log, size, patient=False))
    calls, fast = [], ZeekTsvReader._fast
    monkeypatch.setattr(ZeekTsvReader, "_fast", lambda self, *given: calls.append(1) or fast(self, *given))
    parts = parts_read(ZeekTsvReader(ReadOptions(Watch(INVENTORY), LATEST_US)), log, size, patient=True)
    assert facts(merge(parts)) == facts(expected)
    assert len(calls) < sum(1 for p in parts if p.rows.height or (p.others is not None and p.others.height))


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
        patch.setattr(decoding, "_decode_block", lambda *_: None)
        assert facts(read(ZeekJsonReader, data)) == together


@EXAMPLES
@given(JSON_LOGS)
def test_a_naive_reader_agrees_on_json(data: bytes) -> None:
    agree(read(ZeekJsonReader, data), NaiveReader(NETWORKS, LATEST_US).json(data))

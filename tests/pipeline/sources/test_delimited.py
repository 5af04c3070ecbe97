"""Delimited text: against Python's csv module, with quotes over lines and blocks, headers again, and broken lines."""

import csv
import io
import itertools
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.sources.base import Block, Parsed, ReadOptions, merge
from pipeline.sources.declared import Contract, Form
from pipeline.sources.delimited import DelimitedDecoder, Layout
from pipeline.sources.records import RecordReader
from pipeline.sources.texts.plain_lines import bare_lines, whole_lines
from pipeline.sources.texts.quoting import MAX_RECORD_LINES
from pipeline.sources.watch import Watch
from tests.examples import examples

COLUMNS = ("one", "two", "three")
LAYOUT = Layout(trailing=False, aliases={c: (c,) for c in COLUMNS}, header=re.compile(r"(?i)\bone\b"))
HEADER = "one,two,three\n"


def decode(text: str | bytes, layout: Layout = LAYOUT, splits: Iterable[int] = ()) -> tuple[list[Any], dict[str, Any]]:
    """(rows as tuples, counts) of a text that arrives in blocks that end at the given line ends."""
    data = text.encode() if isinstance(text, str) else text
    decoder, rows, rejects, comments, lines_seen = DelimitedDecoder(layout), [], [], 0, 0
    ends = [m.end() for m in re.finditer(b"\n", data)]
    borders = sorted({0, len(data), *ends[-1:], *(ends[s % len(ends)] for s in splits if ends)})
    for first, last in itertools.pairwise(borders):
        part = data[first:last]
        block = Block(part, lines_seen + 1, part.count(b"\n"), not part.endswith(b"\n"))
        lines, account = bare_lines(whole_lines(block))
        resumed = DelimitedDecoder(layout)
        resumed.resume(decoder.state())
        found = resumed.decode(lines, "incomplete_last_line" if block.unterminated else "bad_line")
        decoder, comments = resumed, comments + found.comments + account.comments
        rows += found.fields.select(COLUMNS).rows()
        rejects += found.broken.select("source_line", "reason").rows()
        lines_seen += part.count(b"\n") + block.unterminated
    counts = {"comments": comments, "rejects": rejects, "open": decoder.unfinished(), "lines": lines_seen}
    assert lines_seen == len(rows) + len(rejects) + comments + len(decoder.unfinished())
    return rows, counts


def told(value: str) -> str | None:
    """A cell as the decoder gives it: without blank lines inside, what all lines say once, and null when empty."""
    first, *inside = value.split("\n")
    parts = [first, *(p for p in inside[:-1] if p), *inside[-1:]]
    cell = "\n".join(parts)
    said = {line.strip() for line in cell.splitlines()}
    return (said.pop() if len(said) == 1 else cell.strip()) or None


CELL = st.text(alphabet='a1",\n;é', max_size=6)
ROWS = st.lists(st.tuples(CELL, CELL, CELL), max_size=8)


@settings(max_examples=examples(70))
@given(
    rows=ROWS,
    splits=st.lists(st.integers(0, 50), max_size=5),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_what_the_csv_module_writes_is_read_as_it_was(
    rows: list[tuple[str, ...]], splits: list[int], quoting: Any, end: str
) -> None:
    rows = [r for r in rows if any(c.strip("\n") for c in r)]
    text = io.StringIO()
    csv.writer(text, quoting=quoting, lineterminator=end).writerows([COLUMNS, *rows])
    found, counts = decode(text.getvalue(), splits=splits)
    assert found == [tuple(map(told, r)) for r in rows]
    assert (counts["rejects"], counts["open"]) == ([], [])


@settings(max_examples=examples(70))
@given(
    lines=st.lists(st.text(alphabet='a1",', min_size=1, max_size=9), max_size=10),
    splits=st.lists(st.integers(0, 50), max_size=3),
)
def test_any_lines_are_read_as_the_csv_module_reads_each_or_set_aside(lines: list[str], splits: list[int]) -> None:
    closed = [line for line in lines if not DelimitedDecoder(LAYOUT)._quoting.opens(line)]
    text = HEADER + "".join(f"{line}\n" for line in closed)
    found, counts = decode(text, splits=splits)
    good = []
    for line in closed:
        try:
            cells = next(csv.reader([line], strict=True))
        except csv.Error:
            continue
        if len(cells) == 3:
            good.append(tuple(map(told, cells)))
    assert found == good
    assert len(counts["rejects"]) == len(closed) - len(good)


@settings(max_examples=examples(70))
@given(
    data=st.lists(st.sampled_from([b'"', b",", b"\n", b"a", b"one", b"1", b"\r", b"\xff", b"\x00", HEADER.encode()])),
    splits=st.lists(st.integers(0, 50), max_size=4),
)
def test_no_bytes_break_it_and_borders_of_blocks_change_nothing(data: list[bytes], splits: list[int]) -> None:
    text = HEADER.encode() + b"".join(data)
    assert decode(text, splits=splits) == decode(text)


def test_a_byte_order_mark_crlf_and_blank_lines_are_no_data() -> None:
    text = "\ufeffone,two,three\r\n\r\na,b,c\r\n   \r\n\ufeffone,two,three\r\nd,e,f\r\n"
    rows, counts = decode(text)
    assert rows == [("a", "b", "c"), ("d", "e", "f")]
    assert counts["comments"] == 4


def test_a_header_that_comes_again_with_other_columns_takes_over() -> None:
    rows, counts = decode(HEADER + "a,b,c\nThree,extra,ONE\nx,y,z\n" + HEADER + "d,e,f\n", splits=[2])
    assert rows == [("a", "b", "c"), ("z", None, "x"), ("d", "e", "f")]
    assert (counts["comments"], counts["rejects"]) == (3, [])


@pytest.mark.parametrize("splits", [[], [1], [2], [3], range(9)])
def test_a_header_that_comes_again_with_another_delimiter_parts_what_follows(splits: Iterable[int]) -> None:
    text = 'one,two,three\n1,"a,b",3\none;three;two\n4;"c\nd;e";6,5\ntwo\tone\tthree\n7\t8\t9\nthree,two,one\nx,y,z\n'
    rows, counts = decode(text, splits=splits)
    assert rows == [("1", "a,b", "3"), ("4", "6,5", "c\nd;e"), ("8", "7", "9"), ("z", "y", "x")]
    assert (counts["comments"], counts["rejects"]) == (5, [])


def test_a_delimiter_that_the_source_tells_holds_whatever_a_header_shows() -> None:
    rows, counts = decode("one,two,three\n1,2,3\none;two;three\n", replace(LAYOUT, others=""))
    assert (rows, counts["rejects"]) == ([("1", "2", "3")], [(3, "too_few_fields")])


@pytest.mark.parametrize(
    "line", ['"one,two,three",b,c', "one,two,192.0.2.1", "one,two,17", '"x\none,two,three\ny",b,c', "one,b,c"]
)
def test_a_value_that_reads_like_a_header_is_no_header(line: str) -> None:
    rows, counts = decode(f"{HEADER}a,b,c\n{line}\nd,e,f\n")
    assert rows[0] == ("a", "b", "c")
    assert rows[1][2] == ("192.0.2.1" if "192" in line else "17" if "17" in line else "c")
    assert (rows[2], counts["rejects"]) == (("d", "e", "f"), [])


def test_lines_before_any_header_and_ragged_ones_are_set_aside_alone() -> None:
    _, counts = decode("a,b,c\n" + HEADER + 'a,b\na,b,c,d\n"a"x,b,c\na,b,c\n')
    assert counts["rejects"] == [(1, "no_header"), (3, "too_few_fields"), (4, "too_many_fields"), (5, "bad_line")]


@pytest.mark.parametrize("short", ["5,6,7,8", "5,6,7,", ",,,"])
def test_ragged_lines_that_make_up_for_each_other_are_set_aside_alone(short: str) -> None:
    rows, counts = decode(f"one,two,three,x,y\na,b,c,0,0\n1,2,3,4,5,6\n{short}\nd,e,f,0,0\n")
    assert rows == [("a", "b", "c"), ("d", "e", "f")]
    assert counts["rejects"] == [(3, "too_many_fields"), (4, "too_few_fields")]


def test_blanks_of_any_kind_around_cells_are_no_part_of_them() -> None:
    assert decode(f"{HEADER}a\u00a0,\u2003b,c\x0bd\x0b\n")[0] == [("a", "b", "c\x0bd")]


@pytest.mark.parametrize("stray", ['"a,b,c', 'a,"b,c', 'a,b,"', '"a,"b,c'])
def test_a_stray_quote_costs_its_own_line_only(stray: str) -> None:
    good = [f"{i},b,c" for i in range(70 + MAX_RECORD_LINES)]
    for text in ([*good[:70], stray, *good[70:]], [*good[:3], stray, *good[3:8], 'x,"y",z', *good[8:]]):
        rows, counts = decode(HEADER + "".join(f"{line}\n" for line in text), splits=[5, 40, 90])
        assert [r[0] for r in rows] == [line.split(",")[0] for line in text if line != stray]
        assert (len(counts["rejects"]), counts["open"]) == (1, [])


@pytest.mark.parametrize(
    ("stray", "closing"), [('"a,b,c,0,0', 'd",b,c,0,0'), ('a,b,c,0,"x', 'd,b,c,0,y"'), ('"a,b,c,0,0', "d,b,c,0,0")]
)
@pytest.mark.parametrize("between", [1, 5, MAX_RECORD_LINES - 2])
def test_a_stray_quote_takes_no_whole_rows_behind_it_into_its_cell(stray: str, closing: str, between: int) -> None:
    good = [f"{i},b,c,0,0" for i in range(between)]
    for splits in ([], [1], [2], [3]):
        rows, counts = decode("\n".join(["one,two,three,x,y", stray, *good, closing, ""]), splits=splits)
        assert [r[0] for r in rows] == [*map(str, range(between)), closing.partition(",")[0]]
        assert (counts["rejects"], counts["open"]) == ([(2, "bad_line")], [])


def test_a_cell_of_several_lines_may_hold_delimiters() -> None:
    rows, _ = decode('one,two,three,x,y\na,b,c,"1, 2\n1, 2, 3, 4, 5",0\n"d\nd, e, f, 0, 0",e,f,0,0\n')
    assert rows == [("a", "b", "c"), ("d\nd, e, f, 0, 0", "e", "f")]


def test_a_quote_inside_a_bare_cell_is_text() -> None:
    assert decode(HEADER + 'a 5" disk,b,c\nd,e 6",f\n')[0] == [('a 5" disk', "b", "c"), ("d", 'e 6"', "f")]


def test_a_cell_may_be_longer_than_the_csv_module_allows_by_default() -> None:
    long = "x" * 200_000
    assert decode(f'{HEADER}"{long}\n{long}y",b,c\n')[0] == [(f"{long}\n{long}y", "b", "c")]


def test_a_record_over_too_many_lines_is_a_stray_quote() -> None:
    inside = "\n".join(["line"] * (MAX_RECORD_LINES - 1))
    assert len(decode(f'{HEADER}"{inside}",b,c\n')[0]) == 1
    rows, counts = decode(f'{HEADER}"{inside}\nline\nline",b,c\nd,e,f\n')
    assert rows == [('line"', "b", "c"), ("d", "e", "f")]
    assert len(counts["rejects"]) == MAX_RECORD_LINES


@pytest.mark.parametrize(
    ("last", "rows", "reasons"),
    [
        ("d,e,1234", 1, ["incomplete_last_line"]),
        ('d,e,"1234"', 2, []),
        ("d,e,OK", 2, []),
        ("d,e", 1, ["incomplete_last_line"]),
        ('d,"e', 1, []),
    ],
)
def test_a_last_line_without_its_end_is_trusted_only_when_it_cannot_have_been_longer(
    last: str, rows: int, reasons: list[str]
) -> None:
    layout = Layout(LAYOUT.aliases, LAYOUT.header, whole=re.compile("OK"))
    found, counts = decode(f"{HEADER}a,b,c\n{last}", layout)
    assert (len(found), [r for _, r in counts["rejects"]]) == (rows, reasons)


def test_lines_without_a_header_have_the_layouts_columns_and_marks_of_absence_are_null() -> None:
    layout = Layout(LAYOUT.aliases, LAYOUT.header, delimiter=" ", columns=COLUMNS, quoted=False, unset=("-",))
    assert decode('a - "c\n', layout)[0] == [("a", None, '"c')]


def test_an_empty_field_more_than_the_header_has_is_let_go_where_the_layout_says_so() -> None:
    layout = Layout(LAYOUT.aliases, LAYOUT.header, delimiter="|", quoted=False, trailing=True)
    text = "one|two|three|\n"
    assert decode(text + "a|b|c|\n", layout)[0] == [("a", "b", "c")]
    assert decode("one|two|three\na|b|c|\nd|e|f| |\ng|h|i\n", layout)[0] == [
        ("a", "b", "c"),
        ("d", "e", "f"),
        ("g", "h", "i"),
    ]


def test_a_header_that_lacks_what_is_needed_sets_its_lines_aside_and_says_why() -> None:
    layout = Layout(LAYOUT.aliases, LAYOUT.header, lacks=lambda has: "" if "three" in has else "three")
    rows, counts = decode("one,two\na,b\n" + HEADER + "a,b,c\n", layout)
    assert (rows, counts["rejects"]) == ([("a", "b", "c")], [(2, "missing_fields")])


FORM = Form(
    name="test",
    vendor_product="Test",
    layer="unknown",
    contract=Contract("", "", "", "", ""),
    marks=re.compile(b"one"),
    decoder=lambda _: DelimitedDecoder(
        Layout(
            aliases={"ts": ("one",), "src": ("two",), "dest": ("three",), "resp_ip_bytes": ("four",)},
            header=re.compile("one,"),
        )
    ),
    flows=lambda: pl.col("src").is_not_null(),
)


def read(*blocks: bytes) -> Parsed:
    """A file in blocks, read to its end."""
    reader, parts, line = RecordReader(FORM, ReadOptions(Watch(None), 4_000_000_000_000_000)), [], 1
    for data in blocks:
        count = data.count(b"\n") or 1
        parts.append(reader.read(Block(data, line, count, not data.endswith(b"\n"))))
        line += count
    return merge([*parts, reader.finish()])


def test_a_record_that_the_file_leaves_open_is_set_aside_line_by_line_and_the_account_is_exact() -> None:
    head = b"one,two,three,four\n1795132800,192.0.2.1,192.0.2.2,5\n"
    for left in ([b'1795132800,192.0.2.1,192.0.2.2,"5\n'], [b'"1795132800\n', b"x"], [b'"1\n2\n', b'3",']):
        parsed = read(head, *left)
        assert parsed.account.balanced
        assert parsed.account.flows == 1
        assert set(parsed.account.quarantined) == {"incomplete_last_line"}
        assert parsed.rejects["source_line"].min() == 3


def test_a_delimiter_inside_quotes_at_the_end_of_a_line_is_no_spare_one() -> None:
    layout = replace(LAYOUT, trailing=True)
    assert decode(HEADER + '"",",\n",""\na,b,c,\n', layout)[0] == [(None, ",", None), ("a", "b", "c")]


def test_columns_of_one_name_count_once_where_they_agree_and_are_set_aside_where_they_do_not() -> None:
    rows, counts = decode("one,two,three,two,else,else\na,b,c, b,1,2\na,,c,b,1,2\na,b,c,d,1,2\na,b,c,,1,2\n")
    assert (rows, counts["rejects"]) == ([("a", "b", "c")] * 3, [(4, "bad_line")])


def test_lines_whose_counters_contradict_each_other_are_told_by_line_and_column() -> None:
    line = b"1795132800,192.0.2.1,192.0.2.2,%d,5\n"
    parsed = read(b"one,two,three,four,four\n" + b"".join(line % (5 + n % 2) for n in range(2000)))
    assert (parsed.rows["other_bytes_in"].sum(), parsed.account.quarantined) == (5_000, {"bad_line": 1000})
    assert parsed.rejects["detail"][0] == "the header names four 2 times, and the line says 6 and 5"

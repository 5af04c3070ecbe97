"""Pairs are read from left to right: what quotes hold is a value, whatever it looks like."""

import re

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.sources.texts import key_values
from tests.examples import examples


def found(line: str, *keys: str) -> tuple[str | None, ...]:
    frame = pl.DataFrame({"text": key_values.plain(pl.Series([line]))})
    return key_values.values(frame, "text", keys).select(keys).row(0)


@pytest.mark.parametrize(
    "line",
    [
        'a="x" b=1 c="two words"',
        'a=x b="1" c="two words" d=""',
        '<189>a=x b=1 c="two words"',
        '<189>Aug 17 00:00:00 host a=x b=1 c="two words"',
        '<13>1 2026-11-20T00:00:00Z h app - - [meta x="y z"] a=x b=1 c="two words"',
        '<13>1 2026-11-20T00:00:00Z h app - - - \ufeffa=x b=1 c="two words"',
        '\ufeffa=x b=1 c="two words"',
        'a="x",b=1,c="two words"',
        'a="x"\tb=1\tc="two words"',
        'a=x,b="1",c="two words",d=""',
        'a=x e="q b=9 a=7" b=1 c="two words"',
        r'a=x e="q \" b=9 \\" b=1 c="two words"',
        'a=x b=1 c="two words" e=" b=9"',
        'a=x,e=",b=9,",b=1,c="two words"',
        'xa=9 a-b=8 a=x b=1 c="two words"',
        '"a=x","b=1","c=two words","d="',
        '"e=q"" b=9",a=x,"b=1","c=two words"',
        '"a=""x""","b=1","","c=""two words""","d="""""',
        '"e=""q ""a=z"" b=9""","a=x","","b=1","c=""two words""",""',
    ],
)
def test_each_key_has_its_own_value(line: str) -> None:
    assert found(line, "a", "b", "c", "d") == ("x", "1", "two words", None)


def test_a_quote_that_does_not_close_makes_the_line_unreadable() -> None:
    assert key_values.plain(pl.Series(['a=1 b="x', 'a=1 b="x"', r'a=1 b="x\" c=2'])).is_null().to_list() == [
        True,
        False,
        True,
    ]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ('<189>Aug 17 00:00:00 host b=1 a=x c="cut', "x"),
        ('a="x" b="y z" c="cut', "x"),
        ('b="q a=y" a="x" c="cut a=z', "x"),
        (r'b="q \" a=y" a="x" c="cut', "x"),
        ('b=1 c="cut a=x', None),
        ('b=1 a="x', None),
        ('b=1 a="x" c="whole"', "x"),
    ],
)
def test_the_kind_of_a_line_that_was_cut_is_what_stands_before_the_open_quote(line: str, kind: str | None) -> None:
    lines = pl.Series("raw", [line, "a=other", 'a=other c="'])
    frame = pl.DataFrame({"raw": lines, "text": key_values.plain(lines)})
    assert key_values.with_kind(frame, "a")["kind"].to_list() == [kind, "other", "other"]


def test_a_key_given_twice_is_seen() -> None:
    frame = pl.DataFrame({"text": key_values.plain(pl.Series(["a=1 a=2", 'a=1 b=" a=2"', "a=1 ba=2"]))})
    assert frame.select(key_values.repeated("text", "a")).to_series().to_list() == [True, False, False]


@settings(max_examples=examples(100))
@given(st.text('"=, ab9', max_size=12), st.booleans())
def test_no_value_of_a_cell_is_taken_for_a_pair(value: str, quoted: bool) -> None:
    pairs = [f'e="{value}"' if quoted else f"e={value}", 'a="x"', "b=1", "", "c=two words"]
    line = ",".join('"' + pair.replace('"', '""') + '"' for pair in pairs)
    assert found(line, "a", "b", "c") in (("x", "1", "two words"), (None, None, None))


def tokens(line: str) -> dict[str, str]:
    """The oracle: one pair after the other, the first value of a key counts."""
    pairs = dict[str, str]()
    for key, quoted, bare in re.findall(r'([a-z]+)=(?:"((?:[^"\\]|\\.)*)"|([^ "]*))(?: |$)', line):
        pairs.setdefault(key, quoted or bare)
    return pairs


WORDS = st.text("ab=,:/ x9", max_size=8)
PAIRS = st.tuples(
    st.sampled_from(["a", "b", "c"]),
    st.one_of(
        st.text("x9.:/-", min_size=1, max_size=5),
        WORDS.map(lambda t: f'"{t}"'),
        WORDS.map(lambda t: '"' + t + r"\" b=1" + '"'),
    ),
)


@settings(max_examples=examples(100))
@given(pairs=st.lists(PAIRS, min_size=1, max_size=6))
def test_values_are_those_of_a_reader_that_goes_from_left_to_right(pairs: list[tuple[str, str]]) -> None:
    line = " ".join(f"{key}={value}" for key, value in pairs)
    expected = tokens(line)
    for key, value in zip("abc", found(line, "a", "b", "c"), strict=True):
        first = next((v for k, v in pairs if k == key), None)
        doubtful = first is not None and first.startswith('"') and ("=" in first or "\\" in first)
        if not doubtful and first not in (None, '""'):
            assert value == expected[key].strip('"')
        elif first is None:
            assert value is None

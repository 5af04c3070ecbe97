"""Lines decoded at once say what lines decoded one by one with care say, whatever their values."""

import json

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.sources import json_lines
from tests.examples import examples

FIELDS = {
    "ts": ("event.start", "@timestamp"),
    "src": ("source.ip", "src"),
    "resp_ip_bytes": ("flow.in", "in"),
    "duration": ("flow.lasted",),
    "types": ("event.type[]",),
    "final": ("flow.final",),
    "write_ts": ("@timestamp",),
    "uid": ("event.flow.id",),
}
VALUES = st.sampled_from(
    [
        "null", "true", "false", "0", "-0", "-0.0", "7", "1.5", "1500.0", "1e3", "1E-7", "1e20", "1e400",
        "9007199254740993", "9007199254740993.0", f"{2**63}", "1" * 40, "1" * 500, '""', '"-"', '"x"', '"1795132800"',
        '"\\u00e9"', '"\\ud83d\\ude00"', '"\\ud800"', '"\\u0000"', '"a\\"b"', "[]", '["a"]', '["a","b"]', "[1]",
        "[[1]]", "{}", '{"in":1}', '["\\u00e9","x"]', '{"id":"a"}', '{"flow":{"id":"b"},"flow.id":"c"}',
    ]
)  # fmt: skip
KEYS = (
    "event",
    "source",
    "flow",
    "src",
    "in",
    "@timestamp",
    "event.start",
    "flow.in",
    "other",
    "flow.final",
    "event.flow",
    "event.flow.id",
)
INNER = ("flow", "flow.id", "start", "type", "ip", "in", "lasted", "final", "other")
OBJECTS = st.lists(st.tuples(st.sampled_from(INNER), VALUES), max_size=4).map(
    lambda pairs: "{" + ",".join(f'"{k}":{v}' for k, v in pairs) + "}"
)
LINES = st.lists(st.tuples(st.sampled_from(KEYS), st.one_of(VALUES, OBJECTS)), max_size=5).map(
    lambda pairs: "{" + ", ".join(f'"{k}" : {v}' for k, v in pairs) + "}"
)
JUNK = st.sampled_from(
    ["", "[]", "7", "null", "{", '{"in":1', '{"in":01}', '{"in":1}}', '{"in":NaN}', '{"a":"\t"}', "x"]
)


def frame(lines: list[str]) -> pl.DataFrame:
    schema = {"source_line": pl.Int64, "raw": pl.String}
    return pl.DataFrame({"source_line": range(1, len(lines) + 1), "raw": lines}, schema=schema)


@settings(max_examples=examples(130))
@given(lines=st.lists(st.one_of(LINES, LINES, LINES, JUNK), min_size=1, max_size=4), numbers=st.booleans())
def test_lines_decoded_at_once_and_one_by_one_say_the_same(lines: list[str], numbers: bool) -> None:
    found, broken = json_lines.decode(frame(lines), FIELDS, "bad_json", numbers=numbers)
    wanted, wrong = json_lines._decode_each(frame(lines), FIELDS, "bad_json")
    assert json_lines.as_texts(found).rows() == wanted.rows()
    assert broken.drop("detail").rows() == wrong.drop("detail").rows()


@pytest.mark.parametrize(
    "raw",
    [
        '{"score":NaN,"src":"a"}',
        '{"src":"a","score":-Infinity}',
        '{"src":"a","x":[NaN,{"y":Infinity}]}',
        f'{{"src":["a"],"x":{"1" * 5_000}}}',
    ],
)
def test_values_that_json_cannot_tell_cost_no_record_that_does_not_count_them(raw: str) -> None:
    found, broken = json_lines.decode(frame([raw]), FIELDS, "bad_json")
    assert found.select("src", "resp_ip_bytes").rows() == [("a", None)]
    assert broken.is_empty()


def test_numbers_stay_numbers_where_all_are() -> None:
    lines = [json.dumps({"@timestamp": 1.5, "flow": {"in": i, "lasted": 2, "final": True}}) for i in range(3)]
    found, _ = json_lines.decode(frame(lines), FIELDS, "bad_json", numbers=True)
    types = [found.schema[c] for c in ("ts", "resp_ip_bytes", "duration", "final")]
    assert types == [pl.Float64, pl.Int64, pl.Int64, pl.String]
    assert found["resp_ip_bytes"].to_list() == [0, 1, 2]


def test_reals_of_more_digits_than_they_hold_stay_the_text_that_they_were() -> None:
    """From 2^53 on a float is no longer every whole number: nanoseconds with a point are read from their text."""
    lines = [f'{{"@timestamp": {seconds}}}' for seconds in ("1795132800.5", "1795132800123456800.0")]
    found, _ = json_lines.decode(frame(lines), FIELDS, "bad_json", numbers=True)
    assert found["ts"].to_list() == ["1795132800.5", "1795132800123456800"]


@pytest.mark.parametrize("line", ['{"in":1,"in":2}', '{"in":1,"flow":{"in":3},"in":2,"flow":{}}'])
def test_of_a_key_given_twice_the_last_value_counts(line: str) -> None:
    for lines in ([line], [line, "rubbish"]):
        assert json_lines.decode(frame(lines), FIELDS, "bad_json")[0]["resp_ip_bytes"].to_list() == ["2"]


@pytest.mark.parametrize(
    ("written", "value"),
    [("[5]", "5"), ("[5, 5]", "5"), ('["5", "5"]', "5"), ("[5, 7]", None), ("[null, 5]", None), ("[[5]]", None)],
)
def test_a_list_is_its_value_where_all_of_it_is_one_value_again_and_again(written: str, value: str | None) -> None:
    """A list of two counts is neither of them: it stays a list, which no counter can be."""
    line = f'{{"flow": {{"in": {written}}}}}'
    fields, broken = json_lines.decode(pl.DataFrame({"source_line": [1], "raw": [line]}), FIELDS, "bad_json")
    (found,) = fields["resp_ip_bytes"]
    assert broken.is_empty()
    assert found == value if value is not None else found.startswith("[")


def test_an_element_of_an_array_that_is_written_one_a_line_may_end_in_its_comma() -> None:
    found, broken = json_lines.decode(frame(['{"src":"a"},', '{"src":"b"}', '{"src":"c"},,']), FIELDS, "bad_json")
    assert found["src"].to_list() == ["a", "b"]
    assert broken.select("source_line", "reason", "raw").rows() == [(3, "bad_json", '{"src":"c"},,')]

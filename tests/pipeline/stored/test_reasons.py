"""Why a day would come out differently: what changed of an input, by name, and how many names are told."""

from __future__ import annotations

import pytest

from pipeline.stored.reasons import Made, Reason, differences, texts


def of_files(was: dict[str, str], now: dict[str, str]) -> list[Reason]:
    return differences(Made({"files": "1"}, {"files": was}), Made({"files": "2"}, {"files": now}))


def test_a_source_of_another_name_with_the_same_files_is_the_same_source() -> None:
    (reason,) = of_files({"a/x.log": "c1 w", "a/y.log": "c2 w"}, {"b/x.log": "c1 w", "b/y.log": "c2 w"})
    assert (reason.kind, reason.text) == ("setting", "source a is called b now")


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ({"a/x.log": "c1 w", "b/x.log": "c1 w"}, {"c/x.log": "c1 w"}),
        ({"a/x.log": "c1 w"}, {"b/x.log": "c1 w", "c/x.log": "c1 w"}),
        ({"a/x.log": "c1 w"}, {"b/x.log": "c2 w"}),
        ({"a/x.log": "c1 w"}, {"b/y.log": "c1 w"}),
    ],
)
def test_files_that_came_or_went_are_no_source_of_another_name(was: dict[str, str], now: dict[str, str]) -> None:
    assert [r.name for r in of_files(was, now)] == sorted({*was, *now})
    assert {r.kind for r in of_files(was, now)} == {"file"}


@pytest.mark.parametrize(
    ("now", "text"),
    [
        ("c1,c2 w", "file a/x.log has grown"),
        ("c1 v", "its logs are read in another way"),
        ("c9 w", "file a/x.log changed"),
    ],
)
def test_a_file_has_grown_or_is_read_otherwise_or_changed(now: str, text: str) -> None:
    assert [r.text for r in of_files({"a/x.log": "c1 w"}, {"a/x.log": now})] == [text]


def test_of_each_kind_three_reasons_are_told_and_the_others_counted() -> None:
    files = [Reason("file", f"f{n}", f"late file f{n}") for n in range(5)]
    rules = [Reason("rule", f"r{n}", f"rule r{n} changed") for n in range(3)]
    told = ["late file f0", "late file f1", "late file f2", "rule r0 changed", "rule r1 changed", "rule r2 changed"]
    assert texts([*files, *rules]) == ", ".join([*told, "2 more of kind file"])


def test_what_two_inputs_say_in_the_same_words_is_told_once() -> None:
    """Alerts are made by two methods, of which a new version of the program may change both."""
    both = differences(Made({"stage": "1", "surge_stage": "1"}), Made({"stage": "2", "surge_stage": "2"}))
    assert len(both) == 2
    assert texts(both) == "the program changed"

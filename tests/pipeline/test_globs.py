"""Patterns of a source's path: what could never match what it seems to say is refused."""

import pytest

from pipeline.globs import check_glob, pattern_regex


@pytest.mark.parametrize("text", ["logs/{day}/conn*.log*", "/a/**/x-{day}.log", "a b/[0-9]?[!x].log", "größe/*.gz"])
def test_what_can_match_is_kept_as_it_is(text: str) -> None:
    assert check_glob(text) == text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("logs/{dya}/conn.log", "braces as {day} only"),
        ("logs/{DAY}/conn.log", "braces as {day} only"),
        ("logs/conn.{log,log.gz}", "braces as {day} only"),
        ("logs/[]/conn.log", "matches nothing"),
        ("logs/[]conn.log", "matches nothing"),
        ("logs/[z-a].log", "matches nothing"),
    ],
)
def test_what_could_never_match_is_refused(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        check_glob(text)


def test_names_with_a_line_end_are_matched_as_any_other() -> None:
    assert pattern_regex("logs/**/*.log").fullmatch("logs/a\nb/c\nd.log")
    assert pattern_regex("**").fullmatch("a\nb/c")

"""Tables on terminals of any width: what is to be copied is never broken into pieces."""

import datetime as dt
import io
import json
import re
import sys

import pytest

from assets.reporting import screen

COLUMNS = ["day", "client", "rule", "alert"]
ROWS = [["2026-11-25", "2001:db8::10", "hosts_receiving_high_volume_from_email_server", "nilo-0123456789abcdef"]]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(monkeypatch: pytest.MonkeyPatch, width: int, out: io.StringIO) -> list[str]:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr(sys, "stdout", out)
    screen.table(COLUMNS, ROWS)
    return re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue()).splitlines()


@pytest.mark.parametrize("width", [20, 40, 80, 100, 120, 200])
def test_ids_and_addresses_stay_whole_on_a_terminal_of_any_width(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    text = "\n".join(shown(monkeypatch, width, Terminal()))
    for whole in (ROWS[0][0], ROWS[0][1], ROWS[0][3]):
        assert whole in text


def test_a_row_that_fits_is_one_line_and_a_long_cell_folds_before_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(shown(monkeypatch, 200, Terminal())) == 2
    folded = shown(monkeypatch, 90, Terminal())
    assert 3 <= len(folded) <= 4
    assert all(len(line) <= 90 for line in folded)


def test_heads_break_before_rows_are_taken_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "COLUMNS", ["day", "client of_the rule", "sd from_fleet", "alert_id"])
    monkeypatch.setattr(sys.modules[__name__], "ROWS", [["2026-11-25", "10.0.0.1", "2.5", "nilo-0123456789abcdef"]])
    lines = shown(monkeypatch, 60, Terminal())
    assert lines[-1].split() == ROWS[0]
    assert lines[0].split() == ["client"]


def test_a_result_for_programs_is_utf_8_on_any_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(out, "ascii", "backslashreplace"))
    screen.raw('{"client": "münchen"}\n')
    sys.stdout.flush()
    assert json.loads(out.getvalue()) == {"client": "münchen"}


@pytest.mark.parametrize("encoding", ["utf-16", "cp500", "cp1252", "ascii"])
def test_objects_are_utf_8_whatever_the_terminal_speaks(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    out = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(out, encoding, "backslashreplace"))
    screen.json_lines([{"client": "münchen"}, {"n": float("nan")}])
    sys.stdout.flush()
    assert [json.loads(line) for line in out.getvalue().splitlines()] == [{"client": "münchen"}, {"n": None}]


def test_elsewhere_than_on_a_terminal_a_row_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = shown(monkeypatch, 20, io.StringIO())
    assert len(lines) == 2
    assert lines[1].split() == ROWS[0]
    assert [line.rstrip() for line in lines] == lines


@pytest.mark.parametrize(
    "cell", ["münchen", "日本", "[b]", "a" * 300, "", "two\nlines", "tab\tted", "ends ", "a\u200db", "\u0301"]
)
def test_a_table_for_programs_is_the_same_whoever_lays_it_out(monkeypatch: pytest.MonkeyPatch, cell: str) -> None:
    def told() -> str:
        out = io.StringIO()
        monkeypatch.setattr(sys, "stdout", out)
        screen.table(["name", cell or "n", "z"], [[cell, 1, "x"], ["b", cell, None]], right=["n", cell])
        return out.getvalue()

    quick = told()
    monkeypatch.setattr(screen, "_is_plain", lambda *_: False)
    assert told() == quick


def test_many_plain_rows_are_not_laid_out_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", out := io.StringIO())
    monkeypatch.setattr(screen.Console, "print", lambda *_, **__: pytest.fail("a millisecond a row"))
    screen.table(["day", "bytes"], [["2026-11-25", n] for n in range(20_000)], right=["bytes"])
    assert out.getvalue().splitlines()[::19_999] == ["day         bytes", "2026-11-25  19998"]


@pytest.mark.parametrize("head", ["shot [large]", "[/]", "[b]", "a\\[b]", "two\nlines", "\x1b[31mred"])
def test_a_head_is_shown_as_it_is_named_and_nothing_in_it_is_obeyed(monkeypatch: pytest.MonkeyPatch, head: str) -> None:
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    screen.table([head, "x"], [["1", "2"]], right=[head])
    told = screen.one_line(head)
    assert sys.stdout.getvalue().splitlines() == [f"{told}  x", f"{'1'.rjust(len(told))}  2"]


def test_of_days_in_a_row_the_same_is_said_once_and_of_others_apart(capsys: pytest.CaptureFixture[str]) -> None:
    days = [dt.date(2026, 10, d) for d in (1, 2, 4, 5, 6)]
    told = {d: f"not scored; run it: nilometer run --day {d}" for d in days} | {days[4]: "its last run failed"}
    screen.warn_days(told)
    assert capsys.readouterr().err.splitlines() == [
        "2026-10-01 to 2026-10-02: not scored; run it: nilometer run --from 2026-10-01 --to 2026-10-02",
        "2026-10-04 to 2026-10-05: not scored; run it: nilometer run --from 2026-10-04 --to 2026-10-05",
        "2026-10-06: its last run failed",
    ]


def test_lines_for_programs_hold_no_number_that_json_does_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", out := io.StringIO())
    screen.json_lines(
        [{"a": float("nan"), "b": [float("inf"), 1.5], "c": {"d": -float("inf")}, "e": dt.date(2026, 1, 2)}]
    )

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    told = json.loads(out.getvalue(), parse_constant=refuse)
    assert told == {"a": None, "b": [None, 1.5], "c": {"d": None}, "e": "2026-01-02"}

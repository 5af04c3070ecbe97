"""What a person gets who calls the command wrongly in the first days: which word is wrong, and the right one."""

import datetime as dt
import json
from pathlib import Path

import pytest

from assets.commands.verdict_history import told_days
from pipeline.schemas import ALERTS
from tests.calls import call
from tests.worlds import CONFIG, SEED, day, make_site


@pytest.mark.parametrize(
    ("words", "right"),
    [
        (["status", "--site", "s"], "nilometer --site ... status"),
        (["quality", "accept", "2026-10-01", "--site", "s"], "nilometer --site ... quality accept"),
        (["run", "--log-format", "json"], "nilometer --log-format ... run"),
    ],
)
def test_an_option_of_all_commands_behind_one_is_shown_before_it(words: list[str], right: str) -> None:
    result = call(*words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"{right}\n" in result.stderr.replace("main ", "nilometer ")


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["alerts", "--format", "nope"], "Invalid value for '--format'"),
        (["statsu"], "No such command 'statsu'"),
        (["status", "--day", "2026-02-30"], "in no calendar"),
        (["status", "--site", "s"], "--site stands before the command"),
        (["rules", "shw"], "No such command 'shw'"),
    ],
)
@pytest.mark.parametrize("by_word", [True, False])
def test_wrong_use_is_told_to_machines_in_their_form(
    words: list[str], fault: str, by_word: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NILOMETER_LOG_FORMAT", "text" if by_word else "json")
    result = call(*(["--log-format", "json"] if by_word else []), *words)
    assert (result.exit_code, result.stdout) == (2, "")
    (told,) = map(json.loads, result.stderr.splitlines())
    assert (told["level"], told["event"]) == ("error", "message")
    assert fault in told["message"] and "--help" in told["message"]


def test_an_option_before_the_commands_that_nobody_has_is_told_to_machines_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NILOMETER_LOG_FORMAT", "json")
    result = call("--sight", "s", "status")
    assert result.exit_code == 2
    assert "No such option '--sight'" in json.loads(result.stderr)["message"]


@pytest.mark.parametrize(
    "words",
    [
        ["--log-format", "json", "--sight", "s", "status"],
        ["--sight", "s", "--log-format=json", "status"],
        ["--log-format", "json", "--site"],
    ],
)
def test_a_form_that_stands_beside_words_that_cannot_be_read_is_kept_to(
    words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NILOMETER_LOG_FORMAT", "text")
    result = call(*words)
    assert result.exit_code == 2
    assert json.loads(result.stderr)["level"] == "error"


def test_an_option_that_no_command_has_is_told_as_ever() -> None:
    assert "No such option '--sight'" in call("status", "--sight", "s").stderr


def test_a_site_named_by_its_configuration_is_told_the_folder(tmp_path: Path) -> None:
    make_site(tmp_path / "a b", 1)
    result = call("status", site=tmp_path / "a b" / "nilometer.yaml")
    assert result.exit_code == 2
    assert f"nilometer.yaml: is a file, and a site is a folder. Name its folder: '{tmp_path}/a b'" in result.stderr
    assert "init" not in result.stderr
    (tmp_path / "notes.md").write_text("x", encoding="utf-8")
    assert call("status", site=tmp_path / "notes.md").stderr.strip().endswith("a site is a folder.")


def test_a_path_that_polars_would_open_as_another_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.getfilesystemencoding", lambda: "ascii")
    assert "there is no nilometer.yaml" in call("status", site=tmp_path).stderr
    result = call("status", site=tmp_path / "Sté")
    assert (result.exit_code, "St\\xe9: names of files are ascii here" in result.stderr) == (2, True)
    assert "Set PYTHONUTF8=1" in result.stderr


def test_a_folder_that_is_not_there_is_told_from_one_that_is_no_site(tmp_path: Path) -> None:
    assert "there is no such folder. Name the site's with --site" in call("status", site=tmp_path / "no").stderr
    assert "there is no nilometer.yaml in this folder." in call("status", site=tmp_path).stderr


@pytest.mark.parametrize(
    ("text", "fault"),
    [("2026-11-31", "in no calendar"), ("2026-1-1", "not a day of the form"), ("tomorrow", "not a day of the form")],
)
def test_a_day_that_no_month_has_is_told_from_one_of_another_form(text: str, fault: str) -> None:
    assert f"'{text}' is {fault}" in call("status", "--day", text).stderr


def test_status_advises_no_run_of_days_that_cannot_be_made(tmp_path: Path) -> None:
    make_site(tmp_path, 2)
    before = day(0) - dt.timedelta(days=1)
    assert "it has not ended yet" in call("status", "--day", "2100-01-01", site=tmp_path).stdout
    assert "before the site's start_date" in call("status", "--day", before, site=tmp_path).stdout
    assert "never run" in call("status", "--day", day(0), site=tmp_path).stdout


def test_check_names_logs_that_two_sources_have(tmp_path: Path) -> None:
    second = "  - {name: again, path: 'logs/**/*.log'}\n  - {name: alone, path: 'others/*.log'}\ninventory:"
    make_site(tmp_path, 2, config=CONFIG.replace("inventory:", second))
    (tmp_path / "others").mkdir()
    (tmp_path / "others" / "c.log").write_text((tmp_path / "logs" / str(day(0)) / "conn.log").read_text())
    result = call("check", site=tmp_path)
    assert result.exit_code == 1
    assert "key sources.again.path: 2 of its 2 files are source core's too" in result.stderr
    assert "sources.alone" not in result.stderr


def test_sources_of_other_formats_may_have_the_same_logs(tmp_path: Path) -> None:
    second = "  - {name: again, format: asa, path: 'logs/**/*.log'}\ninventory:"
    make_site(
        tmp_path, 2, config=CONFIG.replace("name: core", "name: core\n    format: zeek").replace("inventory:", second)
    )
    assert "are source core's too" not in call("check", site=tmp_path).stderr


def test_a_rule_that_never_was_is_told_from_one_whose_verdicts_did_not_change(tmp_path: Path) -> None:
    make_site(tmp_path, 1)
    wrong = call("alerts", "--changes", "--rule", "typo", site=tmp_path)
    assert (wrong.exit_code, wrong.stdout) == (2, "")
    assert "'typo' is unknown" in wrong.stderr
    assert call("alerts", "--changes", "--rule", SEED, site=tmp_path).stdout == "No verdict changed.\n"


def test_a_table_of_no_alerts_has_its_header_before_any_day_is_scored(tmp_path: Path) -> None:
    make_site(tmp_path, 1)
    for words, columns in ((), list(ALERTS.schema)), (("--rule", SEED), ["src_ip", "_time", "bytes_in"]):
        told = call("alerts", "--format", "csv", *words, site=tmp_path)
        assert told.exit_code == 1
        assert told.stdout.strip().split(",")[: len(columns)] == columns
    assert call("alerts", "--format", "ocsf", site=tmp_path).stdout == ""


def test_changes_are_told_of_days_before_a_start_that_was_moved(tmp_path: Path) -> None:
    later = make_site(tmp_path, 1, config=CONFIG.replace(str(day(0)), str(day(3))))
    later.storage.write_day(ALERTS, day(0), ALERTS.empty(), inputs={})
    assert told_days(later) == (day(0), day(3))


def test_days_whose_checks_never_ran_are_told_beside_results_for_programs(tmp_path: Path) -> None:
    make_site(tmp_path, 1)
    told = call("quality", "--day", day(0), "--json", site=tmp_path)
    assert told.stdout == ""
    assert told.stderr == f"{day(0)}: no check has run; run it: nilometer run --day {day(0)}\n"


def test_a_current_folder_that_is_gone_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (gone := tmp_path / "gone").mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    result = call("status", site=tmp_path)
    assert (result.exit_code, result.stderr) == (2, "error: the current folder is gone. Go to another one, with cd.\n")


LONG = "a" * 300


@pytest.mark.parametrize(
    "words",
    [
        ("init", LONG),
        ("demo", LONG),
        ("simulate", LONG),
        ("rules", "new", f"{LONG}.yaml"),
        ("rules", "test", f"{LONG}.yaml"),
        ("evaluate", "--daily", LONG, "--labels", LONG),
    ],
    ids=" ".join,
)
def test_a_name_that_no_file_can_have_is_told(tmp_path: Path, words: tuple[str, ...]) -> None:
    make_site(tmp_path, 1)
    result = call(*words, site=tmp_path)
    assert result.exit_code == 2
    assert "File name too long. Choose a shorter one" in result.stderr


@pytest.mark.parametrize("key", ["--site", "storage: ", "rule_paths: "])
def test_so_is_one_in_the_configuration(tmp_path: Path, key: str) -> None:
    make_site(tmp_path, 1, config=CONFIG if key == "--site" else f"{CONFIG}{key}{LONG}\n")
    result = call("check", site=tmp_path / LONG if key == "--site" else tmp_path)
    assert result.exit_code == 2
    assert "File name too long. Choose a shorter one" in result.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("--site", "", "status"),
        ("init", ""),
        ("demo", ""),
        ("simulate", ""),
        ("inject", ""),
        ("rules", "new", ""),
        ("rules", "test", ""),
        ("evaluate", "--daily", "", "--labels", ""),
    ],
    ids=" ".join,
)
def test_an_empty_name_is_no_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    result = call(*words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "the name is empty. Name it; the current folder is '.'." in result.stderr
    assert not list(tmp_path.iterdir())


def test_an_empty_variable_of_the_site_is_one_that_is_not_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_site(tmp_path, 1)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NILOMETER_SITE", "")
    assert "the name is empty" not in call("check").stderr

"""How the command begins and ends: outputs that are closed, full or no longer read, and Ctrl-C at any time."""

import json
import os
import signal
import subprocess
import sys

import pytest

START = """
import os, signal, sys, types
signal.signal(signal.SIGINT, signal.default_int_handler)  # It may have been inherited as ignored.
import click
commands = types.ModuleType("assets.cli")
def main():
    {body}
commands.main = main
sys.modules["assets.cli"] = commands
from assets.streams import Stopped
from assets import command
command.main()
"""
CODE = "from assets.command import main; main()"


def run(code: str, *words: str, shell: str = "") -> subprocess.CompletedProcess[str]:
    command = ["sh", "-c", f'exec "$0" "$@" {shell}', sys.executable, "-c", code, *words]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("words", [("--version",), ("rules", "--help"), ("--site", "SITE", "init", "FOLDER")])
def test_results_that_cannot_be_written_are_told_as_such(words: tuple[str, ...], tmp_path: object) -> None:
    ended = run(CODE, *(w.replace("FOLDER", f"{tmp_path}/new") for w in words), shell=">/dev/full")
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: standard output: No space left on device.")
    assert "storage" not in ended.stderr and "Traceback" not in ended.stderr


@pytest.mark.parametrize("shell", ["2>/dev/full", "2>&-", "0<&- 2>&-"])
def test_without_a_place_for_progress_the_exit_code_is_the_same(shell: str) -> None:
    ended = run(CODE, "--site", "/nowhere", "status", shell=shell)
    assert (ended.returncode, ended.stdout) == (2, "")


def test_a_closed_stream_is_never_taken_by_a_file_that_is_opened() -> None:
    code = START.format(body="sys.exit(0 if os.open(os.devnull, os.O_RDONLY) > 2 else 9)")
    assert run(code, shell="0<&- 1>&- 2>&-").returncode == 0


def test_characters_that_the_terminal_lacks_are_spelled() -> None:
    ended = run(START.format(body="print('\\u20ac \\udcff')"), shell="").stdout
    assert ended in ("\\u20ac \\udcff\n", "\u20ac \\udcff\n")


@pytest.mark.parametrize("how", ["signal.raise_signal(signal.SIGINT)", "raise Stopped"])
def test_ctrl_c_ends_with_one_line_and_by_its_signal(how: str) -> None:
    ended = run(START.format(body=how))
    assert ended.returncode == -signal.SIGINT
    assert ended.stderr.startswith("stopped.") and ended.stderr.count("\n") == 1


@pytest.mark.parametrize("ignored", [False, True])
def test_a_request_to_end_is_a_stop_too_whatever_dagster_makes_of_it(ignored: bool) -> None:
    # Dagster gives SIGTERM the handler of SIGINT, which in the background is to ignore it.
    start = START.replace("signal.default_int_handler)", "signal.SIG_IGN)") if ignored else START
    again = "signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))"
    ended = run(start.format(body=f"{again}; signal.raise_signal(signal.SIGTERM)"))
    assert ended.returncode == -signal.SIGTERM
    assert ended.stderr.startswith("stopped.") and ended.stderr.count("\n") == 1


def test_ctrl_c_that_was_ignored_before_is_ignored() -> None:
    start = START.replace("signal.default_int_handler)", "signal.SIG_IGN)")
    assert run(start.format(body="signal.raise_signal(signal.SIGINT); sys.exit(7)")).returncode == 7


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_process_of_a_container_that_was_stopped_has_not_succeeded(number: signal.Signals) -> None:
    # The kernel keeps signals without a handler from such a process.
    body = f"os.kill = lambda *_: None; signal.raise_signal({int(number)})"
    assert run(START.format(body=body)).returncode == 128 + number


def test_ctrl_c_is_told_to_machines_in_their_form() -> None:
    ended = run(START.format(body="os.environ['NILOMETER_LOG_FORMAT'] = 'json'; raise Stopped"))
    assert json.loads(ended.stderr)["message"].startswith("stopped.")


def test_a_reader_who_has_seen_enough_is_told_nothing() -> None:
    seen, results = os.pipe()
    os.close(seen)
    ended = subprocess.run(
        [sys.executable, "-c", CODE, "--help"], check=False, stdout=results, stderr=subprocess.PIPE, timeout=60
    )
    os.close(results)
    assert (ended.returncode, ended.stderr) == (1, b"")

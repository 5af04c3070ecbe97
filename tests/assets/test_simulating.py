"""`nilometer simulate`: what is written, said and refused."""

import datetime as dt
import json
from pathlib import Path

import click
import polars as pl
import pytest
from click.testing import CliRunner, Result

from assets.cli import main
from pipeline.simulate.settings import default_attacks
from pipeline.simulate.world_site import LOGS

SMALL = ("--clients", 40, "--days", 6)


def call(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def test_a_world_is_written_and_told_with_its_settings(tmp_path: Path) -> None:
    result = call("simulate", tmp_path / "w", *SMALL, "--seed", 3, "--start", "2025-03-01", "--thefts", 0)
    assert result.exit_code == 0, result.output
    daily = pl.read_parquet(tmp_path / "w" / "daily.parquet")
    assert f"daily.parquet  {daily.height:,} rows" in result.stdout
    told = json.loads((tmp_path / "w" / "world.json").read_text(encoding="utf-8"))
    assert (told["seed"], told["clients"], told["start"], told["attacks"]) == (3, 40, "2025-03-01", [])
    assert not (tmp_path / "w" / "nilometer.yaml").exists()
    assert result.stderr == ""


def test_a_world_too_short_for_thefts_is_told_so(tmp_path: Path) -> None:
    assert "first 45 days" in call("simulate", tmp_path / "w", *SMALL).stderr


def test_thefts_that_had_no_place_are_told(tmp_path: Path) -> None:
    result = call("simulate", tmp_path / "w", "--clients", 5, "--days", 50, "--thefts", 1)
    planted = pl.read_parquet(tmp_path / "w" / "thefts.parquet").height
    asked = sum(attack.count for attack in default_attacks(1))
    assert 0 < planted < asked
    assert f"{planted} of {asked} thefts are planted: 5 clients and 5 days after the warm-up" in result.stderr


@pytest.mark.parametrize("form", ["zeek", "suricata"])
def test_the_logs_come_with_a_site_that_passes_its_check(tmp_path: Path, form: str) -> None:
    result = call("simulate", tmp_path / "w", *SMALL, "--logs", form)
    assert result.exit_code == 0, result.output
    checked = call("--site", tmp_path / "w", "check")
    assert checked.exit_code == 0, checked.output
    assert "run --from 2025-01-06 --to 2025-01-11" in result.stdout


def test_days_that_have_not_ended_are_not_called_runnable(tmp_path: Path) -> None:
    now = dt.datetime.now(dt.UTC).date()
    made = (tmp_path / "w", "--clients", 3, "--days", 9, "--logs", "vpc", "--start")
    assert "None of these days has ended (UTC)" in call("simulate", *made, now + dt.timedelta(days=3)).stdout
    ended = now - dt.timedelta(days=1)
    said = call("simulate", *made, now - dt.timedelta(days=4)).stdout
    assert f"run --from {now - dt.timedelta(days=4)} --to {ended}  (no day after {ended} has ended)" in said


def test_a_world_in_which_nobody_worked_is_a_site_all_the_same(tmp_path: Path) -> None:
    # A weekend.
    result = call("simulate", tmp_path / "w", "--clients", 1, "--days", 2, "--start", "2025-03-01", "--logs", "zeek")
    assert "0 records of zeek" in result.stdout
    assert "start_date: 2025-03-01" in (tmp_path / "w" / "nilometer.yaml").read_text(encoding="utf-8")


def test_every_form_of_logs_can_be_asked_for() -> None:
    choice = next(p.type for p in main.commands["simulate"].params if p.name == "logs")
    assert isinstance(choice, click.Choice)
    assert set(choice.choices) == set(LOGS)


def test_an_earlier_world_is_replaced_and_anything_else_left_alone(tmp_path: Path) -> None:
    assert call("simulate", tmp_path / "w", *SMALL, "--logs", "zeek").exit_code == 0
    assert call("simulate", tmp_path / "w", "--clients", 40, "--days", 3, "--logs", "suricata").exit_code == 0
    logs = sorted(p.name for p in (tmp_path / "w" / "logs").rglob("*.gz"))
    assert logs == ["eve.json.gz"] * 3
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep", encoding="utf-8")
    refused = call("simulate", tmp_path / "mine", *SMALL)
    assert refused.exit_code == 2
    assert "holds no world" in refused.stderr
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["notes.txt"]


def test_impossible_numbers_are_a_wrong_use(tmp_path: Path) -> None:
    for words in (
        ("--clients", 0),
        ("--days", 0),
        ("--start", "2025-13-01"),
        ("--logs", "csv"),
        ("--start", "1900-01-01"),
    ):
        assert call("simulate", tmp_path / "w", *words).exit_code == 2, words
        assert not (tmp_path / "w").exists()

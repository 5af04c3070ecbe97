"""`nilometer evaluate`: one JSON object in the contract's form, files beside it, and wrong use told before the work."""

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import polars as pl
import pytest
from click.testing import Result

from pipeline.site import PROJECT
from tests import calls
from tests.pipeline.evaluation.fleets import fleet, label_rows, name

RESULT = {"method", "budget", "basket", "events", "detected", "recall", "low", "high", "days_to_detect"}


def call(*words: object) -> Result:
    return calls.call("evaluate", *words)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """A world of 50 days whose one theft nothing can miss, as the words that name it."""
    root = tmp_path_factory.mktemp("world")
    theft = (pl.col("src_ip") == name(1)) & (pl.col("day").rank("dense") == 49)
    fleet(25, 50).with_columns(bytes_in=pl.when(theft).then(10**12).otherwise("bytes_in")).write_parquet(
        root / "d.parquet"
    )
    label_rows([("t", "material", 48, 1)], [("resync", 47, 2)]).write_parquet(root / "l.parquet")
    return "--daily", str(root / "d.parquet"), "--labels", str(root / "l.parquet")


def test_json_is_one_object_on_one_line(files: tuple[str, ...]) -> None:
    result = call(*files, "--json", "--explained", "0.8")
    assert result.exit_code == 0, result.output
    assert result.stdout.count("\n") == 1
    told = json.loads(result.stdout)
    assert set(told) == {"results", "false_alerts"}
    assert all(set(r) == RESULT for r in told["results"])
    assert all(set(r) == {"method", "budget", "per_day_per_10k"} for r in told["false_alerts"])
    assert {r["method"] for r in told["results"]} >= {"seed", "surge", "client_z"}
    assert {r["budget"] for r in told["results"] if r["method"] == "surge"} == {1, 5, 20}
    found = [r for r in told["results"] if r["method"] == "client_log_z" and r["budget"] == 20]
    assert found == [
        {
            "method": "client_log_z",
            "budget": 20.0,
            "basket": "material",
            "events": 1,
            "detected": 1,
            "recall": 1.0,
            "low": pytest.approx(0.2065, abs=1e-4),
            "high": 1.0,
            "days_to_detect": 0.0,
        }
    ]


def test_tables_name_methods_and_baskets_and_files_hold_all_figures(files: tuple[str, ...], tmp_path: Path) -> None:
    table, picture = tmp_path / "figures.csv", tmp_path / "figures.svg"
    result = call(*files, "--csv", table, "--plot", picture)
    assert result.exit_code == 0, result.output
    for word in ("surge", "seed_native", "client_mad", "material", "100 (21-100)"):
        assert word in result.stdout
    rows = pl.read_csv(table)
    assert rows.height == 1 + 3 * 6
    assert {*RESULT, "precision", "per_day_per_10k", "realised", "within"} <= set(rows.columns)
    assert "note: 28 days hold some 700 client-days" in result.stderr
    assert {"1e+02", "100%"}.isdisjoint(result.stdout.rpartition("precision")[2].split())
    assert ElementTree.parse(picture).getroot().tag.endswith("svg")


def test_a_world_without_thefts_tells_its_false_alerts_and_the_file_too(files: tuple[str, ...], tmp_path: Path) -> None:
    none, table = tmp_path / "none.parquet", tmp_path / "figures.csv"
    label_rows().write_parquet(none)
    result = call(*files[:2], "--labels", none, "--csv", table)
    assert result.exit_code == 0, result.output
    assert "note: No theft is judged" in result.stderr
    assert "precision" not in result.stdout
    rows = pl.read_csv(table)
    assert rows.height == 1 + 3 * 6
    assert rows["client_days"].unique().to_list() == [25 * 5]


def test_built_in_worlds_are_named_by_their_seed() -> None:
    words = ("--worlds", 1, "--clients", 40, "--days", 50, "--thefts", 1, "--json", "--seed")
    first, again, other = (call(*words, seed) for seed in (3, 3, 4))
    assert first.exit_code == 0, first.output
    assert first.stdout == again.stdout != other.stdout
    assert "worlds, 1 done" in first.stderr


def test_thefts_nobody_can_judge_are_noted(files: tuple[str, ...], tmp_path: Path) -> None:
    early = tmp_path / "early.parquet"
    label_rows([("t", "material", 3, 1), ("u", "material", 48, 1)]).write_parquet(early)
    result = call(*files[:2], "--labels", early, "--json")
    assert result.exit_code == 0
    assert "note: 1 theft begins before" in result.stderr


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["--daily", "d.parquet"], "--daily and --labels belong together"),
        (["--explained", "1.5"], "--explained"),
        (["--worlds", "0"], "--worlds"),
        (["--days", "45"], "--days"),
        (["--daily", "none.parquet", "--labels", "none.parquet"], "none.parquet: there is no such file"),
        (["--daily", "d", "--labels", "l", "--sensitivity"], "files have none"),
        (["--csv", "nowhere/at/all.csv"], "there is no such folder"),
    ],
)
def test_wrong_use_exits_2_before_any_work(words: list[str], fault: str) -> None:
    result = call(*words)
    assert result.exit_code == 2
    assert fault in result.stderr
    assert result.stdout == ""


def test_errors_in_files_exit_2_and_name_file_and_column(files: tuple[str, ...], tmp_path: Path) -> None:
    broken = tmp_path / "labels.parquet"
    label_rows([("t", "material", 48, 1)]).drop("basket").write_parquet(broken)
    result = call(*files[:2], "--labels", broken)
    assert result.exit_code == 2
    assert f"{broken}, column basket: " in result.stderr


def test_a_file_that_cannot_be_written_exits_2(files: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "taken.svg").mkdir()
    assert call(*files, "--plot", tmp_path / "taken.svg").exit_code == 2


def test_the_command_imports_what_it_needs_when_it_runs() -> None:
    program = (
        "import sys, assets.commands.evaluate; "
        "bad = [m for m in ('numpy', 'scipy', 'dagster') if m in sys.modules]; assert not bad, bad"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

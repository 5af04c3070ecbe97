"""`nilometer inject`: thefts planted into a copy of a site's days, and `evaluate` on what was written."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from pipeline.schemas import DAILY_TRAFFIC
from pipeline.site import open_site
from tests.calls import call
from tests.stored_days import stored_site
from tests.worlds import day

STORED = 52


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stored_site(tmp_path_factory.mktemp("own") / "site", "", STORED, clients=40).root


def test_what_is_written_is_the_stored_days_and_the_thefts(site: Path, tmp_path: Path) -> None:
    folder = tmp_path / "world"
    done = call("inject", folder, "--thefts", 1, site=site)
    assert done.exit_code == 0, done.output
    daily, labels = (pl.read_parquet(folder / f"{n}.parquet") for n in ("daily", "labels"))
    stored = open_site(site).storage.scan(DAILY_TRAFFIC, [day(n) for n in range(STORED)])
    real = stored.filter(pl.col("measure") == pl.col("measure").first()).select(pl.col("bytes").sum()).collect().item()
    assert labels["extra"].sum() > 0
    assert daily["bytes_in"].sum() == real + labels["extra"].sum()
    assert "1 slow" not in done.stderr
    assert "No room for 4 multi, 1 nat" in done.stderr
    victims, clients = (f["src_ip"].n_unique() for f in (labels, daily))
    assert victims > clients / 5
    assert f"note: {victims} of {clients} clients are robbed." in done.stderr
    assert json.loads((folder / "injected.json").read_text(encoding="utf-8"))["last"] == str(day(STORED - 1))


def test_evaluate_judges_what_was_written_and_another_injection_replaces_it(site: Path, tmp_path: Path) -> None:
    folder = tmp_path / "world"
    for seed in (1, 2):
        assert call("inject", folder, "--thefts", 1, "--seed", seed, site=site).exit_code == 0
    judged = call("evaluate", "--daily", folder / "daily.parquet", "--labels", folder / "labels.parquet", "--json")
    assert judged.exit_code == 0, judged.output
    baskets = {r["basket"]: r["events"] for r in json.loads(judged.stdout)["results"] if r["method"] == "seed"}
    planted = pl.read_parquet(folder / "thefts.parquet")["basket"].value_counts()
    assert baskets == dict(planted.iter_rows())


def test_only_the_days_asked_for_are_written(site: Path, tmp_path: Path) -> None:
    done = call("inject", tmp_path / "w", "--from", day(5), "--to", day(50), site=site)
    assert done.exit_code == 0, done.output
    days = pl.read_parquet(tmp_path / "w" / "daily.parquet")["day"]
    assert (days.min(), days.max()) == (day(5), day(50))


def test_few_thefts_among_many_clients_hide_nothing_and_are_not_warned_of(tmp_path: Path) -> None:
    site = stored_site(tmp_path / "site", "", 47, clients=200).root
    done = call("inject", tmp_path / "w", "--thefts", 1, site=site)
    assert (done.exit_code, "are robbed" in done.stderr) == (0, False), done.output


def test_days_that_cannot_be_robbed_and_folders_of_others_are_wrong_use(site: Path, tmp_path: Path) -> None:
    short = call("inject", tmp_path / "w", "--to", day(30), site=site)
    assert (short.exit_code, "too few" in short.stderr) == (2, True), short.output
    outside = call("inject", tmp_path / "w", "--from", "2020-01-01", "--to", "2020-03-01", site=site)
    assert (outside.exit_code, f"Stored are {day(0)} to {day(STORED - 1)}" in outside.stderr) == (2, True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep", encoding="utf-8")
    strange = call("inject", tmp_path / "mine", site=site)
    assert (strange.exit_code, "holds no injection" in strange.stderr) == (2, True)
    assert not (tmp_path / "w").exists()

"""The context in whole runs: it explains and keeps, fails its own days, and makes just the touched ones stale."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from click.testing import CliRunner

from assets.build import build_defs
from assets.cli import main
from assets.processes.instances import open_instance
from assets.runner import run_days
from data_quality.results import day_quality
from pipeline.schemas import ALERTS, SURGE_SCORES
from pipeline.site import Site, open_site
from pipeline.stored.now import open_landing
from pipeline.stored.status import days_status
from tests.assets.test_surge_runs import DAYS, ON, RULE, THIEF, write_logs
from tests.worlds import SEED, day

LAST = day(DAYS - 1)
FILES = {
    "host_roles": "address,role,exclude\n10.0.0.3,lab,true\n",
    "known_events": f"address,cause,from,to\n{THIEF},mailbox moved,{LAST},{day(DAYS)}\n",
    "entities": f"address,asset,from,to\n{THIEF},laptop-7,,\n10.0.0.8,phone-8,,{day(5)}\n",
    "calendar": f"day\n{day(2)}\n",
}
CONTEXT = "context:\n" + "".join(f"  {name}: context/{name}.csv\n" for name in FILES)


def write_context(folder: Path, **files: str) -> None:
    (folder / "context").mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / "context" / f"{name}.csv").write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("context") / "site"
    write_logs(folder, ON + CONTEXT)
    write_context(folder, **FILES)
    report = run_days(open_site(folder), [day(n) for n in range(DAYS)])
    assert report.good, [d.reasons for d in report.days]
    return open_site(folder)


@pytest.fixture
def copied(ran: Site, tmp_path: Path) -> Site:
    shutil.copytree(ran.root, tmp_path / "site")
    return open_site(tmp_path / "site")


def stale(site: Site) -> list[int]:
    """Numbers of the days whose surge scores would come out differently."""
    found = days_status(site, open_landing(site), [day(n) for n in range(DAYS)], day_quality)
    return [n for n, d in enumerate(found) if d.tables["surge_scores"].stale]


def test_an_explained_alert_is_kept_as_low_under_the_name_of_its_asset(ran: Site) -> None:
    found = ran.storage.read_day(ALERTS, LAST).filter(pl.col("rule_id") == RULE)
    mine = found.filter(pl.col("client") == "laptop-7").row(0, named=True)
    evidence = json.loads(mine["evidence"])
    assert mine["src_ip"] == THIEF
    assert "laptop-7 (10.0.0.7) received" in mine["message"]
    assert "Explained by: mailbox moved." in mine["message"]
    assert (evidence["severity"], evidence["explained_by"]) == ("low", "mailbox moved")
    assert evidence["top_flows"][0]["bytes"] == mine["bytes_in"]
    assert evidence["seed"][0]["alerts"] is True


def test_excluded_clients_are_counted_and_the_seed_keeps_them(ran: Site) -> None:
    record = ran.storage.record("surge_scores", LAST)
    assert record is not None
    assert record.facts["excluded_clients"] == 1
    assert "10.0.0.3" not in ran.storage.read_day(SURGE_SCORES, LAST)["client"].to_list()
    assert "phone-8" in ran.storage.read_day(SURGE_SCORES, day(4))["client"].to_list()
    assert "phone-8" not in ran.storage.read_day(SURGE_SCORES, day(5))["client"].to_list()


def test_the_lineage_shows_the_inputs_with_their_rows(ran: Site) -> None:
    graph = build_defs(ran).resolve_asset_graph()
    names = {f"context_{name}" for name in FILES}
    parents = graph.get(dg.AssetKey("surge_scores")).parent_keys
    assert {k.to_user_string() for k in parents} == {*names, "daily_traffic"}
    with open_instance(ran) as instance:
        event = instance.fetch_observations(dg.AssetKey("context_entities"), limit=1).records[0].asset_observation
    assert event is not None
    assert event.metadata["dagster/row_count"].value == 2
    assert len(str(event.metadata["fingerprint"].value)) == 32


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        (
            {"known_events": FILES["known_events"] + f"10.0.0.1,sync,{day(DAYS - 4)},{day(DAYS - 3)}\n"},
            range(DAYS - 4, DAYS),
        ),
        ({"known_events": FILES["known_events"] + "10.0.0.1,sync,2030-01-01,\n"}, []),
        ({"calendar": FILES["calendar"] + f"{day(6)}\n"}, [6]),
        (
            {"host_roles": FILES["host_roles"].replace("\n", ",to\n", 1).replace("true", f"true,{day(DAYS - 3)}")},
            range(DAYS - 3, DAYS),
        ),
        ({"entities": FILES["entities"].replace("laptop-7,,", f"laptop-7,,{day(DAYS)}")}, []),
    ],
)
def test_a_change_makes_exactly_the_touched_days_stale(copied: Site, changed: dict[str, str], wanted: range) -> None:
    assert stale(copied) == []
    write_context(copied.root, **changed)
    assert stale(copied) == list(wanted)


def test_a_broken_input_fails_the_surge_day_and_never_the_seed(copied: Site) -> None:
    write_context(copied.root, entities="address,asset\n10.0.0.1,a\nnobody,b\n")
    report = run_days(copied, [LAST])
    assert report.days[0].state == "failed"
    assert "surge_scores: context/entities.csv:3, column address: must be one IPv4" in report.days[0].reasons[0]
    assert SEED in copied.storage.read_day(ALERTS, LAST)["rule_id"].to_list()


def test_check_names_a_broken_input_and_shows_sound_ones(copied: Site) -> None:
    write_context(copied.root, known_events=FILES["known_events"] + "10.0.0.7,sync,,\n")
    said = CliRunner().invoke(main, ["--site", str(copied.root), "check"])
    assert "context    host_roles: 1 row, 1 exclude (context/host_roles.csv)" in said.output
    assert "context    known_events: 2 rows, 1 of all days (context/known_events.csv)" in said.output
    more = f"group,asset,cause,from,last\nSales,,sync,{day(1)},{day(2)}\n10.0.0.0/24,,sync,,\n,pc-9,sync,,\n"
    write_context(copied.root, known_events=more)
    said = CliRunner().invoke(main, ["--site", str(copied.root), "check"])
    assert "names groups that no client can be in, so their events explain nothing: Sales (1)." in said.stderr
    assert "names assets that no row of entities has, so what it says of them is of nobody: pc-9 (1)." in said.stderr
    write_context(copied.root, calendar="day\nsoon\n")
    said = CliRunner().invoke(main, ["--site", str(copied.root), "check"])
    assert said.exit_code == 2
    assert "context/calendar.csv:2, column valid_from: must be a day such as 2026-10-01 (got 'soon')" in said.output

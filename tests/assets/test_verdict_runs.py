"""Verdicts that change in whole runs: which tables a late log touches, what history says, what survives a kill."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from click.testing import CliRunner, Result

from assets.cli import main
from assets.processes.instances import open_instance
from assets.runner import run_days, run_stale
from data_quality.results import day_quality
from pipeline.alerts import alert_id
from pipeline.schemas import ALERTS, Table
from pipeline.site import PROJECT, Site, open_site
from pipeline.storage import Storage
from pipeline.stored.now import open_landing
from pipeline.stored.status import days_status
from pipeline.stored.verdicts import day_changes, history
from tests.worlds import CONFIG, SEED, day, log_path, make_site, record, usual, write_log

DAYS = 9
LAST = day(DAYS - 1)
LOW = CONFIG + f"rules: {{{SEED}: {{deviation_threshold: 1}}}}\n"
THIEF = "10.0.0.2"
ID = alert_id(SEED, LAST, THIEF)


def late(site: Site, of: dt.date, client: str, received: int, server: str = "192.0.2.10") -> str:
    """Another log of a day; its name in reasons."""
    path = log_path(site.root, of).with_name("conn-late.log")
    when = dt.datetime.combine(of, dt.time(13), dt.UTC)
    path.write_text(record(when, client, received, "late", server), encoding="utf-8")
    return f"core/logs/{of}/conn-late.log"


def call(*words: object, site: Path) -> Result:
    return CliRunner().invoke(main, ["--site", str(site), *map(str, words)])


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = make_site(tmp_path_factory.mktemp("ran") / "site", DAYS, config=LOW)
    assert run_days(site, [day(n) for n in range(DAYS)]).good
    assert ID in site.storage.read_day(ALERTS, LAST)["alert_id"].to_list()
    return site.root


@pytest.fixture
def site(ran: Path, tmp_path: Path) -> Site:
    return open_site(shutil.copytree(ran, tmp_path / "site"))


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> set[tuple[str, int]]:
    """(table, number of the day) of every table that is written, but for the counts that checks compare days with."""
    found: set[tuple[str, int]] = set()
    real = Storage.write_slices

    def counting(self: Storage, table: Table, of: dt.date, *rest: Any, **named: Any) -> Any:
        if not table.name.endswith("_counts"):
            assert (table.name, (of - day(0)).days) not in found, "written twice"
            found.add((table.name, (of - day(0)).days))
        return real(self, table, of, *rest, **named)

    monkeypatch.setattr(Storage, "write_slices", counting)
    return found


def test_a_late_log_without_mail_touches_its_own_day_alone(site: Site, written: set[tuple[str, int]]) -> None:
    late(site, day(3), "10.0.0.77", 5_000, server="198.51.100.80")
    report = run_stale(site)
    assert [s.day for s in report.days] == [day(3)]
    assert written == {("flows", 3)}


def test_a_late_log_touches_only_what_it_changes(site: Site, written: set[tuple[str, int]]) -> None:
    late(site, day(6), "10.0.0.7", 5_000)
    run_stale(site)
    own = {(t, 6) for t in ("flows", "daily_traffic", "anomaly_scores", "alerts")}
    assert written == own | {(t, n) for t in ("traffic_baseline", "anomaly_scores", "alerts") for n in (7, 8)}


def test_status_names_the_file_before_and_after_it_is_read(site: Site) -> None:
    name = late(site, day(6), "10.0.0.7", 5_000)

    def reasons() -> dict[int, str]:
        found = days_status(site, open_landing(site), [day(n) for n in range(DAYS)], day_quality)
        return {(s.day - day(0)).days: "; ".join(s.reasons) for s in found if s.state == "stale"}

    assert reasons()[6] == f"late file {name}"
    open_landing(site).land([day(6)])
    assert reasons() == {6: f"flows: late file {name}"}
    write_log(site.root, day(2), usual(2) | {"10.0.0.7": 70})
    open_landing(site).land([day(2)])
    assert reasons()[2] == f"flows: file core/logs/{day(2)}/conn.log changed"


def test_status_names_the_inventory_entry_and_the_rule(site: Site) -> None:
    config = site.root / "nilometer.yaml"
    entry = "  - {address: 192.0.2.99, category: email_server, valid_from: 2026-10-09}\nrules"
    text = config.read_text(encoding="utf-8").replace("rules", entry, 1)
    config.write_text(text.replace("deviation_threshold: 1", "deviation_threshold: 2"), encoding="utf-8")
    changed = open_site(site.root)
    *_, before, last = days_status(changed, open_landing(changed), [day(7), day(8)], day_quality)
    assert before.tables["flows"].stale == ""
    assert last.tables["flows"].stale == "inventory entry 192.0.2.99/32 was added (email_server)"
    assert before.tables["anomaly_scores"].stale == f"rule {SEED} changed"


def test_a_verdict_that_goes_and_comes_is_kept_with_its_causes(site: Site) -> None:
    own, past = late(site, LAST, "10.0.0.1", 50_000_000), day(4)
    run_stale(site)
    late(site, past, THIEF, 3_000_000)
    run_stale(site)
    log_path(site.root, past).with_name("conn-late.log").write_text("", encoding="utf-8")
    run_stale(site)
    found = history(site.storage, ID)
    assert [c.change for c in found][:2] == ["raised", "withdrawn"]
    assert [r.text for r in found[0].reasons] == ["first verdict of the day"]
    assert [r.text for r in found[1].reasons] == [f"late file {own}"]
    other = history(site.storage, alert_id(SEED, LAST, "10.0.0.1"))
    assert other[0].change == "raised"
    assert other[0].reasons[0].text == f"late file {own}"
    assert {r.text for c in other[1:] for r in c.reasons} == {f"window day {past} changed"}
    shown = call("alerts", "--history", ID, site=site.root)
    assert shown.exit_code == 0
    assert all(word in shown.stdout for word in ("withdrawn", own, "raised", "Last said"))
    lines = [json.loads(line) for line in call("alerts", "--history", ID, "--json", site=site.root).stdout.splitlines()]
    assert [line["change"] for line in lines] == [c.change for c in found]
    assert lines[0]["verdict"]["value"] > 1_000_000
    assert lines[1]["verdict"] is None
    assert dt.datetime.fromisoformat(lines[1]["known_at"]).tzinfo is not None
    assert_changes_are_those_of_all_days(site)


def assert_changes_are_those_of_all_days(site: Site) -> None:
    def told(*words: str) -> list[dict[str, Any]]:
        return [json.loads(x) for x in call("alerts", "--changes", *words, site=site.root).stdout.splitlines()]

    every = [c.as_dict() for d in site.storage.days("alerts") for c in day_changes(site.storage, d)]
    shown = told("--json")
    assert sorted(shown, key=json.dumps) == sorted(json.loads(json.dumps(every)), key=json.dumps)
    times = [c["known_at"] for c in shown]
    assert times == sorted(times)
    assert [c["known_at"] for c in told("--json", "--since", times[-1])] == [t for t in times if t == times[-1]]
    assert told("--json", "--since", "2100-01-01T00:00:00+01:00") == []
    assert ID in call("alerts", "--changes", site=site.root).stdout


def test_what_became_known_under_a_clock_that_was_set_back_comes_after_what_it_changed(tmp_path: Path) -> None:
    changes = [("raised", 1, "2026-10-06T03:00:00+00:00"), ("withdrawn", 2, "2026-10-06T02:10:00+00:00")]
    lines: list[dict[str, Any]] = [{"alerts": "x", "roots": {}}]
    for change, number, at in changes:
        what = {"alert_id": ID, "rule_id": SEED, "client": THIEF, "day": str(LAST), "change": change, "number": number}
        lines.append({**what, "known_at": at, "reasons": [], "verdict": None})
    site = make_site(tmp_path, days=1)
    site.storage.write_text(f"verdicts/day={LAST}.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    for since in ([], ["--since", changes[0][2]]):
        shown = call("alerts", "--changes", "--json", *since, site=site.root).stdout.splitlines()
        assert [json.loads(c)["change"] for c in shown] == ["raised", "withdrawn"]


def test_running_again_adds_nothing_and_every_scored_day_agrees_with_its_ledger(site: Site) -> None:
    before = {p.name: p.read_bytes() for p in (site.storage.root / "verdicts").iterdir()}
    run_days(site, [day(n) for n in range(DAYS)])
    assert {p.name: p.read_bytes() for p in (site.storage.root / "verdicts").iterdir()} == before
    assert_complete(site)


def assert_complete(site: Site) -> None:
    for each in site.storage.days("alerts"):
        last = {c.alert_id: c for c in day_changes(site.storage, each)}
        standing = {i for i, c in last.items() if c.verdict is not None}
        assert standing == set(site.storage.read_day(ALERTS, each)["alert_id"])
        assert all(c.known_at for c in last.values())


def test_an_unknown_alert_is_said_to_be_unknown(site: Site) -> None:
    result = call("alerts", "--history", "nilo-0000", site=site.root)
    assert result.exit_code == 1
    assert "nilo-0000" in result.stderr
    assert "ever published" in result.stderr
    assert call("alerts", "--history", ID, "--format", "csv", site=site.root).exit_code == 2


def test_a_run_shows_in_the_ui_which_verdicts_it_changed(site: Site) -> None:
    name = late(site, LAST, "10.0.0.1", 50_000_000)
    run_stale(site)
    with open_instance(site) as instance:
        found = instance.fetch_materializations(dg.AssetRecordsFilter(dg.AssetKey("alerts"), [str(LAST)]), limit=1)
    shown = found.records[0].asset_materialization
    assert shown is not None
    assert shown.metadata["verdicts_changed"].value == 2
    text = str(shown.metadata["verdict_changes"].value)
    assert "withdrawn" in text
    assert "raised" in text
    assert name.rpartition("/")[2] in text


KILLED = """
import os, signal, sys
from pathlib import Path
from assets.runner import run_stale
from pipeline.site import open_site
from pipeline.storage import Storage

site, when = open_site(Path(sys.argv[1])), sys.argv[2]
real = Storage.write_text

def write(self, name, text):
    mine = name == f"verdicts/day={sys.argv[3]}.jsonl"
    if mine and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    real(self, name, text)
    if mine:
        os.kill(os.getpid(), signal.SIGKILL)

Storage.write_text = write
run_stale(site)
"""


@pytest.fixture(scope="module")
def whole(ran: Path, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The site with a late log of the last day that was taken in without a kill; not to be changed."""
    site = open_site(shutil.copytree(ran, tmp_path_factory.mktemp("whole") / "site"))
    late(site, LAST, "10.0.0.1", 50_000_000)
    run_stale(site)
    return site


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_kill_beside_the_ledger_loses_no_change_and_keeps_none_twice(site: Site, whole: Site, when: str) -> None:
    late(site, LAST, "10.0.0.1", 50_000_000)
    words = [sys.executable, "-c", KILLED, str(site.root), when, str(LAST)]
    done = subprocess.run(words, cwd=PROJECT, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    known = [c.known_at for c in day_changes(site.storage, LAST)]
    assert (None in known) == (when == "before")
    run_stale(site)
    assert_complete(site)
    told = [[replace(c, known_at="") for c in day_changes(s.storage, LAST)] for s in (site, whole)]
    assert told[0] == told[1]
    assert [c.number for c in told[0] if c.alert_id == ID] == [1, 2]

"""Retention: what goes, what stays for others, what is still known of it, and what brings it back."""

import datetime as dt
import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from click.testing import CliRunner, Result

from assets import runner
from assets.cli import main
from assets.processes import history
from assets.processes.instances import open_instance
from data_quality.results import day_quality
from data_quality.specs import check_specs
from pipeline.intake.ledger import Entry, Part
from pipeline.schemas import ALERTS, DAILY_TRAFFIC, FLOWS
from pipeline.site import Site, open_site
from pipeline.storage import Storage
from pipeline.stored import prune
from pipeline.stored.now import open_landing
from pipeline.stored.stages import make_flows
from pipeline.stored.status import DayStatus, days_status
from tests.assets.test_runs import CHAIN, days, stored_bytes
from tests.worlds import CONFIG, SEED, day, log_path, make_site, record, usual, write_log

DAYS = 8
SHORT = CONFIG.replace("lookback_days: 30", "lookback_days: 2")


def keep_from(first: dt.date) -> int:
    """The retention whose oldest day is this one, whatever day it is today."""
    return (dt.datetime.now(dt.UTC).date() - first).days


def call(site: Site, *words: object) -> Result:
    return CliRunner().invoke(main, ["--site", str(site.root), *map(str, words)])


def with_retention(site: Site, **keep: int) -> Site:
    text = (site.root / "nilometer.yaml").read_text(encoding="utf-8").split("retention:")[0]
    values = ", ".join(f"{table}: {n}d" for table, n in keep.items())
    (site.root / "nilometer.yaml").write_text(f"{text}retention: {{{values}}}\n", encoding="utf-8")
    return open_site(site.root)


def pruned(site: Site, **keep: int) -> Site:
    found = with_retention(site, **keep)
    result = call(found, "prune", "--yes", "--clock-is-right")  # The world's days are of a fixed month.
    assert result.exit_code == 0, result.output
    return found


def piles(site: Site) -> dict[str, dict[str, Any]]:
    rows = [json.loads(line) for line in call(site, "prune", "--json").stdout.splitlines()]
    return {row["table"]: row for row in rows}


def status(site: Site, count: int = DAYS) -> list[DayStatus]:
    return days_status(site, open_landing(site), days(count), day_quality)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = make_site(tmp_path_factory.mktemp("made") / "site", DAYS, config=SHORT)
    assert runner.run_days(site, days(DAYS)).good
    return site.root


@pytest.fixture
def site(made: Path, tmp_path: Path) -> Site:
    return open_site(Path(shutil.copytree(made, tmp_path / "site")))


def test_without_a_confirmation_everything_is_counted_and_nothing_deleted(site: Site) -> None:
    site = with_retention(site, flows=keep_from(day(5)), landing=keep_from(day(3)), quality=keep_from(day(2)), runs=1)
    before = {p: p.read_bytes() for p in site.root.rglob("*") if p.is_file() and "dagster_home" not in p.parts}
    found = piles(site)
    assert before == {p: p.read_bytes() for p in before}
    flows = [site.storage.path("flows", d) for d in days(5)]
    assert {k: found["flows"][k] for k in ("days", "first", "last", "files", "bytes", "deleted")} == {
        "days": 5,
        "first": str(day(0)),
        "last": str(day(4)),
        "files": 5,
        "bytes": sum(p.stat().st_size for p in flows),
        "deleted": False,
    }
    assert (found["landing"]["days"], found["landing"]["files"]) == (3, 3)
    assert (found["quality"]["days"], found["quality"]["files"]) == (2, 2 * len(check_specs()))
    assert found["runs"]["days"] == 0
    assert "Nothing was deleted" in call(site, "prune").stderr


def test_a_clock_that_is_ahead_deletes_nothing_until_somebody_says_that_it_is_right(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = with_retention(site, flows=1, landing=1, runs=1)
    newest = day(DAYS - 1)
    monkeypatch.setattr("pipeline.stored.now.today", lambda _: newest + dt.timedelta(days=prune.SILENCE))
    assert call(site, "prune", "--json").exit_code == 0
    prune.check_clock(site, newest + dt.timedelta(days=prune.SILENCE))
    monkeypatch.setattr("pipeline.stored.now.today", lambda _: newest + dt.timedelta(days=365))
    make_flows(site, open_landing(site), ahead := newest + dt.timedelta(days=364))  # As the schedule would.
    before = stored_bytes(site)
    refused = call(site, "prune", "--yes")
    assert refused.exit_code == 2
    assert f"newest day with flows is {newest}, 365 days before today" in refused.stderr
    assert "--clock-is-right" in refused.stderr
    assert stored_bytes(site) == before
    assert call(site, "prune").exit_code == 0
    assert call(site, "prune", "--yes", "--clock-is-right").exit_code == 0
    assert site.storage.days("flows") == [ahead]


def test_pruned_flows_are_neither_missing_nor_stale_and_all_else_is_as_it_was(site: Site) -> None:
    before = stored_bytes(site)
    site = pruned(site, flows=keep_from(day(5)))
    gone = {f"flows/day={d}/part.parquet" for d in days(5)}
    assert stored_bytes(site) == {name: data for name, data in before.items() if name not in gone}
    found = status(site)
    assert [s.state for s in found] == ["done"] * DAYS
    assert [s.quality for s in found] == ["verified"] * DAYS
    assert [s.tables["flows"].state for s in found] == ["pruned"] * 5 + ["done"] * 3
    assert all("flows: pruned on" in " ".join(s.reasons) for s in found[:5])
    assert runner.run_stale(site).days == []
    assert piles(site)["flows"]["days"] == 0
    assert not (site.storage.root / "flows" / f"day={day(0)}").exists()


def test_a_pruned_day_that_is_run_again_comes_back_from_the_landing_with_the_same_bytes(site: Site) -> None:
    before = stored_bytes(site)
    site = pruned(site, flows=keep_from(day(5)))
    assert runner.run_days(site, [day(1)]).good
    assert site.storage.has("flows", day(1))
    assert site.storage.pruned_days("flows") == [d for d in days(5) if d != day(1)]
    assert {n: b for n, b in stored_bytes(site).items() if f"day={day(1)}" in n} == {
        n: b for n, b in before.items() if f"day={day(1)}" in n
    }


def test_without_landed_rows_a_pruned_day_stays_as_it_was_until_its_logs_are_asked_for(site: Site) -> None:
    before = stored_bytes(site)
    site = pruned(site, flows=keep_from(day(5)), landing=keep_from(day(5)))
    assert not open_landing(site).pending(days(DAYS))
    left = stored_bytes(site)
    assert runner.run_days(site, days(DAYS)).good
    assert stored_bytes(site) == left
    assert [s.state for s in status(site)] == ["done"] * DAYS
    assert call(site, "run", "--from", day(0), "--to", day(DAYS - 1), "--reread").exit_code == 0
    assert stored_bytes(site) == before
    assert {s.tables["flows"].state for s in status(site)} == {"done"}


def test_without_logs_and_landing_folder_a_pruned_day_never_becomes_an_empty_one(site: Site) -> None:
    site = pruned(site, flows=keep_from(day(5)))
    left = stored_bytes(site)
    shutil.rmtree(site.root / "logs" / str(day(1)))
    shutil.rmtree(site.storage.root / "landing")
    runner.run_days(site, days(DAYS))
    after = stored_bytes(site)
    assert {n: b for n, b in after.items() if f"day={day(1)}" in n} == {
        n: b for n, b in left.items() if f"day={day(1)}" in n
    }
    assert status(site)[1].quality == "verified"


def test_a_changed_rule_judges_pruned_days_again_from_their_daily_traffic(site: Site) -> None:
    site = pruned(site, flows=keep_from(day(DAYS)), landing=keep_from(day(DAYS)))
    config = site.root / "nilometer.yaml"
    rule = f"rules: {{{SEED}: {{deviation_threshold: 1}}}}\n"
    config.write_text(config.read_text(encoding="utf-8") + rule, encoding="utf-8")
    changed = open_site(site.root)
    assert {s.state for s in status(changed)} == {"stale"}
    assert runner.run_stale(changed).good
    assert {s.state for s in status(changed)} == {"done"}
    fresh = make_site(site.root.parent / "fresh", DAYS, config=SHORT + rule)
    runner.run_days(fresh, days(DAYS))
    judged = [s.storage.scan(ALERTS, days(DAYS)).drop("evidence").collect() for s in (changed, fresh)]
    assert judged[0].equals(judged[1])


def test_a_late_log_of_a_pruned_day_is_named_and_taken_in_when_asked_for(site: Site) -> None:
    site = pruned(site, flows=keep_from(day(5)), landing=keep_from(day(5)))
    late = log_path(site.root, day(1)).with_name("conn-late.log")
    noon = dt.datetime.combine(day(1), dt.time(13), dt.UTC)
    late.write_text(record(noon, "10.0.0.9", 4_000, "Clate"), encoding="utf-8")
    assert status(site)[1].state == "stale"
    runner.run_stale(site)
    found = status(site)[1]
    assert found.state == "done"
    assert any("late file" in r and "kept as it was made" in r for r in found.reasons), found.reasons
    assert site.storage.scan(DAILY_TRAFFIC, [day(1)]).collect()["client"].is_in(["10.0.0.9"]).sum() == 0
    assert runner.run_days(site, [day(1)], reread=True).good
    clients = site.storage.scan(FLOWS, [day(1)]).collect()["src_ip"].to_list()
    assert sorted(clients) == ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.9"]


def test_a_log_that_grows_after_its_rows_were_pruned_is_read_whole(site: Site) -> None:
    site = pruned(site, landing=keep_from(day(5)))
    write_log(site.root, day(1), usual(1) | {"10.0.0.9": 4_000})
    assert runner.run_stale(site).good
    assert site.storage.scan(FLOWS, [day(1)]).collect().height == 4


def test_daily_traffic_stays_while_a_scored_day_needs_it(site: Site) -> None:
    every = {t: keep_from(day(6)) for t in ("daily_traffic", "traffic_baseline", "anomaly_scores")}
    only = with_retention(site, daily_traffic=every["daily_traffic"])
    assert piles(only)["daily_traffic"]["days"] == 0
    assert list(piles(only)["daily_traffic"]["stays"].values()) == [6]
    assert "can still be scored" in call(only, "prune").stderr
    before = stored_bytes(site)
    site = pruned(site, **every)
    # The oldest scored day is day 6, and looks two days back.
    assert site.storage.days("daily_traffic") == days(DAYS)[4:]
    assert site.storage.days("anomaly_scores") == site.storage.days("traffic_baseline") == days(DAYS)[6:]
    assert [s.state for s in status(site)] == ["done"] * DAYS
    assert runner.run_stale(site).days == []
    left = stored_bytes(site)
    report = runner.run_days(site, days(DAYS))
    assert report.good
    after = stored_bytes(site)
    assert {n: b for n, b in after.items() if n in left} == left
    assert {n: before[n] for n in after} == after
    assert not site.storage.failed_days()


def test_a_day_that_was_never_made_says_why_it_cannot_be_any_more(tmp_path: Path) -> None:
    site = make_site(tmp_path / "site", DAYS, config=SHORT)
    runner.run_days(site, days(DAYS)[2:])
    before = site.storage.days("daily_traffic")
    site = pruned(site, **{t: keep_from(day(6)) for t in ("daily_traffic", "traffic_baseline", "anomaly_scores")})
    # Days 0 and 1 served windows only; day 2 was scored; its own window is gone.
    assert before == days(DAYS)
    report = runner.run_days(site, [day(2)])
    assert report.good
    (site.storage.root / "pruned" / "traffic_baseline" / f"day={day(2)}.json").unlink()
    report = runner.run_days(site, [day(2)])
    assert not report.good
    assert "traffic_baseline cannot be made: daily_traffic" in " ".join(report.days[0].reasons)


def test_the_quality_of_days_outlives_the_results_of_their_checks(site: Site) -> None:
    site = pruned(site, quality=keep_from(day(4)))
    assert not list((site.storage.root / "quality").glob(f"day={day(1)}/*"))
    found = status(site)
    assert [(s.state, s.quality) for s in found] == [("done", "verified")] * DAYS
    for n, damage in enumerate((b"", b"\xff\xfe", b"veri")):
        (site.storage.root / "pruned" / "quality" / f"day={day(n)}.txt").write_bytes(damage)
    assert [s.quality for s in status(site)] == ["unverified"] * 3 + ["verified"] * (DAYS - 3)


@pytest.mark.parametrize("crash", [1, 9, 30])
def test_a_crash_between_two_deletions_does_no_harm(site: Site, monkeypatch: pytest.MonkeyPatch, crash: int) -> None:
    keep = {t.name: keep_from(day(5)) for t in CHAIN} | {"quality": keep_from(day(5)), "landing": keep_from(day(5))}
    site, left = with_retention(site, **keep), [crash]
    remove = Storage.remove

    def failing(self: Storage, name: str) -> None:
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        remove(self, name)

    with monkeypatch.context() as patch:
        patch.setattr(Storage, "remove", failing)
        with pytest.raises(KeyboardInterrupt):
            today = dt.datetime.now(dt.UTC).date()
            landing = open_landing(site)
            wanted = prune.plan(site, landing, today)
            prune.carry_out(site, landing, wanted, today, day_quality, lambda *_: None)
    assert [(s.state, s.quality) for s in status(site)] == [("done", "verified")] * DAYS
    assert call(site, "prune", "--yes", "--clock-is-right").exit_code == 0
    kept = days(DAYS)[5:]
    assert {t.name: site.storage.days(t.name) for t in CHAIN} == {
        t.name: days(DAYS)[3:] if t.name == "daily_traffic" else kept for t in CHAIN
    }
    assert len(list((site.storage.root / "landing" / "core").iterdir())) == len(kept)
    assert all(not row["files"] for row in piles(site).values())


def test_old_runs_go_and_every_partition_and_check_of_a_day_is_still_shown(tmp_path: Path) -> None:
    site = make_site(tmp_path / "site", 4)
    for each in days(4):
        runner.run_days(site, [each])
    forget_all_but_the_last_run(site)


def forget_all_but_the_last_run(site: Site) -> None:
    """What old runs leave behind; four days were run one by one."""
    keys = {str(d) for d in days(4)}
    with open_instance(site) as instance:
        past = history.look(instance, dt.datetime.now(dt.UTC) + dt.timedelta(hours=1), 1, lambda _: True)
        assert len(past.runs) == 4
        times = {k: newest_times(instance, k) for k in ("flows", "alerts")}
        past.runs.pop()
        history.forget(instance, past, lambda *_: None)
        assert len(instance.get_runs()) == 1
        for name in [t.name for t in CHAIN]:
            key = dg.AssetKey(name)
            assert instance.get_materialized_partitions(key) == keys
            newest = instance.get_latest_materialization_event(key)
            assert newest is not None
            assert newest.dagster_event is not None
            assert newest.dagster_event.partition == str(day(3))
            # Three days recorded anew, and the newest one once more behind them.
            assert len(instance.fetch_materializations(key, limit=100).records) == 5
        assert times == {k: newest_times(instance, k) for k in times}
        for spec in check_specs():
            of = dg.AssetCheckKey(dg.AssetKey(spec.table), spec.name)
            judged = instance.event_log_storage.get_asset_check_execution_history(of, limit=100)
            assert {str(j.partition) for j in judged} == keys
        history.forget(instance, past, lambda *_: None)
        assert len(instance.fetch_materializations(dg.AssetKey("flows"), limit=100).records) == 5


def newest_times(instance: dg.DagsterInstance, name: str) -> dict[str | None, float]:
    records = instance.fetch_materializations(dg.AssetKey(name), limit=100).records
    return {r.partition_key: r.timestamp for r in reversed(records)}


def history_bytes(site: Site) -> int:
    """The size of Dagster's databases with what waits in their logs to be written there."""
    found = list((site.root / "dagster_home" / "history").rglob("*.db"))
    for path in found:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return sum(path.stat().st_size for path in found)


def test_the_command_deletes_old_runs_and_gives_their_space_back(site: Site) -> None:
    with_retention(site, runs=1)
    before = history_bytes(site)
    with pytest.MonkeyPatch.context() as patch:
        later = dt.datetime.now(dt.UTC) + dt.timedelta(days=3)
        look = history.look
        patch.setattr(history, "look", lambda instance, _, *more: look(instance, later, *more))
        result = call(site, "prune", "--yes", "--clock-is-right", "--json")
    assert json.loads(result.stdout)["days"] == 1
    assert history_bytes(site) < before * 0.6
    assert [s.state for s in status(site)] == ["done"] * DAYS


@pytest.mark.parametrize("shared", [True, False])
def test_in_an_instance_that_others_use_their_runs_stay(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared: bool
) -> None:
    with_retention(site, runs=1)
    home = site.root / "dagster_home"
    if shared:
        monkeypatch.setenv("DAGSTER_HOME", str(home.rename(tmp_path / "company")))
    with open_instance(site) as instance:
        ours = {r.run_id for r in instance.get_runs()}
        for run_id in ours:  # The site was copied.
            instance.add_run_tags(run_id, {"nilometer/folder": str(site.root)})
        ended = dg.DagsterRunStatus.SUCCESS
        instance.add_run(dg.DagsterRun("orders_daily", status=ended))
        instance.add_run(dg.DagsterRun("__ASSET_JOB", status=ended, asset_selection=frozenset({dg.AssetKey("orders")})))
        instance.add_run(dg.DagsterRun("nilometer_daily", status=ended, tags={"nilometer/site": "renamed"}))
        alike = {"nilometer/site": site.root.name, "nilometer/folder": "/srv/another/site"}
        instance.add_run(dg.DagsterRun("nilometer_daily", status=ended, tags=alike))
    later, look = dt.datetime.now(dt.UTC) + dt.timedelta(days=3), history.look
    monkeypatch.setattr(history, "look", lambda instance, _, *more: look(instance, later, *more))
    result = call(site, "prune", "--yes", "--clock-is-right", "--json")
    told = json.loads(result.stdout)
    assert told["days"] == len(ours) + (0 if shared else 4)
    assert told["stays"] == ({"they are of other sites or code locations of the instance": 4} if shared else {})
    with open_instance(site) as instance:
        left = instance.get_runs()
        assert len(left) == (4 if shared else 0)
        assert not ours & {r.run_id for r in left}


def test_nothing_is_pruned_unless_it_is_configured_and_rightly(site: Site) -> None:
    result = call(site, "prune", "--yes", "--clock-is-right")
    assert result.exit_code == 2
    assert "no retention is set" in result.stderr
    config = site.root / "nilometer.yaml"
    config.write_text(config.read_text(encoding="utf-8") + "retention: {flows: 0d}\n", encoding="utf-8")
    assert "number of days such as 90d" in call(site, "prune").stderr


def test_rows_of_a_session_that_lasts_into_a_kept_day_stay() -> None:
    first, second = day(0).isoformat(), day(1).isoformat()
    part = Part("a", rows={first: 1}, first_day=first, last_day=first, last_end=second)
    assert prune._last_day(Entry("core", "a.log", 1, 1, "landed", first, parts=[part])) == second


def test_a_method_that_needs_days_that_are_gone_fails_no_day_and_asks_for_none_of_them(tmp_path: Path) -> None:
    site = make_site(tmp_path / "site", DAYS, config=SHORT)
    assert runner.run_days(site, days(DAYS)[:-1]).good
    every = {t: keep_from(day(5)) for t in ("daily_traffic", "traffic_baseline", "anomaly_scores")}
    site = pruned(site, **every)
    gone = [d for d in days(DAYS) if d not in site.storage.days("daily_traffic")]
    text = (site.root / "nilometer.yaml").read_text(encoding="utf-8")
    longer = f"{text}rules: {{mail_volume_surge: true, {SEED}: {{lookback_days: 6}}}}\n"
    (site.root / "nilometer.yaml").write_text(longer, encoding="utf-8")
    site = open_site(site.root)
    assert runner.run_days(site, [day(DAYS - 1)]).good
    assert runner.run_stale(site).good
    assert runner.run_stale(site).days == []
    assert [s.state for s in status(site)] == ["done"] * DAYS
    assert f"surge_scores: never made, and daily_traffic of {gone[0]} was pruned" in status(site)[0].reasons

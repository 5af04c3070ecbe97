"""Backfills in any order, by any way, repeated, at once, broken off and gone on with: all end in the same tables."""

import datetime as dt
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest

from assets import runner
from assets.build import build_defs
from assets.days import RANGE_END, RANGE_START
from assets.processes.instances import open_instance
from pipeline import storage
from pipeline.schemas import ALERTS, ANOMALY_SCORES, DAILY_TRAFFIC, FLOWS, TRAFFIC_BASELINE
from pipeline.site import PROJECT, Site, open_site
from tests.assets.conftest import SPELL
from tests.worlds import day, log_path, make_site

COUNT = 3
DAYS = [day(n) for n in range(COUNT)]
ORDERS = 1
CHAIN = (FLOWS, DAILY_TRAFFIC, TRAFFIC_BASELINE, ANOMALY_SCORES, ALERTS)


def stored(site: Site) -> dict[str, bytes]:
    return {str(p.relative_to(site.storage.root)): p.read_bytes() for p in site.storage.root.glob("*/day=*/*.parquet")}


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    site = make_site(tmp_path_factory.mktemp("expected") / "site", COUNT)
    assert runner.run_days(site, DAYS).good
    return stored(site)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return make_site(tmp_path / "site", COUNT)


@contextmanager
def counted_writes() -> Iterator[Counter[str]]:
    """Tables written inside, by table and day; counts that later days are compared with are a cache of the checks."""
    writes: Counter[str] = Counter()
    write = storage.Storage.write_slices

    def counting(self: storage.Storage, table: object, of: dt.date, *rest: object, **named: object) -> object:
        if not table.name.endswith("_counts"):  # type: ignore[attr-defined]
            writes[f"{table.name}/{of}"] += 1  # type: ignore[attr-defined]
        return write(self, table, of, *rest, **named)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(storage.Storage, "write_slices", counting)
        yield writes


def from_the_ui(site: Site, days: Sequence[dt.date]) -> None:
    """A backfill as the UI starts it: the assets, over a range of partitions, as one run."""
    tags = {RANGE_START: days[0].isoformat(), RANGE_END: days[-1].isoformat()}
    with open_instance(site) as instance:
        job = build_defs(site).resolve_job_def(runner.JOB)
        assert job.execute_in_process(instance=instance, tags=tags).success


def test_a_backfill_from_the_ui_stores_what_the_command_line_stores(site: Site, expected: dict[str, bytes]) -> None:
    from_the_ui(site, DAYS)
    assert stored(site) == expected


def test_single_days_in_any_order_end_in_the_bytes_of_one_range(tmp_path: Path, expected: dict[str, bytes]) -> None:
    draws = random.Random(20)
    for number in range(ORDERS):
        site = make_site(tmp_path / str(number), COUNT)
        order = draws.sample(DAYS, COUNT)
        order.insert(draws.randrange(COUNT), order[0])
        for each in order:
            runner.run_days(site, [each])
        runner.run_stale(site)
        assert stored(site) == expected, order


def test_one_asked_day_of_an_empty_site_has_the_verdict_of_a_full_run(spell: Path, tmp_path: Path) -> None:
    full, single = open_site(spell), make_site(tmp_path / "single", SPELL)
    last = day(SPELL - 1)
    assert runner.run_days(single, [last]).good
    for table in CHAIN:
        assert full.storage.read_day(table, last).equals(single.storage.read_day(table, last)), table.name
    alerts = single.storage.read_day(ALERTS, last)
    assert alerts.filter(pl.col("src_ip").is_not_null())["client"].to_list() == ["10.0.0.2"]
    assert single.storage.days("daily_traffic") == [day(n) for n in range(SPELL)]
    assert single.storage.days("alerts") == [last]


@pytest.mark.slow
def test_many_orders_of_days_ranges_and_repeats_end_in_the_same_bytes(tmp_path: Path) -> None:
    count, draws = 9, random.Random(21)
    whole = make_site(tmp_path / "whole", count)
    runner.run_days(whole, [day(n) for n in range(count)])
    for number in range(8):
        site, order = make_site(tmp_path / str(number), count), []
        while {d for days in order for d in days} != {day(n) for n in range(count)}:
            first = draws.randrange(count)
            order.append([day(n) for n in range(first, min(count, first + draws.choice((1, 1, 2, 4))))])
        for days in order:
            from_the_ui(site, days) if draws.random() < 0.3 else runner.run_days(site, days)
        runner.run_stale(site)
        assert stored(site) == stored(whole), order


def test_a_retry_of_one_bad_day_writes_that_day_alone(site: Site, expected: dict[str, bytes]) -> None:
    log = log_path(site.root, DAYS[-1])
    whole = log.read_bytes()
    log.write_bytes(b"\x1f\x8b broken")
    report = runner.run_days(site, DAYS)
    assert [d.state for d in report.days] == ["done"] * (COUNT - 1) + ["failed"]
    log.write_bytes(whole)
    with counted_writes() as writes:
        assert runner.run_stale(site).good
    assert {name.partition("/")[2] for name in writes} == {DAYS[-1].isoformat()}
    assert set(writes.values()) == {1}
    assert stored(site) == expected


def test_a_run_after_a_killed_one_makes_no_day_again_that_is_done(site: Site, expected: dict[str, bytes]) -> None:
    program = (
        "import sys, os, signal, datetime as dt\n"
        "from pathlib import Path\n"
        "from assets import runner\nfrom pipeline.days import day_range\n"
        "from pipeline.stored import stages\n"
        "from pipeline.site import open_site\n"
        "make = stages.make_daily\n"
        "import assets.daily as module\n"
        "def killing(site, day):\n"
        "    if day == dt.date.fromisoformat(sys.argv[3]): os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return make(site, day)\n"
        "module.make_daily = killing\n"
        "first, last = (dt.date.fromisoformat(d) for d in sys.argv[2:5:2])\n"
        "runner.run_days(open_site(Path(sys.argv[1])), day_range(first, last))\n"
    )
    words = [str(site.root), *(d.isoformat() for d in (DAYS[0], DAYS[2], DAYS[-1]))]
    killed = subprocess.run(
        [sys.executable, "-c", program, *words], cwd=PROJECT, check=False, capture_output=True, text=True
    )
    assert killed.returncode == -9, killed.stderr
    with counted_writes() as writes:
        assert runner.run_days(site, DAYS).good
    made = Counter(name.partition("/")[0] for name in writes.elements())
    assert made == {"daily_traffic": COUNT - 2, "traffic_baseline": COUNT, "anomaly_scores": COUNT, "alerts": COUNT}
    assert stored(site) == expected


def test_what_a_killed_run_had_made_is_made_again_where_it_would_differ(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner.run_days(site, DAYS)
    monkeypatch.setattr(runner._Runner, "_bury_dead_runs", lambda _: {("flows", d) for d in DAYS})
    log = log_path(site.root, DAYS[1])
    log.write_text(log.read_text(encoding="utf-8").replace("C2026", "D2026"), encoding="utf-8")
    with counted_writes() as writes:
        runner.run_days(site, DAYS)
    assert {n for n in writes if n.startswith("flows/")} == {f"flows/{DAYS[1]}"}
    assert writes[f"daily_traffic/{DAYS[0]}"] == 1


def test_of_two_runs_at_once_the_second_says_so_and_both_end_well(site: Site, expected: dict[str, bytes]) -> None:
    words = ["--site", str(site.root), "run", "--from", DAYS[0].isoformat(), "--to", DAYS[-1].isoformat()]
    command = [sys.executable, "-c", "from assets.cli import main; main()", *words]
    runs = [subprocess.Popen(command, cwd=PROJECT, stdout=-1, stderr=-1, text=True) for _ in range(2)]
    told = [(*run.communicate(), run.returncode) for run in runs]
    for _, errors, returned in told:
        assert returned == 0 or "another run is at work" in errors, errors
    assert 0 in [returned for *_, returned in told]
    assert stored(site) == expected


def test_a_backfill_of_the_ui_waits_for_the_one_that_is_at_work(site: Site, tmp_path: Path) -> None:
    program = (
        "import sys, time\nfrom pathlib import Path\nfrom pipeline.locks import site_lock\n"
        "from pipeline.storage import Storage\n"
        "with site_lock(Storage(Path(sys.argv[1])), wait=True):\n"
        "    print('held', flush=True)\n    time.sleep(2)\n    Path(sys.argv[2]).write_text('done')\n"
    )
    done = tmp_path / "done"
    words = [sys.executable, "-c", program, str(site.storage.root), str(done)]
    with subprocess.Popen(words, cwd=PROJECT, stdout=-1, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        from_the_ui(site, DAYS[:1])
    assert site.storage.path("flows", DAYS[0]).stat().st_mtime_ns >= done.stat().st_mtime_ns


def test_progress_of_a_long_stage_is_told_while_it_lasts(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from assets.reporting import progress

    now = iter(range(0, 1_000, 2))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(now)))
    with progress.shown("run"):
        for done in range(1, 11):
            progress.report("flows", done, 10)
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1] == "run: flows, 10 done"
    assert 2 <= len(lines) < 10
    assert lines[0].startswith("run: flows, ")
    assert lines[0].endswith(" of 10")

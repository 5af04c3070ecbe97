"""Full and read-only disks, damaged tables, a dying run history, wrong clocks: a clear state, and full recovery."""

import datetime as dt
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest

from assets import runner
from assets.processes.instances import home
from pipeline.errors import ConfigError, NilometerError
from pipeline.intake.landing import Landing
from pipeline.site import PROJECT, Site, open_site
from pipeline.storage import FOOTER_KEY, read_footer
from pipeline.stored import stages
from pipeline.stored.now import open_landing
from tests.worlds import day, log_path, make_site

pytestmark = pytest.mark.slow
DAYS = [day(n) for n in range(3)]
TABLES = ("flows", "daily_traffic", "traffic_baseline", "anomaly_scores", "alerts")


def stored(site: Site) -> dict[str, bytes]:
    return {str(p.relative_to(site.storage.root)): p.read_bytes() for p in site.storage.root.glob("*/day=*/*.parquet")}


def whole(site: Site) -> None:
    """Every stored file reads; nothing half-written is under its name."""
    for path in site.storage.root.rglob("*.parquet"):
        if not path.name.startswith("."):
            pl.read_parquet(path)
            read_footer(path)


def nilometer(site: Path, *words: str, limit: int | None = None) -> "subprocess.CompletedProcess[str]":
    """The command in a process of its own, whose files may be limited in size."""

    def limited() -> None:
        if limit is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    code = "from assets.cli import main; main()"
    command = [sys.executable, "-c", code, "--site", str(site), *words]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False, preexec_fn=limited)


RANGE = ("run", "--from", str(DAYS[0]), "--to", str(DAYS[-1]))


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A site that was run, not to be changed."""
    site = make_site(tmp_path_factory.mktemp("done") / "site", len(DAYS))
    assert runner.run_days(site, DAYS).good
    return site


@pytest.fixture
def site(done: Site, tmp_path: Path) -> Site:
    """A copy of it."""
    return open_site(Path(shutil.copytree(done.root, tmp_path / "site")))


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system of so many bytes, where this may be mounted."""
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(words, check=False, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here; the test with a limit on files says much the same")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def clear_end(ran: "subprocess.CompletedProcess[str]", *words: str) -> None:
    """The command ended with 1 and a message, not with a traceback."""
    assert ran.returncode == 1, ran.stderr
    assert "Traceback" not in ran.stderr
    assert any(w in ran.stderr for w in words), ran.stderr


# Disks


@pytest.mark.parametrize("left", [40_000, 700_000, 1_200_000])
def test_a_full_disk_ends_the_run_clearly_and_room_mends_it(done: Site, tmp_path: Path, left: int) -> None:
    with small_disk(tmp_path / "disk", "16m") as disk:
        site = make_site(disk / "site", len(DAYS))
        free = shutil.disk_usage(disk).free
        (disk / "ballast").write_bytes(b"x" * (free - left))
        clear_end(nilometer(site.root, *RANGE), "No space left", "disk is full", "disk I/O error")
        whole(site)
        (disk / "ballast").unlink()
        ran = nilometer(site.root, *RANGE)
        assert ran.returncode == 0, ran.stderr
        assert stored(site) == stored(done)
        assert not list(site.root.rglob("*.tmp"))


@pytest.mark.parametrize("limit", [2_000, 12_000, 200_000])
def test_files_that_may_not_grow_are_a_full_disk(done: Site, tmp_path: Path, limit: int) -> None:
    site = make_site(tmp_path / "site", len(DAYS))
    clear_end(nilometer(site.root, *RANGE, limit=limit), "File too large", "disk is full", "disk I/O error")
    whole(site)
    ran = nilometer(site.root, *RANGE)
    assert ran.returncode == 0, ran.stderr
    assert stored(site) == stored(done)


def test_a_read_only_site_can_be_looked_at_and_says_why_it_cannot_be_run(done: Site, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "16m") as disk:
        site = Path(shutil.copytree(done.root, disk / "site"))
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        clear_end(nilometer(site, *RANGE), "Read-only file system")
        for words in (("status",), ("alerts",), ("quality",)):
            ran = nilometer(site, *words)
            assert "Traceback" not in ran.stderr
            assert ran.stdout, ran.stderr


# Damaged tables


def spoil(path: Path, how: str) -> None:
    data = bytearray(path.read_bytes())
    if how == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif how == "within":
        data[4:40] = b"\xff" * 36
        path.write_bytes(data)
    elif how == "column":
        frame, footer = pl.read_parquet(path), pl.read_parquet_metadata(path)[FOOTER_KEY]
        frame.drop(frame.columns[-1]).write_parquet(path, metadata={FOOTER_KEY: footer})


@pytest.mark.parametrize(
    ("table", "how"), [*((t, "cut") for t in (*TABLES, "quality")), ("flows", "column"), ("anomaly_scores", "column")]
)
def test_a_damaged_day_is_stale_and_mended_by_run_stale(site: Site, done: Site, table: str, how: str) -> None:
    folder = site.storage.root / table / f"day={DAYS[1]}"
    path = folder / ("flows_valid.parquet" if table == "quality" else "part.parquet")
    spoil(path, how)
    (told,) = runner.days_status(site, open_landing(site), [DAYS[1]], runner.day_quality)
    assert told.state == "stale"
    if table == "quality":
        assert told.quality == "unverified"
    else:
        assert any("Run its day again" in r or "cannot be read" in r or "columns" in r for r in told.reasons)
    report = runner.run_stale(site)
    assert report.good, (report.problems, report.days)
    assert stored(site) == stored(done)


@pytest.mark.parametrize("table", TABLES)
def test_a_day_damaged_within_is_named_and_mended_by_running_it(site: Site, done: Site, table: str) -> None:
    spoil(site.storage.path(table, DAYS[1]), "within")
    damaged = site.storage.first_damage(DAYS)
    if damaged is not None:  # A few bytes may be of no weight, where there are no rows.
        assert f"{table}/day={DAYS[1]}" in damaged.message
    runner.run_days(site, [DAYS[1]])
    runner.run_stale(site)
    assert stored(site) == stored(done)


def test_landed_rows_and_ledger_damaged_together_are_read_again(site: Site, done: Site) -> None:
    landing = site.storage.root / "landing"
    for path in landing.rglob("*.parquet"):
        spoil(path, "cut")
    ledger = landing / "ledger.jsonl"
    ledger.write_bytes(ledger.read_bytes()[:-300])
    report = runner.run_days(site, DAYS)
    assert [d.state for d in report.days] == ["done"] * 3
    assert any("ledger" in p for p in report.problems)
    assert runner.run_days(site, DAYS).good
    assert stored(site) == stored(done)


# The run history


@pytest.mark.parametrize("which", ["runs.db", "index.db"])
def test_a_damaged_run_history_is_named_and_can_be_moved_away(site: Site, done: Site, which: str) -> None:
    for path in home(site).rglob(which):
        path.write_bytes(b"this is no database" * 500)
    with pytest.raises(NilometerError, match=r"dagster_home.*run history cannot be used.*move the folder away"):
        runner.run_days(site, DAYS)
    assert stored(site) == stored(done)
    home(site).rename(site.root / "old_home")
    assert runner.run_days(site, DAYS).good
    assert stored(site) == stored(done)


def test_a_run_history_that_another_process_locks_is_named(site: Site, done: Site) -> None:
    path = next(home(site).rglob("runs.db"))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(NilometerError, match="locked"):
            runner.run_days(site, DAYS)
    assert stored(site) == stored(done)
    assert runner.run_days(site, DAYS).good


# Clocks and logs that move


def at(now: dt.datetime, patch: pytest.MonkeyPatch) -> None:
    """Let the clock say so."""

    class Clock(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> "dt.datetime":
            return now if tz is not None else now.replace(tzinfo=None)

    shim = SimpleNamespace(datetime=Clock, UTC=dt.UTC, date=dt.date, timedelta=dt.timedelta)
    for module in ("pipeline.stored.now", "assets.flows"):
        patch.setattr(f"{module}.dt", shim)
    patch.setattr("pipeline.stored.now.today", lambda _: now.date())


@pytest.mark.parametrize("jump", [dt.timedelta(days=365), dt.timedelta(days=-1)])
def test_a_clock_that_jumps_changes_no_table(
    done: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump: dt.timedelta
) -> None:
    site, noon = make_site(tmp_path / "site", len(DAYS)), dt.datetime.combine(DAYS[-1], dt.time(12), dt.UTC)
    at(noon + dt.timedelta(days=3) + jump, monkeypatch)
    assert runner.run_days(site, DAYS[:2]).good
    at(noon + dt.timedelta(days=3), monkeypatch)
    assert runner.run_days(site, DAYS).good
    assert runner.run_stale(site).days == []
    assert stored(site) == stored(done)


def test_a_clock_before_the_days_refuses_them_and_harms_nothing(
    site: Site, done: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(dt.datetime.combine(DAYS[1], dt.time(12), dt.UTC), monkeypatch)
    with pytest.raises(ConfigError, match="has not ended yet"):
        runner.run_days(site, DAYS)
    assert runner.run_stale(site).days == []
    assert stored(site) == stored(done)


def test_a_log_that_changes_during_the_run_makes_its_day_stale_until_it_is_run_again(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, log = stages.make_daily, log_path(site.root, DAYS[1])
    text = log.read_text(encoding="utf-8")

    def changing(of: Site, when: dt.date) -> object:
        log.write_text(text.replace("1010", "4321") + text.replace("C2026", "D2026"), encoding="utf-8")
        return make(of, when)

    monkeypatch.setattr("assets.daily.make_daily", changing)
    report = runner.run_days(site, DAYS)
    assert report.days[1].state == "stale"
    assert "changed file" in report.days[1].reasons[0]
    assert not report.good
    monkeypatch.undo()  # The log is quiet again.
    assert runner.run_stale(site).good
    fresh = make_site(tmp_path / "fresh", len(DAYS))
    log_path(fresh.root, DAYS[1]).write_text(log.read_text(encoding="utf-8"), encoding="utf-8")
    runner.run_days(fresh, DAYS)
    assert stored(site) == stored(fresh)
    assert Landing(site.root, site.storage.root, site.settings, dt.datetime.now(dt.UTC)).pending(DAYS) == {}

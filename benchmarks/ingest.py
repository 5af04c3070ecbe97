"""Ingestion against DuckDB on one generated conn.log, in one run: CPU and wall ratios, and peak memory.

Ours is the whole job as the command does it: every line accounted for, mail flows kept with all their columns as sorted
Parquet, and the daily sums. DuckDB's is the bare aggregation of the same file. Each is a process of its own, imports
included: of the engine's own modules alone, from bytecode that an earlier start has left, as in any installation.

    python -m benchmarks.ingest [--lines 5000000] [--small 1000000] [--repeat 3]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.conn_log import BigLog

_CONFIG = """start_date: {day}
sources:
  - {{name: core, format: zeek, path: "logs/conn*.log"}}
inventory:
"""


@dataclass(frozen=True)
class Measured:
    """One process: seconds of CPU, of wall, peak resident megabytes and the sum it came to."""

    cpu: float
    wall: float
    peak_mb: float
    total: int


def measure(words: Sequence[str], answer: Path, bytecode: Path) -> Measured:
    """Run one engine in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.ingest", *words]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = str(bytecode)
    start = time.monotonic()
    process = os.spawnve(os.P_NOWAIT, sys.executable, command, environment)
    _, status, usage = os.wait4(process, 0)
    wall = time.monotonic() - start
    if status:
        raise SystemExit(f"{words[0]} failed with status {status}")
    total = json.loads(answer.read_text(encoding="utf-8"))
    return Measured(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024, total)


def ours(site_folder: Path, answer: Path) -> None:
    """Land the log, store flows and daily traffic, and write the sum of the daily rows."""
    import datetime as dt
    import gc

    from assets.command import COLLECT_AFTER

    gc.set_threshold(*COLLECT_AFTER)
    from benchmarks.conn_log import DAY
    from pipeline.intake.landing import Landing
    from pipeline.schemas import DAILY_TRAFFIC
    from pipeline.site import open_site
    from pipeline.stored.stages import make_daily, make_flows

    site = open_site(site_folder)
    landing = Landing(site.root, site.storage.root, site.settings, dt.datetime(2026, 11, 4, tzinfo=dt.UTC))
    report = landing.land([DAY])
    assert not report.problems, report.problems
    make_flows(site, landing, DAY)
    make_daily(site, DAY)
    frame = site.storage.read_day(DAILY_TRAFFIC, DAY)
    mine = frame.filter(frame["measure"].str.starts_with("bytes_in"))
    answer.write_text(json.dumps(int(mine["bytes"].sum())), encoding="utf-8")


def duckdb_aggregation(site_folder: Path, answer: Path) -> None:
    """DuckDB's bare query over the same file."""
    import duckdb

    servers = json.loads((site_folder / "servers.json").read_text(encoding="utf-8"))
    names = ",".join(f"'{s}'" for s in servers)
    log = site_folder / "logs" / "conn.log"
    query = f"""
        SELECT sum(b) FROM (
          SELECT column02 AS client, to_timestamp(column00)::DATE AS day, sum(column19) AS b
          FROM read_csv('{log}', delim='\t', header=false, skip=8, quote='', escape='', nullstr='-', auto_detect=false,
            columns={_columns()})
          WHERE column04 IN ({names}) GROUP BY 1, 2)"""
    total = duckdb.connect(config={"threads": os.cpu_count() or 1}).execute(query).fetchone()
    assert total is not None
    answer.write_text(json.dumps(int(total[0])), encoding="utf-8")


def _columns() -> str:
    numbers = {0: "DOUBLE", 19: "BIGINT"}
    return "{" + ",".join(f"'column{i:02}': '{numbers.get(i, 'VARCHAR')}'" for i in range(22)) + "}"


def compare(lines: int, bytecode: Path, repeat: int) -> tuple[Measured, Measured]:
    """Both engines on one log of so many lines, in turns; of several runs of each the one with the least CPU."""
    from benchmarks.conn_log import write_big_log

    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder) / "site"
        (site / "logs").mkdir(parents=True)
        log = write_big_log(site / "logs" / "conn.log", lines)
        _write_config(site, log)
        size = log.path.stat().st_size / 1e6
        print(f"{lines:,} lines, {size:,.0f} MB, {len(log.servers)} servers, {log.mail_bytes:,} bytes of mail")
        found: dict[str, list[Measured]] = {"duckdb": [], "ours": []}
        for engine in list(found) * repeat:
            shutil.rmtree(site / "data", ignore_errors=True)
            found[engine].append(measure([engine, str(site)], site / "answer.json", bytecode))
            assert found[engine][-1].total == log.mail_bytes, (found[engine][-1].total, log.mail_bytes)
    duck, mine = (min(runs, key=lambda m: m.cpu) for runs in found.values())
    return duck, mine


def _write_config(site: Path, log: BigLog) -> None:
    from benchmarks.conn_log import DAY

    (site / "servers.json").write_text(json.dumps(log.servers), encoding="utf-8")
    entries = "".join(f"  - {{address: {s}, category: email_server}}\n" for s in sorted(set(log.servers)))
    (site / "nilometer.yaml").write_text(_CONFIG.format(day=DAY) + entries, encoding="utf-8")


def show(duck: Measured, mine: Measured) -> float:
    """Print one comparison; returns our peak memory."""
    for name, m in (("duckdb, aggregation only", duck), ("nilometer, whole job", mine)):
        print(f"  {name:26} CPU {m.cpu:6.2f} s   wall {m.wall:6.2f} s   peak {m.peak_mb:6.0f} MB")
    print(f"  ratio to DuckDB            CPU {mine.cpu / duck.cpu:6.2f}     wall {mine.wall / duck.wall:6.2f}")
    return mine.peak_mb


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description="Ingestion of a generated conn.log against DuckDB.")
    parser.add_argument("--lines", type=int, default=5_000_000)
    parser.add_argument("--small", type=int, default=1_000_000, help="a smaller log, to see that memory is flat")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each engine, of which the best counts")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bytecode = Path(folder)
        compare(1_000, bytecode, 1)
        peaks = [show(*compare(lines, bytecode, options.repeat)) for lines in (options.small, options.lines)]
    print(f"peak memory, {options.small:,} -> {options.lines:,} lines: {peaks[0]:.0f} -> {peaks[1]:.0f} MB")


if __name__ == "__main__":
    engines = {"ours": ours, "duckdb": duckdb_aggregation}
    if len(sys.argv) == 3 and sys.argv[1] in engines:
        engines[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[2]) / "answer.json")
    else:
        main()

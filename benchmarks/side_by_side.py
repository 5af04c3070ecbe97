"""Landing by one process against several (`landing_processes`), in turns in one run: wall and CPU.

The logs are a format's generated files, all of the same day and of different content. What is landed must be the same
to the byte. Wall says what is gained only where nobody else uses the processors.

    python -m benchmarks.side_by_side [--format suricata] [--files 4] [--records 300000] [--processes 2] [--repeat 3]
"""

from __future__ import annotations

import argparse
import datetime as dt
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import format_files
from benchmarks.conn_log import DAY, servers

_AS_WRITTEN = dt.datetime(2026, 11, 20, tzinfo=dt.UTC)


def write_logs(folder: Path, encoding: str, files: int, records: int) -> None:
    """The files of a day; each has one record more than the one before, so that none is a copy."""
    folder.mkdir()
    for number in range(files):
        format_files.write(encoding, folder / f"log-{number:02}", records + number)


def land(root: Path, processes: int) -> None:
    """Land all logs anew, and print seconds and a digest of what was stored."""
    import resource

    from pipeline.disk import files_below
    from pipeline.intake.landing import Landing
    from pipeline.settings import Settings

    shutil.rmtree(root / "data", ignore_errors=True)
    chosen = {
        "sources": [{"name": "core", "path": "logs/*"}],
        "inventory": [{"address": a, "category": "email_server"} for a in servers()],
        "landing_processes": processes,
    }
    landing, begun = Landing(root, root / "data", Settings.model_validate(chosen), _AS_WRITTEN), time.perf_counter()
    report = landing.land([DAY])
    wall = time.perf_counter() - begun
    assert not report.problems, report.problems
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    stored = hashlib.sha256()
    for path in sorted(files_below(root / "data")):
        stored.update(path.read_bytes())
    cpu = sum(u.ru_utime + u.ru_stime for u in used)
    print(json.dumps({"wall": wall, "cpu": cpu, "stored": stored.hexdigest()}))


def main() -> None:
    """Measure."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    asked.add_argument("--format", default="suricata")
    for name, usual in (("files", 4), ("records", 300_000), ("processes", 2), ("repeat", 3)):
        asked.add_argument(f"--{name}", type=int, default=usual)
    asked.add_argument("--land", type=Path, help=argparse.SUPPRESS)
    chosen = asked.parse_args()
    if chosen.land:
        land(chosen.land, chosen.processes)
        return
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        write_logs(root / "logs", chosen.format, chosen.files, chosen.records)
        size = sum(p.stat().st_size for p in (root / "logs").iterdir())
        print(f"{chosen.files} files of {chosen.format}, {size / 1e6:,.0f} MB; {os.cpu_count()} processors")
        compare(root, chosen.processes, chosen.repeat)


def compare(root: Path, processes: int, repeat: int) -> None:
    """Both in turns, and the ratios of their best."""
    found: dict[int, list[dict[str, float]]] = {1: [], processes: []}
    for number in [1, processes] * repeat:
        words = [sys.executable, "-m", "benchmarks.side_by_side", "--land", str(root), "--processes", str(number)]
        told = subprocess.run(words, check=True, stdout=subprocess.PIPE).stdout
        found[number].append(json.loads(told))
    assert len({run["stored"] for runs in found.values() for run in runs}) == 1, "what was landed differs"
    best = {n: {key: min(r[key] for r in runs) for key in ("wall", "cpu")} for n, runs in found.items()}
    for number, run in best.items():
        print(f"{number} processes: wall {run['wall']:.2f} s, CPU {run['cpu']:.2f} s")
    ratios = ", ".join(f"{key} {best[processes][key] / best[1][key]:.2f}" for key in ("wall", "cpu"))
    print(f"ratio of {processes} to 1: {ratios}")


if __name__ == "__main__":
    main()

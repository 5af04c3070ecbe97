"""What small files cost to land: a log in one file, and the same records in many, as clouds and rotations leave them.

Landing is measured whole: a look at the file, telling its format, reading it, and storing its rows durably. How the
records are made is in `format_files`; each measurement is a process of its own.

    python -m benchmarks.small_files [--files 60] [--records 300] [--only vpc_text,suricata]
"""

from __future__ import annotations

import argparse
import datetime as dt
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import format_files
from benchmarks.conn_log import servers

_NAMES = "zeek_tsv,zeek_json,suricata,ecs,ocsf,cim_csv,vpc_text,vpc_json,nfdump_csv,gcp,paloalto,fortinet,asa"
_HEADED = {"zeek_tsv": 3, "cim_csv": 1, "nfdump_csv": 1}
"""Lines of a header, which each file has."""


def write(name: str, folder: Path, files: int, records: int) -> None:
    """The log in one file below `one`, and in many below `many`."""
    whole = folder / "one" / "a.log"
    for place in ("one", "many"):
        (folder / place).mkdir()
    format_files.write(name, whole, files * records)
    lines = whole.read_bytes().splitlines(keepends=True)
    head, rest = lines[: _HEADED.get(name, 0)], lines[_HEADED.get(name, 0) :]
    for n in range(files):
        part = rest[n * len(rest) // files : (n + 1) * len(rest) // files]
        (folder / "many" / f"{n:05}.log").write_bytes(b"".join([*head, *part]))


def landed(name: str, folder: Path) -> tuple[float, int]:
    """(CPU seconds, flows kept) of landing all files of a folder."""
    from pipeline.intake.landing import Landing
    from pipeline.settings import Settings
    from pipeline.sources.registry import format_of

    entries = [{"address": address, "category": "email_server"} for address in sorted(set(servers()))]
    source = {"name": "log", "path": "*.log", "format": format_of(name)}
    settings = Settings.model_validate({"sources": [source], "inventory": entries})
    day = dt.datetime.fromtimestamp(format_files.BASE_S, dt.UTC)
    landing = Landing(folder, folder / "data", settings, day + dt.timedelta(days=2))
    start = time.process_time()
    report = landing.land([day.date()])
    cpu = time.process_time() - start
    assert not report.problems, report.problems
    return cpu, sum(e.account.flows for e in landing.ledger.entries.values())


def _measured(name: str, folder: Path) -> tuple[float, int]:
    words = [sys.executable, "-m", "benchmarks.small_files", "--land", name, str(folder)]
    found = subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()
    return float(found[0]), int(found[1])


def main() -> None:
    """Print what a file costs of each format, and the ratio to the same records in one file."""
    parser = argparse.ArgumentParser(description="What small files cost to land.")
    parser.add_argument("--files", type=int, default=60)
    parser.add_argument("--records", type=int, default=300)
    parser.add_argument("--only", default=_NAMES)
    parser.add_argument("--land", nargs=2, metavar=("NAME", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.land:
        print(*landed(options.land[0], Path(options.land[1])))
        return
    print("| encoding | kB a file | CPU ms a file | of the same records in one file | ratio |\n|---|---|---|---|---|")
    for name in options.only.split(","):
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            write(name, folder, options.files, options.records)
            size = (folder / "one" / "a.log").stat().st_size / options.files / 1_000
            (many, kept), (one, same) = (_measured(name, folder / place) for place in ("many", "one"))
            assert kept == same, (name, kept, same)
            ms = 1_000 / options.files
            print(f"| {name} | {size:.0f} | {many * ms:.1f} | {one * ms:.1f} | {many / one:.1f} |", flush=True)


if __name__ == "__main__":
    main()

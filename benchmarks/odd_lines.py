"""What an odd value costs: readers on a generated file, and on the same file with one wrong address in 2,000 lines.

Logs of real sensors hold a few values that cannot be right. Each may cost its own line more, but not its whole block.
How the files are made and read is in `formats`.

    python -m benchmarks.odd_lines [--records 300000] [--only suricata,paloalto]
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import formats

EVERY = 2_000
"""Lines to one that is odd."""
_ADDRESS = re.compile(rb"\b(10\.[0-9]+\.[0-9]+)\.[0-9]+\b")
_NAMES = "zeek_tsv,zeek_json,suricata,ecs,cim_csv,vpc_text,silk,fortinet,paloalto,table_csv"


def spoil(path: Path) -> Path:
    """A copy of a log in which the first private address of every so many lines is none."""
    made = path.with_suffix(formats.ODD)
    with path.open("rb") as source, made.open("wb") as target:
        for number, line in enumerate(source, EVERY // 2):
            target.write(_ADDRESS.sub(rb"\1.999", line, count=1) if number % EVERY == 0 else line)
    return made


def main() -> None:
    """Print CPU seconds of both files, and their ratio, of each format."""
    parser = argparse.ArgumentParser(description="What one odd line in many costs.")
    parser.add_argument("--records", type=int, default=300_000)
    parser.add_argument("--only", default=_NAMES)
    options = parser.parse_args()
    print("| encoding | CPU s | CPU s with odd lines | ratio |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name in options.only.split(","):
            path = Path(folder, f"{name}.log")
            words = [sys.executable, "-m", "benchmarks.format_files", name, str(path), str(options.records)]
            subprocess.run(words, check=True)
            files = (path, spoil(path))
            plain, odd = (min(formats.run("ours", name, file).cpu for _ in range(3)) for file in files)
            print(f"| {name} | {plain:.2f} | {odd:.2f} | {odd / plain:.2f} |", flush=True)
            for file in files:
                file.unlink()


if __name__ == "__main__":
    main()
